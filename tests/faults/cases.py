"""Faults between a sidecar and its store, and their expected results. docs/faults.md has this list as a table."""

from dataclasses import dataclass
from typing import Literal

from tests.faults.proxy import FLOOD, Act

TIMES = 5
"""Calls of each kind with a fault, in each run of the tests."""

Seen = Literal["answered", "told", "either", "told, unsure"]


@dataclass(frozen=True)
class Case:
    act: Act
    words: str
    read: Seen
    write: Seen
    reads_sent: int
    """How often the store gets a reading request, at most."""

    times: int = TIMES


CASES = (
    Case("delay", "a request is held up", "answered", "answered", 1),
    Case("cut before", "the connection is reset before the request reaches the store", "answered", "told, unsure", 1),
    Case("cut after", "it is reset when the store has done it, before the answer", "answered", "told, unsure", 2),
    Case("cut midway", "it is closed in the middle of the answer", "answered", "told, unsure", 2),
    Case("half-close", "the store's side is closed, and stays open for more", "answered", "told, unsure", 2),
    Case("corrupt", "the answer is other bytes", "answered", "told, unsure", 2),
    Case("flood", f"the answer is {FLOOD >> 20} MiB and does not end", "either", "told, unsure", 2),
    Case("stall", "the answer never comes", "told", "told, unsure", 1, times=1),  # each waits for the call's deadline
)


def table() -> str:
    meaning = {
        "answered": "answered",
        "told": "an error",
        "either": "answered by a second try, or an error",
        "told, unsure": "an error that says that it may have been done",
    }
    lines = ["| what happens | a reading call | a writing call |", "|---|---|---|"]
    for case in CASES:
        lines.append(f"| {case.words} | {meaning[case.read]} | {meaning[case.write]} |")
    return "\n".join(lines)
