"""Some hundred commands of the fuzzer with fixed seeds, on three stores, and that it finds what it looks for."""

from collections.abc import Iterator

import pytest
from redis import Redis

from tests.fuzz.redis_commands import CLUSTER, INSIDE, OUTSIDE, STORES, check, fill, fuzz, made, outside, running
from tests.fuzz.target import Broken

pytestmark = pytest.mark.anyio

COMMANDS = 300


@pytest.fixture(scope="module", params=[store for store in STORES if store != CLUSTER])
def store(request: pytest.FixtureRequest) -> Iterator[tuple[Redis, int]]:
    with running(request.param) as started:
        yield started


async def test_no_command_that_passes_touches_what_is_outside(store: tuple[Redis, int]) -> None:
    tried = await fuzz(*store, seed=1, count=COMMANDS)
    assert tried["made"] == COMMANDS and tried["done"] > COMMANDS // 20


@pytest.mark.parametrize(
    "words",
    [
        ["GEORADIUS", f"{INSIDE}geo", "0", "0", "1", "m", "STORE", f"{INSIDE}new", "STORE", f"{OUTSIDE}string"],
        ["COPY", f"{INSIDE}string", f"{INSIDE}string", "DB", "3"],
        ["GET", f"{OUTSIDE}string"],
    ],
    ids=lambda words: words[0],
)
async def test_it_sees_what_must_not_be(store: tuple[Redis, int], words: list[str]) -> None:
    redis, _ = store
    fill(redis)
    before = outside(redis)
    check(redis, words, [], before)
    answer = redis.execute_command(*words)
    with pytest.raises(Broken):
        check(redis, words, [answer], before)


def test_the_store_is_not_trusted_alone(store: tuple[Redis, int]) -> None:
    """Redis names the first STORE, and executes the last."""
    redis, _ = store
    words = ["GEORADIUS", f"{INSIDE}geo", "0", "0", "1", "m", "STORE", f"{INSIDE}new", "STORE", f"{OUTSIDE}string"]
    assert f"{OUTSIDE}string".encode() not in list(redis.command_getkeys(*words))


def test_the_same_seed_makes_the_same() -> None:
    assert list(made(7, 50)) == list(made(7, 50)) != list(made(8, 50))
