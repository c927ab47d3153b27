"""Compares what two builds made: the folders that tools/release/collect.py writes."""

import hashlib
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def digests(artifacts: Path) -> dict[str, str]:
    """sha256 of each file, by its path in the folder."""
    files = (file for file in sorted(artifacts.rglob("*")) if file.is_file())
    return {str(f.relative_to(artifacts)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def differences(one: Path, other: Path) -> list[str]:
    """Return what differs, a line each, as near to the cause as can be said; empty for equal builds."""
    ours, theirs = digests(one), digests(other)
    if ours == theirs:
        return []
    found = [
        f"{name} differs"
        for name in sorted(ours.keys() | theirs.keys())
        if not name.startswith("images/") and ours.get(name) != theirs.get(name)
    ]
    images = {path.name for folder in (one, other) for path in (folder / "images").iterdir()}
    for image in sorted(images):
        found += _of_image(image, one / "images" / image, other / "images" / image)
    return found or ["files beside the images' content differ"]


def _json(layout: Path, digest: str) -> dict[str, Any]:
    return dict(json.loads(_blob(layout, digest).read_text()))


def _of_image(image: str, one: Path, other: Path) -> Iterator[str]:
    if not one.exists() or not other.exists():
        yield f"image {image} is in one build only"
        return
    tops = [json.loads((layout / "index.json").read_text())["manifests"][0]["digest"] for layout in (one, other)]
    if tops[0] == tops[1]:
        return
    indexes = (_json(layout, digest) for layout, digest in zip((one, other), tops, strict=True))
    for ours, theirs in zip(*(index["manifests"] for index in indexes), strict=True):
        if ours["digest"] == theirs["digest"]:
            continue
        where = f"image {image} for {ours['platform']['architecture']}"
        manifests = _json(one, ours["digest"]), _json(other, theirs["digest"])
        configs = [_json(layout, m["config"]["digest"]) for layout, m in zip((one, other), manifests, strict=True)]
        layers = [m["layers"] for m in manifests]
        if len(layers[0]) != len(layers[1]):
            yield f"{where}: {len(layers[0])} layers and {len(layers[1])}"
            continue
        same = True
        for index, (a, b) in enumerate(zip(*layers, strict=True)):
            if a["digest"] != b["digest"]:
                same = False
                label = configs[0]["history"][index]["created_by"]
                yield f"{where}: layer {index} ({label}): {_of_layer(_blob(one, a['digest']), _blob(other, b['digest']))}"
        if same:
            keys = [k for k in configs[0].keys() | configs[1].keys() if configs[0].get(k) != configs[1].get(k)]
            yield f"{where}: layers are equal; {'configuration: ' + ', '.join(sorted(keys)) if keys else 'the manifest'} differs"


def _blob(layout: Path, digest: str) -> Path:
    return layout / "blobs" / digest.replace(":", "/")


def _of_layer(one: Path, other: Path) -> str:
    def members(path: Path) -> dict[str, tuple[object, ...]]:
        found: dict[str, tuple[object, ...]] = {}
        with tarfile.open(path) as archive:
            for m in archive:
                file = archive.extractfile(m) if m.isfile() else None
                found[m.name] = (m.mode, m.uid, m.gid, m.mtime, m.linkname, file.read() if file else b"")
        return found

    ours, theirs = members(one), members(other)
    for name in sorted(ours.keys() | theirs.keys()):
        if name not in ours or name not in theirs:
            return f"/{name} is in one only"
        if ours[name] != theirs[name]:
            fields = ("mode", "owner", "group", "time", "link", "content")
            differ = (field for field, a, b in zip(fields, ours[name], theirs[name], strict=True) if a != b)
            return f"/{name}: {', '.join(differ)}"
    return "the same files, in another order or packed otherwise"
