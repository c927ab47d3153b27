"""A golden that does not hold fails with a diff that can be read, and with the command that accepts it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def compare(*files: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "bazel/golden/compare.py", *files], text=True, capture_output=True, check=False
    )


def test_the_same_text_passes(tmp_path: Path) -> None:
    generated, golden = tmp_path / "generated", tmp_path / "golden"
    for file in (generated, golden):
        file.write_text("kind: Service\nport: 9000\n")
    assert compare(generated, golden).returncode == 0


def test_another_text_fails_with_a_unified_diff(tmp_path: Path) -> None:
    generated, golden = tmp_path / "generated", tmp_path / "golden"
    golden.write_text("kind: Service\nport: 9000\n")
    generated.write_text("kind: Service\nport: 9001")
    done = compare(generated, golden)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        f"--- {golden}",
        "+++ what is generated now",
        "@@ -1,2 +1,2 @@",
        " kind: Service",
        "-port: 9000",
        "+port: 9001",
        "\\ No newline at end of file",
        "",
        f"{golden} is not what is generated now. If that is right: bazel run //tools:update_goldens",
    ]


def test_a_golden_that_is_not_there_fails(tmp_path: Path) -> None:
    (tmp_path / "generated").write_text("a\n")
    done = compare(tmp_path / "generated", tmp_path / "golden")
    assert done.returncode == 1
    assert "+a" in done.stdout
