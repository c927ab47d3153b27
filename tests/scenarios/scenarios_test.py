"""Each question is answered rightly by the calls that are given for it, in at most half the bytes that its peer needs."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

from tests.scenarios.run import compare, report
from tests.scenarios.stores import STORES

DRIFT, LEAST_DRIFT = 0.5, 500
"""What a number of bytes may differ from the page, as a share or in all: durations are in some answers, and in that of the
health how busy the machine is."""


def test_questions_are_answered_in_at_most_half_the_bytes(tmp_path: Path) -> None:
    store = STORES[os.environ["STORE"]]
    mine, other = asyncio.run(compare(store, tmp_path))
    assert len(store.questions) == 30
    for question in store.questions:
        assert question.answer(mine.costs[question.text].results) == question.expected, question.text
        if question.peer:
            said = "\n".join(other.costs[question.text].results)
            missing = [part for part in question.peer_says if part not in said]
            assert not missing, f"{question.text}: {said[:300]}"
    both = [question for question in store.questions if question.peer]
    measured = report(store, mine, other)
    print(measured)
    assert len(both) >= store.least_both
    assert 2 * mine.answers(both) <= other.answers(both)
    assert 2 * mine.total(both) <= other.total(both)
    _check_page(Path(os.environ["PAGE"]).read_text(), measured)


def _check_page(page: str, measured: str) -> None:
    """The page has the rows that were measured; numbers of bytes about so."""
    shown, expected = _rows(page), _rows(measured)
    assert list(shown) == list(expected), "bazel run //tests/scenarios:report makes the table anew"
    for name, numbers in expected.items():
        assert len(shown[name]) == len(numbers), name
        for there, now in zip(shown[name], numbers, strict=True):
            about = max(DRIFT * now, LEAST_DRIFT) if now > 20 else 0  # calls
            assert abs(there - now) <= about, f"{name}: {there} bytes or calls on the page, {now} measured"


def _rows(table: str) -> dict[str, list[int]]:
    """The numbers of each row of a table, by its first cell without numbers."""
    rows = {}
    for line in table.splitlines():
        if line.startswith("| ") and "---" not in line:
            _, first, *cells, _ = line.split("|")
            name = re.sub(r"\d+", "", first).strip()
            rows[name] = [int(number) for cell in cells for number in re.findall(r"\d+", cell)]
    return rows
