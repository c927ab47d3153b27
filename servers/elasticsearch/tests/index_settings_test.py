"""Settings of indices that are refused, and analyzers in them."""

from typing import Any

import pytest

from servers.common.protocol.tools import ToolError
from servers.elasticsearch.policy.index_settings import MOST, check_settings
from servers.elasticsearch.tools.index_admin import flat


@pytest.mark.parametrize("name", sorted(MOST))
def test_limits_of_elasticsearch_are_not_lifted(name: str) -> None:
    for prefix in ("", "index."):
        for value in (MOST[name], str(MOST[name]), 0, None):
            check_settings({prefix + name: value})
        for value in (MOST[name] + 1, str(MOST[name] + 1), -1, "NaN"):
            with pytest.raises(ToolError, match=f"{name} may be at most {MOST[name]} here"):
                check_settings({prefix + name: value})


def analyzed(filters: Any = (), char_filters: Any = (), **parts: Any) -> dict[str, Any]:
    analyzer = {"type": "custom", "tokenizer": "keyword", "filter": filters, "char_filter": char_filters}
    return {"analyzer": {"a": analyzer}, **parts}


SHORT = {"s": {"type": "pattern_replace", "pattern": "a", "replacement": "b" * 5}}
GRAMS = {"type": "edge_ngram", "min_gram": 1}


@pytest.mark.parametrize(
    ("analysis", "reason"),
    [
        (analyzed(["g"], filter={"g": GRAMS | {"max_gram": 100}}), ""),
        (analyzed(["g"], filter={"g": GRAMS | {"max_gram": 101}}), "max_gram is at most 100"),
        (analyzed(tokenizer={"g": {"type": "ngram", "max_gram": "5000"}}), "max_gram is at most 50"),
        (analyzed(filter={"g": {"type": "shingle", "max_shingle_size": 11}}), "max_shingle_size is at most 10"),
        (analyzed(tokenizer={"p": {"type": "pattern", "pattern": "a*a*b"}}), ""),
        (analyzed(tokenizer={"p": {"type": "pattern", "pattern": "a*a*a*b"}}), "tries up to 3 of"),
        (analyzed(filter={"p": {"type": "pattern_capture", "patterns": ["(a|b)+"]}}), "repeats a group"),
        (analyzed(filter={"p": {"type": "pattern_replace", "pattern": "a", "replacement": "b" * 101}}), "101 times"),
        (analyzed([], ["s"] * 2, char_filter=SHORT), ""),
        (analyzed([], ["s"] * 3, char_filter=SHORT), "125 times"),
        (analyzed("lowercase,s,s,s", filter=SHORT), "125 times"),
        (analyzed(["s"], ["s"] * 2, char_filter=SHORT, filter=SHORT), "125 times"),
        (analyzed(["ngram"] * 6), ""),
        (analyzed(["ngram"] * 7), "128 times"),
        (analyzed(["m"] * 2, filter={"m": {"type": "multiplexer", "filters": ["s, s"]}} | SHORT), "625 times"),
        (analyzed(filter={f"m{n}": {"filters": [f"m{n + 1}"]} for n in range(25)}), "more than 20 in a row"),
        (analyzed(filter={"m": {"filters": ["m, lowercase"]}}), ""),
        ({"normalizer": {"n": {"filter": [], "char_filter": ["s"] * 3}}, "char_filter": SHORT}, "125 times"),
    ],
)
def test_analyzers(analysis: Any, reason: str) -> None:
    for settings in ({"analysis": analysis}, {"index": {"analysis": analysis}}, {"index.analysis": analysis}):
        if reason:
            with pytest.raises(ToolError, match=reason):
                check_settings(flat(settings))
        else:
            check_settings(flat(settings))


def test_names_of_settings_are_short() -> None:
    assert flat({"a": {"b": {"c.d": 1, "e": [{}], "f": {}}}, "g": None}) == {"a.b.c.d": 1, "a.b.e": [{}], "g": None}
    with pytest.raises(ToolError, match="at most 500 characters"):
        flat({"a" * 300: {"b" * 300: 1}})
