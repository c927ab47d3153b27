"""es_bulk: many documents in one request."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.backend import BackendError, time_left
from servers.common.protocol.tools import Call, Room, ToolError, tool
from servers.elasticsearch.client.backend import path
from servers.elasticsearch.client.errors import Uncertain, of_item
from servers.elasticsearch.policy.index_names import IndexName, check_documents, writable, write_target
from servers.elasticsearch.policy.index_scope import ScopedElasticsearch
from servers.elasticsearch.tools.documents import check_refresh, refreshing

MOST = 10_000

CHUNK = 1000
"""Operations of one request; between two a client is told how far it is, and can give up."""

OPERATIONS = ("index", "create", "update", "delete")

_META = ("routing", "if_seq_no", "if_primary_term")

_KEYS = frozenset({"op", "id", "document", *_META})


class Failed(TypedDict):
    position: int
    id: NotRequired[str]
    error: str


class Bulk(TypedDict):
    done: dict[str, int]
    """created, updated, deleted, noop and not_found to how many."""

    failed: NotRequired[list[Failed]]
    failures: Annotated[NotRequired[int], Field(description="number of all failures, if failed is cut")]
    ids: Annotated[NotRequired[list[str]], Field(description="generated ids")]
    stopped: Annotated[NotRequired[str], Field(description="why the rest was not done, and where to continue")]


@tool(title="Bulk", write=True, destructive=True, idempotent=False)
async def es_bulk(
    call: Call[ScopedElasticsearch],
    *,
    index: IndexName,
    operations: Annotated[
        list[dict[str, Any]] | str,
        Field(
            description='[{"op":"index|create|update|delete","id","document","routing","if_seq_no","if_primary_term"}], or NDJSON'
        ),
    ],
    refresh: bool = False,
    create_index: bool = False,
) -> Bulk:
    """Write many documents to one index. Each can fail alone: check failed."""
    writable(index)
    rows = parsed(operations, index) if isinstance(operations, str) else operations
    if not 0 < len(rows) <= MOST:
        raise ToolError(f"give 1 to {MOST} operations: nothing was done")
    actions = [_lines(position, row) for position, row in enumerate(rows)]
    await write_target(call.backend, index, create=create_index)
    await check_documents(call.backend, index, [row["document"] for row in rows if row.get("document")])
    await check_refresh(call.backend, index, refresh)
    items: list[Mapping[str, Any]] = []
    try:
        async for chunk in sent(call, path(index, "_bulk"), actions, CHUNK, refresh):
            items += chunk
    except Stopped as stopped:
        if not items:
            raise
        return {"stopped": f"{stopped}; continue with operation {len(items)}"} | _told(items, rows, Room(call.max_bytes, 2000))
    return _told(items, rows, Room(call.max_bytes))


class Stopped(ToolError):
    """A request of several could not be sent, or its answer was lost. The message says whether it may have been done."""


async def sent(
    call: Call[ScopedElasticsearch],
    where: str,
    actions: Sequence[Sequence[Mapping[str, Any]]],
    most: int,
    refresh: bool,
) -> AsyncIterator[list[Mapping[str, Any]]]:
    """Send bulk operations in chunks, and yield the items of each answer. Without an answer, send no other, and raise Stopped."""
    for start in range(0, len(actions), most):
        chunk = actions[start : start + most]
        lines = [line for action in chunk for line in action]
        doubt = f"; operations {start} to {start + len(chunk) - 1} may have been done: check before you repeat them"
        try:
            # What was done before can be told only within the call's time.
            async with asyncio.timeout(max(time_left() - 1, 0.1) if start else None):
                answer = await call.backend.write("POST", where, params=refreshing(refresh), body=lines, answers=("items",))
        except TimeoutError:
            if not start:
                raise
            raise Stopped("the call ran out of time" + doubt) from None
        except Uncertain as error:
            raise Stopped(str(error) + (doubt if start else "")) from error
        except BackendError as error:
            raise Stopped(str(error) + (doubt if error.unknown else "; none of these operations was done")) from error
        except ToolError as error:
            said = str(error).removesuffix("; nothing was done")
            raise Stopped(f"{said}; none of these operations was done") from error
        items = answer["items"]
        if not isinstance(items, list) or len(items) != len(chunk) or not all(map(_is_item, items)):
            raise Stopped("the answer is not from Elasticsearch" + doubt)
        yield items
        await call.progress(start + len(chunk), len(actions), f"{start + len(chunk)} operations sent")


def _is_item(item: Any) -> bool:
    said = next(iter(item.values())) if isinstance(item, dict) and len(item) == 1 else None
    return isinstance(said, dict) and (bool(said.get("error")) or isinstance(said.get("result"), str))


def _lines(position: int, row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return an operation in the form of _bulk. Raise ToolError, which says where, for anything else."""
    op = row.get("op", "index")
    where = f"operation {position}: "
    if unknown := sorted(row.keys() - _KEYS):
        raise ToolError(f"{where}{unknown[0][:50]!r} is not one of {', '.join(sorted(_KEYS))}; nothing was done")
    if op not in OPERATIONS:
        raise ToolError(f"{where}op has to be one of {', '.join(OPERATIONS)}; nothing was done")
    identifier, document = row.get("id"), row.get("document")
    if identifier is not None and (not isinstance(identifier, str) or not 0 < len(identifier.encode()) <= 512):
        raise ToolError(f"{where}id has to be text of 1 to 512 bytes; nothing was done")
    if identifier is None and op in ("update", "delete"):
        raise ToolError(f"{where}{op} needs an id; nothing was done")
    if (document is None) != (op == "delete") or (document is not None and not isinstance(document, dict)):
        raise ToolError(f"{where}{op} {'takes no' if op == 'delete' else 'needs a'} document; nothing was done")
    routing = row.get("routing")
    if routing is not None and (not isinstance(routing, str) or not routing):
        raise ToolError(f"{where}routing has to be text; nothing was done")
    if ("if_seq_no" in row) != ("if_primary_term" in row):
        raise ToolError(f"{where}if_seq_no and if_primary_term go together; nothing was done")
    action = {} if identifier is None else {"_id": identifier}
    action |= {name: row[name] for name in _META if row.get(name) is not None}
    lines: list[Mapping[str, Any]] = [{op: action}]
    if op != "delete":
        lines.append({"doc": document} if op == "update" else document or {})
    return lines


def parsed(text: str, index: str) -> list[dict[str, Any]]:
    """Parse operations from NDJSON, as the bulk API takes it. Raise ToolError for another line, or one
    that names another index."""
    rows: list[dict[str, Any]] = []
    # Not splitlines(): JSON may hold other characters that end a line for it.
    lines = iter([(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()])
    for number, line in lines:
        action = _object(number, line)
        if len(action) != 1 or (op := next(iter(action))) not in OPERATIONS or not isinstance(action[op], dict):
            raise ToolError(f'line {number} is not an action, such as {{"index":{{"_id":"1"}}}}; nothing was done')
        meta = dict(action[op])
        if meta.pop("_index", index) != index:
            raise ToolError(f"line {number} names another index than {index!r}; nothing was done")
        row: dict[str, Any] = {"op": op}
        if "_id" in meta:
            row["id"] = meta.pop("_id")
        row |= {name: meta.pop(name) for name in _META if name in meta}
        if meta:
            raise ToolError(f"line {number}: {sorted(meta)[0][:50]!r} is not supported; nothing was done")
        if op != "delete":
            behind, source = next(lines, (0, ""))
            if not source:
                raise ToolError(f"line {number} has no document after it; nothing was done")
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
        if said.get("error"):
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
