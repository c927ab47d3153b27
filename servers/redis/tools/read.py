"""redis_read: what a key holds."""

import itertools
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.memory_budget import hold
from servers.common.protocol.tools import Call, Room, ToolError, size, tool
from servers.redis.client import optimistic_lock as versions
from servers.redis.client.memory_guard import COPIES
from servers.redis.client.sorted_set import SortedSet
from servers.redis.format.key_encoding import (
    KeyName,
    Value,
    digest_of,
    encode,
    parse_key,
    parse_vector,
    show,
    show_key,
    show_name,
    show_part,
    show_within,
)
from servers.redis.format.replies import as_json, pairs, said, score, seconds
from servers.redis.policy.command_cost import (
    COPIES_OF_STREAM,
    MOST_BYTES,
    OBJECT_BYTES,
    SAMPLES,
    SMALL_KEY,
    check_json_path,
    finds_many,
)
from servers.redis.policy.key_scope import ScopedRedis
from servers.redis.tools.scan import SCAN_STEPS, Cursor, scanned

ELEMENT_BYTES = 4096
"""An element of a collection is given up to this length."""

LISTPACK = 600
"""Elements that a scan may answer at once, whatever its COUNT."""

LONGEST_FIELD = 64 * 1024
"""Bytes of a field that a page of a hash of few, big fields reads."""

MOST_PAGED = 10_000
"""Elements of a vector set that is read in pages."""

RESERVE = 700
"""Bytes of a result beside the key's name and what it holds."""


class FieldValue(TypedDict):
    field: Value
    value: Value
    ttl_s: NotRequired[int]


class ScoredMember(TypedDict):
    member: Value
    score: float | Literal["inf", "-inf"]

    longitude: NotRequired[float]
    latitude: NotRequired[float]


class Entry(TypedDict):
    id: NotRequired[str]
    fields: NotRequired[list[FieldValue]]
    time_ms: NotRequired[int]
    value: NotRequired[float | str]


class KeyContent(TypedDict):
    key: str
    type: str
    length: Annotated[NotRequired[int], Field(description="bytes of a string, else elements")]
    ttl_s: NotRequired[int]
    encoding: str
    value: Annotated[NotRequired[Value], Field(description="a string, or the requested field")]
    items: Annotated[NotRequired[list[Value | int]], Field(description="elements of a list or set, or positions of set bits")]
    fields: NotRequired[list[FieldValue]]
    members: Annotated[NotRequired[list[ScoredMember]], Field(description="by score")]
    entries: Annotated[NotRequired[list[Entry]], Field(description="of a stream or time series")]
    about: Annotated[NotRequired[dict[str, Any]], Field(description="details of its type")]
    version: NotRequired[str]
    cursor: Annotated[NotRequired[str], Field(description="there is more: call again with it")]


