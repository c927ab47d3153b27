"""Builds the documentation's site: Zensical (https://zensical.org) on docs/, with the README as its first page.

Links to files outside the site, such as sources, become links to the repository. The build fails if a link names a heading
that does not exist.
"""

import argparse
import os
import posixpath
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path

from bazel.python.import_path import import_path

SOURCE = "https://github.com/dox-asdlc/mcp-sidecars/blob/main/"

LINK = re.compile(r"(!?\[[^\]]*\]\()([^)\s#]+)(#[^)\s]*)?(\))")
"""A link or a picture in Markdown: before, path, fragment, after."""


def page_of(path: str) -> str | None:
    """Return the path of a workspace file in the site's sources, or None for a file outside the site."""
    if path == "README.md":
        return "index.md"
    return path.removeprefix("docs/") if path.startswith("docs/") else None


def staged(text: str, path: str, files: Collection[str]) -> str:
    """Return a page's text with the links that the site needs. `files` are those of the site; paths begin at the workspace."""
    page = page_of(path)
    assert page is not None

    def link(match: re.Match[str]) -> str:
        before, target, fragment, after = match.groups(default="")
        if re.match(r"[a-z]+:", target):
            return match[0]
        whole = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        there = page_of(whole)
        if there is None or whole not in files:
            # A picture too: a page loads nothing from elsewhere.
            return f"{before.removeprefix('!')}{SOURCE}{whole}{fragment}{after}"
        return f"{before}{posixpath.relpath(there, posixpath.dirname(page) or '.')}{fragment}{after}"

    # Code is no prose: what looks like a link there is none.
    parts = re.split(r"(^```.*?^```)", text, flags=re.M | re.S)
    return "".join(part if n % 2 else LINK.sub(link, part) for n, part in enumerate(parts))


def build(given: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        files = {str(file) for file in given.files}
        for file in given.files:
            target = folder / "docs" / str(page_of(str(file)))
            target.parent.mkdir(parents=True, exist_ok=True)
            if file.suffix == ".md":
                target.write_text(staged(file.read_text(), str(file), files))
            else:
                shutil.copyfile(file, target)
        shutil.copyfile(given.config, folder / "zensical.toml")
        env = os.environ | {"NO_COLOR": "1", "PYTHONPATH": import_path()}
        command = [sys.executable, "-m", "zensical", "build", "--strict"]
        done = subprocess.run(command, cwd=folder, env=env, text=True, capture_output=True, check=False)
        if done.returncode:
            sys.exit(re.sub(r"\x1b\[[0-9;]*m", "", (done.stdout + done.stderr).partition("Traceback")[0]))
        shutil.copytree(folder / "site", given.output, dirs_exist_ok=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="zensical.toml")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("files", type=Path, nargs="+", help="README.md and what is in docs/")
    build(parser.parse_args())


if __name__ == "__main__":
    main()
