"""A real Redis for the tests of this folder, and sidecars in front of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp_types import TextContent
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


@pytest.fixture(scope="module")
def sidecar(
    request: pytest.FixtureRequest, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sidecar]:
    """A sidecar for all tests of a module, with the module's SETTINGS."""
    env = {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(redis_server.port)} | request.module.SETTINGS
    with Sidecar("servers.redis", env, tmp_path_factory.mktemp("sidecar")) as running:
        running.wait_until_ready()
        yield running


@pytest.fixture
async def client(sidecar: Sidecar, redis: Redis) -> AsyncIterator[Client]:
    """A client of the module's sidecar, over an empty Redis."""
    async with Client(sidecar.url + "/mcp") as connected:
        yield connected


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
