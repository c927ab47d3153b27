"""loader.sh takes the container engine that is there, or says what to start.

The engines are scripts that write down how they were called: which of them is chosen is what is tested.
"""

import os
import subprocess
from pathlib import Path

import pytest

from tools.backends.machine import Machine
from tools.backends.process import ran


class Engines(Machine):
    """A machine with container engines, and an archive to load."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, ("bash", "cat", "env", "mktemp", "rm"))
        self.archive = folder / "image.tar"
        self.archive.write_bytes(b"an image")

    def add(self, engine: str, *, running: bool = True) -> None:
        self.install(
            engine,
            f"""case "$1" in info | status) exit {0 if running else 1} ;; esac
for last; do :; done
echo "{engine} ${{@:1:$#-1}} $(cat "$last")\"""",
        )

    def load(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        env |= {"PATH": str(self.bin), "TMPDIR": os.environ.get("TEST_TMPDIR", "/tmp")}
        return ran("bazel/image/loader.sh", *(arguments or ("load", "--input", str(self.archive))), env=env)


@pytest.fixture
def machine(tmp_path: Path) -> Engines:
    return Engines(tmp_path)


@pytest.mark.parametrize("engine", ["docker", "podman"])
def test_an_engine_is_given_the_archive(machine: Engines, engine: str) -> None:
    machine.add(engine)
    assert machine.load().stdout == f"{engine} load --input an image\n"


def test_minikube_is_given_a_copy(machine: Engines) -> None:
    machine.add("minikube")
    assert machine.load().stdout == "minikube image load an image\n"


def test_an_engine_that_does_not_run_gives_way(machine: Engines) -> None:
    machine.add("docker", running=False)
    machine.add("podman")
    assert machine.load().stdout.startswith("podman ")


def test_an_engine_can_be_chosen(machine: Engines) -> None:
    machine.add("docker")
    machine.add("minikube")
    assert machine.load(MCP_IMAGE_LOADER="minikube").stdout.startswith("minikube ")


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({}, "none of docker, podman and minikube is running here: start one, or use the archive of the :tar target"),
        ({"MCP_IMAGE_LOADER": "podman"}, "MCP_IMAGE_LOADER is podman, which is not on PATH: install it"),
        ({"MCP_IMAGE_LOADER": "kind"}, "MCP_IMAGE_LOADER is 'kind': set it to docker, podman or minikube"),
    ],
)
def test_without_an_engine_one_line_says_what_to_do(machine: Engines, env: dict[str, str], message: str) -> None:
    done = machine.load(**env)
    assert done.returncode == 2
    assert done.stderr == f"load: {message}\n"


def test_other_arguments_are_refused(machine: Engines) -> None:
    assert machine.load("save").returncode == 2
