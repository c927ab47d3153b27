"""What the suite asks of a cluster, by kubectl."""

import contextlib
import datetime
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Self, TypeVar
from urllib.parse import urlencode

from tests.cluster.pods.serve import PORT
from tools.backends.process import ran

T = TypeVar("T")
Manifest = dict[str, Any]


PATIENCE = 600.0
"""Seconds after which what was waited for will not come. Nothing is judged by how long it takes: machines are noisy."""

BUSY = ("was refused", "TLS handshake timeout", "etcdserver:")
"""What kubectl says when an API server on a busy machine did not take its request."""


class KubeError(Exception):
    """kubectl's own words on what it could not do."""


def wait_until(what: str, found: Callable[[], T | None], state: Callable[[], object] = lambda: "", pause: float = 0.5) -> T:
    """Wait until `found` returns something true, and return that. A TimeoutError has the `state`."""
    end = time.monotonic() + PATIENCE
    while not (value := found()):
        if time.monotonic() > end:
            raise TimeoutError(f"not within {PATIENCE:g} s: {what}; {state()}")
        time.sleep(pause)
    return value


def moment(text: str) -> float:
    """Unix time of a time as the API server writes it."""
    return datetime.datetime.fromisoformat(text).timestamp()


@dataclass(frozen=True)
class Pod:
    """A pod as the API server told of it."""

    manifest: Manifest

    @property
    def name(self) -> str:
        return str(self.manifest["metadata"]["name"])

    @property
    def uid(self) -> str:
        return str(self.manifest["metadata"]["uid"])

    @property
    def version(self) -> str:
        return str(self.manifest["metadata"]["resourceVersion"])

    @property
    def told_to_leave(self) -> float | None:
        """When it was deleted, in Unix time, rounded down to a second; None for one that stays."""
        if not self.leaving:
            return None
        meta = self.manifest["metadata"]  # its time is that at which it has to be gone
        return moment(meta["deletionTimestamp"]) - int(meta["deletionGracePeriodSeconds"])

    @property
    def leaving(self) -> bool:
        return "deletionTimestamp" in self.manifest["metadata"]

    @property
    def statuses(self) -> dict[str, Manifest]:
        return {status["name"]: status for status in self.manifest["status"].get("containerStatuses", [])}

    @property
    def ephemeral(self) -> dict[str, Manifest]:
        """Statuses of containers that were added while it ran, as kubectl debug does."""
        return {status["name"]: status for status in self.manifest["status"].get("ephemeralContainerStatuses", [])}

    @property
    def ready(self) -> str:
        """As kubectl shows it: 1/2."""
        return f"{sum(s['ready'] for s in self.statuses.values())}/{len(self.manifest['spec']['containers'])}"

    def is_ready(self, container: str) -> bool:
        return bool(self.statuses.get(container, {}).get("ready"))

    def restarts(self, container: str) -> int:
        return int(self.statuses.get(container, {}).get("restartCount", 0))

    def reasons(self, container: str) -> set[str]:
        """Why a container waits, or ended this time or the last."""
        ended = [state[kind] for state in self._states(container) for kind in ("waiting", "terminated") if kind in state]
        return {str(state.get("reason", "")) for state in ended}

    def exit_codes(self, container: str) -> set[int]:
        """With which a container ended this time or the last."""
        return {int(state["terminated"]["exitCode"]) for state in self._states(container) if "terminated" in state}

    def _states(self, container: str) -> list[Manifest]:
        status = self.statuses.get(container, {})
        return [status.get("state", {}), status.get("lastState", {})]

    def container_id(self, container: str) -> str:
        """Of the container that runs; empty when none does."""
        status = (self.statuses | self.ephemeral).get(container, {})
        if "running" not in status.get("state", {}):
            return ""
        return str(status.get("containerID", "")).rpartition("/")[2]

    def __str__(self) -> str:
        reasons = {name: sorted(self.reasons(name)) for name in self.statuses if self.reasons(name)}
        return f"{self.name} {self.ready} {reasons or ''}{' leaving' if self.leaving else ''}"


