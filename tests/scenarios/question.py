"""A question that people ask of a store, and the calls that answer it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Results = Sequence[Any]
"""What the calls so far gave: of ours the structured content, of the peer the text."""

Call = tuple[str, dict[str, Any]]
"""A tool and its arguments."""

Step = Call | Callable[[Results], Call]
"""A call, or one that is made of what calls before it gave."""


@dataclass(frozen=True)
class Question:
    """A question, and how each server answers it in the fewest bytes that its tools, used as they say, allow."""

    text: str
    ours: Sequence[Step]
    answer: Callable[[Results], Any]
    """Takes the answer out of our results."""

    expected: Any
    peer: Sequence[Step] = ()
    """The calls of the other server; none where its tools can't answer."""

    peer_says: Sequence[str] = ()
    """What has to be in its results, so that these calls are known to answer the question."""
