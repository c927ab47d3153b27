"""A child process with its output in a file, ready when it answers, and ended by its id."""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

PATIENCE = 600
"""Seconds after which what was waited for will not come: a busy machine may take long for anything."""


class StartError(Exception):
    """A process that did not start; the message has the last lines of what it said."""


# Held until this process ends, so that no two processes that ask for a port get the same.
_claims: list[socket.socket] = []


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on now, and that no other caller gets while this process runs.

    It is none that Linux or macOS gives to clients. A client that asks such a port before its server listens can get the same
    port, and is then connected to itself. What claims the port is the UDP port of the same number.
    """
    while True:
        port = 10_000 + secrets.randbelow(32_768 - 10_000)
        claim = socket.socket(type=socket.SOCK_DGRAM)
        try:
            claim.bind(("127.0.0.1", port))
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
        else:
            _claims.append(claim)
            return port


class Process:
    """A process and its log. Use it with `with`: it starts at the beginning and is ended at the end."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        """Log standard output and error to a file. `name` is for messages; without `env`, the environment is this process's."""
        self.name = name
        self.command = list(command)
        self.log = log
        self._env = None if env is None else dict(env)
        self._cwd = cwd
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *details: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, or raise StartError."""
        with self.log.open("ab") as log:
            try:
                # A group of its own: Ctrl-C in the terminal reaches us, and we end it in order.
                self._child = subprocess.Popen(
                    self.command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=self._env,
                    cwd=self._cwd,
                    start_new_session=True,
                )
            except OSError as error:
                raise StartError(f"{self.name}: {self.command[0]} can't be started: {error.strerror}") from None

    @property
    def pid(self) -> int:
        assert self._child, f"{self.name} is not started"
        return self._child.pid

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    @property
    def exit_code(self) -> int | None:
        return None if self._child is None else self._child.poll()

    def processes(self) -> list[int]:
        """It and those that it started, by proc(5)."""
        found = [self.pid]
        for process in found:
            with contextlib.suppress(OSError):
                found += map(int, Path(f"/proc/{process}/task/{process}/children").read_text().split())
        return found

    def cpu(self) -> float:
        """CPU seconds of it and its children so far, by proc(5)."""
        total = 0
        for pid in self.processes():
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
                total += sum(int(field) for field in fields[11:15])
        return total / os.sysconf("SC_CLK_TCK")

    def status(self, field: str) -> float:
        """Return MiB of a field of proc(5)'s status, of the program itself: the last process that its launchers started."""
        lines = Path(f"/proc/{self.processes()[-1]}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith(f"{field}:")).split()[1]) / 1024

    def wait(self, timeout: float) -> int:
        """Waits for its end and gives the exit code; raises subprocess.TimeoutExpired."""
        assert self._child, f"{self.name} is not started"
        return self._child.wait(timeout)

    def tail(self, lines: int = 8) -> str:
        """The last lines of its output."""
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-lines:])

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Wait until it is ready. StartError if it ended, or was not ready within PATIENCE seconds."""
        end = time.monotonic() + PATIENCE
        while not ready():
            if not self.running:
                raise StartError(f"{self.name} ended with exit code {self.exit_code}:\n{self.tail()}")
            if time.monotonic() > end:
                raise StartError(f"{self.name} was not ready within {PATIENCE} s:\n{self.tail()}")
            time.sleep(0.05)

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def stop(self, grace: float = 10.0) -> None:
        """SIGTERM, and SIGKILL to what is left of its group after `grace` seconds."""
        if self._child is None:
            return
        if self.running:
            self.signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(grace)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()
        self._child = None


def ran(*command: str | Path, check: bool = False, **how: Any) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, and return its exit code and what it wrote, as text; `how` is that of subprocess.run."""
    return subprocess.run(command, text=True, capture_output=True, check=check, **how)


def answers(url: str) -> bool:
    """Return whether a GET is answered with 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def accepts(port: int, host: str = "127.0.0.1") -> bool:
    """Return whether somebody accepts connections on a port of this machine."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True
