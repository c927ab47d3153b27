"""Writes a pure Python wheel, byte for byte as the wheelmaker of rules_python 2.3.2 does: wheel.py SPEC.json OUTPUT

SPEC has
    name, version        of the wheel, normalised as its file name needs them
    files                {path in the wheel: file}
    metadata             lines of METADATA above Requires-Dist
    requires_file        a file with requirements, a line each
    description          file with the long description
    entry_points         text of entry_points.txt; None for none
    distinfo             {path in .dist-info: file}
Format: https://packaging.python.org/en/latest/specifications/binary-distribution-format/
"""

import base64
import hashlib
import json
import re
import stat
import sys
import zipfile
from pathlib import Path
from typing import Any

_EPOCH = (1980, 1, 1, 0, 0, 0)
_REQUIREMENT = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(\[[A-Za-z0-9._,-]+\])?\s*([^;@#\s]*)")


class Archive(zipfile.ZipFile):
    """A zip file whose bytes depend on its members alone, and the RECORD of them."""

    def __init__(self, output: str) -> None:
        super().__init__(output, "w", zipfile.ZIP_DEFLATED)
        self.record: list[str] = []

    def _member(self, name: str) -> zipfile.ZipInfo:
        member = zipfile.ZipInfo(name, _EPOCH)
        member.create_system = 3
        member.external_attr = (stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO | stat.S_IFREG) << 16
        member.compress_type = self.compression
        return member

    def _note(self, name: str, data: bytes) -> None:
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        self.record.append(f"{name},sha256={digest},{len(data)}")

    def add_file(self, name: str, data: bytes) -> None:
        """As upstream adds a file: with a zip64 field."""
        with self.open(self._member(name), "w", force_zip64=True) as target:
            target.write(data)
        self._note(name, data)

    def add_text(self, name: str, text: str) -> None:
        self.writestr(self._member(name), text.encode())
        self._note(name, text.encode())


def requirement(line: str) -> str:
    """Return a requirements line as it stands in METADATA. SystemExit on a marker or a URL: this stand-in writes neither."""
    match = _REQUIREMENT.fullmatch(line)
    if not match:
        sys.exit(f"py_wheel: can't write the requirement '{line}': name, extras and versions only, in the air-gapped way")
    name, extras, versions = match.groups(default="")
    return f"{name}{extras}{','.join(sorted(v.strip() for v in versions.split(',')))}"


def requirements(file: str) -> list[str]:
    lines = (line.partition("#")[0].strip() for line in Path(file).read_text().splitlines())
    return [requirement(line) for line in lines if line and not line.startswith("-")]


def write(spec: dict[str, Any], output: str) -> None:
    info = f"{spec['name']}-{spec['version']}.dist-info"
    with Archive(output) as archive:
        for path, file in sorted(spec["files"].items()):
            archive.add_file(path, Path(file).read_bytes())
        kind = "Wheel-Version: 1.0\nGenerator: bazel-wheelmaker 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        archive.add_text(f"{info}/WHEEL", kind)
        required = (f"Requires-Dist: {r}" for r in requirements(spec["requires_file"]))
        lines = [*spec["metadata"], *required, f"Version: {spec['version']}", "", ""]
        description = Path(spec["description"]).read_text("utf-8")
        archive.add_text(f"{info}/METADATA", "\n".join(lines) + description + "\n")
        if spec["entry_points"]:
            archive.add_file(f"{info}/entry_points.txt", spec["entry_points"].encode())
        for path, file in sorted(spec["distinfo"].items()):
            archive.add_file(f"{info}/{path}", Path(file).read_bytes())
        record = f"{info}/RECORD"
        archive.add_text(record, "\n".join([*archive.record, f"{record},,"]) + "\n")


if __name__ == "__main__":
    write(json.loads(Path(sys.argv[1]).read_text()), sys.argv[2])
