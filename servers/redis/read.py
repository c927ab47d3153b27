"""redis_read: what a key holds."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.tools import Call, Room, ToolError, tool
from servers.redis import version as versions
from servers.redis.backend import RedisBackend
from servers.redis.replies import pairs, plain, said, score, seconds
from servers.redis.scan import SCAN_STEPS, Cursor, scanned
from servers.redis.values import KeyName, Value, parse_key, show, show_key, show_part

ELEMENT_BYTES = 4096
"""An element of a collection is given up to this length."""


class FieldValue(TypedDict):
    field: Value
    value: Value


class Scored(TypedDict):
    member: Value
    score: float | Literal["inf", "-inf"]

    longitude: NotRequired[float]
    latitude: NotRequired[float]


class Entry(TypedDict):
    id: NotRequired[str]
    fields: NotRequired[list[FieldValue]]
    time_ms: NotRequired[int]
    value: NotRequired[float | str]


class Content(TypedDict):
    key: str
    type: str
    length: Annotated[NotRequired[int], Field(description="bytes of a string, else elements")]
    ttl_s: NotRequired[int]
    encoding: str
    value: Annotated[NotRequired[Value], Field(description="a string, or the field asked for")]
    items: Annotated[NotRequired[list[Value | int]], Field(description="of a list or set, or positions of set bits")]
    fields: NotRequired[list[FieldValue]]
    members: Annotated[NotRequired[list[Scored]], Field(description="by score")]
    entries: Annotated[NotRequired[list[Entry]], Field(description="of a stream or time series, oldest first")]
    about: Annotated[NotRequired[dict[str, Any]], Field(description="what is particular to its type")]
    version: NotRequired[str]
    cursor: Annotated[NotRequired[str], Field(description="there is more: call again with it")]


@tool(title="Read a key")
async def redis_read(
    call: Call[RedisBackend],
    *,
    key: KeyName,
    field: Annotated[str | None, Field(description="of a hash: only this field, at full length")] = None,
    view: Annotated[
        Literal["bits", "geo"] | None, Field(description="a string as bitmap, a sorted set with its positions")
    ] = None,
    limit: Annotated[int, Field(ge=1, le=1000, description="elements")] = 100,
    cursor: str = "0",
    version: Annotated[bool, Field(description="also give its version, for redis_write's if_version")] = False,
) -> Content:
    """Read a key of any type (string, hash, list, set, sorted set, stream, JSON, HyperLogLog, bitmap, geo, time series) in pages. Long elements are cut and say their length in bytes; bytes that are no text come as base64."""  # noqa: E501
    name = call.backend.scope.key(key)
    page = _Page(limit, cursor, field)
    commands: list[Any] = [("TYPE", name), ("PTTL", name), ("OBJECT", "ENCODING", name)]
    kind_raw, ttl, encoding = await call.backend.read_many(commands)
    if isinstance(kind_raw, Exception):
        raise ToolError(f"Redis answered: {kind_raw}")
    kind = said(kind_raw)
    if kind == "none":
        raise ToolError(f"there is no key {key!r}: find keys with redis_scan, for names are exact and case matters")
    reader = _VIEWS.get((kind, view)) if view else _READERS.get(kind)
    if view and not reader:
        raise ToolError(f"{key!r} is a {kind}: view bits is for strings, geo for sorted sets")
    if reader is None:
        raise ToolError(f"{key!r} is of type {kind}, which redis_read does not know: redis_command may read it")
    if field is not None and kind != "hash":
        raise ToolError(f"{key!r} is a {kind}: only a hash has fields")
    content: dict[str, Any] = {"key": show_key(name), "type": kind}
    if isinstance(encoding, bytes):
        content["encoding"] = said(encoding)
    if (left := seconds(ttl)) is not None:
        content["ttl_s"] = left
    if version:
        content["version"] = await _version(call, name)
    content |= await reader(call, name, page)
    return content  # type: ignore[return-value]


async def _version(call: Call[RedisBackend], name: bytes) -> str:
    size = await call.backend.read("MEMORY", "USAGE", name)
    if isinstance(size, int) and size > versions.MOST:
        raise ToolError(f"the key has {size} bytes, too many to be given a version: read it without")
    return versions.version(await call.backend.read("DUMP", name))


class _Page:
    """What of a key is asked for."""

    def __init__(self, limit: int, cursor: str, field: str | None) -> None:
        self.limit, self.cursor, self.field = limit, cursor, field

    @property
    def offset(self) -> int:
        if not self.cursor.isdigit() or len(self.cursor) > 18:
            raise ToolError(f"cursor {self.cursor[:50]!r} is not one of this key: begin without a cursor")
        return int(self.cursor)


async def _string(call: Call[RedisBackend], name: bytes, page: _Page) -> dict[str, Any]:
    # base64 and JSON's escapes make text longer; a third of the room holds anything but control characters.
    most = max(call.max_bytes // 3, 256)
    length, part = await _answers(call, ("STRLEN", name), ("GETRANGE", name, page.offset, page.offset + most - 1))
    answer = {"length": length} | _slice(part, page.offset, length)
    if part.startswith(b"HYLL") and page.offset == 0:
        # Only Redis can tell one from a text that begins alike.
        (counted,) = await call.backend.read_many([("PFCOUNT", name)])
        if isinstance(counted, int):
            answer["about"] = {"hyperloglog_cardinality": counted}
    return answer


async def _answers(call: Call[RedisBackend], *commands: tuple[Any, ...]) -> list[Any]:
    """Several commands in one round trip, none of which may fail."""
    answers = await call.backend.read_many(commands)
    for answer in answers:
        if isinstance(answer, Exception):
            raise ToolError(f"Redis answered: {str(answer)[:300]}")
    return answers


async def _bits(call: Call[RedisBackend], name: bytes, page: _Page) -> dict[str, Any]:
    """Positions as GETBIT counts them: the highest bit of the first byte is 0."""
    length, count = await _answers(call, ("STRLEN", name), ("BITCOUNT", name))
    positions: list[int] = []
    first, step = page.offset, 64 * 1024
    for _ in range(SCAN_STEPS):
        start = first // 8
        part = await call.backend.read("GETRANGE", name, start, start + step - 1)
        for index, byte in enumerate(part, start):
            for bit in range(8) if byte else ():
                if byte & (0x80 >> bit) and index * 8 + bit >= first:
                    if len(positions) == page.limit:
                        return _bitmap(length, count, positions) | {"cursor": str(index * 8 + bit)}
                    positions.append(index * 8 + bit)
        first = (start + step) * 8
        if first >= length * 8:
            return _bitmap(length, count, positions)
    return _bitmap(length, count, positions) | {"cursor": str(first)}


def _bitmap(length: int, count: int, positions: list[int]) -> dict[str, Any]:
    return {"length": length, "about": {"bits_set": count}, "items": positions}


def _slice(part: bytes, offset: int, length: int) -> dict[str, Any]:
    """A piece of a long value, and the cursor behind it; a character is never cut in two."""
    if offset == 0 and len(part) == length:
        return {"value": show(part, length)}
    shown = show_part(part)
    used = len(shown["text"].encode()) if "text" in shown else len(part)
    answer: dict[str, Any] = {"value": shown | {"bytes": length}}
    if offset + used < length:
        answer["cursor"] = str(offset + used)
    return answer


async def _hash(call: Call[RedisBackend], name: bytes, page: _Page) -> dict[str, Any]:
    length = await call.backend.read("HLEN", name)
    if page.field is not None:
        value = await call.backend.read("HGET", name, parse_key(page.field))
        if value is None:
            raise ToolError(f"the hash has no field {page.field!r}: read it without field to see which there are")
        most = max(call.max_bytes // 3, 256)
        return {"length": length} | _slice(value[page.offset : page.offset + most], page.offset, len(value))
    return {"length": length} | await _scanned(call, "HSCAN", name, page, "fields", _fields)


def _fields(flat: Any) -> list[Any]:
    """Names and values, in turn."""
    named = zip(flat[::2], flat[1::2], strict=True)
    return [{"field": show(f, ELEMENT_BYTES), "value": show(v, ELEMENT_BYTES)} for f, v in named]


async def _set(call: Call[RedisBackend], name: bytes, page: _Page) -> dict[str, Any]:
    length = await call.backend.read("SCARD", name)
    members = await _scanned(call, "SSCAN", name, page, "items", lambda found: [show(m, ELEMENT_BYTES) for m in found])
    return {"length": length} | members


async def _scanned(
    call: Call[RedisBackend], command: str, name: bytes, page: _Page, into: str, make: Any
) -> dict[str, Any]:
    """Pages of HSCAN or SSCAN."""

    async def step(server: int, position: int, count: int) -> tuple[int, int, list[Any]]:
        following, raw = await call.backend.read(command, name, position, "COUNT", count)
        return (0 if int(following) else -1), int(following), make(raw)

    found, cursor = await scanned(call, step, Cursor(page.cursor), page.limit)
    return {into: found, "cursor": cursor} if cursor else {into: found}


async def _list(call: Call[RedisBackend], name: bytes, page: _Page) -> dict[str, Any]:
    length, raw = await _answers(call, ("LLEN", name), ("LRANGE", name, page.offset, page.offset + page.limit - 1))
    return {"length": length} | _ranged([show(item, ELEMENT_BYTES) for item in raw], call, page, length, "items")


async def _zset(call: Call[RedisBackend], name: bytes, page: _Page) -> dict[str, Any]:
    length, raw = await _answers(
        call, ("ZCARD", name), ("ZRANGE", name, page.offset, page.offset + page.limit - 1, "WITHSCORES")
    )
    members = [{"member": show(m, ELEMENT_BYTES), "score": score(s)} for m, s in zip(raw[::2], raw[1::2], strict=True)]
    return {"length": length} | _ranged(members, call, page, length, "members")


async def _geo(call: Call[RedisBackend], name: bytes, page: _Page) -> dict[str, Any]:
    length, raw = await _answers(
        call, ("ZCARD", name), ("ZRANGE", name, page.offset, page.offset + page.limit - 1, "WITHSCORES")
    )
    found = await call.backend.read("GEOPOS", name, *raw[::2]) if raw else []
    members = []
    for member, number, position in zip(raw[::2], raw[1::2], found, strict=True):
        row: dict[str, Any] = {"member": show(member, ELEMENT_BYTES), "score": score(number)}
        if position:
            row["longitude"], row["latitude"] = (round(float(degrees), 6) for degrees in position)
        members.append(row)
    return {"length": length} | _ranged(members, call, page, length, "members")


def _ranged(items: list[Any], call: Call[RedisBackend], page: _Page, length: int, into: str) -> dict[str, Any]:
    """A page of what is read by index."""
    room = Room(call.max_bytes)
    kept: list[Any] = []
    for item in items:
        if not room.take(item):
            break
        kept.append(item)
    answer: dict[str, Any] = {into: kept}
    if page.offset + len(kept) < length and kept:
        answer["cursor"] = str(page.offset + len(kept))
    return answer


async def _stream(call: Call[RedisBackend], name: bytes, page: _Page) -> dict[str, Any]:
    start = "-" if page.cursor == "0" else "(" + page.cursor
    length, raw = await _answers(call, ("XLEN", name), ("XRANGE", name, start, "+", "COUNT", page.limit + 1))
    room = Room(call.max_bytes)
    entries: list[Any] = []
    for identifier, fields in raw:
        entry = {"id": said(identifier), "fields": _fields(fields or [])}
        if len(entries) == page.limit or not room.take(entry):
            return {"length": length, "entries": entries, "cursor": entries[-1]["id"]}
        entries.append(entry)
    return {"length": length, "entries": entries}


async def _json(call: Call[RedisBackend], name: bytes, page: _Page) -> dict[str, Any]:
    raw = await call.backend.read("JSON.GET", name)
    most = max(call.max_bytes // 3, 256)
    return {"length": len(raw)} | _slice(raw[page.offset : page.offset + most], page.offset, len(raw))


async def _series(call: Call[RedisBackend], name: bytes, page: _Page) -> dict[str, Any]:
    about, raw = await _answers(
        call, ("TS.INFO", name), ("TS.RANGE", name, page.offset or "-", "+", "COUNT", page.limit + 1)
    )
    answer: dict[str, Any] = {"about": _about(about), "length": pairs(about).get("totalSamples", 0)}
    samples = [{"time_ms": int(time), "value": score(plain(value))} for time, value in raw]
    answer["entries"] = samples[: page.limit]
    if len(samples) > page.limit:
        answer["cursor"] = str(samples[-1]["time_ms"])
    return answer


def _info(*command: str) -> Any:
    """A reader of what can only be described."""

    async def read(call: Call[RedisBackend], name: bytes, page: _Page) -> dict[str, Any]:
        return {"about": _about(await call.backend.read(*command, name))}

    return read


def _about(flat: Any) -> dict[str, Any]:
    return {name: plain(value) for name, value in pairs(flat).items()}


_READERS = {
    "string": _string,
    "hash": _hash,
    "list": _list,
    "set": _set,
    "zset": _zset,
    "stream": _stream,
    "ReJSON-RL": _json,
    "TSDB-TYPE": _series,
    "MBbloom--": _info("BF.INFO"),
    "MBbloomCF": _info("CF.INFO"),
    "CMSk-TYPE": _info("CMS.INFO"),
    "TopK-TYPE": _info("TOPK.INFO"),
    "TDIS-TYPE": _info("TDIGEST.INFO"),
    "vectorset": _info("VINFO"),
}

_VIEWS = {("string", "bits"): _bits, ("zset", "geo"): _geo}
