"""The feature's verification, step by step: install, look at the pods, forward, ask, call tools, look at the metrics."""

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from mcp import Client as McpClient

from tests.cluster.helpers import Client
from tests.cluster.kube import PATIENCE, Kube, wait_until
from tests.cluster.release import Release, Store
from tools.backends.sidecar import message

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module", autouse=True)
def installed(release: Release) -> None:
    release.upgrade({"metrics": {"vmagent": {"scrapeInterval": "2s"}}})
    release.wait_for_all()


@pytest.fixture
def forwarded(kube: Kube, store: Store) -> Iterator[int]:
    """The sidecar's port on this machine."""
    with kube.forward(f"service/{store.sidecar_service}", 9000) as port:
        yield port


def test_the_pod_shows_two_of_two(kube: Kube, store: Store) -> None:
    words = kube.run("get", "pod", store.pod, "--no-headers").split()
    assert words[1:4] == ["2/2", "Running", "0"]


def test_health_through_a_forward(forwarded: int) -> None:
    with urllib.request.urlopen(f"http://localhost:{forwarded}/health", timeout=PATIENCE) as answer:
        body = json.load(answer)
    assert answer.status == 200
    assert body["status"] == "ok"
    assert body["backend"]["state"] == "up"


async def test_a_client_lists_and_calls_tools_through_a_forward(forwarded: int, store: Store) -> None:
    async with McpClient(f"http://localhost:{forwarded}/mcp") as client:
        tools = (await client.list_tools()).tools
        answer = await client.call_tool(store.tool)
    assert store.tool in [tool.name for tool in tools]
    assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools), "writes are off"
    assert not answer.is_error
    assert answer.structured_content


def test_both_services_lead_to_the_sidecar(client: Client, store: Store) -> None:
    for host in (store.service, store.sidecar_service):
        assert client.send(host, 9000, "/ready")[0] == 200


def test_clients_in_the_cluster_are_answered_by_name(client: Client, store: Store) -> None:
    call = json.dumps(message("tools/call", name=store.tool, arguments={}))
    status, body = client.send(store.sidecar_service, 9000, "/mcp", "POST", call)
    assert status == 200
    assert not json.loads(body)["result"]["isError"]


def test_helm_test_passes(release: Release) -> None:
    assert "Succeeded" in release.helm("test", "e2e", "--timeout", f"{PATIENCE:g}s")


def targets(kube: Kube) -> dict[str, str]:
    """The applications that vmagent scrapes, and how each is."""
    with (
        kube.forward("service/vmagent", 8429) as port,
        urllib.request.urlopen(f"http://localhost:{port}/api/v1/targets", timeout=PATIENCE) as answer,
    ):
        active = json.load(answer)["data"]["activeTargets"]
    return {f"{t['labels']['app']}/{t['labels']['container']}": t["health"] for t in active}


def test_vmagent_scrapes_what_asks_for_it(kube: Kube) -> None:
    wanted = {
        "orchestrator/orchestrator": "up",
        "workers/workers": "up",
        "redis/mcp-sidecar": "up",
        "elasticsearch/mcp-sidecar": "up",
    }
    # hitl-ui has no metrics and is not among them.
    wait_until("the targets are up", lambda: targets(kube) == wanted, lambda: targets(kube), pause=1)


@pytest.mark.parametrize(
    "metric", ["demo_jobs_queued_total", "demo_jobs_done_total", "mcp_backend_up{app='redis'}", "mcp_backend_up"]
)
def test_victoria_metrics_answers_queries_on_them(kube: Kube, metric: str) -> None:
    def found() -> list[Any]:
        answer = kube.call("metrics-store-0", "api/v1/query", at=8428, query=f"{metric} > 0")
        return list(answer["data"]["result"])

    # VictoriaMetrics shows what is half a minute old.
    wait_until(f"{metric} is known", found, pause=1)
