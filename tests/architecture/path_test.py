"""docs/architecture.md lists the modules that a tool call passes: the list is true, and short."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from tools.backends.elasticsearch import ElasticsearchNode
from tools.backends.redis import RedisServer
from tools.backends.sidecar import Sidecar

LONGEST_PATH = 12
"""Modules that a newcomer has to read, at most, to follow a call."""


@pytest.fixture(scope="module")
def redis() -> Iterator[dict[str, str]]:
    with RedisServer() as server:
        yield server.address


@pytest.fixture(scope="module")
def elasticsearch() -> Iterator[dict[str, str]]:
    with ElasticsearchNode() as node:
        yield node.address


def documented(server: str, title: str) -> list[str]:
    """Return the modules of a call to a server, by a table of docs/architecture.md."""
    section = Path("docs/architecture.md").read_text().partition(f"\n### {title}\n")[2].partition("\n#")[0]
    rows = re.findall(r"^\| `(servers/[\w/]+\.py)` \| ([\w ]+) \|", section, re.MULTILINE)
    return [module for module, servers in rows if servers in (server, "both")]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("server", "tool", "arguments"),
    [
        ("redis", "redis_read", {"key": "nothing"}),
        ("elasticsearch", "es_search", {"index": "*", "query": {"match_all": {}}}),
    ],
)
async def test_the_modules_of_a_call_are_those_of_the_document(
    server: str, tool: str, arguments: dict[str, Any], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    record = tmp_path / "record"
    env = {"TRACED": f"servers.{server}", "RECORD": str(record), "MCP_WATCHDOG_SECONDS": "0"}
    with Sidecar("tests.architecture.traced", env | request.getfixturevalue(server), tmp_path) as sidecar:
        async with Client(sidecar.url + "/mcp") as client:
            await client.call_tool(tool, arguments)  # the first call also imports and builds
            sidecar.signal(signal.SIGUSR1)
            answer = await client.call_tool(tool, arguments)
            sidecar.signal(signal.SIGUSR2)
            sidecar.wait_until(record.exists)
    assert answer.content
    path, leaves = documented(server, "The path of a call"), documented(server, "Leaves")
    assert sorted(record.read_text().split()) == sorted(path + leaves)
    assert len(path) <= LONGEST_PATH
