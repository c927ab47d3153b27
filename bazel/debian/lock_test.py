"""The lock of Debian packages: how it is made, and that it is whole."""

import json
import re
import tomllib
from pathlib import Path

from debian.deb822 import Packages

from bazel.debian.lock import package

STANZAS = """\
Package: python3.11-minimal
Version: 3.11.2-6
Architecture: amd64
Pre-Depends: libc6 (>= 2.35)
Depends: libpython3.11-minimal (= 3.11.2-6), libc6, libexpat1 (>= 2.1~), python3:any | python3-minimal:any, zlib1g [amd64]
Filename: pool/updates/main/p/python3.11/python3.11-minimal_3.11.2-6_amd64.deb
Size: 2064204
SHA256: aa
Description: Minimal subset
 of the Python language
 .
 more

Package: tzdata
Version: 2026a-0
Architecture: all
Filename: pool/main/t/tzdata/tzdata_2026a-0_all.deb
Size: 1
SHA256: bb
"""


def test_a_package_of_the_security_archive_with_its_dependencies() -> None:
    first, second = (package(fields, "arm64") for fields in Packages.iter_paragraphs(STANZAS, use_apt_pkg=False))
    assert (first.archive, first.size) == ("debian-security", 2064204)
    assert first.depends == ("libc6", "libpython3.11-minimal", "libexpat1", "python3", "zlib1g")
    assert (second.archive, second.architecture, second.depends) == ("debian", "arm64", ())
    assert "depends" not in second.locked()


def test_the_lock_is_whole_and_names_no_mirror() -> None:
    text = Path("bazel/debian/lock.json").read_text()
    lock = json.loads(text)
    config = tomllib.loads(Path("bazel/debian/packages.toml").read_text())
    assert "://" not in text
    names = {(p["architecture"], p["name"]) for p in lock["packages"]}
    assert len(names) == len(lock["packages"])
    assert set(lock["sets"]) == set(config["sets"])
    for architecture in config["architectures"]:
        for name, members in lock["sets"].items():
            assert set(config["sets"][name]) <= set(members)
            assert {(architecture, member) for member in members} <= names
    for locked in lock["packages"]:
        assert re.fullmatch(r"[0-9a-f]{64}", locked["sha256"])
        assert re.fullmatch(r"pool/[^:]+_(all|amd64|arm64)\.deb", locked["path"])
