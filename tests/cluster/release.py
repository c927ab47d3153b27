"""The chart's release under test."""

import copy
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.kube import Kube, Pod, wait_until
from tools.backends.process import ran
from tools.backends.runfiles import program

Values = dict[str, Any]

NAME = "e2e"
SIDECAR = "mcp-sidecar"


@dataclass(frozen=True)
class Store:
    """A store with a sidecar: its subchart and container, its Services, its ports and how traffic is sent to it."""

    chart: str
    service: str
    port: int
    port_name: str
    kind: str
    tool: str

    @property
    def pod(self) -> str:
        return f"{self.service}-0"

    @property
    def sidecar_service(self) -> str:
        return f"{self.service}-mcp"

    @property
    def container(self) -> str:
        return self.chart

    def __str__(self) -> str:
        return self.chart


STORES = (
    Store("redis", "redis", 6379, "redis", "redis", "redis_info"),
    Store("elasticsearch", "knowledge-store", 9200, "http", "http", "es_health"),
)


def merge(*values: Values) -> Values:
    """Values over values, as Helm merges files of them."""
    merged: Values = {}
    for layer in values:
        for key, value in copy.deepcopy(layer).items():
            if isinstance(value, dict) and isinstance(merged.get(key), dict):
                merged[key] = merge(merged[key], value)
            else:
                merged[key] = value
    return merged


def needs(kube: Kube) -> Values:
    """Values that this cluster needs: without a default storage class data stays in the pods, and Elasticsearch allocates shards
    however full the disk of the node is."""
    full: Values = {"elasticsearch": {"config": {"cluster.routing.allocation.disk.threshold_enabled": "false"}}}
    default = "storageclass.kubernetes.io/is-default-class"
    classes = kube.items("storageclasses")
    if any(c["metadata"].get("annotations", {}).get(default) == "true" for c in classes):
        return full
    return merge(full, {name: {"persistence": {"enabled": False}} for name in ("redis", "elasticsearch", "metrics")})


def of_sidecars(**values: Any) -> Values:
    """The same values for both sidecars."""
    return {store.chart: {"mcpSidecar": values} for store in STORES}


ONLY_STORES: Values = {name: {"enabled": False} for name in ("orchestrator", "workers", "hitl-ui", "metrics")}


BRISK: Values = of_sidecars(resources={"limits": {"cpu": "500m"}})
"""More than the chart's 100m, at which a start takes ten seconds; for tests that are not about that."""


class Release:
    """A release of the chart in a namespace, with the values for minikube and those of the suite."""

    def __init__(self, kube: Kube, base: Values) -> None:
        self.kube = kube
        self._base = base

    def helm(self, *words: str) -> str:
        """Helm's standard output; its own words in the exception when it fails."""
        done = ran(program("HELM"), "--kube-context", self.kube.context, "--namespace", self.kube.namespace, *words)
        if done.returncode:
            raise RuntimeError(f"helm {words[0]}: {done.stderr.strip()}")
        return done.stdout

    def upgrade(self, values: Values, *words: str) -> str:
        """Installs or upgrades with these values over those for minikube; does not wait."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "values.json")
            file.write_text(json.dumps(merge(self._base, values)))
            files = ["--values", str(program("VALUES")), "--values", str(file)]
            return self.helm("upgrade", "--install", NAME, str(program("CHART")), *files, *words)

    def apply(self, values: Values, ready: str) -> None:
        """Upgrades with these values, whatever there was before, and waits until the stores' pods are as wanted."""
        self.upgrade(values)
        for store in STORES:
            self.wait(store, ready)

    def store_pod(self, store: Store) -> Pod | None:
        return self.kube.pod(store.pod)

    def current(self, store: Store) -> Pod | None:
        """The store's pod, when it is of the StatefulSet's newest state."""
        controller = self.kube.get("statefulset", store.service)
        if controller["status"].get("observedGeneration") != controller["metadata"]["generation"]:
            return None
        pod = self.store_pod(store)
        if pod is None or pod.leaving:
            return None
        revision = pod.manifest["metadata"]["labels"].get("controller-revision-hash")
        return pod if revision == controller["status"]["updateRevision"] else None

    def wait(self, store: Store, ready: str) -> Pod:
        """Waits until the store's newest pod shows so many ready containers."""

        def found() -> Pod | None:
            pod = self.current(store)
            return pod if pod and pod.ready == ready else None

        return wait_until(f"{store.pod} is {ready}", found, lambda: self.store_pod(store))

    def wait_for_store(self, store: Store) -> Pod:
        """Waits until the store itself serves in its newest pod, whatever the sidecar does."""

        def found() -> Pod | None:
            pod = self.current(store)
            return pod if pod and pod.is_ready(store.container) else None

        return wait_until(f"{store.container} serves", found, lambda: self.store_pod(store))

    def wait_for_all(self) -> None:
        """Waits until every pod of the release is ready, and none is leaving."""

        def done() -> bool:
            pods = self.kube.pods(f"app.kubernetes.io/instance={NAME}")
            return bool(pods) and all(not pod.leaving and len(set(pod.ready.split("/"))) == 1 for pod in pods)

        for store in STORES:
            self.wait_for_store(store)
        wait_until("all pods are ready", done, lambda: [str(pod) for pod in self.kube.pods()])

    def renew_pods(self, restarts_of: str) -> None:
        """Deletes the stores' pods in which a container was restarted."""
        for store in STORES:
            pod = self.store_pod(store)
            if pod and not pod.leaving and pod.restarts(restarts_of):
                self.kube.run("delete", "pod", pod.name, "--wait=false", "--ignore-not-found")
