"""The resources: redis://info, redis://keyspace and redis://key/{name}, and who is told when a key changes."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

from redis.asyncio.client import PubSub
from redis.exceptions import NoPermissionError, RedisError

from servers.common.protocol.resources import Changed, Resource, Resources, Template
from servers.common.protocol.tools import Call, Room, ToolError
from servers.redis.format.globs import literal
from servers.redis.format.key_encoding import LONGEST_NAME, parse_key, show_key
from servers.redis.policy.key_scope import ScopedRedis
from servers.redis.tools.info import redis_info
from servers.redis.tools.profile import redis_profile
from servers.redis.tools.pubsub import notifications
from servers.redis.tools.read import redis_read
from servers.redis.tools.scan import SCAN_COUNT

SAMPLE = 1000
"""Keys that redis://keyspace looks at."""

SUBSCRIBE_TIMEOUT = 10.0
"""Seconds to begin to listen."""

EVENTS = frozenset(b"g$lshzxet")
"""Kinds of notifications that together tell of each change of a key."""

COMPLETION_STEPS = 20
"""SCANs for a completion."""


async def _keyspace(call: Call[ScopedRedis]) -> Mapping[str, Any]:
    return await redis_profile.function(call, sample=SAMPLE)


async def _key(call: Call[ScopedRedis], name: str) -> Mapping[str, Any]:
    return await redis_read.function(call, key=name, limit=1000)


async def _complete(call: Call[ScopedRedis], typed: str) -> Sequence[str]:
    """Names of keys that go on from what was typed, from a bounded scan."""
    try:
        begin = parse_key(typed)
    except ToolError:
        return []
    if len(begin) > LONGEST_NAME:
        return []
    pattern = literal(begin) + b"*"
    names: set[bytes] = set()
    server, position = 0, 0
    for _ in range(COMPLETION_STEPS):
        server, position, found = await call.backend.scan(server, position, "MATCH", pattern, "COUNT", SCAN_COUNT * 4)
        names.update(name for name in found if call.backend.scope.has(name))
        if server < 0 or len(names) > 100:
            break
    return Room(call.max_bytes).kept(show_key(name) for name in sorted(names) if len(name) <= LONGEST_NAME)


KEY = Template("redis://key/", "name", "Key", "A key's type, TTL and the first page of its value", _key, _complete)


@asynccontextmanager
async def _watch(backend: ScopedRedis, uris: Sequence[str], changed: Changed) -> AsyncIterator[Sequence[str]]:
    """Watch keys for changes, by keyspace notifications (https://redis.io/docs/latest/develop/pubsub/keyspace-notifications/).

    Yields the URIs of keys that the user of the current call may read, and none where notifications of some changes are off or
    this user may not listen to them.
    """
    channel = f"__keyspace@{backend.database}__:".encode()
    async with AsyncExitStack() as stack:
        # A listener has no deadline that would bound these.
        async with asyncio.timeout(SUBSCRIBE_TIMEOUT):
            keys = await _readable(backend, uris)
            events = await notifications(backend) if keys else b""
            if b"K" not in events or not (b"A" in events or set(events) >= EVENTS):
                keys = {}
            # Each server of a cluster tells of its own keys only.
            connections = [await stack.enter_async_context(c) for c in await backend.pubsubs()] if keys else []
            for connection in connections:
                if not await _subscribed(backend, connection, [channel + key for key in keys]):
                    keys = {}
                    break
        for connection in connections if keys else ():
            task = asyncio.create_task(_tell(connection, channel, keys, changed))
            stack.push_async_callback(asyncio.wait, [task])
            stack.callback(task.cancel)
        yield list(keys.values())


async def _readable(backend: ScopedRedis, uris: Sequence[str]) -> dict[bytes, str]:
    """Return the keys of URIs that may be read, and their URIs."""
    keys: dict[bytes, str] = {}
    for uri in uris:
        if (name := KEY.name_in(uri)) is not None:
            with suppress(ToolError):
                keys[backend.scope.key(name)] = uri
    kinds = await backend.read_many([("TYPE", key) for key in keys])
    return {key: uri for (key, uri), kind in zip(keys.items(), kinds, strict=True) if not isinstance(kind, Exception)}


async def _subscribed(backend: ScopedRedis, connection: PubSub, channels: list[bytes]) -> bool:
    """Subscribe to channels, and return whether Redis has confirmed them; false if this user may not."""
    with backend.translated():
        try:
            await connection.subscribe(*channels)
            confirmed = 0
            async for message in connection.listen():
                confirmed += message["type"] == "subscribe"
                if confirmed == len(channels):
                    break
        except NoPermissionError:
            return False
    return True


async def _tell(connection: PubSub, channel: bytes, keys: Mapping[bytes, str], changed: Changed) -> None:
    while True:
        with suppress(RedisError, OSError):
            async for message in connection.listen():
                # After a lost connection redis-py subscribes again: what happened meanwhile is lost, so all may have changed.
                if message["type"] in ("message", "subscribe"):
                    await changed(keys[message["channel"].removeprefix(channel)])
        await asyncio.sleep(1)


RESOURCES = Resources(
    fixed=[
        Resource("redis://info", "State of Redis", "The state of Redis and what looks wrong", redis_info.function),
        Resource("redis://keyspace", "Keyspace", "Groups of keys by prefix, from a sample", _keyspace),
    ],
    templates=[KEY],
    watch=_watch,
)
