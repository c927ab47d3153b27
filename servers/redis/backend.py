"""The connection to Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    NoPermissionError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    WatchError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from servers.common.backend import BackendError
from servers.common.tools import ToolError
from servers.redis.settings import RedisSettings

CONNECT_TIMEOUT = 3.0
"""Seconds to connect, and to wait for a free connection of the pool."""

MAX_CONNECTIONS = 32


class _Credentials(CredentialProvider):
    """Reads the password at each connect, so that a rotated one is taken up."""

    def __init__(self, settings: RedisSettings) -> None:
        self._settings = settings

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        try:
            password = self._settings.password.reveal()
        except OSError as error:
            raise AuthenticationError(f"the password file can't be read: {error.strerror}") from None
        return (self._settings.username, password) if self._settings.username else (password,)


class RedisBackend:
    """A pool of connections to one Redis. Replies are bytes: keys and values need not be text."""

    def __init__(self, settings: RedisSettings) -> None:
        self._settings = settings
        options: dict[str, Any] = {}
        if settings.tls:
            options |= {"ssl": True, "ssl_ca_certs": str(settings.ca_file) if settings.ca_file else None}
        self._client = Redis(
            host=settings.host,
            port=settings.port,
            db=settings.database,
            credential_provider=_Credentials(settings) if settings.password else None,
            decode_responses=False,
            protocol=2,
            max_connections=MAX_CONNECTIONS,
            socket_connect_timeout=CONNECT_TIMEOUT,
            socket_keepalive=True,
            # Nothing is sent twice unless we say so: a write may have happened before its answer was lost.
            retry=Retry(NoBackoff(), 0),
            client_name="mcp-redis",
            **options,
        )

    @property
    def address(self) -> str:
        return f"{self._settings.host}:{self._settings.port}"

    async def check(self) -> str:
        info = await self.read("INFO", "server")
        return f"{info.get('server_name', 'redis').capitalize()} {info.get('redis_version', 'of unknown version')}"

    async def close(self) -> None:
        await self._client.aclose()

    async def read(self, *command: Any) -> Any:
        """Sends a command that changes nothing; once more when the connection turns out to be dead.

        Raises:
            BackendError: Redis can't be reached or refuses us.
            ToolError: Redis refuses the command.
        """
        try:
            with self._translated():
                return await self._client.execute_command(*command)
        except _Disconnected:
            with self._translated():
                return await self._client.execute_command(*command)

    async def read_many(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        """Sends commands that change nothing in one round trip. An answer that is an error is an exception in the list."""

        async def send() -> list[Any]:
            with self._translated():
                async with self._client.pipeline(transaction=False) as pipeline:
                    for command in commands:
                        pipeline.execute_command(*command)
                    return await pipeline.execute(raise_on_error=False)

        if not commands:
            return []
        try:
            return await send()
        except _Disconnected:
            return await send()

    @asynccontextmanager
    async def transaction(self, *keys: bytes) -> AsyncIterator[Pipeline]:
        """A MULTI over watched keys: read with `await`, then `multi()`, queue commands, `await execute()`. Never repeated.

        Raises:
            ToolError: a key was changed by somebody else meanwhile, and nothing was done.
        """
        with self._translated():
            async with self._client.pipeline(transaction=True) as pipeline:
                if keys:
                    await pipeline.watch(*keys)
                yield pipeline

    def _translated(self) -> _Translator:
        return _Translator(self.address)


class _Disconnected(BackendError):
    """The connection broke; a reading command may be sent again."""


class _Translator:
    """Turns redis-py's exceptions into ours, with what to do and without anything secret."""

    def __init__(self, address: str) -> None:
        self._address = address

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if error is None or not isinstance(error, RedisError | OSError):
            return
        raise self.translate(error) from None

    def translate(self, error: Exception) -> Exception:
        text = str(error)
        if isinstance(error, WatchError):
            return ToolError(
                "another client changed the key at the same time, and nothing was done: read it and try again"
            )
        if isinstance(error, NoPermissionError):
            return ToolError(f"Redis does not allow it to this user: {text}")
        if isinstance(error, AuthenticationError) or "NOAUTH" in text or "WRONGPASS" in text:
            return BackendError(
                f"Redis at {self._address} refuses our login: check REDIS_PASSWORD (or REDIS_PASSWORD_FILE) and REDIS_USERNAME"
            )
        if isinstance(error, BusyLoadingError):
            return BackendError(f"Redis at {self._address} is still loading its data: try again in a while")
        if isinstance(error, RedisTimeoutError):
            return BackendError(
                f"Redis at {self._address} did not answer in time: try again, or check REDIS_HOST and REDIS_PORT"
            )
        if isinstance(error, RedisConnectionError | OSError):
            reason = error.__cause__ or error
            detail = getattr(reason, "strerror", None) or type(reason).__name__
            return _Disconnected(
                f"Redis at {self._address} can't be reached ({detail}): try again, or check REDIS_HOST and REDIS_PORT"
            )
        if isinstance(error, ReadOnlyError):
            return ToolError("this Redis is a read-only replica: connect to its master to write")
        if isinstance(error, ResponseError) and text.startswith("WRONGTYPE"):
            return ToolError("the key holds another type than this needs: redis_scan shows the types of keys")
        return ToolError(f"Redis answered: {text[:300]}")
