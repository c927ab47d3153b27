"""The wheels, with the newest compatible releases of what they require, on each Python that they are for.

It needs an index of wheels, which pip's configuration names, and interpreters: those of PYTHONS (paths, separated by
colons) and those that uv finds, or downloads where UV_PYTHON_DOWNLOADS allows it. A version without an interpreter
fails where PYTHONS_REQUIRED is set, else it is skipped.
"""

import os
import subprocess
from pathlib import Path

import pytest
from mcp.client.stdio import StdioServerParameters

from bazel.python.lock import environment
from tests.packages.conftest import SERVERS, UV, call, wheel

VERSIONS = ("3.11", "3.12", "3.13", "3.14")


def uv(*arguments: str | Path, check: bool = True) -> str:
    done = subprocess.run([UV, *arguments], env=environment(), text=True, capture_output=True, check=False)
    assert not check or done.returncode == 0, done.stderr
    return done.stdout.strip() if done.returncode == 0 else ""


def version(interpreter: str) -> str:
    """Return the version of an interpreter, such as 3.12."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run([interpreter, "-c", code], text=True, capture_output=True, check=True).stdout.strip()


def interpreter(wanted: str) -> str:
    """Return the path of an interpreter of a version, or skip the test."""
    given = [path for path in os.environ.get("PYTHONS", "").split(":") if path]
    found = next((path for path in given if version(path) == wanted), "") or uv("python", "find", wanted, check=False)
    if not found and os.environ.get("PYTHONS_REQUIRED"):
        pytest.fail(f"there is no Python {wanted}: name one in PYTHONS, or let uv download it")
    if not found:
        pytest.skip(f"there is no Python {wanted} here")
    return found


@pytest.mark.parametrize("wanted", VERSIONS)
@pytest.mark.anyio
async def test_wheels_serve_a_client_on(wanted: str, stores: dict[str, dict[str, str]], tmp_path: Path) -> None:
    folder = tmp_path / "venv"
    uv("venv", "--quiet", "--no-config", "--python", interpreter(wanted), folder)
    ours = [wheel(name) for name in ("common", *SERVERS)]
    uv("pip", "install", "--quiet", "--no-config", "--only-binary=:all:", "--python", folder / "bin/python", *ours)
    assert version(str(folder / "bin/python")) == wanted
    for name in SERVERS:
        program = str(folder / f"bin/dox-asdlc-mcp-{name}")
        for lazy in ("true", "false"):
            env = stores[name] | {"MCP_LAZY_IMPORTS": lazy}
            await call(name, StdioServerParameters(command=program, args=[], env=env))
