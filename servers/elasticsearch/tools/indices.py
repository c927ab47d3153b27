"""es_indices and es_mapping: which indices there are, and which fields their documents have."""

import asyncio
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.globs import matcher
from servers.common.protocol.tools import Call, Room, ToolError, size, tool
from servers.elasticsearch.client.backend import path
from servers.elasticsearch.client.errors import UNAVAILABLE, ElasticsearchError
from servers.elasticsearch.policy.index_names import LONGEST, IndexPattern, inside, known_fields, within
from servers.elasticsearch.policy.index_scope import ScopedElasticsearch
from servers.elasticsearch.tools.digests import DIGESTS
from servers.elasticsearch.tools.health_sections import few, optional


class IndexSummary(TypedDict):
    index: str
    docs: Annotated[NotRequired[int], Field(description="nested objects count, too")]
    bytes: NotRequired[int]
    health: NotRequired[str]
    shards: Annotated[NotRequired[str], Field(description="primaries x copies")]
    aliases: NotRequired[list[str]]
    closed: NotRequired[bool]


class Indices(TypedDict):
    total: int
    indices: NotRequired[list[IndexSummary]]
    data_streams: NotRequired[list[dict[str, Any]]]
    templates: NotRequired[list[dict[str, Any]]]
    rows: Annotated[NotRequired[list[dict[str, Any]]], Field(description="of other kinds")]
    cursor: NotRequired[str]


@tool(title="List indices")
async def es_indices(
    call: Call[ScopedElasticsearch],
    *,
    pattern: IndexPattern = "*",
    kind: Literal[
        "indices", "data_streams", "settings", "templates", "component_templates", "pipelines", "lifecycle_policies"
    ] = "indices",
    order: Literal["name", "bytes", "docs"] = "name",
    health: Literal["green", "yellow", "red"] | None = None,
    hidden: bool = False,
    limit: Annotated[int, Field(ge=1, le=1000)] = 100,
    cursor: str | None = None,
) -> Indices:
    """List indices with documents, size, health and aliases; or settings, data streams, templates and the like, by kind."""
    rows: list[Any]
    if kind != "indices":
        if order != "name" or health:
            raise ToolError("order and health are for kind indices")
        if kind == "data_streams":
            rows = await _data_streams(call, pattern, hidden)
        else:
            rows = sorted(await DIGESTS[kind](call, pattern), key=lambda row: str(row["name"]))
        return _page(call, kind if kind in ("data_streams", "templates") else "rows", rows, "name", limit, cursor)
    rows = await summaries(call, pattern, "open,closed,hidden" if hidden else "open,closed", health)
    if order != "name":
        rows.sort(key=lambda row: -row.get(order, 0))
    answer = _page(call, "indices", rows, "index", limit, cursor)
    if cursor is None and (streams := await _data_streams(call, pattern, hidden, brief=True)):
        answer["data_streams"] = Room(1500, 0).kept(streams, "data streams (kind data_streams lists all)")
    return answer


def _page(call: Call[ScopedElasticsearch], kind: str, rows: list[Any], key: str, limit: int, cursor: str | None) -> Indices:
    """Return the rows behind the one that the cursor names."""
    start = 0
    if cursor is not None:
        start = next((i for i, row in enumerate(rows, 1) if row[key] == cursor), 0)
        if not start:
            raise ToolError(f"{cursor[:100]!r} no longer exists: start again without a cursor")
    kept = Room(call.max_bytes, 2048).kept(rows[start : start + limit])
    answer: Indices = {"total": len(rows), kind: kept}  # type: ignore[misc]
    if start + len(kept) < len(rows) and kept:
        answer["cursor"] = kept[-1][key]
    return answer