@dataclass(frozen=True)
class Kube:
    """A namespace of a cluster."""

    context: str
    namespace: str

    def of(self, namespace: str) -> Self:
        return replace(self, namespace=namespace)

    def command(self, *words: str) -> list[str]:
        if not shutil.which("kubectl"):
            raise KubeError("kubectl is not on PATH")
        return ["kubectl", "--context", self.context, "--namespace", self.namespace, *words]

    def run(self, *words: str, stdin: str | None = None) -> str:
        """Return kubectl's standard output, or raise KubeError."""
        command = self.command(*words)
        for _ in range(5 if words[0] == "get" else 1):
            done = ran(*command, input=stdin, timeout=2 * PATIENCE)
            if not done.returncode:
                return done.stdout
            if not any(reason in done.stderr for reason in BUSY):
                break
            time.sleep(2)
        raise KubeError(f"kubectl {' '.join(words[:4])}: {done.stderr.strip()}")

    def get(self, *words: str) -> Manifest:
        found: Manifest = json.loads(self.run("get", *words, "--output", "json"))
        return found

    def items(self, *words: str) -> list[Manifest]:
        items: list[Manifest] = self.get(*words)["items"]
        return items

    def apply(self, *manifests: Manifest) -> None:
        for manifest in manifests:
            self.run("apply", "--filename", "-", stdin=json.dumps(manifest))

    def create(self, manifest: Manifest, *words: str) -> None:
        self.run("create", "--filename", "-", *words, stdin=json.dumps(manifest))

    def pods(self, selector: str = "") -> list[Pod]:
        words = ["--selector", selector] if selector else []
        return [Pod(item) for item in self.items("pods", *words)]

    def pod(self, name: str) -> Pod | None:
        return next((pod for pod in self.pods() if pod.name == name), None)

    def the_pod(self, name: str) -> Pod:
        """Return a pod that must be there: KubeError if it is not."""
        found = self.pod(name)
        if found is None:
            raise KubeError(f"there is no pod {name} in namespace {self.namespace}")
        return found

    def addresses(self, service: str) -> dict[str, list[str]]:
        """Names of a Service's ports, and the addresses that each leads to."""
        found: dict[str, list[str]] = {}
        for part in self.items("endpointslices", "--selector", f"kubernetes.io/service-name={service}"):
            for port in part.get("ports") or []:
                for endpoint in part.get("endpoints") or []:
                    if endpoint["conditions"].get("ready", True):
                        found.setdefault(port["name"], []).extend(endpoint["addresses"])
        return found

    def call(self, pod: str, function: str, /, *, at: int = PORT, **arguments: object) -> Any:
        """The answer of a function of one of the suite's pods, or any JSON that a pod has at a path."""
        query = f"?{urlencode(arguments)}" if arguments else ""
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod}:{at}/proxy/{function}{query}"
        return json.loads(self.run("get", "--raw", path))

    def python(self, pod: str, container: str, source: str) -> Any:
        """Runs a Python program in a container of ours, which has no shell; the JSON that it prints."""
        return json.loads(self.run("exec", pod, "--container", container, "--", "/usr/bin/python3.11", "-c", source))

    @contextlib.contextmanager
    def forward(self, target: str, port: int) -> Iterator[int]:
        """kubectl port-forward; the local port."""
        command = self.command("port-forward", target, f":{port}")
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as child:
            try:
                assert child.stdout
                line = child.stdout.readline()
                if not line.startswith("Forwarding from"):
                    raise KubeError(f"port-forward {target}: {line.strip()}")
                yield int(line.split(":")[1].split()[0])
            finally:
                child.terminate()


@contextlib.contextmanager
def namespace(kube: Kube, labels: dict[str, str], keep: bool) -> Iterator[Kube]:
    """A namespace as long as it is used."""
    kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": kube.namespace, "labels": labels}})
    try:
        yield kube
    finally:
        if not keep:
            kube.run("delete", "namespace", kube.namespace, "--wait=false")
