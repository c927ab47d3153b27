"""es_define and es_alias: indices, mappings, settings, templates, and the names that lead to indices."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NotRequired

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from typing_extensions import TypedDict

from servers.common.backend import BackendError
from servers.common.protocol.tools import Call, ToolError, problems, to_json, tool
from servers.elasticsearch.client.backend import path
from servers.elasticsearch.client.errors import ElasticsearchError
from servers.elasticsearch.policy.index_names import (
    MAY_PERCOLATE,
    IndexName,
    check_bodies,
    listed,
    within,
    writable,
    write_target,
)
from servers.elasticsearch.policy.index_scope import ScopedElasticsearch
from servers.elasticsearch.policy.index_settings import check_settings
from servers.elasticsearch.policy.query_bodies import check_pipeline, refuse_scripts
from servers.elasticsearch.policy.request_costs import check_depth, entries
from servers.elasticsearch.tools.documents import waiting
from servers.elasticsearch.tools.health_sections import few

Kind = Literal["index", "mapping", "settings", "data_stream", "template", "component_template", "pipeline", "lifecycle_policy"]

_PARTS = {
    "index": {"settings", "mappings", "aliases", "like"},
    "mapping": {
        "properties", "dynamic", "runtime", "dynamic_templates", "date_detection", "dynamic_date_formats", "numeric_detection",
        "_meta",
    },
    "data_stream": set[str](),
    "template": {
        "index_patterns", "template", "composed_of", "priority", "version", "_meta", "data_stream", "allow_auto_create",
        "ignore_missing_component_templates",
    },
    "component_template": {"template", "version", "_meta"},
    "pipeline": {"processors", "on_failure", "description", "version", "_meta"},
    "lifecycle_policy": {"phases", "_meta"},
}  # fmt: skip
"""What the definition of each may have; for settings see SETTINGS."""

PLACES = {
    "data_stream": "_data_stream",
    "template": "_index_template",
    "component_template": "_component_template",
    "pipeline": "_ingest/pipeline",
    "lifecycle_policy": "_ilm/policy",
}
"""Path of each kind in the REST API."""

SHARED = frozenset({"component_template", "pipeline", "lifecycle_policy"})
"""Kinds that affect the indices of everybody who uses them."""

SETTINGS = frozenset(
    {
        "auto_expand_replicas", "blocks.write", "highlight.max_analyzed_offset", "indexing.slowlog.*",
        "mapping.total_fields.limit", "number_of_replicas", "priority", "query.default_field", "refresh_interval",
        "routing.allocation.total_shards_per_node", "search.idle.after", "search.slowlog.*",
        "unassigned.node_left.delayed_timeout",
    }
)  # fmt: skip
"""Settings of an index that can be changed at any time, and lose or hide no data."""

_COPIED = re.compile(r"analysis|codec|mapping|mode|number_of_replicas|number_of_shards|refresh_interval|similarity|sort")
"""Settings that an index takes over from one that it is to be like."""


class Defined(TypedDict):
    done: str


@tool(title="Create index, fields or template", write=True, idempotent=False)
async def es_define(
    call: Call[ScopedElasticsearch],
    *,
    kind: Kind,
    name: IndexName,
    definition: Annotated[
        dict[str, Any],
        Field(
            description='as in the API: {"properties":{}} of a mapping, {"number_of_replicas":1} of settings. '
            'An index may be {"like":"other","mappings":{}}'
        ),
    ],
) -> Defined:
    """Create an index, template or the like, but never replace one; add fields, or change settings of an index."""
    writable(name)
    check_depth(definition)
    if kind == "settings":
        return await _set(call, name, definition)
    if unknown := sorted(definition.keys() - _PARTS[kind]):
        known = ", ".join(sorted(_PARTS[kind])) or "nothing, because its template defines it"
        raise ToolError(
            f"{unknown[0][:100]!r} is not a part of {'an' if kind == 'index' else 'a'} {kind}: it has {known}; nothing was done"
        )
    if kind in SHARED and call.backend.scope:
        raise ToolError(f"a {kind} would work on indices that MCP_INDEX_PATTERNS keeps from this server: nothing was done")
    template = definition.get("template")
    for part in (definition, template if isinstance(template, dict) else {}):
        check_settings(flat(part.get("settings")))
    if kind == "index" and "like" in definition:
        definition = await _like(call, definition)
    if kind == "pipeline":
        check_pipeline(definition, stored=True)
    else:
        refuse_scripts(definition)
    if any(key == "dynamic_templates" and MAY_PERCOLATE.search(to_json(part)) for key, part, *_ in entries(definition)):
        # The document that makes such a field holds a query.
        raise ToolError("a dynamic template can't make fields of type percolator here; nothing was done")
    await _check_names(call.backend, definition)
    if kind == "mapping":
        await write_target(call.backend, name)
        await call.backend.write("PUT", path(name, "_mapping"), body=definition)
        return {"done": f"the mapping of {name} was changed"}
    if kind == "index":
        await write_target(call.backend, name, create=True)
        try:
            answer = await call.backend.write("PUT", path(name), params=waiting(), body=definition)
        except ElasticsearchError as error:
            if error.type != "resource_already_exists_exception":
                raise
            raise ToolError(f"there is an index {name!r} already: nothing was done; kind mapping adds fields") from None
        return {"done": f"index {name} was created{late(answer)}"}
    if kind == "data_stream":
        await write_target(call.backend, name, create=True)
        await call.backend.write("PUT", path("_data_stream", name))
        return {"done": f"data stream {name} was created"}
    if kind == "template":
        _check_patterns(call.backend, definition)
    await _check_names(call.backend, definition.get("template"))
    where = path(*PLACES[kind].split("/"), name)
    if kind in ("pipeline", "lifecycle_policy"):
        if await call.backend.find(where) is not None:  # Elasticsearch would replace it
            raise ToolError(f"there is a {kind} {name!r} already: nothing was done; it can be deleted first")
        await call.backend.write("PUT", where, body={"policy": definition} if kind == "lifecycle_policy" else definition)
        return {"done": f"{kind} {name} was created"}
    await call.backend.write("PUT", where, params={"create": "true"}, body=definition)
    return {"done": f"{kind} {name} was created; it applies to indices created from now on"}


async def _set(call: Call[ScopedElasticsearch], name: str, definition: dict[str, Any]) -> Defined:
    """Change settings of an index, and say what they were."""
    given = {key.removeprefix("index."): value for key, value in flat(definition).items() if key}
    if not given:
        raise ToolError(f"say which settings: {', '.join(sorted(SETTINGS))}; null resets one")
    for key, value in given.items():
        if key not in SETTINGS and f"{'.'.join(key.split('.')[:2])}.*" not in SETTINGS:
            raise ToolError(
                f"setting {key[:100]!r} can't be changed here: nothing was done; these can: {', '.join(sorted(SETTINGS))}"
            )
        if key == "number_of_replicas" and value is not None and not re.fullmatch(r"\d|10", str(value)):
            raise ToolError("number_of_replicas is 0 to 10; nothing was done")
    check_settings(given)
    await write_target(call.backend, name)
    before = await call.backend.read("GET", path(name, "_settings"), params={"flat_settings": "true"})
    await call.backend.write("PUT", path(name, "_settings"), body={f"index.{key}": value for key, value in given.items()})
    was = [
        f"{index}: " + ", ".join(f"{key} {entry['settings'].get(f'index.{key}', 'not set')}" for key in sorted(given))
        for index, entry in sorted(before.items())
    ]
    told = f"{', '.join(sorted(given))} of {name} changed; before: {'; '.join(few(was))}"
    return {"done": told if len(told) <= MOST_TOLD else f"{told[:MOST_TOLD]}..."}


def late(answer: Mapping[str, Any]) -> str:
    """Return what to add where an index has not all shards that it needs in time."""
    return "" if answer.get("shards_acknowledged", True) else ", but its shards are not there yet: es_health says why"


MOST_TOLD = 2000
"""Characters of what is told of settings before a change."""

LONGEST_NAME = 500
"""Characters of a setting's name. One of 300,000 that has 30,000 parts would be 9 GB of names."""


