"""Make the data set of Debian's list of its packages: make.py PACKAGES_XZ OUTPUT."""

import json
import lzma
import re
import sys
from pathlib import Path
from typing import Any

from debian.deb822 import Packages

SECTIONS = re.compile("^Section: (admin|database|editors|httpd|mail|net|news|shells|vcs|web)$", re.M)
DETAILED = {"database", "httpd", "web"}
"""Sections whose packages have dependencies, tags and homepages."""


def document(package: Packages) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": package["Package"],
        "version": package["Version"],
        "section": package["Section"],
        "priority": package["Priority"],
        "architecture": package["Architecture"],
        # The name without the address.
        "maintainer": re.sub(r"\s*<.*", "", package["Maintainer"]),
        # Of texts of several lines, the first.
        "description": package["Description"].partition("\n")[0],
        "depends": [],
        "tags": [],
        "installed_kib": int(package["Installed-Size"]),
        "download_bytes": int(package["Size"]),
    }
    if package["Section"] in DETAILED:
        made["depends"] = sorted({first["name"] for first, *_ in package.relations["depends"] or ()})
        made["tags"] = sorted(re.findall(r"[\w+:.-]+", package.get("Tag", "").partition("\n")[0]))
        if "Homepage" in package:
            made["homepage"] = package["Homepage"]
    return made


def main(index: str, output: str) -> None:
    stanzas = lzma.decompress(Path(index).read_bytes()).decode().split("\n\n")
    chosen = "\n\n".join(stanza for stanza in stanzas if SECTIONS.search(stanza))
    made = map(document, Packages.iter_paragraphs(chosen, use_apt_pkg=False))
    Path(output).write_text(json.dumps(sorted(made, key=lambda package: str(package["name"]))))


if __name__ == "__main__":
    main(*sys.argv[1:])
