"""Connections to nodes: what is an answer and what is none, when a connection is kept, and how many there are."""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.elasticsearch.connection import LONGEST_HEAD, Answer, Connection, Cut, Place, TooLong
from servers.elasticsearch.pool import KEPT, MAX_CONNECTIONS, Full, Pool

pytestmark = pytest.mark.anyio

ASKED = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
LONGEST = 100_000
"""Bytes of a body."""


class Node:
    """A server on loopback that answers each request of its connections with the same bytes."""

    def __init__(self, answer: bytes, close: bool = False) -> None:
        self.answer, self.close = answer, close
        self.connections: list[asyncio.StreamWriter] = []
        self.asked = 0
        self.gone = 0
        """Connections that their clients have closed."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(writer)
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.asked += 1
                writer.write(self.answer)
                if self.close:
                    break
        except (asyncio.IncompleteReadError, OSError):
            self.gone += 1
        writer.close()


@asynccontextmanager
async def serving(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[Place]:
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield Place("127.0.0.1", server.sockets[0].getsockname()[1], False)


@asynccontextmanager
async def pool(timeout: float = 3) -> AsyncIterator[Pool]:
    made = Pool(None, timeout, LONGEST)
    yield made
    made.close()


async def ask(pool: Pool, place: Place, content: bytes | None = None) -> Answer:
    """As the transport does."""
    connection = await pool.take(place)
    try:
        return await connection.ask(ASKED, content)
    finally:
        pool.give_back(connection)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110  # what it waits for has no event
            await asyncio.sleep(0.01)


def chunked(*pieces: bytes, rest: bytes = b"\r\n") -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n" + rest


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\n\r\n"


PARTS = [
    *(b"0\r\n\r\n", b"2\r\n{}\r\n", b"Connection: close\r\n", b"Content-Length: 0\r\n", b"Transfer-Encoding: gzip\r\n"),
    *(
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.0 304 \r\n",
        b"HTTP/1.1 101 a\r\nUpgrade: b\r\nConnection: upgrade\r\n\r\n",
    ),
]


@pytest.mark.parametrize(
    ("sent", "status", "content", "kept"),
    [
        (OK, 200, b"{}", True),
        (CHUNKED + chunked(b"a" * 20, b"b", b"c" * 300), 200, b"a" * 20 + b"b" + b"c" * 300, True),
        (CHUNKED + chunked(b"a", rest=b"X-B: 7\r\nX-A: 2\r\n\r\n"), 200, b"a", True),
        (b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", 404, b"", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, b"", True),
        (b"HTTP/1.1 100 Continue\r\nX-A: 9\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" + OK, 200, b"{}", True),
        (OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), 200, b"{}", False),
        (OK.replace(b"1.1", b"1.0"), 200, b"{}", False),
        (OK.replace(b"1.1", b"1.0").replace(b"\r\n\r\n", b"\r\nConnection: keep-alive\r\n\r\n"), 200, b"{}", True),
        (OK + OK, 200, b"{}", False),
        (OK + b"HTTP/1.1 4", 200, b"{}", False),
    ],
)
async def test_an_answer_however_it_comes_in(sent: bytes, status: int, content: bytes, kept: bool) -> None:
    for at in range(len(sent)):
        connection, asking = _asking()
        await asyncio.sleep(0)
        for piece in (sent[:at], sent[at:]):
            receive(connection, piece)
        answer = await asking
        assert (answer.status, answer.content) == (status, content)
        assert answer.headers.get(b"x-a") == (b"1" if sent.startswith(CHUNKED) else None), "not one of a trailer"
        assert connection.usable == kept


class Sent:
    """A transport that holds nothing back."""

    closed = False

    def writelines(self, data: Any) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        self.closed = True


def _asking() -> tuple[Connection, asyncio.Task[Answer]]:
    """A connection without a socket, and a request over it."""
    connection = Connection(Place("a", 1, False), LONGEST)
    connection._transport = Sent()  # type: ignore[assignment]
    return connection, asyncio.create_task(connection.ask(ASKED, None))


def receive(connection: Connection, data: bytes) -> None:
    """As the event loop does."""
    if data:
        connection.get_buffer(-1)[: len(data)] = data
        connection.buffer_updated(len(data))


@pytest.mark.parametrize(
    ("sent", "failure", "said"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n", Cut, "is no HTTP"),
        (OK.replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\n\r\n"), Cut, "is no HTTP"),
        (CHUNKED + b"xyz\r\n", Cut, "is no HTTP"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n", Cut, "is no HTTP"),
        (b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * LONGEST_HEAD, Cut, "has no end"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (LONGEST + 1) + b"a" * (LONGEST + 1), TooLong, None),
        (CHUNKED + chunked(*[b"a" * 100] * (LONGEST // 100 + 1))[:-5], TooLong, None),
        (CHUNKED + chunked(rest=b"X-B: " + b"a" * 2 * LONGEST), TooLong, None),
    ],
)
async def test_what_is_no_answer_is_an_error_and_the_connection_is_closed(
    sent: bytes, failure: type[Exception], said: str | None
) -> None:
    connection, asking = _asking()
    await asyncio.sleep(0)
    for at in range(0, len(sent), 1000):
        receive(connection, sent[at : at + 1000])
    with pytest.raises(failure, match=said):
        await asking
    assert not connection.usable
    assert connection._transport.closed  # type: ignore[attr-defined]


@given(st.lists(st.sampled_from([OK, CHUNKED, *OK.splitlines(True), *CHUNKED.splitlines(True), *PARTS]) | st.binary()))
def test_whatever_comes_each_request_ends(pieces: list[bytes]) -> None:
    async def receiving() -> None:
        connection, asking = _asking()
        await asyncio.sleep(0)
        for piece in pieces:
            receive(connection, piece)
        connection.eof_received()
        connection.connection_lost(None)
        with suppress(Cut, TooLong):
            assert 200 <= (await asking).status < 1000
        assert asking.done() and not connection.usable

    asyncio.run(receiving())


async def test_the_end_of_a_connection_ends_an_answer_that_has_no_other() -> None:
    whole = b"HTTP/1.0 200 OK\r\nX-A: 1\r\n\r\n{}"
    async with serving(Node(whole, close=True).serve) as place, pool() as connections:
        for _ in range(2):
            assert (await ask(connections, place)).content == b"{}"
    for sent in (b"", b"HTTP/1.1 200", OK[:-1], CHUNKED + b"2\r\n{}\r\n", CHUNKED + b"5\r\n{}"):
        async with serving(Node(sent, close=True).serve) as place, pool() as connections:
            with pytest.raises(Cut, match="closed before the answer"):
                await ask(connections, place)


async def test_a_reset_says_so() -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        # Closed with this, a connection is reset: socket(7).
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.close()

    async with serving(reset) as place, pool() as connections:
        with pytest.raises(Cut) as cut:
            await ask(connections, place)
        assert isinstance(cut.value.__cause__, ConnectionResetError)


async def test_connections_are_kept_and_the_last_used_is_taken() -> None:
    node = Node(OK)
    async with serving(node.serve) as place, pool() as connections:
        for _ in range(5):
            content = (await ask(connections, place)).content
        assert len(node.connections) == 1
        await asyncio.sleep(0)  # the loop's last step had it
        assert sys.getrefcount(content) == 2, "of an answer nothing is kept"
        two = [await connections.take(place) for _ in range(2)]
        for connection in two:
            connections.give_back(connection)
        assert await connections.take(place) is two[1]


async def test_an_idle_connection_that_ends_or_speaks_or_is_old_is_not_used() -> None:
    node = Node(OK)
    async with serving(node.serve) as place, pool() as connections:
        await ask(connections, place)
        node.connections[-1].close()
        await until(lambda: node.gone == 1)
        await ask(connections, place)
        assert len(node.connections) == 2
        node.connections[-1].write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
        await until(lambda: node.gone == 2)
        assert (await ask(connections, place)).status == 200
        assert len(node.connections) == 3
        connection = await connections.take(place)
        connections.give_back(connection)
        connection.idle_since -= KEPT + 1
        await ask(connections, place)
        assert len(node.connections) == 4
        await until(lambda: node.gone == 3)


async def test_an_answer_that_comes_before_all_is_sent_ends_the_connection() -> None:
    length, received, answered = 20_000_000, [0, 0], asyncio.Event()
    connected = iter(range(2))

    async def hasty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = next(connected)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await answered.wait()
        with suppress(ConnectionResetError):
            while data := await reader.read(1 << 20):
                received[number] += len(data)
        writer.close()
        received[number] -= length

    async with serving(hasty) as place, pool() as connections:
        for _ in range(2):
            assert (await ask(connections, place, b"x" * length)).content == b"{}"
        answered.set()
        await until(lambda: all(count < 0 for count in received))  # the rest of it is not sent


async def test_a_call_that_is_cancelled_closes_its_connection() -> None:
    node = Node(b"")
    async with serving(node.serve) as place, pool() as connections:
        for _ in range(MAX_CONNECTIONS + 1):
            before = node.asked
            asking = asyncio.create_task(ask(connections, place))
            await until(lambda before=before: node.asked > before)  # type: ignore[misc]
            asking.cancel()
            await until(lambda: node.gone == node.asked)


async def test_no_more_connections_than_allowed() -> None:
    one, two = Node(OK), Node(OK)
    async with serving(one.serve) as place, serving(two.serve) as other, pool(timeout=0.1) as connections:
        taken = [await connections.take(place) for _ in range(MAX_CONNECTIONS)]
        with pytest.raises(Full):
            await connections.take(other)
        waiting = asyncio.create_task(connections.take(place))
        await asyncio.sleep(0)
        connections.give_back(taken[0])
        assert await waiting is taken[0], "a place that becomes free is taken"
        for connection in taken:
            connections.give_back(connection)
        await ask(connections, other)
        await until(lambda: one.gone == 1)
        await ask(connections, other)
        assert (len(one.connections), len(two.connections)) == (MAX_CONNECTIONS, 1), "idle ones count"


async def test_a_pool_that_is_closed_keeps_nothing() -> None:
    node = Node(OK)
    async with serving(node.serve) as place, pool() as connections:
        idle, used = [await connections.take(place) for _ in range(2)]
        connections.give_back(idle)
        connections.close()
        await until(lambda: node.gone == 1)
        assert (await used.ask(ASKED, None)).content == b"{}", "what is under way is answered"
        connections.give_back(used)
        await until(lambda: node.gone == 2)


async def test_what_cant_be_connected_to_is_told_and_takes_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = unused.getsockname()[1]
    async with pool(timeout=0.1) as connections:
        for _ in range(MAX_CONNECTIONS + 1):
            with pytest.raises(ConnectionRefusedError) as refused:
                await connections.take(Place("127.0.0.1", closed, False))
            assert refused.value.errno == errno.ECONNREFUSED
        with pytest.raises(socket.gaierror):
            await connections.take(Place("a..b", closed, False))

        async def silent(*arguments: Any) -> None:
            await asyncio.Event().wait()

        monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", silent)
        with pytest.raises(TimeoutError):
            await connections.take(Place("127.0.0.1", closed, False))


async def test_a_host_of_several_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    connect = loop.sock_connect

    async def sometimes(made: socket.socket, address: Any) -> None:
        await asyncio.Event().wait() if address[0] == "127.0.0.3" else await connect(made, address)

    monkeypatch.setattr(loop, "sock_connect", sometimes)
    node = Node(OK)
    async with serving(node.serve) as place, pool() as connections:

        def resolve(*addresses: str) -> None:
            async def found(host: bytes, port: int, **options: Any) -> Any:
                return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

            monkeypatch.setattr(loop, "getaddrinfo", found)

        several = Place("several.example", place.port, False)
        # Nobody listens on the second, and the third never answers.
        resolve("127.0.0.2", "127.0.0.3", "127.0.0.1")
        assert (await ask(connections, several)).content == b"{}"
        resolve("127.0.0.2", "127.0.0.4")
        connections.close()
        with pytest.raises(ConnectionRefusedError):
            await connections.take(several)
