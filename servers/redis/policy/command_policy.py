"""Decide which commands may be sent for a model: by the server's own description of them (COMMAND INFO), and by our table."""

from collections.abc import Sequence
from dataclasses import dataclass

from servers.common.protocol.tools import ToolError
from servers.redis.format.replies import said
from servers.redis.format.replies import words as said_error
from servers.redis.policy.command_cost import Planned, Weight, check_cost
from servers.redis.policy.command_keys import CONTAINERS, FINDERS, keys_in
from servers.redis.policy.key_scope import KeyScope, ScopedRedis

NEVER = {
    "blocking": "it blocks its connection",
    "pubsub": "it is for channels and reads no data; redis_pubsub lists channels and listens to them",
    "admin": "it is for administrators",
    "dangerous": "Redis counts it as dangerous",
    "scripting": "scripts are never run here",
    "connection": "it is about the connection and the server, and reads no data",
    "transaction": "it is one part of a transaction; redis_transaction sends several commands as one",
}
"""ACL categories and flags that are refused, and why."""

_ONE_DATABASE = "this server stays in one database, that of REDIS_DB"

REFUSED = {
    "move": _ONE_DATABASE,
    "select": _ONE_DATABASE,
    "swapdb": _ONE_DATABASE,
    "georadius": "use GEOSEARCH, or GEOSEARCHSTORE to store what it finds",
    "georadiusbymember": "use GEOSEARCH, or GEOSEARCHSTORE to store what it finds",
    "stralgo": "use LCS, of Redis 7",
    "ft.search": "it has a tool of its own; use redis_search",
    "ft.aggregate": "it has a tool of its own; use redis_aggregate",
    "lolwut": "it reads no data",
    "post": "it is not a command",
    "host:": "it is not a command",
}
"""Commands that are refused whatever Redis says of them, and why."""

INSTEAD = {
    "bitfield": "BITFIELD_RO reads bits",
    "keys": "redis_scan finds keys",
    **dict.fromkeys(("info", "lastsave", "ping", "role"), "redis_info gives the state of Redis"),
    "debug": "OBJECT ENCODING and MEMORY USAGE describe a key",
    "monitor": "redis_diagnose with topic commands counts commands",
    "restore": "COPY copies a key",
    "config|get": "redis_diagnose with topic config shows settings",
    "slowlog": "redis_diagnose shows the slow log",
    "client": "redis_diagnose lists clients",
    "latency": "redis_diagnose shows latency",
    "memory": "redis_diagnose shows memory",
    "acl": "redis_diagnose with topic acl shows the rights of this user",
    "command": "redis_command_docs describes commands",
    **dict.fromkeys(("publish", "spublish"), "redis_publish publishes"),
    "flushdb": "redis_delete_matching deletes by pattern",
    "flushall": "redis_delete_matching deletes by pattern",
    "sort": "read the key with redis_read and sort the result",
    "sort_ro": "read the key with redis_read and sort the result",
    "xread": "redis_read reads streams",
}
"""The tools that do what a refused command, or a container of commands, is for."""

READS = frozenset({"time"})
"""Commands that are not flagged as reading, and are allowed."""


@dataclass(frozen=True)
class CommandSpec:
    """A command as the server describes it.

    `name` is lower-case, with its subcommand behind a |; `arity` is the number of its words, or the negative of their least
    number; `flags` are its flags and ACL categories without their @.
    """

    name: str
    arity: int
    flags: frozenset[str]
    keys: bool

    @property
    def shown(self) -> str:
        return self.name.replace("|", " ").upper()

    @property
    def reads(self) -> bool:
        return self.name in READS or ("readonly" in self.flags and "write" not in self.flags)

    def refuse(self, *, writing: bool) -> None:
        """Raise ToolError when it may not be sent. Within a transaction (`writing`) commands may change data, and none blocks."""
        if reason := self._reason(writing):
            instead = INSTEAD.get(self.name) or INSTEAD.get(self.name.partition("|")[0])
            raise ToolError(f"{self.shown} is refused: {reason}" + (f"; {instead}" if instead else ""))

    def _reason(self, writing: bool) -> str | None:
        if self.name in REFUSED:
            return REFUSED[self.name]
        for flag, reason in NEVER.items():
            if flag in self.flags and not (writing and flag == "blocking"):
                return reason
        known = self.name in FINDERS
        if not known and ("module" in self.flags or "." in self.name):
            return "it belongs to a module, and this server does not know which keys it touches"
        if not known and self.name.partition("|")[0] in CONTAINERS:
            return "it reads no data"
        if self.reads or (writing and "write" in self.flags):
            return None
        return (
            "it changes data; redis_transaction sends it, where writes are allowed"
            if "write" in self.flags
            else "it reads no data"
        )