def flat(settings: Any) -> dict[str, Any]:
    """Settings by their dotted names."""
    found, left = {}, [("", settings)]
    for name, value in left:
        if len(name) > LONGEST_NAME:
            raise ToolError(f"a setting's name has at most {LONGEST_NAME} characters; nothing was done")
        if isinstance(value, dict):
            left += ((f"{name}.{key}", inner) for key, inner in value.items())
        else:
            found[name[1:]] = value
    return found


async def _like(call: Call[ScopedElasticsearch], definition: dict[str, Any]) -> dict[str, Any]:
    """Return a definition with the mapping and settings of another index, and with the given additions."""
    other = definition["like"]
    if not isinstance(other, str):
        raise ToolError("like must be the name of one index; nothing was done")
    reached = await within(call.backend, other, "open,closed")
    found = await call.backend.read("GET", path(reached))
    if len(found) != 1:
        raise ToolError(f"{other[:100]!r} leads to {len(found)} indices: like must name one; nothing was done")
    (source,) = found.values()
    # As flat names would not tell a list from its items.
    settings = {key: value for key, value in source["settings"]["index"].items() if _COPIED.fullmatch(key)}
    given = {key.removeprefix("index."): v for key, v in flat(definition.get("settings") or {}).items()}
    nested = flat({key: value for key, value in settings.items() if key != "analysis"})
    kept = {"analysis": settings["analysis"]} if "analysis" in settings else {}
    return {
        "settings": {"index": {**nested, **kept, **given}},
        "mappings": merged(source.get("mappings", {}), definition.get("mappings") or {}),
        "aliases": definition.get("aliases") or {},
    }


