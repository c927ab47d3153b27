"""es_search: the query DSL, in pages.

The first page is a plain search. Its cursor opens a point in time: further pages show one state of the index, by
search_after, to any depth. So only clients that page hold anything in Elasticsearch, and it expires by itself. The second
page starts again in that state, and leaves out hits of the first page, which the cursor names, so changes in between do no
harm (https://www.elastic.co/guide/en/elasticsearch/reference/8.11/paginate-search-results.html).

OpenSearch has points in time by requests of its own
(https://docs.opensearch.org/latest/search-plugins/searching-data/point-in-time/). It can't continue after equal sort values,
so its pages are counted from the first, and end with the window of 10,000 hits.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.backend import BackendError
from servers.common.protocol.tools import Call, Room, ToolError, fingerprint, size, to_json, tool
from servers.common.protocol.truncate import shorten
from servers.elasticsearch.client.backend import path
from servers.elasticsearch.client.errors import ElasticsearchError
from servers.elasticsearch.policy.index_names import (
    Dsl,
    IndexPattern,
    check_bodies,
    field_notes,
    known_fields,
    near_fields_of,
    near_names,
    nested_paths,
    within,
)
from servers.elasticsearch.policy.index_scope import ScopedElasticsearch
from servers.elasticsearch.policy.query_bodies import aggregated, combined, fields_of, outside_nested
from servers.elasticsearch.policy.request_costs import entries
from servers.elasticsearch.tools.documents import tell_unkept

KEEP_ALIVE = "5m"
"""How long a point in time waits for the next page."""

COUNTED = 10_000
"""Matches that are counted exactly; beyond, total is a lower bound."""

MOST_HITS = 1000
"""Hits of a page that have more than an id."""

WINDOW = 10_000
"""Hits that a search reaches by counting from the first, by default (index.max_result_window)."""

HIT_BYTES = 8192
"""A hit is given up to this length, or whole where it is the only one asked for."""

HIGHLIGHTED = 1_000_000
"""Characters of a field that are looked at for highlights; for a longer one Elasticsearch would refuse the whole search."""


class Hit(TypedDict):
    id: str
    index: Annotated[NotRequired[str], Field(description="present if it is not the one that was asked for")]
    routing: NotRequired[str]
    score: NotRequired[float]
    matched_queries: Annotated[NotRequired[list[str]], Field(description="the named ones (_name)")]
    source: NotRequired[dict[str, Any]]
    cut: Annotated[NotRequired[dict[str, int]], Field(description="values cut, with their full lengths; es_get reads them")]
    highlight: NotRequired[dict[str, list[str]]]
    fields: NotRequired[dict[str, list[Any]]]
    inner_hits: Annotated[NotRequired[dict[str, Any]], Field(description="of collapse and nested queries")]


class SearchHits(TypedDict):
    total: int
    at_least: Annotated[NotRequired[bool], Field(description="total is a lower bound")]
    hits: NotRequired[list[Hit]]
    ids: NotRequired[list[str]]
    aggregations: NotRequired[dict[str, Any]]
    suggest: NotRequired[dict[str, Any]]
    also: Annotated[NotRequired[list[Mapping[str, Any]]], Field(description="results of the further searches")]
    notes: Annotated[NotRequired[list[str]], Field(description="why the result is not complete")]
    cursor: NotRequired[str]


@tool(title="Search")
async def es_search(
    call: Call[ScopedElasticsearch],
    *,
    index: IndexPattern,
    text: Annotated[str | None, Field(description='all these words, in any field; "a phrase", a | b, -not')] = None,
    where: Annotated[
        Dsl | None,
        Field(
            description='{"status":"open","tag":["a","b"],"date":{"gte":"now-1d"},"gone":null}; list: any of them; null: no value'
        ),
    ] = None,
    query: Dsl | None = None,
    knn: Dsl | None = None,
    aggs: Dsl | None = None,
    sort: Annotated[list[dict[str, Any] | str] | None, Field(description='e.g. [{"date":"desc"}]; default: score')] = None,
    source: Annotated[
        list[str] | None, Field(description='fields to return, * allowed; []: none; ["_id"]: bare ids, up to 10000')
    ] = None,
    highlight: list[str] | None = None,
    size: Annotated[int, Field(ge=0, le=10_000, description="0: exact total and aggregations only")] = 10,
    timeout_s: Annotated[int, Field(ge=1)] = 10,
    more: Annotated[
        Dsl | None,
        Field(description="parts of the body: collapse, suggest, runtime_mappings, retriever, rescore, min_score, fields"),
    ] = None,
    also: Annotated[list[Dsl], Field(description='further searches, e.g. {"index":"b","size":0}')] = [],  # noqa: B006
    cursor: str | None = None,
) -> SearchHits:
    """Search, count and aggregate, by text and where or by the query DSL without scripts."""
    if also:
        if cursor is not None:
            raise ToolError("also is for first pages: continue one search at a time")
        call, further = replace(call, max_bytes=call.max_bytes // (len(also) + 1)), _checked(also)
    ids = source == ["_id"]
    more = _parts(more, text, where, query, knn, sort)
    # Who wants ids wants all of them: pages are of one state from the first on.
    steady = ids and size > 0 and more.keys().isdisjoint(_ONE_PAGE)
    if size > MOST_HITS and not steady:
        raise ToolError(f'size may be at most {MOST_HITS}: continue with the cursor (for bare ids, source ["_id"], up to 10000)')
    await check_bodies(call.backend, query, knn, {"aggs": aggs, "sort": sort}, more)
    reached = await within(call.backend, index)
    given = query
    # Only these may be in nested objects, or be some: others cost no request.
    nestable = [field for field, value in (where or {}).items() if "." in field or value is None]
    query = combined(text, where, query, await nested_paths(call.backend, reached, nestable))
    # An empty list would mean all.
    wanted = False if ids else source or (None if source is None else False)
    asked = {"query": query, "knn": knn, "sort": _exact(sort or []) or None, "_source": wanted}
    body: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    body |= {"size": size, "timeout": f"{timeout_s}s"} | more
    if "suggest" in more:
        body.setdefault("query", {"match_all": {}})  # without, Elasticsearch does not search at all
    if highlight:
        longest = "max_analyzer_offset" if call.backend.opensearch else "max_analyzed_offset"
        body["highlight"] = {"fields": {field: {} for field in highlight}, longest: HIGHLIGHTED}
    page = HitsPage.parse(call.backend.scope.opened(cursor) if cursor else None, cursor, _fingerprint(index, body))
    if page.first and aggs:
        body["aggs"] = aggs
    in_one_state = steady or not page.first
    if steady:
        body.setdefault("sort", [])  # any order will do
    # Bare ids are short as long as they are of one index.
    named = None if ids else index
    async with near_fields_of(call.backend, reached):
        if in_one_state:
            found = _found(call, named, await _go_on(call.backend, reached, page, body), page, size, body)
        else:
            # Counting all matches costs; it is worth it for who asks for nothing else.
            body["track_total_hits"] = size == 0 or COUNTED
            params = {"allow_no_indices": "false", "preference": page.fingerprint}
            answer = _within_window(call.backend, path(reached, "_search"), params, body)
            found = _found(call, named, await answer, page, size, body)
    if in_one_state and "cursor" not in found:
        await _close(call.backend, page)
    notes = found.get("notes", [])
    if page.first:
        notes = notes + await _field_notes(call, reached, found, text, query, given, aggs, more)
    if not more.keys().isdisjoint(_ONE_PAGE) and found.pop("cursor", ""):
        notes = [
            *notes,
            f"there may be more hits: {', '.join(more.keys() & _ONE_PAGE)} has only one page, so raise size",
        ]
    if notes:
        found["notes"] = [call.told(note) for note in notes]
    if ids:
        for hit in found["hits"]:
            hit.pop("score", None)
        if all(hit.keys() == {"id"} for hit in found["hits"]):
            found["ids"] = [hit["id"] for hit in found.pop("hits")]
    if also:
        # One after the other, so that one answer at a time is in memory.
        found["also"] = [await _answered(call, arguments) for arguments in further]
    return found


MOST_SEARCHES = 10


def _checked(also: list[Dsl]) -> list[dict[str, Any]]:
    """The arguments of further searches, or a ToolError that names the wrong one."""
    if len(also) > MOST_SEARCHES:
        raise ToolError(f"also takes at most {MOST_SEARCHES} searches")
    checked = []
    for at, arguments in enumerate(also):
        try:
            values, strange = es_search.check(arguments)
        except ToolError as error:
            raise ToolError(f"also[{at}]: {error}") from None
        if strange or values["also"] or values["cursor"] is not None:
            wrong = strange[0] if strange else "also" if values["also"] else "cursor"
            raise ToolError(f"also[{at}]: argument {wrong[:100]!r} is not allowed here")
        checked.append(values)
    return checked


async def _answered(call: Call[ScopedElasticsearch], arguments: dict[str, Any]) -> Mapping[str, Any]:
    """The result of a search, or its error: others may succeed."""
    try:
        async with near_names(call.backend):
            return await es_search.function(call, **arguments)
    except ToolError as error:
        return {"error": call.told(str(error))}


_PARTS = frozenset(
    {
        "collapse", "docvalue_fields", "fields", "indices_boost", "min_score", "post_filter", "rank", "rescore", "retriever",
        "runtime_mappings", "suggest", "terminate_after", "track_scores",
    }
)  # fmt: skip
"""Parts of a search's body that have no argument."""

