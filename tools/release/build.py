"""Builds of a commit in a folder that holds nothing else."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.release.errors import ReleaseError


def environment() -> dict[str, str]:
    """Ours, without what `bazel run` put there."""
    return {n: v for n, v in os.environ.items() if not n.startswith(("RUNFILES_", "BUILD_", "PYTHON"))}


def bazel(tree: Path, arguments: Sequence[str], env: Mapping[str, str] | None = None, wrapper: Sequence[str] = ()) -> None:
    """Run the tree's own ./bazelw, in `environment()` if not in another; what it says goes to standard error.

    ReleaseError if it fails.
    """
    command = [*wrapper, "./bazelw", *arguments]
    done = subprocess.run(command, cwd=tree, env=environment() if env is None else dict(env), stdout=2, check=False)
    if done.returncode:
        raise ReleaseError(f"./bazelw {arguments[0]} failed in a clean checkout: see above")


def output(tree: Path, label: str) -> Path:
    """The output of a target that has one, named as the target."""
    return (tree / "bazel-bin" / label.removeprefix("//").replace(":", "/")).resolve()
