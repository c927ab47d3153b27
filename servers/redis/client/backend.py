"""Commands to Redis, wherever the server is that has their keys."""

from __future__ import annotations

import asyncio
import itertools
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from typing import Any, TypeVar

from redis.asyncio.client import Pipeline, PubSub
from redis.crc import key_slot
from redis.exceptions import AskError, MovedError, NoPermissionError, RedisError, ResponseError

from servers.common.backend import BackendError, time_left
from servers.common.memory_budget import MemoryBudget
from servers.common.protocol.tools import ToolError
from servers.redis.client.deployment import DeploymentByLogin, RedisNode
from servers.redis.client.errors import CROSS_SLOT, ConnectionLost, RedisErrors, of_server, warn_of
from servers.redis.client.memory_guard import arriving
from servers.redis.format.globs import matched_at_once
from servers.redis.format.replies import info
from servers.redis.settings import RedisSettings

T = TypeVar("T")

Command = tuple[Any, ...]
"""A command's words. Keys and values are bytes, everything else is str, int or float."""

Send = Callable[[RedisNode, Sequence[Command]], Awaitable[list[Any]]]
"""Sends commands to a server in one round trip. An answer that is an error is an exception in the list."""

MODULES = {"search": "FT.SEARCH", "json": "JSON.GET", "timeseries": "TS.GET", "vectors": "VSIM"}
"""Optional modules of Redis, each with a command that only it has."""

KEPT_BYTES = 256 * 1024
"""Bytes of answers after which idle connections are closed: hiredis keeps the memory of the last answer until the next comes."""

MOST_SERVERS = 1000
"""Servers of a cluster."""

UNWATCH_TIMEOUT = 1.0
"""Seconds for the end of a transaction that was not executed; then its connection is closed."""


