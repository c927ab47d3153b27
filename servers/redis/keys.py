"""redis_scan and redis_read: which keys there are, and what they hold."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.tools import Call, Room, ToolError, tool
from servers.redis.backend import RedisBackend
from servers.redis.values import KeyName, Value, parse_key, show, show_key, show_part

SCAN_COUNT = 250
"""COUNT of each SCAN: also what a cursor with a skip relies on, so it is the same in every call."""

SCAN_STEPS = 200
"""SCANs in one call at the most: 50,000 keys looked at."""

ELEMENT_BYTES = 4096
"""An element of a collection is given up to this length."""

ScanType = Literal["string", "hash", "list", "set", "zset", "stream"]


class Key(TypedDict):
    key: str
    type: str
    ttl_s: Annotated[NotRequired[int], Field(description="absent: does not expire")]


class Keys(TypedDict):
    keys: list[Key]
    cursor: Annotated[NotRequired[str], Field(description="there may be more: call again with it")]


@tool(title="Find keys")
async def redis_scan(
    call: Call[RedisBackend],
    *,
    pattern: Annotated[str, Field(description="glob: * ? [ab]; escape with \\")] = "*",
    type: Annotated[ScanType | None, Field(description="only keys of this type")] = None,
    limit: Annotated[int, Field(ge=1, le=1000)] = 100,
    cursor: Annotated[str, Field(description="from the result before")] = "0",
) -> Keys:
    """Find keys by pattern and type, with type and TTL, in no order. Uses SCAN, never KEYS. A page may be short, even empty, with more to come: only a result without cursor is the end."""  # noqa: E501
    position, skip = _parse_cursor(cursor)
    room = Room(call.max_bytes)
    found: list[Key] = []
    for _ in range(SCAN_STEPS):
        command: list[Any] = ["SCAN", position, "MATCH", pattern, "COUNT", SCAN_COUNT]
        if type:
            command += ["TYPE", type]
        following, names = await call.backend.read(*command)
        names = names[skip:]
        details = await call.backend.read_many([c for name in names for c in (("TYPE", name), ("PTTL", name))])
        for index, name in enumerate(names):
            kind, ttl = details[2 * index], details[2 * index + 1]
            if not isinstance(ttl, int) or ttl == -2:
                continue  # expired since
            key: Key = {"key": show_key(name), "type": _text(kind)}
            if ttl >= 0:
                key["ttl_s"] = (ttl + 999) // 1000
            if len(found) == limit or not room.take(key):
                return {"keys": found, "cursor": f"{position}+{skip + index}"}
            found.append(key)
        position, skip = int(following), 0
        if position == 0:
            return {"keys": found}
        if len(found) == limit:
            break
    return {"keys": found, "cursor": str(position)}


class FieldValue(TypedDict):
    field: Value
    value: Value


class Scored(TypedDict):
    member: Value
    score: float | Literal["inf", "-inf"]


class Entry(TypedDict):
    id: str
    fields: list[FieldValue]


class Content(TypedDict):
    key: str
    type: str
    length: Annotated[int, Field(description="bytes of a string, else elements")]
    ttl_s: NotRequired[int]
    encoding: str
    value: Annotated[NotRequired[Value], Field(description="a string, or the field asked for")]
    items: Annotated[NotRequired[list[Value]], Field(description="of a list or set")]
    fields: NotRequired[list[FieldValue]]
    members: Annotated[NotRequired[list[Scored]], Field(description="by score")]
    entries: Annotated[NotRequired[list[Entry]], Field(description="of a stream, oldest first")]
    cursor: Annotated[NotRequired[str], Field(description="there is more: call again with it")]


@tool(title="Read a key")
async def redis_read(
    call: Call[RedisBackend],
    *,
    key: KeyName,
    field: Annotated[str | None, Field(description="of a hash: only this field, at full length")] = None,
    limit: Annotated[int, Field(ge=1, le=1000, description="elements")] = 100,
    cursor: Annotated[str, Field(description="from the result before")] = "0",
) -> Content:
    """Read a key of any type (string, hash, list, set, sorted set, stream, JSON) in pages. Long elements are cut and say their length in bytes; bytes that are no text come as base64."""  # noqa: E501
    name = parse_key(key)
    kind_raw, ttl, encoding = await call.backend.read_many(
        [("TYPE", name), ("PTTL", name), ("OBJECT", "ENCODING", name)]
    )
    if isinstance(kind_raw, Exception):
        raise ToolError(f"Redis answered: {kind_raw}")
    kind = _text(kind_raw)
    if kind == "none":
        raise ToolError(f"there is no key {key!r}: find keys with redis_scan, for names are exact and case matters")
    reader = _READERS.get(kind)
    if reader is None:
        raise ToolError(f"{key!r} is of type {kind}, which redis_read does not know")
    if field is not None and kind != "hash":
        raise ToolError(f"{key!r} is a {kind}: only a hash has fields")
    content: dict[str, Any] = {"key": show_key(name), "type": kind, "encoding": _text(encoding)}
    if isinstance(ttl, int) and ttl >= 0:
        content["ttl_s"] = (ttl + 999) // 1000
    content |= await reader(call, name, _Page(limit, cursor, field))
    return content  # type: ignore[return-value]


class _Page:
    """What of a key is asked for."""

    def __init__(self, limit: int, cursor: str, field: str | None) -> None:
        self.limit, self.cursor, self.field = limit, cursor, field

    @property
    def offset(self) -> int:
        if not self.cursor.isdigit():
            raise ToolError(f"cursor {self.cursor[:50]!r} is not one of this key: begin without a cursor")
        return int(self.cursor)


async def _string(call: Call[RedisBackend], name: bytes, page: _Page) -> dict[str, Any]:
    length = await call.backend.read("STRLEN", name)
    # base64 and JSON's escapes make text longer; a third of the room holds anything but control characters.
    most = max(call.max_bytes // 3, 256)
    part = await call.backend.read("GETRANGE", name, page.offset, page.offset + most - 1)
    return {"length": length} | _slice(part, page.offset, length)


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

    def pairs(flat: Any) -> list[Any]:
        items = flat.items() if isinstance(flat, dict) else zip(flat[::2], flat[1::2], strict=True)
        return [{"field": show(f, ELEMENT_BYTES), "value": show(v, ELEMENT_BYTES)} for f, v in items]

    return {"length": length} | await _scanned(call, "HSCAN", name, page, "fields", pairs)


async def _set(call: Call[RedisBackend], name: bytes, page: _Page) -> dict[str, Any]:
    length = await call.backend.read("SCARD", name)
    members = await _scanned(call, "SSCAN", name, page, "items", lambda found: [show(m, ELEMENT_BYTES) for m in found])
    return {"length": length} | members


async def _scanned(
    call: Call[RedisBackend], command: str, name: bytes, page: _Page, into: str, make: Any
) -> dict[str, Any]:
    """Pages of HSCAN or SSCAN. A small collection comes in one piece whatever COUNT says, so a page may end inside a step."""
    position, skip = _parse_cursor(page.cursor)
    room = Room(call.max_bytes)
    found: list[Any] = []
    for _ in range(SCAN_STEPS):
        following, raw = await call.backend.read(command, name, position, "COUNT", SCAN_COUNT)
        for index, item in enumerate(make(raw)[skip:]):
            if len(found) == page.limit or not room.take(item):
                return {into: found, "cursor": f"{position}+{skip + index}"}
            found.append(item)
        position, skip = int(following), 0
        if position == 0:
            return {into: found}
        if len(found) == page.limit:
            break
    return {into: found, "cursor": str(position)}


async def _list(call: Call[RedisBackend], name: bytes, page: _Page) -> dict[str, Any]:
    length = await call.backend.read("LLEN", name)
    raw = await call.backend.read("LRANGE", name, page.offset, page.offset + page.limit - 1)
    return {"length": length} | _ranged([show(item, ELEMENT_BYTES) for item in raw], call, page, length, "items")


async def _zset(call: Call[RedisBackend], name: bytes, page: _Page) -> dict[str, Any]:
    length = await call.backend.read("ZCARD", name)
    raw = await call.backend.read("ZRANGE", name, page.offset, page.offset + page.limit - 1, "WITHSCORES")
    pairs = raw if raw and isinstance(raw[0], list | tuple) else list(zip(raw[::2], raw[1::2], strict=True))
    members = [{"member": show(m, ELEMENT_BYTES), "score": _score(s)} for m, s in pairs]
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
    length = await call.backend.read("XLEN", name)
    start = "-" if page.cursor == "0" else "(" + page.cursor
    raw = await call.backend.read("XRANGE", name, start, "+", "COUNT", page.limit + 1)
    room = Room(call.max_bytes)
    entries: list[Any] = []
    for identifier, fields in raw:
        pairs = (
            fields.items() if isinstance(fields, dict) else zip((fields or [])[::2], (fields or [])[1::2], strict=True)
        )
        entry = {
            "id": _text(identifier),
            "fields": [{"field": show(f, ELEMENT_BYTES), "value": show(v, ELEMENT_BYTES)} for f, v in pairs],
        }
        if len(entries) == page.limit or not room.take(entry):
            return {"length": length, "entries": entries, "cursor": entries[-1]["id"]}
        entries.append(entry)
    return {"length": length, "entries": entries}


async def _json(call: Call[RedisBackend], name: bytes, page: _Page) -> dict[str, Any]:
    text = await call.backend.read("JSON.GET", name)
    raw = text if isinstance(text, bytes) else str(text).encode()
    most = max(call.max_bytes // 3, 256)
    return {"length": len(raw)} | _slice(raw[page.offset : page.offset + most], page.offset, len(raw))


_READERS = {
    "string": _string,
    "hash": _hash,
    "list": _list,
    "set": _set,
    "zset": _zset,
    "stream": _stream,
    "ReJSON-RL": _json,
}


def _parse_cursor(cursor: str) -> tuple[int, int]:
    """SCAN's own cursor, and how many elements of its next step were given already."""
    position, _, skip = cursor.partition("+")
    if not position.isdigit() or not (skip or "0").isdigit():
        raise ToolError(f"cursor {cursor[:50]!r} is not one from a result: begin without a cursor")
    return int(position), int(skip or 0)


def _text(value: Any) -> str:
    return (
        value.decode("utf-8", "replace")
        if isinstance(value, bytes)
        else ""
        if isinstance(value, Exception)
        else str(value)
    )


def _score(value: Any) -> Any:
    """JSON has no infinities; Redis' spelling of them is a string."""
    number = float(value)
    return number if abs(number) != float("inf") else ("inf" if number > 0 else "-inf")
