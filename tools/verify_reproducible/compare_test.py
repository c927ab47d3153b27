"""What differs between two builds is told, as near to the cause as can be said."""

import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tools.release import oci
from tools.verify_reproducible import compare


def layer(files: dict[str, bytes], mtime: int = 0, level: int = 9) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), mtime
            archive.addfile(info, io.BytesIO(data))
    return gzip.compress(raw.getvalue(), level, mtime=0)


def artifacts(folder: Path, data: bytes, config: dict[str, Any] | None = None, chart: bytes = b"chart") -> Path:
    """Return what collect.py writes, with one image of one layer."""
    blobs = folder / "images/redis/blobs/sha256"
    blobs.mkdir(parents=True)

    def put(content: bytes) -> dict[str, Any]:
        digest = oci.digest(content)
        (blobs / digest[7:]).write_bytes(content)
        return {"digest": digest, "size": len(content)}

    whole = {"history": [{"created_by": "bazel build //:l"}], "architecture": "amd64", **(config or {})}
    manifest = {"config": put(json.dumps(whole).encode()), "layers": [put(data)]}
    entry = put(json.dumps(manifest).encode()) | {"platform": {"architecture": "amd64"}}
    top = put(json.dumps({"manifests": [entry]}).encode()) | {"mediaType": oci.INDEX}
    (folder / "images/redis/index.json").write_text(json.dumps({"manifests": [top]}))
    (folder / "chart.tgz").write_bytes(chart)
    return folder


ONE = layer({"a": b"1", "b": b"2"})


def test_equal_builds(tmp_path: Path) -> None:
    assert compare.differences(artifacts(tmp_path / "1", ONE), artifacts(tmp_path / "2", ONE)) == []


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (layer({"a": b"1", "b": b"3"}), "/b: content"),
        (layer({"a": b"1", "b": b"2"}, mtime=1), "/a: time"),
        (layer({"a": b"1"}), "/b is in one only"),
        (layer({"b": b"2", "a": b"1"}), "the same files, in another order or packed otherwise"),
    ],
)
def test_a_layer_that_differs(tmp_path: Path, data: bytes, told: str) -> None:
    found = compare.differences(artifacts(tmp_path / "1", ONE), artifacts(tmp_path / "2", data))
    assert found == [f"image redis for amd64: layer 0 (bazel build //:l): {told}"]


def test_a_configuration_that_differs(tmp_path: Path) -> None:
    other = artifacts(tmp_path / "2", ONE, {"created": "now"})
    assert compare.differences(artifacts(tmp_path / "1", ONE), other) == [
        "image redis for amd64: layers are equal; configuration: created differs"
    ]


def test_a_file_that_differs(tmp_path: Path) -> None:
    other = artifacts(tmp_path / "2", ONE, chart=b"other")
    assert compare.differences(artifacts(tmp_path / "1", ONE), other) == ["chart.tgz differs"]
