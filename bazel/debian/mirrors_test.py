"""bazel/debian/mirrors.sh finds where Debian's archives are had from, in both formats of sources.list(5)."""

import os
import tempfile
from pathlib import Path

import pytest

from tools.backends.machine import Machine
from tools.backends.process import ran

ONE_LINE = """\
# deb http://commented.example/debian bookworm main
deb [arch=amd64 signed-by=/k.gpg] http://third.example/tool stable-tool main
deb [signed-by=/usr/share/keyrings/x.gpg] https://mirror.example/debian/ bookworm main
deb-src http://source.example/debian bookworm main
deb http://security.example/debian-security bookworm-security main
"""
DEB822 = """\
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Enabled: no

Types: deb
# a comment
URIs: http://new.example/debian
Suites: bookworm bookworm-updates
Components: main

Types: deb
URIs: http://new.example/debian-security/
Suites: bookworm-security
Components: main
"""


def mirrors(etc: Path, *args: str, **env: str) -> list[str]:
    done = ran("bazel/debian/mirrors.sh", *(args or ["debian"]), env={"PATH": os.environ["PATH"], "BAZELW_ETC": str(etc)} | env)
    assert done.stderr == ""
    assert done.returncode == 0
    return done.stdout.split()


def no_mirror(etc: Path, archive: str = "debian") -> str:
    """Return the one line that says what to do, on a machine without apt."""
    machine = Machine(Path(tempfile.mkdtemp(dir=etc)), ("awk", "bash", "env", "grep", "sed", "tr", "uname"))
    done = ran("bazel/debian/mirrors.sh", archive, "20261124T000000Z", env={"PATH": str(machine.bin), "BAZELW_ETC": str(etc)})
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    return line


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    (tmp_path / "apt/sources.list.d").mkdir(parents=True)
    (tmp_path / "os-release").write_text('ID=debian\nVERSION_ID="12"\n')
    return tmp_path


@pytest.mark.parametrize("file", ["apt/sources.list", "apt/sources.list.d/debian.list"])
def test_one_line_format(etc: Path, file: str) -> None:
    (etc / file).write_text(ONE_LINE)
    assert mirrors(etc) == ["https://mirror.example/debian"]
    assert mirrors(etc, "debian-security") == ["http://security.example/debian-security"]


def test_deb822_format(etc: Path) -> None:
    (etc / "apt/sources.list.d/debian.sources").write_text(DEB822)
    assert mirrors(etc) == ["http://new.example/debian"]
    assert mirrors(etc, "debian-security") == ["http://new.example/debian-security"]


def test_set_by_hand_wins(etc: Path) -> None:
    (etc / "apt/sources.list").write_text(ONE_LINE)
    assert mirrors(etc, DEBIAN_MIRROR="http://a.example http://b.example/") == ["http://a.example", "http://b.example"]
    assert mirrors(etc, "debian-security", DEBIAN_SECURITY_MIRROR="http://s.example") == ["http://s.example"]


@pytest.mark.parametrize(
    ("release", "system"),
    [
        ('ID=ubuntu\nPRETTY_NAME="Ubuntu 24.04.1 LTS"\n', "Ubuntu 24.04.1 LTS"),
        (None, os.uname().sysname),
    ],
)
def test_another_system_is_told_what_to_set(etc: Path, release: str | None, system: str) -> None:
    if release:
        (etc / "os-release").write_text(release)
    else:
        (etc / "os-release").unlink()
    (etc / "apt/sources.list").write_text("deb http://ubuntu.example/ubuntu noble main\n")
    line = no_mirror(etc)
    assert line.startswith(f"this machine ({system}) has no mirror of the archive debian in its settings: set DEBIAN_MIRROR to ")
    assert "DEBIAN_SNAPSHOT" in line
    assert "set DEBIAN_SECURITY_MIRROR to " in no_mirror(etc, "debian-security")
    assert mirrors(etc, DEBIAN_MIRROR="http://a.example") == ["http://a.example"]


def test_a_debian_without_configuration_is_told_what_to_set(etc: Path) -> None:
    (etc / "os-release").write_text('ID=debian\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n')
    assert no_mirror(etc).startswith("this machine (Debian GNU/Linux 12 (bookworm)) has no mirror of the archive debian ")


def test_a_question_without_a_package_is_answered_in_silence(etc: Path) -> None:
    done = ran("bazel/debian/mirrors.sh", "debian", env={"PATH": os.environ["PATH"], "BAZELW_ETC": str(etc)})
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")


def test_a_snapshot_comes_last(etc: Path) -> None:
    (etc / "apt/sources.list").write_text(ONE_LINE)
    found = mirrors(etc, "debian", "20261124T000000Z", DEBIAN_SNAPSHOT="http://snapshot.example/archive/")
    assert found == ["https://mirror.example/debian", "http://snapshot.example/archive/debian/20261124T000000Z"]


def test_the_snapshot_archive_that_apt_names(etc: Path, tmp_path: Path) -> None:
    apt_config = tmp_path / "apt-config"
    apt_config.write_text(
        "#!/bin/sh\n"
        "echo 'Acquire::Snapshots::URI::Origin::Debian \"https://old.example/debian/@SNAPSHOTID@/\";'\n"
        "echo 'Acquire::Snapshots::URI::Override::Label::Debian-Security \"https://old.example/sec/@SNAPSHOTID@/\";'\n"
    )
    apt_config.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    assert mirrors(etc, "debian", "20261124T000000Z", PATH=path) == ["https://old.example/debian/20261124T000000Z"]
    assert mirrors(etc, "debian-security", "20261124T000000Z", PATH=path) == ["https://old.example/sec/20261124T000000Z"]