_ONE_PAGE = frozenset({"collapse", "rank", "rescore", "retriever", "terminate_after"})
"""Those that a point in time does not go on with."""


def _parts(more: Dsl | None, text: Any, where: Any, query: Any, knn: Any, sort: Any) -> Dsl:
    """Further parts of a body. Raise ToolError for one that is not known, or does not go with the other arguments."""
    more = more or {}
    if unknown := sorted(more.keys() - _PARTS):
        raise ToolError(f"more: {unknown[0][:100]!r} is not allowed here; it takes {', '.join(sorted(_PARTS))}")
    if "retriever" in more and any(value for value in (text, where, query, knn, sort)):
        raise ToolError("a retriever takes the place of text, where, query, knn and sort: put them into it")
    return more


def _exact(sort: list[dict[str, Any] | str]) -> list[dict[str, Any] | str]:
    """Return a sort without formats, which would round the values that the next page goes on behind. No result shows these."""
    return [
        part
        if isinstance(part, str)
        else {
            field: {name: said for name, said in how.items() if name != "format"}
            if isinstance(how, dict) and not field.startswith("_geo")  # whose keys are fields
            else how
            for field, how in part.items()
        }
        for part in sort
    ]


async def _field_notes(
    call: Call[ScopedElasticsearch],
    index: str,
    found: SearchHits,
    text: str | None,
    query: Dsl | None,
    given: Dsl | None,
    aggs: Dsl | None,
    more: Dsl,
) -> list[str]:
    """Sentences on fields that are not there, and on nested ones that are asked as others are. `query` is as it was sent, and
    `given` is its part that the caller wrote; `more` has fields that are only in this search."""
    outside = fields_of(outside_nested(given)) | aggregated(outside_nested(aggs))
    names = (
        aggregated(aggs)
        | fields_of([inner for key, inner, *_ in entries(aggs) if key in ("filter", "filters")])
        | {name for name in outside if "." in name}
    )
    if found["total"] == 0 or "must_not" in to_json(query):
        names |= fields_of(query)
    names -= set(more.get("runtime_mappings") or ())
    notes = await field_notes(call.backend, index, names, outside & names)
    if text is not None and found["total"] == 0:
        with contextlib.suppress(ToolError, BackendError):
            known = await known_fields(call.backend, index, "*")
            if paths := sorted(name for name, types in known.items() if "nested" in types)[:5]:
                notes.append(
                    f"text does not search nested objects ({', '.join(paths)}): search their fields with where or a nested query"
                )
    return notes


