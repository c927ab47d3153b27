"""No stored value, argument or crowd ends a server, fails its probes, or hurts its store: an excerpt of `run`."""

from pathlib import Path

import pytest

from tests.benchmark.limits import MIB
from tests.hostile.attack import MEMORY
from tests.hostile.run import STORES, attacked, faults, figures
from tools.backends.runfiles import program

LONGEST_STEP = 0.4
"""CPU seconds of one step of the event loop; at the chart's CPU ten times as long by the clock, within a probe's time-out."""

FILL = {"redis": {"names": 100}, "elasticsearch": {"indices": 50, "seconds": 10}}


@pytest.mark.parametrize("store", STORES)
def test_under_attack(store: str, tmp_path: Path) -> None:
    report = attacked(store, program(f"{store.upper()}_IMAGE"), tmp_path, (64,), 15, FILL[store])
    for name, value in figures(report):
        print(f"{store}: {name}: {value}")
    assert faults(report) == []
    assert max(report.peaks.values()) * MIB <= MEMORY
    crowds = {f"{clients} clients" for clients in report.outcomes}
    assert {name: turn for name, turn in report.turns.items() if name not in crowds and turn > LONGEST_STEP} == {}
    assert report.outcomes[1]["ok"] > 100 and report.outcomes[64]["ok"] > 0
