"""Real clients, each a program with its own SDK, do all that a client does, with both servers, over HTTP and stdio.

What each sees is compared with what the server answers to a bare request. The table of docs/clients.md says the same: `bazel run`
of this test, in place of `bazel test`, writes its rows. Where it can't run tests, a row that is missing is told by the failure.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from tests.clients.table import CLIENTS, PAGE, Client, write
from tools.backends.elasticsearch import ElasticsearchNode
from tools.backends.redis import RedisServer
from tools.backends.sidecar import Sidecar, message

TOKEN = "t0ken-of-the-clients-test"

Steps = dict[str, dict[str, Any]]

COMMON: Steps = {
    step: {} for step in ("connect", "tools", "nested", "error", "large", "resources", "templates", "resource", "prompts")
}
STEPS: dict[str, Steps] = {
    "redis": COMMON | {
        "nested": {"tool": "redis_transaction", "arguments": {"commands": [["SET", "n", "1"], ["INCRBY", "n", "2"]]}},
        "error": {"tool": "redis_transaction", "arguments": {"commands": [["NOSUCH"]]}},
        "large": {"tool": "redis_read", "arguments": {"key": "large"}},
        "resource": {"uri": "redis://key/n"},
        "prompt": {"name": "diagnose_memory", "arguments": {}},
        "completion": {"uri": "redis://key/{name}", "argument": "name", "value": "l"},
        # The first report comes well before the result: a client that reads both together shows no report.
        "progress": {"tool": "redis_pubsub", "arguments": {"listen": ["c"], "seconds": 4}},
        "cancel": {"tool": "redis_pubsub", "arguments": {"listen": ["c"], "seconds": 25}},
    },
    "elasticsearch": COMMON | {
        "nested": {"tool": "es_search", "arguments": {
            "index": "orders", "query": {"bool": {"filter": [{"range": {"n": {"gte": 2}}}]}}, "sort": [{"n": "desc"}]}},
        "error": {"tool": "es_get", "arguments": {"index": "none", "id": "1"}},
        "large": {"tool": "es_get", "arguments": {"index": "large", "id": "1"}},
        "resource": {"uri": "es://index/orders/mapping"},
        "prompt": {"name": "why_yellow", "arguments": {}},
        "completion": {"uri": "es://index/{name}/mapping", "argument": "name", "value": "l"},
        # Many requests, for the same reason.
        "progress": {"tool": "es_bulk", "arguments": {
            "index": "bulk", "operations": [{"op": "index", "id": "1", "document": {"a": 1}}] * 5000, "create_index": True}},
    },
}  # fmt: skip
"""What is asked of each server. Elasticsearch's has no tool that lasts, which could be cancelled.