@dataclass
class HitsPage:
    """Where a page begins: behind `offset` hits, and with a point in time behind the sort values `after`. `shown` are marks of
    the first page's hits, which the point in time may have elsewhere."""

    fingerprint: str
    offset: int = 0
    pit: str | None = None
    after: list[Any] | None = None
    shown: str = ""

    @property
    def first(self) -> bool:
        return self.offset == 0

    def cursor(self) -> str:
        parts = [self.fingerprint, self.offset, self.pit, self.after, self.shown]
        return base64.urlsafe_b64encode(to_json(parts).encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, opened: str | None, cursor: str | None, fingerprint: str) -> HitsPage:
        """Read a cursor of the search with this fingerprint; `opened` is the cursor without its seal, None
        where that is broken."""
        if cursor is None:
            return cls(fingerprint)
        try:
            parts = json.loads(base64.urlsafe_b64decode((opened or "") + "=" * (-len(opened or "") % 4)))
            given, offset, pit, after, shown = parts
            well = (
                isinstance(offset, int)
                and offset > 0
                and isinstance(shown, str)
                and (pit is None or (isinstance(pit, str) and isinstance(after, list)))
            )
        except (ValueError, TypeError):
            well = False
        if not well:
            raise ToolError(f"cursor {cursor[:50]!r} is not from a result: start without a cursor")
        if given != fingerprint:
            raise ToolError("the cursor belongs to another search: repeat all arguments unchanged, or start without a cursor")
        return cls(fingerprint, offset, pit, after, shown)

    @property
    def marks(self) -> list[str]:
        return [self.shown[at : at + MARK] for at in range(0, len(self.shown), MARK)]


