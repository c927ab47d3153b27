"""bazel run //tests/cluster:e2e -- --context NAME"""

import sys
from pathlib import Path

import pytest

from tools.backends.runfiles import enter_working_directory

SUITE = Path(__file__).parent / "suite"

# In this order: what everything else rests on comes first.
MODULES = ("commands", "mission", "admission", "resources", "isolation", "recovery", "upgrades", "data", "hostile")


def main(words: list[str]) -> int:
    """Runs the suite; pytest takes the arguments, with those that suite/conftest.py adds."""
    enter_working_directory()
    settings = ["-p", "no:cacheprovider", "--import-mode=importlib", "-c", "/dev/null", f"--rootdir={SUITE}"]
    shown = ["-v", "-ra", "--tb=short", "-o", "console_output_style=times", "-o", "xfail_strict=true"]
    chosen = [word for word in words if not word.startswith("-") and word in MODULES]
    words = [word for word in words if word not in chosen]
    files = [str(SUITE / f"{module}_test.py") for module in chosen or MODULES]
    return int(pytest.main([*settings, *shown, *words, *files]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
