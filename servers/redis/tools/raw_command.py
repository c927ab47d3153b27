"""redis_command and redis_command_docs: what the other tools do not cover."""

import random
from collections.abc import AsyncIterator
from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.protocol.tools import Call, Room, ToolError, tool
from servers.redis.format.key_encoding import Word, parse_key
from servers.redis.format.replies import as_json, bounded, pairs
from servers.redis.policy.command_cost import Planned
from servers.redis.policy.command_policy import describe, plan
from servers.redis.policy.key_scope import ScopedRedis

Words = Annotated[list[Word], Field(min_length=1, max_length=1000, description='e.g. ["ZRANGE","k","0","9"]')]


class CommandReply(TypedDict):
    reply: NotRequired[Any]
    replies: Annotated[NotRequired[list[Any]], Field(description="one per command; {error} if Redis refused it")]
    cut: Annotated[NotRequired[bool], Field(description="a reply was cut")]
    left_out: Annotated[NotRequired[int], Field(description="replies that did not fit")]


@tool(title="Read-only command")
async def redis_command(
    call: Call[ScopedRedis],
    *,
    command: Words | None = None,
    commands: Annotated[
        list[Annotated[list[Word], Field(min_length=1)]] | None, Field(max_length=200, description="several commands")
    ] = None,
) -> CommandReply:
    """Send up to 200 commands that Redis flags as read-only and not as dangerous or blocking. Use it if no other tool fits."""
    if (command is None) == (not commands):
        raise ToolError("give either command or commands")
    backend = call.backend
    planned, weight = await plan(
        backend, [[parse_key(word) for word in words] for words in commands or [command or []]], writing=False
    )
    for one in planned:
        try:
            backend.check_slots(one.keys)
        except ToolError as error:
            raise ToolError(f"{error}; redis_read_many reads keys of any slots") from None
    room = Room(call.max_bytes)
    replies: list[Any] = []
    result: CommandReply = {"replies": replies}
    async with weight.held():
        if not commands:
            reply, cut = bounded(await _sent(backend, planned[0]), room)
            return {"reply": reply, "cut": True} if cut else {"reply": reply}
        async for answer in _sent_many(backend, planned):
            shown, cut = bounded(answer, room)
            if cut and shown is None:
                break
            replies.append(shown)
            if cut:
                result["cut"] = True
    if left_out := len(planned) - len(replies):
        result["left_out"] = left_out
    return result


async def _sent_many(backend: ScopedRedis, planned: list[Planned]) -> AsyncIterator[Any]:
    """Give the answers to several commands: in one round trip as far as they name keys, others one by one, to be cut at once."""
    keyed = [one for one in planned if one.keys]
    answers = iter(await backend.read_many([_words(one) for one in keyed]))
    for one in planned:
        yield next(answers) if one.keys else await _sent(backend, one)


def _words(planned: Planned) -> tuple[bytes, ...]:
    if planned.name == "pfcount" and len(planned.keys) == 1:
        # With one key it stores what it has counted; with several it stores nothing, and a key may be named twice.
        return (*planned.words, planned.keys[0])
    return planned.words


async def _sent(backend: ScopedRedis, planned: Planned) -> Any:
    if backend.clustered and not planned.keys:
        return await _of_cluster(backend, planned)
    return await backend.read(*_words(planned), at=planned.keys[0] if planned.keys else None)


async def _of_cluster(backend: ScopedRedis, planned: Planned) -> Any:
    """Return the answer of all servers of a cluster to a command that names no key, or raise ToolError if there is no such
    answer."""
    if planned.name.startswith("ft.") or planned.name == "time":
        return await backend.read(*planned.words)
    if planned.name == "dbsize":
        return sum(await backend.each("DBSIZE"))
    if planned.name == "randomkey":
        keys = [key for key in await backend.each("RANDOMKEY") if key is not None]
        return random.choice(keys) if keys else None
    raise ToolError(f"{planned.name.upper()} would cover one server of the cluster only: use redis_scan, which covers all")


class Docs(TypedDict):
    command: str
    summary: NotRequired[str]
    since: NotRequired[str]
    complexity: NotRequired[str]
    arguments: NotRequired[str]
    allowed: Annotated[str, Field(description="whether redis_command may send it: yes, or why not")]


@tool(title="Documentation of a command")
async def redis_command_docs(
    call: Call[ScopedRedis],
    *,
    command: Annotated[str, Field(max_length=100, description='e.g. "XADD" or "CONFIG GET"')],
) -> Docs:
    """Show what a command does, its arguments and cost; and whether redis_command may send it."""
    words = [word.encode() for word in command.split()[:2]]
    if not words:
        raise ToolError("give the name of a command")
    (found,) = await describe(call.backend, [words])
    docs: Docs = {"command": found.shown, "allowed": "yes"}
    try:
        found.refuse(writing=False)
    except ToolError as refusal:
        docs["allowed"] = call.told(str(refusal))
    try:
        answer = await call.backend.read("COMMAND", "DOCS", found.name)
    except ToolError:
        return docs  # before Redis 7
    if answer:
        said = pairs(answer[1])
        docs["summary"], docs["since"] = as_json(said.get("summary", "")), as_json(said.get("since", ""))
        docs["complexity"] = as_json(said.get("complexity", ""))
        docs["arguments"] = " ".join(_argument(pairs(a)) for a in said.get("arguments", []))
    return docs


def _argument(argument: dict[str, Any]) -> str:
    """Return an argument in the notation of Redis' own documentation."""
    kind, flags = as_json(argument.get("type", "")), as_json(argument.get("flags", []))
    token = as_json(argument.get("token", ""))
    inner = [_argument(pairs(a)) for a in argument.get("arguments", [])]
    text = " | ".join(inner) if kind == "oneof" else " ".join(inner)
    if not inner:
        text = "" if kind == "pure-token" else as_json(argument.get("display_text") or argument.get("name", ""))
    elif kind == "oneof" and "optional" not in flags:
        text = f"<{text}>"
    text = " ".join(part for part in (token, text) if part)
    if "multiple" in flags:
        text = f"{text} [{text} ...]"
    return f"[{text}]" if "optional" in flags else text
