"""es_explain: why a query finds what it finds, and what makes it slow."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.protocol.tools import Call, Room, ToolError, tool
from servers.elasticsearch.client.backend import path
from servers.elasticsearch.client.errors import ElasticsearchError
from servers.elasticsearch.policy.index_names import (
    Dsl,
    IndexName,
    Routing,
    check_bodies,
    field_notes,
    near_fields_of,
    no_document,
    routed,
    within,
)
from servers.elasticsearch.policy.index_scope import ScopedElasticsearch
from servers.elasticsearch.policy.query_bodies import aggregated, fields_of, outside_nested
from servers.elasticsearch.tools.search import partial_notes

MOST_ROWS = 20

MOST_DOCUMENTS = 20

DEPTH = 6
"""Levels of an explanation that are told."""


class Slow(TypedDict):
    index: str
    shard: int
    part: Annotated[str, Field(description="part of the query, in Lucene's terms")]
    ms: float
    mostly: Annotated[NotRequired[str], Field(description="what took most of its time")]


class Why(TypedDict):
    valid: bool
    error: NotRequired[str]
    meaning: Annotated[NotRequired[list[str]], Field(description="the query as it runs")]
    matched: NotRequired[bool]
    score: NotRequired[float]
    reasons: NotRequired[list[str]]
    documents: Annotated[NotRequired[list[dict[str, Any]]], Field(description="of several ids")]
    notes: NotRequired[list[str]]
    took_ms: NotRequired[int]
    summary: Annotated[NotRequired[list[str]], Field(description="what takes the time")]
    slowest: NotRequired[list[Slow]]


@tool(title="Explain a query")
async def es_explain(
    call: Call[ScopedElasticsearch],
    *,
    index: IndexName,
    query: Dsl,
    aggs: Dsl | None = None,
    id: str | list[str] | None = None,
    routing: Routing = None,
    profile: bool = False,
) -> Why:
    """Say whether a query is valid and what it means; ids: why they match or not; profile: what is slow."""
    if routing is not None and id is None:
        raise ToolError("routing is of a document: give its id, too")
    await check_bodies(call.backend, query, {"aggs": aggs})
    index = await within(call.backend, index)
    why = await _validated(call, index, query)
    if not why["valid"]:
        return why
    room = Room(call.max_bytes)
    why["meaning"] = [meaning for meaning in why.get("meaning", []) if room.take(meaning)]
    outside = fields_of(outside_nested(query)) | aggregated(outside_nested(aggs))
    if notes := await field_notes(call.backend, index, fields_of(query) | aggregated(aggs), outside):
        why["notes"] = [call.told(note) for note in notes]
    if isinstance(id, list):
        why["documents"] = await _documents(call, room, index, query, id, routing)
    elif id is not None:
        why |= await _document(call, room, index, query, id, routing)  # type: ignore[typeddict-item]
    if profile or aggs:
        profiled = await _profiled(call, room, index, query, aggs)
        if notes := why.get("notes", []) + profiled.pop("notes"):
            why["notes"] = notes
        why |= profiled  # type: ignore[typeddict-item]
    return why


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}..."


async def _validated(call: Call[ScopedElasticsearch], index: str, query: dict[str, Any]) -> Why:
    try:
        answer = await call.backend.read(
            "POST",
            path(index, "_validate", "query"),
            params={"explain": "true", "allow_no_indices": "false"},
            body={"query": query},
        )
    except ElasticsearchError as refusal:
        if refusal.status != 400:
            raise
        return {"valid": False, "error": str(refusal)}
    said = answer.get("explanations", [])
    if not answer["valid"]:
        errors = dict.fromkeys(str(e["error"]) for e in said if e.get("error")) or [str(answer.get("error", "invalid"))]
        return {"valid": False, "error": _cut("; ".join(errors), 2000)}
    several = len(said) > 1
    return {
        "valid": True,
        "meaning": [(f"{e['index']}: " if several else "") + _cut(str(e.get("explanation", "")), 1000) for e in said],
    }


async def _document(
    call: Call[ScopedElasticsearch], room: Room, index: str, query: dict[str, Any], id: str, routing: str | None
) -> dict[str, Any]:
    try:
        answer = await call.backend.read("POST", path(index, "_explain", id), params=routed(routing), body={"query": query})
    except ElasticsearchError as refusal:
        if refusal.status != 404 or refusal.type:
            raise
        raise no_document(id, index, routing) from None
    explanation = answer.get("explanation", {})
    found = {"matched": answer["matched"], "reasons": [line for line in _lines(explanation) if room.take(line)]}
    if answer["matched"]:
        found["score"] = explanation.get("value", 0)
    return found


async def _documents(
    call: Call[ScopedElasticsearch], room: Room, index: str, query: dict[str, Any], ids: list[str], routing: str | None
) -> list[dict[str, Any]]:
    """Return what `_document` tells of each of several, with fewer levels of the explanation."""
    if not 0 < len(ids) <= MOST_DOCUMENTS:
        raise ToolError(f"give 1 to {MOST_DOCUMENTS} ids")
    rows: list[dict[str, Any]] = []
    for id in dict.fromkeys(ids):
        part = Room(room.left // (len(ids) - len(rows)))
        try:
            row = {"id": id} | await _document(call, part, index, query, id, routing)
        except ToolError as error:
            row = {"id": id, "error": str(error)}
        room.take(row)
        rows.append(row)
    return rows


def _lines(explanation: Mapping[str, Any], level: int = 0) -> Iterator[str]:
    """Lucene's explanation, a line for each of its parts."""
    if level > DEPTH or not explanation:
        return
    yield "  " * level + f"{explanation.get('value', 0):g}: {_cut(str(explanation.get('description', '')), 300)}"
    for part in explanation.get("details", ()):
        yield from _lines(part, level + 1)


