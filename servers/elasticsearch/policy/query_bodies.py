"""Queries: those that are made of simple words, and what of the query DSL is not passed on."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from servers.common.protocol.tools import ToolError

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
LEAVES = frozenset(
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
    # A runtime field or an aggregation may have the name of a query as well: what it has is no field's value.
    field = parent in LEAVES and len(value) == 1
    for key, inner in value.items():
        named = key in _SCRIPTED and not (field and not isinstance(inner, dict))
        scripted = key == "script" and (
            (isinstance(inner, dict) and not inner.keys().isdisjoint({"source", "id", "lang", "params", "script"}))
            or (isinstance(inner, str) and not field)
        )
        if named or scripted:
            raise ToolError(
                f"{key!r}: scripts are not allowed here; say it with queries and aggregations that need none"
            )
        if key == "wrapper" and isinstance(inner, dict) and isinstance(inner.get("query"), str):
            raise ToolError("'wrapper' hides a query, which can't be checked then: give the query itself")
        refuse_scripts(inner, key)


def fields_of(query: Any) -> set[str]:
    """The fields that a query names outright, without wildcards."""
    found: set[str] = set()
    if isinstance(query, list):
        return found.union(*map(fields_of, query))
    if not isinstance(query, dict):
        return found
    for key, inner in query.items():
        if key in LEAVES or key in ("range", "terms"):
            found.update(inner if isinstance(inner, dict) else ())
        elif key == "exists" and isinstance(inner, dict):
            found.add(str(inner.get("field", "")))
        else:
            found |= fields_of(inner)
    return {name for name in found - {"", "boost", "_name"} if "*" not in name and not name.startswith("_")}


def aggregated(aggs: Any) -> set[str]:
    """The fields that aggregations name outright."""
    if isinstance(aggs, list):
        return set().union(*map(aggregated, aggs))
    if not isinstance(aggs, dict):
        return set()
    here = {value for key, value in aggs.items() if key == "field" and isinstance(value, str)}
    return {
        name for name in here.union(*map(aggregated, aggs.values())) if "*" not in name and not name.startswith("_")
    }


def outside_nested(part: Any) -> Any:
    """Return a query, or aggregations, without what is inside of a nested query or aggregation."""
    if isinstance(part, list):
        return [outside_nested(item) for item in part]
    if not isinstance(part, dict):
        return part
    nested = part.get("nested")
    if isinstance(nested, dict) and "path" in nested:
        return {}
    return {key: outside_nested(inner) for key, inner in part.items()}


BOUNDS = frozenset({"gt", "gte", "lt", "lte", "format", "time_zone"})
"""What the bounds of a range may say."""


def combined(
    text: str | None,
    where: Mapping[str, Any] | None,
    query: dict[str, Any] | None,
    nested: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any] | None:
    """The query of all that is given; None where nothing is.

    Args:
        text: words, in the syntax of simple_query_string
        where: fields to a value, to a list of which one has to be, to bounds, or to None for documents without it
        query: a clause of the query DSL
        nested: fields of `where` to the nested objects that they are in. What is said of one path has to hold in one object.

    Raises:
        ToolError: a value of `where` that is none of these.
    """
    if text is None and not where:
        return query
    must = [query] if query else []
    if text is not None:
        must.append({"simple_query_string": {"query": text, "default_operator": "and", "lenient": True}})
    clauses: dict[str, list[Any]] = {"must": must}
    inside: dict[str, list[Any]] = {}
    for field, value in (where or {}).items():
        if value is None:
            clauses.setdefault("must_not", []).append(_within([{"exists": {"field": field}}], nested.get(field)))
        elif field in nested:
            inside.setdefault(nested[field], []).append(_clause(field, value))
        else:
            clauses.setdefault("filter", []).append(_clause(field, value))
    if inside:
        clauses.setdefault("filter", []).extend(_within(said, path) for path, said in inside.items())
    return {"bool": {name: clause for name, clause in clauses.items() if clause}}


def _within(clauses: list[Any], path: str | None) -> dict[str, Any]:
    """All of some clauses, in one of the objects at a nested path."""
    said: dict[str, Any] = {"bool": {"filter": clauses}} if len(clauses) > 1 else clauses[0]
    if path is None:
        return said
    # In indices where these objects are not nested, it is said of their fields.
    nested = {"nested": {"path": path, "ignore_unmapped": True, "query": said}}
    return {"bool": {"should": [nested, said], "minimum_should_match": 1}}


def _clause(field: str, value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        if not value or not value.keys() <= BOUNDS:
            raise ToolError(f'where {field!r}: bounds are gte, gt, lte and lt, as {{"gte":"now-1d"}}; else use query')
        return {"range": {field: value}}
    if isinstance(value, list):
        if not value or any(isinstance(item, dict | list) or item is None for item in value):
            raise ToolError(f"where {field!r}: a list is of values, of which one has to be")
        return {"bool": {"should": [_clause(field, item) for item in value], "minimum_should_match": 1}}
    # As the field is indexed: exact for keywords and numbers, all words for text.
    return {"match": {field: {"query": value, "operator": "and"}}}