The error is one that only the server can find: some clients check arguments themselves.
"""

CALLS = ("nested", "error", "large")
"""Steps that are a call, and no more."""


class Stores:
    """Both stores with their data, and for each a server for all and one that requires a token."""

    def __init__(self, redis: RedisServer, node: ElasticsearchNode, folder: Path) -> None:
        token = folder / "token"
        token.write_text(TOKEN)
        writes = {"MCP_ALLOW_WRITES": "true"}
        self.settings = {"redis": writes | redis.address, "elasticsearch": writes | node.address}
        self.open = {name: Sidecar(f"servers.{name}", env, folder) for name, env in self.settings.items()}
        self.closed = {
            name: Sidecar(f"servers.{name}", env | {"MCP_AUTH_TOKEN_FILE": str(token)}, folder)
            for name, env in self.settings.items()
        }
        for number in range(3):
            node.request("PUT", f"/orders/_doc/{number}?refresh=true", {"n": number, "state": "shipped"})
        node.request("PUT", "/large/_doc/1?refresh=true", {f"field{n}": "0123456789" * 300 for n in range(20)})


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    with RedisServer() as redis, ElasticsearchNode() as node:
        made = Stores(redis, node, tmp_path_factory.mktemp("servers"))
        servers = [*made.open.values(), *made.closed.values()]
        try:
            for server in servers:
                server.start()
            made.open["redis"].call("redis_write", key="large", type="string", value="0123456789" * 10_000)
            yield made
        finally:
            for server in servers:
                server.stop()


def answer(server: Sidecar, method: str, **params: Any) -> Any:
    status, body = server.post(message(method, **params))
    assert status == 200, body
    return body["result"]


LISTS = {
    "tools": ("tools", "name"), "resources": ("resources", "uri"), "templates": ("resourceTemplates", "uriTemplate"),
    "prompts": ("prompts", "name"),
}  # fmt: skip
"""Steps that list something: the part of the result, and what of each counts."""


def shown(step: str, saw: Any) -> Any:
    """Return what counts of a result as the protocol has it. What an agent shows is that already."""
    if step in LISTS:
        part, name = LISTS[step]
        listed = saw[part] if isinstance(saw, dict) else saw
        return [str(one[name]) if isinstance(one, dict) else one for one in listed]
    if step in CALLS and "content" in saw:
        text = saw["content"][0]["text"]
        return {"error": saw.get("isError") or False, "text": text, "structured": saw.get("structuredContent")}
    if step == "resource" and not isinstance(saw, str):
        return (saw["contents"] if isinstance(saw, dict) else saw)[0]["text"]
    if step == "prompt" and isinstance(saw, dict):
        return saw["messages"][0]["content"]["text"]
    if step == "completion" and isinstance(saw, dict):
        return saw["completion"]["values"]
    return saw


@pytest.fixture(scope="module")
def expected(stores: Stores) -> dict[str, dict[str, Any]]:
    """Return what each server answers to each step."""
    found = {}
    for name, server in stores.open.items():
        steps = STEPS[name]
        asked = steps["completion"]
        typed = {"name": asked["argument"], "value": asked["value"]}
        which = {"type": "ref/resource", "uri": asked["uri"]}
        results = {
            "tools": answer(server, "tools/list"),
            **{step: server.call(steps[step]["tool"], **steps[step]["arguments"]) for step in CALLS},
            "resources": answer(server, "resources/list"),
            "templates": answer(server, "resources/templates/list"),
            "resource": answer(server, "resources/read", **steps["resource"]),
            "prompts": answer(server, "prompts/list"),
            "prompt": answer(server, "prompts/get", **steps["prompt"]),
            "completion": answer(server, "completion/complete", ref=which, argument=typed),
        }
        seen = found[name] = {step: shown(step, result) for step, result in results.items()}
        assert [seen[step]["error"] for step in CALLS] == [False, True, False], seen
        assert len(seen["large"]["text"]) > 20_000 and seen["completion"] == ["large"]
    assert found["redis"]["nested"]["structured"] == {"replies": ["OK", 3]}
    assert [hit["id"] for hit in found["elasticsearch"]["nested"]["structured"]["hits"]] == ["2"]
    return found


def told(steps: Steps) -> list[dict[str, Any]]:
    """Steps as a driver takes them."""
    return [{"step": step, "do": "call" if step in CALLS else step} | given for step, given in steps.items()]


class Driver:
    """A client's program: it is told its cases, and tells what it sees."""

    def __init__(self, client: Client, cases: list[dict[str, Any]], folder: Path) -> None:
        # The program brings its own libraries: none of this test's are to be found first.
        env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        env["MCP_USE_ANONYMIZED_TELEMETRY"] = "false"
        self.log = folder / "driver.log"
        with self.log.open("w") as log:
            pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": log, "text": True}
            self._child = subprocess.Popen(client.command(), env=env, cwd=folder, **pipes)
        self.go_on(json.dumps(cases))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self._child.kill()
        self._child.communicate()

    def go_on(self, line: str = "") -> None:
        assert self._child.stdin
        self._child.stdin.write(line + "\n")
        self._child.stdin.flush()

    def read(self) -> dict[str, Any]:
        assert self._child.stdout
        line = self._child.stdout.readline()
        assert line, self.log.read_text()[-3000:]
        found: dict[str, Any] = json.loads(line)
        return found


