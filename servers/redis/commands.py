"""Which commands of this Redis may be sent for a model, by the server's own description of them (COMMAND INFO)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from servers.common.tools import ToolError
from servers.redis.backend import RedisBackend

NEVER = {
    "blocking": "it blocks its connection",
    "pubsub": "it turns its connection into one that only listens; redis_pubsub listens for a while",
    "admin": "it is for administrators",
    "dangerous": "Redis counts it as dangerous",
    "scripting": "scripts are never run here",
    "connection": "it is about the connection, which is this server's own",
    "transaction": "redis_transaction sends several commands as one",
}
"""ACL categories and flags that are refused, and why."""

KEYLESS = frozenset({"dbsize", "time", "lolwut", "command", "latency|latest"})
"""Readable without a key that say nothing of any key: also under MCP_KEY_PREFIXES."""


@dataclass(frozen=True)
class Command:
    """A command of the server's.

    `name` is lower-case, with its subcommand behind a |; `flags` are its flags and ACL categories without their @.
    """

    name: str
    words: int
    flags: frozenset[str]
    keys: bool

    def refuse(self, *, writing: bool) -> None:
        """Raises ToolError when it may not be sent.

        Args:
            writing: within a transaction, where commands that change data may be, and none blocks
        """
        for flag, reason in NEVER.items():
            if flag in self.flags and not (writing and flag == "blocking"):
                raise ToolError(f"{self.name.replace('|', ' ').upper()} is refused: {reason}")
        if "readonly" in self.flags or (writing and "write" in self.flags):
            return
        reason = "it changes data" if "write" in self.flags else "it reads no data"
        raise ToolError(f"{self.name.replace('|', ' ').upper()} is refused: {reason}")


async def describe(backend: RedisBackend, words: Sequence[bytes]) -> Command:
    """The command that some words begin with.

    Raises:
        ToolError: this Redis has none of that name.
    """
    first = words[0].lower()
    candidates = [first]
    if len(words) > 1:
        candidates.insert(0, first + b"|" + words[1].lower())
    infos = await backend.read("COMMAND", "INFO", *candidates)
    for name, info in zip(candidates, infos, strict=True):
        # A container such as CONFIG describes its subcommands from Redis 7 on.
        if info:
            flags = {_word(flag) for flag in [*info[2], *(info[6] if len(info) > 6 else [])]}
            return Command(
                name.decode(), name.count(b"|") + 1, frozenset(flags), bool(info[3]) or "movablekeys" in flags
            )
    raise ToolError(f"this Redis has no command {words[0][:50].decode('utf-8', 'replace')!r}")


async def keys_of(backend: RedisBackend, command: Command, words: Sequence[bytes]) -> list[bytes]:
    """The keys that a command names, as the server itself finds them.

    Raises:
        ToolError: it has too few arguments.
    """
    if not command.keys and command.words == 1:
        return []
    try:
        found = await backend.read("COMMAND", "GETKEYS", *words)
    except ToolError as error:
        if "no key arguments" in str(error):
            return []
        raise
    return [bytes(key) for key in found]


def check_scope(backend: RedisBackend, command: Command, keys: Sequence[bytes]) -> None:
    """Raises ToolError for a command that reaches beyond MCP_KEY_PREFIXES."""
    if not backend.scope:
        return
    if command.name.startswith("ft.") or (not keys and command.name not in KEYLESS):
        raise ToolError(
            f"{command.name.replace('|', ' ').upper()} may reach any key, and this server may touch only keys that begin with "
            f"{backend.scope.said}"
        )
    backend.scope.check(keys)


def _word(flag: bytes) -> str:
    return flag.decode().lstrip("@").replace("_", "") if isinstance(flag, bytes) else str(flag)
