"""bazel run //tools:load_minikube"""

import argparse
import sys

from tools.backends.runfiles import enter_working_directory
from tools.kubernetes.cluster import Cluster, ClusterError
from tools.kubernetes.images import load

LOADER_HELP = "a command that loads an archive, its last argument, into the node of another cluster"


def main() -> None:
    enter_working_directory()
    parser = argparse.ArgumentParser(
        prog="load_minikube",
        description="Loads mcp/redis, mcp/elasticsearch and mcp/demo into the minikube or kind of kubectl's current context.",
    )
    parser.add_argument("--loader", metavar="COMMAND", help=LOADER_HELP)
    given = parser.parse_args()
    try:
        load(Cluster.current(), given.loader, print)
    except ClusterError as error:
        sys.exit(f"load_minikube: {error}")


if __name__ == "__main__":
    main()
