"""Runs a linter's command line at the root of the source tree."""

import importlib.metadata
import importlib.util
import os
import sys
from pathlib import Path

from bazel.python.import_path import import_path


def source_tree() -> Path:
    """The source tree: the runfiles hold a link to its WORKSPACE file."""
    return Path("WORKSPACE").resolve().parent


def shell_scripts(tree: Path) -> list[str]:
    """The tree's shell scripts, by their first line, relative to it."""
    found = []
    for folder, folders, files in os.walk(tree):
        folders[:] = sorted(f for f in folders if f != ".git" and not f.startswith("bazel-"))
        for name in sorted(files):
            path = Path(folder, name)
            if path.is_symlink():  # such as bazel-bin, which another build may just be replacing
                continue
            with path.open("rb") as file:
                first = file.readline(80)
            if first.startswith(b"#!") and first.rstrip().endswith((b"bash", b"/sh", b" sh")):
                found.append(str(path.relative_to(tree)))
    return found


def program(name: str) -> list[str]:
    """Return the command that starts a linter: the program in its wheel, else its module.

    A script of a wheel names a Python that is not there: installers write another one in its place.
    """
    for distribution in importlib.metadata.distributions():
        for folder in (Path(str(distribution.locate_file("../bin"))), Path(str(distribution.locate_file("bin")))):
            if (folder / name).is_file() and not (folder / name).read_bytes().startswith(b"#!"):
                return [str((folder / name).resolve())]
    if importlib.util.find_spec(name) is None:
        raise SystemExit(f"lint: no wheel of this test has the program or module {name}")
    return [sys.executable, "-m", name]


def main(words: list[str]) -> None:
    tree = source_tree()
    command = program(words[0])
    for word in words[1:]:
        command += shell_scripts(tree) if word == "{shell_scripts}" else [word]
    os.environ["PYTHONPATH"] = import_path()
    os.chdir(tree)
    os.execv(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
