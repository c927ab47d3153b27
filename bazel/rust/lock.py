"""Renews lock.json from the Cargo.toml of the tests' client: version and sha256 of each crate.

cargo resolves them, from wherever its configuration on this machine says. The lock is not cargo's own, which names the registry.
"""

import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bazel.records import LockError, dumps, ran, renew

MANIFEST = "tests/clients/drivers/rust/Cargo.toml"
LOCK = "bazel/rust/lock.json"


def reduced(lock: dict[str, Any]) -> list[dict[str, str]]:
    """Return a Cargo.lock's crates, without the package that needs them. One without a registry's checksum is a LockError."""
    crates = [package for package in lock["package"] if package["name"] != "driver"]
    if bare := [crate["name"] for crate in crates if "checksum" not in crate]:
        raise LockError(f"no checksum for {', '.join(bare)}: take it from a registry")
    return [{"name": crate["name"], "version": crate["version"], "sha256": crate["checksum"]} for crate in crates]


def resolve(manifest: str) -> dict[str, Any]:
    """Return the Cargo.lock that cargo makes of a Cargo.toml, or raise LockError with cargo's reason."""
    with tempfile.TemporaryDirectory(prefix="lock_crates.") as folder:
        Path(folder, "Cargo.toml").write_text(manifest)
        Path(folder, "main.rs").touch()
        install = "install it (Debian: apt-get install cargo)"
        done = ran("cargo", "generate-lockfile", "--quiet", otherwise=install, cwd=folder)
        if done.returncode:
            raise LockError(f"cargo failed: {done.stderr.strip()[-600:] or 'it gave no reason'}")
        return tomllib.loads(Path(folder, "Cargo.lock").read_text())


def renewed(tree: Path) -> Iterator[str]:
    """Renew the lock of crates from the Cargo.toml of the tests' client."""
    crates = reduced(resolve((tree / MANIFEST).read_text()))
    (tree / LOCK).write_text(dumps(crates, 1) + "\n")
    yield f"{len(crates)} crates locked in {LOCK}"


if __name__ == "__main__":
    renew("lock_crates", renewed)