@tool(title="Read a key")
async def redis_read(
    call: Call[ScopedRedis],
    *,
    key: KeyName,
    field: Annotated[
        str | None,
        Field(
            description="hash field, in full; JSON path, e.g. $.a[0]; vector set: element or vector, e.g. [0.1,2], to find the "
            "nearest"
        ),
    ] = None,
    view: Annotated[
        Literal["bits", "geo"] | None, Field(description="bits: string as bitmap; geo: sorted set with positions")
    ] = None,
    reverse: Annotated[bool, Field(description="start at the end")] = False,
    start: Annotated[str | None, Field(description="lowest score, first stream id or first ms")] = None,
    end: Annotated[str | None, Field(description="highest score, last stream id or last ms")] = None,
    limit: Annotated[int, Field(ge=1, le=1000, description="elements")] = 100,
    cursor: str = "0",
    version: Annotated[bool, Field(description="return the version, for if_version")] = False,
) -> KeyContent:
    """Read a key of any type in pages; JSON, vector sets, bitmaps, geo and time series too. Long elements are cut."""
    name = call.backend.scope.key(key)
    kind_raw, ttl, encoding, memory = await call.backend.read_many(
        [("TYPE", name), ("PTTL", name), ("OBJECT", "ENCODING", name), ("MEMORY", "USAGE", name, "SAMPLES", SAMPLES)]
    )
    if isinstance(kind_raw, Exception):
        raise call.backend.translated().translate(kind_raw)
    kind = said(kind_raw)
    if kind == "none":
        raise _gone(name)
    reader = _VIEWS.get((kind, view)) if view else _READERS.get(kind)
    if view and not reader:
        raise ToolError(f"{key!r} is a {kind}: view bits is for strings, geo for sorted sets")
    if reader is None:
        raise ToolError(f"{key!r} is of type {kind}, which is not known here: redis_command may read it")
    if field is not None and kind not in ("hash", "ReJSON-RL", "vectorset"):
        raise ToolError(f"{key!r} is a {kind}: field is for hashes, JSON documents and vector sets")
    if reverse and kind not in _REVERSIBLE:
        raise ToolError(f"{key!r} is a {kind}, which has no order: reverse is for lists, sorted sets, streams and time series")
    if (start is not None or end is not None) and kind not in ("zset", "stream", "TSDB-TYPE"):
        raise ToolError(
            f"{key!r} is a {kind}: start and end are for sorted sets (scores), streams (ids) and time series (milliseconds)"
        )
    shown = show_key(name)
    content: dict[str, Any] = {"key": shown, "type": kind}
    if isinstance(encoding, bytes):
        content["encoding"] = said(encoding)
    if (left := seconds(ttl)) is not None:
        content["ttl_s"] = left
    if version:
        content["version"] = await _version(call, name, memory)
    page = _ReadWindow(
        limit=limit,
        cursor=cursor,
        field=field,
        reverse=reverse,
        start=start,
        end=end,
        memory=memory if isinstance(memory, int) else 0,
        encoding=content.get("encoding", ""),
        room=max(call.max_bytes - size(shown) - RESERVE, 256),
    )
    content |= await reader(call, name, page)
    elements = next((content[part] for part in ("items", "fields", "members", "entries") if part in content), None)
    # A key that expires between two commands looks empty, and no collection is empty.
    if (content.get("length") == 0 or elements == []) and await call.backend.read("TYPE", name) == b"none":
        raise _gone(name)
    return content  # type: ignore[return-value]


def _gone(name: bytes) -> ToolError:
    return ToolError(f"there is no key {show_name(name)!r}: find keys with redis_scan; names are exact, and case matters")


async def _version(call: Call[ScopedRedis], name: bytes, size: Any) -> str:
    if isinstance(size, int) and size > versions.MOST:
        raise ToolError(f"the key has {size} bytes, too many for a version: read it without version")
    async with hold(COPIES * versions.MOST if isinstance(size, int) else 0):
        return versions.version(await call.backend.read("DUMP", name))


