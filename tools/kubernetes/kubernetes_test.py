"""What the tools say where something is missing, and which images go where.

kubectl, minikube and kind are scripts that write down how they were called: the cluster itself is tested in tests/cluster.
"""

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from tools.backends.machine import Machine
from tools.backends.process import ran
from tools.backends.runfiles import program
from tools.kubernetes.release import LiveTable


class Clients(Machine):
    """A machine with clients of clusters; `calls` has how they were called, a line each."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, ("bash", "sh", "env", "readlink", "dirname", "cat", "python3"))
        self.calls = folder / "calls"
        self.calls.touch()

    def add(self, name: str, script: str = "") -> None:
        self.install(name, f'echo "{name} $*" >>{self.calls}\n{script}')

    def kubectl(self, context: str, *, minikube: bool = False) -> None:
        extension = "minikube.sigs.k8s.io" if minikube else "other"
        self.add(
            "kubectl",
            f"""case "$*" in
  "config current-context") [ -n "{context}" ] && echo "{context}" ;;
  "config view"*) echo '{{"provider": "{extension}"}}' ;;
  *) echo "Unable to connect to the server: dial tcp: connection refused" >&2; exit 1 ;;
esac""",
        )

    def run(self, variable: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if name.startswith(("RUNFILES", "TEST_SRCDIR")) or name in (
            "CHART", "DEMO_TAR", "ELASTICSEARCH_TAR", "HELM", "REDIS_TAR", "VALUES")}  # fmt: skip
        return ran(
            program(variable),
            *arguments,
            env=kept | {"PATH": str(self.bin), "HOME": str(self.bin.parent), "BUILD_WORKING_DIRECTORY": str(self.bin)},
        )


@pytest.fixture
def machine(tmp_path: Path) -> Clients:
    return Clients(tmp_path)


INSTALL = "kubectl is not on PATH: install it (https://kubernetes.io/docs/tasks/tools/)"
CHOOSE = (
    "kubectl has no current context: start a cluster with `minikube start` or `kind create cluster`, or choose one with "
    "`kubectl config use-context`"
)
SILENT = (
    "the cluster of context kind-dev can't be reached (Unable to connect to the server: dial tcp: connection refused): start it, "
    "or choose another context"
)
FAILS = {"kind": "echo no nodes found >&2; exit 1"}
FAILED = "kind load image-archive --name dev failed for mcp/redis: no nodes found"
MISSING = "kind is not on PATH, and context kind-dev is its: install it"
OTHER = (
    "context production is neither minikube's nor kind's: push the images (bazel run //servers/redis:push), or give a command "
    "that loads an archive into the node with --loader"
)


@pytest.mark.parametrize(
    ("tool", "context", "programs", "said"),
    [
        ("LOAD_MINIKUBE", None, {}, INSTALL),
        ("ROLLBACK", None, {}, INSTALL),
        ("LOAD_MINIKUBE", "", {}, CHOOSE),
        ("ROLLBACK", "", {}, CHOOSE),
        ("ROLLBACK", "kind-dev", {}, SILENT),
        ("LOAD_MINIKUBE", "kind-dev", FAILS, FAILED),
        ("LOAD_MINIKUBE", "kind-dev", {}, MISSING),
        ("LOAD_MINIKUBE", "production", {}, OTHER),
    ],
)
def test_what_can_not_go_on_says_in_a_line_what_to_do(
    machine: Clients, tool: str, context: str | None, programs: dict[str, str], said: str
) -> None:
    if context is not None:
        machine.kubectl(context)
    for name, script in programs.items():
        machine.add(name, script)
    done = machine.run(tool)
    assert (done.returncode, done.stderr) == (1, f"{tool.lower()}: {said}\n")


def test_minikube_gets_all_images(machine: Clients) -> None:
    machine.kubectl("dev", minikube=True)
    machine.add("minikube")
    done = machine.run("LOAD_MINIKUBE")
    assert done.returncode == 0, done.stderr
    loads = [line for line in machine.calls.read_text().splitlines() if line.startswith("minikube")]
    assert [line.rsplit(" ", 1)[0] for line in loads] == ["minikube --profile dev image load"] * 3
    tags = set()
    for line in loads:
        with tarfile.open(line.rsplit(" ", 1)[1]) as archive:
            file = archive.extractfile("manifest.json")
            assert file
            tags |= {tag for tag in file.read().decode().split('"') if ":latest" in tag}
    assert tags == {"mcp/redis:latest", "mcp/elasticsearch:latest", "mcp/demo:latest"}


def test_kind_gets_archives_by_the_cluster_s_name(machine: Clients) -> None:
    machine.kubectl("kind-dev")
    machine.add("kind")
    assert machine.run("LOAD_MINIKUBE").returncode == 0
    assert machine.calls.read_text().count("kind load image-archive --name dev /") == 3


@pytest.mark.parametrize("program", ["ctr", "./ctr"])  # of PATH, and where `bazel run` is called
def test_another_loader_by_hand(machine: Clients, program: str) -> None:
    machine.kubectl("elsewhere")
    machine.add("ctr")
    assert machine.run("LOAD_MINIKUBE", "--loader", f"{program} -n k8s.io images import").returncode == 0
    assert machine.calls.read_text().count("ctr -n k8s.io images import /") == 3


def test_the_table_is_redrawn_in_place_on_a_terminal() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal, file = Terminal(), io.StringIO()
    for output in (terminal, file):
        live = LiveTable(output)
        live.show("a\nb")
        live.show("c\nd")
    assert terminal.getvalue() == "\na\nb\n\x1b[2F\x1b[Jc\nd\n"
    assert file.getvalue() == "\na\nb\n\nc\nd\n"
