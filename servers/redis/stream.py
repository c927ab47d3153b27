"""redis_stream: a stream's consumer groups, and what in them waits to be acknowledged."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.tools import Call, Room, ToolError, tool
from servers.redis.backend import RedisBackend
from servers.redis.replies import pairs, plain, said
from servers.redis.values import KeyName, encode, show_name


class StreamState(TypedDict):
    stream: dict[str, Any]
    groups: NotRequired[list[dict[str, Any]]]
    consumers: NotRequired[list[dict[str, Any]]]
    pending: Annotated[NotRequired[list[dict[str, Any]]], Field(description="oldest first")]
    cursor: NotRequired[str]


@tool(title="State of a stream")
async def redis_stream(
    call: Call[RedisBackend],
    *,
    key: KeyName,
    group: Annotated[str | None, Field(description="its consumers and pending entries")] = None,
    idle_s: Annotated[int, Field(ge=0, le=10**9, description="only entries pending at least so long")] = 0,
    limit: Annotated[int, Field(ge=1, le=1000)] = 100,
    cursor: str = "-",
) -> StreamState:
    """A stream's groups with their lag; of one group its consumers and its pending entries. redis_read gives the entries themselves."""  # noqa: E501
    name = call.backend.scope.key(key)
    try:
        about = pairs(await call.backend.read("XINFO", "STREAM", name))
    except ToolError as error:
        if "no such key" in str(error):
            raise ToolError(f"there is no stream {key!r}: redis_scan with type stream finds them") from None
        raise
    state: StreamState = {
        "stream": {field: plain(value) for field, value in about.items() if not isinstance(value, list)}
    }
    for end in ("first", "last"):
        if entry := about.get(f"{end}-entry"):
            state["stream"][f"{end}-id"] = said(entry[0])
    room = Room(call.max_bytes)
    if group is None:
        groups = await call.backend.read("XINFO", "GROUPS", name)
        state["groups"] = [row for row in map(_row, groups) if room.take(row)]
        return state
    of = encode(group)
    # A group has as many consumers as a program forgot to delete: they have a fifth of the room.
    consumers = await call.backend.read("XINFO", "CONSUMERS", name, of)
    few = Room(call.max_bytes // 5)
    state["consumers"] = [row for row in map(_row, consumers) if few.take(row)]
    words: list[Any] = ["XPENDING", name, of, *(("IDLE", idle_s * 1000) if idle_s else ())]
    waiting = await call.backend.read(*words, cursor, "+", limit + 1)
    state["pending"] = []
    room = Room(call.max_bytes - call.max_bytes // 5)
    for identifier, consumer, idle, deliveries in waiting:
        row = {"id": said(identifier), "consumer": show_name(consumer), "idle_ms": idle, "deliveries": deliveries}
        if len(state["pending"]) == limit or not room.take(row):
            state["cursor"] = "(" + str(state["pending"][-1]["id"])
            break
        state["pending"].append(row)
    return state


def _row(flat: Any) -> dict[str, Any]:
    return {
        field: show_name(value) if isinstance(value, bytes) else plain(value) for field, value in pairs(flat).items()
    }
