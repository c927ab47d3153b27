"""./bazelw chooses its way: what it starts, with which arguments, and what it says.

Most Bazels here are scripts that write down how they were called: the choice is what is tested, and a machine has one state
only. What Bazel itself says of a registry comes from a real one.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tools.backends.machine import Machine
from tools.backends.process import ran

VERSION = "7.7.1"
TOOLS = (
    *("bash", "cat", "cksum", "cut", "dirname", "echo", "env", "find", "grep", "head", "id", "mkdir", "rm", "sed"),
    *("sha256sum", "tail", "timeout", "uname", "xargs"),
)


class Workspace(Machine):
    """A machine with a workspace that has the real bazelw, and a cache folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, TOOLS)
        self.workspace = folder / "workspace"
        self.calls = folder / "calls"
        (self.workspace / "bazel/airgap").mkdir(parents=True)
        for name in ("bazelw", "MODULE.bazel"):
            shutil.copy(name, self.workspace / name)
        (self.workspace / ".bazelversion").write_text(VERSION + "\n")
        self.install("bazel.sh", 'echo "airgap rc=$(cat ${BAZELW_RC:-/dev/null}) $*"')
        (self.workspace / "bazel/airgap/bazel.sh").symlink_to(self.bin / "bazel.sh")
        self.env = {"PATH": str(self.bin), "HOME": str(folder), "BAZELW_CACHE_DIR": str(folder / "cache")}

    def install_bazel(self, name: str = "bazel", version: str = VERSION, error: str = "", status: int = 0) -> None:
        """Put a Bazel on the PATH that answers --version and a query, and else prints its arguments and rc files.

        The query ends with `status`, and `error` on standard error.
        """
        self.install(
            name,
            f'''echo "{name} $*" >>{self.calls}
case "$1" in
  --version) echo "bazel {version}" ;;
  --noblock_for_lock) echo "{error}" >&2; exit {status} ;;
  *) for word in "$@"; do case $word in --bazelrc=*) cat "${{word#--bazelrc=}}" ;; esac; done; echo "{name} $*" ;;
esac''',
        )

    def run(self, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
        return ran(str(self.workspace / "bazelw"), *args, cwd=self.workspace, env=self.env | env, timeout=400)

    def asked(self) -> int:
        """Return how often a Bazel was asked whether it gets its modules."""
        return self.calls.read_text().count(" query ") if self.calls.exists() else 0


@pytest.fixture
def machine(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


AIRGAP, CONNECTED = "airgap rc= build //...\n", "bazel build //...\n"
BUSY = "Another command is running. Exiting immediately."


@pytest.mark.parametrize(
    ("installed", "env", "out"),
    [
        (None, {}, AIRGAP),
        ({"version": "8.0.0"}, {}, AIRGAP),
        ({"error": BUSY, "status": 9}, {}, CONNECTED),
        ({"status": 1}, {"BAZELW_MODE": "connected"}, CONNECTED),
        ({}, {"BAZELW_MODE": "airgap"}, AIRGAP),
        (None, {"BAZELW_REGISTRY": "file:///r"}, "airgap rc=common --registry=file:///r build //...\n"),
    ],
)
def test_the_way_is_that_of_the_machine_or_of_the_settings(
    machine: Workspace, installed: dict[str, Any] | None, env: dict[str, str], out: str
) -> None:
    if installed is not None:
        machine.install_bazel(**installed)
    assert machine.run("build", "//...", **env).stdout == out
    assert not (env and machine.asked()), "who has chosen is not asked"


@pytest.mark.parametrize("name", ["bazel", "bazelisk"])
def test_a_bazel_that_gets_its_modules_is_used_and_asked_once(machine: Workspace, name: str) -> None:
    machine.install_bazel(name)
    for _ in range(2):
        assert machine.run("test", "//a b").stdout == f"{name} test //a b\n"
    assert machine.asked() == 1
    with (machine.workspace / "MODULE.bazel").open("a") as module:
        module.write("# changed\n")
    machine.run("test", "//...")
    assert machine.asked() == 2


UNREACHABLE = "ERROR: Error accessing registry https://registry.invalid: Unknown host: registry.invalid"
BY_HAND = "bazelw: building the air-gapped way; BAZELW_MODE=connected or BAZELW_MODE=airgap chooses by hand\n"


def test_a_bazel_without_a_registry_gives_way_says_why_and_is_not_asked_again_at_once(machine: Workspace) -> None:
    machine.install_bazel(error=f"INFO: something\n{UNREACHABLE}\nINFO: more", status=1)
    first = machine.run("build", "//...")
    assert first.stdout == "airgap rc= build //...\n"
    assert first.stderr.endswith(f"bazelw: Bazel does not get its modules: {UNREACHABLE}\n{BY_HAND}")
    second = machine.run("build", "//...")
    assert second.stdout == "airgap rc= build //...\n"
    assert second.stderr == (f"bazelw: Bazel does not get its modules: {UNREACHABLE} (asked within the last hour)\n{BY_HAND}")
    assert machine.asked() == 1
    answer = Path(machine.env["BAZELW_CACHE_DIR"], "connected.no")
    old = answer.stat().st_mtime - 3700
    os.utime(answer, (old, old))
    machine.install_bazel()
    assert machine.run("build", "//...").stdout == "bazel build //...\n"


def test_a_bazelisk_that_gets_no_bazel_says_its_last_line(machine: Workspace) -> None:
    machine.install_bazel("bazelisk", error="downloading\ncould not resolve the version", status=1)
    done = machine.run("build", "//...")
    assert done.stdout == "airgap rc= build //...\n"
    assert "bazelw: Bazel does not get its modules: could not resolve the version\n" in done.stderr


@pytest.mark.parametrize(
    "line",
    [
        "ERROR: in module dependency chain <root> -> a@1: module a@1 not found in registries:",
        "ERROR: Yanked version detected in your resolved dependency graph: a@1, for the reason: it is broken.",
    ],
)
def test_a_module_that_the_registry_does_not_give_is_an_error(machine: Workspace, line: str) -> None:
    machine.install_bazel(error=line, status=1)
    for _ in range(2):
        done = machine.run("build", "//...")
        assert done.returncode == 2
        assert done.stdout == ""
        assert f"bazelw: {line}\n" in done.stderr
        assert "name one in MODULE.bazel that it has" in done.stderr


def test_another_system_than_linux_takes_the_connected_way_unasked(machine: Workspace) -> None:
    (machine.bin / "uname").unlink()
    machine.install("uname", "echo Darwin")
    (machine.bin / "timeout").unlink()
    done = machine.run("build", "//...")
    assert done.returncode == 2
    assert done.stderr == f"bazelw: no Bazelisk and no Bazel {VERSION} on PATH: install Bazelisk\n"
    machine.install_bazel()
    assert machine.run("build", "//...").stdout == "bazel build //...\n"
    assert machine.asked() == 0


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A machine with a real Bazel, and a workspace that needs version 2.0 of a module."""
    bazel = shutil.which("bazel")
    if not bazel:
        pytest.skip("no Bazel on PATH")
    folder = tmp_path_factory.mktemp("real")
    machine = Workspace(folder)
    flags = [f"--output_user_root={folder}/output", "--max_idle_secs=300", "--nohome_rc", "--nosystem_rc"]
    if Path("/usr/share/bazel/A-server.jar").exists():  # Debian's
        flags += ["--install_base=/usr/share/bazel", "--trust_install_base"]
    command = " ".join([bazel, *flags])
    path = f"PATH={os.environ['PATH']}"
    version = f'[[ $1 == --version ]] && {{ echo "bazel {VERSION}"; exit; }}'
    machine.install("bazel", f'{version}\necho "$*" >>{machine.calls}\n{path} exec {command} "$@"')
    (machine.workspace / "MODULE.bazel").write_text('bazel_dep(name = "wanted", version = "2.0")\n')
    (machine.workspace / "bazel/airgap/BUILD.bazel").write_text('filegroup(name = "enabled")\n')
    yield machine
    subprocess.run([machine.bin / "bazel", "shutdown"], cwd=machine.workspace, env=machine.env, check=True)


NEEDED_BY_BAZEL = {
    "apple_support": {"1.23.1"},
    "buildozer": {"7.1.2"},
    "platforms": {"0.0.7", "0.0.9"},
    "protobuf": {"3.19.6"},
    "rules_cc": {"0.0.11"},
    "rules_java": {"7.6.5"},
    "rules_license": {"0.0.3"},
    "rules_proto": {"4.0.0"},
    "rules_python": {"0.22.1"},
    "zlib": {"1.3.1.bcr.3"},
}
"""Modules that Bazel 7.7.1 adds to every workspace."""


def registry(folder: Path, modules: dict[str, set[str]]) -> str:
    """Write a registry (https://bazel.build/external/registry) of empty modules with these versions, and return its address."""
    for name, versions in (modules | NEEDED_BY_BAZEL).items():
        for version in versions:
            (folder / "modules" / name / version).mkdir(parents=True)
            text = f'module(name = "{name}", version = "{version}")\n'
            (folder / "modules" / name / version / "MODULE.bazel").write_text(text)
            source = {"type": "local_path", "path": str(folder)}
            (folder / "modules" / name / version / "source.json").write_text(json.dumps(source))
    return folder.as_uri()


def run_with(machine: Workspace, address: str, cache: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run bazelw where Bazel's settings name a registry, with nothing answered before."""
    (machine.workspace / ".bazelrc").write_text(f"common --registry={address} --lockfile_mode=off\n")
    return machine.run(*args, BAZELW_CACHE_DIR=str(cache))


def test_a_registry_in_a_folder_that_lacks_a_version(real: Workspace, tmp_path: Path) -> None:
    done = run_with(real, registry(tmp_path, {"wanted": {"1.0"}}), tmp_path, "build", "//...")
    assert done.returncode == 2, done.stderr
    assert "module wanted@2.0 not found in registries" in done.stderr
    assert done.stdout == ""


def test_a_registry_in_a_folder_that_has_it(real: Workspace, tmp_path: Path) -> None:
    address = registry(tmp_path, {"wanted": {"1.0", "2.0"}})
    done = run_with(real, address, tmp_path, "query", "//bazel/airgap:enabled")
    assert done.stdout == "//bazel/airgap:enabled\n", done.stderr


def test_a_registry_that_can_not_be_reached(real: Workspace, tmp_path: Path) -> None:
    done = run_with(real, "https://registry.invalid", tmp_path, "build", "//...")
    assert done.stdout == "airgap rc= build //...\n", done.stderr
    assert "bazelw: Bazel does not get its modules: ERROR: " in done.stderr
    assert "https://registry.invalid" in done.stderr
    assert done.stderr.endswith(BY_HAND)


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("connected", f"no Bazelisk and no Bazel {VERSION} on PATH: install Bazelisk, or use BAZELW_MODE=airgap"),
        ("offline", "BAZELW_MODE is 'offline': set it to connected or airgap, or leave it unset"),
    ],
)
def test_a_mode_that_can_not_be_says_what_to_do(machine: Workspace, mode: str, said: str) -> None:
    done = machine.run("build", BAZELW_MODE=mode)
    assert (done.returncode, done.stderr) == (2, f"bazelw: {said}\n")


def test_a_site_registry_and_vendored_modules_reach_bazel_unasked(machine: Workspace) -> None:
    machine.install_bazel(status=1)
    out = machine.run("build", "//...", BAZELW_REGISTRY="file:///registry", BAZELW_VENDOR_DIR="/vendor").stdout
    assert "common --registry=file:///registry\n" in out
    assert "common --vendor_dir=/vendor\n" in out
    assert out.endswith("build //...\n")
    assert machine.asked() == 0


def test_the_root_says_what_to_install_when_it_may_not(machine: Workspace, tmp_path: Path) -> None:
    for name in ("root.sh", "packages.txt"):
        shutil.copy(f"bazel/airgap/{name}", machine.workspace / "bazel/airgap" / name)
    (machine.bin / "id").unlink()
    machine.install("id", "echo 1000")
    done = ran(str(machine.workspace / "bazel/airgap/root.sh"), env=machine.env, timeout=60)
    assert done.returncode == 2
    assert "sudo apt-get install mmdebstrap bubblewrap" in done.stderr
    assert done.stdout == ""
