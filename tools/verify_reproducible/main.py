"""bazel run //tools:verify_reproducible: builds a commit twice, as differently as this machine allows, and compares."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tools.backends.runfiles import enter_working_directory
from tools.release import build, oci, provenance
from tools.release.errors import ReleaseError
from tools.release.tree import Tree
from tools.verify_reproducible import compare


class Way(NamedTuple):
    """How a build is made."""

    folder: str  # below a temporary one
    umask: int
    mtime: int | None  # of the sources, seconds since the epoch; None leaves them
    env: dict[str, str]
    uid: int | None  # None: the user who started this


WAYS = (
    Way("one", 0o022, None, {"TZ": "UTC", "LC_ALL": "C.UTF-8"}, None),
    Way(
        "another/and/longer/path",
        0o077,
        978307200,  # 2001-01-01
        {"TZ": "Pacific/Kiritimati", "LC_ALL": "C", "USER": "builder", "LOGNAME": "builder", "HOSTNAME": "elsewhere"},
        12345,
    ),
)


def as_user(uid: int) -> list[str]:
    """The command that starts another as a user of that id, in a user namespace; empty where that can't be done."""
    command = ["bwrap", "--dev-bind", "/", "/", "--unshare-user", "--uid", str(uid), "--gid", str(uid)]
    if not shutil.which("bwrap") or subprocess.run([*command, "true"], capture_output=True, check=False).returncode:
        print("verify_reproducible: no user namespaces here, so both builds are the same user's", file=sys.stderr)
        return []
    return command


def make(tree: Tree, base: Path, way: Way, output: Path) -> None:
    """Build a commit in one way, and copy what was made. ReleaseError if the build fails."""
    old = os.umask(way.umask)
    clean = None
    wrapper = as_user(way.uid) if way.uid else []
    env = build.environment() | way.env
    try:
        folder = base / way.folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        clean = tree.clone(folder)
        if way.mtime is not None:
            for file in (f for f in clean.folder.rglob("*") if ".git" not in f.parts and not f.is_symlink()):
                os.utime(file, (way.mtime, way.mtime))
        # Nothing of an earlier build: another folder has another output base, and no cache of actions is asked.
        build.bazel(clean.folder, ["build", "--disk_cache=", provenance.TARGET], env, wrapper)
        shutil.copytree(build.output(clean.folder, provenance.TARGET), output)
    finally:
        os.umask(old)
        if clean:
            build.bazel(clean.folder, ["clean", "--expunge"], env, wrapper)


def main() -> None:
    enter_working_directory()
    parser = argparse.ArgumentParser(
        prog="verify_reproducible",
        description="Builds the checked-out commit twice in clean folders: other path, umask, times of the sources, time zone, "
        "language, user; compares images, SBOMs and chart byte by byte.",
    )
    parser.add_argument("--keep", type=Path, help="copy what the two builds made here, as 1 and 2")
    given = parser.parse_args()
    try:
        tree = Tree(Path(os.environ.get("BUILD_WORKSPACE_DIRECTORY", ".")))
        print(f"verify_reproducible: commit {tree.commit}; changes that are not committed are not built", file=sys.stderr)
        with tempfile.TemporaryDirectory(prefix="reproducible.") as temporary:
            base = Path(temporary)
            # A copy, for work in the checkout goes on while this builds.
            tree = tree.clone(base / "commit")
            outputs = [base / "out" / str(number) for number in (1, 2)]
            for way, output in zip(WAYS, outputs, strict=True):
                make(tree, base, way, output)
            different = compare.differences(*outputs)
            if given.keep:
                for output in outputs:
                    shutil.copytree(output, given.keep / output.name)
            for layout in sorted((outputs[0] / "images").iterdir()):
                print(f"{oci.top(layout).digest}  mcp/{layout.name}")
            for name, digest in compare.digests(outputs[0]).items():
                if not name.startswith("images/"):
                    print(f"sha256:{digest}  {name}")
    except ReleaseError as error:
        sys.exit(f"verify_reproducible: {error}")
    if different:
        sys.exit("\n".join(["verify_reproducible: the builds differ in, at first:", *different[:20]]))
    print("verify_reproducible: both builds are the same, byte by byte")


if __name__ == "__main__":
    main()
