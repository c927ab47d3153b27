"""Slow clients, too many, and what is not HTTP/1.1: uvicorn's protocol over transports of the test, with a clock of its own."""

from __future__ import annotations

import asyncio
import gc
import ssl
from typing import Any

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from servers.common.connection import (
    KEPT,
    LONGEST_HEAD,
    MOST_AHEAD,
    MOST_HEADERS,
    SLOWEST,
    Connection,
    Joined,
)
from servers.common.connections import Connections, Handshake
from servers.common.outgoing import JOINED


class Transport(asyncio.Transport):
    """A client's end."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.writes: list[bytes] = []
        self.unread = 0
        self.aborted = self.closed = self.ended = False

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

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

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
        self.asked: list[tuple[Any, bytes]] = []  # the application's scopes, and bodies
        self.hasty = False  # it answers without a look at the body
        self.left = 0  # clients that went away before they were answered
        self.connections = Connections(most, 30, self.reasons.append, lambda: self.now)
        self.config = Config(
            self.app, interface="asgi3", http=self.connections.protocol(), log_config=None, access_log=False
        )

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            body = b""
            while not self.hasty:
                message = await receive()
                if message["type"] == "http.disconnect":
                    self.left += 1
                    return
                body += message["body"]
                if not message["more_body"]:
                    break
            self.asked.append((scope, body))
            await self.answer.wait()
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"ok"})

    def connect(self) -> tuple[Connection, Transport]:
        transport = Transport()
        protocol = self.connections.protocol()(self.config, ServerState(), {})
        assert isinstance(protocol, Connection)
        protocol.connection_made(transport)
        return protocol, transport

    def accept_tls(self) -> tuple[Handshake, Transport]:
        """A connection whose handshake has not begun."""
        accepted = self.connections.over_tls(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        handshake = accepted(config=self.config, server_state=ServerState(), app_state={})
        assert isinstance(handshake, Handshake)
        transport = Transport()
        handshake.connection_made(transport)
        return handshake, transport

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.connections.sweep()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


REQUEST = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody"


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
async def test_a_connection_without_a_request_is_kept_for_a_while() -> None:
    bench = Bench()
    protocol, transport = bench.connect()
    for _ in range(3):
        protocol.data_received(REQUEST)
        await settle()
        bench.pass_time(KEPT - 1)
        assert not transport.is_closing()
    bench.answer.clear()
    protocol.data_received(REQUEST)
    await settle()
    bench.pass_time(KEPT + 1)
    assert not transport.is_closing(), "a call is under way"
    bench.answer.set()
    await settle()
    bench.pass_time(KEPT + 1)
    assert transport.closed and not transport.aborted and bench.reasons == []


@pytest.mark.anyio
async def test_a_connection_is_kept_no_longer_where_the_answer_came_before_the_body() -> None:
    bench = Bench()
    bench.hasty = True
    protocol, transport = bench.connect()
    protocol.data_received(REQUEST[:-2])
    await settle()
    assert b"200 OK" in transport.written
    bench.pass_time(20)
    protocol.data_received(REQUEST[-2:])
    bench.pass_time(KEPT - 1)
    assert not transport.is_closing()
    bench.pass_time(2)
    assert transport.closed and bench.reasons == []


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
async def test_a_handshake_has_its_time() -> None:
    bench = Bench()
    handshake, transport = bench.accept_tls()
    bench.pass_time(29)
    assert not transport.aborted and len(bench.connections) == 1
    bench.pass_time(2)
    assert transport.aborted and bench.reasons == ["slow_request"] and len(bench.connections) == 0
    handshake.connection_lost(None)


@pytest.mark.anyio
async def test_handshakes_count_as_connections_and_give_way() -> None:
    bench = Bench(most=4)
    handshakes = [bench.accept_tls() for _ in range(6)]
    assert [t.aborted for _, t in handshakes] == [True, True, False, False, False, False]
    assert len(bench.connections) == 4 and bench.reasons == ["crowded"] * 2
    for handshake, _ in handshakes:
        handshake.connection_lost(None)
    assert len(bench.connections) == 0


@pytest.mark.anyio
async def test_a_handshake_is_refused_where_all_others_ask() -> None:
    bench = Bench(most=4)
    bench.answer.clear()
    busy = [bench.connect() for _ in range(4)]
    for protocol, _ in busy:
        protocol.data_received(REQUEST)
    handshake, transport = bench.accept_tls()
    assert transport.aborted and bench.reasons == ["crowded"]
    assert not any(t.is_closing() for _, t in busy)
    handshake.connection_lost(None)
    assert len(bench.connections) == 4
    bench.answer.set()
    await settle()
    assert all(b"200 OK" in t.written for _, t in busy)


@pytest.mark.anyio
async def test_a_handshake_that_never_ends_leaves_nothing_behind() -> None:
    """Not even for the garbage collector: who opens many would fill the memory before it comes."""
    bench = Bench()

    def there() -> int:
        return sum(isinstance(item, Handshake | Connection) for item in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        before = there()
        handshake, transport = bench.accept_tls()
        assert there() == before + 2
        handshake.connection_lost(None)
        del handshake, transport
        assert there() == before
    finally:
        gc.enable()


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


POST = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


async def refused(*parts: bytes) -> tuple[Bench, Transport]:
    """What became of a connection over which these bytes came; nothing of them got to the application whole."""
    bench = Bench()
    protocol, transport = bench.connect()
    for part in parts:
        protocol.data_received(part)
        await settle()
    assert bench.reasons == ["malformed"] and not bench.asked
    assert b"connection: close" in transport.written and transport.written.count(b"HTTP/1.1 4") == 1
    assert transport.ended and not transport.closed, (
        "what the client still sends must not make its system drop the answer"
    )
    return bench, transport


@pytest.mark.anyio
@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(sent, id=name)
        for name, sent in {
            "two lengths": POST + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\nbody",
            "two lengths that differ": POST + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nbody",
            "a list of lengths": POST + b"Content-Length: 4, 4\r\n\r\nbody",
            "a length with a sign": POST + b"Content-Length: +4\r\n\r\nbody",
            "a length below nothing": POST + b"Content-Length: -1\r\n\r\n",
            "a length in hexadecimal": POST + b"Content-Length: 0x4\r\n\r\nbody",
            "a length of no digits": POST + b"Content-Length: \r\n\r\n",
            "a length without end": POST + b"Content-Length: 99999999999999999999999\r\n\r\n",
            "a space before the colon": POST + b"Content-Length : 4\r\n\r\nbody",
            "a length and chunks": POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "chunks and a length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
            "another coding": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            "another coding, later": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
            "another coding, in its own header": POST
            + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "a coding that is none": POST + b"Transfer-Encoding: identity\r\n\r\n",
            "a coding that is nearly one": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
            "a coding after a vertical tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
            "chunks in HTTP/1.0": b"POST /mcp HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "a chunk's size that is no number": CHUNKED + b"g\r\n",
            "a chunk's size with 0x": CHUNKED + b"0x4\r\nbody\r\n0\r\n\r\n",
            "a chunk's size with a sign": CHUNKED + b"-1\r\n",
            "a chunk's size without end": CHUNKED + b"fffffffffffffffff\r\n",
            "a space after a chunk's size": CHUNKED + b"4 \r\nbody\r\n0\r\n\r\n",
            "a bare LF after a chunk's size": CHUNKED + b"4\nbody\r\n0\r\n\r\n",
            "a bare LF in a chunk's extension": CHUNKED + b"4;a\nb\r\nbody\r\n0\r\n\r\n",
            "a chunk longer than its size": CHUNKED + b"4\r\nbody!\r\n0\r\n\r\n",
            "no CRLF after a chunk": CHUNKED + b"4\r\nbody0\r\n\r\n",
            "a folded line": POST + b"A: b\r\n c\r\n\r\n",
            "a bare LF": POST + b"A: b\nC: d\r\n\r\n",
            "bare LFs only": b"GET / HTTP/1.1\nHost: localhost\n\n",
            "a bare CR": POST + b"A: b\rC: d\r\n\r\n",
            "NUL in a value": POST + b"A: b\0c\r\n\r\n",
            "NUL in a name": POST + b"A\0: b\r\n\r\n",
            "a control character": POST + b"A: b\x01\r\n\r\n",
            "a space in a name": POST + b"A b: c\r\n\r\n",
            "no name": POST + b": c\r\n\r\n",
            "no colon": POST + b"A\r\n\r\n",
            "no Host": b"GET / HTTP/1.1\r\n\r\n",
            "two Hosts": POST + b"Host: localhost\r\n\r\n",
            "two Hosts in HTTP/1.0": b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
            "HTTP/0.9": b"GET /\r\n\r\n",
            "HTTP/1.2": b"GET / HTTP/1.2\r\nHost: localhost\r\n\r\n",
            "HTTP/2.0": b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n",
            "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            "an unknown method": b"FETCH / HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "another server's address": b"GET http://evil.example/mcp HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "no path": b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "a tunnel": b"CONNECT localhost:1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "a path of other bytes": b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        }.items()
    ],
)
async def test_what_is_not_plain_http_is_refused(sent: bytes) -> None:
    """Smuggling among it: what another parser could take to be one request more, or less."""
    _, transport = await refused(sent)
    assert transport.written.startswith(b"HTTP/1.1 400 ") and b'{"error": "' in transport.written
    _, transport = await refused(*(sent[i : i + 1] for i in range(len(sent))))
    assert transport.written.startswith(b"HTTP/1.1 400 ")


@pytest.mark.anyio
@pytest.mark.parametrize(
    "begun",
    [b"", b"GET /", POST, POST + b"A: ", CHUNKED + b"4;", CHUNKED + b"4\r\nbody\r\n0\r\n", CHUNKED + b"0\r\nA: "],
    ids=["nothing", "path", "headers", "header", "chunk", "trailers", "trailer"],
)
async def test_what_is_no_body_is_bounded(begun: bytes) -> None:
    part = {b"": b"\r\n" * 1000}.get(begun, (b"A: " + b"a" * 1000 + b"\r\n") if begun.endswith(b"\n") else b"a" * 1000)
    _, transport = await refused(begun, *[part] * (2 * LONGEST_HEAD // len(part)))
    assert transport.written.startswith(b"HTTP/1.1 431 ")


@pytest.mark.anyio
async def test_headers_are_bounded_as_well_where_all_come_at_once() -> None:
    _, transport = await refused(POST + (b"A: " + b"a" * 1000 + b"\r\n") * 70 + b"\r\n")
    assert transport.written.startswith(b"HTTP/1.1 431 ")
    _, transport = await refused(POST + b"A:\r\n" * MOST_HEADERS + b"\r\n")
    assert transport.written.startswith(b"HTTP/1.1 431 ")
    bench = Bench()
    protocol, transport = bench.connect()
    protocol.data_received(POST + b"A:\r\n" * (MOST_HEADERS - 2) + b"B: " + b"b" * 60_000 + b"\r\n\r\n")
    await settle()
    assert b"200 OK" in transport.written and len(bench.asked[0][0]["headers"]) == MOST_HEADERS


@pytest.mark.anyio
async def test_a_long_body_is_no_head() -> None:
    bench = Bench()
    protocol, _ = bench.connect()
    body = b"x" * (4 * LONGEST_HEAD)
    protocol.data_received(POST + b"Content-Length: %d\r\n\r\n" % len(body))
    for start in range(0, len(body), 1000):
        protocol.data_received(body[start : start + 1000])
        await settle()
    protocol.data_received(CHUNKED)
    for start in range(0, len(body), 8):
        protocol.data_received(b"8\r\n" + body[start : start + 8] + b"\r\n")
    protocol.data_received(b"0\r\n\r\n")
    await settle()
    assert [len(received) for _, received in bench.asked] == [len(body)] * 2 and not bench.reasons


@pytest.mark.anyio
async def test_values_come_without_the_space_around_them_and_trailers_not_at_all() -> None:
    bench = Bench()
    protocol, transport = bench.connect()
    protocol.data_received(
        POST
        + b"A: \t b \t\r\nB:\r\nTransfer-Encoding: Chunked\r\n\r\n2;x=y\r\nbo\r\n2\r\ndy\r\n0\r\nAuthorization: c\r\n\r\n"
    )
    await settle()
    ((scope, body),) = bench.asked
    assert body == b"body" and b"200 OK" in transport.written
    assert scope["headers"][1:] == [(b"a", b"b"), (b"b", b""), (b"transfer-encoding", b"Chunked")]


@pytest.mark.anyio
@pytest.mark.parametrize("protocol_name", [b"h2c", b"websocket"])
@pytest.mark.parametrize("parts", [1, 2, 1000])
async def test_a_wish_for_another_protocol_is_not_heard(protocol_name: bytes, parts: int) -> None:
    """The body is there all the same: the HTTP client of Java asks so with its first request."""
    bench = Bench()
    protocol, transport = bench.connect()
    asked = POST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: " + protocol_name
    asked += b"\r\nHTTP2-Settings: AAMAAABk\r\nContent-Length: 4\r\n\r\nbody"
    sent = (asked + REQUEST) * 2
    for start in range(0, len(sent), len(sent) // parts + 1):
        protocol.data_received(sent[start : start + len(sent) // parts + 1])
        await settle()
    assert [body for _, body in bench.asked] == [b"body"] * 4
    assert transport.written.count(b"200 OK") == 4 and not bench.reasons
    protocol.data_received(asked.replace(b"HTTP/1.1\r\nHost: localhost", b"HTTP/1.0"))
    await settle()
    assert bench.asked[4][0]["http_version"] == "1.0" and transport.closed


@pytest.mark.anyio
async def test_requests_sent_ahead_are_answered_in_turn_up_to_a_number() -> None:
    bench = Bench()
    protocol, transport = bench.connect()
    bench.answer.clear()
    for _ in range(MOST_AHEAD + 3):
        protocol.data_received(REQUEST)
        await settle()
    assert len(bench.asked) == 1 and not transport.written, "an answer out of turn would be taken for another's"
    bench.answer.set()
    await settle()
    await settle()
    assert transport.written.count(b"200 OK") == MOST_AHEAD
    assert transport.written.rpartition(b"HTTP/1.1 ")[2].startswith(b"429 ") and bench.reasons == ["malformed"]
    assert transport.ended


@pytest.mark.anyio
async def test_any_number_in_turn_is_answered() -> None:
    bench = Bench()
    protocol, transport = bench.connect()
    for _ in range(3 * MOST_AHEAD):
        protocol.data_received(REQUEST)
        await settle()
    assert transport.written.count(b"200 OK") == 3 * MOST_AHEAD and not bench.reasons


@pytest.mark.anyio
@pytest.mark.parametrize(
    "wrong", [b"\0", CHUNKED + b"2\r\nbo\r\ng", b"GET / HTTP/1.1\r\n\r\n"], ids=["bytes", "body", "host"]
)
@pytest.mark.parametrize("parts", [1, 2])
async def test_what_is_wrong_is_said_after_the_answers_before_it(wrong: bytes, parts: int) -> None:
    bench = Bench()
    bench.answer.clear()
    protocol, transport = bench.connect()
    for part in [REQUEST + REQUEST + wrong] if parts == 1 else [REQUEST + REQUEST, wrong]:
        protocol.data_received(part)
        await settle()
    bench.pass_time(100)
    assert not transport.written and not transport.is_closing()
    bench.answer.set()
    await settle()
    await settle()
    assert [part[:3] for part in transport.written.split(b"HTTP/1.1 ")[1:]] == [b"200", b"200", b"400"]
    assert transport.ended and len(bench.asked) == 2
    protocol.data_received(REQUEST)
    await settle()
    assert len(bench.asked) == 2, "nothing is read after it"
    bench.pass_time(31)
    assert transport.aborted, "nor is it waited for long"


@pytest.mark.anyio
async def test_a_body_that_breaks_ends_its_call() -> None:
    expects = CHUNKED.replace(b"Host", b"Expect: 100-continue\r\nHost") + b"4\r\nbody"
    bench, transport = await refused(expects, b"!")
    assert bench.left == 1 and transport.written.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400 ")
    connection = next(iter(bench.connections._open))
    assert isinstance(connection, Connection)
    connection.shutdown()
    assert transport.closed, "the server need not wait for it"
    _, transport = await refused(expects + b"!")
    assert b"100 Continue" not in transport.written, "nothing can be sent after the end"


@pytest.mark.anyio
async def test_a_refused_client_that_does_not_leave_is_closed() -> None:
    bench, transport = await refused(b"\0")
    bench.pass_time(29)
    assert not transport.aborted
    bench.pass_time(2)
    assert transport.aborted


@pytest.mark.anyio
async def test_a_client_that_leaves_ends_the_call_that_is_answered_not_only_the_last() -> None:
    bench = Bench()
    protocol, _ = bench.connect()
    protocol.data_received(CHUNKED + b"2\r\nbo\r\n")
    await settle()
    protocol.connection_lost(None)
    await settle()
    assert bench.left == 1
    protocol, _ = bench.connect()
    bench.answer.clear()
    protocol.data_received(REQUEST * 3)
    await settle()
    served = protocol._served
    protocol.connection_lost(ConnectionResetError())
    bench.answer.set()
    await settle()
    assert served and served.disconnected and len(bench.asked) == 1, "who waited is not begun any more"


@pytest.mark.anyio
async def test_what_is_sent_ahead_may_take_its_time_while_a_call_lasts() -> None:
    bench = Bench()
    bench.answer.clear()
    protocol, transport = bench.connect()
    protocol.data_received(REQUEST + REQUEST[:20])
    await settle()
    bench.pass_time(100)
    assert not transport.aborted
    bench.answer.set()
    await settle()
    bench.pass_time(0)
    bench.pass_time(29)
    assert not transport.aborted and b"200 OK" in transport.written
    bench.pass_time(2)
    assert transport.aborted and bench.reasons == ["slow_request"]


@pytest.mark.anyio
async def test_empty_lines_are_no_request() -> None:
    """They are allowed before one (RFC 9112, 2.2), and must not keep a connection open for good."""
    bench = Bench()
    protocol, transport = bench.connect()
    protocol.data_received(b"\r\n" + REQUEST + b"\r\n")
    await settle()
    assert transport.written.count(b"200 OK") == 1
    bench.pass_time(0)
    for _ in range(5):
        bench.pass_time(10)
        protocol.data_received(b"\r\n")
    assert transport.aborted and bench.reasons[0] == "slow_request"


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
