"""Many inputs, made by Hypothesis from a seed, in batches that can be repeated one by one."""

from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings

from tests.fuzz.requests import everything
from tests.fuzz.target import Broken, Target

BATCH = 500
"""Inputs with one seed. After each the store is filled anew, where writes are on."""


def batch(target: Target, number: int, inputs: int = BATCH, *, shrink: bool = False) -> None:
    """Send the inputs that a seed gives, and check what must hold after them.

    A broken rule is Broken, with the input in a note. `shrink` looks for the smallest input that breaks the same rule.
    """

    @seed(number)
    @settings(
        max_examples=inputs,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
        verbosity=Verbosity.quiet,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(everything(target.tools, target.words))
    def trial(message: Any) -> None:
        try:
            target.check(message)
        except Broken as error:
            error.add_note(f"batch {number}: {message!r:.4000}")
            raise

    try:
        trial()
        target.check_end()
    finally:
        if target.writes:
            target.fill()


def batches(first: int, inputs: int) -> Iterator[tuple[int, int]]:
    """Seeds from `first` on, each with its count of inputs, `inputs` together."""
    for number in range(first, first + -(-inputs // BATCH)):
        yield number, min(BATCH, inputs - (number - first) * BATCH)
