"""Packages a chart by `helm package`, then writes the archive again so that its bytes depend on the chart alone."""

import argparse
import gzip
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VERSION = re.compile(r"^(\s*(?:version|appVersion): *)\"?([^\"\n]+)\"?$", re.M)


def stamp(chart: Path, version: str) -> None:
    """Puts a version in place of that of the sources, in the chart and in the subcharts that share it."""
    found = re.search(r"^version: *\"?([^\"\n]+)\"?$", (chart / "Chart.yaml").read_text(), re.M)
    if not found:
        sys.exit(f"helm_chart: {chart.name}/Chart.yaml has no version")
    for file in chart.rglob("Chart.yaml"):
        text = file.read_text()
        file.write_text(VERSION.sub(lambda m: f"{m[1]}{version}" if m[2] == found[1] else m[0], text))


def rewrite(package: Path, output: Path) -> None:
    """The same members, in order, without time and owner."""
    with tarfile.open(package) as archive:
        files = {m.name: archive.extractfile(m).read() for m in archive if m.isfile()}  # type: ignore[union-attr]
    with (
        output.open("wb") as raw,
        gzip.GzipFile("", "wb", 9, raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        # Helm reads a chart's Chart.yaml first.
        for name in sorted(files, key=lambda n: (not n.endswith("Chart.yaml"), n.count("/"), n)):
            info = tarfile.TarInfo(name)
            info.size = len(files[name])
            archive.addfile(info, io.BytesIO(files[name]))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--helm", type=Path, required=True)
    parser.add_argument("--root", type=Path, required=True, help="the chart's folder; what files are relative to")
    parser.add_argument("--version", required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--library", type=Path, action="append", default=[], help="file of a library chart, below charts/")
    parser.add_argument("--file", nargs=2, action="append", default=[], help="path in the chart, and the file to put there")
    parser.add_argument("files", type=Path, nargs="+")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        chart = folder / given.root.name
        placed = {file: file.relative_to(given.root) for file in given.files}
        placed |= {file: Path("charts", str(file).partition("/charts/")[2]) for file in given.library}
        placed |= {Path(file): Path(path) for path, file in given.file}
        for file, path in placed.items():
            target = chart / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
        stamp(chart, given.version)
        env = os.environ | {f"HELM_{name}_HOME": str(folder / name) for name in ("CACHE", "CONFIG", "DATA")}
        done = subprocess.run(
            [given.helm.resolve(), "package", "--destination", folder / "out", chart],
            env=env,
            text=True,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            sys.exit(f"helm_chart: {done.stderr.strip()}")
        (package,) = (folder / "out").iterdir()
        rewrite(package, given.output)


if __name__ == "__main__":
    main()
