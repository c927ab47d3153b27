"""Clients in the field: each SDK's, in each version of the protocol that it speaks, over HTTP and stdio, to both servers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tools.backends.elasticsearch import ElasticsearchNode
from tools.backends.redis import RedisServer
from tools.backends.runfiles import program
from tools.backends.sidecar import Sidecar

OLD = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]
NEW = "2026-07-28"

CALLS = {"redis": "redis_info", "elasticsearch": "es_health"}
"""A call of each server that answers without any data."""

WRONG = {"redis": "redis_read", "elasticsearch": "es_get"}
"""A call of each server that is refused, because it needs arguments."""

CLIENTS = {"python-1": OLD, "python-2": [*OLD, NEW], "typescript-1": OLD, "typescript-2": [*OLD, NEW]}
"""The clients, and what they speak."""


@pytest.fixture(scope="module")
def settings() -> Iterator[dict[str, dict[str, str]]]:
    with RedisServer() as redis, ElasticsearchNode() as node:
        yield {
            "redis": {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(redis.port)},
            "elasticsearch": {"ES_HOST": "127.0.0.1", "ES_PORT": str(node.port)},
        }


@pytest.fixture(scope="module", params=CALLS)
def sidecar(
    request: pytest.FixtureRequest, settings: dict[str, dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Sidecar]]:
    with Sidecar(f"servers.{request.param}", settings[request.param], tmp_path_factory.mktemp("server")) as running:
        running.wait_until_ready()
        yield request.param, running


def see(client: str, cases: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """Return what a client saw in each case."""
    kind, _, number = client.partition("-")
    if kind == "python":
        command, told = [str(program(f"PYTHON{number}"))], json.dumps(cases)
        # The program brings its own SDK: nothing of this test's is to be found first.
        env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    else:
        command = [str(program("NODE")), str(program("TYPESCRIPT"))]
        told, env = (
            json.dumps({"modules": str(program("NODE_MODULES")), "sdk": int(number), "cases": cases}),
            dict(os.environ),
        )
    done = subprocess.run(
        command, input=told, text=True, capture_output=True, timeout=280, check=False, env=env, cwd=folder
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("transport", ["http", "stdio"])
@pytest.mark.parametrize("client", CLIENTS)
def test_every_version_with_every_client(
    sidecar: tuple[str, Sidecar], settings: dict[str, dict[str, str]], client: str, transport: str, tmp_path: Path
) -> None:
    name, running = sidecar
    python = {key: value for key, value in os.environ.items() if key.startswith("PYTHON")}
    where: dict[str, dict[str, Any]] = {
        "http": {"url": running.url + "/mcp"},
        "stdio": {
            "command": sys.executable,
            "args": ["-m", f"servers.{name}", "--transport", "stdio"],
            "env": python | settings[name],
        },
    }
    cases = [
        {"version": version, "tool": CALLS[name], "wrong": WRONG[name]} | where[transport]
        for version in CLIENTS[client]
    ]
    seen = see(client, cases, tmp_path)
    listed = running.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})[1]["result"]["tools"]
    prompts = running.post({"jsonrpc": "2.0", "id": 1, "method": "prompts/list"})[1]["result"]["prompts"]
    for version, found in zip(CLIENTS[client], seen, strict=True):
        assert found == {
            "version": version,
            "server": f"mcp-{name}",
            "tools": [tool["name"] for tool in listed],
            "prompts": [prompt["name"] for prompt in prompts],
            "failed": False,
            "same": True,
            "refused": True,
        }, version
