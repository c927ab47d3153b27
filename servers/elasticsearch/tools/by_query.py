"""es_by_query: change or delete what a query finds, after a dry run.

Elasticsearch's own _delete_by_query and _update_by_query are not used: the first can't promise to touch what was shown and
nothing else, the second needs a script. Here each document is changed only as long as it is as the dry run saw it, by its
sequence number (https://www.elastic.co/guide/en/elasticsearch/reference/8.11/optimistic-concurrency-control.html).
"""

from collections.abc import Mapping
from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.protocol.tools import Call, Room, ToolError, fingerprint, tool
from servers.common.protocol.truncate import shorten
from servers.elasticsearch.client.backend import path
from servers.elasticsearch.client.errors import of_item
from servers.elasticsearch.policy.index_names import (
    IndexName,
    check_bodies,
    check_documents,
    field_notes,
    near_fields_of,
    write_target,
)
from servers.elasticsearch.policy.index_scope import ScopedElasticsearch
from servers.elasticsearch.policy.query_bodies import fields_of, outside_nested
from servers.elasticsearch.tools.bulk import Stopped, sent
from servers.elasticsearch.tools.documents import check_refresh
from servers.elasticsearch.tools.reindex import copied
from servers.elasticsearch.tools.search import partial_notes

CHUNK = 500
"""Documents of one bulk request."""

SAMPLE = 5

MOST_FAILED = 20
"""Documents of which it is told why they failed."""


class ByQuery(TypedDict):
    matched: NotRequired[int]
    sample: NotRequired[list[dict[str, Any]]]
    notes: NotRequired[list[str]]
    confirm: Annotated[NotRequired[str], Field(description="call again with it to make the change")]
    done: NotRequired[int]
    conflicts: Annotated[NotRequired[int], Field(description="documents that changed meanwhile; they were left alone")]
    failures: NotRequired[int]
    failed: NotRequired[list[dict[str, Any]]]
    task: Annotated[NotRequired[dict[str, Any]], Field(description="of copy_to")]
    stopped: Annotated[NotRequired[str], Field(description="why the rest was not done")]


@tool(
    title="Update or delete by query",
    write=True,
    destructive=True,
    idempotent=False,
    dry_run=lambda arguments: arguments["confirm"] is None and arguments["copy_to"] is None,
)
async def es_by_query(
    call: Call[ScopedElasticsearch],
    *,
    index: IndexName,
    query: dict[str, Any],
    set: Annotated[dict[str, Any] | None, Field(description="fields to change; absent: delete")] = None,
    most: Annotated[int, Field(ge=1, le=10_000, description="refuse if more match")] = 1000,
    confirm: str | None = None,
    copy_to: Annotated[
        dict[str, Any] | None, Field(description='copy instead, at once: {"index","drop":["a"],"rename":{"old":"new"}}')
    ] = None,
    refresh: bool = False,
) -> ByQuery:
    """Delete or change what a query finds, in two calls: the first only shows it. Or copy it, as a task (reindex)."""
    if copy_to is not None:
        if set is not None or confirm is not None:
            raise ToolError("copy_to can't be combined with set or confirm; nothing was done")
        return {"task": await copied(call, index, query, copy_to)}
    await write_target(call.backend, index)
    await check_bodies(call.backend, query)
    if query in ({}, {"match_all": {}}) and set is None:
        raise ToolError("the query matches every document, so nothing was done: give one that selects some")
    if set is not None:
        await check_documents(call.backend, index, [set])
    hits = await _matching(call, index, query, most)
    token = fingerprint([index, set, [[_identity(h), h["_seq_no"], h["_primary_term"]] for h in hits]])
    if confirm is None:
        shown = await _shown(call, hits, token)
        if notes := await field_notes(call.backend, index, fields_of(query), fields_of(outside_nested(query))):
            shown["notes"] = [call.told(note) for note in notes]
        return shown
    if confirm != token:
        raise ToolError(
            f"nothing was done: the documents have changed since the first call, and {len(hits)} match now; call without "
            "confirm to see them"
        )
    await check_refresh(call.backend, index, refresh)
    result: ByQuery = {"done": 0, "conflicts": 0, "failures": 0}
    told, room = 0, Room(call.max_bytes, 2000)
    try:
        async for items in sent(call, path("_bulk"), [_action(hit, set) for hit in hits], CHUNK, refresh):
            for item in items:
                _count(result, item, room)
            told += len(items)
    except Stopped as stopped:
        if not told:
            raise
        result["stopped"] = f"{stopped}; {told} of {len(hits)} documents were sent before: to continue, call without confirm"
    if not result["conflicts"]:
        del result["conflicts"]
    if not result["failures"]:
        del result["failures"]
    return result


