"""Control groups: limits as a container engine sets them, and what is used, in version 1 or 2 (cgroups(7))."""

import contextlib
import os
import time
from pathlib import Path
from typing import Self

ROOT = Path("/sys/fs/cgroup")
MIB = 1024 * 1024
PERIOD = 100_000
"""Microseconds in which the CPU limit is given out, as the kubelet has it."""


def available() -> bool:
    """Return whether groups can be made here."""
    unified = (ROOT / "cgroup.controllers").exists()
    needed = [ROOT] if unified else [ROOT / "cpu", ROOT / "memory"]
    return all(folder.is_dir() and os.access(folder, os.W_OK) for folder in needed)


class Group:
    """A control group of its own for one process and its children. Use it with `with`; its processes are gone by its end."""

    def __init__(self, name: str, cpus: float | None = None, memory: int | None = None) -> None:
        """Make a group under the root of control groups, with a limit of CPU seconds a second and of bytes, or None."""
        self._unified = (ROOT / "cgroup.controllers").exists()
        names = ["."] if self._unified else ["cpu", "memory"]
        self._folders = [ROOT / controller / name for controller in names]
        self._cpus, self._bytes = cpus, memory

    def __enter__(self) -> Self:
        for folder in self._folders:
            folder.mkdir()
        self.limit_cpus(self._cpus)
        if self._unified:
            (self._folders[0] / "memory.max").write_text(str(self._bytes or "max"))
        else:
            (self._folders[1] / "memory.limit_in_bytes").write_text(str(self._bytes or -1))
        return self

    def __exit__(self, *details: object) -> None:
        for folder in self._folders:
            for _ in range(50):
                with contextlib.suppress(OSError):
                    folder.rmdir()
                    break
                time.sleep(0.1)

    def limit_cpus(self, cpus: float | None) -> None:
        """Set the CPU seconds a second at most; None for no limit."""
        if self._unified:
            (self._folders[0] / "cpu.max").write_text(f"{int(PERIOD * cpus) if cpus else 'max'} {PERIOD}")
        else:
            (self._folders[0] / "cpu.cfs_period_us").write_text(str(PERIOD))
            (self._folders[0] / "cpu.cfs_quota_us").write_text(str(int(PERIOD * cpus) if cpus else -1))

    def command(self, command: list[str]) -> list[str]:
        """A command that starts another inside the group."""
        joins = " && ".join(f"echo $$ > {folder / 'cgroup.procs'}" for folder in self._folders)
        return ["/bin/sh", "-c", f'{joins} && exec "$@"', "sh", *command]

    def memory(self) -> float:
        """MiB in use without what the kernel can take back at once: the working set, as the kubelet counts it."""
        folder = self._folders[-1]
        used = int((folder / ("memory.current" if self._unified else "memory.usage_in_bytes")).read_text())
        key = "inactive_file" if self._unified else "total_inactive_file"
        lines = (folder / "memory.stat").read_text().splitlines()
        return (used - next(int(line.split()[1]) for line in lines if line.startswith(key + " "))) / MIB

    def killed(self) -> int:
        """Return how often the kernel has killed here because the memory was used up."""
        file = self._folders[-1] / ("memory.events" if self._unified else "memory.oom_control")
        return next((int(line.split()[1]) for line in file.read_text().splitlines() if line.startswith("oom_kill ")), 0)
