"""es_define and es_alias: indices, mappings, templates, and the names that lead to indices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, NotRequired

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from typing_extensions import TypedDict

from servers.common.protocol.tools import Call, ToolError, problems, to_json, tool
from servers.elasticsearch.client.backend import path
from servers.elasticsearch.client.errors import ElasticsearchError
from servers.elasticsearch.policy.index_names import IndexName, check_bodies, near_names, writable, write_target
from servers.elasticsearch.policy.index_scope import ScopedElasticsearch
from servers.elasticsearch.policy.query_bodies import refuse_scripts

_PARTS = {
    "index": {"settings", "mappings", "aliases"},
    "mapping": {"properties", "dynamic", "runtime", "dynamic_templates", "_meta"},
    "template": {"index_patterns", "template", "composed_of", "priority", "version", "_meta", "data_stream"},
}
"""What the definition of each may have."""


class Defined(TypedDict):
    done: str


@tool(title="Create an index, field or template", write=True, idempotent=False)
async def es_define(
    call: Call[ScopedElasticsearch],
    *,
    kind: Literal["index", "mapping", "template"],
    name: IndexName,
    definition: Annotated[
        dict[str, Any],
        Field(
            description="index: settings, mappings, aliases; mapping: properties; template: index_patterns, template"
        ),
    ],
) -> Defined:
    """Create an index, fields or an index template; what is there is never replaced."""
    writable(name)
    if unknown := sorted(definition.keys() - _PARTS[kind]):
        raise ToolError(
            f"{unknown[0][:100]!r} is no part of {'an' if kind == 'index' else 'a'} {kind}: it has "
            f"{', '.join(sorted(_PARTS[kind]))}; nothing was done"
        )
    refuse_scripts(definition)
    await _check_names(call.backend, definition)
    if kind == "mapping":
        await write_target(call.backend, name)
        await call.backend.write("PUT", path(name, "_mapping"), body=definition)
        return {"done": f"the fields were added to {name}"}
    if kind == "template":
        for pattern in definition.get("index_patterns") or [""]:
            if not isinstance(pattern, str) or not pattern.strip("*") or pattern.startswith((".", "_")):
                raise ToolError(
                    "index_patterns has to say which indices, and not all or Elasticsearch's own; nothing was done"
                )
            if not call.backend.scope.has(pattern):
                raise call.backend.scope.outside(pattern)
        await _check_names(call.backend, definition.get("template"))
        await call.backend.write("PUT", path("_index_template", name), params={"create": "true"}, body=definition)
        return {"done": f"template {name} was created; it holds for indices that are made from now on"}
    await write_target(call.backend, name, create=True)
    try:
        await call.backend.write("PUT", path(name), body=definition)
    except ElasticsearchError as error:
        if error.type != "resource_already_exists_exception":
            raise
        raise ToolError(f"there is an index {name!r} already: nothing was done; kind mapping adds fields") from None
    return {"done": f"index {name} was created"}


def _looked_up(definition: Any) -> Iterator[str]:
    """The indices of runtime fields of type lookup."""
    if isinstance(definition, list):
        for part in definition:
            yield from _looked_up(part)
    elif isinstance(definition, dict):
        for key, part in definition.items():
            if key == "target_index" and isinstance(part, str):
                yield part
            yield from _looked_up(part)


async def _check_names(backend: ScopedElasticsearch, definition: Any) -> None:
    """Raises ToolError where MCP_INDEX_PATTERNS forbids what a definition of indices has beside their own fields."""
    if not backend.scope or not isinstance(definition, dict):
        return
    aliases = definition.get("aliases")
    for alias in aliases if isinstance(aliases, dict) else ():
        await write_target(backend, alias, create=True)
    await check_bodies(backend, aliases, *({"target_index": name} for name in _looked_up(definition)))
    if "_pipeline" in to_json(definition.get("settings")):
        raise ToolError("settings default_pipeline and final_pipeline may lead to other indices: nothing was done")


MOST_CHANGES = 100
"""Changes of aliases in one call."""


class Change(BaseModel):
    """An alias to add to an index, or to remove from it."""

    model_config = ConfigDict(extra="forbid")

    op: Literal["add", "remove"]
    alias: IndexName
    index: IndexName
    filter: dict[str, Any] | None = None
    is_write_index: bool | None = None


class Aliased(TypedDict):
    aliases: dict[str, list[str]]
    """Each alias that was named, and the indices that it leads to now."""

    note: NotRequired[str]


@tool(title="Change aliases", write=True, destructive=True)
async def es_alias(
    call: Call[ScopedElasticsearch],
    *,
    changes: Annotated[
        list[dict[str, Any]], Field(description='[{"op":"add|remove","alias","index","filter","is_write_index"}]')
    ],
) -> Aliased:
    """Change aliases, all at once: remove one from the old index and add it to the new."""
    actions = []
    if not 0 < len(changes) <= MOST_CHANGES:
        raise ToolError(f"give 1 to {MOST_CHANGES} changes; nothing was done")
    try:
        parsed = [Change.model_validate(change) for change in changes]
    except ValidationError as error:
        raise ToolError(f"a change is wrong: {problems(error, {})}; nothing was done") from None
    for change in parsed:
        writable(change.alias)
        writable(change.index)
        await check_bodies(call.backend, change.filter)
        if call.backend.scope:
            await write_target(call.backend, change.index)
            await write_target(call.backend, change.alias, create=True)
        action: dict[str, Any] = {"index": change.index, "alias": change.alias}
        if change.op == "remove":
            if change.filter is not None or change.is_write_index is not None:
                raise ToolError("filter and is_write_index are for op add; nothing was done")
            action["must_exist"] = True
        else:
            extra = {"filter": change.filter, "is_write_index": change.is_write_index}
            action |= {name: value for name, value in extra.items() if value is not None}
        actions.append({change.op: action})
    async with near_names(call.backend):
        await call.backend.write("POST", "/_aliases", body={"actions": actions})
    names = list(dict.fromkeys(change.alias for change in parsed))
    found: dict[str, list[str]] = {}
    for name in names[:20]:
        try:
            answer = await call.backend.read("GET", path("_alias", name))
        except ElasticsearchError as error:
            if error.status != 404:
                raise
            answer = {}
        found[name] = sorted(answer)
    return {"aliases": found} if len(names) <= 20 else {"aliases": found, "note": "of the first 20"}
