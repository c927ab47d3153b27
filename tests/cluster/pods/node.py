"""The node's view of a container: its processes, signals to them, and its cgroup.

Runs in a privileged pod that shares the node's process ids, on the standard library alone: only from there can the first
process of a container be stopped.
"""

import os
import signal as signals
from pathlib import Path
from typing import Any

from tests.cluster.pods.serve import serve

PROC = Path("/proc")
CGROUP = Path("/host/cgroup")


def fields(path: Path) -> dict[str, int]:
    """Lines of a name and a number."""
    lines = (line.split() for line in path.read_text().splitlines())
    return {words[0]: int(words[1]) for words in lines if len(words) == 2 and words[1].isdigit()}


def pids(container: str) -> list[int]:
    """Ids of a container's processes on the node, the first one first."""
    found = []
    for folder in PROC.iterdir():
        if folder.name.isdigit():
            try:
                inside = container in (folder / "cgroup").read_text()
            except OSError:
                continue  # it has ended
            if inside:
                found.append(int(folder.name))
    return sorted(found)


def started(pid: int) -> float:
    """When a process was started, in seconds of Unix time (https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html)."""
    ticks = int((PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[19])
    return fields(PROC / "stat")["btime"] + ticks / os.sysconf("SC_CLK_TCK")


def processes(container: str) -> list[dict[str, Any]]:
    """User ids, state, start and command line of a container's processes."""
    found = []
    for pid in pids(container):
        status = dict(line.split(":\t", 1) for line in (PROC / str(pid) / "status").read_text().splitlines() if ":\t" in line)
        command = (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
        found.append({"uids": status["Uid"].split(), "state": status["State"][0], "started": started(pid), "command": command})
    return found


def signal(container: str, name: str) -> int:
    """Sends a signal to all processes of a container; how many there were."""
    found = pids(container)
    for pid in found:
        os.kill(pid, getattr(signals, name))
    return len(found)


def cgroup(pid: int, controller: str) -> Path:
    """The folder of a process' cgroup: version 1 has one for each controller, version 2 one for all."""
    for line in (PROC / str(pid) / "cgroup").read_text().splitlines():
        number, controllers, path = line.split(":", 2)
        if controller in controllers.split(",") or number == "0":
            folder = CGROUP / (controller if number != "0" else "") / ("kubepods" + path.partition("kubepods")[2])
            if "kubepods" in path and folder.exists():
                return folder
    raise LookupError(f"process {pid} has no cgroup of {controller}")


def usage(container: str) -> dict[str, float]:
    """MiB of memory now, at the most, and without page cache; CPU seconds used; periods, and those that were throttled."""
    pid = pids(container)[0]
    memory, cpu = cgroup(pid, "memory"), cgroup(pid, "cpu")
    mib = 1024 * 1024
    if (memory / "memory.usage_in_bytes").exists():
        now = int((memory / "memory.usage_in_bytes").read_text())
        peak = int((memory / "memory.max_usage_in_bytes").read_text())
        anonymous = fields(memory / "memory.stat")["total_rss"]
        used = int((cgroup(pid, "cpuacct") / "cpuacct.usage").read_text()) / 1e9
    else:
        now = int((memory / "memory.current").read_text())
        peak = int((memory / "memory.peak").read_text()) if (memory / "memory.peak").exists() else now
        anonymous = fields(memory / "memory.stat")["anon"]
        used = fields(cpu / "cpu.stat")["usage_usec"] / 1e6
    periods = fields(cpu / "cpu.stat")
    return {
        "memory": round(now / mib, 1),
        "peak": round(peak / mib, 1),
        "anonymous": round(anonymous / mib, 1),
        "cpu": round(used, 3),
        "periods": periods.get("nr_periods", 0),
        "throttled": periods.get("nr_throttled", 0),
    }


if __name__ == "__main__":
    serve({"processes": processes, "signal": signal, "usage": usage})
