"""bazel/airgap/mirror.sh finds the machine's Debian mirror in both formats of sources.list(5)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

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


def mirror(etc: Path, archive: str = "debian", **env: str) -> tuple[int, str]:
    done = subprocess.run(
        ["bazel/airgap/mirror.sh", archive],
        env={"PATH": os.environ["PATH"], "BAZELW_ETC": str(etc)} | env,
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout.strip()


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    (tmp_path / "apt/sources.list.d").mkdir(parents=True)
    (tmp_path / "os-release").write_text('ID=debian\nVERSION_ID="12"\n')
    return tmp_path


@pytest.mark.parametrize("file", ["apt/sources.list", "apt/sources.list.d/debian.list"])
def test_one_line_format(etc: Path, file: str) -> None:
    (etc / file).write_text(ONE_LINE)
    assert mirror(etc) == (0, "https://mirror.example/debian")
    assert mirror(etc, "debian-security") == (0, "http://security.example/debian-security")


def test_deb822_format(etc: Path) -> None:
    (etc / "apt/sources.list.d/debian.sources").write_text(DEB822)
    assert mirror(etc) == (0, "http://new.example/debian")
    assert mirror(etc, "debian-security") == (0, "http://new.example/debian-security")


def test_set_by_hand_wins(etc: Path) -> None:
    (etc / "apt/sources.list").write_text(ONE_LINE)
    assert mirror(etc, DEBIAN_MIRROR="http://a.example http://b.example") == (0, "http://a.example")
    assert mirror(etc, "debian-security", DEBIAN_SECURITY_MIRROR="http://s.example") == (0, "http://s.example")


def test_another_system_has_none(etc: Path) -> None:
    (etc / "os-release").write_text("ID=ubuntu\n")
    (etc / "apt/sources.list").write_text("deb http://ubuntu.example/ubuntu noble main\n")
    assert mirror(etc) == (1, "")


def test_no_configuration_has_none(etc: Path) -> None:
    assert mirror(etc) == (1, "")
