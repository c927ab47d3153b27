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
    """Return the folder of a release, with one image of one layer."""
    blobs = folder / "images/redis/blobs/sha256"
    blobs.mkdir(parents=True)

    def put(content: bytes) -> dict[str, Any]:
        digest = oci.digest(content)
        (blobs / digest[7:]).write_bytes(content)
        return {"digest": digest, "size": len(content)}

    whole = {"history": [{"created_by": "bazel build //:l"}], "architecture": "amd64", **(config or {})}
    manifest = {"config": put(json.dumps(whole).encode()), "layers": [put(data)]}
    entry = put(json.dumps(manifest).encode()) | {"mediaType": oci.MANIFEST, "platform": {"architecture": "amd64"}}
    top = put(json.dumps({"manifests": [entry]}).encode()) | {"mediaType": oci.INDEX}
    (folder / "images/redis/index.json").write_text(json.dumps({"manifests": [top]}))
    (folder / "chart.tgz").write_bytes(chart)
    return folder


ONE = layer({"a": b"1", "b": b"2"})


def test_equal_builds(tmp_path: Path) -> None:
    assert compare.differences(artifacts(tmp_path / "1", ONE), artifacts(tmp_path / "2", ONE)) == []


@pytest.mark.parametrize(
    ("other", "first"),
    [
        ({"data": layer({"a": b"1", "b": b"3"})}, "layer 0 (bazel build //:l): /b: content"),
        ({"data": layer({"a": b"1", "b": b"2"}, mtime=1)}, "layer 0 (bazel build //:l): /a: mtime"),
        ({"data": layer({"a": b"1"})}, "layer 0 (bazel build //:l): /b: content"),
        ({"data": layer({"b": b"2", "a": b"1"})}, "layer 0 (bazel build //:l): the archive"),
        ({"config": {"architecture": "arm64"}}, "configuration: architecture"),
        ({"chart": b"other"}, "chart.tgz"),
    ],
)
def test_what_differs_is_named(tmp_path: Path, other: dict[str, Any], first: str) -> None:
    found = compare.differences(artifacts(tmp_path / "1", ONE), artifacts(tmp_path / "2", **{"data": ONE, **other}))
    assert found[0].removeprefix("image redis for amd64: ") == first
