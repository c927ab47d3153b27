"""es_search: the query DSL, in pages.

The first page is a plain search. Whoever goes on by its cursor gets a point in time: from there on all pages are of one
state of the index, by search_after, as deep as one likes; so only those who page hold anything in Elasticsearch, and it
expires by itself (https://www.elastic.co/guide/en/elasticsearch/reference/8.11/paginate-search-results.html).
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.backend import BackendError
from servers.common.protocol.tools import Call, Room, ToolError, size, to_json, tool
from servers.elasticsearch.client.backend import path
from servers.elasticsearch.client.errors import ElasticsearchError
from servers.elasticsearch.format.truncate import shorten
from servers.elasticsearch.policy.index_names import (
    IndexPattern,
    check_bodies,
    missing_fields,
    near_fields_of,
    near_names,
    within,
)
from servers.elasticsearch.policy.index_scope import ScopedElasticsearch
from servers.elasticsearch.policy.query_bodies import aggregated, combined, fields_of

KEEP_ALIVE = "5m"
"""How long a point in time waits for the next page."""

COUNTED = 10_000
"""Matches that are counted exactly; beyond, total is a lower bound."""

HIT_BYTES = 8192
"""A hit is given up to this length, or whole where it is the only one asked for."""

Dsl = dict[str, Any]


class Hit(TypedDict):
    id: str
    index: Annotated[NotRequired[str], Field(description="where several were searched")]
    routing: NotRequired[str]
    score: NotRequired[float]
    source: NotRequired[dict[str, Any]]
    cut: Annotated[
        NotRequired[dict[str, int]], Field(description="what was cut in source, and its whole length: es_get")
    ]
    highlight: NotRequired[dict[str, list[str]]]


class SearchHits(TypedDict):
    total: int
    at_least: Annotated[NotRequired[bool], Field(description="total is a lower bound")]
    hits: list[Hit]
    aggregations: NotRequired[dict[str, Any]]
    notes: Annotated[NotRequired[list[str]], Field(description="why the result is not complete")]
    cursor: NotRequired[str]


@tool(title="Search")
async def es_search(
    call: Call[ScopedElasticsearch],
    *,
    index: IndexPattern,
    text: Annotated[str | None, Field(description='words in any field: all of them; "a phrase", a | b, -not')] = None,
    where: Annotated[
        Dsl | None,
        Field(
            description='{"status":"open","tag":["a","b"],"date":{"gte":"now-1d"},"gone":null}: any of a list; null: none'
        ),
    ] = None,
    query: Annotated[Dsl | None, Field(description='further query DSL clause, as {"match":{"title":"fox"}}')] = None,
    knn: Annotated[Dsl | None, Field(description="field, query_vector, k, num_candidates")] = None,
    aggs: Dsl | None = None,
    sort: Annotated[
        list[dict[str, Any] | str] | None, Field(description='as [{"date":"desc"}]; default: by score')
    ] = None,
    source: Annotated[list[str] | None, Field(description="fields to give, * allowed; []: none")] = None,
    highlight: list[str] | None = None,
    size: Annotated[int, Field(ge=0, le=1000, description="0: exact total and aggregations only")] = 10,
    timeout_s: Annotated[int, Field(ge=1, le=600)] = 10,
    cursor: str | None = None,
) -> SearchHits:
    """Search, count and aggregate, by text and where or by the query DSL without scripts."""
    await check_bodies(call.backend, query, knn, aggs, {"sort": sort})
    reached = await within(call.backend, index)
    query = combined(text, where, query)
    # An empty list would mean all.
    asked = {"query": query, "knn": knn, "sort": sort, "_source": source or (None if source is None else False)}
    body: Dsl = {name: value for name, value in asked.items() if value is not None}
    body |= {"size": size, "timeout": f"{timeout_s}s"}
    if highlight:
        body["highlight"] = {"fields": {field: {} for field in highlight}}
    page = HitsPage.parse(call.backend.scope.opened(cursor) if cursor else None, cursor, _fingerprint(index, body))
    if page.first:
        if aggs:
            body["aggs"] = aggs
        # Counting all matches costs; it is worth it for who asks for nothing else.
        body["track_total_hits"] = size == 0 or COUNTED
        async with near_fields_of(call.backend, reached):
            answer = await call.backend.read(
                "POST",
                path(reached, "_search"),
                params={"allow_no_indices": "false", "preference": page.fingerprint},
                body=body,
            )
    else:
        answer = await _go_on(call.backend, reached, page, body)
    found = await _found(call, answer, page, size)
    names = fields_of(query) if found["total"] == 0 else set()
    if _is_empty(found.get("aggregations", {})):
        names |= aggregated(aggs)
    if notes := found.get("notes", []) + await missing_fields(call.backend, reached, names):
        found["notes"] = notes
    return found


def _is_empty(aggregations: Mapping[str, Any]) -> bool:
    """Whether one of these found nothing at all."""
    return any(
        isinstance(found, dict)
        and (found.get("buckets") == [] or found.get("value", 0) is None or found.get("count") == 0)
        for found in aggregations.values()
    )


class HitsPage:
    """Where a page begins: behind `offset` hits, and with a point in time behind the sort values `after`."""

    def __init__(
        self, fingerprint: str, offset: int = 0, pit: str | None = None, after: list[Any] | None = None
    ) -> None:
        self.fingerprint, self.offset, self.pit, self.after = fingerprint, offset, pit, after

    @property
    def first(self) -> bool:
        return self.offset == 0

    def cursor(self) -> str:
        parts = [self.fingerprint, self.offset, *([self.pit, self.after] if self.pit else [])]
        return base64.urlsafe_b64encode(to_json(parts).encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, opened: str | None, cursor: str | None, fingerprint: str) -> HitsPage:
        """
        Args:
            opened: the cursor without its seal; None where that is broken
            cursor: as it was given
            fingerprint: of the search that goes on
        """
        if cursor is None:
            return cls(fingerprint)
        try:
            parts = json.loads(base64.urlsafe_b64decode((opened or "") + "=" * (-len(opened or "") % 4)))
            given, offset, pit, after = parts if len(parts) == 4 else [*parts, None, None]
            well = (
                isinstance(offset, int)
                and offset > 0
                and (pit is None or (isinstance(pit, str) and isinstance(after, list)))
            )
        except (ValueError, TypeError):
            well = False
        if not well:
            raise ToolError(f"cursor {cursor[:50]!r} is not one from a result: begin without a cursor")
        if given != fingerprint:
            raise ToolError(
                "the cursor is of another search: repeat all arguments as they were, or begin without a cursor"
            )
        return cls(fingerprint, offset, pit, after)


def _fingerprint(index: str, body: Dsl) -> str:
    """Tells one search from another, whatever the size of its pages and the time they may take."""
    asked = {name: value for name, value in body.items() if name not in ("size", "timeout")}
    return hashlib.blake2b(to_json([index, asked]).encode("utf-8", "replace"), digest_size=6).hexdigest()


async def _go_on(backend: ScopedElasticsearch, index: str, page: HitsPage, body: Dsl) -> Any:
    if page.pit is None:
        # Pages are of 1000 hits at the most, so what is left out here is within Elasticsearch's window.
        async with near_names(backend):
            opened = await backend.read(
                "POST", path(index, "_pit"), params={"keep_alive": KEEP_ALIVE, "preference": page.fingerprint}
            )
        page.pit = opened["id"]
        body["from"] = page.offset
    else:
        body["search_after"] = page.after
    # Elasticsearch orders equals by shard and place; said here, it is a value to go on behind.
    body["sort"] = [*(body.get("sort") or ["_score"]), {"_shard_doc": "asc"}]
    body |= {"pit": {"id": page.pit, "keep_alive": KEEP_ALIVE}, "track_total_hits": COUNTED}
    try:
        return await backend.read("POST", "/_search", body=body)
    except ElasticsearchError as error:
        if error.type in ("search_context_missing_exception", "no_shard_available_action_exception"):
            raise ToolError("the cursor has expired, or its index is gone: begin again without a cursor") from None
        raise


async def _found(call: Call[ScopedElasticsearch], answer: Any, page: HitsPage, most: int) -> SearchHits:
    hits = answer["hits"]["hits"]
    total = answer["hits"].get("total", {"value": len(hits), "relation": "gte"})
    found: SearchHits = {"total": total["value"], "hits": []}
    if total["relation"] == "gte":
        found["at_least"] = True
    if notes := _notes(answer):
        found["notes"] = notes
    room = Room(call.max_bytes, 1024 + len(page.pit or "") * 2)
    if "aggregations" in answer:
        found["aggregations"] = answer["aggregations"]
        if size(answer["aggregations"]) > room.left:
            raise ToolError(
                f"the aggregations have {size(answer['aggregations'])} bytes, more than fit: "
                "ask for fewer buckets (size), a longer interval or fewer sub-aggregations"
            )
        room.take(answer["aggregations"])
    several = len({hit["_index"] for hit in hits}) > 1
    found["hits"] = _fitted([_hit(raw, several) for raw in hits], room)
    last = hits[len(found["hits"]) - 1].get("sort", []) if hits else []
    end = page.offset + len(found["hits"])
    # Without a total (it was not counted any further) a full page may have one behind it.
    more = len(found["hits"]) < len(hits) or (
        len(hits) == most and (end < total["value"] or total["relation"] == "gte")
    )
    if more and found["hits"] and most:
        found["cursor"] = call.backend.scope.seal(
            HitsPage(page.fingerprint, end, answer.get("pit_id", page.pit), last).cursor()
        )
    elif page.pit:
        # It would expire by itself; nobody waits for it to be closed.
        with contextlib.suppress(ToolError, BackendError):
            await call.backend.write("DELETE", "/_pit", body={"id": answer.get("pit_id", page.pit)})
    return found


def _hit(raw: Any, several: bool) -> Hit:
    hit: Hit = {"id": raw["_id"]}
    if "_routing" in raw:
        hit["routing"] = raw["_routing"]
    if several:
        hit["index"] = raw["_index"]
    if raw.get("_score") is not None:
        hit["score"] = raw["_score"]
    if "highlight" in raw:
        hit["highlight"] = raw["highlight"]
    if "_source" in raw:
        hit["source"] = raw["_source"]
    return hit


def _fitted(hits: list[Hit], room: Room) -> list[Hit]:
    """As many hits as there is room for, and one at least; what is long in them is cut."""
    fitted: list[Hit] = []
    for hit in hits:
        if "source" in hit:
            most = room.left if len(hits) == 1 else min(HIT_BYTES, room.left)
            source = hit.pop("source")
            hit["source"], cut = shorten(source, max(most - size(hit) - 64, 256))
            if cut:
                hit["cut"] = cut
        if not room.take(hit) and fitted:
            break
        fitted.append(hit)
    return fitted


def _notes(answer: Any) -> list[str]:
    notes = []
    if answer.get("timed_out"):
        notes.append(
            "the time was up: hits and totals are of what was looked at until then; narrow the query or raise timeout_s"
        )
    shards = answer.get("_shards", {})
    if shards.get("failed"):
        reason = (shards.get("failures") or [{}])[0].get("reason", {})
        notes.append(
            f"{shards['failed']} of {shards['total']} shards failed, and their documents are missing here: "
            f"{str(reason.get('reason') or reason.get('type') or 'no reason')[:300]}"
        )
    return notes
