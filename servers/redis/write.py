"""redis_write: one key, of any type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.tools import Call, ToolError, to_json, tool
from servers.redis.backend import RedisBackend
from servers.redis.replies import said
from servers.redis.values import KeyName, encode, parse, show_key
from servers.redis.version import check_versions

MOST_ELEMENTS = 10_000

Kind = Literal["string", "hash", "list", "set", "zset", "stream", "json"]

_LENGTHS: dict[str, tuple[str, ...]] = {
    "string": ("STRLEN",),
    "hash": ("HLEN",),
    "list": ("LLEN",),
    "set": ("SCARD",),
    "zset": ("ZCARD",),
    "stream": ("XLEN",),
}


class Written(TypedDict):
    key: str
    type: str
    created: Annotated[bool, Field(description="the key was not there before")]
    length: Annotated[NotRequired[int], Field(description="bytes of a string, else elements, now")]
    id: Annotated[NotRequired[str], Field(description="of the stream entry")]


@tool(title="Write a key", write=True, destructive=True, idempotent=False)
async def redis_write(
    call: Call[RedisBackend],
    *,
    key: KeyName,
    type: Kind = "string",
    value: Annotated[
        Any,
        Field(
            description="string: text; hash: {field: text} to set; list: [text] to append; set: [text] to add; "
            "zset: {member: score} to set; stream: {field: text}, one entry; json: the document"
        ),
    ],
    prepend: Annotated[bool, Field(description="to a list; the last comes first")] = False,
    base64: Annotated[bool, Field(description="all text in value is base64")] = False,
    condition: Annotated[
        Literal["always", "absent", "present"], Field(description="write only if the key is absent or present")
    ] = "always",
    if_version: Annotated[str | None, Field(description="write only if this is its version, from redis_read")] = None,
    replace: Annotated[bool, Field(description="delete what the key holds first")] = False,
    ttl_s: Annotated[int | None, Field(ge=0, le=10**9, description="expire after; 0: never; absent: as before")] = None,
) -> Written:
    """Write one key, atomically. A key of another type is refused unless replace is true. Other changes: redis_transaction."""
    command = _COMMANDS[type](value, lambda text: parse(text, base64))
    if prepend:
        if type != "list":
            raise ToolError("only a list can be prepended to")
        command[0] = "LPUSH"
    name = call.backend.scope.key(key)
    own = "ReJSON-RL" if type == "json" else type
    async with call.backend.transaction(name) as transaction:
        if if_version is not None:
            await check_versions(transaction, {name: if_version})
        found = said(await transaction.read("TYPE", name))
        if condition == "absent" and found != "none":
            raise ToolError(f"{key!r} is there already, as a {found}: nothing was written")
        if condition == "present" and found == "none":
            raise ToolError(f"there is no key {key!r}: nothing was written")
        if found not in ("none", own) and not replace:
            raise ToolError(
                f"{key!r} is a {found}, not a {type}: nothing was written; replace=true would delete it first"
            )
        # SET and JSON.SET take the TTL away; absent means as before.
        ttl = -1
        if type in ("string", "json") and ttl_s is None and not replace:
            ttl = await transaction.read("PTTL", name)
        commands: list[tuple[Any, ...]] = []
        if replace:
            commands.append(("UNLINK", name))
        commands.append((command[0], name, *command[1:]))
        if ttl_s:
            commands.append(("EXPIRE", name, ttl_s))
        elif ttl_s == 0:
            commands.append(("PERSIST", name))
        elif ttl > 0:
            commands.append(("PEXPIRE", name, ttl))
        if type in _LENGTHS:
            commands.append((*_LENGTHS[type], name))
        answers = await transaction.execute(commands)
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
    written: Written = {"key": show_key(name), "type": type, "created": found == "none"}
    if type in _LENGTHS:
        written["length"] = answers[-1]
    if type == "stream":
        written["id"] = said(answers[1 if replace else 0])
    return written


Parse = Callable[[str], bytes]


def _text(value: Any, place: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ToolError(f"{place} has to be text or a number; for nested data use type json, or write it as JSON text")
    return value if isinstance(value, str) else to_json(value)


def _string(value: Any, parsed: Parse) -> list[Any]:
    return ["SET", parsed(_text(value, "value of a string"))]


def _pairs(command: list[Any], kind: str) -> Callable[[Any, Parse], list[Any]]:
    def make(value: Any, parsed: Parse) -> list[Any]:
        if not isinstance(value, dict) or not 0 < len(value) <= MOST_ELEMENTS:
            raise ToolError(f"value of a {kind} has to be an object with 1 to {MOST_ELEMENTS} members")
        return [
            *command,
            *(
                word
                for name, text in value.items()
                for word in (parsed(name), parsed(_text(text, f"a field of a {kind}")))
            ),
        ]

    return make


def _elements(command: str, kind: str) -> Callable[[Any, Parse], list[Any]]:
    def make(value: Any, parsed: Parse) -> list[Any]:
        if not isinstance(value, list) or not 0 < len(value) <= MOST_ELEMENTS:
            raise ToolError(f"value of a {kind} has to be an array: give 1 to {MOST_ELEMENTS} elements")
        return [command, *(parsed(_text(element, f"an element of a {kind}")) for element in value)]

    return make


def _scores(value: Any, parsed: Parse) -> list[Any]:
    if not isinstance(value, dict) or not 0 < len(value) <= MOST_ELEMENTS:
        raise ToolError(f"value of a zset has to be an object of 1 to {MOST_ELEMENTS} members to their scores")
    words: list[Any] = ["ZADD"]
    for member, score in value.items():
        if isinstance(score, bool) or (not isinstance(score, int | float) and score not in ("inf", "-inf", "+inf")):
            raise ToolError("a score has to be a number, or inf or -inf")
        words += [score, parsed(member)]
    return words


def _json(value: Any, parsed: Parse) -> list[Any]:
    return ["JSON.SET", "$", encode(to_json(value))]


_COMMANDS: dict[str, Callable[[Any, Parse], list[Any]]] = {
    "string": _string,
    "hash": _pairs(["HSET"], "hash"),
    "list": _elements("RPUSH", "list"),
    "set": _elements("SADD", "set"),
    "zset": _scores,
    "stream": _pairs(["XADD", "*"], "stream entry"),
    "json": _json,
}
