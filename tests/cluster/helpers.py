"""The suite's own pods: a client inside the cluster, and an eye on the node."""

import contextlib
import importlib.resources
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.cluster.kube import Kube, KubeError, Manifest, wait_until
from tests.cluster.release import Store

IMAGE = "mcp/demo:latest"
"""An image with Python, which is in the node already."""

CODE = "e2e-code"

RESTRICTED: Manifest = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def code() -> Manifest:
    """A ConfigMap with the programs of `pods`."""
    folder = importlib.resources.files("tests.cluster.pods")
    files = {file.name: file.read_text() for file in folder.iterdir() if file.name.endswith(".py")}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": CODE}, "data": files}


def program(module: str, security: Manifest, *arguments: str) -> Manifest:
    """A container that runs a program of `pods`, which are mounted."""
    return {
        "name": module,
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/usr/bin/python3.11", "-B", "-m", f"tests.cluster.pods.{module}", *arguments],
        "env": [{"name": "PYTHONPATH", "value": "/code"}],
        "securityContext": security,
        "volumeMounts": [{"name": "code", "mountPath": "/code/tests/cluster/pods", "readOnly": True}],
    }


def pod(module: str, security: Manifest, **spec: Any) -> Manifest:
    """A pod that runs a program of `pods`."""
    own = program(module, security)
    own["volumeMounts"] += spec.pop("mounts", [])
    volumes = [{"name": "code", "configMap": {"name": CODE}}, *spec.pop("volumes", [])]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": module, "labels": {"app.kubernetes.io/name": f"e2e-{module}"}},
        "spec": {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "containers": [own],
            "volumes": volumes,
            **spec,
        },
    }


def start(kube: Kube, manifest: Manifest) -> None:
    """Starts a pod of the suite and waits until it answers."""
    name = manifest["metadata"]["name"]
    kube.apply(code(), manifest)

    def answers() -> bool:
        with contextlib.suppress(KubeError):
            return bool(kube.call(name, "alive"))
        return False

    wait_until(f"pod {name} answers", answers, lambda: kube.pod(name))


@dataclass
class Count:
    """What came of a traffic; times are those of the client's clock."""

    name: str = ""
    requests: int = 0
    failures: int = 0
    first_failed: float | None = None
    """When the first request failed that did."""
    last_begun: float | None = None
    """When the last of these was begun."""
    examples: list[Any] = field(default_factory=list)
    """The first requests that failed and the last one: when begun, when failed, and why."""
    reasons: dict[str, int] = field(default_factory=dict)
    """Why they failed, and how many did so."""
    outage: float = 0.0
    """Seconds without an answer, the longest time."""
    median: float | None = None
    longest: float | None = None


class Client:
    """The pod that sends requests inside the cluster."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        start(kube, pod("client", RESTRICTED))

    @contextlib.contextmanager
    def traffic(self, kind: str, host: str, port: int, **more: Any) -> Iterator[Count]:
        """Traffic as long as the block runs, and until some requests more were sent; the counts are filled in at its end."""
        count = Count(self._kube.call("client", "start", kind=kind, host=host, port=port, **more))
        try:
            self.more(count)
            yield count
            self.more(count)
        finally:
            count.__dict__.update(self._kube.call("client", "stop", name=count.name))

    def more(self, count: Count, requests: int = 50) -> None:
        """Waits until a traffic has sent so many requests more."""
        enough = self._sent(count) + requests
        wait_until(f"{count.name} goes on", lambda: self._sent(count) >= enough)

    def _sent(self, count: Count) -> int:
        return int(self._kube.call("client", "report", name=count.name)["requests"])

    def now(self) -> float:
        """The client's clock, by which its requests are told apart from what was before and after."""
        return float(self._kube.call("client", "now"))

    def to_store(self, store: Store, **more: Any) -> contextlib.AbstractContextManager[Count]:
        """Traffic to a store through its Service, from when the node leads it there."""
        self.wait_for(store)
        if store.kind == "http":
            more = {"path": "/_cluster/health?local=true&filter_path=status"} | more
        return self.traffic(store.kind, store.service, store.port, **more)

    def wait_for(self, store: Store) -> None:
        """Wait until the node's network applies a change: each connection reaches a pod that exists."""

        def opens() -> bool:
            return self.connect(store.service, store.port, times=10) == "open"

        wait_until(f"the Service leads to {store}'s pod", opens)

    def connect(self, host: str, port: int, times: int = 1) -> str:
        return str(self._kube.call("client", "connect", host=host, port=port, times=times))

    def send(self, host: str, port: int, path: str, method: str = "GET", body: str = "", **more: Any) -> tuple[int, str]:
        """Status and body; status 0 where nobody answers."""
        answer = self._kube.call("client", "send", host=host, port=port, path=path, method=method, body=body, **more)
        return answer["status"], answer["body"]

    def health(self, store: Store, path: str = "/health", **more: Any) -> tuple[int, Manifest]:
        """Return what a sidecar says of itself, through port 9000 of the store's own Service."""
        status, body = self.send(store.service, 9000, path, **more)
        return status, json.loads(body) if status else {"reason": body}


class Node:
    """The pod that sees the node's processes, in a namespace of its own where that is allowed."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        manifest = pod(
            "node",
            {"privileged": True, "runAsUser": 0},
            hostPID=True,
            mounts=[{"name": "cgroup", "mountPath": "/host/cgroup", "readOnly": True}],
            volumes=[{"name": "cgroup", "hostPath": {"path": "/sys/fs/cgroup"}}],
        )
        start(kube, manifest)

    def processes(self, container: str) -> list[Manifest]:
        found: list[Manifest] = self._kube.call("node", "processes", container=container)
        return found

    def signal(self, container: str, name: str) -> None:
        """Sends a signal to a container's processes, as the node's root can."""
        if not self._kube.call("node", "signal", container=container, name=name):
            raise LookupError(f"container {container} has no processes on this node")

    def usage(self, container: str) -> dict[str, float]:
        found: dict[str, float] = self._kube.call("node", "usage", container=container)
        return found
