"""A packaged chart: stamped, and the same bytes from the same sources."""

import os
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

import yaml

from tools.backends.process import ran
from tools.backends.runfiles import program


def sources(folder: Path, mtime: int) -> list[Path]:
    files = {
        "Chart.yaml": "apiVersion: v2\nname: app\nversion: 0.1.0\nappVersion: 0.1.0\n"
        "dependencies:\n  - name: part\n    version: 0.1.0\n    repository: file://charts/part\n",
        "charts/part/Chart.yaml": 'apiVersion: v2\nname: part\nversion: 0.1.0\nappVersion: "7.2"\n',
        "charts/part/templates/a.yaml": "kind: ConfigMap\n",
        "values.yaml": "a: 1\n",
    }
    for name, text in files.items():
        file = folder / "app" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        os.utime(file, (mtime, mtime))
    return [folder / "app" / name for name in files]


def package(folder: Path, files: Sequence[str | Path], version: str) -> subprocess.CompletedProcess[str]:
    options = (f"--helm={program('HELM')}", f"--root={folder / 'app'}", f"--version={version}")
    return ran(sys.executable, "bazel/helm/package.py", *options, f"--output={folder / 'app.tgz'}", *files)


def test_the_same_bytes_from_the_same_sources(tmp_path: Path) -> None:
    packages = []
    for mtime in (1, 1_700_000_000):
        folder = tmp_path / str(mtime)
        done = package(folder, sources(folder, mtime), "1.2.3")
        assert done.returncode == 0, done.stderr
        packages.append((folder / "app.tgz").read_bytes())
    assert packages[0] == packages[1]


def test_the_version_is_stamped_where_it_is_ours(tmp_path: Path) -> None:
    package(tmp_path, sources(tmp_path, 1), "1.2.3-rc.1")
    with tarfile.open(tmp_path / "app.tgz") as archive:
        charts = {m.name: yaml.safe_load(archive.extractfile(m)) for m in archive if m.name.endswith("Chart.yaml")}  # type: ignore[arg-type]
    assert next(iter(charts)) == "app/Chart.yaml"
    chart, part = charts["app/Chart.yaml"], charts["app/charts/part/Chart.yaml"]
    assert (chart["version"], chart["appVersion"]) == ("1.2.3-rc.1", "1.2.3-rc.1")
    assert chart["dependencies"][0]["version"] == part["version"] == "1.2.3-rc.1"
    assert part["appVersion"] == "7.2", "the version of what it runs stays"


def test_a_further_file_has_its_path_in_the_chart(tmp_path: Path) -> None:
    readme = tmp_path / "generated.md"
    readme.write_text("# app\n")
    done = package(tmp_path, ["--file", "README.md", readme, *sources(tmp_path, 1)], "1.2.3")
    assert done.returncode == 0, done.stderr
    shown = ran(program("HELM"), "show", "readme", tmp_path / "app.tgz", check=True)
    assert "# app" in shown.stdout


def test_what_helm_refuses_is_told(tmp_path: Path) -> None:
    files = sources(tmp_path, 1)
    done = package(tmp_path, [file for file in files if "part" not in file.parts], "1.2.3")
    assert done.returncode == 1
    assert done.stderr.startswith("helm_chart: ")
    assert "part" in done.stderr
    done = package(tmp_path, files, "latest")
    assert done.returncode == 1
    assert "latest" in done.stderr
