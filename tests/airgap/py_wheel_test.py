"""The stand-in for py_wheel writes the very bytes of upstream: the digest is that of rules_python 2.3.2's wheelmaker."""

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tools.backends.process import ran
from tools.backends.runfiles import program

UPSTREAM = "1c2b15b5bc4a49ee9e185d14db2accca869dfb68fd7211ef3613cdf8e4120925"
FILES = {
    "one.py": 'print("one")\n' * 40,
    "init.py": "",
    "README.md": "# A wheel\n",
    "LICENSE": "As you like.\n",
    "requires.txt": "# what it needs\nleaf>=1.5,<2\nother[more]==3\nplain\n",
}
SPEC = {
    "name": "a_wheel",
    "version": "1.2",
    "files": {"pkg/one.py": "one.py", "pkg/__init__.py": "init.py"},
    "metadata": [
        "Metadata-Version: 2.1",
        "Name: A-Wheel",
        "Author: Somebody",
        "License: Apache-2.0",
        "Description-Content-Type: text/markdown",
        "Summary: What it is",
        "Project-URL: Source, https://example.com/",
        "Classifier: Topic :: Database",
        "Requires-Python: >=3.11",
    ],
    "requires_file": "requires.txt",
    "description": "README.md",
    "entry_points": "[console_scripts]\na = pkg.one:main\nb = pkg.one:main\n\n[other.group]\nx = pkg:x",
    "distinfo": {"licenses/LICENSE": "LICENSE"},
}


def write(folder: Path, spec: dict[str, Any], mtime: int = 0) -> subprocess.CompletedProcess[str]:
    folder.mkdir(exist_ok=True)
    for name, text in FILES.items():
        if not (folder / name).exists():
            (folder / name).write_text(text)
        os.utime(folder / name, (mtime, mtime))
    (folder / "spec.json").write_text(json.dumps(spec))
    return ran(sys.executable, program("STAND_IN"), "spec.json", "a.whl", cwd=folder)


@pytest.mark.parametrize("mtime", [0, 1_700_000_000])
def test_a_wheel_has_upstreams_bytes(tmp_path: Path, mtime: int) -> None:
    done = write(tmp_path, SPEC, mtime)
    assert done.returncode == 0, done.stderr
    assert hashlib.sha256((tmp_path / "a.whl").read_bytes()).hexdigest() == UPSTREAM


def test_a_wheel_without_programs(tmp_path: Path) -> None:
    write(tmp_path, SPEC | {"entry_points": None})
    with zipfile.ZipFile(tmp_path / "a.whl") as archive:
        assert not [name for name in archive.namelist() if name.endswith("entry_points.txt")]


@pytest.mark.parametrize("line", ["leaf; sys_platform == 'win32'", "leaf @ https://example.com/leaf.whl"])
def test_a_requirement_that_it_can_not_write_is_refused_by_name(tmp_path: Path, line: str) -> None:
    tmp_path.joinpath("requires.txt").write_text(line + "\n")
    done = write(tmp_path, SPEC)
    assert done.returncode != 0
    assert done.stderr.startswith(f"py_wheel: can't write the requirement '{line}'")
