"""Copying documents to another index, as a task of Elasticsearch (_reindex), with fields dropped or renamed.

Fields are renamed by a pipeline that is made for the one copy and deleted when its task is seen to have ended; no script is run
(https://www.elastic.co/guide/en/elasticsearch/reference/8.11/docs-reindex.html).
"""

import asyncio
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from servers.common.backend import BackendError, time_left
from servers.common.protocol.tools import Call, ToolError
from servers.elasticsearch.client.backend import check_fields, path
from servers.elasticsearch.client.errors import ElasticsearchError, of_item
from servers.elasticsearch.policy.index_names import check_bodies, may_percolate, within, write_target
from servers.elasticsearch.policy.index_scope import ScopedElasticsearch
from servers.elasticsearch.policy.query_bodies import check_pipeline

WAIT = 10.0
"""Seconds that a call waits for a copy to end."""

MOST_FAILED = 10

_TASK = re.compile(r"([\w-]+:\d+)(?:/(mcp-reindex-[0-9a-f]{16}))?")
"""A task, and the pipeline that was made for it."""

_COUNTS = ("total", "created", "updated", "deleted", "version_conflicts")


async def copied(
    call: Call[ScopedElasticsearch], source: str, query: Mapping[str, Any], copy_to: Mapping[str, Any]
) -> dict[str, Any]:
    """Copy what a query finds to another index, where documents that are there already stay as they are. Return the task, what it
    has done so far, and whether it has ended.

    `copy_to` has index, one that is there; drop, fields to leave out, with `*`; rename, fields to their new names.
    """
    dest, drop, rename = copy_to.get("index"), copy_to.get("drop") or [], copy_to.get("rename") or {}
    if (
        copy_to.keys() - {"index", "drop", "rename"}
        or not isinstance(dest, str)
        or not (isinstance(drop, list) and all(isinstance(field, str) and field for field in drop))
        or not isinstance(rename, dict)
    ):
        raise ToolError('copy_to must be {"index":"to","drop":["field"],"rename":{"old":"new"}}; nothing was done')
    await check_bodies(call.backend, query)
    names = await within(call.backend, source)
    await write_target(call.backend, dest)
    if await may_percolate(call.backend, dest):
        raise ToolError(f"{dest!r} has percolator fields, and copied queries can't be checked: nothing was done")
    body: dict[str, Any] = {
        "conflicts": "proceed",
        "source": {"index": names.split(","), "query": query or {"match_all": {}}},
        "dest": {"index": dest, "op_type": "create"},
    }
    if drop:
        body["source"]["_source"] = {"excludes": drop}
    check_fields(body)
    pipeline = await _renaming(call, rename) if rename else ""
    if pipeline:
        body["dest"]["pipeline"] = pipeline
    try:
        answer = await call.backend.write(
            "POST", "/_reindex", params={"wait_for_completion": "false"}, body=body, answers=("task",)
        )
    except ElasticsearchError:
        await _forget(call, pipeline)
        raise
    task = call.backend.scope.seal(f"{answer['task']}/{pipeline}" if pipeline else answer["task"])
    until = asyncio.get_running_loop().time() + min(WAIT, time_left() / 2)
    pause = 0.1
    while True:
        try:
            found = await progress(call, task)
        except (ToolError, BackendError) as error:
            return {"id": task, "note": f"the copy was started, but its progress can't be read: {error}"}
        await call.progress(found.get("created", 0), found.get("total"), "documents copied")
        if found["completed"] or asyncio.get_running_loop().time() + pause > until:
            return found
        await asyncio.sleep(pause)
        pause = min(pause * 2, 2.0)


