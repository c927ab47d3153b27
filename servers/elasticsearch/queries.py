"""What of the query DSL is not passed on."""

from __future__ import annotations

from typing import Any

from servers.common.tools import ToolError

_SCRIPTED = frozenset(
    {
        "_script",
        "bucket_script",
        "bucket_selector",
        "moving_fn",
        "script_fields",
        "script_score",
        "scripted_metric",
        "minimum_should_match_script",
    }
)
_LEAVES = frozenset(
    {
        "fuzzy",
        "match",
        "match_bool_prefix",
        "match_phrase",
        "match_phrase_prefix",
        "prefix",
        "regexp",
        "term",
        "wildcard",
    }
)
"""Queries whose keys are names of fields: a field may well be called script."""


def refuse_scripts(value: Any, parent: str = "") -> None:
    """Scripts run code in Elasticsearch for every document; they are not for a model to write.

    Raises:
        ToolError: there is one in a part of a search.
    """
    if isinstance(value, list):
        for item in value:
            refuse_scripts(item, parent)
    if not isinstance(value, dict):
        return
    for key, inner in value.items():
        named = key in _SCRIPTED and parent not in _LEAVES
        scripted = key == "script" and (
            (isinstance(inner, dict) and not inner.keys().isdisjoint({"source", "id", "lang", "params", "script"}))
            or (isinstance(inner, str) and parent not in _LEAVES)
        )
        if named or scripted:
            raise ToolError(
                f"{key!r}: scripts are not allowed here; say it with queries and aggregations that need none"
            )
        refuse_scripts(inner, key)
