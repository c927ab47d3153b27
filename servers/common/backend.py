"""The store behind a sidecar, and the watch that is kept on it."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from contextvars import ContextVar
from typing import Protocol

from servers.common.settings import hide
from servers.common.text_escape import plain

logger = logging.getLogger(__name__)

INTERVAL = 5.0
"""Seconds between checks of a backend that is up."""

FIRST_CHECK = 2.0
"""Seconds that a list waits for the first check of the store."""

BACKOFF = (0.25, 0.5, 1.0, 2.0, 5.0)
"""Seconds between checks of a backend that is away; the last one repeats."""

LATE = 1.0
"""Seconds of lateness of the event loop from which a failed check may be due to a lack of CPU time here."""

MOST_DOUBTFUL = 6
"""Such checks in a row that must fail before a store that was up counts as away."""

deadline: ContextVar[float] = ContextVar("deadline")
"""The current call's deadline, in the event loop's time."""


def time_left() -> float:
    """Return the seconds until the current call's deadline; infinity without a deadline."""
    end = deadline.get(None)
    return float("inf") if end is None else end - asyncio.get_running_loop().time()


warnings: ContextVar[list[str]] = ContextVar("warnings")
"""Warnings of the store during the current call."""

MOST_WARNINGS = 8
"""Most warnings in a result."""


def warn(text: str) -> None:
    """Add a warning of the store to the current call's result, once."""
    found = warnings.get(None)
    if found is not None and len(found) < MOST_WARNINGS and (line := plain(text, 400)) not in found:
        found.append(line)


class BackendError(Exception):
    """The store can't be used. The message names its address, the reason and what to do; it holds no secret."""

    unknown = False
    """What was asked for may have been done: it was sent, and its answer was lost."""


class Backend(Protocol):
    """A store. Creating it does not connect, so that a sidecar starts without its store."""

    @property
    def address(self) -> str:
        """Return where the store is, such as redis.example:6379. No credentials."""
        ...

    async def check(self) -> str:
        """Return the store's name and version, such as "Redis 7.2.4", or raise BackendError if it does not serve."""
        ...

    async def close(self) -> None:
        """Close connections; the backend is not used afterwards."""
        ...


class Lateness:
    """The most seconds by which the event loop was late, inside this context."""

    async def __aenter__(self) -> Lateness:
        self._loop = asyncio.get_running_loop()
        self._most = 0.0
        self._due = self._loop.time()
        self._watch = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *details: object) -> None:
        self._watch.cancel()

    @property
    def seconds(self) -> float:
        """Return this lateness in seconds."""
        return max(self._most, self._loop.time() - self._due)

    async def _run(self) -> None:
        while True:
            self._due = self._loop.time() + LATE / 4
            await asyncio.sleep(LATE / 4)
            self._most = self.seconds


class Monitor:
    """Keep asking a backend whether it serves, and log each change."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._wake = asyncio.Event()
        self._checked = asyncio.Event()
        self.reached = False
        """Whether the store has ever served; since then its features are known."""
        self.up = False
        self.detail = "not asked yet"

    async def run(self) -> None:
        """Check until cancelled."""
        failures = 0
        while True:
            async with Lateness() as lateness:
                detail, up = await self._asked()
            failures = 0 if up else failures + 1
            if up or not self.up or lateness.seconds < LATE or failures >= MOST_DOUBTFUL:
                self._tell(detail, up)
            self._checked.set()
            pause = INTERVAL if up else BACKOFF[min(failures, len(BACKOFF)) - 1]
            self._wake.clear()
            # Not wait_for: in Python 3.11 it loses a cancellation that comes when what it waits for is done.
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()

    async def _asked(self) -> tuple[str, bool]:
        """Return what one check found, and whether the store is up."""
        deadline.set(asyncio.get_running_loop().time() + INTERVAL)
        try:
            async with asyncio.timeout(INTERVAL):
                return await self._backend.check(), True
        except BackendError as error:
            return str(error), False
        except TimeoutError:
            return f"{self._backend.address} did not answer within {INTERVAL:g} s", False
        except Exception as error:
            # The watch goes on whatever a client library raises.
            logger.exception("checking the backend failed", extra={"backend": self._backend.address})
            return f"{self._backend.address}: {type(error).__name__}", False

    def _tell(self, detail: str, up: bool) -> None:
        """Note the store's state, and log a change."""
        self.reached = self.reached or up
        detail = plain(hide(detail), 1000)
        if (up, detail) == (self.up, self.detail):
            return
        self.up, self.detail = up, detail
        logger.log(
            logging.INFO if up else logging.WARNING,
            "backend is up" if up else "backend is away",
            extra={"backend": self._backend.address, "detail": detail},
        )

    async def first_check(self) -> None:
        """Wait for the end of the first check, FIRST_CHECK seconds at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_CHECK):
                await self._checked.wait()

    def doubt(self) -> None:
        """Check again at once, because a call has just failed."""
        self._wake.set()
