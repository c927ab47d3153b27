"""es_query: ES|QL, SQL and EQL, where the cluster has them."""

import re
from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.backend import warn
from servers.common.protocol.tools import Call, Room, ToolError, tool
from servers.common.protocol.truncate import shorten
from servers.elasticsearch.client.backend import path
from servers.elasticsearch.client.errors import ElasticsearchError
from servers.elasticsearch.policy.index_names import IndexPattern, within
from servers.elasticsearch.policy.index_scope import ScopedElasticsearch
from servers.elasticsearch.policy.statement_scope import esql, sources, sql

ESQL_DEFAULT = 1000
"""Rows that ES|QL gives where the query has no LIMIT."""

ESQL_MOST = 10_000
"""Rows that ES|QL gives at the most, by default."""

PARTIAL = "the result is partial: a shard, node or cluster failed or was skipped, and its data is missing here"

LANGUAGES = ("esql", "sql", "eql")

EVENT_BYTES = 4096


def has_language(backend: ScopedElasticsearch) -> bool:
    return any(backend.has(language) for language in LANGUAGES)


class Table(TypedDict):
    columns: NotRequired[list[str]]
    """name: type"""
    rows: list[Any]
    cut: NotRequired[bool]
    notes: Annotated[NotRequired[list[str]], Field(description="why the result is incomplete")]


LONGEST_QUERY = 100_000


@tool(title="Query language", needs=has_language)
async def es_query(
    call: Call[ScopedElasticsearch],
    *,
    language: Literal["esql", "sql", "eql"] = "esql",
    query: str,
    index: Annotated[IndexPattern | None, Field(description="only for EQL")] = None,
    limit: Annotated[int, Field(ge=1, le=10_000)] = 100,
) -> Table:
    """Ask in ES|QL (FROM logs | STATS n = COUNT(*) BY host), SQL, or EQL for sequences of events."""
    if len(query) > LONGEST_QUERY:
        raise ToolError(f"the query has {len(query)} characters, more than {LONGEST_QUERY}")
    if not call.backend.has(language):
        there = [name for name in LANGUAGES if call.backend.has(name)]
        raise ToolError(f"this cluster has no {language}: use {' or '.join([*there, 'es_search'])}")
    if (language == "eql") != (index is not None):
        raise ToolError("give index with EQL only: ES|QL and SQL name it in the query (FROM)")
    if index:
        index = await within(call.backend, index)
    elif call.backend.scope:
        statement = esql(query) if language == "esql" else sql(query)
        query = statement.reading(await within(call.backend, statement.indices) if statement.indices else "")
    else:
        for name in sources(language, query):
            call.backend.scope.refuse_restricted(name)
    try:
        return await (_events(call, query, index, limit) if index else _rows(call, language, query, limit))
    except ElasticsearchError as error:
        error.args = (f"{error}{_place(query, str(error))}",)
        raise


def _place(query: str, said: str) -> str:
    """Show where in a query a parser stopped, from its `line 1:23`: ` (at ...LIMIT ▶x)`."""
    found = re.search(r"\bline (\d+):(\d+)", said)
    lines = query.splitlines()
    if not found or not 0 < int(found[1]) <= len(lines):
        return ""
    line, at = lines[int(found[1]) - 1], max(int(found[2]) - 1, 0)
    if at > len(line):
        return ""
    return f" (at {'...' if at > 40 else ''}{line[max(at - 40, 0) : at]}▶{line[at : at + 25]})"


async def _rows(call: Call[ScopedElasticsearch], language: str, query: str, limit: int) -> Table:
    if language == "esql":
        answer = await call.backend.read("POST", "/_query", params={"format": "json"}, body={"query": query})
        values = answer["values"]
    else:
        # One more than is asked for, so that it is known whether there are more.
        body = {"query": query, "fetch_size": limit + 1, "request_timeout": "20s", "page_timeout": "20s"}
        answer = await call.backend.read("POST", "/_sql", params={"format": "json"}, body=body)
        values, page = answer["rows"], answer
        # A page of groups may be short, or the last one be followed by none.
        while (cursor := page.get("cursor")) and len(values) <= limit:
            page = await call.backend.read("POST", "/_sql", params={"format": "json"}, body={"cursor": cursor})
            values += page["rows"]
        if cursor:
            await call.backend.read("POST", "/_sql/close", body={"cursor": cursor})
    room = Room(call.max_bytes, 1024)
    table: Table = {"columns": [f"{column['name']}: {column['type']}" for column in answer["columns"]], "rows": []}
    table["columns"] = room.fit(table["columns"]) or []
    for row in values:
        short, lost = shorten(row, EVENT_BYTES)
        if len(table["rows"]) == limit or not room.take(short):
            table["cut"] = True
            break
        if lost:
            warn(f"values or last columns of rows longer than {EVENT_BYTES} bytes were cut: ask for fewer columns")
        table["rows"].append(short)
    if language == "esql":
        # The header Warning says so too, where nothing in between takes it away.
        limited = len(values) == ESQL_DEFAULT and not re.search(r"\blimit\b", query, re.I)
        if limited or len(values) == ESQL_MOST:
            table["cut"] = True
        if limited and limit > ESQL_DEFAULT:
            table["notes"] = [f"ES|QL gives {ESQL_DEFAULT} rows to a query without LIMIT: add | LIMIT {limit}"]
        if answer.get("is_partial"):
            table["notes"] = [*table.get("notes", []), PARTIAL]
    return table


async def _events(call: Call[ScopedElasticsearch], query: str, index: str, limit: int) -> Table:
    """Events, or sequences: each a list of its events."""
    answer = await call.backend.read(
        "POST",
        path(index, "_eql", "search"),
        params={"allow_no_indices": "false"},
        # It ends with the call, because Elasticsearch cancels it when the connection closes.
        body={"query": query, "size": limit},
    )
    if answer.get("is_running"):
        if search := answer.get("id"):
            await call.backend.write("DELETE", path("_eql", "search", str(search)))
        raise ToolError("the EQL search took too long and was ended: narrow it by time, or by more conditions")
    hits = answer.get("hits", {})
    found: list[Any]
    if "sequences" in hits:
        found = [[_event(event) for event in sequence["events"]] for sequence in hits["sequences"]]
    else:
        found = [_event(event) for event in hits.get("events", ())]
    kept = Room(call.max_bytes).kept(found)
    table: Table = {"rows": kept}
    if len(kept) < len(found) or hits.get("total", {}).get("value", 0) > len(kept):
        table["cut"] = True
    if notes := _eql_notes(answer):
        table["notes"] = notes
    return table


def _eql_notes(answer: dict[str, Any]) -> list[str]:
    notes = []
    if failed := answer.get("shard_failures"):
        reason = failed[0].get("reason", {})
        said = str(reason.get("reason") or reason.get("type") or "no reason")[:300]
        notes.append(f"{len(failed)} shards failed, and their events are missing here: {said}")
    elif answer.get("is_partial"):
        notes.append(PARTIAL)
    if answer.get("timed_out"):
        notes.append("the search ran out of time, so events may be missing here: narrow the query")
    return notes


def _event(event: dict[str, Any]) -> dict[str, Any]:
    source, cut = shorten(event.get("_source", {}), EVENT_BYTES)
    return {"index": event["_index"], "id": event["_id"], "source": source} | ({"cut": cut} if cut else {})
