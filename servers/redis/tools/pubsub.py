"""redis_pubsub and redis_publish: messages as they pass."""

import asyncio
import re
from contextlib import AsyncExitStack
from typing import Annotated, Any, NotRequired

from pydantic import Field
from redis.asyncio.client import PubSub
from typing_extensions import TypedDict

from servers.common.backend import BackendError, time_left, warn
from servers.common.memory_budget import hold
from servers.common.protocol.tools import Call, Room, ToolError, tool
from servers.redis.client.errors import warn_of
from servers.redis.client.memory_guard import AnswerTooLong
from servers.redis.format.globs import check_glob
from servers.redis.format.key_encoding import parse, show, show_key
from servers.redis.policy.key_scope import ScopedRedis

GLOB = frozenset(b"*?[")

MARGIN = 0.5
"""Seconds before the call's deadline at which listening ends, so that what was heard is told."""

SUBSCRIBE_TIMEOUT = 5.0
"""Seconds to begin to listen to a server."""

ENDED = "the operator allows a call no more time (MCP_CALL_TIMEOUT_SECONDS)"

NOTIFICATION = re.compile(rb"__key(?:space|event)@(\d+)__:")
"""Channels of keyspace notifications, with the number of the database."""


class Heard(TypedDict):
    channels: Annotated[NotRequired[list[dict[str, Any]]], Field(description="active channels, with numbers of subscribers")]
    messages: NotRequired[list[dict[str, Any]]]
    cut: Annotated[NotRequired[bool], Field(description="there were more")]
    ended: Annotated[NotRequired[str], Field(description="why it ended before its time")]


@tool(title="Listen to channels", idempotent=False)
async def redis_pubsub(
    call: Call[ScopedRedis],
    *,
    listen: Annotated[list[str], Field(max_length=50, description="channels or globs; absent: list active channels")] = [],  # noqa: B006 - pydantic copies it
    seconds: Annotated[float, Field(ge=0.1, le=25)] = 5,
    limit: Annotated[int, Field(ge=1, le=1000)] = 100,
) -> Heard:
    """List active pub/sub channels, or listen to some for a while. Redis does not keep earlier messages."""
    if not listen:
        async with hold(0, estimated=True):  # names of channels are of any length
            return await _channels(call, limit)
    names = [call.backend.scope.key(name) for name in listen]
    globs = [name for name in names if GLOB & set(name)]
    for glob in globs:
        check_glob(glob)
    if globs and any(GLOB & set(prefix) for prefix in call.backend.scope.prefixes):
        raise ToolError(f"{show_key(globs[0])!r}: where prefixes have glob characters, give whole names of channels")
    if any(name.startswith(b"__key") for name in names) and not await notifications(call.backend):
        warn("Redis sends no notifications of changed keys: its setting notify-keyspace-events is empty")
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue(limit + 1)
    async with AsyncExitStack() as stack:
        connections = await _subscribed(call.backend, stack, names, globs)
        hearing = (_hear(c, call.backend.database, heard, first=c is connections[0]) for c in connections)
        tasks = list(map(asyncio.create_task, hearing))
        try:
            return await _collect(call, heard, tasks, seconds, limit)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _subscribed(backend: ScopedRedis, stack: AsyncExitStack, names: list[bytes], globs: list[bytes]) -> list[PubSub]:
    """Return connections that listen: to one server, or to each of a cluster that is there if it may tell of its own keys."""
    found: list[PubSub] = []
    failures: list[BackendError] = []
    of_each = any(map(_may_notify, names))
    for connection in await backend.pubsubs():
        if found and not of_each:
            break
        await stack.enter_async_context(connection)
        try:
            with backend.translated():
                async with asyncio.timeout(SUBSCRIBE_TIMEOUT):
                    for name in names:
                        await (connection.psubscribe(name) if name in globs else connection.subscribe(name))
        except BackendError as error:
            failures.append(error)
        else:
            found.append(connection)
    if not found:
        raise failures[0]
    if failures and of_each:
        warn_of(failures, len(failures) + len(found))
    return found


