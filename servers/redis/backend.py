"""Commands to Redis, wherever the server is that has their keys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline, PubSub
from redis.crc import key_slot
from redis.exceptions import AskError, MovedError

from servers.common.tools import ToolError
from servers.redis.connection import Command, ask, in_time, one
from servers.redis.deployment import deploy
from servers.redis.failures import CROSS_SLOT, Disconnected, Redirected, translated
from servers.redis.replies import info
from servers.redis.scope import Mask, Scope
from servers.redis.settings import RedisSettings

T = TypeVar("T")

MODULES = {"search": "FT.SEARCH", "json": "JSON.GET", "timeseries": "TS.GET", "vectors": "VSIM"}
"""What Redis may have beside its core, and a command that only then is there."""


class RedisBackend:
    """One Redis: a server, a master that sentinels name, or a cluster.

    Replies are as Redis gives them in RESP2: bytes, int, list and None. In a cluster a command goes to the server that has
    the key: `at`, or else the first of its words that is bytes.
    """

    def __init__(self, settings: RedisSettings) -> None:
        self._redis = deploy(settings)
        self._database = settings.database
        self._modules: frozenset[str] | None = None
        self._server = ""
        self.clustered = settings.mode == "cluster"
        self.read_string = False
        """Whether the key read last was a string, and the next one may well be."""
        self.scope = Scope(settings.key_prefixes)
        self.mask = Mask(settings.mask)

    @property
    def address(self) -> str:
        return self._redis.address

    @property
    def database(self) -> int:
        return self._database

    async def check(self) -> str:
        fields = info(await self.read("INFO", "server"))
        if fields.get("run_id", "") != self._server:
            found = await self.read("COMMAND", "INFO", *MODULES.values())
            self._modules = frozenset(name for name, said in zip(MODULES, found, strict=True) if said)
            self._server = fields.get("run_id", "")
        name = "Valkey" if "valkey_version" in fields else fields.get("server_name", "redis").capitalize()
        return f"{name} {fields.get('valkey_version') or fields.get('redis_version', 'of unknown version')}"

    def has(self, module: str) -> bool:
        """Whether there is a module, a name of MODULES; true as long as Redis was not reached."""
        return self._modules is None or module in self._modules

    async def close(self) -> None:
        await self._redis.close()

    async def read(self, *command: Any, at: bytes | None = None) -> Any:
        """Sends a command that changes nothing; once more when the connection turns out to be dead.

        Raises:
            BackendError: Redis can't be reached or refuses us.
            ToolError: Redis refuses the command.
        """
        return await self._twice(lambda: self._send(command, at))

    async def _twice(self, work: Callable[[], Awaitable[T]]) -> T:
        """Does what changes nothing; once more when the connection turns out to be dead."""
        try:
            return await work()
        except Disconnected:
            await self._redis.refresh()
            return await work()

    async def write(self, *command: Any, at: bytes | None = None) -> Any:
        """Sends a command that changes something, never twice."""
        return await self._send(command, at)

    async def _send(self, command: Command, at: bytes | None) -> Any:
        with self.translated():
            client = await self._redis.of(at if at is not None else _key(command))
            try:
                return await one(client, command)
            except AskError as error:
                if not self.clustered:
                    raise
                # It was not done, so it may be sent again, a write too.
                if isinstance(error, MovedError):
                    await self._redis.refresh()
                return await self._redirected(error, command)

    async def _redirected(self, error: AskError, command: Command) -> Any:
        """Sends a command to where its slot is moving to, or has moved to."""
        for client in await self._redis.all():
            where = client.connection_pool.connection_kwargs
            if where["port"] == error.port and where["host"] in (error.host, where["host"] if not error.host else ""):
                _, answer = await ask(client, [("ASKING",), command])
                if isinstance(answer, Exception):
                    raise answer
                return answer
        raise Redirected("the key's slot is moving to a server that is not known yet: try again in a second")

    def translated(self) -> translated:
        """A context that turns redis-py's exceptions into ours."""
        return translated(self.address, clustered=self.clustered)

    async def read_many(self, commands: Sequence[Command]) -> list[Any]:
        """Sends commands that change nothing, in one round trip to each server. An answer that is an error is an exception
        in the list."""
        return await self._twice(lambda: self._pipeline(commands))

    async def write_many(self, commands: Sequence[Command]) -> list[Any]:
        """As `read_many` for commands that change something: each is sent once, and they are no transaction."""
        return await self._pipeline(commands)

    async def _pipeline(self, commands: Sequence[Command]) -> list[Any]:
        if not commands:
            return []
        answers: list[Any] = [None] * len(commands)
        with self.translated():
            if not self.clustered:
                return await ask(await self._redis.of(None), commands)
            groups: dict[Redis, list[int]] = {}
            for index, command in enumerate(commands):
                groups.setdefault(await self._redis.of(_key(command)), []).append(index)

            async def send(client: Redis, indices: list[int]) -> None:
                found = await ask(client, [commands[index] for index in indices])
                for index, answer in zip(indices, found, strict=True):
                    answers[index] = answer

            await asyncio.gather(*(send(client, indices) for client, indices in groups.items()))
        for index, answer in enumerate(answers):
            if isinstance(answer, AskError):  # or MovedError, which is one
                try:
                    answers[index] = await self._send(commands[index], None)
                except ToolError as error:
                    answers[index] = error
        return answers

    async def each(self, *command: Any) -> list[Any]:
        """The answers of every server to a command that changes nothing."""

        async def asked() -> list[Any]:
            with self.translated():
                clients = await self._redis.all()
                return list(await asyncio.gather(*(one(client, command) for client in clients)))

        return await self._twice(asked)

    async def scan(self, server: int, position: int, *words: Any) -> tuple[int, int, list[bytes]]:
        """One SCAN on one of the servers.

        Returns:
            the server and the position to go on with, server -1 at the end; and the names found.
        """

        async def asked() -> tuple[int, int, list[bytes]]:
            with self.translated():
                clients = await self._redis.all()
                if server >= len(clients):
                    return -1, 0, []
                following, names = await one(clients[server], ("SCAN", position, *words))
            if int(following):
                return server, int(following), names
            return (server + 1 if server + 1 < len(clients) else -1), 0, names

        return await self._twice(asked)

    async def pubsub(self, key: bytes | None = None) -> PubSub:
        """A connection that listens, to the server that has a key. Close it."""
        with self.translated():
            return (await self._redis.of(key)).pubsub()

    async def pubsubs(self) -> list[PubSub]:
        """A connection that listens to each server. Close them."""
        with self.translated():
            return [client.pubsub() for client in await self._redis.all()]

    @asynccontextmanager
    async def transaction(self, *keys: bytes) -> AsyncIterator[Transaction]:
        """A MULTI over watched keys. Never repeated.

        Args:
            keys: to watch; in a cluster all of one slot

        Raises:
            ToolError: a key was changed by somebody else meanwhile, and nothing was done.
        """
        for again in (True, False):
            with self.translated():
                client = await self._redis.of(keys[0])
                async with in_time(), client.pipeline(transaction=True) as pipeline:
                    try:
                        await pipeline.watch(*keys)
                    except MovedError:
                        if not self.clustered or not again:
                            raise
                        await self._redis.refresh()
                        continue
                    yield Transaction(pipeline)
                    return

    def check_slots(self, keys: Iterable[bytes]) -> None:
        """Raises ToolError for keys that a cluster keeps in different slots, where they can't be used together."""
        if self.clustered and len({key_slot(key) for key in keys}) > 1:
            raise ToolError(CROSS_SLOT)

    async def multi(self, commands: Sequence[Command], at: bytes) -> list[Any]:
        """Do commands as one (MULTI and EXEC), without watching any key. Never repeated. An answer that is an error is an
        exception in the list.

        Args:
            at: a key that decides which server of a cluster does them

        Raises:
            BackendError: Redis can't be reached.
            ToolError: nothing was done.
        """
        with self.translated():
            client = await self._redis.of(at)
            async with in_time(), client.pipeline(transaction=True) as pipeline:
                for command in commands:
                    pipeline.execute_command(*command)
                answers: list[Any] = await pipeline.execute(raise_on_error=False)
                return answers


class Transaction:
    """A MULTI over watched keys, before it is executed."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    async def read(self, *command: Any) -> Any:
        """Sends a command that changes nothing at once, before the transaction."""
        return await self._pipeline.immediate_execute_command(*command)

    async def execute(self, commands: Iterable[Command]) -> list[Any]:
        """Does commands as one. An answer that is an error is an exception in the list."""
        self._pipeline.multi()
        for command in commands:
            self._pipeline.execute_command(*command)
        answers: list[Any] = await self._pipeline.execute(raise_on_error=False)
        return answers


def _key(command: Command) -> bytes | None:
    """The key that decides where a command goes."""
    return next((word for word in command[1:] if isinstance(word, bytes)), None)
