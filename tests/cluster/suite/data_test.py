"""The stores' data: `helm upgrade` refuses what would lose it, and a change of Elasticsearch's nodes loses none.

The steps to fewer nodes are those of docs/kubernetes.md.
"""

import json
import secrets
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.kube import PATIENCE, Kube, KubeError, wait_until
from tests.cluster.release import ONLY_STORES, Release, Values, merge

CLAIM = {"enabled": True, "storageClass": "e2e-none", "size": "1Gi"}
WAITING: Values = merge(
    ONLY_STORES,
    {
        "redis": {"persistence": CLAIM},
        "elasticsearch": {
            "persistence": CLAIM,
            "replicas": 3,
            "nodeSets": {"hot": {"roles": ["data_hot"], "replicas": 2}},
        },
    },
)
"""Values of pods that wait for ever for their claims, of a storage class that is not there."""


@pytest.fixture(scope="module")
def waiting(second_namespace: Kube) -> Release:
    release = Release(second_namespace, {})
    release.upgrade(WAITING)
    return release


def versions(release: Release) -> list[tuple[str, int]]:
    """Of each StatefulSet, which changes with what was asked for, and not with its status, as resourceVersion does."""
    found = [item["metadata"] for item in release.kube.items("statefulsets")]
    return [(of["uid"], of["generation"]) for of in found]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"redis": {"persistence": {"size": "2Gi"}}}, "redis.persistence.size can't go from"),
        ({"redis": {"persistence": {"storageClass": ""}}}, "redis.persistence.storageClass can't go from"),
        ({"redis": {"persistence": {"enabled": False}}}, "StatefulSet redis exists with claims"),
        ({"redis": {"persistence": {"accessModes": ["ReadWriteOncePod"]}}}, "persistence.accessModes can't go from"),
        ({"redis": {"persistence": {"annotations": {"a": "b"}}}}, "redis.persistence.annotations can't go from"),
        ({"elasticsearch": {"persistence": {"size": "512Mi"}}}, "elasticsearch.persistence.size can't go"),
        ({"elasticsearch": {"replicas": 1}}, "elasticsearch.drainedTo=1"),
        ({"elasticsearch": {"replicas": 1, "drainedTo": 2}}, "elasticsearch.drainedTo=1"),
        ({"elasticsearch": {"nodeSets": {"hot": {"replicas": 1}}}}, "elasticsearch.nodeSets.hot.drainedTo=1"),
        ({"elasticsearch": {"nodeSets": {"hot": None}}}, "elasticsearch.nodeSets.hot can't be removed yet"),
    ],
)
def test_an_upgrade_that_would_lose_data_is_refused(waiting: Release, change: Values, said: str) -> None:
    before = versions(waiting)
    with pytest.raises(RuntimeError, match="helm upgrade") as refused:
        waiting.upgrade(merge(WAITING, change))
    assert said in str(refused.value)
    assert versions(waiting) == before


@pytest.mark.parametrize(
    "change",
    [
        {"redis": {"persistence": {"size": "1024Mi"}}},
        {"elasticsearch": {"replicas": 5}},
        {"elasticsearch": {"replicas": 1, "drainedTo": 1}},
        {"elasticsearch": {"nodeSets": {"hot": {"replicas": 0, "drainedTo": 0}}}},
        {"elasticsearch": {"nodeSets": {"hot": None}}},
    ],
    ids=["same size", "more nodes", "drained", "an empty set", "no set"],
)
def test_what_loses_nothing_is_taken(waiting: Release, change: Values) -> None:
    waiting.upgrade(merge(WAITING, change))


NAME = "knowledge-store"


def of_nodes(replicas: int, **values: Any) -> Values:
    """So many nodes, small ones, without the sidecar."""
    own = {"replicas": replicas, "heapSize": "256m", "mcpSidecar": {"enabled": False}, **values}
    return merge(ONLY_STORES, {"redis": {"enabled": False}, "elasticsearch": own})


