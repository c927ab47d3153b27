"""redis_scan: which keys there are."""

import heapq
import itertools
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import Annotated, Any, Literal, NotRequired, TypeVar

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.backend import warn
from servers.common.protocol.tools import Call, Room, ToolError, size, tool
from servers.redis.format.key_encoding import LONGEST_NAME, Pattern, show_name
from servers.redis.format.replies import said, seconds
from servers.redis.format.replies import words as said_error
from servers.redis.policy.key_scope import ScopedRedis

T = TypeVar("T")

SCAN_COUNT = 250
"""COUNT of a SCAN: elements looked at in one step."""

SCAN_STEPS = 200
"""SCANs in one call at the most: 50,000 keys looked at."""

CHUNK_BYTES = 256 * 1024
"""Bytes of names that are asked about at once."""


def chunks(names: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Split names so that a pipeline about them is small: a name may have 512 MB."""
    chunk: list[bytes] = []
    length = 0
    for name in names:
        chunk.append(name)
        length += len(name)
        if length > CHUNK_BYTES:
            yield chunk
            chunk, length = [], 0
    if chunk:
        yield chunk


def short(names: Iterable[bytes]) -> list[bytes]:
    """Leave out names that no tool takes, before anything is asked about them. A note tells of it."""
    found = list(names)
    kept = [name for name in found if len(name) <= LONGEST_NAME]
    if len(kept) < len(found):
        warn(f"keys whose names have more than {LONGEST_NAME} bytes were left out")
    return kept


def warn_of_refusals(answers: Iterable[Any], what: str = "keys") -> None:
    """Warn that something is left out because Redis answers with an error, such as to a user who may not ask."""
    if refusal := next((answer for answer in answers if isinstance(answer, Exception)), None):
        warn(f"{what} were left out, for Redis answered: {said_error(refusal)}")


class Key(TypedDict):
    key: str
    type: str
    ttl_s: Annotated[NotRequired[int], Field(description="absent: the key does not expire")]
    memory_bytes: NotRequired[int]
    idle_s: NotRequired[int]


class KeyPage(TypedDict):
    keys: list[Key]
    left_out: Annotated[NotRequired[int], Field(description="with order or ttl_below_s: further keys")]
    cursor: Annotated[NotRequired[str], Field(description="there may be more keys: call again with it")]


class Cursor:
    """Where a scan goes on: the server of a cluster, SCAN's own cursor, and how many of its next step were given already."""

    _FORM = re.compile(r"(?:(\d{1,9})\.)?(\d{1,20})(?:\+(\d{1,6}))?")

    def __init__(self, text: str) -> None:
        match = self._FORM.fullmatch(text)
        if not match:
            raise ToolError(f"cursor {text[:50]!r} is not from a result: start without a cursor")
        self.server, self.position, self.skip = (int(part or 0) for part in match.groups())

    @staticmethod
    def text(server: int, position: int, skip: int = 0) -> str:
        return (f"{server}." if server else "") + str(position) + (f"+{skip}" if skip else "")

    async def steps(self, call: Call[ScopedRedis], *words: Any, told: Callable[[], str]) -> AsyncIterator[list[bytes]]:
        """Go on with SCAN (words are those behind its cursor) for SCAN_STEPS steps, and give the names of keys in scope that each
        finds. The client is told of the progress, in words of `told`."""
        for step in range(SCAN_STEPS):
            self.server, self.position, names = await call.backend.scan(self.server, self.position, *words, "COUNT", SCAN_COUNT)
            yield short(filter(call.backend.scope.has, names))
            if self.server < 0:
                break
            await call.progress(step + 1, SCAN_STEPS, told())

    def following(self) -> dict[str, str]:
        """Return the cursor of a result; nothing at the end."""
        return {"cursor": self.text(self.server, self.position)} if self.server >= 0 else {}


@tool(title="Find keys")
async def redis_scan(
    call: Call[ScopedRedis],
    *,
    pattern: Annotated[Pattern, Field(description="glob: * ? [ab]; escape with \\")] = "*",
    type: Annotated[str | None, Field(max_length=40, description="e.g. string or zset")] = None,
    order: Annotated[
        Literal["memory", "idle", "ttl"] | None,
        Field(description="biggest, longest idle or soonest to expire first"),
    ] = None,
    ttl_below_s: Annotated[int | None, Field(ge=1, description="only keys that expire within this time")] = None,
    limit: Annotated[int, Field(ge=1, le=1000)] = 100,
    cursor: str = "0",
) -> KeyPage:
    """Find keys by pattern and type; shows type and TTL. Uses SCAN, never KEYS. A page may be short or empty: only a page without cursor is the last."""  # noqa: E501
    at = Cursor(cursor)
    words: list[Any] = ["MATCH", call.backend.scope.pattern(pattern)]
    if type:
        words += ["TYPE", _type(type)]
    if order or ttl_below_s is not None:
        return await _ordered(call, at, words, order or "ttl", limit, ttl_below_s)

    async def step(server: int, position: int, count: int) -> tuple[int, int, list[bytes]]:
        server, position, names = await call.backend.scan(server, position, *words, "COUNT", count)
        return server, position, [name for name in names if call.backend.scope.has(name)]

    names, following = await scanned(call, step, at, limit, _longest)
    keys = [key for key in await described(call, names) if key is not None]
    return {"keys": keys, "cursor": following} if following else {"keys": keys}


TYPES = {
    **{name: name for name in ("string", "list", "set", "zset", "hash", "stream", "vectorset")},
    "sorted set": "zset",
    "json": "ReJSON-RL",
    "timeseries": "TSDB-TYPE",
    "bloom": "MBbloom--",
    "cuckoo": "MBbloomCF",
    "cms": "CMSk-TYPE",
    "topk": "TopK-TYPE",
    "tdigest": "TDIS-TYPE",
}
"""Types by the names that people give them, and by Redis' own."""

LENGTHS = {
    "string": "STRLEN", "hash": "HLEN", "list": "LLEN", "set": "SCARD", "zset": "ZCARD", "stream": "XLEN",
    "vectorset": "VCARD",
}  # fmt: skip
"""The commands that tell the length of a key, by its type."""


def _type(text: str) -> str:
    """Redis' own name of a type. Another one is a ToolError: Redis would find nothing, as if there were no such keys."""
    known = {name.lower(): own for name, own in TYPES.items()} | {own.lower(): own for own in TYPES.values()}
    if text.lower() not in known:
        raise ToolError(f"there is no type {text!r}: the types are {', '.join(TYPES)}")
    return known[text.lower()]


def _longest(name: bytes) -> Key:
    """Return the longest form that a key can have in a result."""
    return {"key": show_name(name, LONGEST_NAME), "type": "of a module", "ttl_s": 10**16}


Step = Callable[[int, int, int], Awaitable[tuple[int, int, list[T]]]]
"""A step of a scan: from a server's position, with a COUNT, to where it goes on (server -1: the end) and what was found."""


async def scanned(
    call: Call[ScopedRedis],
    scan: Step[T],
    at: Cursor,
    limit: int,
    shown: Callable[[T], Any] = lambda item: item,
    room: int | None = None,
) -> tuple[list[T], str | None]:
    """Return a page of what a scan finds, and the cursor behind it; None at the end.

    A step is given whole or left to the next page, for what one cursor gives may change while Redis rehashes: no place inside of
    a step stays. Only what comes in one piece whatever COUNT says, a bucket or a small collection, is cut inside, and the cursor
    says how much of it was given. So that few steps are left, each covers as much as will probably be found room for.

    An item becomes `shown` of it in the result. The items may have `room` bytes; None: those of a result.
    """
    left_over = Room(call.max_bytes) if room is None else Room(room, 64)
    found: list[T] = []
    server, position, skip = at.server, at.position, at.skip
    count = 1 if skip else _count(limit, 1, 1)
    for done in range(SCAN_STEPS):
        next_server, following, items = await scan(server, position, count)
        items = items[skip:]
        left = limit - len(found)
        fits = len(items) <= left and sum(size(shown(item)) + 1 for item in items) <= left_over.left
        if not fits and found:
            return found, Cursor.text(server, position)
        if not fits and count > 1:
            count = min(count // 2, _count(left, count, len(items)))
            continue
        for index, item in enumerate(items):
            if len(found) < limit and left_over.take(shown(item)):
                found.append(item)
            elif found:
                return found, Cursor.text(server, position, skip + index)
            else:
                warn(TOO_LONG)
        server, position, skip = next_server, following, 0
        if server < 0:
            return found, None
        count = _count(limit - len(found), count, len(items))
        if len(found) == limit or (len(found) * 2 >= limit and count < SCAN_COUNT // 4):
            break
        await call.progress(done + 1, SCAN_STEPS, f"{len(found)} found")
    return found, Cursor.text(server, position)


def _count(wanted: int, looked_at: int, had: int) -> int:
    """Estimate COUNT from the hit rate so far, aiming slightly low."""
    return min(max(wanted * looked_at * 3 // (4 * had), 1), SCAN_COUNT) if had else SCAN_COUNT


TOO_LONG = "a key was left out whose name is longer than a result may be: ask the operator to raise MCP_MAX_RESULT_BYTES"

SPARE = 1000
"""Keys that are kept beside those asked for, as some may be deleted before they are shown."""

_ORDERS = {
    "memory": ("memory_bytes", ("MEMORY", "USAGE")),
    "idle": ("idle_s", ("OBJECT", "IDLETIME")),
    "ttl": ("ttl_s", ("PTTL",)),
}
"""What keys are ordered by: a field of Key, and the command that tells it."""


async def _ordered(
    call: Call[ScopedRedis], at: Cursor, words: list[Any], order: str, limit: int, ttl_below_s: int | None
) -> KeyPage:
    field, command = _ORDERS[order]
    top: list[tuple[int, bytes]] = []
    count = 0
    async for names in at.steps(call, *words, told=lambda: "looking at keys"):
        for chunk in chunks(names):
            measured_keys = await _measured(call, chunk, order, command, ttl_below_s)
            count += len(measured_keys)
            top = heapq.nlargest(limit + SPARE, [*top, *measured_keys])
            # Not many more of them are kept than a result has room for: their names may be long.
            shown = itertools.accumulate(len(name) for _, name in top)
            top = top[: 1 + sum(length <= 4 * call.max_bytes for length in shown)]
    room = Room(call.max_bytes)
    keys: list[Key] = []
    gone = 0
    async for measured, key in _in_turn(call, top, limit):
        if key is None:
            gone += 1
            continue
        if order != "ttl":
            key[field] = measured  # type: ignore[literal-required]
        if room.take(key):
            keys.append(key)
            if len(keys) == limit:
                break
        elif keys:
            break
        else:
            warn(TOO_LONG)
    if gone and len(keys) < limit:
        warn(f"{gone} of these keys were deleted during the call: call again to see others")
    more = {"left_out": left_out} if (left_out := count - gone - len(keys)) else {}
    return {"keys": keys, **more, **at.following()}  # type: ignore[typeddict-item]


async def _measured(
    call: Call[ScopedRedis], names: list[bytes], order: str, command: tuple[str, ...], ttl_below_s: int | None
) -> list[tuple[int, bytes]]:
    """Return keys with what they are ordered by."""
    if ttl_below_s is not None:
        ttls = await call.backend.read_many([("PTTL", name) for name in names])
        warn_of_refusals(ttls)
        names = [name for name, ttl in zip(names, ttls, strict=True) if isinstance(ttl, int) and 0 <= ttl < ttl_below_s * 1000]
    answers = await call.backend.read_many([(*command, name) for name in names])
    warn_of_refusals(answers)
    return [
        (-answer if order == "ttl" else answer, name)
        for answer, name in zip(answers, names, strict=True)
        if isinstance(answer, int) and answer >= 0
    ]


async def _in_turn(call: Call[ScopedRedis], top: list[tuple[int, bytes]], limit: int) -> AsyncIterator[tuple[int, Key | None]]:
    """Describe keys with what was measured of them, no more at once than are wanted: most keys are still there."""
    for start in range(0, len(top), limit):
        part = top[start : start + limit]
        for (measured, _), key in zip(part, await described(call, [name for _, name in part]), strict=True):
            yield measured, key


async def described(call: Call[ScopedRedis], names: list[bytes]) -> list[Key | None]:
    """Type and TTL of keys; None for one that is gone, or out of scope, or that this user may not ask about."""
    details: list[Any] = []
    for chunk in chunks(names):
        details += await call.backend.read_many([c for name in chunk for c in (("TYPE", name), ("PTTL", name))])
    warn_of_refusals(details[::2])
    warn_of_refusals(details[1::2], "TTLs")
    keys: list[Key | None] = []
    for name, kind, ttl in zip(names, details[::2], details[1::2], strict=True):
        if isinstance(kind, Exception) or kind == b"none" or ttl == -2 or not call.backend.scope.has(name):
            keys.append(None)
            continue
        key: Key = {"key": show_name(name, LONGEST_NAME), "type": said(kind)}
        if (left := seconds(ttl)) is not None:
            key["ttl_s"] = left
        keys.append(key)
    return keys