async def notifications(backend: ScopedRedis) -> bytes:
    """Return which notifications of changed keys Redis sends, as its setting says; all if this user may not ask."""
    try:
        found = await backend.read("CONFIG", "GET", "notify-keyspace-events")
    except (ToolError, BackendError):
        found = []
    return bytes(found[1]) if len(found) > 1 else b"KEA"


def _may_notify(name: bytes) -> bool:
    """Return whether a channel or glob may be one of notifications, of which each server of a cluster sends its own."""
    return b"__key".startswith(re.split(rb"[*?\[\\]", name)[0][:5])


async def _channels(call: Call[ScopedRedis], limit: int) -> Heard:
    found = {name for server in await call.backend.each("PUBSUB", "CHANNELS") for name in server if call.backend.scope.has(name)}
    names = sorted(found)[:limit]
    counts: dict[bytes, int] = {}
    for flat in await call.backend.each("PUBSUB", "NUMSUB", *names):
        for name, count in zip(flat[::2], flat[1::2], strict=True):
            counts[name] = counts.get(name, 0) + count
    kept = Room(call.max_bytes).kept({"channel": show_key(name), "subscribers": counts.get(name, 0)} for name in names)
    return {"channels": kept, "cut": True} if len(kept) < len(found) else {"channels": kept}


async def _hear(connection: PubSub, database: int, into: asyncio.Queue[dict[str, Any]], *, first: bool) -> None:
    """Pass messages on. What is published comes from every server of a cluster, and is taken from the first; and it comes by each
    channel and glob that matches, and is taken from that which was heard first."""
    own = b"%d" % database
    by: dict[bytes, bytes | None] = {}
    try:
        async for message in connection.listen():
            if message["type"] in ("message", "pmessage"):
                channel, pattern = message["channel"], message["pattern"]
                of = NOTIFICATION.match(channel)
                # Channels are common to all databases; what they tell of the keys of another one is not for this server.
                if (of[1] == own if of else first) and by.setdefault(channel, pattern) == pattern:
                    await into.put(message)
    except AnswerTooLong:
        raise ToolError("a message is too long to be read, so listening ended with it") from None


async def _collect(
    call: Call[ScopedRedis],
    heard: asyncio.Queue[dict[str, Any]],
    tasks: list[asyncio.Task[None]],
    seconds: float,
    limit: int,
) -> Heard:
    loop = asyncio.get_running_loop()
    start = loop.time()
    short = time_left() - MARGIN < seconds
    end = start + min(seconds, time_left() - MARGIN)
    room = Room(call.max_bytes)
    messages: list[dict[str, Any]] = []
    while (left := end - loop.time()) > 0:
        try:
            async with asyncio.timeout(min(left, 1.0)):
                message = await heard.get()
        except TimeoutError:
            if ended := next((task for task in tasks if task.done()), None):
                try:
                    with call.backend.translated():
                        ended.result()
                except (BackendError, ToolError) as error:
                    if not messages:
                        raise
                    return {"messages": messages, "ended": str(error)}
            await call.progress(loop.time() - start, seconds, f"{len(messages)} messages")
            continue
        row = room.fit({"channel": show_key(message["channel"]), "message": show(message["data"], 4096)})
        if len(messages) == limit or row is None:
            return {"messages": messages, "cut": True}
        messages.append(row)
    return {"messages": messages, "ended": ENDED} if short else {"messages": messages}


class Published(TypedDict):
    received_by: Annotated[int, Field(description="number of subscribers; in a cluster, of one server's")]


@tool(title="Publish a message", write=True, idempotent=False)
async def redis_publish(
    call: Call[ScopedRedis],
    *,
    channel: str,
    message: str,
    base64: Annotated[bool, Field(description="message is base64")] = False,
) -> Published:
    """Publish a message on a pub/sub channel. Only current subscribers receive it."""
    name = call.backend.scope.key(channel)
    return {"received_by": await call.backend.write("PUBLISH", name, parse(message, base64))}
