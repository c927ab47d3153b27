"""What expressions cost, and how much longer replacements make a text."""

import pytest

from servers.common.protocol.tools import ToolError
from servers.elasticsearch.policy.expressions import growth, measured, steps


@pytest.mark.parametrize(
    ("expression", "repeated", "ways"),
    [
        ("abc", 0, 1),
        (r"\*\+\{[*+]", 0, 1),
        (r"[a[*+]b]", 0, 1),
        (r"\pL+\x4e+\u004e+", 2, 1),
        (r"x{3}x{2,}x", 1, 1),
        (r"(x+)\1+", 2, 1),
        (r"x*\b+$", 2, 1),
        ("x{10000}x{10000,10001}x", 2, 1),
        (r"(?<a>x)\k<a>", 1, 1),
        ("x{1,1000}x", 0, 1000),
        ("x?" * 9 + "x", 0, 512),
        (r"([^\p{L}\d]+)|(?<=\D)(?=\d)|(?<=\d)(?=\D)|(?<=[\p{L}&&[^\p{Lu}]])(?=\p{Lu})", 0, 10),
        (r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}", 1, 1),
        (r"\d+\s+\w+\W+[^a-z\W]+!", 1, 1),
        ("x+X+y", 2, 1),
        ("(?u)a+b+c", 2, 1),
        (r"^\s*(.*?)\s*$", 2, 1),
        (r"^x*|y*y*$", 2, 2),
        (r"^?x*x*$", 2, 2),
        (r"(,\d{3})*(,\d{3}){0,2}$", 1, 3),
        (r"(?:a|b)*+(?:[a-z]+,)++", 2, 4),
        (r"(?<=x{1,5})y", 0, 26),
        (r"\s+(?!\w+=)!", 1, 2),
        ("x*(y?z?)x{0,5}", 0, 1),
    ],
)
def test_what_expressions_cost(expression: str, repeated: int, ways: int) -> None:
    assert measured(expression) == (repeated, ways)
    assert steps(expression, [10, 20]) == ways * (10 ** (repeated + 1) + 20 ** (repeated + 1))


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("x*x*x*y", "tries up to 3 of"),
        ("a" * 1001, "has 1001 characters, more than 1000"),
        ("(x", r"has a \( that is not closed"),
        ("[" * 1000, "from its character 1 on"),
        ("x*x*[[a]|]x*x*y", "tries up to 4 of"),
        ("[[]]x*", "can't be analyzed"),
        ("(" * 60 + ")" * 60, "can't be analyzed"),
        ("(a|b){2,}", "repeats a group"),
        ("(?:.)*", "repeats a group"),
        ("((((x{9}x){99}x){99}x){99}x){99}", "repeats too much"),
        (r"[a\Q]\E]*x*", "can't analyze"),
        ("(?ix:(a) *)", "can't analyze"),
        ("a*A*a*b", "tries up to 3 of"),
        (r"[\p{L}]*x*x*y", "tries up to 3 of"),
        ("x*(?!y)x*(?!y)x*z", "tries up to 3 of"),
        ("(?<=x*x*y)b", "tries up to 4 of"),
        # What would keep this server busy, and not Elasticsearch.
        ("[" + "[^a]" * 249, "can't be analyzed"),
        ("(?<=" * 49 + "x?y" + ")" * 49, "more than 1000 combinations"),
        ("((){9999}){9999}", "repeats too much"),
    ],
)
def test_expressions_that_are_refused(expression: str, reason: str) -> None:
    with pytest.raises(ToolError, match=reason):
        measured(expression)


@pytest.mark.parametrize(
    ("pattern", "replacement", "wanted"),
    [
        ("abc", "defghi", 2),
        (r"\d{3}-[0-9]+", "1234567890", 2),
        ("a{0}", "b", 2),
        ("aaaaaaaaaa", "$0$0", 2),
        ("aaaaaaaaaa", r"\$0\\$1", 1),
        (r"(\d+)-(?=\d)", "$1_", 1.5),
        ("(a)(b)", "$1$2$1$2$1", 3),
        ("a", "\n\n\n", 3),
        ("(ab){2,}", "b" * 8, 2),
        ("(a)", "$" + "1" * 10_000, 10_000),
        (r"(?<u>\w+)@(?<h>\w+)", "${h}:${u}", 1 + 1 / 3),
    ],
)
def test_how_long_a_text_can_get(pattern: str, replacement: str, wanted: float) -> None:
    assert growth(pattern, replacement) == pytest.approx(wanted)


@pytest.mark.parametrize("pattern", ["(?=(.*))", "(?<=(a))", "(?!(a))", "(?<!b(a))", "(a.*)?+", "((a.*))*+", "(?>(a.*)|)"])
def test_a_group_that_looks_ahead_gives_nothing_to_a_replacement(pattern: str) -> None:
    assert growth(pattern, "b") == 2
    with pytest.raises(ToolError, match=r"its replacement has a \$"):
        growth(pattern, "$1")
