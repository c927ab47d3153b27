"""The stand-in for rules_oci writes the very bytes of upstream: the digests are those that rules_oci 2.3.0 gives.

They were taken from upstream's own image.sh, descriptor.sh and image_index.sh.tpl, run with regctl 0.8.0 and jq 1.8.2 on such
layers. That of `all` was taken when the stand-in could do more, and had upstream's digest of an image with all of that.
"""

import gzip
import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tools.backends.runfiles import program

AMD64 = {"architecture": "amd64", "os": "linux"}

VECTORS: dict[str, dict[str, Any]] = {
    "plain": {"platform": AMD64, "layers": ["plain.tar"]},
    "packed": {
        "platform": {"architecture": "arm64", "os": "linux", "variant": "v8"},
        "layers": ["packed.tar.gz", "plain.tar"],
    },
    "all": {
        "platform": AMD64,
        "layers": ["plain.tar", "packed.tar.gz"],
        "entrypoint": ["/bin/a", "two words", "line\nbreak"],
        "exposed_ports": ["9000/tcp", "53/udp"],
        "env": ["PATH=/usr/bin", "LATER=${PATH}:/x$NOTHING", "EMPTY=", "EQUALS=a=b", "PATH=/override"],
        "labels": {"title": "An image é→", "with.equals": "a=b", "empty": ""},
        "user": "1000:1000",
    },
}

DIGESTS = {
    "plain": "sha256:1f9cdc63dd097151a2e33e6f3795c04613a92d573d6dc8bf86b8d792604f498a",
    "packed": "sha256:6f1ea2d8a3e9c8806fe499a6e74747aa1a0d89fd6cd4ed3fadf8e9de11847cdf",
    "all": "sha256:440a7b5f596a4a16ff5f7f3f01578ad17ccc9fbe09040054100ad6baf1593b6a",
}

INDEX_OF = ["plain", "packed"]
INDEX_DIGEST = "sha256:49d2edd7eb21c585c4690f91ac6e969b678849ca427efbe2fcf7b60477865721"


def layout(*arguments: str | Path) -> None:
    subprocess.run([sys.executable, program("STAND_IN"), *arguments], check=True)


def image(folder: Path, name: str) -> Path:
    spec = {"entrypoint": [], "env": [], "exposed_ports": [], "labels": {}, "user": ""} | VECTORS[name]
    spec["layers"] = [[str(folder / layer), f"//layers:{layer}"] for layer in spec["layers"]]
    (folder / f"{name}.json").write_text(json.dumps(spec))
    layout("image", folder / name, folder / f"{name}.digest", folder / f"{name}.json")
    return folder / name


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with layers."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        info = tarfile.TarInfo("hello")
        info.size = 6
        tar.addfile(info, io.BytesIO(b"hello\n"))
    (tmp_path / "plain.tar").write_bytes(plain.getvalue())
    # Stored, not compressed: the same bytes whatever the zlib.
    (tmp_path / "packed.tar.gz").write_bytes(gzip.compress(plain.getvalue() + b"\0" * 1024, 0, mtime=0))
    return tmp_path


@pytest.mark.parametrize("name", VECTORS)
def test_an_image_has_upstreams_digest(folder: Path, name: str) -> None:
    written = image(folder, name)
    assert (folder / f"{name}.digest").read_text().strip() == DIGESTS[name]
    (entry,) = json.loads((written / "index.json").read_text())["manifests"]
    assert entry["digest"] == DIGESTS[name]
    assert (written / "blobs/sha256" / entry["digest"][7:]).stat().st_size == entry["size"]
    assert (written / "oci-layout").read_text() == '{"imageLayoutVersion":"1.0.0"}'


def test_an_index_has_upstreams_digest(folder: Path) -> None:
    layout("index", folder / "index", folder / "index.digest", *(image(folder, member) for member in INDEX_OF))
    assert (folder / "index.digest").read_text().strip() == INDEX_DIGEST


def test_an_archive_names_config_layers_and_tags(folder: Path) -> None:
    layout("archive", image(folder, "packed"), folder / "archive.tar", "mcp/redis:latest", "mcp/redis:1")
    with tarfile.open(folder / "archive.tar") as archive:
        table = json.load(archive.extractfile("manifest.json"))  # type: ignore[arg-type]
        assert table[0]["RepoTags"] == ["mcp/redis:latest", "mcp/redis:1"]
        assert len(table[0]["Layers"]) == 2
        assert set(archive.getnames()) == {"manifest.json", table[0]["Config"], *table[0]["Layers"]}


def test_a_cut_layer_is_refused(folder: Path) -> None:
    packed = folder / "packed.tar.gz"
    packed.write_bytes(packed.read_bytes()[:-20])
    with pytest.raises(subprocess.CalledProcessError):
        image(folder, "packed")
