"""A real Redis for the tests of this folder, and sidecars in front of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from redis import Redis

from tools.backends.redis import RedisServer
from tools.backends.sidecar import Sidecar

Start = Callable[..., Sidecar]


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[Redis]:
    """A client of an empty Redis."""
    with Redis("127.0.0.1", redis_server.port) as client:
        client.flushall()
        yield client


@pytest.fixture
def start(redis_server: RedisServer, tmp_path: Path) -> Iterator[Start]:
    """Starts sidecars: start(**settings). They are ended with the test."""
    with ExitStack() as stack:

        def start_sidecar(*, ready: bool = True, **env: str) -> Sidecar:
            settings = {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(redis_server.port)} | env
            sidecar = stack.enter_context(Sidecar("servers.redis", settings, tmp_path))
            if ready:
                sidecar.wait_until_ready()
            return sidecar

        yield start_sidecar
