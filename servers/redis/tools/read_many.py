"""redis_read_many: several keys at once, in short."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.protocol.tools import Call, Room, tool
from servers.redis.format.key_encoding import parse_key, show, show_name
from servers.redis.format.replies import said, seconds, words
from servers.redis.policy.key_scope import ScopedRedis

SHORT = 1024
"""Bytes of a value, and of all elements of a collection, that are shown of a key."""

ELEMENTS = 20


class Short(TypedDict):
    key: str
    type: Annotated[str, Field(description="none: no such key")]
    value: Annotated[NotRequired[Any], Field(description="short, or the first elements")]
    too_big: Annotated[NotRequired[bool], Field(description="its elements are too big for a listing")]
    error: NotRequired[str]
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

_LENGTHS = {"string": "STRLEN", "hash": "HLEN", "list": "LLEN", "set": "SCARD", "zset": "ZCARD", "stream": "XLEN"}

_PEEK: dict[str, Callable[[bytes, int], tuple[tuple[Any, ...], tuple[Any, ...]]]] = {
    "string": lambda name, count: (("GETRANGE", name, 0, SHORT - 1), ("STRLEN", name)),
    "hash": lambda name, count: (("HSCAN", name, 0, "COUNT", count), ("HLEN", name)),
    "list": lambda name, count: (("LRANGE", name, 0, count - 1), ("LLEN", name)),
    "set": lambda name, count: (("SRANDMEMBER", name, count), ("SCARD", name)),
    "zset": lambda name, count: (("ZRANGE", name, 0, count - 1, "WITHSCORES"), ("ZCARD", name)),
    "stream": lambda name, count: (("XREVRANGE", name, "+", "-", "COUNT", min(count, 3)), ("XLEN", name)),
}
"""The first elements of a key, as many as are given, and its length."""

SMALL = 64 * 1024
"""Bytes of memory of a key whose first elements are read without a look at their size."""


async def _counts(
    call: Call[ScopedRedis], names: list[bytes], kinds: list[str], knowns: list[dict[str, Any]]
) -> list[int]:
    """How many elements of each key to read, so that they have no more than SMALL bytes together; 0 where one has more."""
    counts = [ELEMENTS] * len(names)
    big = [
        index
        for index, (kind, known) in enumerate(zip(kinds, knowns, strict=True))
        if known.get("memory_bytes", 0) > SMALL and kind in _LENGTHS and kind != "string"
    ]
    lengths = await call.backend.read_many([(_LENGTHS[kinds[index]], names[index]) for index in big])
    for index, length in zip(big, lengths, strict=True):
        each = knowns[index]["memory_bytes"] // max(length, 1) if isinstance(length, int) else SMALL
        counts[index] = min(ELEMENTS, SMALL // max(each, 1))
    return counts


@tool(title="Read many keys")
async def redis_read_many(
    call: Call[ScopedRedis],
    *,
    keys: Annotated[list[str], Field(min_length=1, max_length=200)],
    fields: Annotated[
        list[str] | None, Field(min_length=1, max_length=20, description="of hashes: only these fields")
    ] = None,
    values: Annotated[bool, Field(description="false: only what is known about them")] = True,
) -> Many:
    """Read up to 200 keys at once: type, encoding, memory, TTL, idle time, and the beginnings of their values."""
    names = [call.backend.scope.key(key) for key in keys]
    chosen = [parse_key(field) for field in fields or ()]
    first = iter(await call.backend.read_many([command for name in names for command in _about(name)]))
    abouts = [[next(first) for _ in range(1 + len(_ABOUT))] for _ in names]
    kinds = [said(about[0]) for about in abouts]
    knowns = [_known(about[1:]) for about in abouts]
    counts = await _counts(call, names, kinds, knowns) if values else []
    peeks = (
        [
            _PEEK[kind](name, count) if kind in _PEEK and count else None
            for name, kind, count in zip(names, kinds, counts, strict=True)
        ]
        if values
        else [None] * len(names)
    )
    replies = iter(
        await call.backend.read_many(
            [
                command
                for name, kind, peek in zip(names, kinds, peeks, strict=True)
                if peek
                for command in (
                    ("HMGET", name, *chosen) if chosen and kind == "hash" else peek[0],
                    peek[1],
                    ("EXISTS", name),
                )
            ]
        )
    )
    room = Room(call.max_bytes)
    found: list[Short] = []
    for key, name, about, kind, known, peek in zip(keys, names, abouts, kinds, knowns, peeks, strict=True):
        short: dict[str, Any] = {"key": key, "type": kind} | known
        if isinstance(about[0], Exception):
            short = {"key": key, "type": "unknown", "error": words(about[0])}
        elif peek:
            value, length, there = (next(replies) for _ in range(3))
            if isinstance(length, int):
                short["length"] = length
            # A key that expires between two commands looks empty.
            if chosen and kind == "hash" and isinstance(value, list):
                # As HSCAN gives them.
                value = [
                    b"0",
                    [word for pair in zip(chosen, value, strict=True) if pair[1] is not None for word in pair],
                ]
            short = {"key": key, "type": "none"} if there == 0 else short | _shown(call, name, kind, value)
        elif values and kind in _PEEK:
            short["too_big"] = True
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


def _shown(call: Call[ScopedRedis], name: bytes, kind: str, value: Any) -> dict[str, Any]:
    hides = call.backend.mask.hides
    if isinstance(value, Exception):
        return {"error": words(value)}
    if kind == "string":
        return {"masked": True} if hides(name, value=value) else {"value": show(value, SHORT)}
    if hides(name):
        return {"masked": True}
    if kind in ("hash", "zset"):
        flat = value[1] if kind == "hash" else value
        pairs = list(zip(flat[::2], flat[1::2], strict=True))[:ELEMENTS]
        return {
            "value": {
                show_name(one): "(masked)" if kind == "hash" and hides(one, value=other) else show(other, 128)
                for one, other in pairs
            }
        }
    if kind == "stream":
        return {
            "value": [
                {"id": said(identifier)}
                | {
                    show_name(one): "(masked)" if hides(one, value=other) else show(other, 128)
                    for one, other in zip(fields[::2], fields[1::2], strict=True)
                }
                for identifier, fields in value
            ]
        }
    return {"value": ["(masked)" if hides(value=item) else show(item, 128) for item in value]}
