"""Connections for httpcore2: how they end, and what is said of it."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpcore2
import pytest

from servers.elasticsearch.streams import JOINED, MOST, Stream, Streams, _first

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def connected(serve: Serve) -> AsyncIterator[Stream]:
    """A connection to a server on loopback."""
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        stream = await Streams().connect_tcp("127.0.0.1", server.sockets[0].getsockname()[1], 3)
        assert isinstance(stream, Stream)
        try:
            yield stream
        finally:
            await stream.aclose()


async def test_a_short_request_is_sent_when_its_answer_is_waited_for() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(8))
        writer.close()

    async with connected(echo) as stream:
        await stream.write(b"head")
        await stream.write(b"body")
        assert not stream.get_extra_info("is_readable")
        assert await stream.read(99) == b"headbody"
        assert await stream.read(99) == b""
        assert stream.get_extra_info("is_readable"), "it has ended"
        with pytest.raises(httpcore2.WriteError):
            await stream.write(b"more")


async def test_long_ones_come_through_whole_both_ways() -> None:
    length = 20 * MOST

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(length))
        await writer.drain()
        writer.close()

    async with connected(echo) as stream:
        sent = bytes(range(256)) * (length // 256)
        for at in range(0, length, 4 * JOINED):
            await stream.write(sent[at : at + 4 * JOINED])
        got = bytearray()
        while data := await stream.read(1):
            got += data
            await asyncio.sleep(0)
        assert got == sent


async def test_a_connection_that_is_cut_is_an_error() -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        writer.transport.abort()

    async with connected(cut) as stream:
        await stream.write(b"x")
        try:
            assert await stream.read(1) == b""
        except httpcore2.ReadError:
            pass
        with pytest.raises(httpcore2.WriteError):
            await stream.write(b"x")


async def test_silence_ends_a_read_that_has_a_limit() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with connected(silent) as stream:
        with pytest.raises(httpcore2.ReadTimeout):
            await stream.read(1, timeout=0.01)


async def test_what_refuses_is_named() -> None:
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    with pytest.raises(httpcore2.ConnectError) as refused:
        await Streams().connect_tcp("127.0.0.1", port, 3)
    assert isinstance(refused.value.__cause__, OSError)
    assert refused.value.__cause__.errno == errno.ECONNREFUSED
    several = OSError(
        "Multiple exceptions: [Errno 111] Connect call failed ('::1', 1), [Errno 113] Connect call failed"
    )
    assert _first(several).errno == 111
    with pytest.raises(httpcore2.ConnectError):
        await Streams().connect_tcp("a..b", port, 3)
