"""es_get, es_index and es_delete: single documents. The last two are served only where writes are allowed."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.backend import time_left, warn
from servers.common.protocol.tools import Call, Room, ToolError, size, tool
from servers.common.protocol.truncate import shorten
from servers.elasticsearch.client.backend import path
from servers.elasticsearch.client.errors import AnswerTooLong, ElasticsearchError, of_item
from servers.elasticsearch.policy.index_names import (
    IndexName,
    Routing,
    check_documents,
    no_document,
    routed,
    within,
    writable,
    write_target,
)
from servers.elasticsearch.policy.index_scope import ScopedElasticsearch

MOST_DOCUMENTS = 200

FIRST_BATCH = 4
"""Documents that are asked for first: Elasticsearch reads all of a request into its heap, and may be stopped by it."""

BATCH_BYTES = 1024 * 1024
"""Bytes, about, of the documents that are asked for at once when their length is known."""

BATCHES_BYTES = 4 * BATCH_BYTES
"""Bytes after which no more are asked for."""


class Document(TypedDict):
    index: str
    id: NotRequired[str]
    routing: NotRequired[str]
    seq_no: NotRequired[int]
    primary_term: NotRequired[int]
    source: NotRequired[dict[str, Any]]
    cut: Annotated[NotRequired[dict[str, int]], Field(description="values cut in source, with their full lengths")]
    text: NotRequired[str]
    cursor: NotRequired[str]
    documents: Annotated[NotRequired[list[dict[str, Any]]], Field(description="if several ids were asked for")]
    left_out: NotRequired[list[str]]


@tool(title="Get documents")
async def es_get(
    call: Call[ScopedElasticsearch],
    *,
    index: IndexName,
    id: str | list[str],
    routing: Routing = None,
    source: list[str] | None = None,
    field: Annotated[str | None, Field(description="read this text in full")] = None,
    cursor: str | None = None,
) -> Document:
    """Get documents by id, in their current state. Long values are cut; field reads one in full."""
    if cursor is not None and (field is None or not cursor.isdigit()):
        raise ToolError(f"cursor {cursor[:50]!r} is not from a result of this field: start without a cursor")
    if field is not None and (source is not None or isinstance(id, list)):
        raise ToolError("field reads one text of one document: give one id, and leave out source")
    index = await within(call.backend, index)
    if isinstance(id, list):
        if not 0 < len(id) <= MOST_DOCUMENTS:
            raise ToolError(f"give 1 to {MOST_DOCUMENTS} ids")
        return await _several(call, index, id, routing, source)
    params = routed(routing)
    if source is not None:
        params["_source"] = ",".join(source or ["false"])
    try:
        answer = await _one(call, path(index, "_doc", id), params, field)
    except ElasticsearchError as error:
        if error.status != 404 or error.type:
            raise
        raise no_document(id, index, routing) from None
    document: Document = {"index": answer["_index"], "id": answer["_id"]}
    if "_routing" in answer:
        document["routing"] = answer["_routing"]
    if "_seq_no" in answer:
        document["seq_no"], document["primary_term"] = answer["_seq_no"], answer["_primary_term"]
    room = Room(call.max_bytes, 512 + size(document))
    tell_unkept([answer], source)
    if field is None:
        document |= _source(answer, room.left)  # type: ignore[typeddict-item]
        return document
    found = [value for value in values_at(answer.get("_source", {}), field) if isinstance(value, str)]
    if not found:
        raise ToolError(f"{field!r} is not a text in this document: call without field to see what it has")
    text = "\n".join(found)
    document["text"], end = piece(text, int(cursor or 0), room.left)
    if end < len(text):
        document["cursor"] = str(end)
    return document


async def _one(call: Call[ScopedElasticsearch], where: str, params: dict[str, str], field: str | None) -> Any:
    """Return a document. Of one field too the whole is asked for: Elasticsearch takes longer to cut it out than to send all."""
    try:
        return await call.backend.read("GET", where, params=params, answers=("_index", "_id"))
    except AnswerTooLong:
        if field is None:
            raise
        return await call.backend.read("GET", where, params=params | {"_source": field}, answers=("_index", "_id"))


async def _several(
    call: Call[ScopedElasticsearch], index: str, ids: list[str], routing: str | None, source: list[str] | None
) -> Document:
    extra = routed(routing) | ({} if source is None else {"_source": source or False})
    left = list(dict.fromkeys(ids))
    room = Room(call.max_bytes)
    result: Document = {"index": index, "documents": []}
    most = max(call.max_bytes // len(left), 1024)
    batch, read = FIRST_BATCH, 0
    while left and read < BATCHES_BYTES and room.left > 256:
        body = {"docs": [{"_id": i} | extra for i in left[:batch]]}
        try:
            answer = await call.backend.read("POST", path(index, "_mget"), body=body, answers=("docs",))
        except AnswerTooLong as error:
            read += BATCH_BYTES
            if batch == 1:
                await _add(call, index, [{"_id": left.pop(0), "too_long": str(error)}], result, room, most)
            batch = 1
            continue
        tell_unkept([doc for doc in answer["docs"] if doc.get("found")], source)
        read += (length := _length(answer["docs"]))
        left, batch = left[batch:], max(min(batch, len(left)) * BATCH_BYTES // length, 1)
        await _add(call, index, answer["docs"], result, room, most)
    if left:
        result.setdefault("left_out", []).extend(left)
    return result


def _length(docs: list[Any]) -> int:
    """Return the bytes of documents; those that are too deep to be measured count as long."""
    try:
        return size(docs)
    except RecursionError:
        return BATCH_BYTES


async def _add(call: Call[ScopedElasticsearch], index: str, docs: list[Any], result: Document, room: Room, most: int) -> None:
    """Add documents of an answer to a result, each with `most` bytes of its source."""
    for raw in docs:
        row: dict[str, Any] = {"id": raw["_id"]}
        if "error" in raw:
            if raw["error"].get("type") == "index_not_found_exception":
                await write_target(call.backend, index)  # which says what may have been meant
            row["error"] = of_item(raw["error"])
        elif "too_long" in raw:
            row["error"] = raw["too_long"]
        elif not raw.get("found"):
            row["found"] = False
        else:
            if "_routing" in raw:
                row["routing"] = raw["_routing"]
            row |= {"seq_no": raw["_seq_no"], "primary_term": raw["_primary_term"]}
            row |= _source(raw, most)
        if room.take(row):
            result["documents"].append(row)
        else:
            result.setdefault("left_out", []).append(raw["_id"])


def tell_unkept(docs: Iterable[Mapping[str, Any]], source: Any) -> None:
    """Warn of documents that were asked for whole or in part, but that their index does not keep."""
    if source not in ([], False) and any("_source" not in doc for doc in docs):
        warn(
            "an index does not keep its documents (_source is disabled), so only values in columns can be read: es_search with "
            'more {"docvalue_fields":["FIELD"]}'
        )


def _source(raw: Mapping[str, Any], most: int) -> dict[str, Any]:
    """Return what a document holds, and what was cut; nothing if its index does not keep it, or it was not asked for."""
    if "_source" not in raw:
        return {}
    source, cut = shorten(raw["_source"], most)
    return {"source": source, "cut": cut} if cut else {"source": source}


def values_at(value: Any, path: str, *, lists: bool = False) -> Iterator[Any]:
    """The values at a dotted path, in order: through objects, arrays, and names that have dots themselves. With `lists`, what is
    in a list at its end is one value."""
    left = [(value, path)]
    while left:
        value, path = left.pop()
        if isinstance(value, list) and (path or not lists):
            left += [(item, path) for item in reversed(value)]
        elif not path:
            yield value
        elif isinstance(value, dict):
            dotted = f"{path}."
            found = [(inner, path[len(name) + 1 :]) for name, inner in value.items() if dotted.startswith(f"{name}.")]
            left += reversed(found)


def piece(text: str, start: int, most: int) -> tuple[str, int]:
    """Return a piece of a text from an offset, of at most `most` bytes as JSON, and the offset after it."""
    end = min(len(text), start + most)
    # No character has more than twelve bytes: an escaped pair of surrogates.
    while end - start > 1 and 12 * (end - start) + 2 > most and size(text[start:end]) > most:
        end = start + (end - start) // 2
    return text[start:end], end


_WRITTEN = ("_index", "_id", "result", "_seq_no", "_primary_term")


class Indexed(TypedDict):
    index: str
    id: str
    result: Annotated[str, Field(description="created, updated or noop")]
    seq_no: int
    primary_term: int


@tool(title="Index a document", write=True, destructive=True, idempotent=False)
async def es_index(
    call: Call[ScopedElasticsearch],
    *,
    index: IndexName,
    document: dict[str, Any],
    id: str | None = None,
    op: Annotated[
        Literal["index", "create", "update"], Field(description="index: replace; create: only a new id; update: merge")
    ] = "index",
    routing: Routing = None,
    if_seq_no: int | None = None,
    if_primary_term: int | None = None,
    refresh: bool = False,
    create_index: bool = False,
) -> Indexed:
    """Add, replace or update one document."""
    writable(index)
    params = _conditions(if_seq_no, if_primary_term, refresh) | routed(routing)
    if id is None and (op == "update" or if_seq_no is not None):
        raise ToolError("give the id of the document: only a new document can be indexed without one")
    if op == "create" and if_seq_no is not None:
        raise ToolError("op create is for a new document, which has no seq_no: leave out if_seq_no, or use op index")
    await write_target(call.backend, index, create=create_index)
    await check_documents(call.backend, index, [document])
    await check_refresh(call.backend, index, refresh)
    body: dict[str, Any] = document
    if op == "update":
        method, place, body = "POST", path(index, "_update", id or ""), {"doc": document}
    elif id is None:
        method, place = "POST", path(index, "_doc")
    else:
        method, place = "PUT", path(index, "_doc", id)
    if op == "create":
        params["op_type"] = "create"
    try:
        answer = await call.backend.write(method, place, params=params, body=body, answers=_WRITTEN)
    except ElasticsearchError as error:
        raise _conflict(error, index, id, op) from None
    return {
        "index": answer["_index"],
        "id": answer["_id"],
        "result": answer["result"],
        "seq_no": answer["_seq_no"],
        "primary_term": answer["_primary_term"],
    }


class DocumentDeleted(TypedDict):
    index: str
    id: str
    deleted: Annotated[bool, Field(description="false: there was no such document")]


@tool(title="Delete a document", write=True, destructive=True)
async def es_delete(
    call: Call[ScopedElasticsearch],
    *,
    index: IndexName,
    id: str,
    routing: Routing = None,
    if_seq_no: int | None = None,
    if_primary_term: int | None = None,
    refresh: bool = False,
) -> DocumentDeleted:
    """Delete one document by its id."""
    writable(index)
    params = _conditions(if_seq_no, if_primary_term, refresh) | routed(routing)
    # A delete makes an index of a misspelled name, as any write does.
    await write_target(call.backend, index)
    await check_refresh(call.backend, index, refresh)
    try:
        answer = await call.backend.write("DELETE", path(index, "_doc", id), params=params, answers=_WRITTEN)
    except ElasticsearchError as error:
        if error.status == 404 and not error.type:
            return {"index": index, "id": id, "deleted": False}
        raise _conflict(error, index, id, "delete") from None
    return {"index": answer["_index"], "id": answer["_id"], "deleted": answer["result"] == "deleted"}


def waiting() -> dict[str, str]:
    """Return the parameter by which Elasticsearch tells within the call's time that shards are not there."""
    return {"timeout": f"{min(max(time_left() / 2, 1), 60):.0f}s"}