async def _profiled(
    call: Call[ScopedElasticsearch], room: Room, index: str, query: dict[str, Any], aggs: dict[str, Any] | None
) -> dict[str, Any]:
    body = {"query": query, "size": 10, "_source": False, "profile": True, "timeout": "20s"} | ({"aggs": aggs} if aggs else {})
    async with near_fields_of(call.backend, index):
        answer = await call.backend.read("POST", path(index, "_search"), params={"allow_no_indices": "false"}, body=body)
    shards = answer.get("profile", {}).get("shards", [])
    rows = sorted((row for shard in shards for row in _rows(shard)), key=lambda row: -row["ms"])
    summary = [line for line in profile_summary(shards, rows) if room.take(line)]
    told = {"notes": partial_notes(answer), "took_ms": answer["took"], "summary": summary}
    return told | {"slowest": [row for row in rows[:MOST_ROWS] if room.take(row)]}


def _place(shard: Mapping[str, Any]) -> tuple[str, int]:
    """Return the index and the number of a profiled shard, whose id is [node][index][shard]."""
    parts = shard["id"].strip("[]").split("][")
    return parts[-2], int(parts[-1])


def _rows(shard: Mapping[str, Any]) -> Iterator[Slow]:
    for search in shard.get("searches", ()):
        for part in search.get("query", ()):
            yield from _costs(part, *_place(shard))
    for part in shard.get("aggregations", ()):
        yield from _costs(part, *_place(shard))


def _spent(shard: Mapping[str, Any]) -> dict[str, float]:
    """Nanoseconds of each phase of a search on a shard."""
    searches, fetches = shard.get("searches", []), shard.get("fetch", [])
    if isinstance(fetches, dict):  # a list in OpenSearch 3
        fetches = [fetches]
    aggregating = sum(part["time_in_nanos"] for part in shard.get("aggregations", ()))
    collecting = sum(c.get("time_in_nanos", 0) for search in searches for c in search.get("collector", ()))
    return {
        "finding matches": sum(part["time_in_nanos"] for search in searches for part in search.get("query", ())),
        "rewriting the query": sum(search.get("rewrite_time", 0) for search in searches),
        "collecting hits": max(collecting - aggregating, 0),
        "aggregations": aggregating,
        "fetching documents": sum(part.get("time_in_nanos", 0) for part in fetches),
    }


def profile_summary(shards: Sequence[Mapping[str, Any]], rows: Sequence[Slow]) -> list[str]:
    """Put into words what takes the time of a profiled search; `rows` are its parts, the slowest first
    (https://www.elastic.co/guide/en/elasticsearch/reference/8.11/search-profile.html)."""
    spent = [(sum(_spent(shard).values()), shard) for shard in shards]
    whole = sum(time for time, _ in spent)
    if not whole:
        return ["nothing was measured: Elasticsearch could skip every shard"]
    phases = {name: sum(_spent(shard)[name] for shard in shards) / whole for name in _spent(shards[0])}
    shares = [f"{name} {share:.0%}" for name, share in sorted(phases.items(), key=lambda item: -item[1]) if share >= 0.005]
    lines = [f"{whole / 1e6:.3g} ms on {len(shards)} shards: {', '.join(shares)}"]
    worst = rows[0]
    share = worst["ms"] * 1e6 / whole
    how = f", {worst['mostly']}" if "mostly" in worst else ""
    lines.append(f"{share:.0%} is one part on shard {worst['shard']} of {worst['index']}: {worst['part']}{how}")
    time, slowest = max(spent, key=lambda item: item[0])
    if len(shards) > 1 and time * len(shards) > 2 * whole:
        name, number = _place(slowest)
        lines.append(f"shard {number} of {name} takes {time / whole:.0%} alone: its data is larger, or its node is slower")
    return lines


def _costs(part: Mapping[str, Any], index: str, shard: int) -> Iterator[Slow]:
    """A part of a query and all within it, each with its own time, less that of what is within."""
    children = part.get("children", [])
    own = part["time_in_nanos"] - sum(child["time_in_nanos"] for child in children)
    breakdown = {name: time for name, time in part.get("breakdown", {}).items() if not name.endswith("_count")}
    row: Slow = {
        "index": index,
        "shard": shard,
        "part": _cut(f"{part['type']}: {part['description']}", 300),
        "ms": round(max(own, 0) / 1e6, 3),
    }
    if breakdown and (most := max(breakdown, key=lambda name: breakdown[name])) and breakdown[most]:
        row["mostly"] = _STEPS.get(most, most)
    yield row
    for child in children:
        yield from _costs(child, index, shard)


_STEPS = {
    "build_aggregation": "building the buckets' result",
    "build_leaf_collector": "preparing for each segment",
    "collect": "collecting documents into buckets",
    "initialize": "preparing",
    "reduce": "combining results",
    "build_scorer": "preparing: finding the terms that match, as wildcards and prefixes need",
    "create_weight": "preparing: reading the statistics of its terms",
    "next_doc": "going through matching documents",
    "advance": "skipping to documents that other clauses match",
    "match": "checking each candidate again, as phrases need",
    "score": "scoring: a filter would not score",
    "compute_max_score": "finding what can be skipped",
}
"""What the steps of a profile are (https://www.elastic.co/guide/en/elasticsearch/reference/8.11/search-profile.html)."""
