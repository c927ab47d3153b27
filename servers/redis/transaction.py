"""redis_transaction: any writing commands, all or nothing."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.tools import Call, Room, ToolError, tool
from servers.redis.backend import RedisBackend
from servers.redis.commands import check_scope, describe, keys_of
from servers.redis.replies import bounded
from servers.redis.values import parse_key
from servers.redis.version import check_versions


class Done(TypedDict):
    replies: Annotated[list[Any], Field(description="one for each command")]


@tool(title="Transaction", write=True, destructive=True, idempotent=False)
async def redis_transaction(
    call: Call[RedisBackend],
    *,
    commands: Annotated[
        list[Annotated[list[str], Field(min_length=1, max_length=10_000)]],
        Field(
            min_length=1,
            max_length=1000,
            description='[["HINCRBY","k","n","1"],["EXPIRE","k","60"]]; base64:... for bytes',
        ),
    ],
    if_versions: Annotated[
        dict[str, str] | None, Field(description="keys with versions: nothing is done if one has changed")
    ] = None,
) -> Done:
    """Send reading and writing commands as one MULTI: INCR, HDEL, ZREM, LSET, RENAME, COPY, EXPIRE, JSON.SET, XACK, XGROUP, XREADGROUP, XTRIM ... Refused: scripts, and what Redis counts as dangerous or administrative."""  # noqa: E501
    words = [[parse_key(word) for word in command] for command in commands]
    touched: list[bytes] = []
    for command in words:
        found = await describe(call.backend, command)
        found.refuse(writing=True)
        keys = await keys_of(call.backend, found, command)
        check_scope(call.backend, found, keys)
        touched += keys
    versions = {call.backend.scope.key(key): version for key, version in (if_versions or {}).items()}
    if not touched and not versions:
        raise ToolError("none of the commands names a key: redis_command is for those")
    call.backend.check_slots([*touched, *versions])
    async with call.backend.transaction(*versions or touched[:1]) as transaction:
        await check_versions(transaction, versions)
        answers = await transaction.execute([tuple(command) for command in words])
    room = Room(call.max_bytes)
    return {"replies": [bounded(answer, room)[0] for answer in answers]}
