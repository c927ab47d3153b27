"""The memory budget: calls get their bytes in turn, and an honest answer where there are none."""

import asyncio
from pathlib import Path

import pytest

from servers.common import memory_budget as memory
from servers.common.backend import deadline

MIB = 1024 * 1024


async def test_calls_get_the_budget_in_turn_and_never_more_than_all_of_it() -> None:
    budget = memory.MemoryBudget(10)
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


async def test_a_call_whose_time_is_over_is_told_that_nothing_was_asked_and_lets_others_in() -> None:
    budget = memory.MemoryBudget(10)

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
        with pytest.raises(memory.Busy, match="nothing was done"):
            await waiting
        await behind


async def test_a_cancelled_call_leaves_no_bytes_behind() -> None:
    budget = memory.MemoryBudget(10)

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


async def test_more_than_all_of_it_is_refused_at_once() -> None:
    memory.BUDGET.set(memory.MemoryBudget(10))
    with pytest.raises(memory.TooLarge, match="11 bytes"):
        async with memory.hold(11):
            raise AssertionError("there was no room")


async def test_without_room_one_call_gets_its_bytes_and_the_others_wait() -> None:
    room = memory.Room(0)
    budget, other = memory.MemoryBudget(10, room=room), memory.MemoryBudget(10, room=room)
    order = []

    async def call(size: int) -> None:
        async with budget.hold(size):
            order.append(size)

    async with budget.hold(3):
        waiting = [asyncio.create_task(call(size)) for size in (4, 1, 2)]
        await asyncio.sleep(0)
        assert order == [] and not budget.take_now(1)
        assert other.take_now(10), "of each budget"
    await asyncio.gather(*waiting)
    assert order == [4, 1, 2] and room.held == 10
    other.give(10)
    assert room.held == 0


