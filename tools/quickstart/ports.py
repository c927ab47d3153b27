"""Which ports are wanted, and who is on one that is not free."""

import socket
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Self

import psutil

from tools.backends.process import free_port


class Ports(NamedTuple):
    """The quickstart's ports on the loopback interface."""

    redis_mcp: int
    elasticsearch_mcp: int
    redis: int
    elasticsearch: int

    @classmethod
    def from_base(cls, base: int) -> Self:
        return cls(*range(base, base + 4))

    @classmethod
    def free(cls) -> Self:
        return cls(free_port(), free_port(), free_port(), free_port())


class PortError(Exception):
    """A port that somebody listens on; the message says who, and what to do."""


def check(ports: Ports) -> None:
    """Raises PortError for the first port that is in use."""
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                who = owner(port)
                by = f" by {who}" if who else ""
                raise PortError(f"port {port} is in use{by}: stop it, or choose other ports with --port-base") from None


def owner(port: int) -> str:
    """The process that listens on a TCP port, such as "redis-server (pid 4711)"; empty where we may not know."""
    with suppress(psutil.Error, OSError):  # it has ended, or the system does not tell
        for found in psutil.net_connections("tcp"):
            if found.status == psutil.CONN_LISTEN and found.laddr.port == port and found.pid:
                return f"{program(psutil.Process(found.pid))} (pid {found.pid})"
    return ""


def program(process: psutil.Process) -> str:
    """Return a process' program name, also where a loader runs it under another name (--argv0)."""
    words = process.cmdline()
    if "--argv0" in words[:-1]:
        return Path(words[words.index("--argv0") + 1]).name
    return str(process.name())
