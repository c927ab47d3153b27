"""What became of pods, state by state, as the API server tells those who watch."""

import contextlib
import json
import subprocess
import threading
from collections.abc import Iterator
from functools import partial

from tests.cluster.kube import Kube, KubeError, Pod, wait_until


class History:
    """The states of a namespace's pods, in the order in which they came to be."""

    def __init__(self, kube: Kube, child: subprocess.Popen[str]) -> None:
        self._kube = kube
        self._child = child
        self._states: list[Pod] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._child.stdout
        text = ""
        for line in self._child.stdout:
            text += line
            with contextlib.suppress(json.JSONDecodeError):  # some versions of kubectl write an event on several lines
                self._states.append(Pod(json.loads(text)["object"]))
                text = ""

    def of(self, name: str) -> list[Pod]:
        """Return the states of the pods that had this name, or raise KubeError if the watch has ended."""
        if self._child.poll() is not None:
            raise KubeError("kubectl get pods --watch ended")
        return [pod for pod in list(self._states) if pod.name == name]

    def catch_up(self, *names: str) -> None:
        """Waits until the states of these pods are here as far as the API server has them now."""
        for name in names:
            newest = self._kube.the_pod(name).version
            wait_until(f"the watch tells of {name} as it is", partial(self._has, name, newest))

    def _has(self, name: str, version: str) -> bool:
        return any(pod.version == version for pod in self.of(name))


@contextlib.contextmanager
def watch_pods(kube: Kube) -> Iterator[History]:
    """Watches a namespace's pods as long as the block runs, from how they are at its beginning."""
    command = kube.command("get", "pods", "--watch", "--output-watch-events", "--output=json")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            yield History(kube, child)
        finally:
            child.terminate()
