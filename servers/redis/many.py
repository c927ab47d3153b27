"""redis_read_many: several keys at once, in short."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.tools import Call, Room, tool
from servers.redis.backend import RedisBackend
from servers.redis.replies import said, seconds
from servers.redis.values import show

SHORT = 1024
"""Bytes of a value, and of all elements of a collection, that are shown of a key."""

ELEMENTS = 20


class Short(TypedDict):
    key: str
    type: Annotated[str, Field(description="none: no such key")]
    value: Annotated[NotRequired[Any], Field(description="short, or the first elements")]
    length: NotRequired[int]
    masked: Annotated[NotRequired[bool], Field(description="looks like a secret; redis_read shows it")]
    encoding: NotRequired[str]
    memory_bytes: NotRequired[int]
    ttl_s: NotRequired[int]
    idle_s: NotRequired[int]
    frequency: Annotated[NotRequired[int], Field(description="under an LFU policy")]


class Many(TypedDict):
    keys: Annotated[list[Short], Field(description="a value that looks like a secret is masked; redis_read shows it")]
    left_out: Annotated[NotRequired[int], Field(description="keys that did not fit")]


_ABOUT: tuple[tuple[str, tuple[str, ...], tuple[Any, ...]], ...] = (
    ("encoding", ("OBJECT", "ENCODING"), ()),
    ("memory_bytes", ("MEMORY", "USAGE"), ("SAMPLES", 20)),
    ("ttl_s", ("PTTL",), ()),
    ("idle_s", ("OBJECT", "IDLETIME"), ()),
    ("frequency", ("OBJECT", "FREQ"), ()),
)

_PEEK: dict[str, Callable[[bytes], tuple[tuple[Any, ...], tuple[Any, ...]]]] = {
    "string": lambda name: (("GETRANGE", name, 0, SHORT - 1), ("STRLEN", name)),
    "hash": lambda name: (("HSCAN", name, 0, "COUNT", ELEMENTS), ("HLEN", name)),
    "list": lambda name: (("LRANGE", name, 0, ELEMENTS - 1), ("LLEN", name)),
    "set": lambda name: (("SRANDMEMBER", name, ELEMENTS), ("SCARD", name)),
    "zset": lambda name: (("ZRANGE", name, 0, ELEMENTS - 1, "WITHSCORES"), ("ZCARD", name)),
    "stream": lambda name: (("XREVRANGE", name, "+", "-", "COUNT", 3), ("XLEN", name)),
}


@tool(title="Read many keys")
async def redis_read_many(
    call: Call[RedisBackend],
    *,
    keys: Annotated[list[str], Field(min_length=1, max_length=200)],
    values: Annotated[bool, Field(description="false: only what is known about them")] = True,
) -> Many:
    """Up to 200 keys in two round trips: type, encoding, memory, TTL, idle time, and the beginnings of their values."""
    names = [call.backend.scope.key(key) for key in keys]
    first = iter(await call.backend.read_many([command for name in names for command in _about(name)]))
    abouts = [[next(first) for _ in range(1 + len(_ABOUT))] for _ in names]
    kinds = [said(about[0]) for about in abouts]
    peeks = [_PEEK[kind](name) if values and kind in _PEEK else None for name, kind in zip(names, kinds, strict=True)]
    replies = iter(await call.backend.read_many([command for peek in peeks if peek for command in peek]))
    room = Room(call.max_bytes)
    found: list[Short] = []
    for key, name, kind, about, peek in zip(keys, names, kinds, abouts, peeks, strict=True):
        short: dict[str, Any] = {"key": key, "type": kind} | _known(about[1:])
        if peek:
            value, length = next(replies), next(replies)
            if isinstance(length, int):
                short["length"] = length
            short |= _shown(call, name, kind, value)
        if not room.take(short):
            return {"keys": found, "left_out": len(keys) - len(found)}
        found.append(short)  # type: ignore[arg-type]
    return {"keys": found}


def _about(name: bytes) -> list[tuple[Any, ...]]:
    return [("TYPE", name), *((*before, name, *after) for _, before, after in _ABOUT)]


def _known(answers: list[Any]) -> dict[str, Any]:
    """What could be learned of a key; a policy that does not count, or a lack of rights, leaves something out."""
    known: dict[str, Any] = {}
    for (field, *_), answer in zip(_ABOUT, answers, strict=True):
        if field == "ttl_s":
            answer = seconds(answer)
        if isinstance(answer, bytes | int):
            known[field] = said(answer) if isinstance(answer, bytes) else answer
    return known


def _shown(call: Call[RedisBackend], name: bytes, kind: str, value: Any) -> dict[str, Any]:
    hides = call.backend.mask.hides
    if isinstance(value, Exception):
        return {"value": f"error: {value}"}
    if kind == "string":
        return {"masked": True} if hides(name, value=value) else {"value": show(value, SHORT)}
    if hides(name):
        return {"masked": True}
    if kind in ("hash", "zset"):
        flat = value[1] if kind == "hash" else value
        pairs = list(zip(flat[::2], flat[1::2], strict=True))[:ELEMENTS]
        return {
            "value": {
                said(one): "(masked)" if kind == "hash" and hides(one, value=other) else show(other, 128)
                for one, other in pairs
            }
        }
    if kind == "stream":
        return {
            "value": [
                {"id": said(identifier)}
                | {
                    said(one): "(masked)" if hides(one, value=other) else show(other, 128)
                    for one, other in zip(fields[::2], fields[1::2], strict=True)
                }
                for identifier, fields in value
            ]
        }
    return {"value": ["(masked)" if hides(value=item) else show(item, 128) for item in value]}
