"""es_manage: what ends or stops things: deleting by exact name in two steps, closing and opening indices, tasks."""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.protocol.tools import Call, ToolError, fingerprint, to_json, tool
from servers.elasticsearch.client.backend import path
from servers.elasticsearch.client.errors import ElasticsearchError
from servers.elasticsearch.policy.index_names import listed, resolve, writable, write_target
from servers.elasticsearch.policy.index_scope import ScopedElasticsearch
from servers.elasticsearch.tools.documents import waiting
from servers.elasticsearch.tools.health_sections import few
from servers.elasticsearch.tools.index_admin import PLACES, SHARED, late
from servers.elasticsearch.tools.reindex import cancelled, progress

Deletable = Literal["index", "data_stream", "template", "component_template", "pipeline", "lifecycle_policy"]


class Managed(TypedDict):
    done: NotRequired[str]
    would_delete: NotRequired[dict[str, Any]]
    confirm: Annotated[NotRequired[str], Field(description="call again with it to do it")]
    task: NotRequired[dict[str, Any]]


@tool(
    title="Delete, close, open, tasks",
    write=True,
    destructive=True,
    dry_run=lambda arguments: arguments["op"] == "task" or (arguments["op"] == "delete" and arguments["confirm"] is None),
)
async def es_manage(
    call: Call[ScopedElasticsearch],
    *,
    op: Literal["delete", "close", "open", "task", "cancel"],
    name: Annotated[str, Field(description="exact name, or id of the task")],
    kind: Deletable = "index",
    confirm: str | None = None,
) -> Managed:
    """Delete by exact name in two calls: the first shows what is lost. Close or open an index. Show or cancel a task."""
    if op in ("task", "cancel"):
        return {"task": await (progress(call, name) if op == "task" else cancelled(call, name))}
    if op != "delete" and (kind != "index" or confirm is not None):
        raise ToolError(f"{op} is for an index, and needs no confirm; nothing was done")
    writable(name)
    if kind in ("index", "data_stream"):
        await _check_kind(call.backend, kind, name)
    if op != "delete":
        answer = await call.backend.write("POST", path(name, f"_{op}"), params=waiting())
        if op == "close" and not answer.get("indices", True):
            return {"done": f"index {name} was closed already"}
        done = "closed: open makes it readable again" if op == "close" else "open"
        return {"done": f"index {name} is {done}{late(answer)}"}
    found = await (_described(call, kind, name) if kind in ("index", "data_stream") else _definition(call, kind, name))
    token = fingerprint([kind, name, found])
    if confirm is None:
        return {"would_delete": {key: value for key, value in found.items() if key != "uuids"}, "confirm": token}
    if confirm != token:
        raise ToolError(
            f"nothing was deleted: {name} has changed since the first call; call without confirm to see it. If documents arrive "
            "all the time, close the index first"
        )
    parts = (name,) if kind == "index" else (*PLACES[kind].split("/"), name)
    await call.backend.write("DELETE", path(*parts))
    return {"done": f"{kind.replace('_', ' ')} {name} was deleted"}


async def _check_kind(backend: ScopedElasticsearch, kind: str, name: str) -> None:
    """Raise ToolError where there is no such index or data stream, it is outside, or the name is of something else."""
    if backend.scope:
        await write_target(backend, name)
    (found,) = await resolve(backend, name)
    actual = "data_stream" if found.stream == found.name else "index" if found.is_index else "alias"
    if actual != kind:
        leads = f", and leads to {', '.join(few(found.members))}" if found.members else ""
        raise ToolError(f"{name!r} is of kind {actual}{leads}: nothing was done; name the {kind} itself")


async def _described(call: Call[ScopedElasticsearch], kind: str, name: str) -> dict[str, Any]:
    """Say what is lost with an index or a data stream."""
    params = {"format": "json", "h": "index,uuid,status", "expand_wildcards": "all"}
    rows = await call.backend.read("GET", path("_cat", "indices", name), params=params)
    found: dict[str, Any] = {"name": name, "uuids": sorted(row["uuid"] for row in rows)}
    if len(rows) > 1:
        found["indices"] = len(rows)
    if closed := sum(row["status"] == "close" for row in rows):
        found["closed"] = closed
    else:
        try:
            answer = await call.backend.read("POST", path(name, "_count"), answers=("count", "_shards"))
            found["docs"], missing = answer["count"], answer["_shards"].get("failed")
        except ElasticsearchError as error:
            if error.status != 503:
                raise
            missing = "all"  # who deletes an index may do so because of that
        if missing:
            found["shards_not_counted"] = missing
    if kind == "index":
        answer = await call.backend.read("GET", path(name, "_alias"))
        if names := sorted({alias for entry in answer.values() for alias in entry.get("aliases", {})}):
            found["aliases"] = few(names)
    return found


async def _definition(call: Call[ScopedElasticsearch], kind: Deletable, name: str) -> dict[str, Any]:
    """A template, pipeline or policy that may be deleted, in short. Raise ToolError if there is none, it is Elasticsearch's own,
    or it is for indices outside of MCP_INDEX_PATTERNS."""
    scope = call.backend.scope
    if scope and kind in SHARED:
        raise ToolError(f"a {kind} works on indices that MCP_INDEX_PATTERNS keeps from this server: nothing was done")
    answer = await call.backend.find(path(*PLACES[kind].split("/"), name)) or {}
    if answer and kind in ("template", "component_template"):
        key = "index_template" if kind == "template" else "component_template"
        answer = {entry["name"]: entry[key] for entry in answer[f"{key}s"]}
    found = answer.get(name)
    if found is None:
        raise ToolError(f"there is no {kind} {name!r}: es_indices lists them by kind; nothing was done")
    for pattern in listed(found.get("index_patterns")):
        if not scope.has(pattern):
            raise scope.outside(pattern)
    meta = found.get("_meta") or found.get("policy", {}).get("_meta") or {}
    if meta.get("managed"):
        raise ToolError(f"{name!r} is one of Elasticsearch's own, and others rely on it: nothing was done")
    return {"name": name, "definition": to_json(found)[:1000], "uuids": [fingerprint(found, 64)]}