async def describe(backend: ScopedRedis, commands: Sequence[Sequence[bytes]]) -> list[CommandSpec]:
    """Find the commands that some words begin with, in one round trip. Raise ToolError if this Redis does not have one."""
    wanted: dict[bytes, None] = {}
    for words in commands:
        if len(words[0]) > 100:
            raise ToolError("the name of a command is not this long")
        wanted[words[0].lower()] = None
        if len(words) > 1 and len(words[1]) <= 100:
            wanted[words[0].lower() + b"|" + words[1].lower()] = None
    infos = dict(zip(wanted, await backend.read("COMMAND", "INFO", *wanted), strict=True))
    return [_described(words, infos) for words in commands]


def _described(words: Sequence[bytes], infos: dict[bytes, list[object]]) -> CommandSpec:
    first = words[0].lower()
    second = first + b"|" + words[1].lower() if len(words) > 1 else b""
    # A container such as CONFIG describes its subcommands from Redis 7 on.
    info = infos.get(second) or infos.get(first)
    if not info:
        hint = ": give each word as an item of its own" if b" " in words[0] else ""
        raise ToolError(f"this Redis has no command {said(words[0])[:50]!r}{hint}")
    # Redis' own name: an operator may have renamed the command.
    name = said(info[0]).lower()
    if name in CONTAINERS and len(words) > 1:
        name += "|" + said(words[1])[:100].lower()
    flags = {said(flag).lstrip("@").replace("_", "") for flags in (info[2], *info[6:7]) for flag in flags}  # type: ignore[attr-defined]
    return CommandSpec(name, int(said(info[1])), frozenset(flags), bool(info[3]) or "movablekeys" in flags)


async def plan(backend: ScopedRedis, commands: Sequence[Sequence[bytes]], *, writing: bool) -> tuple[list[Planned], Weight]:
    """Check commands, given as words, before they are sent: what they are, which keys they touch, what they cost. `writing` is as
    of `CommandSpec.refuse`. Return the commands, and the bytes of this process that their answers may take together.

    Raise ToolError if one may not be sent. Of several, the message says which.
    """
    described = await describe(backend, commands)
    planned: list[Planned] = []
    asked: list[int] = []
    for index, (command, words) in enumerate(zip(described, commands, strict=True)):
        try:
            command.refuse(writing=writing)
            if len(words) < abs(command.arity) or 0 < command.arity < len(words):
                raise ToolError("wrong number of arguments; redis_command_docs describes them")
            keys = keys_in(command.name, words)
            if keys is None and backend.scope:
                raise ToolError("this server does not know which keys it touches")
            if not keys and backend.scope and command.name != "time":
                raise ToolError(f"it may reach any key, and this server may touch only keys that begin with {backend.scope.said}")
        except ToolError as error:
            raise _placed(error, command, index, len(commands)) from None
        if command.keys and (keys is None or backend.scope):
            asked.append(index)
        planned.append(Planned(command.name, tuple(words), tuple(keys or ()), command.reads))
    answers = await backend.read_many([("COMMAND", "GETKEYS", *commands[index]) for index in asked])
    for index, answer in zip(asked, answers, strict=True):
        try:
            planned[index] = _agreed(planned[index], answer, backend.scope)
        except ToolError as error:
            raise _placed(error, described[index], index, len(commands)) from None
    for index, one in enumerate(planned):
        if not one.keys and one.name not in FINDERS:
            unknown = ToolError("this server does not know what it reads")
            raise _placed(unknown, described[index], index, len(commands))
    if backend.scope:
        backend.scope.check(key for command in planned for key in command.keys)
    return planned, await check_cost(backend, planned)


def _agreed(planned: Planned, answer: object, scope: KeyScope) -> Planned:
    """Return a command with the keys that Redis finds in it. Under MCP_KEY_PREFIXES our table has to find the same, or more of a
    module, which may declare only the first. Raise ToolError if it does not, or Redis takes the command for a wrong one."""
    if isinstance(answer, Exception):
        if "no key arguments" not in str(answer):
            raise ToolError(said_error(answer))
        answer = []
    assert isinstance(answer, list)
    keys = tuple(bytes(key) for key in answer)
    known = planned.keys if "." not in planned.name else [key for key in planned.keys if key in keys]
    if scope and set(keys) != set(known):
        raise ToolError("Redis and this server find different keys in it: write it in its plain form")
    return planned if scope else Planned(planned.name, planned.words, keys, planned.reads)


def _placed(error: ToolError, command: CommandSpec, index: int, count: int) -> ToolError:
    """Return a refusal that says of which command it is."""
    text = str(error)
    named = text if text.startswith(command.shown) else f"{command.shown}: {text}"
    return ToolError(f"command {index + 1}: {named}; nothing was done" if count > 1 else named)
