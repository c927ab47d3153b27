"""Renews each package-lock.json from its package.json: version and integrity hash of each npm package.

npm resolves them, from wherever its settings on this machine say. The lock is npm's own format, but names no registry and
no address: a package's `resolved`, which npm does not need, and who funds it are left out.
"""

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bazel.records import LockError, dumps, ran, renew

FOLDERS = ("bazel/npm", "bazel/npm/claude_code", "bazel/npm/clients", "examples/targets")
"""What tests run, and a server."""

COMMAND = ["npm", "install", "--package-lock-only", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]

KEPT = (
    *("name", "version", "integrity", "optional"),
    *("dependencies", "optionalDependencies", "peerDependencies", "peerDependenciesMeta"),
    *("bin", "os", "cpu", "libc"),
)

SYSTEMS = {"os": ("linux",), "cpu": ("x64", "arm64"), "libc": ("glibc",)}
"""Where tests and images run. Optional packages for other systems stay out of the lock."""


def fits(package: dict[str, Any]) -> bool:
    """Return whether a package is for a system that this project runs on, by npm's fields."""
    return all(
        any(word in listed for word in words) or listed[0].startswith("!")
        for field, words in SYSTEMS.items()
        if (listed := package.get(field))
    )


def reduced(lock: dict[str, Any]) -> dict[str, Any]:
    """Return npm's lock with what `npm ci` needs on these systems and nothing else. LockError for a package without SHA-512."""
    packages = {}
    left_out = {path for path, package in lock["packages"].items() if package.get("optional") and not fits(package)}
    names = {path.rpartition("node_modules/")[2] for path in left_out}
    for path, package in lock["packages"].items():
        if path in left_out:
            continue
        packages[path] = kept = {key: package[key] for key in KEPT if key in package}
        if "optionalDependencies" in kept:
            optional = kept["optionalDependencies"].items()
            kept["optionalDependencies"] = {name: version for name, version in optional if name not in names}
        if path and not package.get("integrity", "").startswith("sha512-"):
            raise LockError(f"{path}: the registry gives no SHA-512 hash for it")
    return {"lockfileVersion": lock["lockfileVersion"], "requires": True, "packages": packages}


def resolve(manifest: str, locked: str) -> dict[str, Any]:
    """Return npm's lock of a package.json, or raise LockError with npm's reason. npm keeps the versions of `locked` that fit."""
    with tempfile.TemporaryDirectory(prefix="lock_npm.") as folder:
        Path(folder, "package.json").write_text(manifest)
        if locked:
            Path(folder, "package-lock.json").write_text(locked)
        done = ran(*COMMAND, otherwise="install it (Debian: apt-get install npm)", cwd=folder)
        if done.returncode:
            raise LockError(f"npm failed: {(done.stderr.strip().splitlines() or ['it gave no reason'])[0]}")
        content: dict[str, Any] = json.loads(Path(folder, "package-lock.json").read_text())
        return content


def lock(manifest: str, locked: str = "", resolve: Callable[[str, str], dict[str, Any]] = resolve) -> str:
    """Return the content of package-lock.json for that of package.json; `locked` is the content so far."""
    return dumps(reduced(resolve(manifest, locked)), 2) + "\n"


def renewed(tree: Path) -> Iterator[str]:
    """Renew each package-lock.json from its package.json. Without the old one, npm takes the newest versions that fit."""
    for folder in FOLDERS:
        file = tree / folder / "package-lock.json"
        try:
            content = lock((tree / folder / "package.json").read_text(), file.read_text() if file.exists() else "")
        except LockError as error:
            raise LockError(f"{folder}: {error}") from None
        file.write_text(content)
        yield f"{content.count('integrity')} packages locked in {folder}/package-lock.json"


if __name__ == "__main__":
    renew("lock_npm", renewed)