MARK = 7


def mark(hit: Any) -> str:
    """Return 42 bits that stand for a document."""
    name = to_json([hit["_index"], hit["_id"], hit.get("_routing")]).encode("utf-8", "replace")
    return base64.urlsafe_b64encode(hashlib.blake2b(name, digest_size=6).digest()).decode()[:MARK]


def _fingerprint(index: str, body: Dsl) -> str:
    """Tell one search from another, whatever the size of its pages and the time they may take."""
    asked = {name: value for name, value in body.items() if name not in ("size", "timeout")}
    return fingerprint([index, asked], 6)


async def _go_on(backend: ScopedElasticsearch, index: str, page: HitsPage, body: Dsl) -> Any:
    first = page.pit is None
    if page.pit is None:
        point = path(index, "_search", "point_in_time") if backend.opensearch else path(index, "_pit")
        opened = await backend.read("POST", point, params={"keep_alive": KEEP_ALIVE, "preference": page.fingerprint})
        page.pit = opened["pit_id" if backend.opensearch else "id"]
    # Those that the first page has shown are left out. Pages are of 1000 hits at the most, which is within the window.
    body["size"] += len(page.marks)
    if backend.opensearch:
        body["from"] = 0 if first else page.offset
        body["size"] = min(body["size"], WINDOW - body["from"])
    else:
        if not first:
            body["search_after"] = page.after
        # Elasticsearch orders equals by shard and place; said here, it is a value to go on behind.
        body["sort"] = [*body.get("sort", ["_score"]), {"_shard_doc": "asc"}]
    body |= {"pit": {"id": page.pit, "keep_alive": KEEP_ALIVE}, "track_total_hits": COUNTED}
    try:
        answer = await _within_window(backend, "/_search", {}, body)
        while _passed_over(answer, page, body):
            del answer  # one at a time is in memory
            answer = await backend.read("POST", "/_search", body=body)
        return answer
    except ElasticsearchError as error:
        if first:
            await _close(backend, page)  # nobody gets a cursor of it
        if error.type in ("search_context_missing_exception", "no_shard_available_action_exception"):
            raise ToolError("the cursor has expired, or its index is gone: start again without a cursor") from None
        raise


