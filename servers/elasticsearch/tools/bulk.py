"""es_bulk: many documents in one request."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.backend import BackendError
from servers.common.protocol.tools import Call, Room, ToolError, tool
from servers.elasticsearch.client.backend import path
from servers.elasticsearch.client.errors import of_item
from servers.elasticsearch.policy.index_names import IndexName, writable, write_target
from servers.elasticsearch.policy.index_scope import ScopedElasticsearch
from servers.elasticsearch.tools.documents import CreateIndex, Refresh, refreshing

MOST = 10_000

CHUNK = 1000
"""Operations of one request; between two a client is told how far it is, and can give up."""

OPERATIONS = ("index", "create", "update", "delete")

_KEYS = frozenset({"op", "id", "document", "if_seq_no", "if_primary_term"})


class Failed(TypedDict):
    position: int
    id: NotRequired[str]
    error: str


class Bulk(TypedDict):
    done: dict[str, int]
    """created, updated, deleted, noop and not_found to how many."""

    failed: NotRequired[list[Failed]]
    failures: Annotated[NotRequired[int], Field(description="all, where failed is cut")]
    ids: Annotated[NotRequired[list[str]], Field(description="made for those without")]


@tool(title="Bulk", write=True, destructive=True, idempotent=False)
async def es_bulk(
    call: Call[ScopedElasticsearch],
    *,
    index: IndexName,
    operations: Annotated[
        list[dict[str, Any]] | str,
        Field(
            description='[{"op":"index|create|update|delete","id","document","if_seq_no","if_primary_term"}], or NDJSON'
        ),
    ],
    refresh: Refresh = False,
    create_index: CreateIndex = False,
) -> Bulk:
    """Write many documents of one index. Each succeeds or fails alone: look at failed."""
    writable(index)
    rows = parsed(operations, index) if isinstance(operations, str) else operations
    if not 0 < len(rows) <= MOST:
        raise ToolError(f"give 1 to {MOST} operations: nothing was done")
    actions = [_lines(position, row) for position, row in enumerate(rows)]
    await write_target(call.backend, index, create=create_index)
    items: list[Mapping[str, Any]] = []
    for start in range(0, len(actions), CHUNK):
        lines = [line for action in actions[start : start + CHUNK] for line in action]
        try:
            answer = await call.backend.write("POST", path(index, "_bulk"), params=refreshing(refresh), body=lines)
        except (ToolError, BackendError) as error:
            if not start:
                raise
            raise ToolError(f"{error}; operations before {start} were carried out: go on from there") from error
        items += answer["items"]
        await call.progress(len(items), len(actions), f"{len(items)} operations sent")
    return _told(items, rows, Room(call.max_bytes))


def _lines(position: int, row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """An operation in the form of _bulk.

    Raises:
        ToolError: it is none; the message says where.
    """
    op = row.get("op", "index")
    where = f"operation {position}: "
    if unknown := sorted(row.keys() - _KEYS):
        raise ToolError(f"{where}{unknown[0][:50]!r} is none of {', '.join(sorted(_KEYS))}; nothing was done")
    if op not in OPERATIONS:
        raise ToolError(f"{where}op has to be one of {', '.join(OPERATIONS)}; nothing was done")
    identifier, document = row.get("id"), row.get("document")
    if identifier is not None and (not isinstance(identifier, str) or not 0 < len(identifier.encode()) <= 512):
        raise ToolError(f"{where}id has to be text of 1 to 512 bytes; nothing was done")
    if identifier is None and op in ("update", "delete"):
        raise ToolError(f"{where}{op} needs an id; nothing was done")
    if (document is None) != (op == "delete") or (document is not None and not isinstance(document, dict)):
        raise ToolError(f"{where}{op} {'takes no' if op == 'delete' else 'needs a'} document; nothing was done")
    if ("if_seq_no" in row) != ("if_primary_term" in row):
        raise ToolError(f"{where}if_seq_no and if_primary_term go together; nothing was done")
    action = {} if identifier is None else {"_id": identifier}
    action |= {name: row[name] for name in ("if_seq_no", "if_primary_term") if name in row}
    lines: list[Mapping[str, Any]] = [{op: action}]
    if op != "delete":
        lines.append({"doc": document} if op == "update" else document or {})
    return lines


def parsed(text: str, index: str) -> list[dict[str, Any]]:
    """Operations from NDJSON as the bulk API takes it.

    Raises:
        ToolError: a line is not as it has to be, or names another index.
    """
    rows: list[dict[str, Any]] = []
    # Not splitlines(): JSON may hold other characters that end a line for it.
    lines = iter([(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()])
    for number, line in lines:
        action = _object(number, line)
        if len(action) != 1 or (op := next(iter(action))) not in OPERATIONS or not isinstance(action[op], dict):
            raise ToolError(f'line {number} is no action, such as {{"index":{{"_id":"1"}}}}; nothing was done')
        meta = dict(action[op])
        if meta.pop("_index", index) != index:
            raise ToolError(f"line {number} is about another index than {index!r}; nothing was done")
        row: dict[str, Any] = {"op": op}
        if "_id" in meta:
            row["id"] = meta.pop("_id")
        row |= {name: meta.pop(name) for name in ("if_seq_no", "if_primary_term") if name in meta}
        if meta:
            raise ToolError(f"line {number}: {sorted(meta)[0][:50]!r} is not supported; nothing was done")
        if op != "delete":
            behind, source = next(lines, (0, ""))
            if not source:
                raise ToolError(f"line {number} has no document behind it; nothing was done")
            document = _object(behind, source)
            if op == "update" and set(document) != {"doc"}:
                raise ToolError(f'line {behind}: an update is {{"doc":{{...}}}}; nothing was done')
            row["document"] = document["doc"] if op == "update" else document
        rows.append(row)
    return rows


def _object(number: int, line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise ToolError(f"line {number} is not JSON ({error}); nothing was done") from None
    if not isinstance(value, dict):
        raise ToolError(f"line {number} is not an object; nothing was done")
    return value


def _told(items: Iterable[Mapping[str, Any]], rows: list[dict[str, Any]], room: Room) -> Bulk:
    bulk: Bulk = {"done": {}}
    failed, ids = [], []
    for position, item in enumerate(items):
        ((_, said),) = item.items()
        if "error" in said:
            row: Failed = {"position": position, "error": of_item(said["error"])}
            if said.get("_id"):
                row["id"] = said["_id"]
            failed.append(row)
            continue
        bulk["done"][said["result"]] = bulk["done"].get(said["result"], 0) + 1
        if rows[position].get("id") is None:
            ids.append(said["_id"])
    if failed:
        bulk["failed"] = [row for row in failed if room.take(row)]
        if len(bulk["failed"]) < len(failed):
            bulk["failures"] = len(failed)
    if ids:
        bulk["ids"] = [identifier for identifier in ids if room.take(identifier)]
    return bulk
