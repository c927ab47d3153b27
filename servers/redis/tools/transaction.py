"""redis_transaction: any writing commands, all or nothing."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, NotRequired, TypeVar

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.protocol.tools import Call, Room, ToolError, tool
from servers.redis.client.errors import Conflict
from servers.redis.client.optimistic_lock import MOST as MOST_VERSIONED
from servers.redis.client.optimistic_lock import check_versions
from servers.redis.format.key_encoding import Word, parse_key
from servers.redis.format.replies import bounded
from servers.redis.policy.command_policy import plan
from servers.redis.policy.key_scope import ScopedRedis

T = TypeVar("T")

DUMP_BYTES = 3 * MOST_VERSIONED
"""Bytes of this process that the comparison of a version takes; keys are compared one after another."""

ATTEMPTS = 30
"""Times that a transaction is tried whose keys others change meanwhile."""


class Done(TypedDict):
    replies: Annotated[list[Any], Field(description="one per command; {error} if Redis refused it")]
    failed: Annotated[NotRequired[int], Field(description="commands that Redis refused; the others were done")]
    left_out: Annotated[NotRequired[int], Field(description="replies that did not fit; their commands were sent, too")]


@tool(title="Transaction", write=True, destructive=True, idempotent=False)
async def redis_transaction(
    call: Call[ScopedRedis],
    *,
    commands: Annotated[
        list[Annotated[list[Word], Field(min_length=1, max_length=10_000)]],
        Field(
            min_length=1,
            max_length=1000,
            description='e.g. [["HINCRBY","k","n","1"],["EXPIRE","k","60"]]; base64:... for bytes',
        ),
    ],
    if_versions: Annotated[dict[str, str] | None, Field(description="key to version; nothing is done if one has changed")] = None,
) -> Done:
    """Send commands as one MULTI, e.g. INCR, HDEL, ZREM, EXPIRE, JSON.SET, XACK, XGROUP. Scripts, and commands that Redis flags as dangerous or administrative, are refused."""  # noqa: E501
    backend = call.backend
    versions = {backend.scope.key(key): version for key, version in (if_versions or {}).items()}
    planned, weight = await plan(backend, [[parse_key(word) for word in command] for command in commands], writing=True)
    keys = [*versions, *(key for command in planned for key in command.keys)]
    if not keys:
        raise ToolError("none of the commands names a key: use redis_command")
    try:
        backend.check_slots(keys)
    except ToolError as error:
        raise ToolError(f"{error}; redis_delete deletes keys of any slots, and redis_write writes them one by one") from None
    words = [command.words for command in planned]

    async def conditional() -> list[Any]:
        async with backend.transaction(*versions) as transaction:
            await check_versions(transaction, versions)
            return await transaction.execute(words)

    room = Room(call.max_bytes)
    done: Done = {"replies": []}
    async with weight.held(DUMP_BYTES if versions else 0):
        answers = await retried(conditional) if versions else await backend.multi(words, keys[0])
        for answer in answers:
            shown, cut = bounded(answer, room)
            if cut and shown is None:
                break
            done["replies"].append(shown)
        if failed := sum(isinstance(answer, Exception) for answer in answers):
            done["failed"] = failed
        if left_out := len(answers) - len(done["replies"]):
            done["left_out"] = left_out
    return done


async def retried(work: Callable[[], Awaitable[T]]) -> T:
    """Try a transaction again whose watched keys were changed by others meanwhile. After ATTEMPTS, raise ToolError."""
    for attempt in range(ATTEMPTS):
        try:
            return await work()
        except Conflict:
            await asyncio.sleep(random.uniform(0, 0.005 * (attempt + 1)))
    raise ToolError(f"other clients changed the key during each of {ATTEMPTS} attempts, and nothing was done: try again later")
