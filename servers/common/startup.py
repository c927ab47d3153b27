"""The start of the process, until everything is imported."""

import gc
import os
import signal


def serve(server: str, transport: str = "http") -> None:
    """Serve the SIDECAR of a module."""
    begin()
    from servers.common.main import run  # its imports take most of the start

    run(server, transport)


def begin() -> None:
    """Let SIGTERM end the process with exit code 0, and pause garbage collection, until imports are done.

    The kernel has no default action for the first process of a container (pid_namespaces(7)): SIGTERM would be lost while imports
    run, which takes seconds at a tenth of a CPU, and the pod would wait for SIGKILL. Imports create almost no garbage.
    """
    signal.signal(signal.SIGTERM, lambda number, frame: os._exit(0))
    gc.disable()


def imported() -> None:
    """Resume garbage collection, without the objects that exist now: what was imported stays."""
    gc.freeze()
    gc.enable()
