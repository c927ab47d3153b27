"""Replies are read whole, however they arrive."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import hiredis
import pytest
from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse, ResponseError

from servers.redis.connection import Pool, ask
from servers.redis.resp import UNREAD, Parser, Receiver, packed

pytestmark = pytest.mark.anyio

MANY = 64 * 1024

LONG = bytes(range(256)) * 1024
"""More than is received at once, with line ends in it."""

REPLIES: list[tuple[bytes, Any]] = [
    (b"+OK\r\n", b"OK"),
    (b":-12\r\n", -12),
    (b"$-1\r\n", None),
    (b"$0\r\n\r\n", b""),
    (b"$6\r\na\r\n$1\r\r\n", b"a\r\n$1\r"),
    (b"*-1\r\n", None),
    (b"*0\r\n", []),
    (b"*3\r\n*2\r\n:1\r\n*0\r\n$2\r\n\xff\0\r\n*1\r\n*1\r\n+x\r\n", [[1, []], b"\xff\0", [[b"x"]]]),
    (b"$%d\r\n%b\r\n" % (len(LONG), LONG), LONG),
    (b"*2\r\n$%d\r\n%b\r\n:7\r\n" % (len(LONG), LONG), [LONG, 7]),
    (b"*%d\r\n%b" % (MANY, b":1\r\n" * MANY), [1] * MANY),
    (b"+%b\r\n" % (b"x" * 3 * MANY), b"x" * 3 * MANY),
]
SENT, MEANT = b"".join(sent for sent, _ in REPLIES), [meant for _, meant in REPLIES]


@contextmanager
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        yield ours, theirs


@asynccontextmanager
async def received() -> AsyncIterator[tuple[Receiver, asyncio.Transport, socket.socket]]:
    """A receiver, the transport it is on, and the other end."""
    with pair() as (ours, theirs):
        _, writer = await asyncio.open_connection(sock=ours)
        assert isinstance(writer.transport, asyncio.Transport)
        yield Receiver(writer.transport), writer.transport, theirs
        writer.close()


@pytest.mark.parametrize("piece", [1 << 30, MANY, 4099, 61])
async def test_pieces(piece: int) -> None:
    async with received() as (receiver, _, theirs):
        asking = asyncio.create_task(receiver.replies(len(MEANT)))
        for at in range(0, len(SENT), piece):
            await asyncio.get_running_loop().sock_sendall(theirs, SENT[at : at + piece])
            await asyncio.sleep(0)
        assert await asking == MEANT
        assert not receiver.dirty


async def test_cut_anywhere() -> None:
    short = [(sent, meant) for sent, meant in REPLIES if len(sent) < 100]
    sent = b"".join(sent for sent, _ in short)
    for cut in range(1, len(sent)):
        async with received() as (receiver, _, theirs):
            asking = asyncio.create_task(receiver.replies(len(short)))
            for part in (sent[:cut], sent[cut:]):
                theirs.send(part)
                for _ in range(3):
                    await asyncio.sleep(0)
            assert await asking == [meant for _, meant in short]


async def test_errors_are_exceptions_in_the_list() -> None:
    async with received() as (receiver, _, theirs):
        theirs.send(b"+OK\r\n-WRONGTYPE Operation\r\n*2\r\n-ERR inside\r\n:1\r\n")
        ok, wrong, (inside, one) = await receiver.replies(3)
        assert (ok, one) == (b"OK", 1)
        assert isinstance(wrong, ResponseError) and str(wrong).startswith("WRONGTYPE")
        assert isinstance(inside, ResponseError) and str(inside) == "inside"


@pytest.mark.parametrize("sent", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b":one\r\n", b"$x\r\n", b"\r\n"])
async def test_what_is_no_resp(sent: bytes) -> None:
    async with received() as (receiver, transport, theirs):
        theirs.send(sent)
        with pytest.raises(InvalidResponse):
            await receiver.replies(1)
        assert transport.is_closing()


async def test_the_end() -> None:
    async with received() as (receiver, _, theirs):
        theirs.send(b"+OK\r\n$5\r\nhal")
        asking = asyncio.create_task(receiver.replies(2))
        await asyncio.sleep(0.01)
        theirs.close()
        with pytest.raises(RedisConnectionError):
            await asking
        assert receiver.dirty
        with pytest.raises(RedisConnectionError):
            await receiver.replies(2)


async def test_what_nobody_reads_stays_with_the_server() -> None:
    async with received() as (receiver, transport, theirs):
        message = b"$%d\r\n%b\r\n" % (MANY, b"m" * MANY)
        sending = asyncio.create_task(asyncio.get_running_loop().sock_sendall(theirs, message * 50 * UNREAD))
        for _ in range(10_000):
            await asyncio.sleep(0.001)
            if not transport.is_reading():
                break
        assert not transport.is_reading() and not sending.done()
        for _ in range(50 * UNREAD):
            assert len((await receiver.replies(1))[0]) == MANY
        await sending


async def test_a_server_that_is_full_says_so_before_it_is_asked() -> None:
    async def full(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"-ERR max number of clients reached\r\n")

    async with await asyncio.start_server(full, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        client = Redis.from_pool(BlockingConnectionPool(host="127.0.0.1", port=port, parser_class=Parser, protocol=2))
        with pytest.raises(RedisConnectionError, match="max number of clients"):
            await ask(client, [("PING",)])
        await client.aclose()


@asynccontextmanager
async def numbered(most: int) -> AsyncIterator[Redis]:
    """A client with `most` connections of a server that answers with the number of the connection. A NOISE has a second answer,
    and a QUIT ends it."""
    count = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        count += 1
        number, commands = count, hiredis.Reader()
        while data := await reader.read(MANY):
            commands.feed(data)
            while words := commands.gets():
                await asyncio.sleep(0.001)  # so that others wait for the connection
                writer.write(b":%d\r\n" % number * (2 if words[0] == b"NOISE" else 1))
                if words[0] == b"QUIT":
                    writer.close()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        client = Redis.from_pool(
            Pool(host="127.0.0.1", port=port, parser_class=Parser, protocol=2, max_connections=most)
        )
        yield client
        await client.aclose()


async def test_a_connection_is_used_again() -> None:
    async with numbered(2) as client:
        assert [await ask(client, [("PING",)]) for _ in range(5)] == [[1]] * 5


async def test_who_finds_no_connection_waits_for_one() -> None:
    async with numbered(2) as client:
        answers = await asyncio.gather(*(ask(client, [("PING",)]) for _ in range(50)))
        assert {answer for (answer,) in answers} == {1, 2}


@pytest.mark.parametrize("word", ["NOISE", "QUIT"])
async def test_a_connection_that_is_no_good_is_made_anew(word: str) -> None:
    async with numbered(1) as client:
        assert await ask(client, [(word,)]) == [1]
        await asyncio.sleep(0.05)
        assert await ask(client, [("PING",)]) == [2]


def test_packed() -> None:
    words = ("SET", b"\xff k", "ü", -5, 1.5e300)
    assert packed([words, ("PING",)]) == (
        b"*5\r\n$3\r\nSET\r\n$3\r\n\xff k\r\n$2\r\n\xc3\xbc\r\n$2\r\n-5\r\n$8\r\n1.5e+300\r\n*1\r\n$4\r\nPING\r\n"
    )
