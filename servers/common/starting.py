"""The first moments of a process, before what it serves is imported."""

from __future__ import annotations

import os
import signal


def end_when_told() -> None:
    """Lets SIGTERM end the process with exit code 0, until a server handles it.

    The kernel has no default action for the first process of a container (pid_namespaces(7)): while imports run, which takes
    seconds at a tenth of a CPU, SIGTERM would be lost. A pod told to go in that time would wait for SIGKILL until the end of
    its grace period, and no other pod takes its place before, though its store has ended long ago.
    """
    signal.signal(signal.SIGTERM, lambda number, frame: os._exit(0))