def refreshing(refresh: bool) -> dict[str, str]:
    """Return the parameters of a write that waits for searches, or does not."""
    return waiting() | ({"refresh": "wait_for"} if refresh else {})


_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


async def check_refresh(backend: ScopedElasticsearch, index: str, refresh: bool) -> None:
    """Raise ToolError for a write that would wait for searches until its call ends, or for ever (refresh_interval -1, or -1s)."""
    if not refresh:
        return
    with suppress(ElasticsearchError):  # the write may make the index, and a user may not see its settings
        where = path(index, "_settings", "index.refresh_interval")
        found = await backend.read("GET", where, params={"flat_settings": "true"})
        for name, entry in found.items():
            interval = str(entry["settings"].get("index.refresh_interval", ""))
            length = re.fullmatch(r"(\d+)(ms|s|m|h|d)", interval)
            if interval.startswith("-") or (length and int(length[1]) * _SECONDS[length[2]] > time_left() / 2):
                raise ToolError(
                    f"refresh_interval of {name} is {interval}, so searches would see the change after this call's time: leave "
                    "out refresh; nothing was done"
                )


def _conditions(if_seq_no: int | None, if_primary_term: int | None, refresh: bool) -> dict[str, str]:
    if (if_seq_no is None) != (if_primary_term is None):
        raise ToolError("if_seq_no and if_primary_term go together: es_get gives both")
    params = refreshing(refresh)
    if if_seq_no is not None:
        params |= {"if_seq_no": str(if_seq_no), "if_primary_term": str(if_primary_term)}
    return params


def _conflict(error: ElasticsearchError, index: str, id: str | None, op: str) -> ToolError:
    if error.type == "version_conflict_engine_exception":
        if op == "create":
            return ToolError(f"{index!r} has a document {id!r} already: nothing was written; op index would replace it")
        return ToolError(
            f"document {id!r} has changed since it was read, and nothing was done: read it again with es_get, then decide"
        )
    if error.type == "document_missing_exception":
        return ToolError(f"there is no document {id!r} in {index!r} to update, so nothing was done: op index adds it")
    return error
