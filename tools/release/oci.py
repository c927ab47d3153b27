"""OCI layouts to be pushed: images that Bazel built, and artifacts that refer to them.

Specification: OCI image-spec 1.1, "Guidance for an artifact manifest" and "subject".
"""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
SPDX = "application/spdx+json"
CYCLONEDX = "application/vnd.cyclonedx+json"
IN_TOTO = "application/vnd.in-toto+json"


class Descriptor(NamedTuple):
    """A manifest or index by its content."""

    media_type: str
    digest: str  # sha256:...
    size: int  # bytes
    architecture: str = ""  # of a manifest in an index

    def json(self) -> dict[str, Any]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def blob(layout: Path, digest: str) -> Path:
    """The file of a layout with this digest."""
    return layout / "blobs" / digest.replace(":", "/")


def top(layout: Path) -> Descriptor:
    """The one manifest or index of a layout."""
    (entry,) = json.loads((layout / "index.json").read_text())["manifests"]
    return Descriptor(entry["mediaType"], entry["digest"], entry["size"])


def images(layout: Path) -> list[Descriptor]:
    """The images in the index of a layout, one an architecture."""
    index = json.loads(blob(layout, top(layout).digest).read_text())
    return [
        Descriptor(entry["mediaType"], entry["digest"], entry["size"], entry["platform"]["architecture"])
        for entry in index["manifests"]
    ]


def write_artifact(layout: Path, kind: str, name: str, data: bytes, subject: Descriptor) -> Descriptor:
    """Write a layout with an artifact of one file that refers to a subject. `kind` is the media type of both."""
    blobs = layout / "blobs/sha256"
    blobs.mkdir(parents=True)

    def put(content: bytes) -> str:
        (blobs / digest(content).removeprefix("sha256:")).write_bytes(content)
        return digest(content)

    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": kind,
        # Empty, but of the artifact's type: where a registry has no referrers API, crane enters this one into the tag that
        # stands in for it.
        "config": {"mediaType": kind, "digest": put(b"{}"), "size": 2},
        "layers": [
            {
                "mediaType": kind,
                "digest": put(data),
                "size": len(data),
                "annotations": {"org.opencontainers.image.title": name},
            }
        ],
        "subject": subject.json(),
    }
    raw = json.dumps(manifest, separators=(",", ":")).encode()
    written = Descriptor(MANIFEST, put(raw), len(raw))
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [written.json()]}
    (layout / "index.json").write_text(json.dumps(index))
    (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return written
