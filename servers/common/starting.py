"""A process from its first moment until all that it serves is imported."""

from __future__ import annotations

import gc
import os
import signal

from servers.common.compiled import FILE, Compiled

_compiled = Compiled({}, {})


def begin() -> None:
    """Lets SIGTERM end the process with exit code 0, until a server handles it, and makes imports cheap.

    The kernel has no default action for the first process of a container (pid_namespaces(7)): while imports run, which takes
    seconds at a tenth of a CPU, SIGTERM would be lost. A pod told to go in that time would wait for SIGKILL until the end of
    its grace period, and no other pod takes its place before, though its store has ended long ago.
    """
    global _compiled
    signal.signal(signal.SIGTERM, lambda number, frame: os._exit(0))
    # Next to nothing of what is made while importing is ever garbage: a collection there costs a sixth of the start.
    gc.disable()
    _compiled = Compiled.read(FILE)
    _compiled.begin()


def imported() -> None:
    """All is imported: what is there now stays, so the collector need not look at it again."""
    _compiled.end()
    gc.freeze()
    gc.enable()
