"""redis_read_many: several keys at once, in short."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.memory_budget import hold
from servers.common.protocol.tools import Call, Room, tool
from servers.redis.client.memory_guard import COPIES
from servers.redis.format.key_encoding import as_object, parse_key, show
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
    "ReJSON-RL": lambda name, count: ("JSON.GET", name),
}
"""The first elements of a key, as many as are given."""

SMALL = 64 * 1024
"""Bytes of memory of a key whose first elements are read without a look at their size."""

BATCH_BYTES = 2 * 1024 * 1024
"""Bytes of this process that the answers for keys that are read together may take."""


@tool(title="Read many keys")
async def redis_read_many(
    call: Call[ScopedRedis],
    *,
    keys: Annotated[list[str], Field(min_length=1, max_length=200)],
    fields: Annotated[list[str] | None, Field(min_length=1, max_length=20, description="of hashes, only these fields")] = None,
    values: Annotated[bool, Field(description="false: metadata only")] = True,
) -> Many:
    """Read up to 200 keys at once: type, memory, TTL, idle time and the start of each value."""
    names = [call.backend.scope.key(key) for key in keys]
    chosen = [parse_key(field) for field in fields or ()]
    answers = iter(await call.backend.read_many([command for name in names for command in _about(name)]))
    asked = [_asked(key, name, [next(answers) for _ in range(1 + len(_ABOUT))]) for key, name in zip(keys, names, strict=True)]
    if values:
        await _plan(call, asked, chosen)
    room = Room(call.max_bytes, rest="redis_read with its key shows it in full")
    found: list[Short] = []
    for batch in _batches(asked):
        async with hold(sum(one.weight for one in batch), estimated=any(one.estimated for one in batch)):
            replies = iter(await call.backend.read_many([command for one in batch for command in one.commands]))
            for one in batch:
                # Who wants certain fields of many keys does not ask how each is stored.
                known = {n: v for n, v in one.known.items() if n in ("ttl_s", "error")} if chosen else one.known
                short: dict[str, Any] = {"key": one.key, "type": one.kind, **known}
                if one.commands:
                    short = _short(call, one, short, [next(replies) for _ in one.commands])
                elif values and one.kind in _PEEK:
                    short |= {"too_big": True} if one.memory else {"error": "its size is not known, so it was not read"}
                if (shown := room.fit(short)) is None:
                    return {"keys": found, "left_out": len(keys) - len(found)}
                found.append(shown)  # type: ignore[arg-type]
    return {"keys": found}


@dataclass
class _Asked:
    """A key, what is known of it, and how its beginning is read."""

    key: str
    name: bytes
    kind: str
    known: dict[str, Any]
    commands: list[tuple[Any, ...]] = field(default_factory=list)
    """For the elements, the length, and whether the key is there; none where they are not read."""

    weight: int = 0
    """Bytes of this process that the answers may take."""

    estimated: bool = False
    """They may take much more: an element of a big key may be as big as the key."""

    chosen: dict[bytes, int] | None = None
    """Of a hash: the only fields that are asked for, with the bytes of their values."""

    @property
    def memory(self) -> int:
        return int(self.known.get("memory_bytes", 0))


def _asked(key: str, name: bytes, answers: list[Any]) -> _Asked:
    """Return a key with what Redis tells of it. A policy that does not count, or a lack of rights, leaves something out."""
    kind, *about = answers
    if isinstance(kind, Exception):
        return _Asked(key, name, "unknown", {"error": words(kind)})
    known: dict[str, Any] = {}
    for (part, *_), answer in zip(_ABOUT, about, strict=True):
        if part == "ttl_s":
            answer = seconds(answer)
        if isinstance(answer, bytes | int):
            known[part] = said(answer) if isinstance(answer, bytes) else answer
    return _Asked(key, name, said(kind), known)


async def _plan(call: Call[ScopedRedis], asked: list[_Asked], chosen: list[bytes]) -> None:
    """Decide how the beginning of each key is read, so that its elements have at most SMALL bytes; not at all if one has more. Of
    hashes only the `chosen` fields are read that are not too long; without any, the first."""
    big = [one for one in asked if one.memory > SMALL and one.kind in LENGTHS.keys() & _PEEK.keys() - {"string"}]
    lengths = await call.backend.read_many([_length(one) for one in big])
    counts: dict[bytes, int] = {}
    for one, length in zip(big, lengths, strict=True):
        each = one.memory // max(length, 1) if isinstance(length, int) else SMALL
        counts[one.name] = min(ELEMENTS, SMALL // max(each, 1))
    # A document is read whole, if its size is known.
    counts |= {one.name: 0 for one in asked if one.kind == "ReJSON-RL" and not 0 < one.memory <= SMALL}
    for one in asked:
        if one.kind in _PEEK and (count := counts.get(one.name, ELEMENTS)):
            one.commands = [_PEEK[one.kind](one.name, count), _length(one), ("EXISTS", one.name)]
            copies = COPIES_OF_STREAM if one.kind == "stream" else COPIES
            elements = SHORT if one.kind == "string" else min(one.memory, 2 * SMALL)
            one.weight = copies * elements + 2 * ELEMENTS * OBJECT_BYTES
            one.estimated = one.kind != "string" and one.memory > SMALL_KEY
    hashes = [one for one in asked if one.kind == "hash"] if chosen else []
    sizes = iter(await call.backend.read_many([("HSTRLEN", one.name, name) for one in hashes for name in chosen]))
    for one in hashes:
        one.chosen = {name: length if isinstance(length := next(sizes), int) else 0 for name in chosen}
        short = [name for name, length in one.chosen.items() if length <= SMALL]
        one.commands = [("HMGET", one.name, *(short or [b""])), ("HLEN", one.name), ("EXISTS", one.name)]
        one.weight = COPIES * sum(one.chosen[name] for name in short) + len(short) * OBJECT_BYTES
        one.estimated = False


def _length(one: _Asked) -> tuple[Any, ...]:
    """Return the command that tells the length of a key. It does not answer with a number for JSON documents, which are read
    whole."""
    return (LENGTHS.get(one.kind, "TYPE"), one.name)


def _batches(asked: list[_Asked]) -> Iterator[list[_Asked]]:
    """Split keys into those that are read together."""
    batch: list[_Asked] = []
    weight = 0
    for one in asked:
        if batch and weight + one.weight > BATCH_BYTES:
            yield batch
            batch, weight = [], 0
        batch.append(one)
        weight += one.weight
    yield batch


def _short(call: Call[ScopedRedis], one: _Asked, short: dict[str, Any], answers: list[Any]) -> dict[str, Any]:
    value, length, there = answers
    if there == 0:  # a key that expires between two commands looks empty
        return {"key": one.key, "type": "none"}
    if isinstance(length, int):
        short["length"] = length
    too_long: list[tuple[bytes, Any]] = []
    if one.chosen is not None and isinstance(value, list):
        read = [name for name, size in one.chosen.items() if size <= SMALL]
        too_long = [(name, {"text": "", "bytes": size}) for name, size in one.chosen.items() if size > SMALL]
        # As HSCAN gives them.
        value = [b"0", [word for pair in zip(read, value, strict=False) if pair[1] is not None for word in pair]]
    return short | _shown(call, one.name, one.kind, value, too_long)


def _about(name: bytes) -> list[tuple[Any, ...]]:
    return [("TYPE", name), *((*before, name, *after) for _, before, after in _ABOUT)]


def _shown(call: Call[ScopedRedis], name: bytes, kind: str, value: Any, too_long: list[tuple[bytes, Any]]) -> dict[str, Any]:
    hides = call.backend.mask.hides
    if isinstance(value, Exception):
        return {"error": words(value)}
    if kind in ("string", "ReJSON-RL"):
        return {"masked": True} if hides(name, value=value) else {"value": show(value, SHORT)}
    if hides(name):
        return {"masked": True}

    def fields(flat: list[bytes], most: int | None = None) -> dict[str, Any]:
        named = list(zip(flat[::2], flat[1::2], strict=True))[:most]
        shown = [(one, "(masked)" if hides(one, value=other) else show(other, 128)) for one, other in named]
        return as_object([*shown, *too_long])

    if kind == "hash":
        return {"value": fields(value[1], ELEMENTS)}
    if kind == "zset":
        members = (b"(masked)" if hides(value=member) else member for member in value[::2])
        return {"value": as_object(zip(members, map(said, value[1::2]), strict=True))}
    if kind == "stream":
        return {"value": [{"id": said(identifier), "fields": fields(flat)} for identifier, flat in value]}
    return {"value": ["(masked)" if hides(value=item) else show(item, 128) for item in value]}
