"""Renews each lock from its list of artifacts: which file of a Maven repository each jar is, and its hash.

Maven resolves the artifacts, from wherever its settings on this machine say. A lock names files relative to a repository's
root and never a repository.
"""

import hashlib
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

from bazel.records import LockError, dumps, ran, renew

LOCKS = {
    "artifacts.toml": "lock.json",
    "mcp.toml": "mcp.json",
    "opensearch2.toml": "opensearch2.json",
    "opensearch3.toml": "opensearch3.json",
}
"""The lists, and their locks."""

PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1"


class Jar(NamedTuple):
    """A file of a Maven repository."""

    name: str
    """group:artifact:version"""
    path: str
    """relative to the repository's root"""
    sha256: str


def pom(artifacts: Sequence[str]) -> str:
    """Return a project that depends on these artifacts, each group:artifact:version. One written otherwise is a LockError."""
    dependencies = []
    for artifact in artifacts:
        parts = artifact.split(":")
        if len(parts) != 3 or not all(parts):
            raise LockError(f"the artifact '{artifact}' is not group:artifact:version")
        tags = zip(("groupId", "artifactId", "version"), parts, strict=True)
        dependencies.append("<dependency>" + "".join(f"<{t}>{escape(v)}</{t}>" for t, v in tags) + "</dependency>")
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        "<groupId>local</groupId><artifactId>lock</artifactId><version>1</version><packaging>pom</packaging>"
        f"<dependencies>{''.join(dependencies)}</dependencies></project>"
    )


def jar(folder: Path, file: Path) -> Jar:
    """The entry of a file in a folder laid out as a Maven repository: GROUP/ARTIFACT/VERSION/ARTIFACT-VERSION.jar."""
    path = file.relative_to(folder)
    *group, artifact, version, _ = path.parts
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    return Jar(f"{'.'.join(group)}:{artifact}:{version}", path.as_posix(), sha256)


def resolve(artifacts: Sequence[str]) -> list[Jar]:
    """Return the artifacts and what they need to run, or raise LockError with the reason of Maven."""
    with tempfile.TemporaryDirectory(prefix="lock_elasticsearch.") as name:
        folder = Path(name)
        (folder / "pom.xml").write_text(pom(artifacts))
        command = ["mvn", "--batch-mode", "--quiet", f"--file={folder / 'pom.xml'}", f"{PLUGIN}:copy-dependencies"]
        options = [f"-DoutputDirectory={folder / 'jars'}", "-Dmdep.useRepositoryLayout=true", "-DincludeScope=runtime"]
        done = ran(*command, *options, otherwise="install Maven (Debian: apt-get install maven)")
        if done.returncode:
            lines = (done.stdout + done.stderr).splitlines()
            errors = [line for line in lines if "ERROR" in line]
            raise LockError(f"mvn failed: {(errors or lines or ['it gave no reason'])[0]}")
        return sorted(jar(folder / "jars", file) for file in (folder / "jars").rglob("*.jar"))


def lock(config: Mapping[str, Any], resolve: Callable[[Sequence[str]], list[Jar]] = resolve) -> dict[str, Any]:
    """Return the content of a lock for that of its list. LockError if two sets need different versions of an artifact."""
    sets: dict[str, list[dict[str, str]]] = {}
    versions: dict[str, str] = {}
    for name, artifacts in config["sets"].items():
        members = []
        for found in resolve(artifacts):
            artifact, _, version = found.name.rpartition(":")
            if artifact not in versions:
                versions[artifact] = version
                members.append(found._asdict())
            elif versions[artifact] != version:
                raise LockError(
                    f"set {name} needs {found.name}, but another needs version {versions[artifact]}: name one of them"
                )
        sets[name] = members
    return {"product": config["product"], "version": config["version"], "modules": config["modules"], "sets": sets}


def renewed(tree: Path) -> Iterator[str]:
    """Renew each lock of jars from its list of artifacts."""
    folder = tree / "bazel/elasticsearch"
    for source, target in LOCKS.items():
        try:
            content = lock(tomllib.loads((folder / source).read_text()))
        except LockError as error:
            raise LockError(f"{source}: {error}") from None
        (folder / target).write_text(dumps(content, 3) + "\n")
        yield f"{sum(map(len, content['sets'].values()))} jars locked in bazel/elasticsearch/{target}"


if __name__ == "__main__":
    renew("lock_elasticsearch", renewed)
