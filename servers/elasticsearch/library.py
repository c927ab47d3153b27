"""The resources es://cluster and es://index/{name}/mapping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from servers.common.resources import Resource, Resources, Template
from servers.common.tools import Call, ToolError
from servers.elasticsearch.backend import ElasticsearchBackend
from servers.elasticsearch.health import es_health
from servers.elasticsearch.indices import es_mapping
from servers.elasticsearch.names import inside


async def _cluster(call: Call[ElasticsearchBackend]) -> Mapping[str, Any]:
    return await es_health.function(call, about=[])


async def _mapping(call: Call[ElasticsearchBackend], name: str) -> Mapping[str, Any]:
    return await es_mapping.function(call, index=name, fields="*", full=False)


async def _complete(call: Call[ElasticsearchBackend], typed: str) -> Sequence[str]:
    """Names of indices, aliases and data streams that go on from what was typed."""
    if any(c in typed for c in '*?,<>"\\/| '):
        return []  # no name has these
    try:
        return sorted(found.name for found in await inside(call.backend, f"{typed}*"))
    except ToolError:
        return []


RESOURCES = Resources(
    fixed=[
        Resource("es://cluster", "State of the cluster", "What es_health gives: its state, and what is wrong", _cluster)
    ],
    templates=[
        Template(
            "es://index/",
            "name",
            "Fields of an index",
            "What es_mapping gives: the fields of an index and their types",
            _mapping,
            _complete,
            "/mapping",
        )
    ],
)
