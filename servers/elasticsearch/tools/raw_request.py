"""es_request: what the other tools do not cover, as far as it only reads."""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.protocol.tools import Call, Room, ToolError, tool
from servers.common.protocol.truncate import shorten
from servers.elasticsearch.client.backend import path as joined
from servers.elasticsearch.policy.index_names import check_bodies, within
from servers.elasticsearch.policy.index_scope import ScopedElasticsearch
from servers.elasticsearch.policy.request_costs import check_depth
from servers.elasticsearch.policy.rest_policy import check_parameters, endpoint


class RawAnswer(TypedDict):
    answer: Any
    cut: Annotated[NotRequired[dict[str, int]], Field(description="full lengths of cut values")]


@tool(title="Read-only request")
async def es_request(
    call: Call[ScopedElasticsearch],
    *,
    path: str,
    method: Literal["GET", "POST"] = "GET",
    params: Annotated[dict[str, Any] | None, Field(description="filter_path selects parts")] = None,
    body: dict[str, Any] | None = None,
) -> RawAnswer:
    """Send a request of the REST API that only reads, e.g. /_cat/shards/logs-*, /_snapshot, /_ingest/pipeline/_simulate."""
    found = endpoint(method, path)
    given = {name: ",".join(value) if _is_list(value) else value for name, value in (params or {}).items()}
    check_parameters(given)
    if wrong := [name for name, value in given.items() if not isinstance(value, str | int | float)]:
        raise ToolError(f"params: {wrong[0][:100]!r} has to be text, a number, true or false; data goes into body")
    # Documents that a pipeline is tried on are data, whatever their fields are called.
    data = (body or {}).get("docs") if "_ingest" in found.parts else None
    check_depth(data)
    asked = {key: part for key, part in (body or {}).items() if part is not data}
    told = {"text": given.get("suggest_text"), "term": {"size": given.get("suggest_size")}}
    await check_bodies(call.backend, asked, {"query_string": {"query": given.get("q", "")}, "suggest": told})
    found.check_body(method, body)
    sent = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in given.items()}
    parts = found.parts
    if not call.backend.scope:
        for expression in found.indices:
            call.backend.scope.refuse_restricted(expression)
        if method == "POST" and {"all", "hidden"} & set(sent.get("expand_wildcards", "").split(",")):
            raise ToolError("expand_wildcards all and hidden are refused here: they reach Elasticsearch's own indices")
    else:
        found = found.limited(given)
        parts = found.parts
        if found.indices:
            expand = sent.pop("expand_wildcards", "open,closed" if found.reaches_closed else "open")
            parts = found.of(await within(call.backend, found.indices[0], expand))
        elif found.pattern == "/_cluster/allocation/explain" and not (body or {}).get("index"):
            raise ToolError("name index, shard and primary in the body: without them Elasticsearch explains any shard")
        elif found.parts[:1] == ("_nodes",):
            # The last requests of HTTP clients have indices in their paths, and pipelines are of all indices.
            hidden = "-nodes.*.http.clients,-nodes.*.ingest.pipelines"
            sent["filter_path"] = ",".join(filter(None, [sent.get("filter_path"), hidden]))
    if found.parts[:1] == ("_cat",):
        sent["format"] = "json"
    answer = await call.backend.read(method, joined(*parts), params=sent, body=body)
    room = Room(call.max_bytes)
    shown, cut = shorten({"answer": answer}, room.left)
    return {"answer": shown.get("answer"), "cut": cut} if cut else {"answer": shown["answer"]}


def _is_list(value: Any) -> bool:
    """Return whether a parameter is a list of names, which Elasticsearch takes with commas."""
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
