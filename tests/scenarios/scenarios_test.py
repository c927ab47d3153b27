"""Each question is answered rightly by the calls that are given for it, at the price that the page tells."""

import asyncio
import os
from pathlib import Path

from tests.scenarios.run import measure, report, rows
from tests.scenarios.stores import STORES

RENEW = "bazel run //tests/scenarios:report writes the page anew"

DRIFT, LEAST_DRIFT = 0.1, 20
"""What a number of bytes may differ from the page's, as a share or in all: a duration has more digits or fewer."""


def test_questions_are_answered_in_at_most_half_the_bytes(tmp_path: Path) -> None:
    store, page = STORES[os.environ["STORE"]], Path(os.environ["PAGE"]).read_text()
    mine = asyncio.run(measure(store, tmp_path))
    measured = report(page, mine)
    print(measured)
    assert len(store.questions) >= 50
    totals = list(rows(measured).values())[-2:]
    assert all(2 * int(ours) <= int(others) for _, ours, _, others in totals), totals
    long = {name: cost.calls for name, cost in mine.costs.items() if cost.calls > 2}
    assert not long, "a common question takes two calls at most"
    drifts = {question.ask: question.drift for question in store.questions}
    shown, expected = rows(page), rows(measured)
    assert list(shown) == list(expected), RENEW
    for name, cells in expected.items():
        for column, (there, now) in enumerate(zip(shown[name], cells, strict=True)):
            if not (column % 2 and there.isdigit() and now.isdigit()):
                assert there == now, f"{name}: {there} calls on the page, {now} measured. {RENEW}"
            else:
                most = max(drifts.get(name, DRIFT) * int(now), LEAST_DRIFT)
                assert abs(int(there) - int(now)) <= most, f"{name}: {there} bytes on the page, {now} measured. {RENEW}"
