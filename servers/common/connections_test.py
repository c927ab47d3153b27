"""Slow clients, and too many: uvicorn's protocol over transports of the test, with a clock of its own."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from servers.common.connections import JOINED, SLOWEST, Connection, Connections, Joined


class Transport(asyncio.Transport):
    """A client's end."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.writes: list[bytes] = []
        self.unread = 0
        self.aborted = self.closed = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def write(self, data: Any) -> None:
        self.written += bytes(data)
        self.writes.append(bytes(data))

    def get_write_buffer_size(self) -> int:
        return self.unread

    def abort(self) -> None:
        self.aborted = True

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed or self.aborted

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class Bench:
    """Connections of an application that reads the body and then answers when it is let."""

    def __init__(self, most: int = 10) -> None:
        self.now = 0.0
        self.reasons: list[str] = []
        self.answer = asyncio.Event()
        self.answer.set()
        self.connections = Connections(most, 30, self.reasons.append, lambda: self.now)
        self.config = Config(
            self.app, interface="asgi3", http=self.connections.protocol(), log_config=None, access_log=False
        )

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            while (await receive()).get("more_body"):
                pass
            await self.answer.wait()
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"ok"})

    def connect(self) -> tuple[Connection, Transport]:
        transport = Transport()
        protocol = self.connections.protocol()(self.config, ServerState(), {})
        assert isinstance(protocol, Connection)
        protocol.connection_made(transport)
        return protocol, transport

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.connections.sweep()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


REQUEST = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
async def test_a_client_that_says_nothing() -> None:
    bench = Bench()
    _, transport = bench.connect()
    bench.pass_time(29)
    assert not transport.aborted
    bench.pass_time(2)
    assert transport.aborted and bench.reasons == ["slow_request"] and len(bench.connections) == 0


@pytest.mark.anyio
@pytest.mark.parametrize("length", [1, 30, len(REQUEST) - 4, len(REQUEST) - 1])
async def test_a_client_that_sends_a_byte_now_and_then(length: int) -> None:
    """Headers or body, however regularly something comes (Slowloris)."""
    bench = Bench()
    protocol, transport = bench.connect()
    step = 40 / length
    for position in range(length):
        protocol.data_received(REQUEST[position : position + 1])
        await settle()
        bench.pass_time(step)
    assert transport.aborted and bench.reasons[0] == "slow_request"


@pytest.mark.anyio
async def test_a_client_that_asks_again_and_again_is_not_slow() -> None:
    bench = Bench()
    protocol, transport = bench.connect()
    for _ in range(10):
        protocol.data_received(REQUEST[:20])
        bench.pass_time(20)
        protocol.data_received(REQUEST[20:])
        await settle()
        bench.pass_time(20)
    assert transport.written.count(b"200 OK") == 10
    assert not transport.aborted and bench.reasons == []


@pytest.mark.anyio
async def test_a_call_may_last() -> None:
    bench = Bench()
    bench.answer.clear()
    protocol, transport = bench.connect()
    protocol.data_received(REQUEST)
    await settle()
    bench.pass_time(3600)
    assert not transport.aborted
    bench.answer.set()
    await settle()
    assert b"200 OK" in transport.written


@pytest.mark.anyio
async def test_a_client_that_does_not_read_its_answer() -> None:
    bench = Bench()
    protocol, transport = bench.connect()
    protocol.data_received(REQUEST)
    await settle()
    transport.unread = 100 * SLOWEST
    bench.pass_time(0)
    bench.pass_time(125)
    assert not transport.aborted, "30 s, and one more for each 16 KiB"
    bench.pass_time(10)
    assert transport.aborted and bench.reasons == ["slow_answer"]


@pytest.mark.anyio
async def test_one_too_many_takes_the_place_of_one_that_waits() -> None:
    bench = Bench(most=4)
    busy, _ = bench.connect()
    bench.answer.clear()
    busy.data_received(REQUEST)
    waiting = [bench.connect()[1] for _ in range(3)]
    _, fresh = bench.connect()
    assert [t.aborted for t in waiting] == [True, False, False]
    assert not fresh.closed and len(bench.connections) == 4 and bench.reasons == ["crowded"]
    bench.answer.set()
    await settle()


@pytest.mark.anyio
async def test_where_all_are_answered_the_next_is_refused() -> None:
    bench = Bench(most=4)
    bench.answer.clear()
    transports = []
    for _ in range(4):
        protocol, transport = bench.connect()
        protocol.data_received(REQUEST)
        transports.append(transport)
    _, fresh = bench.connect()
    assert fresh.written.startswith(b"HTTP/1.1 503 ") and b"Retry-After: 1" in fresh.written and fresh.closed
    assert len(bench.connections) == 4 and not any(t.aborted for t in transports)
    bench.answer.set()
    await settle()
    assert all(b"200 OK" in t.written for t in transports)


@pytest.mark.anyio
async def test_head_and_body_go_together() -> None:
    transport = Transport()
    joined = Joined(transport)
    joined.write(b"head ")
    assert not transport.writes and joined.get_write_buffer_size() == 5
    joined.write(b"body")
    joined.write(b"")
    assert transport.writes == [b"head body"]


@pytest.mark.anyio
async def test_a_head_alone_is_sent_when_the_loop_turns() -> None:
    transport = Transport()
    joined = Joined(transport)
    joined.write(b"head of a stream")
    await asyncio.sleep(0)
    assert transport.writes == [b"head of a stream"]
    joined.write(b"last")
    joined.close()
    assert transport.writes[1:] == [b"last"] and transport.closed


@pytest.mark.anyio
async def test_a_long_body_is_not_copied() -> None:
    transport = Transport()
    joined = Joined(transport)
    joined.write(b"head")
    joined.write(b"x" * JOINED)
    assert [len(data) for data in transport.writes] == [4, JOINED]


@pytest.mark.anyio
async def test_what_was_held_is_not_sent_after_an_abort() -> None:
    transport = Transport()
    joined = Joined(transport)
    joined.write(b"head")
    joined.abort()
    await asyncio.sleep(0)
    assert transport.aborted and not transport.writes
