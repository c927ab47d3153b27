"""Read sorted sets in pages, in order, while others change them: no member that stays is missed."""

from __future__ import annotations

import base64
import binascii
import math

from servers.common.protocol.tools import ToolError
from servers.redis.client.backend import RedisBackend

Scored = tuple[bytes, bytes]
"""A member and its score, as Redis writes it."""

LONGEST_MEMBER = 4096
"""Bytes of a member that a cursor holds. Longer members that begin alike and have the same score count as one."""

ATTEMPTS = 50
"""Reads until a place is found in a set that is changed all the time."""


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
        """
        Args:
            reverse: from the greatest to the least
            least: only members with this score or a greater one
            greatest: only members with this score or a smaller one

        Raises:
            ToolError: a score is not a number.
        """
        self._backend = backend
        self._name = name
        self._reverse = reverse
        self._least = _real("start", least, -math.inf)
        self._greatest = _real("end", greatest, math.inf)

    @staticmethod
    def cursor(last: Scored) -> str:
        """Return the cursor behind a member."""
        member, text = last
        cut, sign = member[:LONGEST_MEMBER], "~" if len(member) > LONGEST_MEMBER else ":"
        return text.decode() + sign + base64.urlsafe_b64encode(cut).decode()

    async def page(self, cursor: str, count: int) -> tuple[list[Scored], bool]:
        """Return the members that follow a cursor, and whether there are more.

        A member is looked for where the last one was. Whether the place is right is told by what Redis gives for it in one
        answer: the member before has to be at the cursor or before it, and what follows it is complete.

        Raises:
            ToolError: the cursor is not one of a sorted set, or the set changes faster than it can be read.
        """
        last = _parsed(cursor)
        rank = await self._rank(last)
        for _ in range(ATTEMPTS):
            first = max(rank - 1, 0)
            flat = await self._backend.read(
                "ZREVRANGE" if self._reverse else "ZRANGE", self._name, first, first + count + 1, "WITHSCORES"
            )
            pairs = list(zip(flat[::2], flat[1::2], strict=True))
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

    def _is_within(self, pair: Scored) -> bool:
        return float(pair[1]) >= self._least if self._reverse else float(pair[1]) <= self._greatest

    def _is_new(self, pair: Scored, last: tuple[float, bytes, bool] | None) -> bool:
        """Return whether a member comes after the cursor, and within the scores at the beginning."""
        member, number = pair[0], float(pair[1])
        if number > self._greatest if self._reverse else number < self._least:
            return False
        if last is None:
            return True
        if last[2]:
            member = member[:LONGEST_MEMBER]
        return (number, member) < last[:2] if self._reverse else (number, member) > last[:2]

    async def _rank(self, last: tuple[float, bytes, bool] | None, smaller_than: int | None = None) -> int:
        """About the rank of what follows a cursor."""
        bound = self._greatest if self._reverse else self._least
        if last is None:
            return 0 if math.isinf(bound) else await self._before(bound)
        number, member, _ = last
        if smaller_than is None:
            (rank, text) = await self._backend.read_many(
                [("ZREVRANK" if self._reverse else "ZRANK", self._name, member), ("ZSCORE", self._name, member)]
            )
            if isinstance(rank, int) and isinstance(text, bytes) and float(text) == number:
                return rank + 1
        low = await self._before(number)
        high = low + int(await self._backend.read("ZCOUNT", self._name, _text(number), _text(number)))
        while low < high:
            middle = (low + high) // 2
            found = await self._backend.read("ZREVRANGE" if self._reverse else "ZRANGE", self._name, middle, middle)
            if found and ((found[0] >= member) if self._reverse else (found[0] <= member)):
                low = middle + 1
            else:
                high = middle
        return low if smaller_than is None else min(low, smaller_than - 1)

    async def _before(self, number: float) -> int:
        """Count the members that come before all that have a score."""
        bounds = (f"({_text(number)}", "+inf") if self._reverse else ("-inf", f"({_text(number)}")
        return int(await self._backend.read("ZCOUNT", self._name, *bounds))


def _text(number: float) -> str:
    return repr(number)


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


def _parsed(cursor: str) -> tuple[float, bytes, bool] | None:
    """Return a cursor's score and member, and whether the member is cut; None for the beginning."""
    if cursor == "0":
        return None
    text, sign, coded = cursor.partition(":") if ":" in cursor else cursor.partition("~")
    try:
        number = float(text)
        member = base64.b64decode(coded, altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        sign = ""
    if not sign or math.isnan(number):
        raise ToolError(f"cursor {cursor[:50]!r} does not belong to this key: start without a cursor")
    return number, member, sign == "~"