def same(step: str, saw: Any, wanted: Any) -> bool:
    """Return whether a client saw what the server sent. Some show a model the text alone, some the structured content as text."""
    if step in ("nested", "large"):
        structured = saw["structured"] or wanted["structured"]
        return not saw["error"] and json.loads(saw["text"]) == structured == wanted["structured"]
    if step == "error":
        return bool(saw["error"]) and wanted["text"] in saw["text"]
    if step == "prompt":
        return wanted in saw
    return sorted(saw) == sorted(wanted)  # some show names in an order of their own


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize(
    ("client", "transport"),
    [pytest.param(client, over, id=f"{client.id}-{over}") for client in CLIENTS for over in client.over],
)
def test_a_client_does_all(
    stores: Stores, expected: dict[str, dict[str, Any]], client: Client, transport: str, name: str, tmp_path: Path
) -> None:
    server = stores.open[name]
    steps = {step: given for step, given in STEPS[name].items() if step not in client.lacks}
    short: Steps = {step: steps[step] for step in ("connect", "tools", "nested", "error") if step in steps}
    hello: Steps = {step: steps[step] for step in ("connect", "tools")}
    python = {key: value for key, value in os.environ.items() if key.startswith("PYTHON")}
    stdio = {"command": sys.executable, "args": ["-m", f"servers.{name}", "--transport", "stdio"]}
    where: dict[str, Any] = stdio | {"env": python | stores.settings[name]}
    if transport == "http":
        where = client.place(server.url + "/mcp", {}, tmp_path)
    # Over stdio the oldest and the newest: what a version means does not depend on the transport.
    old = client.versions[:-1] if transport == "http" else client.versions[:-1][:1]
    cases = [where | {"version": version, "steps": told(short)} for version in old]
    full = told(steps) + [{"step": "cancelled", "do": "wait"}] * ("cancel" in steps and "cancelled" not in client.lacks)
    cases.append(where | {"version": client.versions[-1], "steps": full})
    if transport == "http":
        token = {"Authorization": f"Bearer {TOKEN}"}
        cases.append(client.place(stores.closed[name].url + "/mcp", token, tmp_path) | {"steps": told(hello)})
        if "restart" not in client.lacks and name == "redis":
            again = [*told(hello), {"step": "restart", "do": "wait"}, *told({"nested": steps["nested"]})]
            cases.append(where | {"steps": again})
    before = cancelled(server.log) if transport == "http" else 0
    with Driver(client, cases, tmp_path) as driver:
        for case in cases:
            for told_step in case["steps"]:
                step = told_step["step"]
                if step == "restart":
                    server.stop()
                    server.start()
                    driver.go_on()
                elif step == "cancelled":
                    # The server has ended the call, and not only the client its waiting.
                    log = server.log if transport == "http" else driver.log
                    server.wait_until(lambda log=log: cancelled(log) > before)  # type: ignore[misc]
                    driver.go_on()
                seen = driver.read()
                assert "saw" in seen, (case.get("version"), step, seen)
                saw = seen["saw"]
                if step == "connect":
                    assert saw["protocol"] == (case.get("version") or client.versions[-1])
                    assert saw["server"] in (f"mcp-{name}", None)
                elif step == "progress":
                    assert saw > 0
                elif step == "cancel":
                    assert saw == "cancelled"
                elif step not in ("cancelled", "restart"):
                    assert same(step, shown(step, saw), expected[name][step]), (case.get("version"), step, saw)


def cancelled(log: Path) -> int:
    """Return how many calls a server's log tells of that were cancelled."""
    return log.read_text().count('"outcome": "cancelled"')


@pytest.mark.parametrize("client", [pytest.param(client, id=client.id) for client in CLIENTS])
def test_the_page_tells_it(stores: Stores, client: Client, tmp_path: Path) -> None:
    urls = [stores.open["redis"].url, stores.closed["redis"].url]
    steps = {"steps": told({"connect": {}, "tools": {}})}
    cases = [client.place(url + "/mcp", {}, tmp_path) | steps for url in urls]
    with Driver(client, cases, tmp_path) as driver:
        release = driver.read()["saw"]["client"]
        driver.read()
        refusal = driver.read()["error"]
    # What a program logs is read too, where the error itself says less.
    logged = (line.partition("] ")[2] for line in driver.log.read_text().splitlines() if "bearer token" in line)
    refusal = refusal if "bearer token" in refusal else next(logged, refusal)
    refusal = " ".join(refusal.replace(urls[1], "http://localhost:9000").split())
    assert "bearer token" in refusal or client.hides_why
    row = client.row(release, refusal)
    if root := os.environ.get("BUILD_WORKSPACE_DIRECTORY"):
        write(Path(root, PAGE), client, row)
    assert row in PAGE.read_text().splitlines(), f"bazel run this test to write this row into {PAGE}:\n{row}"
