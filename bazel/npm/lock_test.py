"""What the lock of npm packages says and leaves out."""

import json
from pathlib import Path
from typing import Any

import pytest

from bazel.npm.lock import FOLDERS, KEPT, lock
from bazel.records import LockError

RESOLVED = {
    "name": "fetch",
    "lockfileVersion": 3,
    "packages": {
        "": {"dependencies": {"a": "1.0.0"}},
        "node_modules/a": {
            "version": "1.0.0",
            "resolved": "https://registry.example/a/-/a-1.0.0.tgz",
            "integrity": "sha512-AAAA",
            "license": "MIT",
            "funding": {"url": "https://fund.example"},
            "dependencies": {"b": "^2"},
        },
    },
}


def test_it_keeps_versions_and_hashes_and_no_address() -> None:
    content = lock("{}", "locked", lambda *given: RESOLVED if given == ("{}", "locked") else {})
    assert "://" not in content
    assert json.loads(content)["packages"]["node_modules/a"] == {
        "version": "1.0.0",
        "integrity": "sha512-AAAA",
        "dependencies": {"b": "^2"},
    }


@pytest.mark.parametrize(
    ("system", "there"),
    [
        ({}, True),
        ({"os": ["linux"], "cpu": ["arm64"], "libc": ["glibc"]}, True),
        ({"os": ["!win32"]}, True),
        ({"os": ["darwin"], "cpu": ["arm64"]}, False),
        ({"os": ["linux"], "cpu": ["x64"], "libc": ["musl"]}, False),
    ],
)
def test_an_optional_package_for_another_system_stays_out(system: dict[str, Any], there: bool) -> None:
    package = {"version": "1.0.0", "integrity": "sha512-AAAA", "optional": True} | system
    packages = {"": {"optionalDependencies": {"a": "1.0.0"}}, "node_modules/a": package}
    found = json.loads(lock("{}", "", lambda *_: {"lockfileVersion": 3, "packages": packages}))["packages"]
    assert ("node_modules/a" in found) == ("a" in found[""]["optionalDependencies"]) == there


@pytest.mark.parametrize("integrity", [{}, {"integrity": "sha1-AAAA"}])
def test_a_package_without_a_strong_hash_is_refused(integrity: dict[str, str]) -> None:
    packages: dict[str, Any] = {"node_modules/a": {"version": "1.0.0"} | integrity}
    with pytest.raises(LockError, match="node_modules/a"):
        lock("{}", "", lambda *_: {"lockfileVersion": 3, "packages": packages})


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_lock_is_made_of_the_manifest(folder: str) -> None:
    manifest = json.loads(Path(folder, "package.json").read_text())
    content = Path(folder, "package-lock.json").read_text()
    packages = json.loads(content)["packages"]
    assert packages[""] == {key: manifest[key] for key in ("dependencies", "optionalDependencies") if key in manifest}
    for path, package in packages.items():
        assert set(package) <= set(KEPT)
        assert not path or package["integrity"].startswith("sha512-")
    assert "://" not in content
