"""Give up an answer that turns out much larger than it was weighed, before it takes the process's memory."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from servers.common.backend import BackendError
from servers.common.memory_budget import BUDGET, hold
from servers.common.protocol.tools import ToolError

ALLOWED = 8 * 1024 * 1024
"""Bytes by which the process may grow beside all that calls may hold, while an answer arrives."""

INTERVAL = 0.002
"""Seconds between looks at the process's memory."""


class Oversized(BackendError):
    """The answer to a change was given up."""

    unknown = True


@asynccontextmanager
async def hold_estimated(weight: int, *, changes: bool = False) -> AsyncIterator[None]:
    """Hold the memory budget for an answer whose size is only estimated, and watch how the process grows meanwhile.

    What is asked for inside is cancelled when it grows too much; its connection is closed with that.

    Args:
        weight: bytes of this process that the answer may take
        changes: what is asked for changes data

    Raises:
        Busy, TooLarge: as of `hold`.
        ToolError: the answer was too large; nothing was done.
        Oversized: the answer to a change was too large.
    """
    async with hold(weight):
        budget = BUDGET.get(None)
        most = _resident() + (budget.size if budget else weight) + ALLOWED
        timeout = asyncio.timeout(None)
        try:
            async with timeout:
                task = asyncio.create_task(_watch(most, timeout))
                try:
                    yield
                finally:
                    task.cancel()
        except TimeoutError:
            if not timeout.expired():
                raise
            message = "the answer is much larger than most of the key's elements: ask for another part of the key"
            raise (Oversized(message) if changes else ToolError(message)) from None


async def _watch(most: int, timeout: asyncio.Timeout) -> None:
    while _resident() <= most:  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(INTERVAL)
    timeout.reschedule(asyncio.get_running_loop().time())


def _resident() -> int:
    """Bytes of memory that the process has; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
