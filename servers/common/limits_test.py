"""Token buckets, and the bytes that are held at once."""

from __future__ import annotations

import asyncio

import pytest
from starlette.types import Message

from servers.common.limits import MOST_CLIENTS, Budget, RateLimit, network


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_minutes_worth_then_one_at_a_time() -> None:
    clock = Clock()
    limit = RateLimit(60, clock)
    assert [limit.wait("a") for _ in range(61)] == [0] * 60 + [1]
    assert limit.wait("b") == 0, "another client has a bucket of its own"
    clock.now += 1
    assert [limit.wait("a"), limit.wait("a")] == [0, 1]
    clock.now += 3600
    assert [limit.wait("a") for _ in range(61)].count(0) == 60, "a bucket never holds more than a minute's worth"


def test_it_says_how_long_to_wait() -> None:
    clock = Clock()
    limit = RateLimit(2, clock)
    assert [limit.wait("a") for _ in range(3)] == [0, 0, 30]
    clock.now += 29
    assert limit.wait("a") == 1
    clock.now += 1
    assert limit.wait("a") == 0


def test_none() -> None:
    limit = RateLimit(0)
    assert {limit.wait("a") for _ in range(1000)} == {0}
    assert len(limit) == 0


def test_the_memory_is_bounded() -> None:
    limit = RateLimit(1, Clock())
    for number in range(3 * MOST_CLIENTS):
        limit.wait(str(number))
    assert len(limit) == MOST_CLIENTS
    assert limit.wait(str(3 * MOST_CLIENTS - 1)) > 0, "who came last is remembered"


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("10.1.2.3", "10.1.2.3"),
        ("::ffff:10.1.2.3", "10.1.2.3"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
    ],
)
def test_what_counts_as_one_client(address: str, client: str) -> None:
    assert network(address) == client


def test_a_budget_is_shared_and_given_back() -> None:
    async def receive() -> Message:
        return {"type": "http.request", "body": b"x" * 40}

    async def main() -> None:
        budget = Budget(100)
        one, other = budget.hold(receive), budget.hold(receive)
        await one.receive()
        await other.receive()
        with pytest.raises(Budget.Spent):
            await other.receive()
        other.release()
        await one.receive()
        one.release()
        budget.take(100)

    asyncio.run(main())
