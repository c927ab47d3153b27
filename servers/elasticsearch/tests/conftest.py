"""A real Elasticsearch for the tests of this folder, and sidecars in front of it."""

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import mcp_types
import pytest
from mcp import Client

from tools.backends.elasticsearch import ElasticsearchNode as Node
from tools.backends.sidecar import Sidecar

Start = Callable[..., Sidecar]


LIMIT = 8192
"""Bytes of a result in tests of tools."""

CANARY = "canary-5fd1c0e7"
"""What must not be seen."""

READING = ["es_health", "es_indices", "es_mapping", "es_field", "es_search", "es_get", "es_explain", "es_analyze",
           "es_request"]  # fmt: skip
WRITING = ["es_index", "es_bulk", "es_delete", "es_by_query", "es_define", "es_alias", "es_manage"]
"""Tools, as they are listed."""


@pytest.fixture(scope="session")
def node() -> Iterator[Node]:
    with Node(cluster="tests") as running:
        yield running


@pytest.fixture
def es(node: Node) -> Node:
    """The node without indices."""
    for index in node.request("GET", "/_cat/indices?format=json&expand_wildcards=all"):
        node.request("DELETE", f"/{index['index']}")
    return node


@pytest.fixture
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Start]:
    """Starts sidecars: start(**settings), of the node where these name no other. They are ended with the test."""
    with ExitStack() as stack:

        def start_sidecar(*, ready: bool = True, **env: str) -> Sidecar:
            if env.keys().isdisjoint({"ES_PORT", "ES_HOSTS", "ES_CLOUD_ID"}):
                env["ES_PORT"] = str(request.getfixturevalue("node").port)
            settings = {"ES_HOST": "127.0.0.1"} | env
            return stack.enter_context(Sidecar("servers.elasticsearch", settings, tmp_path, ready=ready))

        yield start_sidecar


@pytest.fixture(scope="module")
def sidecar(request: pytest.FixtureRequest, node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sidecar]:
    """A sidecar for all tests of a module, with the module's SETTINGS."""
    env = {"ES_HOST": "127.0.0.1", "ES_PORT": str(node.port), "MCP_MAX_RESULT_BYTES": str(LIMIT)}
    with Sidecar("servers.elasticsearch", env | request.module.SETTINGS, tmp_path_factory.mktemp("sidecar")) as running:
        yield running


@pytest.fixture
async def client(sidecar: Sidecar, es: Node) -> AsyncIterator[Client]:
    """A client of the module's sidecar, whose node has what the module's fixture `es` puts there."""
    async with Client(sidecar.url + "/mcp") as connected:
        yield connected


def call(sidecar: Sidecar, tool: str, **arguments: Any) -> dict[str, Any]:
    return sidecar.call(tool, **arguments)


def told(sidecar: Sidecar, tool: str, **arguments: Any) -> str:
    answer = call(sidecar, tool, **arguments)
    assert answer["isError"], answer
    return str(answer["content"][0]["text"])


def ready(sidecar: Sidecar) -> str:
    """Return what a server reports about its store."""
    return sidecar.get("/ready")[1]


async def ok(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    answer = await client.call_tool(tool, arguments)
    assert not answer.is_error, answer.content
    assert isinstance(answer.structured_content, dict)
    assert len(json.dumps(answer.structured_content, ensure_ascii=False, separators=(",", ":")).encode()) <= LIMIT
    return answer.structured_content


async def error(client: Client, tool: str, **arguments: Any) -> str:
    answer = await client.call_tool(tool, arguments)
    assert answer.is_error, answer.structured_content
    (content,) = answer.content
    assert isinstance(content, mcp_types.TextContent)
    return content.text


def fill(node: Node, index: str, documents: Mapping[str, Any], mapping: Any = None, shards: int = 1) -> None:
    settings = {"number_of_shards": shards, "number_of_replicas": 0}
    node.request("PUT", f"/{index}", {"settings": settings, "mappings": mapping or {}})
    parts = [part for id, document in documents.items() for part in ({"index": {"_index": index, "_id": id}}, document)]
    if lines := "".join(json.dumps(part) + "\n" for part in parts):
        assert not node.request("POST", "/_bulk?refresh=true", lines)["errors"]


def mapped(**fields: Any) -> dict[str, Any]:
    """Return a mapping of fields: for each its type, or its whole definition."""
    return {"properties": {name: {"type": field} if isinstance(field, str) else field for name, field in fields.items()}}


BOOKS = {
    "1": {"title": "The quick brown fox", "pages": 120, "published": "2001-05-01", "author": {"name": "Ada"}},
    "2": {"title": "A lazy dog", "pages": 80, "published": "2010-01-01", "author": {"name": "Bob"}},
    "3": {"title": "Fox and dog", "pages": 300, "published": "2020-12-31", "author": {"name": "Ada"}},
}
NAMED = {"type": "text", "fields": {"raw": {"type": "keyword"}}}
"""A text with a keyword."""

BOOKS_MAPPING = mapped(
    title=NAMED,
    pages="integer",
    published={"type": "date", "format": "yyyy-MM-dd"},
    author={"properties": {"name": {"type": "keyword"}}},
    blob={"type": "keyword", "index": False, "doc_values": False},
    vector={"type": "dense_vector", "dims": 3, "index": True, "similarity": "cosine"},
)