@dataclass(frozen=True)
class _ReadWindow:
    """What of a key is asked for. `memory` is the key's size in bytes, 0 where it is not known; `room` is what its part of the
    result may have, in bytes."""

    limit: int
    cursor: str
    field: str | None
    reverse: bool
    start: str | None
    end: str | None
    memory: int
    encoding: str
    room: int

    @property
    def offset(self) -> int:
        if not self.cursor.isdigit() or len(self.cursor) > 18:
            raise self.foreign()
        return int(self.cursor)

    def foreign(self) -> ToolError:
        return ToolError(f"cursor {self.cursor[:50]!r} does not belong to this key: start without a cursor")

    def count(self, length: int) -> int:
        """Return the number of elements to ask Redis for, of so many, so that what it sends is not much more than there is room
        for. Raise ToolError if they are too big."""
        each = self.memory // max(length, 1)
        if each > MOST_BYTES:
            raise ToolError(
                f"the key has {self.memory} bytes in {length} elements: they are too big to be read through this server"
            )
        return min(self.limit, self.most(length))

    def most(self, length: int) -> int:
        """Return the number of elements that are not much more than there is room for."""
        each = self.memory // max(length, 1)
        return max(4 * self.room // max(each, 1), 1)

    def reserved(self, length: int, copies: int = COPIES) -> AbstractAsyncContextManager[None]:
        """Hold the memory that a page may take, to be read inside this context. All of a small key is held, for its elements may
        be of very different sizes. A byte of an answer takes `copies` bytes of this process once it is parsed."""
        count, each = self.count(length), self.memory // max(length, 1)
        parsed = 2 * max(count, min(length, LISTPACK)) * OBJECT_BYTES + (copies - COPIES) * count * each
        if self.memory <= SMALL_KEY and length <= SAMPLES:
            return hold(COPIES * self.memory + parsed)
        return hold(2 * COPIES * count * each + parsed, estimated=True)

    def shown(self, value: bytes) -> Any:
        """Return an element, cut so that two of them fit into a result."""
        return show_within(value, ELEMENT_BYTES, self.room // 2 - 96)


async def _string(call: Call[ScopedRedis], name: bytes, page: _ReadWindow) -> dict[str, Any]:
    async with hold(COPIES * page.room):
        length, part = await _answers(call, ("STRLEN", name), ("GETRANGE", name, page.offset, page.offset + page.room - 1))
        answer = {"length": length} | _slice(part, page, length)
    if part.startswith(b"HYLL") and page.offset == 0:
        # Only Redis can tell one from a text that begins alike. It stores the count of one key, but not that of several.
        (counted,) = await call.backend.read_many([("PFCOUNT", name, name)])
        if isinstance(counted, int):
            answer["about"] = {"hyperloglog_cardinality": counted}
    return answer


async def _answers(call: Call[ScopedRedis], *commands: tuple[Any, ...]) -> list[Any]:
    """Several commands in one round trip, none of which may fail."""
    answers = await call.backend.read_many(commands)
    for answer in answers:
        if isinstance(answer, Exception):
            raise call.backend.translated().translate(answer)
    return answers


async def _bits(call: Call[ScopedRedis], name: bytes, page: _ReadWindow) -> dict[str, Any]:
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


def _slice(part: bytes, page: _ReadWindow, length: int) -> dict[str, Any]:
    """Return as much of a long value as fits, and the cursor behind it; a character is never cut in two. `part` is the value, of
    so many bytes, from the page's offset on, or its beginning."""
    if page.offset == 0 and len(part) == length and size(whole := show(part, length)) <= page.room:
        return {"value": whole}
    shown = show_part(part)
    # base64 and JSON's escapes make it longer than it is.
    while (need := size(shown)) > page.room - 32 and len(part) > 16:
        part = part[: max(len(part) * (page.room - 32) // need - 4, 16)]
        shown = show_part(part)
    used = len(shown["text"].encode()) if "text" in shown else len(part)
    answer: dict[str, Any] = {"value": shown | {"bytes": length}}
    if page.offset + used < length:
        answer["cursor"] = str(page.offset + used)
    return answer


async def _hash(call: Call[ScopedRedis], name: bytes, page: _ReadWindow) -> dict[str, Any]:
    length = await call.backend.read("HLEN", name)
    if page.field is not None:
        return {"length": length} | await _hash_field(call, name, page, parse_key(page.field))
    if page.memory > SMALL_KEY and length <= SAMPLES:
        return {"length": length} | await _big_fields(call, name, page)

    def named(flat: list[bytes]) -> list[tuple[bytes, Any]]:
        return list(zip(flat[::2], _fields(flat, page), strict=True))

    answer = await _scanned(call, "HSCAN", name, page, length, "fields", named, lambda pair: pair[1] | {"ttl_s": 10**9})
    names, answer["fields"] = [field for field, _ in answer["fields"]], [row for _, row in answer["fields"]]
    if length and "cursor" not in answer and page.cursor == "0":
        # HLEN counts fields that have expired and are not yet removed.
        length = min(length, len(answer["fields"]))
    if page.encoding not in ("listpack", "ziplist") and answer["fields"]:
        await _add_ttls(call, name, names, answer["fields"])
    return {"length": length} | answer


async def _hash_field(call: Call[ScopedRedis], name: bytes, page: _ReadWindow, field: bytes) -> dict[str, Any]:
    bytes_ = await call.backend.read("HSTRLEN", name, field)
    if bytes_ > MOST_BYTES:
        raise ToolError(f"the field has {bytes_} bytes: Redis returns only whole fields, and {MOST_BYTES} bytes are allowed")
    async with hold(COPIES * bytes_):
        value = await call.backend.read("HGET", name, field)
        if value is None:
            raise ToolError(f"the hash has no field {page.field!r}: read it without field to see its fields")
        return _slice(value[page.offset : page.offset + page.room], page, len(value))


async def _big_fields(call: Call[ScopedRedis], name: bytes, page: _ReadWindow) -> dict[str, Any]:
    """Return a page of a hash of few, big fields, ordered by name. A field that is too big to read shows only its length."""
    if not (text := page.cursor.removeprefix("field-")).isdigit() or len(text) > 6:
        raise page.foreign()
    first = int(text)
    async with hold(COPIES * SMALL_KEY, estimated=True):
        names = sorted(await call.backend.read("HKEYS", name))
        part = names[first : first + page.limit]
        lengths = await call.backend.read_many([("HSTRLEN", name, field) for field in part])
        sizes = [length if isinstance(length, int) else 0 for length in lengths]
        total = itertools.accumulate(length if length <= LONGEST_FIELD else 0 for length in sizes)
        part = part[: max(sum(read <= 4 * page.room for read in total), 1)]
        short = [field for field, length in zip(part, sizes, strict=False) if length <= LONGEST_FIELD]
        values = dict(zip(short, await call.backend.read("HMGET", name, *short), strict=True)) if short else {}
        rows = [
            {"field": page.shown(field), "value": page.shown(value)}
            if (value := values.get(field)) is not None
            else {"field": page.shown(field), "value": {"text": "", "bytes": length}}
            for field, length in zip(part, sizes, strict=False)
        ]
        await _add_ttls(call, name, part, rows)
        kept = _kept(rows, page)
        more = first + len(kept) < len(names)
    return {"fields": kept} | ({"cursor": f"field-{first + len(kept)}"} if more else {})


async def _add_ttls(call: Call[ScopedRedis], name: bytes, names: list[bytes], rows: list[Any]) -> None:
    """Add to rows what their fields have to live, where the server knows TTLs of fields (Redis 7.4, Valkey 9)."""
    (ttls,) = await call.backend.read_many([("HTTL", name, "FIELDS", len(names), *names)])
    if isinstance(ttls, list) and len(ttls) == len(rows):
        for row, ttl in zip(rows, ttls, strict=True):
            if ttl >= 0:
                row["ttl_s"] = ttl


def _fields(flat: Any, page: _ReadWindow) -> Iterator[Any]:
    """Names and values, in turn."""
    return ({"field": page.shown(f), "value": page.shown(v)} for f, v in zip(flat[::2], flat[1::2], strict=True))


async def _set(call: Call[ScopedRedis], name: bytes, page: _ReadWindow) -> dict[str, Any]:
    length = await call.backend.read("SCARD", name)
    members = await _scanned(call, "SSCAN", name, page, length, "items", lambda found: [page.shown(member) for member in found])
    return {"length": length} | members


async def _scanned(
    call: Call[ScopedRedis],
    command: str,
    name: bytes,
    page: _ReadWindow,
    length: int,
    into: str,
    make: Callable[[Any], list[Any]],
    shown: Callable[[Any], Any] = lambda item: item,
) -> dict[str, Any]:
    """Return a page of HSCAN or SSCAN. `make` makes items of an answer; `shown` is what an item may become in the result."""
    most = page.count(length)

    async def step(server: int, position: int, count: int) -> tuple[int, int, list[Any]]:
        async with page.reserved(length):
            following, raw = await call.backend.read(command, name, position, "COUNT", min(count, most))
            return (0 if int(following) else -1), int(following), make(raw)

    found, cursor = await scanned(call, step, Cursor(page.cursor), page.limit, shown, page.room)
    return {into: found, "cursor": cursor} if cursor else {into: found}


async def _list(call: Call[ScopedRedis], name: bytes, page: _ReadWindow) -> dict[str, Any]:
    """A page of a list. The cursor is the index that follows, the length, and what the last elements before it are: where these
    are others now, the list was changed at its beginning (reverse: its end), and nobody can tell what was missed. Where they
    repeat, they may be the same at another place, so that another length counts as a change, too."""
    found = _LIST_CURSOR.fullmatch(page.cursor)
    if not found:
        raise page.foreign()
    offset, known, before_length, digest = int(found[1]), int(found[2] or 0), int(found[3] or 0), found[4]
    known = min(known, offset, WINDOW)
    length = await call.backend.read("LLEN", name)
    first, last = offset - known, offset + page.count(length) - 1
    bounds = (-last - 1, -first - 1) if page.reverse else (first, last)
    async with page.reserved(length):
        length, raw = await _answers(call, ("LLEN", name), ("LRANGE", name, *bounds))
        if page.reverse:
            raw.reverse()
        before, new = raw[:known], raw[known:]
        kept = _kept([page.shown(item) for item in new], page)
        answer: dict[str, Any] = {"length": length, "items": kept}
        repeats = length != before_length and len(set(before)) < len(before)
        if digest and (digest_of(*before) != digest or repeats):
            answer["about"] = {"changed": "the list was changed between two pages: elements may be missing or appear twice"}
        if kept and offset + len(kept) < length:
            told = raw[: known + len(kept)][-min(WINDOW, page.most(length)) :]
            answer["cursor"] = f"{offset + len(kept)}.{len(told)}.{length}-{digest_of(*told)}"
    return answer


_LIST_CURSOR = re.compile(r"(\d{1,18})(?:\.(\d{1,3})\.(\d{1,18})-([0-9a-f]{16}))?")

WINDOW = 16
"""Elements of a list by which a page finds out whether it follows the one before."""


async def _zset(call: Call[ScopedRedis], name: bytes, page: _ReadWindow, *, geo: bool = False) -> dict[str, Any]:
    """Read a page of a sorted set, by score and member, and not by rank, for ranks move; with positions if `geo`."""
    length = await call.backend.read("ZCARD", name)
    order = SortedSet(call.backend, name, reverse=page.reverse, least=page.start, greatest=page.end)
    async with page.reserved(length):
        found, more = await order.page(page.cursor, page.count(length))
        longest = ({"member": page.shown(m), "score": 0.1, "at": [0.1] * 8} for m, _ in found)
        kept = found[: len(list(itertools.takewhile(Room(page.room, 64).take, longest)))]
        members: list[dict[str, Any]] = [{"member": page.shown(member), "score": score(text)} for member, text in kept]
        places = await call.backend.read("GEOPOS", name, *(member for member, _ in kept)) if geo and kept else []
        for row, place in zip(members, places, strict=False):
            if place:
                row["longitude"], row["latitude"] = (round(float(degrees), 6) for degrees in place)
        answer = {"length": length, "members": members}
        if kept and (more or len(kept) < len(found)):
            answer["cursor"] = await order.cursor(kept[-1])
    return answer


def _kept(items: list[Any], page: _ReadWindow) -> list[Any]:
    """As many items as there is room for."""
    return Room(page.room, 64).kept(items)


async def _stream(call: Call[ScopedRedis], name: bytes, page: _ReadWindow) -> dict[str, Any]:
    """A page of a stream. The cursor is the last id; if only some of its fields were given, ID+N with their number."""
    first, last = page.start or "-", page.end or "+"
    at, _, given = page.cursor.partition("+")
    if given and not (given.isdigit() and len(given) < 10):
        raise page.foreign()
    if page.cursor != "0":
        bound = at if given else "(" + at
        first, last = (first, bound) if page.reverse else (bound, last)
    length = await call.backend.read("XLEN", name)
    count = page.count(length)
    async with page.reserved(length, COPIES_OF_STREAM):
        length, raw = await _answers(
            call,
            ("XLEN", name),
            ("XREVRANGE", name, last, first, "COUNT", count + 1)
            if page.reverse
            else ("XRANGE", name, first, last, "COUNT", count + 1),
        )
        entries: list[dict[str, Any]] = []
        answer: dict[str, Any] = {"length": length, "entries": entries}
        room = Room(page.room, 64)
        for identifier, fields in raw[:count]:
            skip = int(given or 0) if said(identifier) == at else 0
            flat = (fields or [])[2 * skip :]
            row = {
                "id": said(identifier),
                "fields": list(itertools.takewhile(Room(room.left, 64).take, _fields(flat, page))),
            }
            whole = len(row["fields"]) == len(flat) // 2
            if (entries and not whole) or not room.take(row):
                break
            entries.append(row)
            if not whole:
                told = skip + len(row["fields"])
                answer["about"] = {"cut": f"entry {row['id']} has {skip + len(flat) // 2} fields, {told} are read so far"}
                return answer | {"cursor": f"{row['id']}+{told}"}
        return answer | {"cursor": entries[-1]["id"]} if len(entries) < len(raw) else answer


async def _json(call: Call[ScopedRedis], name: bytes, page: _ReadWindow) -> dict[str, Any]:
    path = () if page.field is None else (encode(page.field),)
    memory = page.memory
    if path:
        check_json_path(*path)
        if memory > MOST_BYTES and finds_many(*path):
            raise ToolError(
                f"the document has {memory} bytes, and a path to many places may go through {MOST_BYTES}: name one place"
            )
        # A path may find a part, and what is in it again.
        (found,) = await call.backend.read_many([("JSON.DEBUG", "MEMORY", name, *path)])
        memory = sum(found) if isinstance(found, list) else found if isinstance(found, int) else memory
    if memory > MOST_BYTES:
        raise ToolError(f"this has {memory} bytes, and {MOST_BYTES} are allowed: read a part of it, with a path as field")
    async with hold(COPIES * memory):
        raw = await call.backend.read("JSON.GET", name, *path)
        if raw is None:
            raise ToolError(f"the document has nothing at {page.field!r}")
        return {"length": len(raw)} | _slice(raw[page.offset : page.offset + page.room], page, len(raw))


async def _series(call: Call[ScopedRedis], name: bytes, page: _ReadWindow) -> dict[str, Any]:
    first, last = page.start or "-", page.end or "+"
    if page.cursor != "0":
        at = str(page.offset)
        first, last = (first, at) if page.reverse else (at, last)
    command = "TS.REVRANGE" if page.reverse else "TS.RANGE"
    about, raw = await _answers(call, ("TS.INFO", name), (command, name, first, last, "COUNT", page.limit + 1))
    answer: dict[str, Any] = {"about": _about(about, page), "length": pairs(about).get("totalSamples", 0)}
    samples = [{"time_ms": int(time), "value": score(as_json(value))} for time, value in raw]
    answer["entries"] = Room(page.room, 64 + size(answer["about"])).kept(samples[: page.limit])
    if len(samples) > len(answer["entries"]):
        answer["cursor"] = f"{samples[len(answer['entries'])]['time_ms']:02}"  # "0" is where a read begins
    return answer


async def _vectors(call: Call[ScopedRedis], name: bytes, page: _ReadWindow) -> dict[str, Any]:
    """Read elements of a vector set, or what is nearest to one of them or to a vector."""
    length, about = await _answers(call, ("VCARD", name), ("VINFO", name))
    found: dict[str, Any] = {"length": length, "about": _about(about, page)}
    whole = page.field is None and length <= MOST_PAGED
    # Most of its memory is vectors, and of these no more than one is read.
    names = COPIES * min(page.memory, SMALL_KEY) + 2 * length * OBJECT_BYTES
    async with hold(names, estimated=True) if whole else page.reserved(length):
        if whole:
            # Redis gives elements in no order, so all are asked for: they are put in the order of their marks.
            if page.cursor != "0" and not re.fullmatch("[0-9a-f]{16}", page.cursor):
                raise page.foreign()
            marked = sorted((digest_of(item), item) for item in await call.backend.read("VRANDMEMBER", name, length))
            rest = marked if page.cursor == "0" else [pair for pair in marked if pair[0] > page.cursor]
            found["items"] = _kept([page.shown(item) for _, item in rest[: page.limit]], page)
            if len(found["items"]) < len(rest):
                found["cursor"] = rest[len(found["items"]) - 1][0]
            return found
        if page.field is None:
            items = await call.backend.read("VRANDMEMBER", name, page.count(length))
            found["items"] = _kept([page.shown(item) for item in items], page)
            found["about"]["items"] = f"a random sample: only vector sets of up to {MOST_PAGED} elements have pages"
            return found
        if page.field.startswith("["):
            vector = parse_vector(page.field)
            to: tuple[Any, ...] = ("VALUES", len(vector), *vector)
        else:
            element = parse_key(page.field)
            to = ("ELE", element)
            vector, attributes = await _answers(call, ("VEMB", name, element), ("VGETATTR", name, element))
            if vector is None:
                raise ToolError(f"the vector set has no element {page.field!r}: redis_read without field shows some")
            found["about"]["vector"] = [score(number) for number in vector[: page.room // 64]]
            if attributes is not None:
                found["about"]["attributes"] = show_within(attributes, ELEMENT_BYTES, page.room // 4)
        flat = await call.backend.read("VSIM", name, *to, "WITHSCORES", "COUNT", page.count(length))
        room = Room(page.room, 64 + size(found["about"]))
        nearest = ({"member": page.shown(m), "score": score(s)} for m, s in zip(flat[::2], flat[1::2], strict=True))
        found["members"] = room.kept(nearest)
    return found


def _info(*command: str) -> Any:
    """Return a reader of what can only be described."""

    async def read(call: Call[ScopedRedis], name: bytes, page: _ReadWindow) -> dict[str, Any]:
        return {"about": _about(await call.backend.read(*command, name), page)}

    return read


def _about(flat: Any, page: _ReadWindow) -> dict[str, Any]:
    """Return details of a type, in a third of the room at most."""
    about = {name: as_json(value) for name, value in pairs(flat).items()}
    return Room(page.room // 3, 0).fit(about) or {}


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
    "vectorset": _vectors,
}

_REVERSIBLE = frozenset({"list", "zset", "stream", "TSDB-TYPE"})

_VIEWS: dict[tuple[str, str], Callable[..., Awaitable[dict[str, Any]]]] = {
    ("string", "bits"): _bits,
    ("zset", "geo"): partial(_zset, geo=True),
}
