"""The servers stay within tests/benchmark/budget.py."""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import re
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import mcp_types
import pytest
from mcp.server.lowlevel import Server

from servers.common.endpoint import Endpoint
from servers.common.tools import size
from tests.benchmark import budget
from tools.backends.process import free_port
from tools.backends.runfiles import program
from tools.backends.sidecar import Sidecar
from tools.images.container import python
from tools.images.layout import Image

STORES = ("redis", "elasticsearch")


@pytest.mark.parametrize("store", STORES)
def test_bytes_of_tools_list(store: str) -> None:
    sidecar = importlib.import_module(f"servers.{store}.server").SIDECAR
    tools = [t.definition.model_dump(by_alias=True, exclude_none=True, mode="json") for t in sidecar.tools]
    assert size({"tools": tools}) <= budget.LISTING[store]


@pytest.mark.parametrize("store", STORES)
def test_modules_imported_at_start(store: str, tmp_path: Path) -> None:
    with Sidecar(f"servers.{store}", {"PYTHONPROFILEIMPORTTIME": "1"}, tmp_path) as sidecar:
        lines = [line for line in sidecar.log.read_text().splitlines() if line.startswith("import time:")]
    modules = {line.rpartition("|")[2].strip() for line in lines}
    assert 300 < len(modules) <= budget.MODULES[store]
    assert not modules & budget.NEVER_IMPORTED


COMPILING = """
import os, runpy, sys
from servers.common import starting

compiled, imported = [], starting.imported

def count():
    imported()
    print(len(compiled), flush=True)
    os._exit(0)

starting.imported = count
sys.addaudithook(lambda event, arguments: compiled.append(arguments[0]) if event == "compile" else None)
runpy.run_module("servers.{store}", run_name="__main__")
"""


@pytest.mark.parametrize("store", STORES)
def test_texts_compiled_at_start(store: str, tmp_path: Path) -> None:
    image = Image(program(f"{store.upper()}_IMAGE"))
    image.unpack(tmp_path)
    env = {"MCP_HOST": "127.0.0.1", "MCP_PORT": str(free_port())}
    done = python(image, tmp_path, COMPILING.replace("{store}", store), env=env)
    assert done.returncode == 0, done.stderr
    assert 0 < int(done.stdout) <= budget.COMPILED[store]


def layers(store: str) -> dict[str, Any]:
    image = Image(program(f"{store.upper()}_IMAGE_AMD64"))
    named = {}
    for layer in image.layers:
        match = re.search(r":(?:image_)?(\w+?)(?:_amd64)?$", layer.created_by)
        assert match, layer.created_by
        named[match[1]] = layer
    return named


@pytest.mark.parametrize("store", STORES)
def test_bytes_of_layers(store: str) -> None:
    found = layers(store)
    assert found.keys() == budget.LAYERS.keys()
    over = {name: layer.packed_bytes for name, layer in found.items() if layer.packed_bytes > budget.LAYERS[name]}
    assert not over
    assert sum(layer.unpacked_bytes for layer in found.values()) <= budget.UNPACKED


def test_images_differ_in_the_last_layer_only() -> None:
    redis, elasticsearch = (list(layers(store).values()) for store in STORES)
    assert [a.digest == b.digest for a, b in zip(redis, elasticsearch, strict=True)] == [True, True, True, False]


Ask = Callable[[], Awaitable[None]]


async def with_a_call(version: str, use: Callable[[Ask], Awaitable[None]]) -> None:
    """Hands over a function that calls a tool that does nothing through the endpoint."""

    async def nothing(ctx: Any, params: Any) -> mcp_types.CallToolResult:
        return mcp_types.CallToolResult(content=[mcp_types.TextContent(type="text", text="{}")], structured_content={})

    params: dict[str, Any] = {"name": "nothing", "arguments": {}}
    if version > "2026":
        prefix = "io.modelcontextprotocol/"
        params["_meta"] = {f"{prefix}protocolVersion": version, f"{prefix}clientCapabilities": {}}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
    headers = {
        "content-type": "application/json",
        "accept": "application/json",
        "mcp-protocol-version": version,
        "mcp-method": "tools/call",
        "mcp-name": "nothing",
    }
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": "/mcp", "query_string": b"", "headers": pairs}
    endpoint = Endpoint(Server("budget", version="1", on_call_tool=nothing), 1 << 20)

    async def ask() -> None:
        messages = [{"type": "http.request", "body": body, "more_body": False}]
        sent: list[Any] = []

        async def receive() -> Any:
            if messages:
                return messages.pop()
            await asyncio.Event().wait()

        async def send(message: Any) -> None:
            sent.append(message)

        await endpoint(scope, receive, send)
        assert b'"result"' in sent[1]["body"], sent

    async with endpoint.run():
        await use(ask)


@pytest.mark.parametrize("version", budget.PYTHON_CALLS)
def test_work_a_call(version: str) -> None:
    """Python functions entered: what a call costs, in a number that is the same on every machine."""

    async def use(ask: Ask) -> None:
        for _ in range(20):
            await ask()
        entered: Counter[str] = Counter()

        def count(frame: Any, event: str, argument: Any) -> None:
            if event == "call":
                entered[frame.f_code.co_qualname] += 1

        sys.setprofile(count)
        try:
            await ask()
        finally:
            sys.setprofile(None)
        assert sum(entered.values()) <= budget.PYTHON_CALLS[version], entered.most_common(15)

    asyncio.run(with_a_call(version, use))


@pytest.mark.parametrize("version", budget.PYTHON_CALLS)
def test_nothing_is_kept_of_a_call(version: str) -> None:
    async def use(ask: Ask) -> None:
        for _ in range(200):
            await ask()
        await asyncio.sleep(0)  # the loop lets go of timers that were called off
        gc.collect()
        before = sys.getallocatedblocks()
        for _ in range(1000):
            await ask()
        await asyncio.sleep(0)
        gc.collect()
        assert sys.getallocatedblocks() - before <= budget.KEPT_BLOCKS

    asyncio.run(with_a_call(version, use))
