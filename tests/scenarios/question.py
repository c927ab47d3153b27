"""Questions that people ask of a store, read from YAML, and whether a result answers them.

A question is a mapping:

    ask: the question
    ours: the calls that answer it, each {tool: arguments}
    answer: what the result of the last call has; of a list, what the result of each call has
    store: what the store itself says afterwards: {question to the store: its answer}
    drift: share by which the bytes may differ from the page, where they depend on the machine

A call with `each` is made for every item of a list, or for the numbers from 1 on: {} in its arguments is the item. A string
"$0.rows.1" in arguments is what the result of call 0 has there.

An expected mapping holds for a mapping that has its items, and null for an absent one. An expected list holds for a list
of as many items; "..." in it stands for any number of them. "~..." is a regular expression for the whole of a text or number.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import yaml

Results = Sequence[Any]
"""The structured content that the calls so far gave."""

Step = Mapping[str, Any]
"""A tool and its arguments, and maybe what to repeat it for."""


@dataclass(frozen=True)
class Question:
    """A question, and how the server answers it in the fewest bytes that its tools, used as they say, allow."""

    ask: str
    ours: Sequence[Step]
    answer: Any
    store: Mapping[str, Any] = field(default_factory=dict)
    drift: float = 0.1


def questions(store: str) -> list[Question]:
    """Read the questions of a store, in order."""
    file = Path(__file__).with_name(f"{store}_questions.yaml")
    return [Question(**item) for item in yaml.safe_load(file.read_text())]


def calls(steps: Sequence[Step], results: Results) -> Iterator[tuple[str, dict[str, Any]]]:
    """Make the calls of a question one by one; `results` grows while they are made."""
    for step in steps:
        ((tool, arguments),) = ((name, given) for name, given in step.items() if name != "each")
        items = step.get("each", [""])
        for item in range(1, items + 1) if isinstance(items, int) else items:
            yield tool, _filled(arguments, partial(_resolved, item=str(item), results=results))


def _filled(value: Any, fill: Callable[[str], Any]) -> Any:
    if isinstance(value, dict):
        return {name: _filled(inner, fill) for name, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, fill) for inner in value]
    return fill(value) if isinstance(value, str) else value


def _resolved(text: str, *, item: str, results: Results) -> Any:
    if not text.startswith("$"):
        return text.replace("{}", item)
    found: Any = results
    for part in text[1:].split("."):
        found = found[int(part) if isinstance(found, Sequence) else part]
    return found


def holds(expected: Any, found: Any) -> bool:
    """Return whether what was found is what was expected, in the sense of this module's docstring."""
    if isinstance(expected, dict):
        return isinstance(found, Mapping) and all(holds(inner, found.get(name)) for name, inner in expected.items())
    if isinstance(expected, list):
        if not expected or not isinstance(found, list):
            return bool(expected == found)
        first, *rest = expected
        if first == "...":
            return any(holds(rest, found[at:]) for at in range(len(found) + 1))
        return len(found) > 0 and holds(first, found[0]) and holds(rest, found[1:])
    if isinstance(expected, str) and expected.startswith("~"):
        return re.fullmatch(expected[1:], str(found), re.DOTALL) is not None
    if isinstance(expected, float) and isinstance(found, int | float):
        return math.isclose(expected, found, rel_tol=1e-3)
    return bool(expected == found)
