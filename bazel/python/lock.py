"""Renews the locks of wheels from requirements.in, and requirements_*.in for what the images do not hold.

uv resolves them, for CPython 3.11.2 on Linux with glibc 2.36 (Debian 12): wheels only, each with the hashes of all files
of its version. The locks name no index; where wheels come from is this machine's pip configuration, here and in a build.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import uv

PYTHON = "3.11.2"
GLIBC = "manylinux_2_36"
CPUS = ("x86_64", "aarch64")
UV = Path(uv.__file__).parents[2] / "bin/uv"
"""Where the rules of pip.parse put a wheel's programs."""

HEADER = "# Made by `bazel run //tools:lock_wheels` from {source}; do not edit.\n"


def pip_setting(name: str) -> str | None:
    """A setting of pip's, from the environment or its configuration files; None where it is not set."""
    if value := os.environ.get(f"PIP_{name.upper().replace('-', '_')}"):
        return value
    for section in ("install", "global"):
        command = ["python3", "-m", "pip", "config", "get", f"{section}.{name}"]
        try:
            done = subprocess.run(command, text=True, capture_output=True, check=False)
        except FileNotFoundError:
            return None
        if done.returncode == 0:
            return done.stdout.strip()
    return None


def environment() -> dict[str, str]:
    """uv does not read pip's configuration: the index and the certificates are handed over."""
    env = dict(os.environ)
    for setting, variable in (
        ("index-url", "UV_DEFAULT_INDEX"),
        ("extra-index-url", "UV_INDEX"),
        ("cert", "SSL_CERT_FILE"),
    ):
        value = pip_setting(setting)
        if value and variable not in env:
            env[variable] = value
    return env


def command(folder: Path, source: str, cpu: str, output: Path, upgrade: bool, constraint: Path | None) -> list[str]:
    """The command line of uv that writes one lock."""
    words = [str(UV), "pip", "compile", "--quiet", "--no-config", "--generate-hashes", "--no-strip-extras"]
    words += ["--only-binary=:all:", "--no-annotate", "--no-header", "--no-emit-index-url", "--no-emit-find-links"]
    words += [f"--python-version={PYTHON}", f"--python-platform={cpu}-{GLIBC}", f"--output-file={output}"]
    words += ["--upgrade"] if upgrade else []
    words += [f"--constraint={constraint}"] if constraint else []
    return [*words, str(folder / source)]


def lock(folder: Path, upgrade: bool) -> None:
    """Write all locks. Where there is no solution, uv says why."""
    env = environment()
    # The images of both architectures have the same wheels: the second lock must be as the first.
    images = [("requirements.in", cpu, "requirements_linux.txt", None) for cpu in CPUS]
    # The images' versions hold for tests and tools as well.
    dev = ("requirements_dev.in", CPUS[0], "requirements_dev.txt", folder / "requirements_linux.txt")
    apart = [
        (f"requirements_{use}.in", CPUS[0], f"requirements_{use}.txt", None)
        for use in ("adk", "checkov", "docs", "frameworks", "frameworks1", "go", "mcp1", "peers")
    ]
    before = ""
    for source, cpu, name, constraint in [*images, dev, *apart]:
        output = folder / name
        subprocess.run(command(folder, source, cpu, output, upgrade, constraint), env=env, check=True)
        # A wheel on each line, with all its hashes: pip reads both forms, and a diff shows a line for each changed wheel.
        locked = output.read_text().removeprefix(HEADER.format(source=source)).replace(" \\\n    --hash=", " --hash=")
        output.write_text(HEADER.format(source=source) + locked)
        if cpu != CPUS[0] and locked != before:
            sys.exit(f"lock_wheels: {source} needs other wheels on {cpu}: name those that both architectures have")
        before = locked
        print(f"lock_wheels: bazel/python/{name}: {sum('==' in line for line in output.open())} wheels")


def main() -> None:
    parser = argparse.ArgumentParser(prog="lock_wheels", description="Renews bazel/python/requirements*.txt.")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that fit, not those locked now")
    upgrade = parser.parse_args().upgrade
    try:
        lock(Path(os.environ.get("BUILD_WORKSPACE_DIRECTORY", "."), "bazel/python"), upgrade)
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)


if __name__ == "__main__":
    main()
