"""Which ports are wanted, and who is on one that is not free."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

from tools.backends.process import free_port

_LISTEN = "0A"


@dataclass(frozen=True)
class Ports:
    """The quickstart's ports on the loopback interface."""

    redis_mcp: int
    elasticsearch_mcp: int
    redis: int
    elasticsearch: int

    @classmethod
    def from_base(cls, base: int) -> Ports:
        return cls(base, base + 1, base + 2, base + 3)

    @classmethod
    def free(cls) -> Ports:
        return cls(free_port(), free_port(), free_port(), free_port())

    def all(self) -> list[int]:
        return [self.redis_mcp, self.elasticsearch_mcp, self.redis, self.elasticsearch]


class PortError(Exception):
    """A port that somebody listens on; the message says who, and what to do."""


def check(ports: Ports) -> None:
    """Raises PortError for the first port that is in use."""
    for port in ports.all():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                who = owner(port)
                by = f" by {who}" if who else ""
                raise PortError(f"port {port} is in use{by}: stop it, or choose other ports with --port-base") from None


def owner(port: int, proc: Path = Path("/proc")) -> str:
    """The process that listens on a TCP port, such as "redis-server (pid 4711)"; empty where we may not know.

    From proc(5): the socket's inode in net/tcp, then the process that has it open.
    """
    inodes = set()
    for table in ("tcp", "tcp6"):
        try:
            rows = (proc / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            columns = row.split()
            if columns[3] == _LISTEN and int(columns[1].rsplit(":", 1)[1], 16) == port:
                inodes.add(f"socket:[{columns[9]}]")
    for process in proc.iterdir():
        if not process.name.isdigit():
            continue
        try:
            if any(str(fd.readlink()) in inodes for fd in (process / "fd").iterdir()):
                return f"{program(process)} (pid {process.name})"
        except OSError:
            continue
    return ""


def program(process: Path) -> str:
    """Return a process' program name, also where a loader runs it under another name (--argv0)."""
    words = (process / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    if "--argv0" in words[:-1]:
        return Path(words[words.index("--argv0") + 1]).name
    return (process / "comm").read_text().strip()
