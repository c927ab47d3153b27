"""python -m tests.architecture.traced: runs the server that TRACED names, and writes down which of our modules a call enters.

SIGUSR1 begins a record; SIGUSR2 ends it and writes it to the file RECORD, a path of a source file on each line, in the order
of the first call.
"""

import asyncio
import os
import runpy
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from servers.common import backend

TREE = Path(backend.__file__).parents[2]


def main() -> None:
    seen: dict[str, None] = {}

    def note(frame: FrameType, event: str, argument: Any) -> None:
        # The first task is the server's own loop, which wakes up all the time.
        if event == "call" and ((task := asyncio.current_task()) is None or task.get_name() != "Task-1"):
            seen.setdefault(frame.f_code.co_filename)

    def begin(number: int, frame: FrameType | None) -> None:
        sys.setprofile(note)

    def end(number: int, frame: FrameType | None) -> None:
        sys.setprofile(None)
        ours = [Path(file).relative_to(TREE).as_posix() for file in seen if Path(file).is_relative_to(TREE / "servers")]
        record = Path(os.environ["RECORD"])
        part = record.with_suffix(".part")
        part.write_text("".join(f"{file}\n" for file in ours))
        part.rename(record)

    signal.signal(signal.SIGUSR1, begin)
    signal.signal(signal.SIGUSR2, end)
    # Only the first check of the store happens, so that none falls into a record.
    backend.INTERVAL = 3600
    runpy.run_module(os.environ["TRACED"], run_name="__main__")


if __name__ == "__main__":
    main()
