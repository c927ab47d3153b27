"""es_explain: why a query finds what it finds, and what makes it slow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.tools import Call, Room, ToolError, tool
from servers.elasticsearch.backend import ElasticsearchBackend, path
from servers.elasticsearch.errors import Refused
from servers.elasticsearch.names import DocumentId, IndexName, check_bodies, near_names, within

DEPTH = 6
"""Levels of an explanation that are told."""


class Slow(TypedDict):
    index: str
    shard: int
    part: Annotated[str, Field(description="the query's part, as Lucene has it")]
    ms: float
    mostly: Annotated[NotRequired[str], Field(description="what most of the time went into")]


class Why(TypedDict):
    valid: bool
    error: NotRequired[str]
    meaning: Annotated[NotRequired[list[str]], Field(description="the query as it is run")]
    matched: NotRequired[bool]
    score: NotRequired[float]
    reasons: NotRequired[list[str]]
    took_ms: NotRequired[int]
    slowest: NotRequired[list[Slow]]


@tool(title="Explain a query")
async def es_explain(
    call: Call[ElasticsearchBackend],
    *,
    index: IndexName,
    query: dict[str, Any],
    id: Annotated[DocumentId | None, Field(description="why this one matches or not")] = None,
    profile: Annotated[bool, Field(description="run it, and say which parts are slow")] = False,
) -> Why:
    """Check a query: whether it is valid and what it means; why a document does or doesn't match; what makes it slow."""
    await check_bodies(call.backend, query)
    index = await within(call.backend, index)
    why = await _validated(call, index, query)
    if not why["valid"]:
        return why
    room = Room(call.max_bytes)
    why["meaning"] = [meaning for meaning in why.get("meaning", []) if room.take(meaning)]
    if id is not None:
        why |= await _document(call, room, index, query, id)  # type: ignore[typeddict-item]
    if profile:
        why |= await _profiled(call, room, index, query)  # type: ignore[typeddict-item]
    return why


async def _validated(call: Call[ElasticsearchBackend], index: str, query: dict[str, Any]) -> Why:
    async with near_names(call.backend):
        try:
            answer = await call.backend.read(
                "POST",
                path(index, "_validate", "query"),
                params={"explain": "true", "allow_no_indices": "false"},
                body={"query": query},
            )
        except Refused as refusal:
            if refusal.status != 400:
                raise
            return {"valid": False, "error": str(refusal)}
    said = answer.get("explanations", [])
    if not answer["valid"]:
        errors = dict.fromkeys(str(e["error"]) for e in said if e.get("error")) or [str(answer.get("error", "invalid"))]
        return {"valid": False, "error": "; ".join(errors)[:2000]}
    several = len(said) > 1
    return {
        "valid": True,
        "meaning": [(f"{e['index']}: " if several else "") + str(e.get("explanation", ""))[:1000] for e in said],
    }


async def _document(
    call: Call[ElasticsearchBackend], room: Room, index: str, query: dict[str, Any], id: str
) -> dict[str, Any]:
    try:
        answer = await call.backend.read("POST", path(index, "_explain", id), body={"query": query})
    except Refused as refusal:
        if refusal.status != 404 or refusal.type:
            raise
        raise ToolError(f"there is no document {id!r} in {index!r}: find ids with es_search") from None
    explanation = answer.get("explanation", {})
    found = {"matched": answer["matched"], "reasons": [line for line in _lines(explanation) if room.take(line)]}
    if answer["matched"]:
        found["score"] = explanation.get("value", 0)
    return found


def _lines(explanation: Mapping[str, Any], level: int = 0) -> Iterator[str]:
    """Lucene's explanation, a line for each of its parts."""
    if level > DEPTH or not explanation:
        return
    yield "  " * level + f"{explanation.get('value', 0):g}: {str(explanation.get('description', ''))[:300]}"
    for part in explanation.get("details", ()):
        yield from _lines(part, level + 1)


async def _profiled(call: Call[ElasticsearchBackend], room: Room, index: str, query: dict[str, Any]) -> dict[str, Any]:
    body = {"query": query, "size": 10, "_source": False, "profile": True, "timeout": "20s"}
    answer = await call.backend.read("POST", path(index, "_search"), params={"allow_no_indices": "false"}, body=body)
    rows: list[Slow] = []
    for shard in answer.get("profile", {}).get("shards", ()):
        # [node][index][shard]
        parts = shard["id"].strip("[]").split("][")
        for search in shard.get("searches", ()):
            for part in search.get("query", ()):
                rows += _costs(part, parts[1] if len(parts) > 1 else index, int(parts[-1]))
    rows.sort(key=lambda row: -row["ms"])
    return {"took_ms": answer["took"], "slowest": [row for row in rows[:20] if room.take(row)]}


def _costs(part: Mapping[str, Any], index: str, shard: int) -> Iterator[Slow]:
    """A part of a query and all within it, each with its own time, less that of what is within."""
    children = part.get("children", [])
    own = part["time_in_nanos"] - sum(child["time_in_nanos"] for child in children)
    breakdown = {name: time for name, time in part.get("breakdown", {}).items() if not name.endswith("_count")}
    row: Slow = {
        "index": index,
        "shard": shard,
        "part": f"{part['type']}: {part['description']}"[:300],
        "ms": round(max(own, 0) / 1e6, 3),
    }
    if breakdown and (most := max(breakdown, key=lambda name: breakdown[name])) and breakdown[most]:
        row["mostly"] = _STEPS.get(most, most)
    yield row
    for child in children:
        yield from _costs(child, index, shard)


_STEPS = {
    "build_scorer": "preparing: finding the terms that match, as wildcards and prefixes need",
    "create_weight": "preparing: reading the statistics of its terms",
    "next_doc": "going through matching documents",
    "advance": "jumping to documents that others match",
    "match": "a second look at each candidate, as phrases need",
    "score": "scoring: a filter would not score",
    "compute_max_score": "finding what can be left out",
}
"""What the steps of a profile are (https://www.elastic.co/guide/en/elasticsearch/reference/8.11/search-profile.html)."""
