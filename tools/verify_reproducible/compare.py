"""Compares what two builds made: the folders of //tools/release:artifacts."""

import hashlib
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

from tools.release import oci


def digests(artifacts: Path) -> dict[str, str]:
    """sha256 of each file, by its path in the folder."""
    files = (file for file in sorted(artifacts.rglob("*")) if file.is_file())
    return {str(f.relative_to(artifacts)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def parts(artifacts: Path) -> Iterator[tuple[str, object]]:
    """Return what a build made, each part with its name: files, and of each image first what its layers hold."""
    yield from ((name, sha256) for name, sha256 in digests(artifacts).items() if not name.startswith("images/"))
    for layout in sorted((artifacts / "images").iterdir()):
        for image in oci.images(layout):
            where = f"image {layout.name} for {image.architecture}"
            manifest = json.loads(oci.blob(layout, image.digest).read_text())
            config = json.loads(oci.blob(layout, manifest["config"]["digest"]).read_text())
            for number, (layer, history) in enumerate(zip(manifest["layers"], config["history"], strict=True)):
                label = f"{where}: layer {number} ({history['created_by']}): "
                with tarfile.open(oci.blob(layout, layer["digest"])) as archive:
                    for member in archive:
                        file = archive.extractfile(member) if member.isfile() else None
                        yield f"{label}/{member.name}: content", hashlib.sha256(file.read() if file else b"").digest()
                        for field in ("mode", "uid", "gid", "mtime", "type", "linkname"):
                            yield f"{label}/{member.name}: {field}", getattr(member, field)
                yield f"{label}the archive", layer["digest"]
            yield from ((f"{where}: configuration: {key}", value) for key, value in config.items())
            yield f"{where}: the manifest", image.digest


def differences(one: Path, other: Path) -> list[str]:
    """Return the names of the parts that differ, those nearest to the cause first; empty for equal builds."""
    if digests(one) == digests(other):
        return []
    ours, theirs = dict(parts(one)), dict(parts(other))
    return [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)] or ["files beside the images"]
