"""The stand-in for pip.parse takes the locked wheels, their hashes checked, and no others."""

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tools.backends.process import ran
from tools.backends.runfiles import program


def wheel(folder: Path, name: str, requires: str = "") -> str:
    """Writes NAME-1.0-py3-none-any.whl; its line of a lock."""
    file = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"{name}/__init__.py", "")
        archive.writestr(f"{name}-1.0.data/scripts/{name}", "#!python\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{requires}")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return f"{name}==1.0 \\\n    --hash=sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}\n"


class Hub:
    """An index that is a folder, and the repository that pip.parse would make of a lock."""

    def __init__(self, folder: Path) -> None:
        self.index, self.repository, self.lock = folder / "index", folder / "hub", folder / "requirements.txt"
        self.index.mkdir()
        self.repository.mkdir()

    def fetch(self) -> subprocess.CompletedProcess[str]:
        index = ("--no-index", f"--find-links={self.index}", "--only-binary=:all:", "--platform=manylinux_2_17_x86_64")
        return ran(sys.executable, program("STAND_IN"), self.lock, "3.11", *index, cwd=self.repository)


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return Hub(tmp_path)


def test_wheels_come_with_what_they_require_on_this_platform(hub: Hub) -> None:
    requires = (
        "Requires-Dist: leaf; sys_platform == 'linux'\n"
        "Requires-Dist: other; sys_platform == 'win32'\n"
        "Requires-Dist: other; extra == 'more'\n"
        "Provides-Extra: more\n"
    )
    hub.lock.write_text(wheel(hub.index, "leaf") + wheel(hub.index, "other") + wheel(hub.index, "top", requires))
    done = hub.fetch()
    assert done.returncode == 0, done.stderr
    wheels = json.loads(done.stdout)
    assert {name: w["deps"] for name, w in wheels.items()} == {"leaf": [], "other": [], "top": ["leaf"]}
    assert (hub.repository / "top/top-1.0-py3-none-any.whl").exists()
    assert (hub.repository / "top/site-packages/top/__init__.py").exists()
    assert (hub.repository / "top/bin/top").stat().st_mode & 0o111


def test_an_extra_of_the_lock_brings_its_requirement(hub: Hub) -> None:
    requires = "Requires-Dist: leaf; extra == 'more'\nProvides-Extra: more\n"
    lock = wheel(hub.index, "leaf") + wheel(hub.index, "top", requires).replace("top==", "top[more]==")
    hub.lock.write_text(lock)
    assert json.loads(hub.fetch().stdout)["top"]["deps"] == ["leaf"]


def test_a_changed_byte_is_refused_in_one_line_that_names_the_wheel(hub: Hub) -> None:
    hub.lock.write_text(wheel(hub.index, "leaf"))
    file = hub.index / "leaf-1.0-py3-none-any.whl"
    content = file.read_bytes()
    file.write_bytes(content.replace(b"leaf/__init__.py", b"leaf/__Init__.py"))
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    done = hub.fetch()
    assert done.returncode != 0
    assert done.stderr.splitlines()[-1] == (
        f"wheel leaf==1.0 has sha256 {found}, which requirements.txt does not list: do not use it"
    )
    assert not any(hub.repository.glob("leaf/*"))


def test_a_wheel_that_is_not_there_is_named(hub: Hub) -> None:
    hub.lock.write_text(wheel(hub.index, "leaf"))
    (hub.index / "leaf-1.0-py3-none-any.whl").unlink()
    done = hub.fetch()
    assert done.returncode != 0
    assert "leaf==1.0" in done.stderr.splitlines()[-1]


def test_a_requirement_without_a_hash_is_refused(hub: Hub) -> None:
    wheel(hub.index, "leaf")
    hub.lock.write_text("leaf==1.0\n")
    done = hub.fetch()
    assert done.returncode != 0
    assert "pip could not download requirements.txt" in done.stderr.splitlines()[-1]
