"""redis_read_many: several keys at once, in short."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.memory_budget import hold
from servers.common.protocol.tools import Call, Room, tool
from servers.redis.client.memory_guard import COPIES
from servers.redis.format.key_encoding import parse_key, show, show_name
from servers.redis.format.replies import said, seconds, words
from servers.redis.policy.command_cost import COPIES_OF_STREAM, OBJECT_BYTES, SAMPLES, SMALL_KEY
from servers.redis.policy.key_scope import ScopedRedis
from servers.redis.tools.scan import LENGTHS

SHORT = 1024
"""Bytes of a value, and of all elements of a collection, that are shown of a key."""

ELEMENTS = 20


class Short(TypedDict):
    key: str
    type: Annotated[str, Field(description="none: the key does not exist")]
    value: Annotated[NotRequired[Any], Field(description="the start of the value, or its first elements")]
    too_big: Annotated[NotRequired[bool], Field(description="its elements are too big to list")]
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
    ("memory_bytes", ("MEMORY", "USAGE"), ("SAMPLES", SAMPLES)),
    ("ttl_s", ("PTTL",), ()),
    ("idle_s", ("OBJECT", "IDLETIME"), ()),
    ("frequency", ("OBJECT", "FREQ"), ()),
)

_PEEK: dict[str, Callable[[bytes, int], tuple[Any, ...]]] = {
    "string": lambda name, count: ("GETRANGE", name, 0, SHORT - 1),
    "hash": lambda name, count: ("HSCAN", name, 0, "COUNT", count),
    "list": lambda name, count: ("LRANGE", name, 0, count - 1),
    "set": lambda name, count: ("SRANDMEMBER", name, count),
    "zset": lambda name, count: ("ZRANGE", name, 0, count - 1, "WITHSCORES"),
    "stream": lambda name, count: ("XREVRANGE", name, "+", "-", "COUNT", min(count, 3)),
}
"""The first elements of a key, as many as are given."""

SMALL = 64 * 1024
"""Bytes of memory of a key whose first elements are read without a look at their size."""


BATCH_BYTES = 2 * 1024 * 1024
"""Bytes of this process that the answers for keys that are read together may take."""


async def _counts(
    call: Call[ScopedRedis], names: list[bytes], kinds: list[str], knowns: list[dict[str, Any]]
) -> list[int]:
    """Return how many elements of each key to read, so that they have at most SMALL bytes; 0 if one has more."""
    counts = [ELEMENTS] * len(names)
    big = [
        index
        for index, (kind, known) in enumerate(zip(kinds, knowns, strict=True))
        if known.get("memory_bytes", 0) > SMALL and kind in _PEEK and kind != "string"
    ]
    lengths = await call.backend.read_many([(LENGTHS[kinds[index]], names[index]) for index in big])
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
        list[str] | None, Field(min_length=1, max_length=20, description="of hashes, only these fields")
    ] = None,
    values: Annotated[bool, Field(description="false: metadata only")] = True,
) -> Many:
    """Read up to 200 keys at once: type, memory, TTL, idle time and the start of each value."""
    names = [call.backend.scope.key(key) for key in keys]
    chosen = [parse_key(field) for field in fields or ()]
    first = iter(await call.backend.read_many([command for name in names for command in _about(name)]))
    abouts = [[next(first) for _ in range(1 + len(_ABOUT))] for _ in names]
    kinds = [said(about[0]) for about in abouts]
    knowns = [_known(about[1:]) for about in abouts]
    peeks: list[_Peek | None] = [None] * len(names)
    if values:
        counts = await _counts(call, names, kinds, knowns)
        peeks = [
            _peek(kind, name, count, known) if kind in _PEEK and count else None
            for name, kind, count, known in zip(names, kinds, counts, knowns, strict=True)
        ]
        if chosen:
            await _choose(call, names, kinds, chosen, peeks)
    room = Room(call.max_bytes, rest="redis_read with its key shows it in full")
    found: list[Short] = []
    for batch in _batches(peeks):
        peeked = [peek for index in batch if (peek := peeks[index])]
        async with hold(sum(peek.weight for peek in peeked), estimated=any(peek.estimated for peek in peeked)):
            commands = [command for index in batch if (peek := peeks[index]) for command in peek.commands]
            replies = iter(await call.backend.read_many(commands))
            for index in batch:
                short: dict[str, Any] = {"key": keys[index], "type": kinds[index]}
                # Who wants certain fields of many keys does not ask how each is stored.
                short |= {n: v for n, v in knowns[index].items() if n == "ttl_s"} if chosen else knowns[index]
                if isinstance(error := abouts[index][0], Exception):
                    short = {"key": keys[index], "type": "unknown", "error": words(error)}
                elif peek := peeks[index]:
                    short = _short(call, names[index], short, peek, [next(replies) for _ in peek.commands])
                elif values and kinds[index] in _PEEK:
                    short["too_big"] = True
                if (shown := room.fit(short)) is None:
                    return {"keys": found, "left_out": len(keys) - len(found)}
                found.append(shown)  # type: ignore[arg-type]
    return {"keys": found}


@dataclass(frozen=True)
class _Peek:
    """How the beginning of a key is read."""

    commands: list[tuple[Any, ...]]
    """For the elements, the length, and whether the key is there."""

    weight: int
    """Bytes of this process that the answers may take."""

    estimated: bool = False
    """They may take much more: an element of a big key may be as big as the key."""

    chosen: dict[bytes, int] | None = None
    """Of a hash: the only fields that are asked for, with the bytes of their values."""


def _peek(kind: str, name: bytes, count: int, known: dict[str, Any]) -> _Peek:
    copies = COPIES_OF_STREAM if kind == "stream" else COPIES
    elements = SHORT if kind == "string" else min(known.get("memory_bytes", 0), 2 * SMALL)
    return _Peek(
        [_PEEK[kind](name, count), (LENGTHS[kind], name), ("EXISTS", name)],
        copies * elements + 2 * ELEMENTS * OBJECT_BYTES,
        kind != "string" and known.get("memory_bytes", 0) > SMALL_KEY,
    )


async def _choose(
    call: Call[ScopedRedis], names: list[bytes], kinds: list[str], chosen: list[bytes], peeks: list[_Peek | None]
) -> None:
    """Have only some fields of hashes read, and of these only such as are not too long."""
    hashes = [index for index, kind in enumerate(kinds) if kind == "hash"]
    lengths = iter(
        await call.backend.read_many([("HSTRLEN", names[index], field) for index in hashes for field in chosen])
    )
    for index in hashes:
        name = names[index]
        sizes = {field: length if isinstance(length := next(lengths), int) else 0 for field in chosen}
        short = [field for field, length in sizes.items() if length <= SMALL]
        commands = [("HMGET", name, *(short or [b""])), ("HLEN", name), ("EXISTS", name)]
        peeks[index] = _Peek(
            commands, COPIES * sum(sizes[field] for field in short) + len(short) * OBJECT_BYTES, chosen=sizes
        )


def _batches(peeks: list[_Peek | None]) -> Iterator[list[int]]:
    """Split keys into those that are read together."""
    batch: list[int] = []
    weight = 0
    for index, peek in enumerate(peeks):
        more = peek.weight if peek else 0
        if batch and weight + more > BATCH_BYTES:
            yield batch
            batch, weight = [], 0
        batch.append(index)
        weight += more
    yield batch


def _short(
    call: Call[ScopedRedis], name: bytes, short: dict[str, Any], peek: _Peek, answers: list[Any]
) -> dict[str, Any]:
    value, length, there = answers
    if there == 0:  # a key that expires between two commands looks empty
        return {"key": short["key"], "type": "none"}
    if isinstance(length, int):
        short["length"] = length
    too_long: dict[bytes, int] = {}
    if peek.chosen is not None and isinstance(value, list):
        read = [field for field, size in peek.chosen.items() if size <= SMALL]
        too_long = {field: size for field, size in peek.chosen.items() if size > SMALL}
        # As HSCAN gives them.
        value = [b"0", [word for pair in zip(read, value, strict=False) if pair[1] is not None for word in pair]]
    short |= _shown(call, name, short["type"], value)
    if "value" in short:
        for field, size in too_long.items():
            short["value"][show_name(field)] = {"text": "", "bytes": size}
    return short


def _about(name: bytes) -> list[tuple[Any, ...]]:
    return [("TYPE", name), *((*before, name, *after) for _, before, after in _ABOUT)]


def _known(answers: list[Any]) -> dict[str, Any]:
    """Return what is known of a key. A policy that does not count, or a lack of rights, leaves something out."""
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

    def fields(flat: list[bytes], most: int | None = None) -> dict[str, Any]:
        named = list(zip(flat[::2], flat[1::2], strict=True))[:most]
        return {show_name(one): "(masked)" if hides(one, value=other) else show(other, 128) for one, other in named}

    if kind == "hash":
        return {"value": fields(value[1], ELEMENTS)}
    if kind == "zset":
        return {"value": {show_name(one): show(other, 128) for one, other in zip(value[::2], value[1::2], strict=True)}}
    if kind == "stream":
        return {"value": [{"id": said(identifier)} | fields(flat) for identifier, flat in value]}
    return {"value": ["(masked)" if hides(value=item) else show(item, 128) for item in value]}
