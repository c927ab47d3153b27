"""Writes server.json, or an MCP bundle (.mcpb), of a server."""

import argparse
import json
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tools.packages.describe import Described

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip file knows."""


def text(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def sources(wheel: Path) -> Iterator[tuple[str, bytes]]:
    """Return what a wheel installs, without what describes the wheel itself."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if ".dist-info/" not in name:
                yield name, archive.read(name)


def bundle(described: Described, wheels: Sequence[Path], pins: Path, files: Sequence[Path], output: Path) -> None:
    """Writes a bundle whose bytes depend on its inputs alone."""
    members = {
        "manifest.json": text(described.manifest()),
        "pyproject.toml": described.pyproject(pins.read_text().split()).encode(),
        **{file.name: file.read_bytes() for file in files},
    }
    for wheel in wheels:
        members |= dict(sources(wheel))
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(members.items()):
            member = zipfile.ZipInfo(name, EPOCH)
            member.create_system = 3  # Unix: what follows are its permissions
            member.external_attr = 0o100644 << 16
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("server.json", "mcpb"))
    parser.add_argument("--server", required=True, help="its package, as servers.redis")
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--wheel", action="append", type=Path, default=[], help="with sources for the bundle")
    parser.add_argument("--pins", type=Path, help="requirements of the bundle, each at one version")
    parser.add_argument("--file", action="append", type=Path, default=[], help="a further file of the bundle")
    given = parser.parse_args()
    described = Described(given.server)
    if given.kind == "mcpb":
        bundle(described, given.wheel, given.pins, given.file, given.output)
    else:
        given.output.write_bytes(text(described.server_json()))


if __name__ == "__main__":
    main()
