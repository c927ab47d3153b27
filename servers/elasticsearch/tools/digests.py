"""What es_indices tells beside indices, a row each: settings, templates, pipelines, lifecycle policies."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from servers.common.globs import matcher
from servers.common.protocol.tools import Call, ToolError
from servers.elasticsearch.client.backend import path
from servers.elasticsearch.client.errors import ElasticsearchError
from servers.elasticsearch.policy.index_names import NothingInside, listed, within
from servers.elasticsearch.policy.index_scope import ScopedElasticsearch
from servers.elasticsearch.tools.health_sections import few

Rows = list[dict[str, Any]]

_PRIVATE = ("creation_date", "history_uuid", "provided_name", "resize.", "uuid", "version.")
"""Settings that nobody has set."""


async def _settings(call: Call[ScopedElasticsearch], pattern: str) -> Rows:
    """The settings of indices, as far as they are not the defaults."""
    pattern = await within(call.backend, pattern, "open,closed")
    params = {"flat_settings": "true", "expand_wildcards": "open,closed"}
    answer = await call.backend.read("GET", path(pattern, "_settings"), params=params)
    rows = []
    for name, entry in answer.items():
        named = {key.removeprefix("index."): value for key, value in entry.get("settings", {}).items()}
        rows.append({"name": name, "settings": {k: v for k, v in named.items() if not k.startswith(_PRIVATE)}})
    return rows


async def _templates(call: Call[ScopedElasticsearch], pattern: str) -> Rows:
    """Index templates: which names they are for, which of those that match comes first, and what they are made of."""
    matches = matcher(pattern.split(","))
    rows = []
    for name, template in (await _index_templates(call)).items():
        if not matches(name):
            continue
        row: dict[str, Any] = {"name": name, "index_patterns": list(listed(template.get("index_patterns")))}
        row["priority"] = template.get("priority", 0)
        if template.get("composed_of"):
            row["composed_of"] = template["composed_of"]
        if "data_stream" in template:
            row["data_stream"] = True
        rows.append(row)
    return rows


async def _index_templates(call: Call[ScopedElasticsearch]) -> dict[str, dict[str, Any]]:
    """The index templates that are for indices inside of MCP_INDEX_PATTERNS, by name."""
    answer = await call.backend.read("GET", "/_index_template")
    found = {entry["name"]: entry["index_template"] for entry in answer["index_templates"]}
    has = call.backend.scope.has
    return {name: t for name, t in found.items() if all(map(has, listed(t.get("index_patterns"))))}


async def _component_templates(call: Call[ScopedElasticsearch], pattern: str) -> Rows:
    """Component templates: what they set, and the index templates that are made of them."""
    matches = matcher(pattern.split(","))
    used: dict[str, list[str]] = {}
    for name, template in (await _index_templates(call)).items():
        for part in template.get("composed_of", ()):
            used.setdefault(part, []).append(name)
    rows = []
    for entry in (await call.backend.read("GET", "/_component_template"))["component_templates"]:
        name, template = entry["name"], entry["component_template"].get("template", {})
        if not matches(name) or (call.backend.scope and name not in used):
            continue
        row: dict[str, Any] = {"name": name}
        if settings := template.get("settings"):
            row["settings"] = settings
        if mappings := template.get("mappings"):
            row["fields"] = few(sorted(mappings.get("properties", {})))
        if template.get("aliases"):
            row["aliases"] = sorted(template["aliases"])
        row["used_by"] = few(sorted(used.get(name, ())))
        rows.append(row)
    return rows


async def _pipelines(call: Call[ScopedElasticsearch], pattern: str) -> Rows:
    """Ingest pipelines: the processors in their order, and the indices that use them by default."""
    matches = matcher(pattern.split(","))
    used: dict[str, list[str]] = {}
    try:
        names = await within(call.backend, "*", "open,closed,hidden")
        params = {"flat_settings": "true", "expand_wildcards": "open,closed,hidden"}
        answer = await call.backend.read("GET", path(names, "_settings", "index.*_pipeline"), params=params)
    except NothingInside:
        answer = {}
    for index, entry in answer.items():
        for pipeline in set(entry.get("settings", {}).values()):
            used.setdefault(str(pipeline), []).append(index)
    rows = []
    for name, pipeline in (await _all_of(call, "/_ingest/pipeline")).items():
        if not matches(name) or (call.backend.scope and name not in used):
            continue
        row = {"name": name, "processors": [next(iter(p), "?") for p in pipeline.get("processors", ())]}
        if pipeline.get("description") and not call.backend.scope:
            row["description"] = str(pipeline["description"])[:300]
        row["used_by"] = few(sorted(used.get(name, ())))
        rows.append(row)
    return rows


async def _lifecycle_policies(call: Call[ScopedElasticsearch], pattern: str) -> Rows:
    """Lifecycle policies: from what age on each phase does what, and the indices that follow them."""
    matches = matcher(pattern.split(","))
    rows = []
    for name, entry in (await _all_of(call, "/_ilm/policy")).items():
        users = entry.get("in_use_by", {})
        indices = [n for n in (*users.get("data_streams", ()), *users.get("indices", ())) if call.backend.scope.has(n)]
        if not matches(name) or (call.backend.scope and not indices):
            continue
        phases = {
            phase: {"min_age": said.get("min_age", "0ms"), "actions": said.get("actions", {})}
            for phase, said in entry.get("policy", {}).get("phases", {}).items()
        }
        rows.append({"name": name, "phases": phases, "used_by": few(indices)})
    return rows


async def _all_of(call: Call[ScopedElasticsearch], where: str) -> Mapping[str, Any]:
    """All definitions of a kind, by name. Raise ToolError if the cluster has no such thing."""
    try:
        answer: Mapping[str, Any] = await call.backend.read("GET", where)
    except ElasticsearchError as error:
        if error.status == 404 and not error.type:
            return {}
        if error.status in (400, 404, 405, 410) and not error.type.startswith("security"):
            raise ToolError(f"this cluster has none of this kind: {error}") from None
        raise
    return answer


DIGESTS: Mapping[str, Callable[[Call[ScopedElasticsearch], str], Awaitable[Rows]]] = {
    "settings": _settings,
    "templates": _templates,
    "component_templates": _component_templates,
    "pipelines": _pipelines,
    "lifecycle_policies": _lifecycle_policies,
}
