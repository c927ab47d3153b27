"""What expressions cost, and how much longer replacements make a text."""

from __future__ import annotations

import pytest

from servers.common.protocol.tools import ToolError
from servers.elasticsearch.policy.expressions import growth, measured, steps


@pytest.mark.parametrize(
    ("expression", "repeated", "ways"),
    [
        ("abc", 0, 1),
        ("a" * 1000, 0, 1),
        ("[" * 1000, 0, 1),
        (r"\*\+\{[*+]", 0, 1),
        (r"[^]*\]*]", 0, 1),
        (r"\p{L}+[\w.]+", 2, 1),
        (r"x*?x+?", 2, 1),
        (r"x*+x++x{2,}+x*", 1, 1),
        (r"x{3}x{2,}", 1, 1),
        (r"\c[x*x*", 2, 1),
        (r"(x)\1", 1, 1),
        (r"(x)\1+", 2, 1),
        (r"x*\b+", 2, 1),
        ("x{9999}", 0, 1),
        ("x{10000}x{10000,10001}", 2, 1),
        (r"(?<a>x)\k<a>", 1, 1),
        (r"(?:a|b)?", 0, 4),
        (r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}", 0, 81),
        ("x{1,1000}", 0, 1000),
        ("x?" * 9, 0, 512),
        ("(x|x)" * 9, 0, 512),
        (r"\)*", 1, 1),
        (r"x*|x+|y*z+", 2, 3),
        (r"(\p{Ll}+|\p{Lu}\p{Ll}+|\p{Lu}+)", 1, 3),
        (r"a*(b*|(c|d+)|e)", 2, 6),
        (r"([^\p{L}\d]+)|(?<=\D)(?=\d)|(?<=\d)(?=\D)|(?<=[\p{L}&&[^\p{Lu}]])(?=\p{Lu})", 1, 8),
    ],
)
def test_what_expressions_cost(expression: str, repeated: int, ways: int) -> None:
    assert measured(expression) == (repeated, ways)
    assert steps(expression, [10, 20]) == ways * (10 ** (repeated + 1) + 20 ** (repeated + 1))


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("x*x*x*", "has 3 of"),
        ("(x*|y)x*(z|x*)", "has 3 of"),
        ("x*)x*(x*", "has 4 of"),
        ("a" * 1001, "has 1001 characters: 1000 may be"),
        (r"(x*)\1\1", "has 3 of"),
        (r"[a[b]*x*x*x", "has 3 of"),
        (r"\c[x*x*x*]", "has 3 of"),
        ("(a|b)*", "repeats a group"),
        ("(a|b){2}", "repeats a group"),
        ("x{1,1001}", "ways through"),
        ("x?" * 10, "ways through"),
        ("(x|x)" * 10, "ways through"),
        ("x{0,40}x{0,40}", "ways through"),
        (r"\Q*\E", "can't read it"),
        ("(?x)(a) *", "can't read it"),
        ("(?ix:(a) *)", "can't read it"),
    ],
)
def test_expressions_that_are_refused(expression: str, reason: str) -> None:
    with pytest.raises(ToolError, match=reason):
        measured(expression)


@pytest.mark.parametrize(
    ("pattern", "replacement", "wanted"),
    [
        ("a", "", 1),
        ("a", "b", 1),
        ("a", "bcd", 3),
        ("abc", "defghij", 3),
        (r"\d{3}-[0-9]+", "1234", 2),
        ("a*", "b", 2),
        ("a*?", "b", 2),
        ("a{0}", "b", 2),
        ("a{00,5}?", "b", 2),
        ("^$", "b", 2),
        (r"\b", "b", 2),
        ("", "b", 2),
        ("(a)", "bc", 3),
        ("a|", "bc", 3),
        ("[a[b]]", "bc", 3),
        ("aaaaaaaaaa", "$0$0", 5),
        (r"(\d+)-(?=\d)", "$1_", 4),
    ],
)
def test_how_long_a_text_can_get(pattern: str, replacement: str, wanted: int) -> None:
    assert growth(pattern, replacement) == wanted


@pytest.mark.parametrize("pattern", ["(?=(.*))", "(?<=(a))", "(?!(a))", "(?<!b(a))"])
def test_a_group_that_looks_ahead_gives_nothing_to_a_replacement(pattern: str) -> None:
    assert growth(pattern, "b") == 2
    with pytest.raises(ToolError, match=r"its replacement a \$"):
        growth(pattern, "$1")
