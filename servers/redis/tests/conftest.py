"""A real Redis for the tests of this folder, and sidecars in front of it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp_types import TextContent
from redis import Redis

from servers.common.settings import Environment
from servers.redis.client.backend import RedisBackend
from servers.redis.policy.key_scope import ScopedRedis
from servers.redis.settings import RedisSettings
from tools.backends.redis import RedisServer
from tools.backends.sidecar import Sidecar

Start = Callable[..., Sidecar]

READING = ["redis_info", "redis_profile", "redis_scan", "redis_read", "redis_read_many", "redis_tally", "redis_stream",
           "redis_pubsub",
           "redis_diagnose", "redis_command", "redis_command_docs"]  # fmt: skip
WRITING = ["redis_write", "redis_transaction", "redis_publish", "redis_delete", "redis_delete_matching"]
"""Tools, as they are listed."""


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[Redis]:
    """A client of an empty Redis, whose settings and users are as they were again after the test."""
    with Redis("127.0.0.1", redis_server.port) as client:
        client.flushall()
        settings = client.config_get()
        yield client
        for name, value in client.config_get().items():
            if value != settings[name]:
                client.config_set(name, settings[name])
        for user in set(client.acl_users()) - {"default"}:
            client.acl_deluser(user)


@pytest.fixture
def start(redis_server: RedisServer, tmp_path: Path) -> Iterator[Start]:
    """Starts sidecars: start(**settings). They are ended with the test."""
    with ExitStack() as stack:

        def start_sidecar(*, ready: bool = True, **env: str) -> Sidecar:
            return stack.enter_context(Sidecar("servers.redis", redis_server.address | env, tmp_path, ready=ready))

        yield start_sidecar


@pytest.fixture(scope="module")
def sidecar(
    request: pytest.FixtureRequest, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sidecar]:
    """A sidecar for all tests of a module, with the module's SETTINGS."""
    env = redis_server.address | request.module.SETTINGS
    with Sidecar("servers.redis", env, tmp_path_factory.mktemp("sidecar")) as running:
        yield running


@pytest.fixture
async def client(sidecar: Sidecar, redis: Redis) -> AsyncIterator[Client]:
    """A client of the module's sidecar, over an empty Redis."""
    async with Client(sidecar.url + "/mcp") as connected:
        yield connected


@asynccontextmanager
async def connected(port: int, **env: str) -> AsyncIterator[ScopedRedis]:
    """A backend of the Redis at a port."""
    settings = Environment({"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(port)} | env)
    backend = ScopedRedis(RedisSettings.read(settings))
    assert not settings.problems
    yield backend
    await backend.close()


async def until(true: Callable[[], bool]) -> None:
    """Waits until something is true of another process."""
    while not true():  # noqa: ASYNC110 - it sets no event
        await asyncio.sleep(0.01)


async def _increased(backend: RedisBackend, key: bytes) -> None:
    await backend.write("INCR", key)


async def _increased_with_others(backend: RedisBackend, key: bytes) -> None:
    await backend.write_many([("INCR", key), ("GET", key)])


async def _increased_as_one(backend: RedisBackend, key: bytes) -> None:
    await backend.multi([("INCR", key), ("GET", key)], key)


async def _increased_while_watched(backend: RedisBackend, key: bytes) -> None:
    async with backend.transaction(key) as transaction:
        await transaction.read("GET", key)
        await transaction.execute([("INCR", key)])


INCREASES = (_increased, _increased_with_others, _increased_as_one, _increased_while_watched)
"""The ways to change Redis: each adds one to a key."""


async def ok(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    answer = await client.call_tool(tool, arguments)
    assert not answer.is_error, answer.content
    assert isinstance(answer.structured_content, dict)
    return answer.structured_content


async def error(client: Client, tool: str, **arguments: Any) -> str:
    answer = await client.call_tool(tool, arguments)
    assert answer.is_error
    assert isinstance(answer.content[0], TextContent)
    return answer.content[0].text


async def pages(client: Client, tool: str, part: str, **arguments: Any) -> list[Any]:
    """All pages of a result, joined; each has to be within the limit."""
    found: list[Any] = []
    for _ in range(500):
        page = await ok(client, tool, **arguments)
        found += page[part]
        if "cursor" not in page:
            return found
        arguments["cursor"] = page["cursor"]
    raise AssertionError("the pages do not end")
