"""What a sidecar uses at its limits of 100m CPU and 128Mi: until it is ready, idle, and under the highest load that it takes."""

import json
import time
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest

from tests.cluster.helpers import Client, Count, Node
from tests.cluster.kube import Kube, Pod, moment
from tests.cluster.release import ONLY_STORES, SIDECAR, STORES, Release, Store

LIMIT = 128.0
"""MiB of memory that a sidecar may use."""

CALLS = 64
"""Calls at once: MCP_MAX_CONCURRENT_CALLS by default."""

BIG: dict[str, tuple[str, dict[str, object]]] = {
    "redis": ("redis_read", {"key": "e2e:big", "limit": 1000}),
    "elasticsearch": ("es_search", {"index": "e2e-big", "size": 100}),
}
"""Calls whose results fill MCP_MAX_RESULT_BYTES."""


@dataclass
class Used:
    serving: float
    ready: float
    cpu: float
    idle: dict[str, float]
    loaded: list[dict[str, float]] = field(default_factory=list)
    calls: Count = field(default_factory=Count)
    store: Count = field(default_factory=Count)
    restarts: int = 0


def start(kube: Kube, node: Node, pod: Pod) -> Used:
    """Times of a start that has just been."""
    container = pod.container_id(SIDECAR)
    (process,) = node.processes(container)
    lines = kube.run("logs", pod.name, "--container", SIDECAR).splitlines()
    serving = next(json.loads(line)["ts"] for line in lines if '"serving"' in line)
    ready = next(c for c in pod.manifest["status"]["conditions"] if c["type"] == "ContainersReady")
    usage = node.usage(container)
    return Used(
        moment(serving) - process["started"],
        moment(ready["lastTransitionTime"]) - process["started"],
        usage["cpu"],
        usage,
    )


def fill(kube: Kube, client: Client) -> None:
    """Puts so much into both stores that a result is full."""
    script = "for i=1,2000 do redis.call('RPUSH','e2e:big',string.rep('x',200)) end"
    kube.run("exec", "redis-0", "--container", "redis", "--", "redis-cli", "EVAL", script, "0")
    text = json.dumps({"text": "x" * 3000})
    for number in range(30):
        status, body = client.send("knowledge-store", 9200, f"/e2e-big/_doc/{number}", "PUT", text)
        assert status in (200, 201), body
    client.send("knowledge-store", 9200, "/e2e-big/_refresh", "POST")


@pytest.fixture(scope="module")
def used(
    request: pytest.FixtureRequest, release: Release, kube: Kube, node: Node, client: Client, table: list[str]
) -> dict[str, Used]:
    release.apply(ONLY_STORES, "2/2")
    for store in STORES:
        kube.run("delete", "pod", store.pod, "--wait=true")
    found = {store.chart: start(kube, node, release.wait(store, "2/2")) for store in STORES}
    time.sleep(10)
    for store in STORES:
        found[store.chart].idle = node.usage(container(kube, store))
    fill(kube, client)
    load(request.config.getoption("--soak"), found, kube, node, client)
    table += ["", *report(found)]
    return found


def container(kube: Kube, store: Store) -> str:
    return kube.the_pod(store.pod).container_id(SIDECAR)


def load(seconds: float, found: dict[str, Used], kube: Kube, node: Node, client: Client) -> None:
    """As many calls at once as a sidecar takes, with the longest results, while others use the store."""
    with ExitStack() as stack:
        for store in STORES:
            tool, arguments = BIG[store.chart]
            found[store.chart].store = stack.enter_context(client.to_store(store))
            call = {"threads": CALLS, "interval": 0.01, "tool": tool, "arguments": json.dumps(arguments)}
            found[store.chart].calls = stack.enter_context(client.traffic("call", store.sidecar_service, 9000, **call))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(5)
            for store in STORES:
                running = container(kube, store)
                if running:
                    found[store.chart].loaded.append(node.usage(running))
    for store in STORES:
        found[store.chart].restarts = kube.the_pod(store.pod).restarts(SIDECAR)


def report(found: dict[str, Used]) -> list[str]:
    rows = ["| sidecar | serving, s | ready, s | start CPU, s | idle MiB (anon) | loaded MiB (peak) | calls/s | median s "
            "| longest s | throttled | failed calls | failed store requests |", "|---" * 12 + "|"]  # fmt: skip
    for name, use in found.items():
        first, last = use.loaded[0], use.loaded[-1]
        periods = last["periods"] - first["periods"]
        throttled = (last["throttled"] - first["throttled"]) / periods if periods else 0
        seconds = 5.0 * len(use.loaded)
        most = max(u["anonymous"] for u in use.loaded)
        rows.append(
            f"| {name} | {use.serving:.1f} | {use.ready:.1f} | {use.cpu:.2f} | {use.idle['memory']} ({use.idle['anonymous']}) "
            f"| {most} ({last['peak']}) | {use.calls.requests / seconds:.1f} | {use.calls.median} | {use.calls.longest} "
            f"| {throttled:.0%} | {use.calls.failures} of {use.calls.requests} | {use.store.failures} of {use.store.requests} |"
        )
    return rows


def test_idle_it_leaves_a_third_of_its_memory(used: dict[str, Used], store: Store) -> None:
    assert used[store.chart].idle["anonymous"] < LIMIT * 2 / 3


def test_it_is_never_killed_for_memory_or_by_probes(used: dict[str, Used], store: Store) -> None:
    assert used[store.chart].restarts == 0
    assert max(u["anonymous"] for u in used[store.chart].loaded) < LIMIT


def test_every_call_is_answered(used: dict[str, Used], store: Store) -> None:
    calls = used[store.chart].calls
    assert calls.requests > CALLS, "each of the clients"
    assert calls.failures == 0, calls


def test_the_store_serves_every_request(used: dict[str, Used], store: Store) -> None:
    count = used[store.chart].store
    assert count.requests >= 100
    assert count.failures == 0, count
