"""es_field: what the values of one field are like."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.protocol.tools import Call, Room, ToolError, to_json, tool
from servers.elasticsearch.client.backend import path
from servers.elasticsearch.client.errors import ElasticsearchError
from servers.elasticsearch.policy.index_names import (
    FLATTENED,
    NESTED,
    Dsl,
    IndexPattern,
    aggregatable,
    check_bodies,
    known_fields,
    parent_of,
    parents,
    unknown_fields,
    within,
)
from servers.elasticsearch.policy.index_scope import ScopedElasticsearch
from servers.elasticsearch.tools.documents import values_at
from servers.elasticsearch.tools.search import partial_notes

NUMBERS = frozenset({"byte", "double", "float", "half_float", "integer", "long", "scaled_float", "short", "unsigned_long"})

DATES = frozenset({"date", "date_nanos"})

WORDS = frozenset(
    {"constant_keyword", "counted_keyword", "flat_object", "flattened", "icu_collation_keyword", "keyword", "wildcard"}
)

COUNTED = (WORDS, NUMBERS, DATES, *(frozenset({type}) for type in ("boolean", "ip", "version", "text")))
"""Types whose values an aggregation can count; those of one group together, where indices differ."""

EXACT = 40_000
"""Distinct values up to which counting them is close to exact, Elasticsearch's most."""

EXAMPLES = 5

MOST_TOP = 200

MOST_SAMPLED = 1_000_000


class Top(TypedDict):
    value: Any
    docs: int


class FieldStats(TypedDict):
    type: str
    """Several where indices differ."""
    sampled: Annotated[int, Field(description="documents")]
    missing: Annotated[NotRequired[int], Field(description="sampled documents without the field")]
    distinct: NotRequired[int]
    top: NotRequired[list[Top]]
    range: NotRequired[dict[str, Any]]
    """min, max, avg, and percentiles as p5 and p95."""
    examples: NotRequired[list[Any]]
    """Where values can't be counted."""
    aggregate_on: Annotated[NotRequired[str], Field(description="its sub-field")]
    notes: NotRequired[list[str]]


@tool(title="Values of a field")
async def es_field(
    call: Call[ScopedElasticsearch],
    *,
    index: IndexPattern,
    field: str,
    query: Dsl | None = None,
    top: int = 10,
    sample: int = 10_000,
) -> FieldStats:
    """Summarize a field: most frequent values, range, distinct and missing counts."""
    if not 0 < top <= MOST_TOP or not 0 < sample <= MOST_SAMPLED:
        raise ToolError(f"top is 1 to {MOST_TOP}, sample 1 to {MOST_SAMPLED} documents")
    await check_bodies(call.backend, query)
    index = await within(call.backend, index)
    fields = await known_fields(call.backend, index, field, f"{field}.*", *parents([field]))
    types = set(fields.get(field, {}))
    counted: str | None
    if not types and parent_of(fields, field, FLATTENED):
        types = {"key of a flattened field"}
        counted = field
    elif not types:
        raise ToolError(*await unknown_fields(call.backend, index, field))
    else:
        counted = _countable(fields, field)
    nested = parent_of(fields, field, NESTED)
    # What is neither indexed nor in columns, no query finds.
    found = bool(counted) or not types - {"object", "nested"} or any(c["searchable"] for c in fields[field].values())
    aggs = _aggregations(fields, counted, top)
    there = _there(field, nested)
    answer = await _asked(call, index, query, there, nested, aggs, sample, counted or field)
    sampled = answer["aggregations"]["sample"]
    profile: FieldStats = {"type": ", ".join(sorted(types)), "sampled": sampled["doc_count"]}
    if found:
        profile["missing"] = sampled["doc_count"] - sampled["there"]["doc_count"]
    if counted and counted != field:
        profile["aggregate_on"] = counted
    room = Room(call.max_bytes, 1024)
    notes = partial_notes(answer)
    if nested:
        notes.append(f"values are counted in the nested objects {nested!r}: a query or aggregation must be nested, too")
    if not found:
        notes.append("it is not indexed, so documents without it can't be counted, and no query finds its values")
    if ignored := sampled["ignored"]["doc_count"]:
        notes.append(
            f"documents with values of {counted or field} that are not indexed (longer than ignore_above, or malformed): "
            f"{ignored}. No query finds these values, and top and distinct leave them out"
        )
    if counted:
        _count(profile, sampled.get("objects", sampled), notes, room)
        if not types.isdisjoint(DATES - {"date"}):
            notes.append("values are told in milliseconds, and those of the same millisecond are counted as one")
    else:
        # Those that have none have nothing to show.
        queries = [part for part in (query, there if found else None) if part]
        values = await _examples(call, index, queries, field)
        profile["examples"] = [v for v in map(_short, values) if v is not None and room.take(v)]
    if notes:
        profile["notes"] = notes
    return profile


