"""bazel run //tools:rollback"""

import argparse
import sys

from tools.backends.runfiles import enter_working_directory
from tools.kubernetes import release
from tools.kubernetes.cluster import Cluster, ClusterError


def main() -> None:
    enter_working_directory()
    argparse.ArgumentParser(
        prog="rollback",
        description="Turns the MCP sidecars of the quickstart's release off, by its values, and waits until the stores run "
        "without them. Everything else stays as it is.",
    ).parse_args()
    try:
        cluster = Cluster.current()
        cluster.check()
        release.turn_sidecars_off(cluster)
        release.wait(cluster, sys.stdout)
    except ClusterError as error:
        sys.exit(f"rollback: {error}")
    print("\nThe sidecars are off. bazel run //tools:quickstart -- --reset turns them on again.")


if __name__ == "__main__":
    main()
