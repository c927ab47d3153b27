"""Regular expressions of Java, which Elasticsearch matches by backtracking and can't be told to stop.

What one costs is told by what follows each part that repeats. `\\d+` before `\\.` can end in one place only. `\\w+` before `\\d`
can end anywhere, and what follows is tried at each place.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import inf
from typing import NamedTuple

from servers.common.protocol.tools import ToolError

MOST_POWER = 2
"""Power of a text's length that an expression may take at one place of the text: eight took more than 23 minutes for 2,000
characters."""

LONGEST = 1000
"""Characters of an expression."""

MOST_CHOICES = 1000
"""Ways through an expression's alternatives and optional parts, of which a text that nearly matches takes all."""

_DEEPEST, _MOST_PARTS, _MANY = 50, 3000, 10_000
"""Groups inside of each other, parts of an expression with its repeated groups written out, and repeats that count as endless."""

_ESCAPE = r"\\(?:[pPxN]\{[^}]*\}|[pP]\w|x[\da-fA-F]{2}|u[\da-fA-F]{4}|0[0-7]{1,3}|c.|[^pPxuc])"
_IN_CLASS = r"(?:[^\[\]\\]|\\c.|\\[^c])"
_CLASS = rf"\[\^?+\]?{_IN_CLASS}*+\]"
_TOKEN = re.compile(
    r"(?P<flags>\(\?[\w-]+\))|(?P<open>\((?:\?(?:<?[=!]|<(?P<name>\w+)>|[\w-]*:|>)|(?!\?)))|(?P<close>\))|(?P<bar>\|)"
    r"|(?P<repeat>[*+?]|\{(?P<low>\d+)(?P<comma>,(?P<high>\d*))?\})(?P<how>[?+]?)"
    r"|(?P<edge>[\^$]|\\[bBAGzZ](?:\{g\})?)|(?P<back>\\k<\w+>|\\[1-9]\d*)"
    rf"|(?P<one>{_ESCAPE}|[^\[\\(]|{_CLASS}|\[\^?+(?:{_IN_CLASS}|\[\^?+{_IN_CLASS}++\])++\])",
    re.DOTALL,
)
_PLAIN_CLASS = re.compile(_CLASS, re.DOTALL)
_OF_CLASS = re.compile(rf"({_ESCAPE}|[^\\])(?:-({_ESCAPE}|[^\\]))?", re.DOTALL)
_ANY = (1 << 129) - 1
"""A set of characters: a bit for each of ASCII, and one for all others."""


def _bits(first: str, last: str = "") -> int:
    start, end = min(ord(first), 128), min(ord(last or first), 128)
    return (1 << end + 1) - (1 << start) if start <= end else 0


_SETS = {
    "d": _bits("0", "9"),
    "w": _bits("0", "9") | _bits("A", "Z") | _bits("_") | _bits("a", "z"),
    "s": _bits("\t", "\r") | _bits(" "),
    "t": _bits("\t"),
    "n": _bits("\n"),
    "r": _bits("\r"),
}
_SETS |= {kind.upper(): _ANY & ~_SETS[kind] for kind in "dsw"}


def _one(text: str, unknown: int) -> int:
    """Return the set of a character or an escape; `unknown` where it can't be told."""
    if text[0] != "\\":
        return _bits(text)
    return _SETS.get(text[1:], unknown) if text[1].isalnum() else _bits(text[1])


def _cases(found: int) -> int:
    """Return a set with both cases of its letters, which a flag may make equal."""
    letters = (found >> ord("A") | found >> ord("a")) & (1 << 26) - 1
    return found | letters << ord("A") | letters << ord("a")


def _characters(text: str) -> int:
    """Return the set of what a part of an expression matches, or more."""
    if text[0] != "[":
        return _ANY if text == "." else _one(text, _ANY)
    if "&&" in text or not _PLAIN_CLASS.fullmatch(text):
        return _ANY
    negated = text[1] == "^"
    found, unknown = 0, 0 if negated else _ANY
    for first, last in _OF_CLASS.findall(text[1 + negated : -1]):
        if len(first) == len(last) == 1:
            found |= _bits(first, last)
        else:
            found |= unknown if last else _one(first, unknown)
    return _ANY & ~found if negated else found


class _Group(NamedTuple):
    kind: str
    number: int
    """Number by which a replacement names it: 0 is the whole, and -1 none."""
    branches: list[list[_Part]]


@dataclass
class _Part:
    """What is matched, and how often."""

    what: int | _Group | None
    """Characters of a set, a group, or nothing: the edge of a word or text."""
    low: int = 1
    high: float = 1
    kept: bool = False
    """It gives nothing back."""
    repeated: bool = False


