"""A sidecar that says on SIGUSR1 what it holds: `python -m tests.fuzz.observed MODULE FILE`.

FILE gets a line of JSON for each signal: the tasks of the event loop, and the objects that Python's collector knows.
"""

import asyncio
import gc
import json
import os
import runpy
import signal
import sys
from typing import Any


def main(module: str, file: str) -> None:
    def tell(number: int, frame: Any) -> None:
        gc.collect()
        tasks = asyncio.all_tasks(asyncio.get_running_loop())
        line = json.dumps({"tasks": len(tasks), "objects": len(gc.get_objects())}) + "\n"
        with open(file, "a", opener=lambda path, flags: os.open(path, flags | os.O_CREAT, 0o600)) as out:
            out.write(line)

    signal.signal(signal.SIGUSR1, tell)
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
