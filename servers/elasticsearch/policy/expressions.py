"""Regular expressions of Java, which Elasticsearch matches by backtracking and can't be told to stop.

What they cost is told from a sketch: the expression with an `x` for each escape and class of characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from math import prod

from servers.common.protocol.tools import ToolError

MOST_REPEATS = 2
"""Parts of an expression that may be repeated any number of times. Each multiplies the time by the length of the text: eight of
them were not done with 2,000 characters in 23 minutes."""

LONGEST = 1000
"""Characters of an expression."""

MOST_CHOICES = 1000
"""Ways through an expression's alternatives and optional parts, of which a text that nearly matches takes all."""

_ESCAPE = re.compile(r"\\(?:[pPxN]\{[^}]{0,100}\}|k<\w*>|c.|.)|\[\^?\]?(?:[^\]\\]|\\.)*(?:\]|$)", re.DOTALL)
_REPEATED = re.compile(r"\)[*+{]")
"""A group that is repeated. Java recurses for these: before 8.14 a long text ended the node
(https://github.com/elastic/elasticsearch/pull/106851), and a text that nearly matches may keep it busy for ever."""

_SIGN = re.compile(r"([()|])|([*+?]|\{(\d+)(?:(,)(\d*))?\})([?+])?")


def _sketched(found: re.Match[str]) -> str:
    escape = found[0]
    if escape[0] == "\\" and escape[1] in "123456789k":
        return "x*x"  # what a group has matched is compared, which takes as long as it is
    return "^" if escape in {r"\A", r"\B", r"\G", r"\Z", r"\b", r"\z"} else "x"


def _sketch(expression: str) -> str:
    if len(expression) > LONGEST:
        raise _refused(expression, f"has {len(expression)} characters: {LONGEST} may be")
    return _ESCAPE.sub(_sketched, expression)


def measured(expression: str) -> tuple[int, int]:
    """Return how many parts of an expression are repeated without bound, and how many ways there are through the others.

    Raises:
        ToolError: they are too many, or it can't be told.
    """
    sketch = _sketch(expression)
    if r"\Q" in expression or re.search(r"\(\?\w*x", sketch):
        raise _refused(expression, r"has \Q or the flag x, behind which this server can't read it: leave them out")
    if _REPEATED.search(sketch):
        raise _refused(
            expression, "repeats a group (...)*, which could keep Elasticsearch busy for ever: leave that out"
        )
    choices = [part.count("|") + 1 for part in sketch.split(")")]
    # Of each group that is open: the repeated parts of the alternative that is read, and the most of those before.
    open_groups = [[0, 0]]
    for structure, sign, least, comma, most, possessive in _SIGN.findall(sketch.replace("(?", "(")):
        group = open_groups[-1]
        if structure == "(":
            open_groups.append([0, 0])
        elif structure == "|":
            group[:] = 0, max(group)
        elif structure == ")":
            if len(open_groups) > 1:
                open_groups.pop()
            open_groups[-1][0] += max(group)
        elif possessive == "+":
            pass  # never gives back what it has taken
        elif sign == "?":
            choices.append(2)
        elif len(least) > len(str(LONGEST)):
            group[0] += 1
        elif most:
            choices.append(int(most[:9]) - int(least[:9]) + 1)
        elif comma or sign in "*+":
            group[0] += 1
    several = sum(map(max, open_groups))
    if several > MOST_REPEATS:
        raise _refused(
            expression,
            f"has {several} of *, + and {{n,}}, which could keep Elasticsearch busy for ever: it may have {MOST_REPEATS}, "
            "and as many of *+ and ++ as you like, which give nothing back",
        )
    ways = prod(choices)
    if ways > MOST_CHOICES:
        raise _refused(
            expression, f"has more than {MOST_CHOICES} ways through its |, ? and {{n,m}}: give one with fewer"
        )
    return several, ways


def steps(expression: str, lengths: Iterable[int]) -> int:
    """Return how many steps an expression takes at the most in texts of some lengths.

    Raises:
        ToolError: it can't be told.
    """
    several, ways = measured(expression)
    total: int = ways * sum(length ** (several + 1) for length in lengths)
    return total


def growth(pattern: str, replacement: str) -> int:
    """Return how many times as long a text can get where a replacement takes the place of what an expression finds.

    Raises:
        ToolError: it can't be told.
    """
    sketch = _sketch(pattern)
    if "$" in replacement and re.search(r"\(\?<?[=!][^)]*\(", sketch):
        raise _refused(
            pattern, "has a group in what it looks at ahead or behind, and its replacement a $: leave out one of them"
        )
    if "$" in replacement or re.search(r"[(|]", sketch) or re.search(r"\[[^\]]*\[", pattern):
        return len(replacement) + 1
    least = len(
        re.sub(r".(?:[*?]|\{0+(?:,\d*)?\})[?+]?|[+^$?]|\{[^{}]{0,100}\}", "", sketch)
    )  # what it finds is not shorter
    return max(-(-len(replacement) // least), 1) if least else len(replacement) + 1


def _refused(expression: str, why: str) -> ToolError:
    return ToolError(f"the expression {expression[:100]!r} {why}")
