"""es_indices and es_mapping: which indices there are, and which fields their documents have."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.tools import Call, Room, ToolError, size, tool
from servers.elasticsearch.backend import ElasticsearchBackend, path
from servers.elasticsearch.names import IndexPattern, near_names


class Index(TypedDict):
    index: str
    docs: NotRequired[int]
    bytes: NotRequired[int]
    health: NotRequired[str]
    shards: Annotated[str, Field(description="primaries x copies")]
    aliases: NotRequired[list[str]]
    closed: NotRequired[bool]


class DataStream(TypedDict):
    name: str
    indices: Annotated[int, Field(description="backing indices")]


class Indices(TypedDict):
    total: Annotated[int, Field(description="indices that match")]
    indices: list[Index]
    data_streams: NotRequired[list[DataStream]]
    cursor: NotRequired[str]


@tool(title="List indices")
async def es_indices(
    call: Call[ElasticsearchBackend],
    *,
    pattern: IndexPattern = "*",
    hidden: Annotated[bool, Field(description="also hidden ones")] = False,
    limit: Annotated[int, Field(ge=1, le=1000)] = 100,
    cursor: str | None = None,
) -> Indices:
    """List indices by name, with documents, size, health and aliases, and data streams."""
    expand = "open,closed,hidden" if hidden else "open,closed"
    async with near_names(call.backend):
        rows, resolved = await asyncio.gather(
            call.backend.read(
                "GET",
                path("_cat", "indices", pattern),
                params={
                    "format": "json",
                    "bytes": "b",
                    "h": "index,health,status,docs.count,store.size,pri,rep",
                    "expand_wildcards": expand,
                },
            ),
            call.backend.read("GET", path("_resolve", "index", pattern), params={"expand_wildcards": expand}),
        )
    aliases = {entry["name"]: entry.get("aliases", []) for entry in resolved["indices"]}
    rows.sort(key=lambda row: row["index"])
    room = Room(call.max_bytes)
    answer: Indices = {"total": len(rows), "indices": []}
    streams: list[DataStream] = [
        {"name": s["name"], "indices": len(s.get("backing_indices", ()))} for s in resolved["data_streams"]
    ]
    if streams and cursor is None:
        answer["data_streams"] = [s for s in streams if room.take(s)]
    for row in rows:
        if cursor is not None and row["index"] <= cursor:
            continue
        index = _index(row, aliases.get(row["index"], []))
        if len(answer["indices"]) == limit or not room.take(index):
            answer["cursor"] = answer["indices"][-1]["index"] if answer["indices"] else cursor or ""
            break
        answer["indices"].append(index)
    return answer


def _index(row: Mapping[str, str | None], aliases: list[str]) -> Index:
    index: Index = {"index": row["index"] or "", "shards": f"{row['pri']}x{int(row['rep'] or 0) + 1}"}
    # A closed index, and one whose primaries are missing, has no numbers.
    if row.get("docs.count"):
        index["docs"] = int(row["docs.count"] or 0)
    if row.get("store.size"):
        index["bytes"] = int(row["store.size"] or 0)
    if row.get("health"):
        index["health"] = row["health"] or ""
    if aliases:
        index["aliases"] = aliases[:20]
    if row.get("status") == "close":
        index["closed"] = True
    return index


class Group(TypedDict):
    indices: Annotated[list[str], Field(description="that have this mapping; 20 are named at the most")]
    count: Annotated[int, Field(description="of indices")]
    dynamic: Annotated[NotRequired[str], Field(description="what becomes of unknown fields, where not the default")]
    fields: Annotated[
        NotRequired[dict[str, str]],
        Field(description="dotted path to type; +.x: sub-field; [..]: parameters that matter to queries"),
    ]
    left_out: Annotated[NotRequired[int], Field(description="fields that did not fit: ask for some by `fields`")]
    mapping: Annotated[NotRequired[dict[str, Any]], Field(description="with full: as Elasticsearch has it")]


class Mappings(TypedDict):
    mappings: list[Group]
    left_out: Annotated[NotRequired[int], Field(description="groups that did not fit")]


@tool(title="Fields of an index")
async def es_mapping(
    call: Call[ElasticsearchBackend],
    *,
    index: IndexPattern,
    fields: Annotated[str, Field(description="only these paths; * matches any, dots too")] = "*",
    full: Annotated[bool, Field(description="the mapping's JSON in place of the digest")] = False,
) -> Mappings:
    """The fields of an index and their types: look before you query. Indices with the same mapping come together. text is for match, keyword for term, sort and aggregations."""  # noqa: E501
    async with near_names(call.backend):
        answer = await call.backend.read(
            "GET",
            path(index, "_mapping"),
            params={"allow_no_indices": "false", "expand_wildcards": "open,closed,hidden"},
        )
    groups: dict[str, tuple[list[str], dict[str, Any]]] = {}
    for name, entry in sorted(answer.items()):
        mapping = entry.get("mappings", {})
        groups.setdefault(repr(mapping), ([], mapping))[0].append(name)
    room = Room(call.max_bytes)
    found: list[Group] = []
    for names, mapping in groups.values():
        group: Group = {"indices": names[:20], "count": len(names)}
        if "dynamic" in mapping:
            group["dynamic"] = str(mapping["dynamic"])
        if full:
            if fields != "*":
                raise ToolError("fields narrows the digest only: leave out full, or fields")
            group["mapping"] = mapping
            if not found and size(group) > room.left:
                raise ToolError(
                    f"the mapping has {size(group)} bytes, more than fit: leave out full, and narrow the digest by fields"
                )
            if not room.take(group):
                break
        else:
            if size(group) + 100 > room.left and found:
                break
            room.take(group)
            group["fields"] = {}
            missing = 0
            for field, type in digest(mapping):
                if not fnmatchcase(field, fields):
                    continue
                if missing or size({field: type}) > room.left or not room.take({field: type}):
                    missing += 1
                else:
                    group["fields"][field] = type
            if missing:
                group["left_out"] = missing
        found.append(group)
    if fields != "*" and not any(group.get("fields") or group.get("left_out") for group in found):
        raise ToolError(f"no field of {index!r} matches {fields!r}: es_mapping without fields lists all")
    result: Mappings = {"mappings": found}
    if len(found) < len(groups):
        result["left_out"] = len(groups) - len(found)
    return result


_TELLING = (
    "format",
    "analyzer",
    "search_analyzer",
    "normalizer",
    "dims",
    "similarity",
    "path",
    "scaling_factor",
    "null_value",
)
"""Parameters that change what a query of the field means."""


def digest(mapping: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Dotted path and description of each field of a mapping, as Elasticsearch orders them.

    Args:
        mapping: {"properties": {...}}, of an index or an object
        prefix: the path of the object, with a dot behind it
    """
    for name, field in mapping.get("properties", {}).items():
        type = field.get("type", "object")
        if type != "object" or not field.get("properties"):
            yield prefix + name, _describe(field, type)
        yield from digest(field, f"{prefix}{name}.")
    if not prefix:
        for name, field in mapping.get("runtime", {}).items():
            yield name, f"{field.get('type', '?')} (runtime)"


def _describe(field: Mapping[str, Any], type: str) -> str:
    details = [f"{key}={field[key]}" for key in _TELLING if key in field]
    if field.get("index") is False:
        details.append("not indexed")
    if field.get("doc_values") is False:
        details.append("no sort or aggregation")
    if field.get("enabled") is False:
        details.append("not parsed")
    subs = "".join(f" +.{name}: {sub.get('type', '?')}" for name, sub in field.get("fields", {}).items())
    return type + (f" [{', '.join(details)}]" if details else "") + subs
