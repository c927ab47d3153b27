"""What the official conformance suite finds, held exactly: a failure that is new, and one that is gone, break the test."""

import json
import os
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

UNDECLARED = "tasks-"
"""Begins scenarios of an extension that is not declared (io.modelcontextprotocol/tasks). The suite itself does not count them."""


def expected(server: str, revision: str) -> dict[str, list[str]]:
    """The scenarios that fail, and for each the checks that do, by exceptions.toml."""
    found = {}
    for entry in EXCEPTIONS["exception"]:
        if server in entry["servers"] and revision in entry["revisions"]:
            for scenario, checks in entry["scenarios"].items():
                assert scenario not in found, f"{scenario} is named twice"
                found[scenario] = sorted(checks)
    return found


def check(server: str, url: str, revision: str, folder: Path) -> None:
    """Compares what fails with what is expected to.

    The suite waits fractions of a second for some answers, too short for a busy machine, so it may be right only at a second
    or third time.
    """
    wanted = expected(server, revision)
    found: dict[str, list[str]] = {}
    for attempt in range(3):
        results = folder / f"results-{attempt}"
        results.mkdir()
        found = failed(server, url, revision, results)
        if found == wanted:
            break
    assert found == wanted


def failed(server: str, url: str, revision: str, folder: Path) -> dict[str, list[str]]:
    """The scenarios that failed, and for each the checks that did; kept as JSON among the test's outputs."""
    outcome = run(url + "/mcp", revision, folder)
    assert len(outcome) > 30, "scenarios that ran"
    assert "SUCCESS" in outcome["tools-list"]
    counted = {name: checks for name, checks in outcome.items() if not name.startswith(UNDECLARED)}
    found = {name: sorted(checks["FAILURE"]) for name, checks in counted.items() if "FAILURE" in checks}
    if outputs := os.environ.get("TEST_UNDECLARED_OUTPUTS_DIR"):
        Path(outputs, f"{server}-{revision}.json").write_text(json.dumps(found, indent=2))
    return found


@pytest.mark.parametrize("revision", REVISIONS)
def test_what_every_sidecar_is_made_of(revision: str, tmp_path: Path) -> None:
    with Sidecar("tests.conformance.fixture", {}, tmp_path) as server:
        check("fixture", server.url, revision, tmp_path)


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Both real servers, with a store that is there."""
    with RedisServer() as redis, ElasticsearchNode() as node:
        folder = tmp_path_factory.mktemp("servers")
        with (
            Sidecar("servers.redis", redis.address, folder) as one,
            Sidecar("servers.elasticsearch", node.address, folder) as other,
        ):
            yield {"redis": one.url, "elasticsearch": other.url}


@pytest.mark.parametrize("revision", REVISIONS)
@pytest.mark.parametrize("server", SERVERS)
def test_the_servers(urls: dict[str, str], server: str, revision: str, tmp_path: Path) -> None:
    check(server, urls[server], revision, tmp_path)


def test_every_exception_has_a_reason() -> None:
    for entry in EXCEPTIONS["exception"]:
        assert len(entry["because"]) > 40
        assert set(entry["servers"]) <= {"fixture", *SERVERS} and set(entry["revisions"]) <= set(REVISIONS)
