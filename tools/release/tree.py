"""The source tree as git has it, through dulwich: no git need be installed."""

import io
import re
import time
from pathlib import Path
from typing import Self

from dulwich import porcelain
from dulwich.errors import NotGitRepository
from dulwich.repo import Repo

from tools.release.errors import ReleaseError

SEMVER = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?"
)
"""Semantic version 2.0.0 without build metadata, which neither tags of images nor Python's versions could carry."""

_VERSIONS = ("bazel/version.bzl", "servers/common/__init__.py")
"""Where a tree has its version; charts, labels and packages take it from there."""


class Tree:
    """A checkout."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with self._repo():
            pass

    def _repo(self) -> Repo:
        """The repository, to be closed after use: dulwich keeps packs open."""
        try:
            return Repo.discover(str(self.folder))
        except NotGitRepository:
            raise ReleaseError(f"{self.folder} is no git checkout: release from a clone of the repository") from None

    @property
    def commit(self) -> str:
        """Return the hash of the commit that is checked out, or raise ReleaseError if there is none."""
        with self._repo() as repo:
            try:
                return repo.head().decode()
            except KeyError:
                raise ReleaseError("the checkout has no commit") from None

    def check_clean(self) -> None:
        """Raise ReleaseError if files are changed or not committed; ignored files do not count."""
        with self._repo() as repo:
            status = porcelain.status(repo, untracked_files="normal")
        changed = [name for names in status.staged.values() for name in names] + list(status.unstaged)
        names = sorted({n.decode() if isinstance(n, bytes) else n for n in [*changed, *status.untracked]})
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            raise ReleaseError(f"the tree is not clean: commit or remove {', '.join(names[:3])}{more}")

    def clone(self, folder: Path) -> Self:
        """The commit in a folder of its own, with nothing that is not committed."""
        with self._repo() as repo:
            porcelain.clone(str(repo.path), str(folder), checkout=True, errstream=io.BytesIO()).close()
        return type(self)(folder)

    @property
    def date(self) -> str:
        """Day of the commit, UTC, as YYYY-MM-DD."""
        with self._repo() as repo:
            entry = next(iter(repo.get_walker(max_entries=1)))
        return time.strftime("%Y-%m-%d", time.gmtime(entry.commit.commit_time))


def check_version(version: str) -> None:
    if not SEMVER.fullmatch(version):
        raise ReleaseError(f"--version is '{version}': give a semantic version such as 1.2.3 or 1.2.3-rc.1, without v and +")


def stamp(folder: Path, version: str) -> None:
    """Put a version into a tree. ReleaseError: a file that has it is not as expected."""
    for name in _VERSIONS:
        file = folder / name
        text, count = re.subn(r'^(VERSION = )"[^"]+"', rf'\g<1>"{version}"', file.read_text(), flags=re.M)
        if count != 1:
            raise ReleaseError(f"{name} has {count} lines with the version, where one is expected")
        file.write_text(text)