async def _asked(
    call: Call[ScopedElasticsearch],
    index: str,
    query: dict[str, Any] | None,
    there: dict[str, Any],
    nested: str,
    aggs: dict[str, Any],
    sample: int,
    counted: str,
) -> Any:
    """Ask for the values of a field by aggregations. `there` is a query for the documents that have it; `nested` is the path of
    the nested objects that it is in, or empty; `counted` is the field, or its sub-field, whose values are counted."""
    if nested and aggs:
        aggs = {"objects": {"nested": {"path": nested}, "aggs": aggs}}
    beside = {"there": {"filter": there}, "ignored": {"filter": {"term": {"_ignored": counted}}}}
    body = {
        "query": query or {"match_all": {}},
        "size": 0,
        "timeout": "10s",
        "track_total_hits": False,
        "aggs": {"sample": {"sampler": {"shard_size": sample}, "aggs": {**beside, **aggs}}},
    }
    return await call.backend.read("POST", path(index, "_search"), params={"allow_no_indices": "false"}, body=body)


def _there(field: str, nested: str) -> dict[str, Any]:
    """Return a query for the documents that have a field, in nested objects if it is in some."""
    there: dict[str, Any] = {"exists": {"field": field}}
    if nested:
        there = {"nested": {"path": nested, "ignore_unmapped": True, "query": there}}
    # A value that is not indexed is there all the same.
    return {"bool": {"should": [there, {"term": {"_ignored": field}}]}}


async def _examples(call: Call[ScopedElasticsearch], index: str, queries: list[dict[str, Any]], field: str) -> Iterator[Any]:
    """Return values of documents that match some queries."""
    # A sub-field, an alias and a copy are not in the source.
    body = {"query": {"bool": {"filter": queries}}, "size": EXAMPLES, "_source": [field], "fields": [field]}
    try:
        answer = await call.backend.read("POST", path(index, "_search"), body=body | {"timeout": "10s"})
    except ElasticsearchError as error:
        if error.status != 400:
            raise
        return iter(())  # of an index that keeps no source
    return (_value(hit, field) for hit in answer["hits"]["hits"])


def _value(hit: Mapping[str, Any], field: str) -> Any:
    """Return the value of a field: a list if it has several, which may be a point or a vector."""
    parts = (hit.get("_source", {}), hit.get("fields", {}))
    found = next((value for part in parts for value in values_at(part, field, lists=True) if value is not None), None)
    return found[0] if isinstance(found, list) and len(found) == 1 else found


def _aggregations(fields: Mapping[str, Mapping[str, Any]], counted: str | None, top: int) -> dict[str, Any]:
    if not counted:
        return {}
    aggs: dict[str, Any] = {
        "distinct": {"cardinality": {"field": counted, "precision_threshold": EXACT}},
        "top": {"terms": {"field": counted, "size": top}},
    }
    kinds = set(fields.get(counted, ()))
    if kinds and kinds <= NUMBERS | DATES:
        aggs["range"] = {"stats": {"field": counted}}
    if kinds and kinds <= NUMBERS:
        aggs["percentiles"] = {"percentiles": {"field": counted, "percents": [5, 25, 50, 75, 95]}}
    return aggs


def _count(profile: FieldStats, counts: Mapping[str, Any], notes: list[str], room: Room) -> None:
    """Tell what aggregations have counted."""
    profile["distinct"] = counts["distinct"]["value"]
    if profile["distinct"] > EXACT // 10:
        notes.append("distinct is an estimate")
    rows: list[Top] = [
        {"value": bucket.get("key_as_string", bucket["key"]), "docs": bucket["doc_count"]} for bucket in counts["top"]["buckets"]
    ]
    profile["top"] = [row for row in rows if room.take(row)]
    if error := counts["top"].get("doc_count_error_upper_bound"):
        notes.append(f"the counts in top may be too low by up to {error}, because each shard gave only its own most frequent")
    if "range" in counts and counts["range"]["count"]:
        profile["range"] = _range(counts)
        if any(isinstance(value, float) and abs(value) >= 2**53 for value in profile["range"].values()):
            notes.append("numbers in range are rounded, because Elasticsearch computes them as doubles")
        if "percentiles" in counts:
            notes.append("percentiles are estimates")


def _countable(fields: Mapping[str, Mapping[str, Any]], field: str) -> str | None:
    """Return the field, or else a sub-field of it, that can be counted in every index; a keyword comes first."""

    def counts(name: str) -> bool:
        kinds = set(fields[name])
        return aggregatable(fields[name]) and any(kinds <= group for group in COUNTED)

    if counts(field):
        return field
    subs = [] if {"object", "nested"} & fields[field].keys() else [n for n in fields if n.startswith(field + ".")]
    able = sorted(filter(counts, subs), key=lambda name: (not set(fields[name]) <= WORDS, name))
    return next(iter(able), None)


def _range(sampled: Mapping[str, Any]) -> dict[str, Any]:
    stats = sampled["range"]
    if "min_as_string" in stats:
        return {"min": stats["min_as_string"], "max": stats["max_as_string"]}
    percentiles = sampled.get("percentiles", {}).get("values", {})
    return {"min": stats["min"], "max": stats["max"], "avg": stats["avg"]} | {
        f"p{float(percent):g}": value for percent, value in percentiles.items()
    }


def _short(value: Any) -> Any:
    text = to_json(value) if isinstance(value, dict | list) else value
    return f"{text[:300]}..." if isinstance(text, str) and len(text) > 300 else text