async def _renaming(call: Call[ScopedElasticsearch], rename: Mapping[str, str]) -> str:
    """Make a pipeline that renames fields, and return its name."""
    if wrong := [name for pair in rename.items() for name in pair if not isinstance(name, str) or not _is_field(name)]:
        raise ToolError(f"rename maps fields to new names, and {str(wrong[0])[:100]!r} is not a field's name; nothing was done")
    processors = [{"rename": {"field": old, "target_field": new, "ignore_missing": True}} for old, new in rename.items()]
    pipeline = {
        "description": "Made for one reindex by an MCP server; can be deleted when it ended",
        "processors": processors,
    }
    check_pipeline(pipeline, stored=True)
    name = f"mcp-reindex-{secrets.token_hex(8)}"
    await call.backend.write("PUT", path("_ingest", "pipeline", name), body=pipeline)
    return name


def _is_field(name: str) -> bool:
    """Return whether a name is of a field of a document, and not of what leads it elsewhere (_index, _id, _routing, _ingest)."""
    return bool(re.fullmatch(r"(?!_)[^*{}\s]{1,500}", name)) and "" not in name.split(".")


async def _forget(call: Call[ScopedElasticsearch], pipeline: str) -> None:
    """Delete a pipeline that was made for a copy. One that is left does nothing by itself."""
    if pipeline:
        with suppress(ToolError, BackendError):
            await call.backend.write("DELETE", path("_ingest", "pipeline", pipeline))


def _opened(call: Call[ScopedElasticsearch], task: str) -> tuple[str, str]:
    """Return the task, and the pipeline that was made for it. Raise ToolError if it is not a task, or not one that this server
    has begun where MCP_INDEX_PATTERNS limits it."""
    found = _TASK.fullmatch(call.backend.scope.opened(task) or "")
    if not found:
        told = ": with MCP_INDEX_PATTERNS, this server shows only tasks that it has started" if call.backend.scope else ""
        raise ToolError(f"{task[:100]!r} is not the id of a task{told}; es_health lists tasks")
    return found[1], found[2] or ""


async def progress(call: Call[ScopedElasticsearch], task: str) -> dict[str, Any]:
    """Say what a task has done so far, and whether it has ended."""
    name, pipeline = _opened(call, task)
    answer = await call.backend.find(path("_tasks", name), ("completed", "task"))
    if answer is None:
        raise ToolError(f"there is no task {name!r} any more: it has ended, or its node has")
    said = answer["task"]
    status = answer.get("response") or said.get("status")
    status = status if isinstance(status, dict) else {}
    found: dict[str, Any] = {"id": task, "action": said["action"], "completed": answer["completed"]}
    found |= {key: status[key] for key in _COUNTS if status.get(key) is not None}
    if status.get("version_conflicts"):
        found["note"] = "version_conflicts: documents that were there already, and stay as they are"
    if not call.backend.scope and said.get("description"):
        found["description"] = str(said["description"])[:300]
    if said.get("cancelled") or status.get("canceled"):
        found["cancelled"] = True
    if failures := status.get("failures"):
        found["failures"] = len(failures)
        found["failed"] = [
            {"index": f.get("index"), "id": f.get("id"), "error": of_item(f.get("cause") or f.get("reason"))}
            for f in failures[:MOST_FAILED]
        ]
    if "error" in answer:
        found["error"] = of_item(answer["error"])
    if answer["completed"]:
        await _forget(call, pipeline)
    return found


async def cancelled(call: Call[ScopedElasticsearch], task: str) -> dict[str, Any]:
    """Cancel a task; what it has done stays done."""
    name, _ = _opened(call, task)
    answer = await call.backend.write("POST", path("_tasks", name, "_cancel"))
    failures = [*answer.get("node_failures", []), *answer.get("task_failures", [])]
    if failures or not answer.get("nodes"):
        reason = of_item(failures[0].get("caused_by") or failures[0].get("reason") or failures[0]) if failures else "it has ended"
        raise ToolError(f"task {name} can't be cancelled: {reason}")
    with suppress(ToolError, BackendError):
        return await progress(call, task)
    return {"id": task, "cancelled": True}
