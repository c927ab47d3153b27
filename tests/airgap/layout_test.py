"""The stand-in for rules_oci writes the very bytes of upstream: the digests are upstream's own (vectors.py)."""

import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.airgap import vectors
from tools.backends.runfiles import program


def layout(*arguments: str | Path) -> None:
    subprocess.run([sys.executable, program("STAND_IN"), *arguments], check=True)


def image(folder: Path, name: str) -> Path:
    spec = {"entrypoint": [], "env": [], "exposed_ports": [], "labels": {}, "user": ""} | vectors.VECTORS[name]
    spec["layers"] = [[str(folder / layer), f"//layers:{layer}"] for layer in spec["layers"]]
    (folder / f"{name}.json").write_text(json.dumps(spec))
    layout("image", folder / name, folder / f"{name}.digest", folder / f"{name}.json")
    return folder / name


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    vectors.write(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", vectors.VECTORS)
def test_an_image_has_upstreams_digest(folder: Path, name: str) -> None:
    written = image(folder, name)
    assert (folder / f"{name}.digest").read_text().strip() == vectors.DIGESTS[name]
    (entry,) = json.loads((written / "index.json").read_text())["manifests"]
    assert entry["digest"] == vectors.DIGESTS[name]
    assert (written / "blobs/sha256" / entry["digest"][7:]).stat().st_size == entry["size"]
    assert (written / "oci-layout").read_text() == '{"imageLayoutVersion":"1.0.0"}'


def test_an_index_has_upstreams_digest(folder: Path) -> None:
    layout("index", folder / "index", folder / "index.digest", *(image(folder, member) for member in vectors.INDEX_OF))
    assert (folder / "index.digest").read_text().strip() == vectors.INDEX_DIGEST


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
