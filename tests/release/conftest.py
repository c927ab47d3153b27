"""A source tree under git, and registries."""

import hashlib
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from dulwich import porcelain

from tools.backends.process import Process, free_port, ran
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

USERNAME, PASSWORD = "release", "not-a-secret"
_HTPASSWD = f"{USERNAME}:$2b$04$vdcHcyJlMT4UUB8vdybb.ue83FwwAgjfTyOqIQxytxa79HFRaz5Dq\n"  # bcrypt of PASSWORD


class DockerRegistry(Process):
    """Debian's docker-registry on the loopback interface, with its files in a folder. Use it with `with`."""

    def __init__(self, folder: Path, login: bool = False) -> None:
        """Make the registry's files in a folder. With `login`, only USERNAME with PASSWORD may enter."""
        self.port = free_port()
        address = f"127.0.0.1:{self.port}"
        self.storage = folder / "storage"
        self.storage.mkdir(parents=True)
        config = {
            "version": "0.1",
            "log": {"accesslog": {"disabled": True}, "level": "error"},
            "storage": {"filesystem": {"rootdirectory": str(self.storage)}},
            "http": {"addr": address},
        }
        if login:
            (folder / "htpasswd").write_text(_HTPASSWD)
            config["auth"] = {"htpasswd": {"realm": "registry", "path": str(folder / "htpasswd")}}
        file = folder / "config.yml"
        file.write_text(json.dumps(config))  # YAML has JSON in it
        super().__init__(address, [str(program("DOCKER_REGISTRY")), "serve", str(file)], folder / "log")

    def start(self) -> None:
        super().start()
        self.wait_until(self._answers)

    def _answers(self) -> bool:
        """Return whether it is this registry that listens: without a login it says 401, and still what it is."""
        try:
            with urllib.request.urlopen(f"http://{self.name}/v2/", timeout=5) as answer:
                return "Docker-Distribution-Api-Version" in answer.headers
        except urllib.error.HTTPError as error:
            return "Docker-Distribution-Api-Version" in error.headers
        except OSError:
            return False

    def content(self) -> dict[str, str]:
        """Digest of each file that it keeps, by path: all of its state."""
        return {
            str(file.relative_to(self.storage)): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in sorted(self.storage.rglob("*"))
            if file.is_file()
        }


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
