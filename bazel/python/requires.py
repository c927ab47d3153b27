"""Writes what a wheel of ours requires, a line each: requires.py --source IN --lock LOCK --output OUT NAME...

A version that requirements.in pins is taken from there. Else the locked version, which the tests ran with, is the least
one, and the next major release is not allowed.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

PINNED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*([=<>~!][^;#\s\\]*)", re.M)
"""A requirement and its versions, in a requirements file."""


def normal(name: str) -> str:
    """https://packaging.python.org/en/latest/specifications/name-normalization/"""
    return re.sub(r"[-_.]+", "-", name).lower()


def versions(text: str) -> dict[str, str]:
    """The versions by normalised name of a requirements file's text."""
    return {normal(name): wanted for name, wanted in PINNED.findall(text)}


def requirement(name: str, source: dict[str, str], lock: dict[str, str]) -> str:
    """
    Raises:
        SystemExit: the lock has no such wheel.
    """
    name = normal(name)
    if name not in lock:
        sys.exit(f"requires: the lock has no wheel {name}: name one that it has, or add it to requirements.in")
    if name in source:
        return name + source[name]
    locked = lock[name].removeprefix("==")
    return f"{name}>={locked},<{int(locked.split('.')[0]) + 1}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, required=True, help="requirements.in")
    parser.add_argument("--lock", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--all", action="store_true", help="every wheel of the lock, at its version")
    parser.add_argument("--also", action="append", default=[], help="a further line, as it is")
    parser.add_argument("names", nargs="*")
    given = parser.parse_args()
    source, lock = versions(given.source.read_text()), versions(given.lock.read_text())
    lines = [f"{name}{wanted}" for name, wanted in lock.items()] if given.all else []
    lines += [requirement(name, source, lock) for name in given.names]
    given.output.write_text("".join(f"{line}\n" for line in sorted(lines + given.also)))


if __name__ == "__main__":
    main()
