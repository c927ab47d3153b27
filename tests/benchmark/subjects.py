"""What is measured: our servers from their images' files, the peers from their wheels, and a bare server on our SDK."""

import importlib.metadata
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmark.limits import Group, available
from tests.benchmark.load import http_request
from tools.backends.process import Process, answers, free_port
from tools.backends.runfiles import program
from tools.backends.sidecar import NEW, message, who_asks
from tools.images.container import command_line
from tools.images.layout import Image

OLD = "2025-06-18"
PROTOCOLS = (NEW, OLD)
"""Versions of the protocol that are measured."""

LIMITS = {
    "MCP_MAX_CONCURRENT_CALLS": "1024",
    "MCP_MAX_CONNECTIONS": "1024",
    "MCP_MAX_RESULT_BYTES": str(64 * 1024 * 1024),
}
"""Ours only bounds what it answers; to do a peer's work, it is allowed as much as that takes."""


@dataclass(frozen=True)
class Subject:
    name: str
    kind: str
    """ours, peer or bare."""

    store: str
    """redis or elasticsearch; empty for the bare server."""

    protocols: Sequence[str]
    """Those of PROTOCOLS that it speaks."""

    command: Callable[[int, int], tuple[list[str], dict[str, str]]]
    """The command line and environment, from the server's port and its store's."""

    ready: str
    """The path that answers with 200 once the server can be called."""


class Running(Process):
    def __init__(self, subject: Subject, store_port: int, folder: Path, group: Group | None = None) -> None:
        self.subject, self.port, self._group = subject, free_port(), group
        command, env = subject.command(self.port, store_port)
        command = [shutil.which(command[0]) or command[0], *command[1:]]
        if group:
            command = group.command(command)
        super().__init__(subject.name, command, folder / f"{subject.store}-{self.port}.log", env)

    def until_ready(self) -> None:
        self.wait_until(lambda: answers(f"http://127.0.0.1:{self.port}{self.subject.ready}"))

    def resident(self) -> float:
        """Return MiB that are resident, of the server's own process."""
        return self.status("VmRSS")

    def memory(self) -> float | None:
        """MiB of its control group's working set; None without one."""
        return self._group.memory() if self._group else None


@contextmanager
def running(
    subject: Subject, store_port: int, folder: Path, cpus: float | None = None, memory: int | None = None
) -> Iterator[Running]:
    """Run a server that is ready, in a control group of its own where that is possible, or raise StartError."""
    name = f"benchmark-{os.getpid()}-{time.monotonic_ns()}"
    with (
        Group(name, cpus, memory) if available() else nullcontext() as group,
        Running(subject, store_port, folder, group) as server,
    ):
        server.until_ready()
        yield server


def image(store: str, folder: Path) -> Subject:
    """Return our server, from the files of its image, which are unpacked into a folder."""
    layout = Image(program(f"{store.upper()}_IMAGE"))
    root = folder / store
    root.mkdir()
    layout.unpack(root)
    prefix = "REDIS" if store == "redis" else "ES"

    def command(port: int, store_port: int) -> tuple[list[str], dict[str, str]]:
        env = {"MCP_HOST": "127.0.0.1", "MCP_PORT": str(port)}
        env |= {f"{prefix}_HOST": "127.0.0.1", f"{prefix}_PORT": str(store_port)} | LIMITS
        return command_line(layout, root, env)

    return Subject(f"mcp/{store}", "ours", store, PROTOCOLS, command, "/ready")


def _other(name: str, kind: str, store: str, protocols: Sequence[str], folder: Path, ready: str, variable: str) -> Subject:
    def command(port: int, store_port: int) -> tuple[list[str], dict[str, str]]:
        kept = {key: os.environ[key] for key in ("HOME", "PATH", "RUNFILES_DIR", "LIBSTDCXX") if key in os.environ}
        address = {"ELASTICSEARCH_HOSTS": f"http://127.0.0.1:{store_port}", "PEER_STORE": str(store_port)}
        bytecode = {"PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
        return [str(program(variable))], kept | address | bytecode | {"PEER_PORT": str(port)}

    return Subject(name, kind, store, protocols, command, ready)


def subjects(store: str, folder: Path) -> list[Subject]:
    """Return ours of a store, its peer, and the bare server. The peers' SDKs do not speak NEW."""
    name, ready = {
        "redis": ("redis-mcp-server 0.5.1", "/health"),
        "elasticsearch": ("elasticsearch-mcp-server 2.1.6", "/healthz"),
    }[store]
    return [
        image(store, folder),
        _other(name, "peer", store, (OLD,), folder, ready, f"PEER_{store.upper()}"),
        _other(f"bare, mcp {importlib.metadata.version('mcp')}", "bare", "", PROTOCOLS, folder, "/health", "BARE"),
    ]


def call(tool: str, arguments: Mapping[str, Any], version: str) -> bytes:
    """Return a call of a tool in a version of the protocol, as a request of HTTP."""
    params: dict[str, Any] = {"name": tool, "arguments": dict(arguments)}
    headers = {"MCP-Protocol-Version": version}
    if version == NEW:
        params["_meta"] = who_asks()
        headers |= {"Mcp-Method": "tools/call", "Mcp-Name": tool}
    return http_request("/mcp", message("tools/call", **params), headers)
