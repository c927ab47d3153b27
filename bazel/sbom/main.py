"""Writes the SBOM of an image: main.py SPEC.json SPDX_OUTPUT CYCLONEDX_OUTPUT.

SPEC has repository, architecture, version, digest (a file), layers, debs, wheels (files), debian_lock, wheel_lock (files), and
of a program in another language go_modules, or npm_packages, npm_lock (files) and node (the package that runs it).
"""

import json
import logging
import sys
from datetime import datetime
from pathlib import Path

from bazel.sbom import documents, packages


def main(spec_file: str, spdx: str, cyclonedx: str) -> None:
    logging.getLogger("debian").setLevel(logging.ERROR)  # it tells of every formal fault of a copyright file
    spec = json.loads(Path(spec_file).read_text())
    lock = json.loads(Path(spec["debian_lock"]).read_text())
    try:
        found = packages.debian_packages([Path(f) for f in spec["debs"]], lock, spec["architecture"])
        held = packages.members(Path(f) for f in spec["layers"])
        if spec["wheels"]:
            found += packages.wheels([Path(f) for f in spec["wheels"]], Path(spec["wheel_lock"]).read_text(), held)
        if spec["go_modules"]:
            found += packages.go_modules(Path(spec["go_modules"]).read_text())
        if spec["npm_packages"]:
            bundled, lock_of_npm = (json.loads(Path(spec[key]).read_text()) for key in ("npm_packages", "npm_lock"))
            found += packages.npm(bundled, lock_of_npm, spec["node"])
    except packages.SbomError as error:
        sys.exit(f"sbom: {error}")
    found.append(packages.ours(spec["version"], documents.SOURCE))
    found.sort(key=lambda package: package.purl)
    image = documents.Image(
        spec["repository"],
        spec["architecture"],
        spec["version"],
        Path(spec["digest"]).read_text().strip(),
        datetime.fromisoformat(lock["snapshot"]),  # a build's own time would make each build another
    )
    for output, document in ((spdx, documents.spdx), (cyclonedx, documents.cyclonedx)):
        Path(output).write_text(document(image, found) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
