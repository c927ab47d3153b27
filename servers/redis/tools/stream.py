"""redis_stream: a stream's consumer groups, and what in them waits to be acknowledged."""

import contextlib
from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.memory_budget import hold
from servers.common.protocol.tools import Call, Room, ToolError, tool
from servers.redis.format.key_encoding import LONGEST_NAME, KeyName, Pattern, parse_key, show_name
from servers.redis.format.replies import as_json, pairs, said
from servers.redis.format.replies import words as said_error
from servers.redis.policy.command_cost import COPIES_OF_STREAM, memory_usage
from servers.redis.policy.key_scope import ScopedRedis
from servers.redis.tools.scan import Cursor, warn_of_refusals

LONGEST_ENDS = 1024 * 1024
"""Bytes of the first and the last entry of a stream of which more is told than its length."""

GROUPS = 20
"""Groups of a stream in the overview."""

MOST_GROUPS = 10_000
"""Groups that Redis is asked to list: their rows are read in one step."""


class StreamState(TypedDict):
    streams: Annotated[
        NotRequired[list[dict[str, Any]]], Field(description="streams that match pattern, most pending entries first")
    ]
    stream: NotRequired[dict[str, Any]]
    groups: NotRequired[list[dict[str, Any]]]
    consumers: NotRequired[list[dict[str, Any]]]
    pending: Annotated[NotRequired[list[dict[str, Any]]], Field(description="oldest first")]
    left_out: Annotated[NotRequired[int], Field(description="further streams")]
    cursor: NotRequired[str]


@tool(title="State of a stream")
async def redis_stream(
    call: Call[ScopedRedis],
    *,
    key: Annotated[KeyName | None, Field(description="absent: all streams that match pattern")] = None,
    pattern: Pattern = "*",
    group: Annotated[str | None, Field(description="show its consumers and pending entries")] = None,
    idle_s: Annotated[int, Field(ge=0, le=10**9, description="only entries pending at least this long")] = 0,
    limit: Annotated[int, Field(ge=1, le=1000)] = 100,
    cursor: str = "-",
) -> StreamState:
    """Show a stream's groups with their lag, a group's consumers and pending entries, or all streams. Use redis_read to read entries."""  # noqa: E501
    if key is None:
        if group is not None:
            raise ToolError("give the key of the group's stream")
        return await _overview(call, pattern, limit, cursor)
    if pattern != "*":
        raise ToolError("give either key or pattern")
    if idle_s and group is None:
        raise ToolError("idle_s chooses pending entries of a group: give the group, too")
    name = call.backend.scope.key(key)
    length, memory = await call.backend.read_many([("XLEN", name), memory_usage(name)])
    if isinstance(length, Exception):
        raise ToolError(f"{key!r} is not a stream that can be read: {said_error(length)}")
    if memory is None:
        raise ToolError(f"there is no stream {key!r}: redis_scan with type stream finds them")
    state: StreamState = {"stream": {"length": length}}
    # XINFO STREAM answers with the first and the last entry.
    ends = min(memory, 4 * memory // max(length, 1)) if isinstance(memory, int) else 0
    if ends <= LONGEST_ENDS:
        # One of them may be much longer than the others: then no more is told either.
        with contextlib.suppress(ToolError):
            async with hold(COPIES_OF_STREAM * ends, estimated=True):
                about = pairs(await call.backend.read("XINFO", "STREAM", name))
                state["stream"] = {field: as_json(value) for field, value in about.items() if not isinstance(value, list)}
                for end in ("first", "last"):
                    if entry := about.get(f"{end}-entry"):
                        state["stream"][f"{end}-id"] = said(entry[0])
    if (many := state["stream"].get("groups", 0)) > MOST_GROUPS:
        raise ToolError(f"{key!r} has {many} groups, and up to {MOST_GROUPS} can be listed: delete unused ones (XGROUP DESTROY)")
    if group is None:
        groups = await call.backend.read("XINFO", "GROUPS", name)
        state["groups"] = Room(call.max_bytes, 1024).kept(map(_row, groups), "groups")
        return state
    of = parse_key(group)
    # A group has as many consumers as a program forgot to delete: they have a fifth of the room.
    consumers = await call.backend.read("XINFO", "CONSUMERS", name, of)
    state["consumers"] = Room(call.max_bytes // 5).kept(map(_row, consumers), "consumers")
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


async def _overview(call: Call[ScopedRedis], pattern: str, limit: int, cursor: str) -> StreamState:
    """All streams that match a pattern, with what is pending in their groups, most pending first."""
    at = Cursor("0" if cursor == "-" else cursor)
    words = ("MATCH", call.backend.scope.pattern(pattern), "TYPE", "stream")
    rows: list[dict[str, Any]] = []
    async for names in at.steps(call, *words, told=lambda: f"{len(rows)} streams"):
        answers = await call.backend.read_many([c for name in names for c in (("XLEN", name), ("XINFO", "GROUPS", name))])
        for name, length, groups in zip(names, answers[::2], answers[1::2], strict=True):
            if length:  # else it may be gone, of which XINFO answers with an error
                warn_of_refusals((length, groups), "streams")
            if isinstance(length, int) and isinstance(groups, list):
                of = [
                    {key: row[key] for key in ("name", "consumers", "pending", "lag") if key in row}
                    for row in map(_row, groups[:GROUPS])
                ]
                pending = sum(row["pending"] for row in map(_row, groups))
                row = {"key": show_name(name, LONGEST_NAME), "length": length, "pending": pending, "groups": of}
                rows.append(row | ({"groups_left_out": len(groups) - GROUPS} if len(groups) > GROUPS else {}))
    rows.sort(key=lambda row: (-row["pending"], -row["length"], row["key"]))
    room = Room(call.max_bytes, rest="redis_scan shows whole keys, and redis_stream with key all groups")
    told = room.kept(rows[:limit])
    more = {"left_out": len(rows) - len(told)} if len(told) < len(rows) else {}
    return {"streams": told, **more, **at.following()}  # type: ignore[typeddict-item]


def _row(flat: Any) -> dict[str, Any]:
    return {field: show_name(value) if isinstance(value, bytes) else as_json(value) for field, value in pairs(flat).items()}