async def _within_window(backend: ScopedElasticsearch, path: str, params: dict[str, str], body: Dsl) -> Any:
    """Search for a page, and for a shorter one if an index has a smaller window (max_result_window)."""
    # What has one page, and pages of OpenSearch, do not go on behind a hit.
    whole = backend.opensearch or not body.keys().isdisjoint(_ONE_PAGE)
    while True:
        answer: Any = None
        try:
            answer = await backend.read("POST", path, params=params, body=body)
            said = to_json(answer.get("_shards"))
        except ElasticsearchError as error:
            failed, said = error, str(error)
        window = re.search(r"from \+ size must be less than or equal to: \[(\d+)\]", said)
        if window and not whole and 0 < int(window[1]) < body["size"]:
            body["size"] = int(window[1])
        elif answer is None:
            raise failed
        else:
            return answer


def _passed_over(answer: Any, page: HitsPage, body: Dsl) -> bool:
    """Return whether the first page has shown all hits of an answer, and more may follow: then let the page begin behind them."""
    hits, known = answer["hits"]["hits"], page.marks
    met = set(map(mark, hits))
    if not hits or len(hits) < body["size"] or not met <= set(known):
        return False
    page.offset = len(hits) + (0 if page.after is None else page.offset)
    page.after = body["search_after"] = hits[-1]["sort"]
    page.pit = body["pit"]["id"] = answer.get("pit_id", page.pit)
    page.shown = "".join(shown for shown in known if shown not in met)
    return True


async def _close(backend: ScopedElasticsearch, page: HitsPage) -> None:
    """Close the point in time of a page. One that stays open expires by itself."""
    with contextlib.suppress(ToolError, BackendError):
        if backend.opensearch:
            await backend.write("DELETE", "/_search/point_in_time", body={"pit_id": [page.pit]})
        else:
            await backend.write("DELETE", "/_pit", body={"id": page.pit})


_BESIDE_HITS = {
    "aggregations": ("aggregations", "fewer buckets (size), a longer interval or fewer sub-aggregations"),
    "suggest": ("suggestions", "fewer (size)"),
}
"""Parts of an answer that come whole or not at all: what they are called, and what to ask for in place of too much."""


