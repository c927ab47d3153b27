"""The watch on the store: it is away when it fails, and not when this process was too late to see its answer."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from servers.common.backend import LATE, MOST_DOUBTFUL, BackendError, Monitor


class Store:
    """A store that fails, as if its answer was late, where this process is kept from its work for so many seconds."""

    address = "store:1"

    def __init__(self) -> None:
        self.failed = 0
        self.fails = False
        self.kept = 0.0

    async def check(self) -> str:
        if not self.fails:
            return "Store 1"
        self.failed += 1
        await asyncio.sleep(0.01)
        self.keep()
        raise BackendError("store:1 did not answer in time")

    def keep(self) -> None:
        """Keep the event loop from its work."""
        time.sleep(self.kept)

    async def close(self) -> None:
        """Do nothing."""


async def test_the_watch_ends_when_it_is_cancelled_whatever_it_does() -> None:
    class Quick(Store):
        async def check(self) -> str:
            for _ in range(3):
                await asyncio.sleep(0)
            return "Store 1"

    for turns in range(12):
        task = asyncio.create_task(Monitor(Quick()).run())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        assert (await asyncio.wait([task], timeout=10))[0], turns


@asynccontextmanager
async def watched(store: Store) -> AsyncIterator[Monitor]:
    """A store that was seen to be up, and fails since."""
    monitor = Monitor(store)
    task = asyncio.create_task(monitor.run())
    await monitor.first_check()
    assert monitor.up and monitor.reached
    store.fails = True
    monitor.doubt()
    yield monitor
    task.cancel()


async def turned(monitor: Monitor, up: bool) -> None:
    """Wait until the store's state is this one."""
    while monitor.up != up:  # noqa: ASYNC110  # it has no event for that
        await asyncio.sleep(0.01)


async def test_a_store_that_fails_is_away_until_it_answers() -> None:
    store = Store()
    async with watched(store) as monitor:
        await turned(monitor, up=False)
        # One check is enough, but a busy machine can make this process late as well.
        assert 1 <= store.failed <= MOST_DOUBTFUL and monitor.detail == "store:1 did not answer in time"
        store.fails = False
        await turned(monitor, up=True)
        assert monitor.detail == "Store 1"


async def test_a_check_that_failed_while_this_process_was_late_tells_nothing_for_some_times() -> None:
    store = Store()
    store.kept = 1.5 * LATE
    async with watched(store) as monitor:
        await turned(monitor, up=False)
        assert store.failed == MOST_DOUBTFUL