def merged(old: Any, new: Any) -> Any:
    """Merge two objects; if both have a value, the new one wins."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    return {**old, **{key: merged(old[key], value) if key in old else value for key, value in new.items()}}


def _check_patterns(backend: ScopedElasticsearch, definition: dict[str, Any]) -> None:
    """Raise ToolError where a template would be for all indices, or for others than MCP_INDEX_PATTERNS allows."""
    patterns = definition.get("index_patterns")
    for pattern in (listed(patterns) if isinstance(patterns, str | list) else ()) or [""]:
        if not isinstance(pattern, str) or not pattern.strip("*") or pattern.startswith((".", "_")):
            raise ToolError("index_patterns must name indices, but not all of them or Elasticsearch's own; nothing was done")
        if not backend.scope.has(pattern):
            raise backend.scope.outside(pattern)


async def _check_names(backend: ScopedElasticsearch, definition: Any) -> None:
    """Raise ToolError where a definition of indices leads to others: by aliases, their filters, lookups, or pipelines."""
    if not isinstance(definition, dict):
        return
    aliases = definition.get("aliases")
    # Runtime fields of type lookup. The definition of a field of this name is an object.
    looked_up = [part for key, part, *_ in entries(definition) if key == "target_index" and not isinstance(part, dict)]
    await check_bodies(backend, aliases, *({"target_index": name} for name in looked_up))
    if not backend.scope:
        return
    for alias in aliases if isinstance(aliases, dict) else ():
        await write_target(backend, alias, create=True)
    if "_pipeline" in to_json(definition.get("settings")):
        raise ToolError("settings default_pipeline and final_pipeline may write to other indices: nothing was done")


MOST_CHANGES = 100
"""Changes of aliases in one call."""


class Change(BaseModel):
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
    """Change aliases, all at once."""
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
    await call.backend.write("POST", "/_aliases", body={"actions": actions})
    names = list(dict.fromkeys(change.alias for change in parsed))
    try:
        found = {name: sorted(await call.backend.find(path("_alias", name)) or ()) for name in names[:20]}
    except (ToolError, BackendError) as error:
        return {"aliases": {}, "note": f"the changes were made, but the aliases can't be read: {error}"}
    return {"aliases": found} if len(names) <= 20 else {"aliases": found, "note": "only the first 20 aliases are shown"}
