"""Read sorted sets in pages, in order, while others change them: no member that stays is missed."""

import base64
import binascii
import math
from dataclasses import dataclass

from servers.common.protocol.tools import ToolError
from servers.redis.client.backend import RedisBackend
from servers.redis.format.key_encoding import digest_of

Scored = tuple[bytes, bytes]
"""A member and its score, as Redis writes it."""

LONGEST_MEMBER = 256
"""Bytes of a member that a cursor holds.

Of a longer one it holds only the beginning, with a digest of the whole and its place among the members that begin alike and have
the same score.
"""

ATTEMPTS = 50
"""Reads until a place is found in a set that is changed all the time."""


@dataclass(frozen=True)
class _Place:
    """Where a page ended: behind a member; or, of a long one, behind the first members that begin as it does."""

    score: float
    member: bytes
    alike: int = 0
    """Of a long member: how many begin alike and are passed, with itself."""

    digest: str = ""
    """Of a long member."""


class SortedSet:
    """The members of a sorted set, in the order of scores and, where these are alike, of bytes."""

    def __init__(
        self,
        backend: RedisBackend,
        name: bytes,
        *,
        reverse: bool,
        least: str | None = None,
        greatest: str | None = None,
    ) -> None:
        """Choose members with scores from `least` to `greatest`; `reverse` begins with the greatest.
        Another text is a ToolError."""
        self._backend = backend
        self._name = name
        self._reverse = reverse
        self._least = _real("start", least, -math.inf)
        self._greatest = _real("end", greatest, math.inf)

    async def cursor(self, last: Scored) -> str:
        """Return the cursor behind a member."""
        member, text = last
        if len(member) <= LONGEST_MEMBER:
            return text.decode() + ":" + base64.urlsafe_b64encode(member).decode()
        begin = member[:LONGEST_MEMBER]
        rank = await self._backend.read("ZREVRANK" if self._reverse else "ZRANK", self._name, member)
        first = await self._rank(_Place(float(text), begin, 1))
        alike = max(rank - first, 0) + 1 if isinstance(rank, int) else 1
        return f"{text.decode()}~{alike}.{digest_of(member)}.{base64.urlsafe_b64encode(begin).decode()}"

    async def page(self, cursor: str, count: int) -> tuple[list[Scored], bool]:
        """Return the members that follow a cursor, and whether there are more.

        A member is looked for where the last one was. Whether the place is right is told by what Redis gives for it in one
        answer: the member before has to be at the cursor or before it, and what follows it is complete. Raise ToolError if the
        cursor is not one of a sorted set, or the set changes faster than it can be read.
        """
        last = _parsed(cursor)
        rank = await self._rank(last)
        if last and last.alike:
            # Those that begin alike are passed as far as they were given. If that place has another member now, all are given
            # again: none is missed.
            pairs = await self._range(rank + last.alike - 1, count + 2)
            if pairs and digest_of(pairs[0][0]) == last.digest:
                within = [pair for pair in pairs[1:] if self._is_within(pair)]
                return within[:count], len(within) > count
        for _ in range(ATTEMPTS):
            first = max(rank - 1, 0)
            pairs = await self._range(first, count + 2)
            if rank and (not pairs or self._is_new(pairs[0], last)):
                # Members before the cursor were removed: what follows it has smaller ranks now.
                rank = await self._rank(last, smaller_than=rank)
                continue
            new = [pair for pair in pairs if self._is_new(pair, last)]
            within = [pair for pair in new if self._is_within(pair)]
            if new or len(pairs) < count + 2:
                at_end = len(pairs) < count + 2 or len(within) < len(new)
                return within[:count], len(within) > count or not at_end
            rank = first + len(pairs)
        raise ToolError("the sorted set changes faster than it can be read: read it by score, with start and end")

    async def _range(self, first: int, count: int) -> list[Scored]:
        """Return members from a rank on."""
        command = "ZREVRANGE" if self._reverse else "ZRANGE"
        flat = await self._backend.read(command, self._name, first, first + count - 1, "WITHSCORES")
        return list(zip(flat[::2], flat[1::2], strict=True))

    def _is_within(self, pair: Scored) -> bool:
        return float(pair[1]) >= self._least if self._reverse else float(pair[1]) <= self._greatest

    def _is_new(self, pair: Scored, last: _Place | None) -> bool:
        """Return whether a member comes after the cursor, and within the scores at the beginning. Of a long member, those that
        begin alike come after."""
        member, number = pair[0], float(pair[1])
        if number > self._greatest if self._reverse else number < self._least:
            return False
        if last is None:
            return True
        here, there = (number, member), (last.score, last.member)
        if last.alike and (number, member[:LONGEST_MEMBER]) == there:
            return True
        return here < there if self._reverse else here > there

    async def _rank(self, last: _Place | None, smaller_than: int | None = None) -> int:
        """About the rank of what follows a cursor; of a long member, of the first that begins alike."""
        bound = self._greatest if self._reverse else self._least
        if last is None:
            return 0 if math.isinf(bound) else await self._before(bound)
        number, member = last.score, last.member
        if smaller_than is None and not last.alike:
            (rank, text) = await self._backend.read_many(
                [("ZREVRANK" if self._reverse else "ZRANK", self._name, member), ("ZSCORE", self._name, member)]
            )
            if isinstance(rank, int) and isinstance(text, bytes) and float(text) == number:
                return rank + 1
        low = await self._before(number)
        high = low + int(await self._backend.read("ZCOUNT", self._name, repr(number), repr(number)))
        while low < high:
            middle = (low + high) // 2
            found = await self._range(middle, 1)
            if found and not self._is_new((found[0][0], repr(number).encode()), last):
                low = middle + 1
            else:
                high = middle
        return low if smaller_than is None else min(low, smaller_than - 1)

    async def _before(self, number: float) -> int:
        """Count the members that come before all that have a score."""
        bounds = (f"({number!r}", "+inf") if self._reverse else ("-inf", f"({number!r}")
        return int(await self._backend.read("ZCOUNT", self._name, *bounds))


def _real(argument: str, text: str | None, default: float) -> float:
    if text is None:
        return default
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if math.isnan(number):
        raise ToolError(f"{argument} has to be a score: a number, or inf or -inf")
    return number


def _parsed(cursor: str) -> _Place | None:
    """Return the place that a cursor says; None for the beginning."""
    if cursor == "0":
        return None
    try:
        text, sign, coded = cursor.partition("~" if "~" in cursor else ":")
        alike, digest, coded = coded.split(".") if sign == "~" else ("0", "", coded)
        member = base64.b64decode(coded, altchars=b"-_", validate=True)
        place = _Place(float(text), member, int(alike), digest)
    except (ValueError, binascii.Error):
        sign = ""
    if not sign or math.isnan(place.score) or place.alike < (sign == "~"):
        raise ToolError(f"cursor {cursor[:50]!r} does not belong to this key: start without a cursor")
    return place
