"""redis_command and redis_command_docs: what the other tools do not cover, read-only by the server's own word."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.tools import Call, Room, ToolError, tool
from servers.redis.backend import RedisBackend
from servers.redis.commands import check_scope, describe, keys_of
from servers.redis.replies import bounded, pairs, plain
from servers.redis.values import parse_key, show_key

BIG = 8 * 1024 * 1024
"""Bytes of memory above which a key is not read by a command that may read all of it."""

Words = Annotated[
    list[str], Field(min_length=1, max_length=1000, description='name and arguments, as ["ZRANGE","k","0","9"]')
]


class Reply(TypedDict):
    reply: Any
    cut: Annotated[NotRequired[bool], Field(description="the reply was longer")]


@tool(title="Read-only command")
async def redis_command(call: Call[RedisBackend], *, command: Words) -> Reply:
    """Send any command that Redis itself flags as read-only and not dangerous, blocking or administrative."""
    words = [parse_key(word) for word in command]
    found = await describe(call.backend, words)
    found.refuse(writing=False)
    keys = await keys_of(call.backend, found, words)
    check_scope(call.backend, found, keys)
    if "fast" not in found.flags and found.name not in (
        "memory|usage",
        "object|encoding",
        "object|freq",
        "object|idletime",
    ):
        sizes = await call.backend.read_many([("MEMORY", "USAGE", key) for key in keys])
        for key, size in zip(keys, sizes, strict=True):
            if isinstance(size, int) and size > BIG:
                raise ToolError(
                    f"{show_key(key)!r} has {size} bytes, too many for a command that may read all of it: "
                    "redis_read gives it in pages"
                )
    reply, cut = bounded(await call.backend.read(*words, at=keys[0] if keys else None), Room(call.max_bytes))
    return {"reply": reply, "cut": True} if cut else {"reply": reply}


class Docs(TypedDict):
    command: str
    summary: NotRequired[str]
    since: NotRequired[str]
    complexity: NotRequired[str]
    arguments: NotRequired[str]
    allowed: Annotated[str, Field(description="by redis_command: yes, or why not")]


@tool(title="Documentation of a command")
async def redis_command_docs(
    call: Call[RedisBackend], *, command: Annotated[str, Field(max_length=100, description='as "XADD" or "CONFIG GET"')]
) -> Docs:
    """What a command of this Redis does, its arguments and cost, and whether redis_command may send it."""
    words = [word.encode() for word in command.split()[:2]]
    if not words:
        raise ToolError("give the name of a command")
    found = await describe(call.backend, words)
    docs: Docs = {"command": found.name.replace("|", " ").upper(), "allowed": "yes"}
    try:
        found.refuse(writing=False)
    except ToolError as refusal:
        docs["allowed"] = str(refusal)
    try:
        answer = await call.backend.read("COMMAND", "DOCS", found.name)
    except ToolError:
        return docs  # before Redis 7
    if answer:
        said = pairs(answer[1])
        docs["summary"], docs["since"] = plain(said.get("summary", "")), plain(said.get("since", ""))
        docs["complexity"] = plain(said.get("complexity", ""))
        docs["arguments"] = " ".join(_argument(pairs(a)) for a in said.get("arguments", []))
    return docs


def _argument(argument: dict[str, Any]) -> str:
    """An argument in the notation of Redis' own documentation."""
    kind, flags = plain(argument.get("type", "")), plain(argument.get("flags", []))
    token = plain(argument.get("token", ""))
    inner = [_argument(pairs(a)) for a in argument.get("arguments", [])]
    text = " | ".join(inner) if kind == "oneof" else " ".join(inner)
    if not inner:
        text = "" if kind == "pure-token" else plain(argument.get("display_text") or argument.get("name", ""))
    elif kind == "oneof" and "optional" not in flags:
        text = f"<{text}>"
    text = " ".join(part for part in (token, text) if part)
    if "multiple" in flags:
        text = f"{text} [{text} ...]"
    return f"[{text}]" if "optional" in flags else text
