"""A real Elasticsearch for the tests of this folder, and sidecars in front of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tools.backends.elasticsearch import ElasticsearchNode
from tools.backends.sidecar import Sidecar

Start = Callable[..., Sidecar]


@pytest.fixture(scope="session")
def node() -> Iterator[ElasticsearchNode]:
    with ElasticsearchNode(cluster="tests") as running:
        yield running


@pytest.fixture
def elasticsearch(node: ElasticsearchNode) -> ElasticsearchNode:
    """The node without indices."""
    for index in node.request("GET", "/_cat/indices?format=json&expand_wildcards=all"):
        node.request("DELETE", f"/{index['index']}")
    return node


@pytest.fixture
def start(node: ElasticsearchNode, tmp_path: Path) -> Iterator[Start]:
    """Starts sidecars: start(**settings). They are ended with the test."""
    with ExitStack() as stack:

        def start_sidecar(*, ready: bool = True, **env: str) -> Sidecar:
            settings = {"ES_HOST": "127.0.0.1", "ES_PORT": str(node.port)} | env
            sidecar = stack.enter_context(Sidecar("servers.elasticsearch", settings, tmp_path))
            if ready:
                sidecar.wait_until_ready()
            return sidecar

        yield start_sidecar
