"""The lock's own logic; Maven itself is asked by `bazel run //tools:lock_elasticsearch`."""

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bazel.elasticsearch.lock import Jar, jar, lock, pom, resolve
from bazel.records import LockError

FOLDER = Path("bazel/elasticsearch")


def entry(name: str) -> Jar:
    return Jar(name, name.replace(":", "/") + ".jar", "0" * 64)


def test_a_pom_depends_on_the_artifacts() -> None:
    root = ElementTree.fromstring(pom(["a.b:c:1", "d:e&f:2"]))
    space = "{http://maven.apache.org/POM/4.0.0}"
    found = [[part.text for part in dependency] for dependency in root.iter(f"{space}dependency")]
    assert found == [["a.b", "c", "1"], ["d", "e&f", "2"]]


@pytest.mark.parametrize("artifact", ["a:b", "a:b:1:2", "a::1", ""])
def test_an_artifact_that_is_none_is_named(artifact: str) -> None:
    with pytest.raises(LockError, match=re.escape(f"'{artifact}' is not group:artifact:version")):
        pom([artifact])


def test_a_jar_is_named_by_its_place(tmp_path: Path) -> None:
    file = tmp_path / "org/example/thing/1.2/thing-1.2.jar"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"bytes")
    assert jar(tmp_path, file) == (
        "org.example:thing:1.2", "org/example/thing/1.2/thing-1.2.jar", hashlib.sha256(b"bytes").hexdigest()
    )  # fmt: skip


def test_an_artifact_is_in_the_first_set_that_needs_it() -> None:
    needed = {"a": [entry("g:a:1"), entry("g:common:1")], "b": [entry("g:b:1"), entry("g:common:1")]}
    config = {"product": "p", "version": "1", "modules": {}, "sets": {"first": ["a"], "second": ["b"]}}
    content = lock(config, lambda names: needed[names[0]])
    names = {name: [j["name"] for j in jars] for name, jars in content["sets"].items()}
    assert names == {"first": ["g:a:1", "g:common:1"], "second": ["g:b:1"]}


def test_two_versions_of_an_artifact_are_refused() -> None:
    def needed(names: Sequence[str]) -> list[Jar]:
        return [entry(f"g:common:{len(names)}")]

    with pytest.raises(LockError, match="set second needs g:common:2, but another needs version 1"):
        lock({"version": "1", "sets": {"first": ["a"], "second": ["a", "b"]}}, needed)


def test_without_maven_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LockError, match="install Maven"):
        resolve(["a:b:1"])


def test_when_maven_fails_its_first_error_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mvn = tmp_path / "mvn"
    mvn.write_text("#!/bin/sh\necho '[WARNING] x'\necho '[ERROR] no such artifact'\nexit 1\n")
    mvn.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(LockError, match="no such artifact"):
        resolve(["a:b:1"])


@pytest.mark.parametrize(
    ("name", "version", "fewest"),
    [
        ("lock.json", "8.11.4", 41),
        ("mcp.json", "2.1.0", 13),
        ("opensearch2.json", "2.19.6", 41),
        ("opensearch3.json", "3.3.2", 41),
    ],
)
def test_a_lock_names_files_and_no_repository(name: str, version: str, fewest: int) -> None:
    text = (FOLDER / name).read_text()
    content = json.loads(text)
    assert content["version"] == version
    assert content["modules"].keys() <= content["sets"].keys()
    jars = [j for jars in content["sets"].values() for j in jars]
    assert len({j["name"] for j in jars}) == len(jars) >= fewest
    for j in jars:
        group, artifact, version = j["name"].split(":")
        assert j["path"] == f"{group.replace('.', '/')}/{artifact}/{version}/{artifact}-{version}.jar"
        assert re.fullmatch("[0-9a-f]{64}", j["sha256"])
    assert "://" not in text