async def summaries(call: Call[ScopedElasticsearch], pattern: str, expand: str, health: str | None = None) -> list[IndexSummary]:
    """Return indices by name. A user without the right to statistics gets names, and documents as a search counts them."""
    pattern = await within(call.backend, pattern, expand)
    params = {"format": "json", "bytes": "b", "h": "index,health,status,docs.count,store.size,pri,rep", "s": "index"}
    params |= {"expand_wildcards": expand} | ({"health": health} if health else {})

    async def resolve() -> Any:
        return await call.backend.read("GET", path("_resolve", "index", pattern), params={"expand_wildcards": expand})

    try:
        rows, resolved = await asyncio.gather(
            call.backend.read("GET", path("_cat", "indices", pattern), params=params), resolve()
        )
    except ElasticsearchError as error:
        if error.status not in UNAVAILABLE - {400, 404} or health:
            raise
        return await _counted(call, pattern, (await resolve())["indices"])
    aliases = {entry["name"]: set(entry.get("aliases", ())) for entry in resolved["indices"]}
    # An alias that was asked for is told apart from the indices that it leads to.
    for entry in resolved["aliases"]:
        for name in entry["indices"]:
            aliases.setdefault(name, set()).add(entry["name"])
    return [_index(row, sorted(aliases.get(row["index"], ()))) for row in rows]


async def _counted(call: Call[ScopedElasticsearch], pattern: str, resolved: list[Mapping[str, Any]]) -> list[IndexSummary]:
    """Indices by their names, with the documents that a search finds in them."""
    body = {"size": 0, "aggs": {"docs": {"terms": {"field": "_index", "size": 10_000}}}}
    docs: dict[str, int] = {}
    with suppress(ToolError):
        answer = await call.backend.read("POST", path(pattern, "_search"), body=body)
        docs = {bucket["key"]: bucket["doc_count"] for bucket in answer["aggregations"]["docs"]["buckets"]}
    rows: list[IndexSummary] = []
    for entry in sorted(resolved, key=lambda entry: str(entry["name"])):
        row: IndexSummary = {"index": entry["name"]}
        if entry["name"] in docs:
            row["docs"] = docs[entry["name"]]
        if entry.get("aliases"):
            row["aliases"] = few(entry["aliases"])
        if "closed" in entry.get("attributes", ()):
            row["closed"] = True
        rows.append(row)
    return rows


async def _data_streams(call: Call[ScopedElasticsearch], pattern: str, hidden: bool, brief: bool = False) -> list[dict[str, Any]]:
    """Data streams: name and number of indices; if not brief what else is known of them, where the cluster has x-pack."""
    found = [f for f in await inside(call.backend, pattern, "all" if hidden else "open") if f.stream == f.name]
    rows: dict[str, dict[str, Any]] = {f.name: {"name": f.name, "indices": len(f.members)} for f in found}
    if rows and not brief:
        names = ",".join(rows) if len(",".join(rows)) <= LONGEST else pattern
        described, stats = await asyncio.gather(
            optional(call, path("_data_stream", names)), optional(call, path("_data_stream", names, "_stats"))
        )
        for stream in described.get("data_streams", ()):
            if row := rows.get(stream["name"]):
                row |= {key: stream[key] for key in ("status", "template", "ilm_policy", "hidden") if stream.get(key)}
        for stream in stats.get("data_streams", ()):
            if row := rows.get(stream["data_stream"]):
                row["bytes"] = stream["store_size_bytes"]
                if newest := stream.get("maximum_timestamp"):
                    row["newest"] = datetime.fromtimestamp(newest / 1000, UTC).isoformat()
    return sorted(rows.values(), key=lambda row: str(row["name"]))


def _index(row: Mapping[str, str | None], aliases: list[str]) -> IndexSummary:
    index: IndexSummary = {"index": row["index"] or "", "shards": f"{row['pri']}x{int(row['rep'] or 0) + 1}"}
    # A closed index, and one whose primaries are missing, has no numbers.
    if row.get("docs.count"):
        index["docs"] = int(row["docs.count"] or 0)
    if row.get("store.size"):
        index["bytes"] = int(row["store.size"] or 0)
    if row.get("health"):
        index["health"] = row["health"] or ""
    if aliases:
        index["aliases"] = few(aliases)
    if row.get("status") == "close":
        index["closed"] = True
    return index