class Nodes:
    def __init__(self, kube: Kube) -> None:
        self._kube = kube

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Return the JSON that a node answers, if any. Its errors are urllib.error.HTTPError; none reached is KubeError."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        with self._kube.forward(f"service/{NAME}", 9200) as port:
            asked = urllib.request.Request(
                f"http://localhost:{port}{path}", data, {"Content-Type": "application/json"}, method=method
            )
            with urllib.request.urlopen(asked, timeout=PATIENCE) as answer:
                text = answer.read()
        return json.loads(text) if text else None

    def wait(self, path: str, **wanted: Any) -> None:
        """Waits until the answer has these values."""
        answer: dict[str, Any] = {}

        def reached() -> bool:
            try:
                answer.update(self.ask("GET", path))
            except (OSError, KubeError, urllib.error.HTTPError):
                return False
            return {name: answer.get(name) for name in wanted} == wanted

        wait_until(f"{path} has {wanted}", reached, lambda: (answer, [str(pod) for pod in self._kube.pods()]), pause=2)

    def wait_for(self, number: int) -> None:
        """Waits until so many pods are of the newest state and ready, and their nodes one cluster."""

        def rolled() -> bool:
            controller = self._kube.get("statefulset", NAME)
            status = controller["status"]
            numbers = [status.get(key, 0) for key in ("replicas", "readyReplicas", "updatedReplicas")]
            return status["observedGeneration"] == controller["metadata"]["generation"] and numbers == [number] * 3

        wait_until(f"{number} pods are ready", rolled, lambda: [str(pod) for pod in self._kube.pods()], pause=2)
        self.wait("/_cluster/health", number_of_nodes=number)

    def documents(self) -> int:
        return int(self.ask("GET", "/e2e/_count")["count"])

    def uuid(self) -> str:
        return str(self.ask("GET", "/_cluster/state/metadata?filter_path=cluster_uuid")["cluster_uuid"])


DOCUMENTS = 20


@pytest.fixture(scope="module")
def nodes(release: Release, kube: Kube) -> Iterator[Nodes]:
    """One node with an index, whose copies are made at once where a node is gone."""
    release.upgrade(of_nodes(1))
    found = Nodes(kube)
    found.wait_for(1)
    settings = {"number_of_replicas": 1, "number_of_shards": 3, "index.unassigned.node_left.delayed_timeout": "0"}
    found.ask("PUT", "/e2e", {"settings": settings, "mappings": {"enabled": False}})
    lines = "".join(f'{{"index":{{}}}}\n{{"a":"{secrets.token_hex(50_000)}"}}\n' for _ in range(DOCUMENTS))
    answer = found.ask("POST", "/e2e/_bulk?refresh=true", lines.encode())
    assert not answer["errors"], answer
    yield found
    release.upgrade(of_nodes(1, drainedTo=1))  # for the modules that follow


def test_from_one_node_to_three_and_back_keeps_cluster_and_data(release: Release, kube: Kube, nodes: Nodes) -> None:
    uuid, first = nodes.uuid(), kube.the_pod(f"{NAME}-0").uid
    release.upgrade(of_nodes(3))
    nodes.wait_for(3)
    nodes.wait("/_cluster/health", status="green")
    assert kube.the_pod(f"{NAME}-0").uid == first, "more nodes restart none"

    # A rolling change while copies are made so slowly that the next pod would go before they are complete: in these pods the
    # data has no claims, so what a node that goes too early holds is gone.
    slow = {"persistent": {"indices.recovery.max_bytes_per_sec": "50kb"}}
    nodes.ask("PUT", "/_cluster/settings", slow)
    kube.run("rollout", "restart", f"statefulset/{NAME}")
    wait_until("the first pod is replaced", lambda: (p := kube.pod(f"{NAME}-0")) and p.uid != first, pause=2)
    nodes.wait_for(3)
    nodes.ask("PUT", "/_cluster/settings", {"persistent": {"indices.recovery.max_bytes_per_sec": None}})
    nodes.wait("/_cluster/health", status="green")
    assert (nodes.uuid(), nodes.documents()) == (uuid, DOCUMENTS)

    with pytest.raises(RuntimeError, match="drainedTo=1"):
        release.upgrade(of_nodes(1))
    going = f"{NAME}-1,{NAME}-2"
    nodes.ask("PUT", "/*/_settings", {"index.number_of_replicas": 0})
    exclude = "cluster.routing.allocation.exclude._name"
    nodes.ask("PUT", "/_cluster/settings", {"persistent": {exclude: going}})
    nodes.ask("POST", f"/_cluster/voting_config_exclusions?node_names={going}")

    def drained() -> bool:
        shards = nodes.ask("GET", "/_cat/shards?format=json&h=node")
        return all(shard["node"] == f"{NAME}-0" for shard in shards)

    wait_until("the nodes that go hold no shards", drained, pause=2)
    release.upgrade(of_nodes(1, drainedTo=1))
    nodes.wait_for(1)
    nodes.ask("DELETE", "/_cluster/voting_config_exclusions?wait_for_removal=false")
    nodes.ask("PUT", "/_cluster/settings", {"persistent": {exclude: None}})
    assert (nodes.uuid(), nodes.documents()) == (uuid, DOCUMENTS)

    release.upgrade(of_nodes(3))
    nodes.wait_for(3)
    assert (nodes.uuid(), nodes.documents()) == (uuid, DOCUMENTS)
