"""Commands over a connection of redis-py's pools, and their answers as Redis gives them.

redis-py's own `execute_command` and pipelines cost a call twice as much: a timer for each answer, retries, metrics and
callbacks, none of which is used here. Logins, TLS and who has which connection are redis-py's to do.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import TimeoutError as RedisTimeoutError

from servers.redis.resp import clean, packed, replies

ANSWER_TIMEOUT = 5.0
"""Seconds that the answers to what was sent together may take."""

Command = tuple[Any, ...]
"""A command's words. Keys and values are bytes, everything else is str, int or float."""


class Pool(BlockingConnectionPool):
    """redis-py's, but where a connection is there and nobody waits for one, it changes hands without locks, timers, events and
    metrics, none of which is used here."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._waiting = 0

    async def get_connection(self, command_name: Any = None, *keys: Any, **options: Any) -> AbstractConnection:
        if not self._waiting and self._available_connections and clean(self._available_connections[-1]):
            taken: AbstractConnection = self.get_available_connection()  # type: ignore[no-untyped-call]
            return taken
        self._waiting += 1
        try:
            waited: AbstractConnection = await super().get_connection()  # type: ignore[no-untyped-call]
            return waited
        finally:
            self._waiting -= 1

    async def release(self, connection: AbstractConnection) -> None:
        if self._waiting or connection.should_reconnect():
            await super().release(connection)
        else:
            self._in_use_connections.remove(connection)
            self._available_connections.append(connection)


async def ask(client: Redis, commands: Sequence[Command]) -> list[Any]:
    """The answers to commands that are sent together. One that is an error is an exception in the list.

    Raises:
        redis.RedisError: Redis can't be reached, or does not answer in time.
    """
    pool = client.connection_pool
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT):
            connection = await pool.get_connection()
            try:
                await connection.send_packed_command(packed(commands))
                return await replies(connection, len(commands))
            finally:
                await pool.release(connection)
    except TimeoutError:
        raise _late() from None


async def one(client: Redis, command: Command) -> Any:
    """The answer to a command.

    Raises:
        redis.RedisError: as `ask`, or the answer is an error.
    """
    (answer,) = await ask(client, [command])
    if isinstance(answer, Exception):
        raise answer
    return answer


@asynccontextmanager
async def in_time() -> AsyncIterator[None]:
    """Raises redis.TimeoutError where Redis does not answer in time."""
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT):
            yield
    except TimeoutError:
        raise _late() from None


def _late() -> RedisTimeoutError:
    return RedisTimeoutError(f"no answer within {ANSWER_TIMEOUT:g} s")
