"""The backend on the wire: connections that break, calls that are cancelled, and how many connections there are."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from servers.common.backend import BackendError
from servers.common.protocol.tools import ToolError
from servers.redis.client.deployment import CHECK_CONNECTIONS, COMMAND_CONNECTIONS, LISTENER_CONNECTIONS
from servers.redis.tests.conftest import INCREASES, connected, until
from tools.backends.redis import RedisServer


class Relay:
    """Forwards connections to a Redis, in pieces of a few bytes."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._open: set[asyncio.StreamWriter] = set()
        self.accepted = 0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[int]:
        """Serve on the port that is yielded."""
        async with await asyncio.start_server(self._accept, "127.0.0.1", 0) as server:
            yield server.sockets[0].getsockname()[1]
            await self.drop(reset=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        of_redis, to_redis = await asyncio.open_connection("127.0.0.1", self._target)
        self._open |= {writer, to_redis}
        await asyncio.gather(self._pass(reader, to_redis), self._pass(of_redis, writer))

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(7):
                target.write(data)
                await target.drain()
        except OSError:
            pass
        target.close()

    async def drop(self, *, reset: bool) -> None:
        """Closes every connection, and waits until the other sides have it."""
        for writer in self._open:
            if writer.is_closing():
                continue
            if reset:
                linger: socket.socket = writer.get_extra_info("socket")
                linger.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            else:
                writer.close()
        self._open.clear()
        for _ in range(20):
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("reset", [True, False], ids=["reset", "closed"])
async def test_connections_broken_while_idle_fail_nothing(redis: Redis, redis_server: RedisServer, reset: bool) -> None:
    relay = Relay(redis_server.port)
    async with relay.serving() as port, connected(port) as backend:
        for count, increase in enumerate(INCREASES, 1):
            await asyncio.gather(*(backend.read("PING") for _ in range(5)))
            await relay.drop(reset=reset)
            await increase(backend, b"n")
            assert redis.get("n") == str(count).encode(), "it is done once"
            await relay.drop(reset=reset)
            assert await backend.read("GET", b"n") == str(count).encode()
            await relay.drop(reset=reset)
            assert await backend.read_many([("GET", b"n"), ("PING",)]) == [str(count).encode(), b"PONG"]


async def test_a_cancelled_call_leaves_its_answer_to_nobody(redis: Redis, redis_server: RedisServer) -> None:
    relay = Relay(redis_server.port)
    ends: list[Any] = []
    async with relay.serving() as port, connected(port) as backend:

        async def watched(words: list[tuple[Any, ...]]) -> None:
            async with backend.transaction(b"k") as transaction:
                await transaction.read("ECHO", b"watched")
                await transaction.execute(words)

        for turn in range(160):
            words: list[tuple[Any, ...]] = [("ECHO", b"cancelled " * (turn % 16)), ("ECHO", b"as well")]
            calls = (
                backend.read(*words[0]),
                backend.read_many(words),
                backend.write_many(words),
                backend.multi(words, b"k"),
                watched(words),
            )
            tasks = [asyncio.ensure_future(call) for call in calls]
            for _ in range(turn % 80):
                await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            own = b"own %d" % turn
            assert await backend.read("ECHO", own) == own
            assert await backend.read_many([("ECHO", own), ("PING",)]) == [own, b"PONG"]
            ends += await asyncio.gather(*tasks, return_exceptions=True)
        cancelled = [end for end in ends if isinstance(end, asyncio.CancelledError)]
        assert 0 < len(cancelled) < len(ends) and not [end for end in ends if isinstance(end, Exception)]
        # No connection was lost to the pool on the way: as many calls at once as there may be still get one.
        echoes = [b"%d" % number for number in range(2 * COMMAND_CONNECTIONS)]
        assert await asyncio.gather(*(backend.read("ECHO", echo) for echo in echoes)) == echoes
        assert len([c for c in redis.client_list() if c["name"] == "mcp-redis"]) <= COMMAND_CONNECTIONS


async def test_a_cancelled_transaction_waits_for_no_silent_redis(redis: Redis, redis_server: RedisServer) -> None:
    async with connected(redis_server.port) as backend:
        reading = asyncio.Event()

        async def change() -> None:
            async with backend.transaction(b"n") as transaction:
                reading.set()
                await transaction.read("GET", b"n")
                await transaction.execute([("INCR", b"n")])

        await backend.read("PING")
        with redis_server.silent():
            task = asyncio.create_task(change())
            await asyncio.sleep(0.1)
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
        await change()
        assert redis.get("n") == b"1"


def connections(redis: Redis) -> list[dict[str, str]]:
    return [client for client in redis.client_list() if client["name"] == "mcp-redis"]


async def test_connections_are_bounded_but_for_checks_and_listeners(redis: Redis, redis_server: RedisServer) -> None:
    async with connected(redis_server.port) as backend, AsyncExitStack() as stack:
        redis.execute_command("CLIENT", "PAUSE", 3_600_000, "WRITE")
        stack.callback(redis.execute_command, "CLIENT", "UNPAUSE")
        writes = [asyncio.create_task(backend.write("INCR", b"n")) for _ in range(COMMAND_CONNECTIONS + 8)]
        await until(lambda: sum(client["cmd"] == "incr" for client in connections(redis)) == COMMAND_CONNECTIONS)
        waiting = asyncio.create_task(backend.read("PING"))
        assert (await backend.check()).startswith("Redis ")
        listener = await stack.enter_async_context((await backend.pubsubs())[0])
        await listener.subscribe("c")
        assert redis.pubsub_numsub("c") == [(b"c", 1)]
        assert not waiting.done() and not any(write.done() for write in writes)
        waiting.cancel()
        assert len(connections(redis)) <= COMMAND_CONNECTIONS + CHECK_CONNECTIONS + 1
        redis.execute_command("CLIENT", "UNPAUSE")
        assert sorted(await asyncio.gather(*writes)) == list(range(1, COMMAND_CONNECTIONS + 9))


async def test_listeners_take_no_connection_of_commands(redis: Redis, redis_server: RedisServer) -> None:
    async with connected(redis_server.port) as backend, AsyncExitStack() as stack:
        for _ in range(LISTENER_CONNECTIONS):
            await (await stack.enter_async_context((await backend.pubsubs())[0])).subscribe("c")
        one_more = await stack.enter_async_context((await backend.pubsubs())[0])
        with pytest.raises(BackendError, match="in use"), backend.translated():
            await one_more.subscribe("c")
        assert await backend.read("PING") == b"PONG"
        assert redis.pubsub_numsub("c") == [(b"c", LISTENER_CONNECTIONS)]
    await until(lambda: redis.pubsub_numsub("c") == [(b"c", 0)])


async def test_a_redis_that_has_no_room_for_one_more_client_says_so(redis: Redis, redis_server: RedisServer) -> None:
    most = str(redis.config_get("maxclients")["maxclients"])
    async with connected(redis_server.port) as backend:
        redis.config_set("maxclients", len(redis.client_list()))
        try:
            with pytest.raises(BackendError, match="max number of clients reached") as refused:
                await backend.write("INCR", b"n")
            assert not refused.value.unknown
        finally:
            redis.config_set("maxclients", most)
        assert await backend.write("INCR", b"n") == 1


@pytest.mark.parametrize("sent", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b":one\r\n", b"$x\r\n"])
async def test_a_server_that_is_no_redis(sent: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(sent)
        writer.close()

    async with (
        await asyncio.start_server(answer, "127.0.0.1", 0) as server,
        connected(server.sockets[0].getsockname()[1]) as backend,
    ):
        for call in (backend.read("PING"), backend.write("INCR", b"n")):
            with pytest.raises(BackendError, match="does not speak Redis' protocol") as failed:
                await call
            assert not failed.value.unknown


@pytest.mark.parametrize(("pattern", "count", "at_once"), [(b"*" + b"n" * 100, b"10", 1), (b"*n", b"250", 5)])
async def test_patterns_that_take_redis_long_are_matched_in_turn(pattern: bytes, count: bytes, at_once: int) -> None:
    """Else another client of Redis would wait for as many steps as there are calls."""
    asked: list[bytes] = []
    under_way: list[int] = []
    all_asked = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            words = [(await reader.readline(), await reader.readline())[1].strip() for _ in range(int(line[1:]))]
            if words[0] == b"SCAN":
                asked.append(words[-1])
                under_way.append(len(asked))
                if len(under_way) == at_once:
                    all_asked.set()
                await all_asked.wait()
                await asyncio.sleep(0.05)  # who does not wait for a turn comes meanwhile
                asked.pop()
                writer.write(b"*2\r\n$1\r\n0\r\n*1\r\n$5\r\n%5b\r\n" % words[-1])
            else:
                writer.write(b"+OK\r\n")

    async with (
        await asyncio.start_server(answer, "127.0.0.1", 0) as server,
        connected(server.sockets[0].getsockname()[1]) as backend,
    ):
        found = await asyncio.gather(*(backend.scan(0, 0, "MATCH", pattern, "COUNT", 250) for _ in range(5)))
    assert found == [(-1, 0, [b"%5b" % count])] * 5
    assert max(under_way) == at_once


async def test_a_single_redis_is_no_cluster(redis: Redis, redis_server: RedisServer) -> None:
    async with connected(redis_server.port, REDIS_MODE="cluster") as backend:
        with pytest.raises(BackendError, match="set REDIS_MODE=standalone"):
            await backend.read("GET", b"n")
    async with connected(redis_server.port, REDIS_MODE="cluster", REDIS_USERNAME="x", REDIS_PASSWORD="y") as backend:
        with pytest.raises(BackendError, match="refuses our login"):
            await backend.write("INCR", b"n")


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this system has no such option")
async def test_a_server_that_takes_nothing_more_is_given_up_before_the_deadline() -> None:
    ended = asyncio.Event()

    async def take_little(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while b"$3\r\nSET\r\n" not in (data := await reader.read(65_536)):
            writer.write(b"+OK\r\n" * data.count(b"*"))
        await ended.wait()
        writer.transport.abort()

    async with (
        await asyncio.start_server(take_little, "127.0.0.1", 0) as server,
        connected(server.sockets[0].getsockname()[1]) as backend,
    ):
        with pytest.raises(BackendError, match="can't be reached") as lost:
            await backend.write("SET", b"k", bytes(20_000_000))
        assert lost.value.unknown
        ended.set()


async def test_a_short_answer_waits_for_no_other(redis: Redis, redis_server: RedisServer) -> None:
    """However many reads it takes: a write has an answer to PING before its own, and a new connection some of its handshake."""
    relay = Relay(redis_server.port)
    async with relay.serving() as port, connected(port) as backend:
        slow = asyncio.create_task(backend.write("BLPOP", b"queue", 0))
        await until(lambda: any(client["cmd"] == "blpop" for client in connections(redis)))
        async with asyncio.timeout(30):
            assert await backend.write("SET", b"a", b"x" * 1000) == b"OK"
            assert await backend.read("GET", b"a") == b"x" * 1000
            await backend.check()
            redis.rpush("queue", "x")
            assert await slow == [b"queue", b"x"]


async def test_a_rotated_password_is_taken_up(redis: Redis, redis_server: RedisServer, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("first\n")
    redis.execute_command("ACL", "SETUSER", "app", "reset", "on", ">first", "+@all", "~*", "&*")
    async with connected(redis_server.port, REDIS_USERNAME="app", REDIS_PASSWORD_FILE=str(file)) as backend:
        assert await backend.write("INCR", b"n") == 1
        redis.execute_command("ACL", "SETUSER", "app", "resetpass", ">second")
        assert await backend.write("INCR", b"n") == 2, "connections stay"
        redis.execute_command("CLIENT", "KILL", "USER", "app")
        with pytest.raises(BackendError, match="refuses our login") as refused:
            await backend.write("INCR", b"n")
        assert not refused.value.unknown and "first" not in str(refused.value)
        file.write_text("second\n")
        assert await backend.write("INCR", b"n") == 3


async def test_a_user_who_may_not_ping_can_write(redis: Redis, redis_server: RedisServer) -> None:
    redis.execute_command("ACL", "SETUSER", "app", "reset", "on", ">secret", "+@all", "-ping", "-flushall", "~*")
    async with connected(redis_server.port, REDIS_USERNAME="app", REDIS_PASSWORD="secret") as backend:
        assert await backend.write("INCR", b"n") == 1
        assert await backend.multi([("INCR", b"n"), ("GET", b"n")], b"n") == [2, b"2"]
        with pytest.raises(ToolError, match="does not allow this user"):
            await backend.write("FLUSHALL")


async def test_a_transaction_conflicts_with_a_change_of_its_key(redis: Redis, redis_server: RedisServer) -> None:
    async with connected(redis_server.port) as backend:
        with pytest.raises(ToolError, match="nothing was done"):
            async with backend.transaction(b"n") as transaction:
                redis.incr("n")
                await transaction.execute([("INCR", b"n")])
        async with backend.transaction(b"n") as transaction:
            answers = await transaction.execute([("INCR", b"n"), ("LPUSH", b"n", b"x"), ("INCR", b"n")])
        assert answers[0] == 2 and str(answers[1]).startswith("WRONGTYPE") and answers[2] == 3


async def test_a_redis_without_info_is_ready() -> None:
    """Operators rename commands, and proxies lack some."""
    renamed = {f"rename-command {name}": '""' for name in ("INFO", "COMMAND")}
    with RedisServer(config=renamed) as server:
        async with connected(server.port) as backend:
            assert "version unknown" in await backend.check()
