"""Makes packages.json.xz anew from the package index that apt has on this machine (Debian 12, after `apt-get update`)."""

import json
import lzma
import os
import re
import subprocess
from pathlib import Path
from typing import Any

from debian.deb822 import Packages

SECTIONS = {"admin", "database", "editors", "mail", "net", "news", "shells", "vcs", "web", "httpd"}
DETAILED = {"database", "httpd", "web"}
"""Sections whose packages have dependencies, tags and homepages. With those of all, the file would be half as large again."""


def dump() -> str:
    return subprocess.run(["apt-cache", "dumpavail"], capture_output=True, text=True, check=True).stdout


def document(package: Packages) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": package["Package"],
        "version": package["Version"],
        "section": package["Section"],
        "priority": package.get("Priority", "optional"),
        "architecture": package["Architecture"],
        # The name without the address.
        "maintainer": re.sub(r"\s*<.*", "", package.get("Maintainer", "")),
        # Of texts of several lines, the first.
        "description": package.get("Description", "").partition("\n")[0],
        "depends": [],
        "tags": [],
        "installed_kib": int(package.get("Installed-Size", 0)),
        "download_bytes": int(package.get("Size", 0)),
    }
    if package["Section"] in DETAILED:
        made["depends"] = sorted({first["name"] for first, *_ in package.relations["depends"] or ()})
        made["tags"] = sorted(re.findall(r"[\w+:.-]+", package.get("Tag", "").partition("\n")[0]))
        if "Homepage" in package:
            made["homepage"] = package["Homepage"]
    return made


def main() -> None:
    stanzas = Packages.iter_paragraphs(dump(), use_apt_pkg=False)
    chosen = {
        s["Package"]: document(s) for s in stanzas if s.get("Section") in SECTIONS and s.get("Description") and s.get("Size")
    }
    names = sorted(chosen)
    # By columns it takes a seventh less.
    all_fields = sorted({field for found in chosen.values() for field in found})
    columns = {field: [chosen[name].get(field) for name in names] for field in all_fields}
    text = json.dumps(columns, ensure_ascii=False, separators=(",", ":"))
    target = Path(os.environ.get("BUILD_WORKSPACE_DIRECTORY", "."), "tools/dataset/packages.json.xz")
    target.write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))
    print(f"{len(chosen)} packages, {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
