"""A newcomer's walk: runs every command of the README and the documentation on a bare Debian, in the order of the pages.

    ./bazelw run //tests/walk -- [--only REGEX] [--cache FOLDER] [--keep]

The machine is a root file system of Debian 12 with nothing but its essential packages (mmdebstrap --variant=minbase), a copy
of the files that Git knows, and empty caches; processes and mounts are its own (bubblewrap), the network is not. Of this
machine it gets what an administrator would set up: certificates, and where the package registries are. What can't run there,
and why, is in not_here.toml. It needs root, and half an hour or more. Exit code 69: this machine can't make such a root.
"""

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.walk.commands import Command, documented, reason, rules
from tools.backends.runfiles import enter_working_directory

UNAVAILABLE = 69
FIRST = ("README.md", "docs/quickstart.md", "CONTRIBUTING.md")
"""Pages in the order that a newcomer reads them; then the others."""

SETTINGS = (
    *("/etc/pip.conf", "/etc/npmrc", "/usr/etc/npmrc"),
    *("~/.npmrc", "~/.m2/settings.xml", "~/.config/pip/pip.conf", "~/.config/go/env"),
)
VARIABLES = re.compile(r"(https?|no)_proxy|PIP_.*|npm_config_.*|GOPROXY|SSL_CERT_FILE|MAVEN_MIRROR|DEBIAN_.*", re.I)
BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
WORKSPACE = "/root/mcp-sidecars"


def say(text: str) -> None:
    print(f"walk: {text}", flush=True)


class Machine:
    """A bare machine in a folder."""

    def __init__(self, root: Path, workspace: Path, cache: Path | None) -> None:
        """Use an empty folder as root file system, and begin with a cache of ./bazelw if there is one."""
        self.root, self.workspace, self.cache = root, workspace, cache
        self.env = {k: v for k, v in os.environ.items() if VARIABLES.fullmatch(k)}
        self.env |= {
            "HOME": "/root",
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
        }

    def make(self) -> None:
        lines = []
        for archive, suite in (("debian", "bookworm"), ("debian-security", "bookworm-security")):
            asked: list[str | Path] = [self.workspace / "bazel/debian/mirrors.sh", archive]
            mirrors = subprocess.run(asked, text=True, capture_output=True, check=False).stdout.split()
            lines += [f"deb {mirror} {suite} main" for mirror in mirrors[:1]]
        # With a root in the cache, ./bazelw has no reason to install what enters it.
        options = ["--include=bubblewrap"] if self.cache else []
        make: list[str | Path] = ["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", *options]
        subprocess.run([*make, "bookworm", self.root, *lines], check=True)
        for name in ("/etc/resolv.conf", "/etc/hosts", *SETTINGS):
            self.copy(Path(name).expanduser(), name.replace("~", "/root"))
        if BUNDLE.exists():
            self.copy(BUNDLE.resolve(), str(BUNDLE))
            self.env["SSL_CERT_FILE"] = str(BUNDLE)
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=self.workspace, text=True, capture_output=True, check=True)
        for name in listed.stdout.split("\0"):
            if name and (self.workspace / name).exists():
                self.copy(self.workspace / name, f"{WORKSPACE}/{name}")

    def copy(self, file: Path, path: str) -> None:
        if file.exists():
            target = self.root / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)

    def run(self, commands: Sequence[Command]) -> list[int]:
        """Run command lines in the workspace, one after the other, and return their exit codes.

        All share one process namespace: background processes of one are visible to the next, and end with the last.
        """
        lines = [f"cd {WORKSPACE}", 'told() { printf \'walk: exit code %s after %s s\\n\' "$1" "$SECONDS"; }']
        for command in commands:
            lines.append(f"printf 'walk: %s\\n' {shlex.quote(f'{command.page}:{command.line}: {command.text}')}")
            lines.append(f"SECONDS=0; ({command.text}) </dev/null; code=$?; told $code; echo $code >>/walk.codes")
        self.root.joinpath("walk.sh").write_text("\n".join(lines) + "\n")
        machine: list[str | Path] = ["bwrap", "--bind", self.root, "/", "--dev-bind", "/dev", "/dev", "--proc", "/proc"]
        machine += ["--ro-bind", "/sys", "/sys"]
        if self.cache:
            for name in ("airgap", "disk"):
                machine += ["--bind", self.cache / name, f"/root/.cache/dox-asdlc/{name}"]
        machine += ["--unshare-pid", "--die-with-parent", "--new-session", "--cap-add", "ALL", "/bin/bash", "/walk.sh"]
        subprocess.run(machine, env=self.env, stdin=subprocess.DEVNULL, check=False)
        codes = self.root / "walk.codes"
        return [int(code) for code in codes.read_text().split()] if codes.exists() else []


def walked(workspace: Path, only: str) -> tuple[list[Command], list[tuple[Command, str]]]:
    """The commands to run, each once, and those left out with the reason."""
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=workspace, text=True, capture_output=True, check=True).stdout.split()
    pages = [*FIRST, *sorted(page for page in listed if page.startswith("docs/") and page not in FIRST)]
    known = rules(workspace / "tests/walk/not_here.toml")
    run: dict[str, Command] = {}
    left: list[tuple[Command, str]] = []
    for command in documented(workspace, pages):
        why = reason(command, known) or (None if re.search(only, command.text) else "--only")
        if why:
            left.append((command, why))
        else:
            run.setdefault(command.text, command)
    return list(run.values()), left


def unavailable() -> str | None:
    """Why this machine can't make a bare one."""
    if os.geteuid() != 0:
        return "it needs root"
    missing = [name for name in ("mmdebstrap", "bwrap", "git") if not shutil.which(name)]
    return f"there is no {missing[0]} here" if missing else None


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="walk", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="", metavar="REGEX", help="run only the commands that it is found in")
    parser.add_argument(
        "--cache",
        type=Path,
        help="begin with this cache folder of ./bazelw (~/.cache/dox-asdlc): quicker, and less of a newcomer",
    )
    parser.add_argument("--keep", action="store_true", help="leave the root there at the end")
    given = parser.parse_args(arguments)
    enter_working_directory()
    if why := unavailable():
        say(why)
        return UNAVAILABLE
    workspace = Path(os.environ.get("BUILD_WORKSPACE_DIRECTORY", "."))
    run, left = walked(workspace, given.only)
    for command, why in left:
        say(f"left out: {command.page}:{command.line}: {command.text} ({why})")
    root = Path(tempfile.mkdtemp(prefix="walk."))
    failed = run
    try:
        machine = Machine(root, workspace, given.cache)
        machine.make()
        codes = machine.run(run)
        failed = [command for n, command in enumerate(run) if n >= len(codes) or codes[n]]
    finally:
        if not given.keep:
            shutil.rmtree(root, ignore_errors=True)
    for command in failed:
        say(f"FAILED: {command.page}:{command.line}: {command.text}")
    say(f"{len(run) - len(failed)} commands passed, {len(failed)} failed, {len(left)} left out")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