async def test_one_call_gets_much_only_below_seven_eighths_of_the_limit() -> None:
    budget = memory.MemoryBudget(100 * MIB, room=memory.Room(0), anyway=MIB)
    assert budget.take_now(MIB), "a little anyway"
    budget.give(MIB)
    assert not budget.take_now(MIB + 1)
    # Between three quarters and seven eighths there is room for one.
    budget = memory.MemoryBudget(200 * MIB, room=memory.Room((memory.own_memory() + 200 * MIB) * 8 // 7), anyway=MIB)
    assert budget.take_now(190 * MIB)
    assert not budget.take_now(MIB)


async def test_who_waits_for_room_gets_it_from_any_budget() -> None:
    taken = memory.own_memory()
    room = memory.Room((taken + 100 * MIB) * 8 // 7)
    answers, bodies = memory.MemoryBudget(1000 * MIB, room=room), memory.MemoryBudget(1000 * MIB, room=room)
    assert bodies.take_now(80 * MIB)
    async with answers.hold(1):
        waiting = asyncio.create_task(answers._take(50 * MIB))
        await asyncio.sleep(0)
        bodies.give(80 * MIB)
        async with asyncio.timeout(10):
            await waiting


def test_room_is_what_a_process_has_left_of_its_limit_without_what_is_held() -> None:
    room = memory.Room(2 * memory.own_memory())
    assert room.fits(MIB)
    room.held = memory.own_memory()
    assert not room.fits(MIB)
    assert memory.Room(None).fits(10**12)


def test_what_a_process_takes_for_itself_is_seen() -> None:
    before = memory.own_memory()
    taken = b"x" * (32 * MIB)
    assert memory.own_memory() >= before + len(taken) - MIB


@pytest.mark.parametrize(
    ("own", "files", "size"),
    [
        (None, {}, memory.WITHOUT_LIMIT),
        ("0::/\n", {"memory.max": "134217728\n"}, 24 * MIB),  # a container with a namespace of groups
        ("0::/\n", {"memory.max": "max\n"}, memory.WITHOUT_LIMIT),
        ("0::/\n", {"memory.max": "9223372036854771712\n"}, 4 * memory.WITHOUT_LIMIT),
        ("0::/\n", {"memory.max": "1048576\n"}, memory.LEAST),
        # As systemd limits a service, or the group around it.
        ("0::/a.slice/b.service\n", {"a.slice/b.service/memory.max": "134217728\n"}, 24 * MIB),
        (
            "0::/a.slice/b.service\n",
            {"a.slice/memory.max": "134217728", "a.slice/b.service/memory.max": "max", "memory.max": "max"},
            24 * MIB,
        ),
        # Version 1: what is outside of a container names a group that is the root inside.
        ("4:cpu:/\n3:memory:/docker/1\n0::/\n", {"memory/memory.limit_in_bytes": "134217728\n"}, 24 * MIB),
        ("3:hugetlb,memory:/a/b\n", {"memory/a/memory.limit_in_bytes": "134217728\n"}, 24 * MIB),
        ("3:cpu:/a\n", {"memory/a/memory.limit_in_bytes": "134217728\n"}, memory.WITHOUT_LIMIT),
    ],
)
def test_the_default_follows_from_the_limit(tmp_path: Path, own: str | None, files: dict[str, str], size: int) -> None:
    if own is not None:
        (tmp_path / "own").write_text(own)
    for name, text in files.items():
        file = tmp_path / "root" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert memory.default_size(memory.memory_limit(tmp_path / "root", tmp_path / "own")) == size


@pytest.mark.parametrize(
    ("content", "size"),
    [
        (b"", 0), (b"12", 2), ('"ü"'.encode(), 2 * 4), ('"\U0001f600"'.encode(), 4 * 6), ('"\U0010ffff"'.encode(), 4 * 6),
        (b'"\\u00fc"', 4 * 8), (b"[1,2]", 5 + 88 + 80), (b'[{"a":1}]', 9 + 88 + 200 + 96),
    ],
)  # fmt: skip
def test_what_json_takes(content: bytes, size: int) -> None:
    assert memory.parsed_size(content) == size


async def test_a_result_is_held_until_it_was_sent() -> None:
    budget = memory.MemoryBudget(4 * memory.SMALL_RESULT)
    memory.BUDGET.set(budget)
    small, big = b"x" * (memory.SMALL_RESULT // 2), b"x" * (memory.SMALL_RESULT // 2 + 1)
    await memory.hold_result(big)
    async with memory.UntilSent() as stack:
        memory.UNTIL_SENT.set(stack)
        await memory.hold_result(small)
        async with budget.hold(budget.size):
            pass
        await memory.hold_result(big)
        deadline.set(asyncio.get_running_loop().time() + 0.05)
        with pytest.raises(memory.Busy):
            async with budget.hold(budget.size - 2 * len(big) + 1):
                pass
        async with budget.hold(budget.size - 2 * len(big)):
            pass
    async with budget.hold(budget.size):
        pass
    deadline.set(float("inf"))
    async with memory.UntilSent() as stack:
        memory.UNTIL_SENT.set(stack)
        await memory.hold_result(b"x" * 10 * budget.size)
    memory.UNTIL_SENT.set(None)


async def test_nothing_is_held_for_a_client_that_is_gone() -> None:
    budget = memory.MemoryBudget(4 * memory.SMALL_RESULT)
    memory.BUDGET.set(budget)
    big = b"x" * memory.SMALL_RESULT
    async with memory.UntilSent() as stack, budget.hold(budget.size):
        memory.UNTIL_SENT.set(stack)
        waiting = asyncio.create_task(memory.hold_result(big))
        await asyncio.sleep(0)
        await stack.aclose()
    await waiting
    await memory.hold_result(big)
    assert budget.take_now(budget.size)


async def test_what_grows_is_held_as_far_as_the_budget_goes() -> None:
    async with memory.growing(10) as grow:
        assert grow(10**12), "outside of calls there is no bound"
    budget = memory.MemoryBudget(100)
    token = memory.BUDGET.set(budget)
    try:
        async with budget.hold(30):
            async with memory.growing(10) as grow:
                assert [grow(size) for size in (5, 10, 40, 20, 70, 71, 60)] == [True] * 5 + [False, True]
                assert not budget.take_now(1), "what was held is not given back when it is no more needed"
            assert budget.take_now(70)
            budget.give(70)
        async with budget.hold(100):
            pass
    finally:
        memory.BUDGET.reset(token)
