"""The servers stay within tests/benchmark/budget.py."""

import importlib
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from servers.common.protocol.tools import size
from tests.benchmark import budget
from tests.benchmark.load import HttpConnection, http_request
from tests.benchmark.subjects import OLD, Running, image
from tools.backends.process import free_port
from tools.backends.runfiles import program
from tools.backends.sidecar import message
from tools.images.layout import Image

STORES = ("redis", "elasticsearch")


@pytest.mark.parametrize("store", STORES)
def test_bytes_of_tools_list(store: str) -> None:
    sidecar = importlib.import_module(f"servers.{store}.server").SIDECAR
    tools = [t.definition.model_dump(by_alias=True, exclude_none=True, mode="json") for t in sidecar.tools]
    assert size({"tools": tools}) <= budget.LISTING[store]


def layers(store: str) -> dict[str, Any]:
    """Return the layers of an image for amd64 by their names."""
    named = {}
    for layer in Image(program(f"{store.upper()}_IMAGE_AMD64")).layers:
        match = re.search(r":(?:image_)?(\w+?)(?:_amd64)?$", layer.created_by)
        assert match, layer.created_by
        named[match[1]] = layer
    return named


@pytest.mark.parametrize("store", STORES)
def test_bytes_of_layers(store: str) -> None:
    found = layers(store)
    assert {"base", "python", "wheels", "code"} <= found.keys() <= budget.LAYERS.keys()
    over = {name: layer.packed_bytes for name, layer in found.items() if layer.packed_bytes > budget.LAYERS[name]}
    assert not over
    assert sum(layer.packed_bytes for layer in found.values()) <= budget.PACKED


def test_images_share_all_layers_but_the_client_and_the_code() -> None:
    redis, elasticsearch = (layers(store) for store in STORES)
    shared = [name for name in redis if name in elasticsearch and redis[name].digest == elasticsearch[name].digest]
    assert shared == ["base", "python", "wheels"]


@contextmanager
def idle(store: str, folder: Path) -> Iterator[Running]:
    """Run an image's server, without its store, until it answers for its health."""
    with Running(replace(image(store, folder), ready="/health"), free_port(), folder) as server:
        server.until_ready()
        yield server


@pytest.mark.parametrize("store", STORES)
def test_memory_of_an_idle_server(store: str, tmp_path: Path) -> None:
    with idle(store, tmp_path) as server:
        assert 10 < server.status("RssAnon") <= budget.IDLE_MIB[store]


@pytest.mark.parametrize("store", STORES)
def test_memory_after_requests(store: str, tmp_path: Path) -> None:
    request = http_request("/mcp", message("tools/list"), {"MCP-Protocol-Version": OLD})
    with idle(store, tmp_path) as server, closing(HttpConnection(server.port)) as connection:
        seen = []
        for _ in range(2):
            for _ in range(1000):
                assert b'"tools":[' in connection.ask(request)
            seen.append(server.status("RssAnon"))
        assert seen[1] - seen[0] <= budget.GROWTH_MIB
