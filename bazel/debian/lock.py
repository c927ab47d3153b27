"""Renews lock.json from packages.toml: which file of Debian's archive each package is, for each architecture.

apt resolves the names and checks the archive's signatures, in a state folder of its own; this machine's packages are not
used. A lock names files relative to the archive (the field Filename) and never a mirror: where they come from is
decided when they are fetched.
"""

import datetime
import subprocess
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from debian.deb822 import Packages

from bazel.records import LockError, dumps, ran, renew

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class Package(NamedTuple):
    """A binary package as apt's candidate has it."""

    name: str
    version: str
    architecture: str  # of the target: what `all` packages are installed on
    archive: str  # "debian" or "debian-security"
    path: str  # relative to the archive's root
    sha256: str
    size: int  # bytes
    depends: tuple[str, ...]  # the first alternative of each dependency

    def locked(self) -> dict[str, Any]:
        return {field: value for field, value in self._asdict().items() if field != "depends"}


def package(fields: Packages, architecture: str) -> Package:
    path = fields["Filename"]
    alternatives = [*(fields.relations["pre-depends"] or ()), *(fields.relations["depends"] or ())]
    return Package(
        fields["Package"],
        fields["Version"],
        architecture,
        "debian-security" if path.startswith("pool/updates/") else "debian",
        path,
        fields["SHA256"],
        int(fields["Size"]),
        tuple(dict.fromkeys(first["name"] for first, *_ in alternatives)),
    )


class Apt:
    """apt for one architecture, in a state folder of its own."""

    def __init__(self, folder: Path, suite: str, architecture: str, mirror: str, security_mirror: str) -> None:
        self.architecture = architecture
        for name in ("state/lists/partial", "cache/archives/partial", "etc"):
            (folder / name).mkdir(parents=True)
        (folder / "status").touch()
        signed = f"[signed-by={KEYRING}]"
        (folder / "sources.list").write_text(
            f"deb {signed} {mirror} {suite} main\n"
            f"deb {signed} {mirror} {suite}-updates main\n"
            f"deb {signed} {security_mirror} {suite}-security main\n"
        )
        options = {
            "Dir::Etc": folder / "etc",
            "Dir::Etc::sourcelist": folder / "sources.list",
            "Dir::State": folder / "state",
            "Dir::State::status": folder / "status",
            "Dir::Cache": folder / "cache",
            "APT::Architecture": architecture,
            "APT::Architectures": architecture,
            "APT::Sandbox::User": "root",
            "Acquire::Languages": "none",
        }
        self.options = [f"-o{name}={value}" for name, value in options.items()]
        self.run("apt-get", "-qq", "update")

    def run(self, *command: str) -> str:
        done = ran(command[0], *self.options, *command[1:], otherwise="renew the lock on Debian or Ubuntu")
        if done.returncode:
            raise LockError(f"{' '.join(command)}: {done.stderr.strip().splitlines()[-1]}")
        return done.stdout

    def show(self, names: Iterable[str]) -> list[Package]:
        """Return apt's candidates of these names, or raise LockError if one is not a package."""
        shown = self.run("apt-cache", "show", "--no-all-versions", *names)
        return [package(fields, self.architecture) for fields in Packages.iter_paragraphs(shown, use_apt_pkg=False)]

    def closure(self, names: list[str], left_out: set[str]) -> dict[str, Package]:
        """The named packages and what they depend on, by name."""
        found: dict[str, Package] = {}
        while names:
            found |= {p.name: p for p in self.show(names)}
            names = sorted({d for p in found.values() for d in p.depends} - found.keys() - left_out)
        return found


def lock(config: dict[str, Any], mirror: str, security_mirror: str) -> dict[str, Any]:
    """The content of lock.json for the content of packages.toml."""
    packages: list[Package] = []
    sets: dict[str, list[str]] = {}
    for architecture in config["architectures"]:
        with tempfile.TemporaryDirectory(prefix="lock_debs.") as folder:
            apt = Apt(Path(folder), config["suite"], architecture, mirror, security_mirror)
            found: dict[str, Package] = {}
            for name, names in config["sets"].items():
                closure = apt.closure(names, set(config["left_out"]))
                if sets.setdefault(name, sorted(closure)) != sorted(closure):
                    raise LockError(f"set {name} has other packages on {architecture}: {sorted(closure)}, not {sets[name]}")
                found |= closure
        packages += found.values()
    return {
        "snapshot": datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT000000Z"),
        "suite": config["suite"],
        "sets": sets,
        "packages": [p.locked() for p in sorted(packages)],
    }


def mirror_of(workspace: Path, archive: str) -> str:
    """This machine's mirror of an archive, by the rules of mirrors.sh."""
    done = subprocess.run([workspace / "bazel/debian/mirrors.sh", archive], text=True, capture_output=True, check=False)
    if done.returncode:
        variable = "DEBIAN_SECURITY_MIRROR" if archive == "debian-security" else "DEBIAN_MIRROR"
        raise LockError(f"this machine's apt configuration has no {archive} archive: set {variable} to its address")
    return done.stdout.split()[0]


def renewed(tree: Path) -> Iterator[str]:
    """Renew lock.json from packages.toml: which file of Debian's archive each package is, for each architecture."""
    config = tomllib.loads((tree / "bazel/debian/packages.toml").read_text())
    content = lock(config, mirror_of(tree, "debian"), mirror_of(tree, "debian-security"))
    (tree / "bazel/debian/lock.json").write_text(dumps(content, 2) + "\n")
    yield f"{len(content['packages'])} packages locked in bazel/debian/lock.json"


if __name__ == "__main__":
    renew("lock_debs", renewed)
