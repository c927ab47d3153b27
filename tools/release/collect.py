"""Puts what a release consists of into one folder: collect.py SPEC.json OUTPUT.

OUTPUT gets images/NAME (OCI layouts), NAME-ARCHITECTURE.spdx.json and .cdx.json, and the chart's package.
"""

import json
import shutil
import sys
from pathlib import Path


def main(spec_file: str, output: str) -> None:
    spec = json.loads(Path(spec_file).read_text())
    folder = Path(output)
    for name, layout in spec["images"].items():
        shutil.copytree(layout, folder / "images" / name)
    for name, file in spec["files"].items():
        shutil.copyfile(file, folder / name)


if __name__ == "__main__":
    main(*sys.argv[1:])
