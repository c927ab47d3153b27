"""Pushes what a release consists of. Nothing is tagged before all of it is there, and what is there already stays."""

import json
import os
import tempfile
from pathlib import Path
from typing import NamedTuple

from tools.release import oci, provenance
from tools.release.errors import ReleaseError
from tools.release.registry import Registry
from tools.release.stamp import stamp

CHARTS = "charts"
"""Folder of the charts below the registry's name."""


class Sources(NamedTuple):
    """What artifacts were built from."""

    folder: Path
    commit: str
    version: str


class Published(NamedTuple):
    """What a registry has after a release: digests by repository, and the files for people to download."""

    digests: dict[str, str]
    files: dict[str, bytes]
    pushed: int  # manifests and tags that were not there before


def repository(image: str) -> str:
    return f"mcp/{image}"


def chart_package(artifacts: Path, registry: str) -> tuple[str, bytes]:
    """Name and content of the chart's package, which names the images of this release in this registry."""
    (package,) = artifacts.glob("*.tgz")
    digests = {layout.name: oci.top(layout).digest for layout in (artifacts / "images").iterdir()}
    return package.name, stamp(package.read_bytes(), registry, digests)


def check_tags(artifacts: Path, registry: Registry, version: str) -> None:
    """Raise ReleaseError if a tag of this version names something else than what will be pushed."""
    refused = "{} is there as {}, and this release would be {}: a version is never changed, release another one"
    for layout in sorted((artifacts / "images").iterdir()):
        name, ours = f"{repository(layout.name)}:{version}", oci.top(layout).digest
        theirs = registry.digest(name)
        if theirs not in (None, ours):
            raise ReleaseError(refused.format(f"{registry.name}/{name}", theirs, ours))
    _, package = chart_package(artifacts, registry.name)
    theirs = _chart_content(registry, version)
    if theirs not in (None, ours := oci.digest(package)):
        raise ReleaseError(refused.format(f"{registry.name}/{CHARTS}/dox-asdlc:{version}", theirs, ours))


def _chart_content(registry: Registry, version: str) -> str | None:
    """Digest of the package that a version of the chart has in the registry."""
    reference = f"{CHARTS}/dox-asdlc:{version}"
    if registry.digest(reference) is None:
        return None
    (layer,) = json.loads(registry.manifest(reference))["layers"]
    return str(layer["digest"])


def publish(artifacts: Path, registry: Registry, sources: Sources, tags: list[str]) -> Published:
    """Push images, SBOMs, provenance and chart, then the tags of the images; the chart has its version.

    ReleaseError: the registry has another thing under a tag of this version, or does not take ours.
    """
    check_tags(artifacts, registry, sources.version)
    digests: dict[str, str] = {}
    files: dict[str, bytes] = {}
    pushed = 0

    def put(layout: Path, name: str, digest: str, what: str) -> None:
        nonlocal pushed
        new = registry.push(layout, name, digest)
        pushed += new
        print(f"{'pushed' if new else 'is there'}  {registry.name}/{name}@{digest}  {what}")

    with tempfile.TemporaryDirectory(prefix="release.") as temporary:

        def refer(name: str, kind: str, file: str, data: bytes, subject: oci.Descriptor) -> None:
            layout = Path(temporary, file)
            put(layout, name, oci.write_artifact(layout, kind, file, data, subject).digest, file)
            files[file] = data

        for layout in sorted((artifacts / "images").iterdir()):
            image, name = layout.name, repository(layout.name)
            index = oci.top(layout)
            put(layout, name, index.digest, "image")
            digests[name] = index.digest
            platforms = oci.images(layout)
            for platform in platforms:
                for kind, suffix in ((oci.SPDX, "spdx.json"), (oci.CYCLONEDX, "cdx.json")):
                    file = f"{image}-{platform.architecture}.{suffix}"
                    refer(name, kind, file, (artifacts / file).read_bytes(), platform)
            statement = provenance.statement(
                [(name, index.digest), *((f"{name}/{p.architecture}", p.digest) for p in platforms)],
                sources.commit,
                sources.version,
                sources.folder,
                [artifacts / f"{image}-{p.architecture}.cdx.json" for p in platforms],
            )
            refer(name, oci.IN_TOTO, f"{image}.provenance.json", _json(statement), index)

        package_name, package = chart_package(artifacts, registry.name)
        name = f"{CHARTS}/dox-asdlc"
        if registry.digest(f"{name}:{sources.version}") is None:
            copy = Path(temporary, package_name)
            copy.write_bytes(package)
            os.utime(copy, (0, 0))
            registry.push_chart(copy, CHARTS)
            pushed += 1
        chart = registry.digest(f"{name}:{sources.version}")
        if chart is None:
            raise ReleaseError(f"{registry.name}/{name} lacks {sources.version} right after it was pushed")
        print(f"chart     {registry.name}/{name}:{sources.version}@{chart}")
        digests[name] = chart
        files[package_name] = package
        subject = oci.Descriptor(oci.MANIFEST, chart, len(registry.manifest(f"{name}@{chart}")))
        statement = provenance.statement(
            [(name, chart), (package_name, oci.digest(package))], sources.commit, sources.version, sources.folder, []
        )
        refer(name, oci.IN_TOTO, "chart.provenance.json", _json(statement), subject)

    for layout in sorted((artifacts / "images").iterdir()):
        name = repository(layout.name)
        for tag in tags:
            new = registry.tag(name, digests[name], tag)
            pushed += new
            print(f"{'tagged' if new else 'is there'}  {registry.name}/{name}:{tag}")
    return Published(digests, files, pushed)


def _json(document: object) -> bytes:
    return (json.dumps(document, indent=2) + "\n").encode()
