"""A memory budget: the bytes that the store's answers may take in this process at once, over all calls.

A call holds a part of the budget while it asks the store, parses the answer and cuts it. Calls that wait get their parts in
the order in which they asked, so that a large one is not overtaken for ever. Only callers that do not wait (`take_now`) may
overtake them.
"""

import asyncio
import os
import re
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from servers.common.backend import time_left
from servers.common.protocol.tools import ToolError

WITHOUT_LIMIT = 64 * 1024 * 1024
"""Bytes of the budget where the process has no memory limit."""

LEAST = 4 * 1024 * 1024
"""Bytes of the smallest budget."""


class Busy(ToolError):
    """The budget stayed used up until the call's deadline. Nothing was asked."""


class TooLarge(ToolError):
    """An answer takes more than the whole budget. Nothing was asked."""


def memory_limit(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> int | None:
    """Return the bytes of memory that the control group may take; None where it has no limit. It is the lowest limit of the
    process's group and of those around it. A container may show its own group as the root."""
    # Each line has a number, controllers and a path (cgroups(7)). Memory is limited by the only group of version 2, or by that of
    # version 1 for it, which is in the folder `memory`.
    lines = own.read_text().splitlines() if own.exists() else []
    groups = {Path(line.split(":", 2)[2].strip("/")) for line in lines if re.match(r"0::|\d+:([^:]*,)?memory[,:]", line)}
    found = []
    for group in {Path()}.union(groups, *(group.parents for group in groups)):
        for file in (root / group / "memory.max", root / "memory" / group / "memory.limit_in_bytes"):
            with suppress(OSError, ValueError):  # there is no such file, or it says "max"
                found.append(int(file.read_text("ascii")))
    return min(found, default=None)


def default_size(limit: int | None) -> int:
    """Return the bytes of the budget that fit a memory limit: 24 MiB of 128 MiB."""
    return WITHOUT_LIMIT if limit is None else min(max(limit * 3 // 16, LEAST), 4 * WITHOUT_LIMIT)


def own_memory() -> int:
    """Return the bytes of memory that this process has for itself (proc_pid_statm(5)); 0 where the system does not tell."""
    try:
        resident, shared = Path("/proc/self/statm").read_bytes().split()[1:3]
    except OSError:
        return 0
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")


class Room:
    """The memory that a process may take: three quarters of its limit in bytes, shared by budgets. With None, there is no limit.

    Freed memory does not leave a process at once, so budgets alone do not keep it below its limit. Held bytes count in full,
    because they may not be allocated yet.
    """

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self.held = 0
        """Bytes that the budgets have given out."""
        self.budgets: list[MemoryBudget] = []

    def fits(self, size: int, eighths: int = 6) -> bool:
        """Return whether `size` more bytes stay below `eighths` of the limit."""
        return self._limit is None or own_memory() + self.held + size <= self._limit * eighths // 8


BUSY = "other calls use all of this server's memory for answers, so nothing was done: try again in a few seconds, or ask for less"


class MemoryBudget:
    """A budget of bytes, or of other units, that calls share."""

    def __init__(self, size: int, busy: str = BUSY, room: Room | None = None, anyway: int | None = None) -> None:
        """Make a budget of `size` bytes; `busy` is the error of a call that waited in vain. `room` limits all budgets of the
        process together. One call gets up to `anyway` bytes without room (None: any number); for more, seven eighths of the limit
        must suffice."""
        self.size = size
        self._anyway = size if anyway is None else anyway
        self._busy = busy
        self._room = room or Room(None)
        self._room.budgets.append(self)
        self._free = size
        self._lasting = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def hold(self, size: int) -> AsyncIterator[None]:
        """Hold bytes of the budget inside this context. Raise TooLarge if it has fewer, Busy if others hold it until the
        deadline.

        Do not nest: two calls could wait for each other.
        """
        if size > self.size:
            raise TooLarge(
                f"the answer may need {size} bytes of memory, and this server has {self.size} for answers: ask for a part of it, "
                "or ask the operator to raise MCP_MEMORY_BUDGET_BYTES"
            )
        await self._take(size)
        try:
            yield
        finally:
            self.give(size)

    def take_now(self, size: int, held: int = 0) -> bool:
        """Replace the bytes that the caller holds by `size` bytes, if free, even if others wait. Return whether they were."""
        self._take_out(-held)
        taken = self._fits(size)
        self._take_out(size if taken else held)
        return taken

    async def _take(self, size: int) -> None:
        if not self._waiting and self.take_now(size):
            return
        place = asyncio.get_running_loop().create_future()
        self._waiting.append((size, place))
        try:
            left = time_left()
            async with asyncio.timeout(None if left == float("inf") else left * 0.9):
                await place
        except (TimeoutError, asyncio.CancelledError) as error:
            if place.done() and not place.cancelled():
                self.give(size)  # it came at the last moment
            else:
                self._waiting = deque(entry for entry in self._waiting if entry[1] is not place)
                self.admit()
            if isinstance(error, TimeoutError):
                raise Busy(self._busy) from None
            raise

    def _fits(self, size: int) -> bool:
        alone = self._free + self._lasting == self.size
        return size <= self._free and ((alone and size <= self._anyway) or self._room.fits(size, 7 if alone else 6))

    def last(self, size: int) -> bool:
        """Count bytes that a caller holds as held for long, so that one other call gets its bytes without room. Return whether
        they count: without room, only those of one caller do."""
        if self._lasting and not self._room.fits(0):
            return False
        self._lasting += size
        return True

    def _take_out(self, size: int) -> None:
        self._free -= size
        self._room.held += size

    def give(self, size: int, lasting: int = 0) -> None:
        """Give bytes back, of which `lasting` counted as held for long, and admit calls that wait for them, or for room, at any
        budget."""
        self._lasting -= lasting
        self._take_out(-size)
        for budget in self._room.budgets:
            budget.admit()

    def admit(self) -> None:
        """Admit waiting calls in turn, as far as the budget allows."""
        while self._waiting and (self._waiting[0][1].done() or self._fits(self._waiting[0][0])):
            size, place = self._waiting.popleft()
            if not place.done():
                self._take_out(size)
                place.set_result(None)


def parsed_size(content: bytes) -> int:
    """Estimate the bytes of memory that JSON takes in Python, from its length and from characters that begin values, in strings,
    too."""
    # One character of these makes all of a string wider (PEP 393).
    wide = 1
    if not content.isascii():
        wide = 4 if any(bytes([lead]) in content for lead in range(0xF0, 0xF5)) else 2
    if b"\\u" in content:
        wide = 4
    count = content.count
    return len(content) * wide + 200 * count(b"{") + 88 * count(b"[") + 80 * count(b",") + 96 * count(b":")


BUDGET: ContextVar[MemoryBudget] = ContextVar("BUDGET")
"""The budget of the process, for the call under way. It is not set outside of calls."""


class UntilSent(AsyncExitStack):
    """Memory held until an answer is sent, or its client is gone. The SDK may still work on the request then."""

    over = False

    async def __aexit__(self, *details: Any) -> bool | None:
        self.over = True
        return await super().__aexit__(*details)


UNTIL_SENT: ContextVar[UntilSent | None] = ContextVar("UNTIL_SENT", default=None)
"""The `UntilSent` of the current request."""

LASTS: ContextVar[Callable[[], bool]] = ContextVar("LASTS", default=lambda: True)
"""Declares that the current request will last long. It returns whether there is memory for that."""

SMALL_RESULT = 128 * 1024
"""Bytes of this process that a result may take without a part of the budget."""

HELD: ContextVar[int] = ContextVar("HELD", default=0)
"""Bytes of the budget that the current call holds."""


@asynccontextmanager
async def hold(size: int, *, estimated: bool = False) -> AsyncIterator[None]:
    """Hold bytes of the budget of the call under way; without bound outside of calls, such as in health checks.

    If the size is only estimated, half of the budget is held at the least, so that few ask for such at once. Raise TooLarge if it
    is more than the whole budget, and Busy if other calls hold the budget until the deadline of this one.
    """
    budget = BUDGET.get(None)
    if budget is None:
        yield
        return
    async with budget.hold(max(size, budget.size // 2) if estimated else size):
        token = HELD.set(size)
        try:
            yield
        finally:
            HELD.reset(token)


@asynccontextmanager
async def growing(size: int) -> AsyncIterator[Callable[[int], bool]]:
    """Hold bytes of the budget for a collection of unknown size that grows inside this context, as `hold` does.

    It yields a function that sets the bytes held, and returns whether they were free: if not, end.
    """
    budget, more = BUDGET.get(None), 0

    def grow(whole: int) -> bool:
        nonlocal more
        if budget is None or whole <= size + more:
            return True
        taken = budget.take_now(whole - size, more)
        more = whole - size if taken else more
        return taken

    async with hold(size):
        try:
            yield grow
        finally:
            if budget is not None:
                budget.give(more)


async def hold_result(content: bytes) -> None:
    """Hold what a result takes, as JSON and as the values in it, until it was sent. Errors are those of `hold`."""
    budget, stack = BUDGET.get(None), UNTIL_SENT.get()
    weight = 2 * parsed_size(content)  # the values, and the SDK's copy of them
    if budget and stack and not stack.over and weight > SMALL_RESULT:
        await stack.enter_async_context(budget.hold(min(weight, budget.size)))
        if stack.over:
            await stack.aclose()
