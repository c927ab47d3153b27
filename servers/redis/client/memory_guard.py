"""Limit the memory of Redis' answers while they arrive, whatever their estimated size."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar
from typing import Any

from redis.asyncio.connection import DefaultParser
from redis.exceptions import RedisError

from servers.common.memory_budget import BUDGET, HELD, Busy, MemoryBudget, own_memory

CHUNK = 64 * 1024
"""Bytes that a connection reads at once at the most, as redis-py has it by default."""

SHORT_ANSWER = 8
"""Chunks that every answer may have. All but one are taken from the memory budget; further ones pass one answer at a time."""

COPIES = 3
"""Bytes of this process that a byte of an answer takes while it is received and parsed."""

GROWTH = 8 * 1024 * 1024
"""Bytes by which one answer may make the process grow where there is no budget, as for what a channel brings."""

TOO_LONG = "the answer is much longer than expected, so it was not read: ask for less, or for another part of it"

LATE = "other long answers took all of this call's time: try again in a few seconds"


class AnswerTooLong(RedisError):
    """The rest of an answer is not read, and its connection is closed. The message is for the client."""


class Arrival:
    """The answers to one request, while they arrive.

    An answer that is longer than the call's part of the memory budget arrives alone: it waits in the lane, of size 1, for other
    such answers, if there is a lane. It is abandoned if the process meanwhile grows by more than half of the budget, or by the
    call's part.
    """

    def __init__(self, lane: MemoryBudget | None = None) -> None:
        self._lane = lane
        self._chunks = 0
        self._taken = 0
        self._most = 0
        self._over = False
        self._entering = asyncio.Lock()
        self._entered: AbstractAsyncContextManager[None] | None = None

    async def chunk(self) -> None:
        """Count a chunk that is about to be read. Raise AnswerTooLong if it must not be read."""
        self._chunks += 1
        more = self._chunks - HELD.get() // (COPIES * CHUNK)
        if more <= 1 or (more <= SHORT_ANSWER and self._take()):
            return
        if self._most and own_memory() > self._most:
            raise AnswerTooLong(TOO_LONG)
        if not self._most:
            async with self._entering:
                await self._enter()

    def _take(self) -> bool:
        """Take what one chunk needs of the budget. What comes without a request, as of a channel, is not counted."""
        budget = BUDGET.get(None)
        if budget is None or self._lane is None:
            return True
        taken = budget.take_now(self._taken + COPIES * CHUNK, self._taken)
        self._taken += COPIES * CHUNK * taken
        return taken

    async def _enter(self) -> None:
        if self._over:
            raise AnswerTooLong(LATE)  # nobody waits for it, and nobody would let the next one pass
        if self._lane and not self._entered:
            entered = self._lane.hold(1)
            try:
                await entered.__aenter__()
            except Busy:
                raise AnswerTooLong(LATE) from None
            self._entered = entered
        budget = BUDGET.get(None)
        share = 2 if self._lane else 4  # a message of a channel comes to all who listen, at once
        self._most = own_memory() + (max(budget.size // share, HELD.get()) if budget else GROWTH)

    async def end(self) -> None:
        """Give back what was taken, and let the next one pass."""
        self._over = True
        if self._taken:
            BUDGET.get().give(self._taken)
            self._taken = 0
        if self._entered:
            entered, self._entered = self._entered, None
            await entered.__aexit__(None, None, None)


ARRIVAL: ContextVar[Arrival | None] = ContextVar("ARRIVAL", default=None)
"""The answers to the request under way."""


@asynccontextmanager
async def arriving(lane: MemoryBudget) -> AsyncIterator[None]:
    """Bound the answers to what is sent inside this context, together."""
    if ARRIVAL.get():
        yield
        return
    arrival = Arrival(lane)
    token = ARRIVAL.set(arrival)
    try:
        yield
    finally:
        ARRIVAL.reset(token)
        await arrival.end()


class BoundedParser(DefaultParser):  # type: ignore[misc, valid-type]  # which class it is depends on what is installed
    """redis-py's parser, which asks before it reads more of an answer, and keeps nothing of one that was given up."""

    connection: Any = None

    def on_connect(self, connection: Any) -> None:
        """Begin to read from a connection."""
        self.connection, self.alone = connection, Arrival()
        super().on_connect(connection)

    def on_disconnect(self) -> None:
        """Drop what was received of an answer: redis-py keeps it until the connection is made again."""
        if self.connection is not None:
            super().on_connect(self.connection)
        super().on_disconnect()

    async def read_response(self, *args: Any, **options: Any) -> Any:
        """Read one answer; without a request under way, as of a channel, it is bounded by itself."""
        if ARRIVAL.get() is None:
            self.alone = Arrival()
        return await super().read_response(*args, **options)

    async def read_from_socket(self) -> Any:
        """Read more of the answer, or raise AnswerTooLong."""
        await (ARRIVAL.get() or self.alone).chunk()
        return await super().read_from_socket()
