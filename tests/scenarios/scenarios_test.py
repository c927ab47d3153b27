"""Each question is answered rightly by the calls that are given for it, at the price that the page tells."""

import asyncio
import os
from pathlib import Path

from tests.scenarios.run import HEAD, compare, report
from tests.scenarios.stores import STORES, Store

RENEW = "bazel run //tests/scenarios:report writes the page anew"

DRIFT, LEAST_DRIFT = 0.1, 20
"""What a number of bytes may differ from the page's, as a share or in all: a duration has more digits or fewer."""


def test_questions_are_answered_in_at_most_half_the_bytes(tmp_path: Path) -> None:
    store = STORES[os.environ["STORE"]]
    mine, other = asyncio.run(compare(store, tmp_path))
    both = [question for question in store.questions if question.peer]
    measured = report(store, mine, other)
    print(measured)
    assert len(store.questions) >= 50
    assert len(both) >= store.least_both
    assert 2 * mine.answers(both) <= other.answers(both)
    assert 2 * mine.total(both) <= other.total(both)
    long = {question.ask: cost.calls for question in store.questions if (cost := mine.costs[question.ask]).calls > 2}
    assert not long, "a common question takes two calls at most"
    _check_page(store, Path(os.environ["PAGE"]).read_text(), measured)


def _check_page(store: Store, page: str, measured: str) -> None:
    """Compare the rows of the page with those that were measured: calls exactly, bytes within their drift."""
    drifts = {question.ask: question.drift for question in store.questions}
    shown, expected = _rows(page), _rows(measured)
    assert list(shown) == list(expected), RENEW
    for name, cells in expected.items():
        for column, (there, now) in enumerate(zip(shown[name], cells, strict=True)):
            if not (column % 2 and there.isdigit() and now.isdigit()):
                assert there == now, f"{name}: {there} calls on the page, {now} measured. {RENEW}"
            else:
                most = max(drifts.get(name, DRIFT) * int(now), LEAST_DRIFT)
                assert abs(int(there) - int(now)) <= most, f"{name}: {there} bytes on the page, {now} measured. {RENEW}"


def _rows(text: str) -> dict[str, list[str]]:
    """Read the table of a page: calls and bytes of ours and of the other, by question."""
    lines = text[text.index(HEAD) :].splitlines()[2:]
    rows = [[cell.strip(" *") for cell in line.split("|")[1:-1]] for line in lines if line.startswith("| ")]
    return {name: cells for name, *cells in rows}
