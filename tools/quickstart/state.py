"""The quickstart that runs in the background: remembered in a file of the user's state folder."""

import contextlib
import json
import os
import signal
import time
from pathlib import Path
from typing import NamedTuple


def folder() -> Path:
    """$XDG_STATE_HOME/dox-asdlc, by the XDG base directory specification."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
    return Path(base) / "dox-asdlc"


def started_at(pid: int) -> str:
    """When a process started, in the kernel's ticks; with the pid it names a process for good. Empty when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


class Running(NamedTuple):
    """A quickstart in the background."""

    pid: int
    start: str
    port_base: int

    @property
    def alive(self) -> bool:
        return bool(self.start) and started_at(self.pid) == self.start


def _file(port_base: int) -> Path:
    return folder() / f"quickstart-{port_base}.json"


def log_file(port_base: int) -> Path:
    return folder() / f"quickstart-{port_base}.log"


def save(running: Running) -> None:
    folder().mkdir(parents=True, exist_ok=True)
    _file(running.port_base).write_text(json.dumps(running._asdict()) + "\n")


def load(port_base: int) -> Running | None:
    """The quickstart of these ports; None when there is none that runs."""
    try:
        running = Running(**json.loads(_file(port_base).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return running if running.alive else None


def forget(port_base: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        _file(port_base).unlink()


def stop(running: Running, timeout: float = 300) -> bool:
    """Asks it to end, and waits; False when it has not ended in time."""
    os.kill(running.pid, signal.SIGTERM)
    end = time.monotonic() + timeout
    while running.alive:
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    forget(running.port_base)
    return True