@dataclass(frozen=True)
class _Rest:
    """What follows a part of an expression: what it costs to try that in one place, and how it begins."""

    first: int
    empty: bool
    power: int = 0
    ways: int = 1
    """More than MOST_CHOICES count as one more."""
    least: int = 0
    """Characters that it matches at least."""
    end: bool = False
    """It can't fail, so nothing before it is given back."""


def _few(ways: int) -> int:
    """Return a number of ways that stays small: groups inside each other could square it again and again."""
    return min(ways, MOST_CHOICES + 1)


class _Expression:
    """An expression that has been read."""

    def __init__(self, text: str) -> None:
        """Read an expression, or raise ToolError."""
        self._text = text
        if len(text) > LONGEST:
            raise self.refused(f"has {len(text)} characters, more than {LONGEST}")
        unicode = False
        self.names = dict[str, int]()
        self.groups = 0
        self.root = _Group("(", 0, [[]])
        self._left = _MOST_PARTS
        stack, at = [self.root], 0
        while at < len(text):
            found = _TOKEN.match(text, at)
            if not found or (found["close"] and len(stack) == 1) or len(stack) > _DEEPEST:
                raise self.refused(f"can't be analyzed from its character {at + 1} on")
            at = found.end()
            flags = re.match(r"\(\?([\w-]+)", found[0])
            if (flags and "x" in flags[1]) or re.search(r"(?<!\\)(?:\\\\)*\\Q", found[0]):
                raise self.refused(r"has \Q or the flag x, which this server can't analyze: leave them out")
            unicode |= bool(flags and "u" in flags[1].lower())
            branches = stack[-1].branches
            if found["open"]:
                if found["name"] or found["open"] == "(":
                    self.groups += 1
                    self.names[found["name"] or ""] = self.groups
                    group = _Group("(", self.groups, [[]])
                else:
                    group = _Group(found["open"], -1, [[]])
                branches[-1].append(_Part(group))
                stack.append(group)
            elif found["close"]:
                stack.pop()
            elif found["bar"]:
                branches.append([])
            elif found["repeat"]:
                self._repeat(branches[-1], found)
            elif found["one"]:
                branches[-1].append(_Part(_ANY if unicode else _cases(_characters(found["one"]))))
            elif found["back"]:  # what a group has matched is compared, which takes as long as it is
                branches[-1] += [_Part(_ANY, 0, inf, repeated=True), _Part(None)]
            elif found["edge"]:
                branches[-1].append(_Part(None))
        if len(stack) > 1:
            raise self.refused("has a ( that is not closed")
        rest = self._branches(self.root.branches, _Rest(0, True, end=True))
        self.power, self.ways, self.least = rest.power, rest.ways, rest.least
        if re.match(r"\^(?![*+?{])", text) and "|" not in text:
            self.power = max(self.power - 1, 0)  # a text begins in one place

    def _repeat(self, branch: list[_Part], found: re.Match[str]) -> None:
        if not branch or branch[-1].repeated or branch[-1].what is None:
            branch.append(_Part(_ANY))
        part = branch[-1]
        part.repeated, part.kept = True, found["how"] == "+"
        sign = found["repeat"]
        part.low = int(found["low"]) if found["low"] else int(sign == "+")
        part.high = 1 if sign == "?" else int(found["high"] or 0) or inf if found["comma"] else part.low
        if sign in "*+" or part.high >= _MANY:
            part.high = inf

    def _branches(self, branches: list[list[_Part]], rest: _Rest) -> _Rest:
        each = []
        for branch in branches:
            after = rest
            self._left -= 1 + len(branch)
            if self._left < 0:
                raise self.refused("repeats too much")
            for part in reversed(branch):
                after = self._before(part, after)
            each.append(after)
        return _either(each)

    def _before(self, part: _Part, rest: _Rest) -> _Rest:
        """Return what a part and its rest cost together."""
        if part.what is None:
            return replace(rest, end=False)
        if isinstance(part.what, _Group):
            return self._group(part, part.what, rest)
        if part.low == part.high == 1:
            return _Rest(part.what, False, rest.power, rest.ways, rest.least + 1)
        return _loop(part, part.what, rest, part.low)

    def _group(self, part: _Part, group: _Group, rest: _Rest) -> _Rest:
        branches = group.branches
        if group.kind[-1] in "=!":
            look = self._branches(branches, _Rest(_ANY, True))
            first, empty = look.first, look.empty
            if "<" in group.kind:
                first, empty, look = _ANY, True, replace(look, power=look.power * 2, ways=_few(look.ways**2))
            elif group.kind[-1] == "!":
                first, empty = first | rest.first, empty or rest.empty
            both = _either([replace(look, least=rest.least), rest])
            return replace(both, first=first, empty=empty, end=False)
        if part.high < inf:
            after = rest
            for _ in range(int(part.high) - part.low):
                after = _either([self._branches(branches, after), rest])
            for _ in range(max(part.low, int(part.high == 0))):
                after = self._branches(branches, after)
            return after
        once = self._branches(branches, _Rest(0, True, end=True))
        if part.kept:
            after = _loop(part, _ANY, rest, part.low * once.least)
            return replace(after, power=max(after.power, once.power + 1), ways=_few(after.ways + once.ways))
        # Java counts repeats of the same length, and calls itself for others. A character may be two of Java's.
        if len(branches) > 1 or not all(isinstance(p.what, int) and p.low == p.high and p.what < 1 << 128 for p in branches[0]):
            raise self.refused(
                "repeats a group (...)* whose length varies: a long text uses up Elasticsearch's stack. Write (...)*+ or (...)++"
            )
        return _loop(part, once.first, rest, part.low * once.least)

    def refused(self, why: str) -> ToolError:
        """Return an error that tells why the expression is refused."""
        return ToolError(f"the expression {self._text[:100]!r} {why}")


