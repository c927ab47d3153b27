"""Write what a wheel of ours requires, a line each: requires.py --lock LOCK --output OUT NAME...

A requirement is the compatible release (PEP 440, `~=`) of the locked version, which the tests ran with: patch
releases are picked up, and a minor release when the lock is renewed.
"""

import argparse
import re
import sys
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version


def locked(text: str) -> dict[str, Requirement]:
    """Return the requirements of a lock's text, each at its version, by normalised name."""
    lines = (line.split(" ")[0] for line in text.splitlines() if re.match(r"\w", line))
    return {canonicalize_name(found.name): found for found in map(Requirement, lines)}


def version(found: Requirement) -> str:
    return str(found.specifier).removeprefix("==")


def requirement(name: str, lock: dict[str, Requirement]) -> str:
    """Return the requirement of a wheel, with the lock's extras. SystemExit if the lock has no such wheel.

    A version and its patch releases are `~=1.2.0` for 1.2, since `~=1.2` would allow 1.3.
    """
    if canonicalize_name(name) not in lock:
        sys.exit(f"requires: the lock has no wheel {name}: name one that it has, or add it to requirements.in")
    found = lock[canonicalize_name(name)]
    release = ".".join(map(str, Version(version(found)).release))
    missing = ".0" * max(0, 2 - release.count("."))
    extras = f"[{','.join(sorted(found.extras))}]" if found.extras else ""
    return f"{canonicalize_name(name)}{extras}~={release}{missing}{version(found).removeprefix(release)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lock", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--all", action="store_true", help="every wheel of the lock, at its version")
    parser.add_argument("--also", action="append", default=[], help="a further line, as it is")
    parser.add_argument("names", nargs="*")
    given = parser.parse_args()
    lock = locked(given.lock.read_text())
    lines = [f"{name}=={version(found)}" for name, found in lock.items()] if given.all else []
    lines += [requirement(name, lock) for name in given.names]
    given.output.write_text("".join(f"{line}\n" for line in sorted(lines + given.also)))


if __name__ == "__main__":
    main()