def _identity(hit: dict[str, Any]) -> dict[str, Any]:
    """Return what tells a document from all others: ids are unique only among those of the same routing."""
    identity = {"_index": hit["_index"], "_id": hit["_id"]}
    return identity | ({"routing": hit["_routing"]} if "_routing" in hit else {})


def _action(hit: dict[str, Any], set: dict[str, Any] | None) -> list[dict[str, Any]]:
    action = _identity(hit) | {"if_seq_no": hit["_seq_no"], "if_primary_term": hit["_primary_term"]}
    return [{"delete": action}] if set is None else [{"update": action}, {"doc": set}]


def _count(result: ByQuery, item: Mapping[str, Any], room: Room) -> None:
    (said,) = item.values()
    if not said.get("error"):
        result["done"] += said["result"] != "not_found"
        result["conflicts"] += said["result"] == "not_found"
    elif said.get("status") in (404, 409):
        result["conflicts"] += 1
    else:
        result["failures"] += 1
        row = {"index": said.get("_index"), "id": said.get("_id"), "error": of_item(said["error"])}
        if len(result.setdefault("failed", [])) < MOST_FAILED and room.take(row):
            result["failed"].append(row)


async def _matching(call: Call[ScopedElasticsearch], index: str, query: dict[str, Any], most: int) -> list[dict[str, Any]]:
    """Return the documents that match, without their sources, in an order that stays. Raise ToolError if there are too many, or
    not all could be read."""
    body = {
        "query": query, "size": most, "_source": False, "seq_no_primary_term": True, "track_total_hits": most + 1,
        "sort": ["_doc"], "timeout": "20s",
    }  # fmt: skip
    async with near_fields_of(call.backend, index):
        answer = await call.backend.read(
            "POST", path(index, "_search"), params={"allow_no_indices": "false"}, body=body, answers=("hits", "_shards")
        )
    if why := partial_notes(answer):
        raise ToolError(f"not all documents could be read, so nothing was done: {why[0].removesuffix(' or raise timeout_s')}")
    if answer["hits"]["total"]["value"] > most:
        raise ToolError(f"more than {most} documents match: nothing was done; narrow the query, or raise most")
    return sorted(answer["hits"]["hits"], key=lambda hit: (hit["_index"], hit["_id"], hit.get("_routing", "")))


async def _shown(call: Call[ScopedElasticsearch], hits: list[dict[str, Any]], token: str) -> ByQuery:
    if not hits:
        return {"matched": 0}
    result: ByQuery = {"matched": len(hits), "sample": [], "confirm": token}
    docs = [_identity(hit) for hit in hits[:SAMPLE]]
    answer = await call.backend.read("POST", "/_mget", body={"docs": docs}, answers=("docs",))
    room = Room(call.max_bytes)
    for raw in answer["docs"]:
        row = {"index": raw["_index"], "id": raw["_id"]}
        if "_source" in raw:
            row["source"], cut = shorten(raw["_source"], call.max_bytes // (2 * SAMPLE))
            row |= {"cut": cut} if cut else {}
        if "_routing" in raw:
            row["routing"] = raw["_routing"]
        if room.take(row):
            result["sample"].append(row)
    return result