def _found(call: Call[ScopedElasticsearch], index: str | None, answer: Any, page: HitsPage, most: int, body: Dsl) -> SearchHits:
    """Return what an answer holds, as far as it fits. Hits do not name their index if all are of `index`; if no `index` is given,
    if all are of one. Nothing is waited for, so that one answer at a time is in memory."""
    hits, marks = answer["hits"]["hits"], page.marks
    tell_unkept(hits, body.get("_source"))
    known = frozenset(marks)
    unseen = [at for at, hit in enumerate(hits) if not known or mark(hit) not in known]
    total = answer["hits"].get("total", {"value": len(hits), "relation": "gte"})
    found: SearchHits = {"total": total["value"], "hits": []}
    if total["relation"] == "gte" or answer.get("terminated_early"):
        found["at_least"] = True
    if notes := partial_notes(answer):
        found["notes"] = notes
    reserve = 1024 + len(page.pit or "") * 2 + len(page.shown) * 2
    room = Room(call.max_bytes, reserve, rest="es_get with field reads one in full")
    for part, (name, fewer) in _BESIDE_HITS.items():
        if part in answer:
            if (length := size(answer[part])) > room.left:
                raise ToolError(f"the {name} have {length} bytes, more than fit: ask for {fewer}")
            found[part] = answer[part]  # type: ignore[literal-required]
            room.take(answer[part])
    names = {hit["_index"] for hit in hits}
    several = len(names) > 1 or (index is not None and names != {index})
    # The first page's cursor names its hits, in base64.
    found["hits"] = _fitted([_hit(hits[at], several) for at in unseen[:most]], room, 0 if page.pit else MARK * 4 // 3 + 1)
    shown = len(found["hits"])
    passed = hits if shown == len(unseen) else hits[: unseen[shown - 1] + 1]
    page.pit = answer.get("pit_id", page.pit)
    end = (0 if page.after is None else page.offset) + len(passed)
    # Without a total (it was not counted any further) a full page may have one behind it.
    more = len(passed) < len(hits) or (len(hits) == body["size"] and (end < total["value"] or total["relation"] == "gte"))
    if call.backend.opensearch and end >= WINDOW and (end < total["value"] or total["relation"] == "gte"):
        last = f"there is more, but pages of OpenSearch end at {WINDOW} hits: narrow the query, for example by a range"
        found["notes"] = [*found.get("notes", []), last]
    elif more and shown:
        met = set(map(mark, passed))
        left = set(marks) - met if page.pit else met
        after = passed[-1].get("sort", [])
        following = HitsPage(page.fingerprint, end, page.pit, after if page.pit else None, "".join(sorted(left)))
        found["cursor"] = call.backend.scope.seal(following.cursor())
    return found


def _hit(raw: Any, several: bool) -> Hit:
    hit: Hit = {"id": raw["_id"]}
    if "_routing" in raw:
        hit["routing"] = raw["_routing"]
    if several:
        hit["index"] = raw["_index"]
    if raw.get("_score"):  # one that only filters have found has 0
        hit["score"] = raw["_score"]
    for key in ("matched_queries", "highlight", "_source", "fields"):
        if key in raw:
            hit[key.lstrip("_")] = raw[key]  # type: ignore[literal-required]
    if "inner_hits" in raw:
        hit["inner_hits"] = {name: _inner(inner["hits"], raw["_index"]) for name, inner in raw["inner_hits"].items()}
    return hit


def _inner(hits: Any, index: str) -> dict[str, Any]:
    """Return inner hits; those of a collapse may be of other indices than the hit that has them."""
    total = hits["total"]
    bound = {"at_least": True} if total["relation"] == "gte" else {}
    return {"total": total["value"], **bound, "hits": [_hit(hit, hit["_index"] != index) for hit in hits["hits"]]}


def _fitted(hits: list[Hit], room: Room, beside: int) -> list[Hit]:
    """Return as many hits as fit, at least one, with long values cut. Each needs `beside` bytes elsewhere, too."""
    fitted: list[Hit] = []
    for hit in hits:
        if "source" in hit:
            most = room.left if len(hits) == 1 else min(HIT_BYTES, room.left)
            source = hit.pop("source")
            cut: dict[str, int] = {}
            for part in ("inner_hits", "fields"):
                if part in hit:
                    hit[part], lost = shorten(hit[part], max(most // 2, 256))
                    cut |= {f"{part}.{path}": length for path, length in lost.items()}
            hit["source"], lost = shorten(source, max(most - size(hit) - 64, 256))
            cut |= lost
            if cut:
                hit["cut"] = cut
        shown = room.fit(hit)
        if shown is None and fitted:
            break
        fitted.append(shown or hit)
        room.left -= beside
    return fitted


def partial_notes(answer: Any) -> list[str]:
    """Sentences on what an answer to a search lacks: its time was up, or shards failed, or clusters did not answer."""
    notes = []
    if answer.get("timed_out"):
        notes.append(
            "the search ran out of time: hits and totals cover only what was searched until then; "
            "narrow the query or raise timeout_s"
        )
    if answer.get("terminated_early"):
        notes.append("terminate_after ended the search: hits, total and aggregations may cover only what was found until then")
    shards = answer.get("_shards", {})
    if shards.get("failed"):
        reason = (shards.get("failures") or [{}])[0].get("reason", {})
        notes.append(
            f"{shards['failed']} of {shards['total']} shards failed, and their documents are missing here: "
            f"{str(reason.get('reason') or reason.get('type') or 'no reason')[:300]}"
        )
    clusters = answer.get("_clusters", {})
    if clusters.get("skipped"):  # those with skip_unavailable, of which OpenSearch tells no names
        away = [name for name, told in clusters.get("details", {}).items() if told["status"] == "skipped"]
        notes.append(
            f"{clusters['skipped']} of {clusters['total']} clusters did not answer, and their documents are missing here"
            f"{': ' if away else ''}{', '.join(away)[:300]}"
        )
    return notes
