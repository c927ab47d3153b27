"""The memory budget: calls get their bytes in turn, and an honest answer where there are none."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from servers.common.backend import deadline
from servers.common.memory_budget import BUDGET, LEAST, WITHOUT_LIMIT, Busy, MemoryBudget, TooLarge, default_size, hold

MIB = 1024 * 1024


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
async def test_calls_get_the_budget_in_turn_and_never_more_than_all_of_it() -> None:
    budget = MemoryBudget(10)
    held = 0
    order = []

    async def call(name: int, size: int) -> None:
        nonlocal held
        async with budget.hold(size):
            held += size
            assert held <= 10
            order.append(name)
            await asyncio.sleep(0)
            held -= size

    sizes = [6, 10, 1, 1, 7, 10, 3]
    await asyncio.gather(*(call(name, size) for name, size in enumerate(sizes)))
    assert order == sorted(order)
    async with budget.hold(10):
        pass


@pytest.mark.anyio
async def test_a_call_whose_time_is_over_is_told_that_nothing_was_asked_and_lets_others_in() -> None:
    budget = MemoryBudget(10)

    async def late() -> None:
        deadline.set(asyncio.get_running_loop().time() + 0.05)
        async with budget.hold(10):
            raise AssertionError("there was no room")

    async def small() -> None:
        async with budget.hold(5):
            pass

    async with budget.hold(5):
        waiting = asyncio.create_task(late())
        await asyncio.sleep(0)
        behind = asyncio.create_task(small())
        with pytest.raises(Busy, match="nothing was done"):
            await waiting
        await behind


@pytest.mark.anyio
async def test_a_cancelled_call_leaves_no_bytes_behind() -> None:
    budget = MemoryBudget(10)

    async def call() -> None:
        async with budget.hold(10):
            await asyncio.sleep(3600)

    for turns in range(5):
        tasks = [asyncio.create_task(call()) for _ in range(3)]
        for _ in range(turns):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with budget.hold(10):
            pass


@pytest.mark.anyio
async def test_more_than_all_of_it_is_refused_at_once() -> None:
    BUDGET.set(MemoryBudget(10))
    with pytest.raises(TooLarge, match="11 bytes"):
        async with hold(11):
            raise AssertionError("there was no room")


@pytest.mark.parametrize(
    ("texts", "size"),
    [
        (["134217728\n"], 24 * MIB),
        (["max\n"], WITHOUT_LIMIT),
        ([None, "134217728\n"], 24 * MIB),
        (["9223372036854771712\n"], 4 * WITHOUT_LIMIT),
        (["1048576\n"], LEAST),
        ([None, None], WITHOUT_LIMIT),
    ],
)
def test_the_default_follows_from_the_limit(tmp_path: Path, texts: list[str | None], size: int) -> None:
    files = []
    for number, text in enumerate(texts):
        files.append(tmp_path / str(number))
        if text is not None:
            files[-1].write_text(text)
    assert default_size(tuple(files)) == size
