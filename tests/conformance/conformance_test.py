"""What the official conformance suite finds, held exactly: a failure that is new, and one that is gone, break the test."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.suite import REVISIONS, run
from tools.backends.elasticsearch import ElasticsearchNode
from tools.backends.redis import RedisServer
from tools.backends.sidecar import Sidecar

EXCEPTIONS: dict[str, Any] = tomllib.loads((Path(__file__).parent / "exceptions.toml").read_text())

SERVERS = ("redis", "elasticsearch")


def expected(server: str, revision: str) -> dict[str, list[str]]:
    """The scenarios that fail, and for each the checks that do, by exceptions.toml."""
    found = {}
    for entry in EXCEPTIONS["exception"]:
        if server in entry["servers"] and revision in entry["revisions"]:
            for scenario, checks in entry["scenarios"].items():
                assert scenario not in found, f"{scenario} is named twice"
                found[scenario] = sorted(checks)
    return found


def failed(url: str, revision: str, folder: Path) -> dict[str, list[str]]:
    outcome = run(url, revision, folder)
    assert len(outcome) > 30, "scenarios that ran"
    assert "SUCCESS" in outcome["tools-list"]
    return {name: sorted(found["FAILURE"]) for name, found in outcome.items() if "FAILURE" in found}


@pytest.mark.parametrize("revision", REVISIONS)
def test_what_every_sidecar_is_made_of(revision: str, tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    with Sidecar("tests.conformance.fixture", {}, tmp_path) as server:
        assert failed(server.url + "/mcp", revision, results) == expected("fixture", revision)


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Both real servers, with a store that is there."""
    with RedisServer() as redis, ElasticsearchNode() as node:
        settings = {
            "redis": {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(redis.port)},
            "elasticsearch": {"ES_HOST": "127.0.0.1", "ES_PORT": str(node.port)},
        }
        folder = tmp_path_factory.mktemp("servers")
        with (
            Sidecar("servers.redis", settings["redis"], folder) as one,
            Sidecar("servers.elasticsearch", settings["elasticsearch"], folder) as other,
        ):
            for sidecar in (one, other):
                sidecar.wait_until_ready()
            yield {"redis": one.url, "elasticsearch": other.url}


@pytest.mark.parametrize("revision", REVISIONS)
@pytest.mark.parametrize("server", SERVERS)
def test_the_servers(urls: dict[str, str], server: str, revision: str, tmp_path: Path) -> None:
    assert failed(urls[server] + "/mcp", revision, tmp_path) == expected(server, revision)


def test_every_exception_has_a_reason() -> None:
    for entry in EXCEPTIONS["exception"]:
        assert len(entry["because"]) > 40
        assert set(entry["servers"]) <= {"fixture", *SERVERS} and set(entry["revisions"]) <= set(REVISIONS)
