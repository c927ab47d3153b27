"""The resources es://cluster and es://index/{name}/mapping."""

from collections.abc import Sequence

from servers.common.protocol.resources import Resource, Resources, Template
from servers.common.protocol.tools import Call, ToolError
from servers.elasticsearch.policy.index_names import inside
from servers.elasticsearch.policy.index_scope import ScopedElasticsearch, is_restricted
from servers.elasticsearch.tools.health import es_health
from servers.elasticsearch.tools.indices import es_mapping


async def _complete(call: Call[ScopedElasticsearch], typed: str) -> Sequence[str]:
    """Names of indices, aliases and data streams that go on from what was typed, but for those that are refused."""
    if any(c in typed for c in '*?,<>"\\/| '):
        return []  # no name has these
    try:
        found = await inside(call.backend, f"{typed}*", "open,closed")
    except ToolError:
        return []
    return sorted(one.name for one in found if call.backend.scope or not is_restricted(one.name))


RESOURCES = Resources(
    fixed=[Resource("es://cluster", "State of the cluster", "The cluster's state and what is wrong", es_health.function)],
    templates=[
        Template(
            "es://index/",
            "name",
            "Fields of an index",
            "The fields of an index and their types",
            lambda call, name: es_mapping.function(call, index=name),
            _complete,
            "/mapping",
        )
    ],
)