class MappingGroup(TypedDict):
    indices: Annotated[list[str], Field(description="with this mapping, 20 at most")]
    count: Annotated[int, Field(description="number of indices")]
    dynamic: Annotated[NotRequired[str], Field(description="how unknown fields are handled, if not the default way")]
    notes: Annotated[NotRequired[list[str]], Field(description="how documents are kept, if not the default way")]
    fields: Annotated[
        NotRequired[dict[str, str]],
        Field(description="dotted path to type; +.x: sub-field; [..]: parameters that affect queries"),
    ]
    left_out: Annotated[NotRequired[int], Field(description="number of fields that did not fit: narrow `fields`")]
    mapping: Annotated[NotRequired[dict[str, Any]], Field(description="with full: as Elasticsearch returns it")]


class Mappings(TypedDict):
    mappings: NotRequired[list[MappingGroup]]
    difference: Annotated[NotRequired[dict[str, Any]], Field(description="with compare; two types: of index and compare")]
    left_out: Annotated[NotRequired[int], Field(description="groups that did not fit")]


@tool(title="Fields of an index")
async def es_mapping(
    call: Call[ScopedElasticsearch],
    *,
    index: IndexPattern,
    fields: Annotated[str, Field(description="only these paths, e.g. user.*")] = "*",
    full: Annotated[bool, Field(description="as JSON")] = False,
    compare: Annotated[IndexPattern | None, Field(description="index to compare with: only what differs")] = None,
) -> Mappings:
    """Show the fields of an index and their types, in short."""
    if compare is not None:
        if full:
            raise ToolError("compare tells the digest only: leave out full")
        return await _compared(call, index, compare, fields)
    matches = matcher(fields.split(","))
    asked, answer = index, await _mappings(call, index)
    groups: dict[str, tuple[list[str], dict[str, Any]]] = {}
    for name, entry in sorted(answer.items()):
        mapping = entry.get("mappings", {})
        groups.setdefault(repr(mapping), ([], mapping))[0].append(name)
    room = Room(call.max_bytes)
    found: list[MappingGroup] = []
    for names, mapping in groups.values():
        group: MappingGroup = {"indices": names[:20], "count": len(names)}
        if "dynamic" in mapping:
            group["dynamic"] = str(mapping["dynamic"])
        if notes := [note for (part, key, value), note in _KEPT.items() if mapping.get(part, {}).get(key) == value]:
            group["notes"] = notes
        if full:
            if fields != "*":
                raise ToolError("fields works only without full: leave out one of them")
            group["mapping"] = mapping
            if not found and size(group) > room.left:
                raise ToolError(
                    f"the mapping has {size(group)} bytes, more than fit: leave out full, and narrow the result with fields"
                )
            if not room.take(group):
                break
        else:
            if size(group) + 100 > room.left and found:
                break
            room.take(group)
            group["fields"] = {}
            missing = 0
            for field, type in field_types(mapping):
                if not any(map(matches, _paths(field, type))):
                    continue
                if missing or size({field: type}) > room.left or not room.take({field: type}):
                    missing += 1
                else:
                    group["fields"][field] = type
            if missing:
                group["left_out"] = missing
        found.append(group)
    if fields != "*" and not any(group.get("fields") or group.get("left_out") for group in found):
        raise ToolError(f"no field of {asked!r} matches {fields!r}: es_mapping without fields lists all")
    result: Mappings = {"mappings": found}
    if len(found) < len(groups):
        result["left_out"] = len(groups) - len(found)
    return result


