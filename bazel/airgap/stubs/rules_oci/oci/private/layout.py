"""Writes OCI layouts, byte for byte as rules_oci 2.3.0 writes them with jq and regctl.

layout.py image LAYOUT DIGEST_FILE SPEC.json, where SPEC has the attributes of oci_image, and each of its layers with its label
layout.py index LAYOUT DIGEST_FILE IMAGE...
layout.py archive LAYOUT ARCHIVE TAG...

Specification: https://github.com/opencontainers/image-spec v1.1. What goes beyond it is what upstream does: the order of
keys is the order in which its script adds them, a manifest ends in the newline of jq, a config does not.
"""

import hashlib
import io
import json
import re
import shutil
import sys
import tarfile
import zlib
from pathlib import Path
from typing import Any

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
EPOCH = "1970-01-01T00:00:00Z"
CHUNK = 1 << 20


def as_jq(value: Any) -> str:
    """JSON as jq prints it, without the newline at its end."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return text.replace("\x7f", "\\u007f")


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Layout:
    """An OCI layout folder being written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.blobs = folder / "blobs/sha256"
        self.blobs.mkdir(parents=True, exist_ok=True)

    def put(self, data: bytes) -> str:
        name = digest(data)
        (self.blobs / name[7:]).write_bytes(data)
        return name

    def finish(self, oci_layout: str, index: str, digest_file: Path) -> None:
        (self.folder / "oci-layout").write_text(oci_layout)
        (self.folder / "index.json").write_text(index)
        digest_file.write_text(json.loads(index)["manifests"][0]["digest"] + "\n")


def environment(variables: list[str]) -> list[str]:
    """NAME=VALUE in their order; ${NAME} of an earlier one is replaced, of an unknown one becomes nothing."""
    known: dict[str, str] = {}
    for variable in variables:
        name, _, value = variable.partition("=")
        known[name] = re.sub(r"\$\{?([a-zA-Z0-9_]+)\}?", lambda match: known.get(match[1], ""), value)
    return [f"{name}={value}" for name, value in known.items()]


def layer(path: Path, label: str) -> tuple[dict[str, Any], str, dict[str, str]]:
    """Descriptor, diff id and history of a layer that is plain or gzip."""
    packed, unpacked, size = hashlib.sha256(), hashlib.sha256(), 0
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        inflate = zlib.decompressobj(wbits=31)
        while chunk := file.read(CHUNK):
            packed.update(chunk)
            size += len(chunk)
            unpacked.update(inflate.decompress(chunk) if compressed else chunk)
        if compressed:
            unpacked.update(inflate.flush())
            if not inflate.eof or inflate.unused_data:
                sys.exit(f"rules_oci stand-in: {path} is not one whole gzip stream")
    descriptor = {
        "size": size,
        "digest": "sha256:" + packed.hexdigest(),
        "mediaType": LAYER + ("+gzip" if compressed else ""),
    }
    return descriptor, "sha256:" + unpacked.hexdigest(), {"created": EPOCH, "created_by": f"bazel build {label}"}


def image(folder: Path, digest_file: Path, spec_file: str) -> None:
    layout, spec = Layout(folder), json.loads(Path(spec_file).read_text())
    rootfs = {"type": "layers", "diff_ids": []}
    config: dict[str, Any] = {"created": EPOCH, "config": {}, "history": [], "rootfs": rootfs}
    config |= spec["platform"]
    descriptors = []
    for path, label in spec["layers"]:
        descriptor, diff_id, history = layer(Path(path), label)
        descriptors.append(descriptor)
        config["rootfs"]["diff_ids"].append(diff_id)
        config["history"].append(history)
        shutil.copyfile(path, layout.blobs / descriptor["digest"][7:])
    run = {
        "Entrypoint": spec["entrypoint"],
        "ExposedPorts": {port: {} for port in spec["exposed_ports"]},
        "Env": environment(spec["env"]),
        "Labels": spec["labels"],
        "User": spec["user"],
    }
    config["config"] = {name: value for name, value in run.items() if value}
    data = as_jq(config).encode()
    manifest: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "size": len(data), "digest": layout.put(data)},
        "layers": descriptors,
    }
    raw = (as_jq(manifest) + "\n").encode()
    entry = {"mediaType": MANIFEST, "digest": layout.put(raw), "size": len(raw)}
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}
    layout.finish('{"imageLayoutVersion":"1.0.0"}', as_jq(index) + "\n", digest_file)


def index(target: Path, digest_file: Path, *images: str) -> None:
    layout = Layout(target)
    entries = []
    for folder in map(Path, images):
        for entry in json.loads((folder / "index.json").read_text())["manifests"]:
            manifest = json.loads((folder / "blobs/sha256" / entry["digest"][7:]).read_text())
            config = json.loads((folder / "blobs/sha256" / manifest["config"]["digest"][7:]).read_text())
            names = ("os", "architecture", "variant")
            entries.append(entry | {"platform": {name: config[name] for name in names if config.get(name) is not None}})
        for blob in (folder / "blobs/sha256").iterdir():
            shutil.copyfile(blob, layout.blobs / blob.name)
    whole: dict[str, Any] = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
    raw = (as_jq(whole) + "\n").encode()
    top = {"manifests": [{"mediaType": INDEX, "size": len(raw), "digest": layout.put(raw)}]}
    layout.finish('{"imageLayoutVersion": "1.0.0"}\n', as_jq(top) + "\n", digest_file)


def archive(layout: Path, output: Path, *tags: str) -> None:
    """The archive that `docker load` takes."""
    (entry,) = json.loads((layout / "index.json").read_text())["manifests"]
    blobs = layout / "blobs/sha256"
    manifest = json.loads((blobs / entry["digest"][7:]).read_text())
    name = manifest["config"]["digest"].replace(":", "/")
    members = {f"blobs/{name}": blobs / name[7:]}
    layers = []
    for descriptor in manifest["layers"]:
        path = f"blobs/{descriptor['digest'].replace(':', '/')}.tar.gz"
        layers.append(path)
        members[path] = blobs / descriptor["digest"][7:]
    table = as_jq([{"Config": f"blobs/{name}", "RepoTags": tags, "Layers": layers}]) + "\n"

    def member(path: str, size: int) -> tarfile.TarInfo:
        info = tarfile.TarInfo(path)
        info.mode, info.mtime, info.size = 0o755, 1672560000, size
        return info

    with tarfile.open(output, "w", format=tarfile.USTAR_FORMAT) as tar:
        for path, file in members.items():
            with file.open("rb") as data:
                tar.addfile(member(path, file.stat().st_size), data)
        tar.addfile(member("manifest.json", len(table)), io.BytesIO(table.encode()))


if __name__ == "__main__":
    command, target, output, *others = sys.argv[1:]
    {"image": image, "index": index, "archive": archive}[command](Path(target), Path(output), *others)
