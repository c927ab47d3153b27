"""Write what a wheel of ours requires, a line each: requires.py --lock LOCK --output OUT NAME...

A requirement is the compatible release (PEP 440, `~=`) of the locked version, which the tests ran with: patch
releases are picked up, and a minor release when the lock is renewed.
"""

import argparse
import re
import sys
from pathlib import Path

LOCKED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(\[[^\]]*\])?==([^;#\s\\]+)", re.M)
"""A requirement of a lock: its name, its extras, its version."""

RELEASE = re.compile(r"\d+(?:\.\d+)*")


def normal(name: str) -> str:
    """Return a name as https://packaging.python.org/en/latest/specifications/name-normalization/ has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def versions(text: str) -> dict[str, tuple[str, str]]:
    """Return the extras, such as `[async]`, and the version of each requirement in a lock's text, by normalised name."""
    return {normal(name): (extras, version) for name, extras, version in LOCKED.findall(text)}


def compatible(version: str) -> str:
    """Return the specifier of a version and its patch releases: `~=1.2.0` for 1.2, since `~=1.2` would allow 1.3."""
    release = RELEASE.match(version)
    if not release:
        raise SystemExit(f"requires: the locked version {version} is not of the kind 1.2.3: lock one that is (PEP 440)")
    missing = max(0, 2 - release[0].count("."))
    return f"~={release[0]}{'.0' * missing}{version[release.end() :]}"


def requirement(name: str, lock: dict[str, tuple[str, str]]) -> str:
    """Return the requirement of a wheel with the lock's extras. SystemExit if the lock has no version with numbers of it."""
    name = normal(name)
    if name not in lock:
        sys.exit(f"requires: the lock has no wheel {name}: name one that it has, or add it to requirements.in")
    extras, version = lock[name]
    return name + extras + compatible(version)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lock", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--all", action="store_true", help="every wheel of the lock, at its version")
    parser.add_argument("--also", action="append", default=[], help="a further line, as it is")
    parser.add_argument("names", nargs="*")
    given = parser.parse_args()
    lock = versions(given.lock.read_text())
    lines = [f"{name}=={version}" for name, (_, version) in lock.items()] if given.all else []
    lines += [requirement(name, lock) for name in given.names]
    given.output.write_text("".join(f"{line}\n" for line in sorted(lines + given.also)))


if __name__ == "__main__":
    main()
