"""es_analyze: which terms a text becomes."""

from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.protocol.tools import Call, Room, ToolError, tool
from servers.elasticsearch.client.backend import path
from servers.elasticsearch.policy.index_names import IndexName, known_fields, unknown_fields, within
from servers.elasticsearch.policy.index_scope import ScopedElasticsearch


class Tokens(TypedDict):
    tokens: list[str]
    cut: NotRequired[bool]


LONGEST_TEXT = 20_000


@tool(title="Analyze a text")
async def es_analyze(
    call: Call[ScopedElasticsearch],
    *,
    text: str,
    index: IndexName | None = None,
    field: str | None = None,
    analyzer: Annotated[str | None, Field(description="e.g. english")] = None,
) -> Tokens:
    """Show which terms a text becomes in a field."""
    if len(text) > LONGEST_TEXT:
        raise ToolError(f"the text has {len(text)} characters, more than {LONGEST_TEXT}")
    if field and not index:
        raise ToolError("give the index of the field")
    if bool(field) == bool(analyzer):
        raise ToolError("give either field, with its index, or analyzer")
    if index:
        index = await within(call.backend, index)
    body: dict[str, Any] = {"text": text} | ({"field": field} if field else {"analyzer": analyzer})
    # Elasticsearch takes the default analyzer for a field that is not there.
    if index and field and not (await known_fields(call.backend, index, field)).get(field):
        raise ToolError(*await unknown_fields(call.backend, index, field))
    answer = await call.backend.read("POST", path(*([index] if index else []), "_analyze"), body=body)
    room = Room(call.max_bytes)
    terms = [token["token"] for token in answer["tokens"]]
    kept = [term for term in terms if room.take(term)]
    return {"tokens": kept, "cut": True} if len(kept) < len(terms) else {"tokens": kept}
