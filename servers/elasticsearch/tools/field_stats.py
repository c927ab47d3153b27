"""es_field: what the values of one field are like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.protocol.tools import Call, Room, ToolError, tool
from servers.elasticsearch.client.backend import path
from servers.elasticsearch.policy.index_names import (
    IndexPattern,
    aggregatable,
    check_bodies,
    known_fields,
    near_names,
    unknown_fields,
    within,
)
from servers.elasticsearch.policy.index_scope import ScopedElasticsearch

NUMBERS = frozenset(
    {"byte", "double", "float", "half_float", "integer", "long", "scaled_float", "short", "unsigned_long"}
)

RANGES = NUMBERS | {"date", "date_nanos"}
"""Types that have a least and a greatest value."""

EXAMPLES = 5


class Top(TypedDict):
    value: Any
    docs: int


class FieldStats(TypedDict):
    type: str
    """Several where indices differ."""
    sampled: Annotated[int, Field(description="documents")]
    missing: Annotated[int, Field(description="of these without it")]
    distinct: NotRequired[int]
    top: NotRequired[list[Top]]
    range: NotRequired[dict[str, Any]]
    """min, max, avg, and percentiles as p5 and p95."""
    examples: NotRequired[list[Any]]
    """Where values can't be counted."""
    aggregate_on: Annotated[NotRequired[str], Field(description="its sub-field")]


@tool(title="Values of a field")
async def es_field(
    call: Call[ScopedElasticsearch],
    *,
    index: IndexPattern,
    field: Annotated[str, Field(min_length=1, max_length=1000)],
    query: dict[str, Any] | None = None,
    top: Annotated[int, Field(ge=1, le=200)] = 10,
    sample: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000,
) -> FieldStats:
    """What a field holds: most frequent values, range, distinct, missing share."""
    await check_bodies(call.backend, query)
    index = await within(call.backend, index)
    async with near_names(call.backend):
        fields = await known_fields(call.backend, index, field, f"{field}.*")
    types = fields.get(field, {})
    if not types:
        raise ToolError(*await unknown_fields(call.backend, index, field))
    counted = _countable(fields, field)
    aggs: dict[str, Any] = {"there": {"filter": {"exists": {"field": field}}}}
    if counted:
        aggs["distinct"] = {"cardinality": {"field": counted}}
        aggs["top"] = {"terms": {"field": counted, "size": top}}
        kinds = set(fields[counted])
        if kinds <= RANGES:
            aggs["range"] = {"stats": {"field": counted}}
        if kinds <= NUMBERS:
            aggs["percentiles"] = {"percentiles": {"field": counted, "percents": [5, 25, 50, 75, 95]}}
    body = {
        "query": query or {"match_all": {}},
        "size": 0 if counted else EXAMPLES,
        "_source": [field],
        "timeout": "10s",
        "track_total_hits": False,
        "aggs": {"sample": {"sampler": {"shard_size": sample}, "aggs": aggs}},
    }
    if not counted:
        # Those that have none have nothing to show.
        body["post_filter"] = {"exists": {"field": field}}
    async with near_names(call.backend):
        answer = await call.backend.read(
            "POST", path(index, "_search"), params={"allow_no_indices": "false"}, body=body
        )
    sampled = answer["aggregations"]["sample"]
    profile: FieldStats = {
        "type": ", ".join(sorted(types)),
        "sampled": sampled["doc_count"],
        "missing": sampled["doc_count"] - sampled["there"]["doc_count"],
    }
    if counted and counted != field:
        profile["aggregate_on"] = counted
    room = Room(call.max_bytes)
    if not counted:
        values = (_at(hit.get("_source", {}), field) for hit in answer["hits"]["hits"])
        profile["examples"] = [v for v in map(_short, values) if room.take(v)]
        return profile
    profile["distinct"] = sampled["distinct"]["value"]
    rows: list[Top] = [
        {"value": bucket.get("key_as_string", bucket["key"]), "docs": bucket["doc_count"]}
        for bucket in sampled["top"]["buckets"]
    ]
    profile["top"] = [row for row in rows if room.take(row)]
    if "range" in sampled and sampled["range"]["count"]:
        profile["range"] = _range(sampled)
    return profile


def _countable(fields: Mapping[str, Mapping[str, Any]], field: str) -> str | None:
    """The field, or a sub-field of it, that can be aggregated on in every index."""
    names = [field, *sorted(name for name in fields if name.startswith(field + "."))]
    return next((name for name in names if aggregatable(fields[name])), None)


def _range(sampled: Mapping[str, Any]) -> dict[str, Any]:
    stats = sampled["range"]
    if "min_as_string" in stats:
        return {"min": stats["min_as_string"], "max": stats["max_as_string"]}
    percentiles = sampled.get("percentiles", {}).get("values", {})
    return {"min": stats["min"], "max": stats["max"], "avg": stats["avg"]} | {
        f"p{float(percent):g}": value for percent, value in percentiles.items()
    }


def _at(value: Any, path: str) -> Any:
    """What is at a dotted path of a document; of an array the first."""
    while isinstance(value, list) and value:
        value = value[0]
    if not path:
        return value
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == path:
                return _at(inner, "")
            if path.startswith(name + "."):
                return _at(inner, path[len(name) + 1 :])
    return None


def _short(value: Any) -> Any:
    return value[:300] if isinstance(value, str) else str(value)[:300] if isinstance(value, dict | list) else value
