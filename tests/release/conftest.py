"""A source tree under git, and registries."""

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from dulwich import porcelain

from tests.release.docker_registry import DockerRegistry
from tools.backends.process import ran
from tools.backends.runfiles import program
from tools.release import oci
from tools.release.tree import Tree

FILES = {
    ".bazelversion": "7.7.1\n",
    ".gitignore": "/dist/\n",
    "CHANGELOG.md": "# Changelog\n\n## [Unreleased]\n\n- First\n",
    "bazel/version.bzl": '"The version."\n\nVERSION = "0.0.1"\n',
    "servers/common/__init__.py": 'VERSION = "0.0.1"\n',
    "bazel/debian/lock.json": "{}\n",
    "bazel/helm/lock.json": "{}\n",
    "bazel/python/requirements_linux.txt": "\n",
}
VERSION = "0.1.0"
"""What the built artifacts have."""


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    folder = tmp_path / "tree"
    folder.mkdir()
    porcelain.init(str(folder)).close()
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    porcelain.add(str(folder), [str(folder / name) for name in FILES])
    author = b"A <a@b.example>"
    porcelain.commit(str(folder), b"First", author=author, committer=author)
    return Tree(folder)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[DockerRegistry]:
    with DockerRegistry(tmp_path / "registry") as running:
        yield running


@pytest.fixture
def locked_registry(tmp_path: Path) -> Iterator[DockerRegistry]:
    """One that wants a login."""
    with DockerRegistry(tmp_path / "locked", login=True) as running:
        yield running


def get(registry: DockerRegistry, path: str) -> bytes:
    accepted = {"Accept": f"{oci.MANIFEST}, {oci.INDEX}"}
    with urllib.request.urlopen(urllib.request.Request(f"http://{registry.name}/v2/{path}", headers=accepted)) as answer:
        return bytes(answer.read())


def release(tree: Tree, registry: str, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Runs the program on artifacts that are built, as `bazel run //tools:release` would."""
    own = {"BUILD_WORKSPACE_DIRECTORY": str(tree.folder), "HOME": str(tree.folder.parent)}
    words = [f"--registry={registry}", f"--artifacts={program('ARTIFACTS')}", f"--version={VERSION}", *arguments]
    return ran(sys.executable, "-m", "tools.release.main", *words, env={**os.environ, **own, **(env or {})}, timeout=300)
