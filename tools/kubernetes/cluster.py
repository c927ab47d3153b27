"""The cluster of kubectl's current context."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from typing import Any, Self

from tools.backends.process import ran

TIMEOUT = 20
"""Seconds that kubectl has to answer a question."""


class ClusterError(Exception):
    """A cluster that can't be used; the message is a line that says what to do."""


@dataclass(frozen=True)
class Cluster:
    """A context of kubectl.

    `kind` says what made it: "minikube" or "kind", or "other".
    """

    kubectl: str
    context: str
    kind: str

    @classmethod
    def current(cls) -> Self:
        """Return the cluster of the current context, or raise ClusterError if there is no kubectl or no context."""
        kubectl = shutil.which("kubectl")
        if not kubectl:
            raise ClusterError("kubectl is not on PATH: install it (https://kubernetes.io/docs/tasks/tools/)")
        done = ran(kubectl, "config", "current-context", timeout=TIMEOUT)
        context = done.stdout.strip()
        if done.returncode or not context:
            raise ClusterError(
                "kubectl has no current context: start a cluster with `minikube start` or `kind create cluster`, "
                "or choose one with `kubectl config use-context`"
            )
        return cls(kubectl, context, cls._kind(kubectl, context))

    @staticmethod
    def _kind(kubectl: str, context: str) -> str:
        if context.startswith("kind-"):
            return "kind"
        done = ran(kubectl, "config", "view", "--minify", "--output", "json")
        # minikube names itself in an extension of the context that it writes.
        return "minikube" if '"minikube.sigs.k8s.io"' in done.stdout or context == "minikube" else "other"

    def check(self) -> None:
        """Raises ClusterError when the cluster does not answer."""
        try:
            done = self.run("get", "--raw", "/version", f"--request-timeout={TIMEOUT}s")
        except subprocess.TimeoutExpired:
            raise ClusterError(self._silent("it does not answer")) from None
        if done.returncode:
            lines = done.stderr.strip().splitlines()
            raise ClusterError(self._silent(lines[-1] if lines else "no reason given"))

    def _silent(self, reason: str) -> str:
        return f"the cluster of context {self.context} can't be reached ({reason}): start it, or choose another context"

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return ran(self.kubectl, "--context", self.context, *words, timeout=TIMEOUT + 10)

    def get(self, what: str, namespace: str) -> list[dict[str, Any]]:
        """Return the objects of a kind in a namespace, or raise ClusterError with what kubectl says."""
        done = self.run("get", what, "--namespace", namespace, "--output", "json")
        if done.returncode:
            raise ClusterError(f"kubectl get {what}: {done.stderr.strip()}")
        items: list[dict[str, Any]] = json.loads(done.stdout)["items"]
        return items
