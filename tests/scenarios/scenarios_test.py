"""Each question is answered rightly by the calls that are given for it, in at most half the bytes that its peer needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios.questions import QUESTIONS
from tests.scenarios.run import compare, report


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
async def test_questions_are_answered_in_at_most_half_the_bytes(tmp_path: Path) -> None:
    mine, other = await compare(tmp_path)
    assert len(QUESTIONS) == 30
    for question in QUESTIONS:
        assert question.answer(mine.costs[question.text].results) == question.expected, question.text
        if question.peer:
            said = "\n".join(other.costs[question.text].results)
            missing = [part for part in question.peer_says if part not in said]
            assert not missing, f"{question.text}: {said[:300]}"
    both = [question for question in QUESTIONS if question.peer]
    print(report(mine, other))
    assert len(both) >= 15
    assert 2 * mine.total(both) <= other.total(both)
