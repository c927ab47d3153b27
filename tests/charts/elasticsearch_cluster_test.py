"""Elasticsearch goes from one node to three and back, with nodes away and volumes lost, and stays one cluster.

Real nodes run with what the chart renders for their pods: the environment, after the container's own start script. Of it only
what is of the pod's network is replaced: addresses and ports.
"""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.charts.conftest import Chart, objects
from tests.cluster.images.elasticsearch import settings
from tools.backends.elasticsearch import ElasticsearchNode
from tools.backends.process import Process, accepts, free_port

NAME = "knowledge-store"
ENTRYPOINT = "/usr/local/bin/docker-entrypoint.sh"
PATIENCE = 600
"""Seconds until what has to happen counts as never happening."""

Manifest = dict[str, Any]


class Pods:
    """The pods of the StatefulSet: a network, a volume for each ordinal, and the newest render."""

    def __init__(self, chart: Chart, folder: Path) -> None:
        self._chart, self._folder = chart, folder
        self._transport = [free_port() for _ in range(3)]
        self.http = [free_port() for _ in range(3)]
        self.readiness = [free_port() for _ in range(3)]
        self.nodes: dict[int, ElasticsearchNode] = {}
        self._objects: dict[tuple[str, str], Manifest] = {}

    def apply(self, replicas: int) -> None:
        """Renders the chart for so many nodes; running pods are left alone."""
        self._objects = objects(self._chart.template(f"elasticsearch.replicas={replicas}"))

    @property
    def template(self) -> Manifest:
        found: Manifest = self._objects["StatefulSet", NAME]["spec"]["template"]
        return found

    def container(self) -> Manifest:
        (found,) = (c for c in self.template["spec"]["containers"] if c["name"] == "elasticsearch")
        return dict(found)

    def _value(self, variable: Manifest, ordinal: int) -> str:
        """Return what the kubelet makes of a variable."""
        source = variable.get("valueFrom", {})
        if "fieldRef" in source:
            assert source["fieldRef"]["fieldPath"] == "metadata.name"
            return f"{NAME}-{ordinal}"
        if "configMapKeyRef" in source:
            reference = source["configMapKeyRef"]
            return str(self._objects["ConfigMap", reference["name"]]["data"][reference["key"]])
        return str(variable["value"])

    def environment(self, ordinal: int) -> dict[str, str]:
        """The environment in which the start script runs the image's entry point."""
        container = self.container()
        recorder, record = self._folder / "recorder", self._folder / "record"
        # By bash and env: this Python is started by a shell that drops variables with a dotted name.
        recorder.write_text(f"#!/bin/bash\nset -e\n[[ $* == eswrapper ]]\nenv -0 >'{record}'\n")
        recorder.chmod(0o755)
        *shell, script = container["args"]
        assert ENTRYPOINT in script
        env = {variable["name"]: self._value(variable, ordinal) for variable in container["env"]}
        subprocess.run([*shell, script.replace(ENTRYPOINT, str(recorder))], env={"PATH": "/usr/bin:/bin", **env}, check=True)
        lines = (line.partition("=") for line in record.read_text().split("\0") if line)
        return {name: value for name, _, value in lines}

    def start(self, *ordinals: int) -> None:
        """Starts pods at the same time; does not wait."""
        for ordinal in ordinals:
            given = settings(self.environment(ordinal))
            assert given["node.name"] == f"{NAME}-{ordinal}"
            if "discovery.seed_hosts" in given:
                assert given["discovery.seed_hosts"] == f"{NAME}-headless"
                # The headless Service names all pods, ready or not.
                given["discovery.seed_hosts"] = ",".join(f"127.0.0.1:{port}" for port in self._transport)
            self.run(ordinal, {"discovery.type": "multi-node"} | given)

    def run(self, ordinal: int, given: dict[str, str]) -> None:
        """Starts a node on an ordinal's volume and ports."""
        network = {
            "network.host": "127.0.0.1",
            "http.port": self.http[ordinal],
            "transport.port": self._transport[ordinal],
            "readiness.port": self.readiness[ordinal],
            "path.data": str(self.volume(ordinal)),
        }
        node = ElasticsearchNode(self.http[ordinal], settings=given | network)
        Process.start(node)
        self.nodes[ordinal] = node

    def volume(self, ordinal: int) -> Path:
        return self._folder / f"volume-{ordinal}"

    def stop(self, *ordinals: int) -> None:
        for ordinal in ordinals:
            self.nodes.pop(ordinal).__exit__()

    def is_ready(self, ordinal: int) -> bool:
        """By the startup probe and the readiness probe."""
        probes = [self.container()[probe]["tcpSocket"] for probe in ("startupProbe", "readinessProbe")]
        assert probes == [{"port": "http"}, {"port": "readiness"}]
        return accepts(self.http[ordinal]) and accepts(self.readiness[ordinal])

    def wait(self, what: str, reached: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not reached():
            logs = "\n\n".join(node.tail(5) for node in self.nodes.values())
            assert all(node.running for node in self.nodes.values()), logs
            assert time.monotonic() < end, f"{what}: not within {PATIENCE} s\n{logs}"
            time.sleep(0.1)

    def wait_until_ready(self, *ordinals: int) -> None:
        self.wait(f"{ordinals} are ready", lambda: all(self.is_ready(ordinal) for ordinal in ordinals))

    def wait_until_without_master(self, *ordinals: int) -> None:
        """Waits until these pods have looked for a master and found none; they are not ready then."""

        def searched(ordinal: int) -> bool:
            return "master not discovered" in self.nodes[ordinal].log.read_text()

        self.wait(f"{ordinals} look for a master", lambda: all(searched(ordinal) for ordinal in ordinals))
        assert not any(self.is_ready(ordinal) for ordinal in ordinals)

    def ask(self, ordinal: int, method: str, path: str, body: Any = None) -> Any:
        return self.nodes[ordinal].request(method, path, body)

    def uuid(self, ordinal: int) -> str:
        return str(self.ask(ordinal, "GET", "/_cluster/state/metadata?filter_path=cluster_uuid&local=true")["cluster_uuid"])

    def write(self, text: str) -> None:
        self.ask(0, "PUT", "/docs/_doc/1?refresh=true", {"text": text})

    def assert_one_cluster(self, uuid: str, text: str) -> None:
        """All pods are of this one cluster, and read this text."""
        assert {self.uuid(ordinal) for ordinal in self.nodes} == {uuid}

        def is_whole() -> bool:
            health = self.ask(0, "GET", "/_cluster/health")
            return health["number_of_nodes"] == len(self.nodes) and health["status"] in ("yellow", "green")

        self.wait("every node is in it, and every shard has its primary", is_whole)
        for ordinal in self.nodes:
            assert self.ask(ordinal, "GET", "/docs/_doc/1")["_source"] == {"text": text}

    def drain(self, *ordinals: int) -> None:
        """Do what docs/operations.md says to do before nodes go."""
        names = ",".join(f"{NAME}-{ordinal}" for ordinal in ordinals)
        self.ask(0, "PUT", "/*/_settings", {"index.number_of_replicas": 0})
        exclude = {"persistent": {"cluster.routing.allocation.exclude._name": names}}
        self.ask(0, "PUT", "/_cluster/settings", exclude)
        self.ask(0, "POST", f"/_cluster/voting_config_exclusions?node_names={names}")

        def empty() -> bool:
            shards = self.ask(0, "GET", "/_cat/shards?format=json&h=node")
            return not any(node in (shard["node"] or "") for shard in shards for node in names.split(","))

        self.wait(f"{names} have no shards", empty)

    def undo_drain(self) -> None:
        """Do what it says to do once they are gone."""
        self.ask(0, "DELETE", "/_cluster/voting_config_exclusions?wait_for_removal=false")
        self.ask(0, "PUT", "/_cluster/settings", {"persistent": {"cluster.routing.allocation.exclude._name": None}})


@pytest.fixture
def pods(chart: Chart, tmp_path: Path) -> Iterator[Pods]:
    found = Pods(chart, tmp_path)
    yield found
    found.stop(*found.nodes)


def test_from_one_to_three_with_the_first_away_and_back_to_one(pods: Pods) -> None:
    pods.apply(1)
    pods.start(0)
    pods.wait_until_ready(0)
    pods.write("from one")
    uuid, template = pods.uuid(0), pods.template

    pods.apply(3)
    assert pods.template == template, "another number of nodes restarts none"
    pods.stop(0)
    pods.start(1, 2)
    pods.wait_until_without_master(1, 2)
    pods.start(0)
    pods.wait_until_ready(0, 1, 2)
    pods.assert_one_cluster(uuid, "from one")

    pods.drain(1, 2)
    pods.apply(1)
    assert pods.template == template
    pods.stop(1, 2)
    pods.wait("the first is a cluster of its own", lambda: pods.ask(0, "GET", "/_cluster/health")["number_of_nodes"] == 1)
    pods.undo_drain()
    pods.stop(0)
    pods.start(0)
    pods.wait_until_ready(0)
    pods.assert_one_cluster(uuid, "from one")
    pods.write("one again")

    # Their old volumes are still there.
    pods.apply(3)
    pods.start(1, 2)
    pods.wait_until_ready(0, 1, 2)
    pods.assert_one_cluster(uuid, "one again")


def test_the_first_node_with_an_empty_volume_never_forms_a_second_cluster(pods: Pods) -> None:
    pods.apply(3)
    pods.start(0, 1)
    pods.wait_until_ready(0, 1)
    pods.start(2)
    pods.wait_until_ready(2)
    pods.write("of three")
    # Else the first node, which loses its volume, may have the only copy.
    pods.wait("each shard has its copy", lambda: pods.ask(0, "GET", "/_cluster/health")["status"] == "green")
    uuid = pods.uuid(1)

    pods.stop(1, 2)
    pods.wait("the one that is left is not ready", lambda: not pods.is_ready(0))
    pods.stop(0)
    shutil.rmtree(pods.volume(0))
    pods.start(0)
    pods.wait_until_without_master(0)

    pods.start(1, 2)
    pods.wait_until_ready(0, 1, 2)
    pods.assert_one_cluster(uuid, "of three")


def test_a_single_node_of_before_goes_on(pods: Pods) -> None:
    """Data that was written with discovery.type=single-node."""
    pods.apply(1)
    pods.run(0, {"cluster.name": NAME, "node.name": f"{NAME}-0", "discovery.type": "single-node"})
    pods.wait_until_ready(0)
    pods.write("as single-node")
    uuid = pods.uuid(0)
    pods.stop(0)
    pods.apply(3)
    pods.start(0, 1, 2)
    pods.wait_until_ready(0, 1, 2)
    pods.assert_one_cluster(uuid, "as single-node")
