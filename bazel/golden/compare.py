"""Compares a generated file with its golden file: compare.py GENERATED GOLDEN."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path

UPDATE = "bazel run //tools:update_goldens"


def main(generated: str, golden: str) -> int:
    found = Path(generated).read_text("utf-8")
    wanted = Path(golden).read_text("utf-8") if Path(golden).exists() else ""
    if found == wanted:
        return 0
    diff = difflib.unified_diff(
        wanted.splitlines(keepends=True), found.splitlines(keepends=True), golden, "what is generated now"
    )
    sys.stdout.writelines(line if line.endswith("\n") else line + "\n\\ No newline at end of file\n" for line in diff)
    print(f"\n{golden} is not what is generated now. If that is right: {UPDATE}")
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
