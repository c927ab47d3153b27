"""ahead.py writes what libraries compile, the same bytes each time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bazel.image import ahead
from servers.common.compiled import Compiled


def test_what_libraries_compile(tmp_path: Path) -> None:
    files = [tmp_path / "first.bin", tmp_path / "again.bin"]
    for file in files:
        command = [sys.executable, ahead.__file__, str(file)]
        subprocess.run(command, env={"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": "0"}, check=True)
    found = Compiled.read(str(files[0]))
    # A method of a dataclass of the SDK, an annotation of one of its models, a named tuple and a pattern of the standard library.
    assert [text for mode, text in found.codes if mode == "exec" and "request_id" in text]
    assert ("eval", "RequestId") in found.codes
    assert [text for _, text in found.codes if "kwonlydefaults" in text]
    assert [text for text, _ in found.patterns if text == r"[^\w@%+=:,./-]"]
    assert files[0].read_bytes() == files[1].read_bytes()
