"""./bazelw chooses its way: what it starts, with which arguments, and what it says.

The Bazels are scripts that write down how they were called: the choice is what is tested, and a machine has one state only.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

VERSION = "7.7.1"
TOOLS = (
    "bash",
    "cat",
    "cksum",
    "cut",
    "dirname",
    "echo",
    "env",
    "find",
    "id",
    "mkdir",
    "rm",
    "sed",
    "sha256sum",
    "timeout",
    "uname",
    "xargs",
)


class Machine:
    """A workspace with the real bazelw, a PATH of its own, and a cache folder."""

    def __init__(self, folder: Path) -> None:
        self.workspace = folder / "workspace"
        self.bin = folder / "bin"
        self.calls = folder / "calls"
        (self.workspace / "bazel/airgap").mkdir(parents=True)
        self.bin.mkdir()
        for name in ("bazelw", "MODULE.bazel"):
            shutil.copy(name, self.workspace / name)
        (self.workspace / ".bazelversion").write_text(VERSION + "\n")
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found, f"this machine has no {tool}"
            (self.bin / tool).symlink_to(found)
        self.script(
            self.workspace / "bazel/airgap/bazel.sh",
            'echo "airgap rc=$(cat ${BAZELW_RC:-/dev/null}) $*"',
        )
        self.env = {"PATH": str(self.bin), "HOME": str(folder), "BAZELW_CACHE_DIR": str(folder / "cache")}

    def script(self, path: Path, body: str) -> None:
        path.write_text(f"#!{self.bin}/bash\n{body}\n")
        path.chmod(0o755)

    def install_bazel(self, name: str = "bazel", version: str = VERSION, modules: bool = True) -> None:
        """Puts a Bazel on the PATH that answers --version and `mod graph`, and else prints its arguments and rc files."""
        self.script(
            self.bin / name,
            f'''echo "{name} $*" >>{self.calls}
case "$1" in
  --version) echo "bazel {version}" ;;
  mod) exit {0 if modules else 1} ;;
  *) for word in "$@"; do case $word in --bazelrc=*) cat "${{word#--bazelrc=}}" ;; esac; done; echo "{name} $*" ;;
esac''',
        )

    def run(self, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.workspace / "bazelw"), *args],
            env=self.env | env,
            text=True,
            capture_output=True,
            timeout=60,
            check=False,
        )

    def asked(self) -> int:
        """How often a Bazel was asked whether it gets its modules."""
        return self.calls.read_text().count(" mod graph") if self.calls.exists() else 0


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_nothing_installed_takes_the_air_gapped_way(machine: Machine) -> None:
    assert machine.run("build", "//...").stdout == "airgap rc= build //...\n"


@pytest.mark.parametrize("name", ["bazel", "bazelisk"])
def test_a_bazel_that_gets_its_modules_is_used_and_asked_once(machine: Machine, name: str) -> None:
    machine.install_bazel(name)
    for _ in range(2):
        assert machine.run("test", "//a b").stdout == f"{name} test //a b\n"
    assert machine.asked() == 1
    with (machine.workspace / "MODULE.bazel").open("a") as module:
        module.write("# changed\n")
    machine.run("test", "//...")
    assert machine.asked() == 2


def test_a_bazel_without_a_registry_gives_way_and_is_not_asked_again_at_once(machine: Machine) -> None:
    machine.install_bazel(modules=False)
    first = machine.run("build", "//...")
    assert first.stdout == "airgap rc= build //...\n"
    assert "building the air-gapped way" in first.stderr
    assert machine.run("build", "//...").stderr == ""
    assert machine.asked() == 1
    answer = Path(machine.env["BAZELW_CACHE_DIR"], "connected.no")
    old = answer.stat().st_mtime - 3700
    os.utime(answer, (old, old))
    machine.install_bazel(modules=True)
    assert machine.run("build", "//...").stdout == "bazel build //...\n"


def test_a_bazel_of_another_version_is_not_used(machine: Machine) -> None:
    machine.install_bazel(version="8.0.0")
    assert machine.run("build", "//...").stdout == "airgap rc= build //...\n"


def test_connected_by_hand(machine: Machine) -> None:
    machine.install_bazel(modules=False)
    assert machine.run("build", "//...", BAZELW_MODE="connected").stdout == "bazel build //...\n"
    assert machine.asked() == 0


def test_air_gapped_by_hand(machine: Machine) -> None:
    machine.install_bazel()
    assert machine.run("build", "//...", BAZELW_MODE="airgap").stdout == "airgap rc= build //...\n"


def test_connected_by_hand_without_a_bazel_says_what_to_do(machine: Machine) -> None:
    done = machine.run("build", BAZELW_MODE="connected")
    assert done.returncode == 2
    assert (
        done.stderr
        == f"bazelw: no Bazelisk and no Bazel {VERSION} on PATH: install Bazelisk, or use BAZELW_MODE=airgap\n"
    )


def test_an_unknown_mode_says_which_there_are(machine: Machine) -> None:
    done = machine.run("build", BAZELW_MODE="offline")
    assert done.returncode == 2
    assert done.stderr == "bazelw: BAZELW_MODE is 'offline': set it to connected or airgap, or leave it unset\n"


def test_a_site_registry_and_vendored_modules_reach_bazel_unasked(machine: Machine) -> None:
    machine.install_bazel(modules=False)
    out = machine.run("build", "//...", BAZELW_REGISTRY="file:///registry", BAZELW_VENDOR_DIR="/vendor").stdout
    assert "common --registry=file:///registry\n" in out
    assert "common --vendor_dir=/vendor\n" in out
    assert out.endswith("build //...\n")
    assert machine.asked() == 0


def test_a_site_registry_without_a_bazel_uses_that_of_the_root(machine: Machine) -> None:
    out = machine.run("build", "//...", BAZELW_REGISTRY="file:///registry").stdout
    assert out == "airgap rc=common --registry=file:///registry build //...\n"


def test_the_root_says_what_to_install_when_it_may_not(machine: Machine, tmp_path: Path) -> None:
    for name in ("root.sh", "packages.txt"):
        shutil.copy(f"bazel/airgap/{name}", machine.workspace / "bazel/airgap" / name)
    (machine.bin / "id").unlink()
    machine.script(machine.bin / "id", "echo 1000")
    done = subprocess.run(
        [str(machine.workspace / "bazel/airgap/root.sh")],
        env=machine.env,
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "sudo apt-get install mmdebstrap bubblewrap" in done.stderr
    assert done.stdout == ""