def _loop(part: _Part, characters: int, rest: _Rest, least: int) -> _Rest:
    """Return what a part that repeats characters of a set costs with its rest."""
    power, ways = rest.power, rest.ways
    sure = part.kept or not (rest.empty or rest.first & characters)
    if rest.end:
        pass
    elif part.high == inf:
        power = max(power, 1) if sure else power + 1
    else:
        choices = int(part.high) - part.low + 1
        ways = _few(max(ways, choices) if sure else ways * choices)
    first = characters if part.low else characters | rest.first
    return _Rest(first, rest.empty and not part.low, power, ways, rest.least + least, rest.end and not part.low)


def _either(rests: list[_Rest]) -> _Rest:
    """Return what alternatives cost of which all may be tried."""
    first, empty = 0, False
    for rest in rests:
        first, empty = first | rest.first, empty or rest.empty
    return _Rest(
        first,
        empty,
        max(rest.power for rest in rests),
        _few(sum(rest.ways for rest in rests)),
        min(rest.least for rest in rests),
        any(rest.end for rest in rests),
    )


def measured(expression: str) -> tuple[int, int]:
    """Return the power of a text's length that an expression may take in one place, and the ways through its other parts. Raise
    ToolError if they are too many, or can't be told."""
    read = _Expression(expression)
    if read.power > MOST_POWER:
        raise read.refused(
            f"tries up to {read.power} of its *, + and {{n,}} against each other, which could keep Elasticsearch busy for ever: "
            f"at most {MOST_POWER} are allowed. Put something that it does not match behind each, or write *+ and ++"
        )
    if read.ways > MOST_CHOICES:
        raise read.refused(f"has more than {MOST_CHOICES} combinations of |, ? and {{n,m}}: give a simpler one")
    return read.power, read.ways


def steps(expression: str, lengths: Iterable[int]) -> int:
    """Return how many steps an expression takes at the most in texts of some lengths, or raise ToolError."""
    power, ways = measured(expression)
    total: int = ways * sum(length ** (power + 1) for length in lengths)
    return total


def growth(pattern: str, replacement: str) -> float:
    """Return how many times as long a text can get where a replacement takes the place of what an expression finds, or raise
    ToolError."""
    read = _Expression(pattern)
    literal, named = 0, Counter[int]()
    for name, digits in re.findall(r"\\.|\$\{(\w+)\}|\$(\d+)|.", replacement, re.DOTALL):
        used = next((n for n in range(min(len(digits), 4), 1, -1) if int(digits[:n]) <= read.groups), 1)
        if name or digits:
            named[read.names.get(name, 0) if name else int(digits[:used])] += 1
            literal += len(digits[used:])
        else:
            literal += 1

    def most(group: _Group, lost: bool = False) -> int:
        """Return how often a character of what is found may be told by groups inside of each other."""
        # Java leaves in such a group what it matched elsewhere in the text.
        lost |= group.kind[-1] in "=!>"
        if lost and named[group.number]:
            raise read.refused(
                "has a group in a lookahead, a lookbehind or a possessive part, and its replacement has a $ for that: leave out "
                "one of them"
            )
        inner = (
            most(part.what, lost or part.kept) for branch in group.branches for part in branch if isinstance(part.what, _Group)
        )
        return named[group.number] + max(inner, default=0)

    told = most(read.root)
    return max(told + literal / read.least, 1) if read.least else max(told, 1) + literal
