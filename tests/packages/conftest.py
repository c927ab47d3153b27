"""The stores, a client of a wheel's program, and a machine without our sources, which has uv and a folder of wheels."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uv
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from tools.backends.elasticsearch import ElasticsearchNode
from tools.backends.redis import RedisServer
from tools.backends.runfiles import program

SERVERS = ("redis", "elasticsearch")
CALLS: dict[str, tuple[str, dict[str, Any]]] = {"redis": ("redis_info", {}), "elasticsearch": ("es_health", {})}
UV = Path(uv.__file__).parents[2] / "bin/uv"
"""Where the rules of pip.parse put a wheel's programs."""

LAUNCHER = Path(sys.base_prefix, "run/python3")
"""The locked Python: a script that starts it by its own loader."""


def wheel(name: str) -> Path:
    """A wheel of ours: common, redis or elasticsearch."""
    return program(f"{name.upper()}_WHEEL")


class Laptop:
    """Makes virtual environments and installs into them, from wheels alone."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.wheels = folder, folder / "wheels"
        self.wheels.mkdir()
        locked = Path(os.environ["RUNFILES_DIR"]).rglob("*.whl")
        for file in [*locked, *(wheel(name) for name in ("common", *SERVERS))]:
            link = self.wheels / file.name
            if not link.exists():
                link.symlink_to(file.resolve())
        self.env = {
            "HOME": str(folder),
            "PATH": "/usr/bin:/bin",
            "UV_CACHE_DIR": str(folder / "cache"),
            "UV_FIND_LINKS": str(self.wheels),
            "UV_NO_CONFIG": "1",
            "UV_NO_INDEX": "1",
            "UV_OFFLINE": "1",
            "UV_PYTHON_DOWNLOADS": "never",
        }

    def uv(self, *arguments: str | Path) -> str:
        done = subprocess.run([UV, *arguments], env=self.env, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def environment(self, folder: Path) -> Path:
        """A new, empty virtual environment; its Python."""
        self.uv("venv", "--quiet", "--python", LAUNCHER, folder)
        python = folder / "bin/python"
        # A virtual environment's Python is known by the path that it is started by; the launcher hides that.
        text = LAUNCHER.read_text().replace('$(readlink -f "$0")', str(LAUNCHER.resolve()))
        assert '--argv0 "$self"' in text
        python.unlink()
        python.write_text(text.replace('--argv0 "$self"', '--argv0 "$0"'))
        python.chmod(0o755)
        return python

    def install(self, python: Path, *distributions: str) -> None:
        self.uv("pip", "install", "--quiet", "--python", python, *distributions)

    def installed(self, python: Path) -> set[str]:
        lines = self.uv("pip", "list", "--quiet", "--format=freeze", "--python", python).splitlines()
        return {line.partition("==")[0] for line in lines}


@pytest.fixture(scope="session")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Laptop:
    return Laptop(tmp_path_factory.mktemp("laptop"))


@pytest.fixture(scope="session")
def stores() -> Iterator[dict[str, dict[str, str]]]:
    """The settings of each server, for a store that is there."""
    with RedisServer() as redis, ElasticsearchNode() as node:
        yield {
            "redis": {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(redis.port)},
            "elasticsearch": {"ES_HOST": "127.0.0.1", "ES_PORT": str(node.port)},
        }


async def call(name: str, parameters: StdioServerParameters, mode: Any = "legacy") -> None:
    """The server starts, lists its reading tools only, and answers from a real store."""
    async with Client(parameters, mode=mode) as client:
        tools = {tool.name for tool in (await client.list_tools()).tools}
        tool, arguments = CALLS[name]
        assert tool in tools
        assert not tools & {"redis_write", "redis_delete", "es_index", "es_delete"}
        answer = await client.call_tool(tool, arguments)
        assert not answer.is_error, answer.content
        assert answer.structured_content
