"""Puts our images into a cluster's node, where no registry is needed to find them."""

import shlex
import shutil
from collections.abc import Callable

from tools.backends.process import ran
from tools.backends.runfiles import program
from tools.kubernetes.cluster import Cluster, ClusterError

ARCHIVES = {"mcp/redis": "REDIS_TAR", "mcp/elasticsearch": "ELASTICSEARCH_TAR", "mcp/demo": "DEMO_TAR"}
"""Repositories to the variables that name their archives, all tagged latest."""


def loader(cluster: Cluster, by_hand: str | None) -> list[str]:
    """Return the command that takes an archive as its last argument. `by_hand` is for unknown kinds, else a ClusterError."""
    if by_hand:
        return shlex.split(by_hand)
    commands = {
        "minikube": ["minikube", "--profile", cluster.context, "image", "load"],
        "kind": ["kind", "load", "image-archive", "--name", cluster.context.removeprefix("kind-")],
    }
    if cluster.kind not in commands:
        raise ClusterError(
            f"context {cluster.context} is neither minikube's nor kind's: push the images (bazel run //servers/redis:push), "
            "or give a command that loads an archive into the node with --loader"
        )
    command = commands[cluster.kind]
    if not shutil.which(command[0]):
        raise ClusterError(f"{command[0]} is not on PATH, and context {cluster.context} is its: install it")
    return command


def load(cluster: Cluster, by_hand: str | None, tell: Callable[[str], None]) -> None:
    """Load all images. A ClusterError has the loader's last line."""
    command = loader(cluster, by_hand)
    for name, variable in ARCHIVES.items():
        tell(f"loading {name}:latest into {cluster.context}")
        done = ran(*command, program(variable).resolve())
        if done.returncode:
            lines = (done.stderr or done.stdout).strip().splitlines()
            raise ClusterError(f"{shlex.join(command)} failed for {name}: {lines[-1] if lines else 'no reason given'}")
