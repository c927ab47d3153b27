"""The chart's release, by the pinned Helm."""

import time
from typing import Any, TextIO

from tools.backends.process import ran
from tools.backends.runfiles import program
from tools.kubernetes.cluster import Cluster, ClusterError
from tools.quickstart.report import table

NAMESPACE = "dox-asdlc"
RELEASE = "dox"
TIMEOUT = 600
"""Seconds that the pods have to become ready."""

STORES = {"redis": "redis", "elasticsearch": "knowledge-store"}
"""Subcharts with a sidecar, and the names of their StatefulSets."""


def helm(cluster: Cluster, *words: str) -> str:
    """Run Helm on the release's namespace, and return what it prints, or raise ClusterError with why it failed."""
    done = ran(program("HELM"), "--kube-context", cluster.context, "--namespace", NAMESPACE, *words)
    if done.returncode:
        reason = done.stderr.strip().removeprefix("Error: ")
        if "release: not found" in reason or "has no deployed releases" in reason:
            reason = f"release {RELEASE} is not installed in namespace {NAMESPACE}: bazel run //tools:quickstart -- --reset"
        raise ClusterError(reason)
    return done.stdout


def install(cluster: Cluster, settings: list[str]) -> None:
    """Install the chart, or upgrade what is installed, with the values for minikube and more settings as --set takes them."""
    words = ["upgrade", "--install", RELEASE, str(program("CHART")), "--create-namespace"]
    words += ["--values", str(program("VALUES"))]
    helm(cluster, *words, *(word for setting in settings for word in ("--set", setting)))


def turn_sidecars_off(cluster: Cluster) -> None:
    """Upgrades the release with its own values, but for the sidecars."""
    words = ["upgrade", RELEASE, str(program("CHART")), "--reset-then-reuse-values"]
    helm(cluster, *words, *(word for store in STORES for word in ("--set", f"{store}.mcpSidecar.enabled=false")))


def pods(cluster: Cluster) -> list[tuple[str, ...]]:
    """Name, ready containers, state and restarts of the release's pods."""
    rows = []
    for pod in cluster.get("pods", NAMESPACE):
        statuses = pod["status"].get("containerStatuses", [])
        ready = sum(status["ready"] for status in statuses)
        waiting = [s["state"]["waiting"].get("reason", "") for s in statuses if "waiting" in s["state"]]
        state = "Terminating" if "deletionTimestamp" in pod["metadata"] else (waiting or [pod["status"]["phase"]])[0]
        rows.append(
            (
                pod["metadata"]["name"],
                f"{ready}/{len(pod['spec']['containers'])}",
                state,
                str(sum(status["restartCount"] for status in statuses)),
            )
        )
    return sorted(rows)


def rolled_out(cluster: Cluster) -> bool:
    """Return whether every StatefulSet and Deployment has all its pods, of its newest state, ready."""

    def complete(controller: dict[str, Any]) -> bool:
        spec, status = controller["spec"], controller.get("status", {})
        wanted = spec.get("replicas", 1)
        return bool(
            status.get("observedGeneration") == controller["metadata"]["generation"]
            and status.get("readyReplicas", 0) == wanted
            and status.get("updatedReplicas", 0) == wanted
            and status.get("currentRevision") == status.get("updateRevision")
        )

    found = cluster.get("statefulsets", NAMESPACE) + cluster.get("deployments", NAMESPACE)
    return bool(found) and all(complete(controller) for controller in found)


class LiveTable:
    """Shows a text in place of the one before on a terminal, and below it elsewhere."""

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._height = 0

    def show(self, text: str) -> None:
        # ECMA-48: up to the first line of the text before, and clear from there on.
        again = f"\x1b[{self._height}F\x1b[J" if self._height and self._output.isatty() else "\n"
        print(f"{again}{text}", file=self._output, flush=True)
        self._height = text.count("\n") + 1


def wait(cluster: Cluster, output: TextIO) -> None:
    """Wait until all is rolled out. Write the table of pods whenever it has changed; a ClusterError names those not ready."""
    live = LiveTable(output)
    end = time.monotonic() + TIMEOUT
    last = ""
    while True:
        done = rolled_out(cluster)
        now = table([("POD", "READY", "STATE", "RESTARTS"), *pods(cluster)])
        if now != last:
            live.show(now)
            last = now
        if done:
            return
        if time.monotonic() > end:
            late = [f"{name} ({ready}, {state})" for name, ready, state, _ in pods(cluster) if len(set(ready.split("/"))) > 1]
            raise ClusterError(
                f"not ready within {TIMEOUT} s: {', '.join(late)}: see kubectl describe pod --namespace {NAMESPACE}"
            )
        time.sleep(1)


def how_to_connect() -> str:
    """Lines that lead a client to the sidecars."""
    forwards = "\n".join(
        f"  kubectl port-forward --namespace {NAMESPACE} service/{name}-mcp {port}:9000"
        for name, port in zip(STORES.values(), (9000, 9001), strict=True)
    )
    clients = "\n".join(
        f"  claude mcp add --transport http dox-{store} http://localhost:{port}/mcp"
        for store, port in zip(STORES, (9000, 9001), strict=True)
    )
    return f"Reach the sidecars:\n\n{forwards}\n\nand connect Claude Code:\n\n{clients}\n"
