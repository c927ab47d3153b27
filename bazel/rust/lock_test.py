"""The lock of crates: how it is made, and that it is whole."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from bazel.records import LockError
from bazel.rust.lock import LOCK, MANIFEST, reduced


def test_a_lock_has_each_crate_and_its_hash() -> None:
    crate = {"name": "a", "version": "1.0.0", "source": "registry", "checksum": "00"}
    assert reduced({"package": [crate, {"name": "driver", "version": "0.0.0"}]}) == [
        {"name": "a", "version": "1.0.0", "sha256": "00"}
    ]
    with pytest.raises(LockError, match="no checksum for a"):
        reduced({"package": [{"name": "a", "version": "1.0.0"}]})


def test_the_lock_is_whole_and_of_the_manifest() -> None:
    crates = json.loads(Path(LOCK).read_text())
    assert all(re.fullmatch("[0-9a-f]{64}", crate["sha256"]) for crate in crates)
    wanted = tomllib.loads(Path(MANIFEST).read_text())["dependencies"]
    locked = {(crate["name"], "=" + crate["version"]) for crate in crates}
    assert ("rmcp", wanted["rmcp"]["version"]) in locked
    assert wanted.keys() <= {crate["name"] for crate in crates}
