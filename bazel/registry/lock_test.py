"""MODULE.bazel names versions that the registry has; the lock says which it had, and when."""

import datetime
import json
from pathlib import Path

import pytest

from bazel.records import LockError
from bazel.registry.lock import missing, pins, versions, written

LOCK = json.loads(Path("bazel/registry/lock.json").read_text())


def test_every_pinned_version_was_in_the_registry() -> None:
    assert missing(pins(Path("MODULE.bazel").read_text()), LOCK) == []


def test_the_lock_lists_the_modules_of_module_bazel_and_has_a_date() -> None:
    assert LOCK["modules"].keys() == pins(Path("MODULE.bazel").read_text()).keys()
    assert datetime.date.fromisoformat(LOCK["date"]).isoformat() == LOCK["date"]
    assert written(LOCK["date"], LOCK["modules"]) == Path("bazel/registry/lock.json").read_text()


def test_a_version_that_was_only_tagged_is_missing() -> None:
    lines = missing({"rules_oci": "2.3.2"}, LOCK)
    assert len(lines) == 1
    assert lines[0].startswith(f"rules_oci 2.3.2: the registry did not have it on {LOCK['date']}; it had ")
    assert lines[0].endswith("2.3.0")


def test_pins_of_a_module_file() -> None:
    text = """
module(name = "ours", version = "1")
bazel_dep(name = "a", version = "1.0")
bazel_dep(name = "b", version = "2.0", dev_dependency = True, repo_name = "c")
bazel_dep(name = "d", version = "3.0")
local_path_override(module_name = "d", path = "d")
"""
    assert pins(text) == {"a": "1.0", "b": "2.0"}


def test_yanked_versions_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "modules/a").mkdir(parents=True)
    metadata = {"versions": ["1.0", "1.1", "2.0"], "yanked_versions": {"1.1": "broken"}}
    (tmp_path / "modules/a/metadata.json").write_text(json.dumps(metadata))
    assert versions(tmp_path.as_uri(), "a") == ["1.0", "2.0"]
    with pytest.raises(LockError, match=r"modules/b/metadata\.json"):
        versions(tmp_path.as_uri() + "/", "b")