class RedisBackend:
    """One Redis: a server, a master that sentinels name, or a cluster.

    Answers are as Redis gives them in RESP2: bytes, int, list and None. In a cluster a command goes to the server that has the
    key: `at`, or else the first of its words that is bytes. A call's deadline bounds every command.
    """

    def __init__(self, settings: RedisSettings) -> None:
        self.clustered = settings.mode == "cluster"
        self.database = settings.database
        self._deployment = DeploymentByLogin(settings)
        self.address = self._deployment.address
        self._errors = RedisErrors(self.address, self._deployment.check, clustered=self.clustered)
        self._long_answers = MemoryBudget(1)
        self._long_patterns = asyncio.Lock()
        self._modules: frozenset[str] | None = None
        self._server = ""

    async def check(self) -> str:
        """Ask Redis whether it serves, over connections that no call uses. It serves if it answers at all: a user who may not
        ask for more than that is told of in the description.
        """

        async def connected() -> None:
            """Connect, as each call does: what a user may not do then fails every call."""
            with self._errors:
                pool = (await self._deployment.node(None)).checks.connection_pool
                await pool.release(await pool.get_connection())

        async def asked(*command: str) -> Any:
            """Return the answer; None where this user may not send the command, or it was renamed."""
            with self._errors:
                try:
                    return await (await self._deployment.node(None)).checks.execute_command(*command)
                except ResponseError as error:
                    if isinstance(error, NoPermissionError) or str(error).startswith("unknown command"):
                        return None
                    raise

        try:
            await self._twice(connected)
            await self._twice(lambda: asked("PING"))
            said_of_server = await self._twice(lambda: asked("INFO", "server"))
            fields = info(said_of_server or b"")
            if fields.get("redis_mode") == "sentinel":
                raise ToolError("it is a sentinel: set REDIS_MODE=sentinel and REDIS_SENTINELS")
            if self._modules is None or fields.get("run_id", "") != self._server:
                found = await self._twice(lambda: asked("COMMAND", "INFO", *MODULES.values()))
                self._modules = frozenset(name for name, said in zip(MODULES, found or MODULES, strict=True) if said)
                self._server = fields.get("run_id", "")
        except ToolError as error:
            raise BackendError(f"Redis at {self.address}: {error}") from None
        if said_of_server is None:
            return "Redis, version unknown: INFO is disabled, renamed, or not for this user"
        name = "Valkey" if "valkey_version" in fields else fields.get("server_name", "redis").capitalize()
        return f"{name} {fields.get('valkey_version') or fields.get('redis_version', 'of unknown version')}"

    def has(self, module: str) -> bool:
        """Return whether Redis has a module, a name of MODULES; true until Redis was reached."""
        return self._modules is None or module in self._modules

    async def close(self) -> None:
        await self._deployment.close()

    def translated(self) -> RedisErrors:
        """Return a context that turns redis-py's exceptions into ours."""
        return self._errors

    async def read(self, *command: Any, at: bytes | None = None) -> Any:
        """Send a command that changes nothing; once more when the connection turns out to be dead. Raise BackendError if Redis
        can't be reached or refuses us, and ToolError if it refuses the command."""
        (answer,) = await self._twice(lambda: self._send(self._ask, [command], at))
        return self._unfailed(answer)

    async def read_many(self, commands: Sequence[Command]) -> list[Any]:
        """Send commands that change nothing, in one round trip to each server. An answer that is an error is an exception
        in the list."""
        return await self._twice(lambda: self._send(self._ask, commands))

    async def write(self, *command: Any, at: bytes | None = None) -> Any:
        """Send a command that changes something, never twice. Errors are those of `read`; a BackendError is `unknown` if the
        command may have been done, because its answer was lost."""
        (answer,) = await self._twice(lambda: self._send(self._tell, [command], at))
        return self._unfailed(answer)

    async def write_many(self, commands: Sequence[Command]) -> list[Any]:
        """Send commands that change something, each once, without a transaction.

        An answer that is an error is a ToolError in the list. If one server of a cluster fails and another does not, the list
        has the BackendError for the commands of the server that failed.
        """
        answers = await self._twice(lambda: self._send(self._tell, commands))
        return [self._errors.translate(answer) if isinstance(answer, Exception) else answer for answer in answers]

    async def each(self, *command: Any) -> list[Any]:
        """Return the answers of every server to a command that changes nothing. Errors are those of `by_address`."""
        return list((await self.by_address(*command)).values())

    async def by_address(self, *command: Any) -> dict[str, Any]:
        """Return the answers of every server, by its address, to a command that changes nothing. Where servers of a cluster are
        away or hang, those of the others, with a warning."""
        silent: dict[RedisNode, TimeoutError] = {}

        async def asked(node: RedisNode) -> Any:
            if node in silent:
                raise silent[node]
            try:
                return await self._asked_of(node, *command)
            except TimeoutError as error:
                silent[node] = error
                raise

        async def all_asked(*, all_of_them: bool = True) -> dict[str, Any]:
            with self._errors:
                nodes = await self._deployment.nodes()
                answers = await asyncio.gather(*map(asked, nodes), return_exceptions=True)
            found = {f"{node.host}:{node.port}": answer for node, answer in zip(nodes, answers, strict=True)}
            failed = {at: self._errors.translate(a) for at, a in found.items() if isinstance(a, BaseException)}
            failures = list(failed.values())
            if failures:
                if all_of_them or len(failed) == len(found) or not all(isinstance(f, BackendError) for f in failures):
                    raise failures[0]
                warn_of(failures, len(nodes), f" ({', '.join(failed)})")
            return {at: answer for at, answer in found.items() if at not in failed}

        try:
            return await self._twice(all_asked)
        except BackendError:
            if not self.clustered:
                raise
            return await self._twice(lambda: all_asked(all_of_them=False))

    async def _asked_of(self, node: RedisNode, *command: Any) -> Any:
        """Return the answer of one server. In a cluster, where others may answer, wait for a third of the call's time alone, and
        raise TimeoutError then."""
        async with asyncio.timeout(time_left() / 3 if self.clustered else None):
            return await node.commands.execute_command(*command)

    async def scan(self, server: int, position: int, *words: Any) -> tuple[int, int, list[bytes]]:
        """One SCAN on one of the servers. Where comparing keys takes long, it covers fewer than its COUNT, one call at a time.
        Return the server and the position to go on with, server -1 at the end; and the names found. Raise ToolError if other
        servers than before make up the cluster: a position of one is none of another."""
        options = dict(zip(words[::2], words[1::2], strict=True))
        turn: AbstractAsyncContextManager[None] = nullcontext()
        if "MATCH" in options and options.get("COUNT", 10) >= (most := matched_at_once(options["MATCH"])):
            options["COUNT"] = most
            turn = self._long_patterns
        words = tuple(itertools.chain.from_iterable(options.items()))

        async def asked() -> tuple[int, int, list[bytes]]:
            with self._errors:
                nodes = await self._deployment.nodes()
                mark, index = divmod(server, MOST_SERVERS)
                now = _mark(nodes) if self.clustered else 0
                if index >= len(nodes) or ((server or position) and mark != now):
                    raise ToolError("the servers of this Redis have changed: start without a cursor")
                following, names = await self._asked_of(nodes[index], "SCAN", position, *words)
            if not int(following):
                index += 1
            return now * MOST_SERVERS + index if index < len(nodes) else -1, int(following), names

        async with turn:
            return await self._twice(asked)

    async def pubsubs(self) -> list[PubSub]:
        """Return a connection that listens to each server, first to one that did not fail before. Close them. Any server of a
        cluster hands on what is published on another."""
        with self._errors:
            first = await self._deployment.node(None)
            nodes = sorted(await self._deployment.nodes(), key=lambda node: node is not first)
            return [node.listeners.pubsub() for node in nodes]

    async def multi(self, commands: Sequence[Command], at: bytes) -> list[Any]:
        """Do commands as one (MULTI and EXEC), without watching any key. An answer that is an error is an exception in the list.
        The key `at` decides which server of a cluster does them. A ToolError means that nothing was done; a BackendError is as of
        `write`."""

        async def sent() -> list[Any]:
            with self._errors:
                node = await self._deployment.node(at)
                answers = await self._tell(node, commands, transaction=True)
                if self.clustered and isinstance(answers[0], MovedError):
                    node = await self._deployment.redirected(answers[0], node)
                    answers = await self._tell(node, commands, transaction=True)
                if isinstance(answers[0], AskError):
                    raise answers[0]
                return answers

        return await self._twice(sent)

    @asynccontextmanager
    async def transaction(self, *keys: bytes) -> AsyncIterator[Transaction]:
        """A MULTI over watched keys, in a cluster all of one slot. Nothing is done unless it is executed, and it is executed
        once.

        Raise ToolError if somebody else changed a key meanwhile, and nothing was done.
        """
        async with arriving(self._long_answers):
            with self._errors:
                pipeline = await self._twice(lambda: self._watching(keys))
                try:
                    yield Transaction(pipeline, self._errors.after_sending(atomic=True))
                finally:
                    await _end(pipeline)

    async def _watching(self, keys: Sequence[bytes]) -> Pipeline:
        """Return a pipeline that watches keys."""
        with self._errors:
            node = await self._deployment.node(keys[0])
            for moved in (False, True):
                pipeline = _pipeline(node, transaction=True)
                try:
                    await pipeline.watch(*keys)
                    return pipeline
                except BaseException as error:
                    await _end(pipeline)
                    if moved or not self.clustered or not isinstance(error, MovedError):
                        raise
                    node = await self._deployment.redirected(error, node)
        raise AssertionError("the loop above returns or raises")

    def check_slots(self, keys: Iterable[bytes]) -> None:
        """Raise ToolError for keys that a cluster keeps in different slots, where they can't be used together."""
        if self.clustered and len({key_slot(key) for key in keys}) > 1:
            raise ToolError(CROSS_SLOT)

    async def _twice(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run an operation; repeat it once if the connection was dead and nothing can have been done."""
        async with arriving(self._long_answers):
            try:
                return await work()
            except asyncio.CancelledError:
                await self._deployment.doubt()
                raise
            except ConnectionLost as error:
                if error.unknown:
                    raise
                with self._errors:
                    await self._deployment.refresh()
                return await work()

    def _unfailed(self, answer: Any) -> Any:
        """Raise an answer that is an error."""
        if isinstance(answer, Exception):
            with self._errors:
                raise answer
        return answer

    async def _ask(self, node: RedisNode, commands: Sequence[Command]) -> list[Any]:
        """Send commands that change nothing."""
        with self._errors:
            if len(commands) == 1:
                try:
                    answers = [await node.commands.execute_command(*commands[0])]
                except ResponseError as error:
                    return [error]
            else:
                pipeline = _pipeline(node, transaction=False)
                for command in commands:
                    pipeline.execute_command(*command)
                answers = await pipeline.execute(raise_on_error=False)
                for answer in answers:
                    if of_server(answer):
                        raise answer
            if _length(answers) > KEPT_BYTES:
                await node.close_idle()
            return answers

    async def _tell(self, node: RedisNode, commands: Sequence[Command], *, transaction: bool = False) -> list[Any]:
        """Send commands that change something, over a connection that has just answered: one that broke while nobody used it
        fails nothing. Where a slot has moved away, a transaction has the redirection for its only answer."""
        with self._errors:
            async with _pipeline(node, transaction=transaction) as pipeline:
                with suppress(ResponseError):  # a user who may not PING is answered, too
                    await pipeline.immediate_execute_command("PING")
                for command in commands:
                    pipeline.execute_command(*command)
                with self._errors.after_sending(atomic=transaction or len(commands) == 1):
                    try:
                        return await pipeline.execute(raise_on_error=False)
                    except AskError as error:
                        return [error]

    async def _send(self, send: Send, commands: Sequence[Command], at: bytes | None = None) -> list[Any]:
        """Send commands to the servers that have their keys."""
        if not commands:
            return []
        with self._errors:
            if not self.clustered:
                return await send(await self._deployment.node(None), commands)
            asked = [await self._deployment.node(at if at is not None else _key(command)) for command in commands]
        groups: dict[RedisNode, list[int]] = {}
        for index, node in enumerate(asked):
            groups.setdefault(node, []).append(index)
        found = await asyncio.gather(
            *(send(node, [commands[index] for index in indices]) for node, indices in groups.items()),
            return_exceptions=True,
        )
        answers: list[Any] = [None] * len(commands)
        for indices, part in zip(groups.values(), found, strict=True):
            if not isinstance(part, list | BackendError):
                raise part
            for index, answer in zip(indices, part if isinstance(part, list) else [part] * len(indices), strict=True):
                answers[index] = answer
        for index, answer in enumerate(answers):
            if isinstance(answer, AskError):  # or MovedError, which is one: it was not done, so a write goes on, too
                answers[index] = await self._redirected(send, answer, asked[index], commands[index])
        failures = [answer for answer in answers if isinstance(answer, BackendError)]
        if failures and (send == self._ask or len(failures) == len(answers)):
            raise next((failure for failure in failures if failure.unknown), failures[0])
        return answers

    async def _redirected(self, send: Send, error: AskError, asked: RedisNode, command: Command) -> Any:
        """Return the answer to a command from where its slot is moving to, or has moved to."""
        try:
            with self._errors:
                node = await self._deployment.redirected(error, asked)
            _, answer = await send(node, [("ASKING",), command])
        except (BackendError, ToolError) as failure:
            return failure
        return self._errors.translate(answer) if isinstance(answer, AskError) else answer


class _TersePipeline(Pipeline):
    """A pipeline whose errors are Redis' own words alone."""

    def annotate_exception(self, exception: Exception, number: int, command: Iterable[object]) -> None:
        pass


def _pipeline(node: RedisNode, *, transaction: bool) -> Pipeline:
    return _TersePipeline(node.commands.connection_pool, node.commands.response_callbacks, transaction, None)


class Transaction:
    """A MULTI over watched keys, before it is executed."""

    def __init__(self, pipeline: Pipeline, after_sending: RedisErrors) -> None:
        self._pipeline = pipeline
        self._after_sending = after_sending

    async def read(self, *command: Any) -> Any:
        """Send a command that changes nothing at once, before the transaction."""
        return await self._pipeline.immediate_execute_command(*command)

    async def execute(self, commands: Iterable[Command]) -> list[Any]:
        """Do commands as one. An answer that is an error is an exception in the list. A ToolError means that nothing was done; a
        BackendError is `unknown` if the answer was lost."""
        self._pipeline.multi()
        for command in commands:
            self._pipeline.execute_command(*command)
        with self._after_sending:
            return await self._pipeline.execute(raise_on_error=False)


async def _end(pipeline: Pipeline) -> None:
    """Give a pipeline's connection back. One that still watches sends UNWATCH first; if that takes long, it is closed."""
    try:
        async with asyncio.timeout(UNWATCH_TIMEOUT):
            await pipeline.aclose()
    except (RedisError, OSError):
        pass  # the connection is closed, and with it the watch is over


def _mark(nodes: Sequence[RedisNode]) -> int:
    """Return a number that tells these servers from others."""
    return zlib.crc32(",".join(f"{node.host}:{node.port}" for node in nodes).encode()) % 999_999 + 1


def _length(answer: Any) -> int:
    """Bytes of the values in an answer."""
    if isinstance(answer, list):
        return sum(map(_length, answer))
    return len(answer) if isinstance(answer, bytes) else 0


def _key(command: Command) -> bytes | None:
    """Return the key that decides where a command goes. A channel does not."""
    if command[0] == "PUBLISH":
        return None
    return next((word for word in command[1:] if isinstance(word, bytes)), None)
