"""How much one client may ask for: a token bucket each, in bounded memory."""

from __future__ import annotations

import functools
import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.types import Message, Receive

MOST_CLIENTS = 4096
"""Clients that are remembered; those seen longest ago are forgotten first, and have a full bucket when they come again."""


class RateLimit:
    """A token bucket for each client: a minute's worth at once, refilled evenly.

    Args:
        per_minute: requests of a client; 0 for any number
        clock: seconds that only go forward
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = float(per_minute)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # what was left, and when

    def wait(self, client: str) -> int:
        """Takes one from the client's bucket.

        Returns:
            0, or the seconds after which there is one again.
        """
        if not self._most:
            return 0
        now = self._clock()
        left, then = self._buckets.pop(client, (self._most, now))
        left = min(self._most, left + (now - then) * self._most / 60)
        taken = left >= 1
        self._buckets[client] = (left - 1 if taken else left, now)
        if len(self._buckets) > MOST_CLIENTS:
            self._buckets.popitem(last=False)
        return 0 if taken else max(1, math.ceil((1 - left) * 60 / self._most))

    def __len__(self) -> int:
        return len(self._buckets)


@functools.lru_cache(1024)
def network(address: str) -> str:
    """What counts as one client of those that have no name: an IPv4 address, or an IPv6 network of 64 bits."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4:
        return str(found)
    if found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, 64), strict=False))


class Budget:
    """How many bytes of requests may be held at once, those of all clients together.

    Each request is bounded, and so are connections; without this their product would still be more than a small container's
    memory.
    """

    class Spent(Exception):
        """There is no room for more now."""

    def __init__(self, most: int) -> None:
        self._left = most

    def hold(self, receive: Receive) -> _Held:
        """What one request receives, counted."""
        return _Held(self, receive)

    def take(self, count: int) -> None:
        """Takes bytes, or gives them back where the count is negative.

        Raises:
            Spent: there are not so many left.
        """
        if count > self._left:
            raise Budget.Spent
        self._left -= count


class _Held:
    def __init__(self, budget: Budget, receive: Receive) -> None:
        self._budget, self._receive, self._count = budget, receive, 0

    async def receive(self) -> Message:
        message = await self._receive()
        count = len(message.get("body", b""))
        self._budget.take(count)
        self._count += count
        return message

    def release(self) -> None:
        self._budget.take(-self._count)