async def _mappings(call: Call[ScopedElasticsearch], index: str) -> dict[str, Any]:
    """The mappings of indices, as Elasticsearch answers."""
    index = await within(call.backend, index, "open,closed,hidden")
    params = {"allow_no_indices": "false", "expand_wildcards": "open,closed,hidden"}
    try:
        answer: dict[str, Any] = await call.backend.read("GET", path(index, "_mapping"), params=params)
    except ElasticsearchError as error:
        if error.status != 403:
            raise
        # Who may read but not see the mapping knows its fields from what searches are told.
        fields = {name: {"type": " | ".join(types)} for name, types in (await known_fields(call.backend, index, "*")).items()}
        answer = {index: {"mappings": {"properties": {n: f for n, f in fields.items() if f["type"] != "object"}}}}
    return answer


async def _compared(call: Call[ScopedElasticsearch], index: str, other: str, fields: str) -> Mappings:
    """Say where the fields of two expressions of indices differ."""
    room, matches = Room(call.max_bytes), matcher(fields.split(","))
    first, second = [_united(await _mappings(call, name)) for name in (index, other)]
    difference: dict[str, Any] = {"only_index": {}, "only_compare": {}, "differ": {}}
    left_out = 0
    for field in sorted(first.keys() | second.keys()):
        types = first.get(field), second.get(field)
        if types[0] == types[1] or not any(map(matches, _paths(field, f"{types[0]} {types[1]}"))):
            continue
        where = "only_compare" if types[0] is None else "only_index" if types[1] is None else "differ"
        told = list(types) if where == "differ" else types[0] or types[1]
        if left_out or not room.take({field: told}):
            left_out += 1
        else:
            difference[where][field] = told
    found: Mappings = {"difference": {key: told for key, told in difference.items() if told}}
    return found | {"left_out": left_out} if left_out else found


def _united(answer: Mapping[str, Any]) -> dict[str, str]:
    """The fields of several indices to their types, all of them where indices differ."""
    types: dict[str, dict[str, None]] = {}
    for entry in answer.values():
        for field, type in field_types(entry.get("mappings", {})):
            types.setdefault(field, {})[type] = None
    return {field: " | ".join(found) for field, found in types.items()}


_KEPT = {
    ("_routing", "required", True): "each document has a routing, which is needed to read and to write it",
    ("_source", "enabled", False): "documents are not kept (_source is disabled): only values in columns can be read",
    ("_source", "mode", "synthetic"): "_source is synthetic: lists in documents may be sorted, and without duplicates",
}
"""What a mapping says of whole documents, and what that means."""

_TELLING = (
    "format", "analyzer", "search_analyzer", "normalizer", "dims", "similarity", "path", "scaling_factor", "null_value",
    "ignore_above",
)  # fmt: skip
"""Parameters that change what a query of the field means."""


def field_types(mapping: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Dotted path and description of each field of a mapping {"properties": {...}}, as Elasticsearch orders them. `prefix` is the
    path of the object, with a dot behind it."""
    for name, field in mapping.get("properties", {}).items():
        type = field.get("type", "object")
        if type != "object" or not field.get("properties"):
            yield prefix + name, _describe(field, type)
        yield from field_types(field, f"{prefix}{name}.")
    if not prefix:
        for name, field in mapping.get("runtime", {}).items():
            yield name, f"{field.get('type', '?')} (runtime)"


def _paths(field: str, described: str) -> list[str]:
    """Return the paths of a field and of the sub-fields in its description."""
    return [field, *(f"{field}.{sub}" for sub in re.findall(r" \+\.(\S+):", described))]


def _describe(field: Mapping[str, Any], type: str) -> str:
    # What every text of a dynamic mapping has is not worth its space.
    details = [f"{key}={field[key]}" for key in _TELLING if key in field and f"{key}={field[key]}" != "ignore_above=256"]
    if field.get("index") is False:
        details.append("not indexed")
    if field.get("doc_values") is False:
        details.append("no sort or aggregation")
    if field.get("enabled") is False:
        details.append("not parsed")
    subs = "".join(f" +.{name}: {_describe(sub, sub.get('type', '?'))}" for name, sub in field.get("fields", {}).items())
    return type + (f" [{', '.join(details)}]" if details else "") + subs
