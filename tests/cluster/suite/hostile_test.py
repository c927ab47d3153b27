"""Hostile data: no stored value, argument or crowd ends a sidecar in its pod, or the store beside it."""

from typing import Any

import pytest

from tests.cluster.helpers import Client, Node
from tests.cluster.kube import Kube
from tests.cluster.release import ONLY_STORES, SIDECAR, Release, Store, merge, of_sidecars
from tests.hostile import elasticsearch_cases, redis_cases
from tests.hostile.attack import Attack
from tests.hostile.run import faults, figures
from tools.backends.elasticsearch import ElasticsearchNode

VALUES = merge(
    ONLY_STORES,
    of_sidecars(allowWrites=True),
    {
        # The data are more than a gigabyte.
        "redis": {"resources": {"limits": {"memory": "3Gi"}}},
        "elasticsearch": {"heapSize": "1g", "resources": {"limits": {"memory": "2Gi"}}},
    },
)

CLIENTS = (8, 64, 300)


class ForwardedElasticsearch(ElasticsearchNode):
    """The Elasticsearch behind a forwarded port."""

    def __init__(self, port: int) -> None:
        self.port = port


class ForwardedSidecar:
    """The sidecar behind a forwarded port. What becomes of its container, the API server tells at the end."""

    running, exit_code = True, None

    def __init__(self, port: int) -> None:
        self.port = port

    def memory(self) -> float:
        return 0.0

    def longest_turn(self) -> float:
        return 0.0


def test_hostile_data_ends_nothing(
    request: pytest.FixtureRequest,
    release: Release,
    kube: Kube,
    node: Node,
    client: Client,
    table: list[str],
    store: Store,
) -> None:
    release.apply(VALUES, "2/2")
    kube.run("delete", "pod", store.pod, "--wait=true")
    release.wait(store, "2/2")
    with kube.forward(f"pod/{store.pod}", store.port) as port, kube.forward(f"pod/{store.pod}", 9000) as sidecar:
        cases: Any
        if store.chart == "redis":
            redis_cases.fill(port)
            cases = redis_cases.cases(port)
        else:
            backend = ForwardedElasticsearch(port)
            elasticsearch_cases.fill(backend, indices=50)
            cases = elasticsearch_cases.cases(backend)
        # The other client is inside the cluster: a forwarded port lets one connection wait for another.
        attack = Attack(ForwardedSidecar(sidecar), cases, lambda: None)
        with client.to_store(store) as count, attack.watched():
            attack.alone()
            for many in CLIENTS:
                attack.crowd(many, request.config.getoption("--soak") / 8)
    pod = kube.the_pod(store.pod)
    ended = {name: (pod.restarts(name), pod.reasons(name), pod.exit_codes(name)) for name in (SIDECAR, store.container)}
    assert not any(restarts or codes for restarts, _, codes in ended.values()), ended
    peak = node.usage(pod.container_id(SIDECAR))["peak"]
    table += ["", f"hostile data, {store}: peak memory {peak} MiB"]
    table += [f"another client: p50 {count.median} s, most {count.longest} s"]
    table += [": ".join(row) for row in figures(attack.report) if row[0].startswith(("answers", "slowest"))]
    assert count.failures == 0, count
    assert faults(attack.report) == []
