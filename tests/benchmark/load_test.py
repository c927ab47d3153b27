import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from tests.benchmark.load import Connection, HttpConnection, LoadError, RedisConnection, http_request, load

REQUEST = http_request("/", None)
BODY = b'{"value": "' + b"\r\n0\r\n\r\n" * 10_000 + b'"}'
"""Longer than what a connection begins to receive into, and like the end of chunks."""

LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
CHUNKS = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
TEXT = b"$%d\r\n%b\r\n" % (len(BODY), BODY)
PAGE = b"*2\r\n$1\r\n0\r\n*2\r\n:12\r\n" + TEXT


def chunked(*chunks: bytes) -> bytes:
    """An answer whose body comes in these chunks."""
    return CHUNKS + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))


class Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, Answering)
        while self.request.recv(65536):
            if not self.server.answer:
                return
            self.request.sendall(self.server.answer)


class Answering(socketserver.ThreadingTCPServer):
    """A server that has one answer to all; with none it closes the connection."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, answer: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer = answer


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """Its port."""
    with Answering(answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def received(kind: type[Connection], answer: bytes, step: int) -> tuple[bytes, bool]:
    """The body of an answer that comes in pieces, and whether the last of them made it complete, and none before."""
    with socket.create_server(("127.0.0.1", 0)) as listening, closing(kind(listening.getsockname()[1])) as connection:
        connection.send(REQUEST)
        with listening.accept()[0] as accepted:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            complete = []
            for at in range(0, len(answer), step):
                accepted.sendall(answer[at : at + step])
                complete.append(connection.receive())
            return connection.body(), complete[-1] and not any(complete[:-1])


@pytest.mark.parametrize("step", [1, 7, 4096])
@pytest.mark.parametrize(
    ("kind", "answer", "body"),
    [
        (HttpConnection, LENGTH % len(BODY) + BODY, BODY),
        (HttpConnection, LENGTH % 0, b""),
        (HttpConnection, chunked(BODY[:1], BODY[1:50_000], BODY[50_000:]), BODY),
        (HttpConnection, chunked(), b""),
        (RedisConnection, b"+OK\r\n", b"+OK\r\n"),
        (RedisConnection, TEXT, TEXT),
        (RedisConnection, PAGE, PAGE),
        (RedisConnection, b"*0\r\n", b"*0\r\n"),
    ],
)
def test_an_answer_ends_where_it_says(kind: type[Connection], answer: bytes, body: bytes, step: int) -> None:
    assert received(kind, answer, step) == (body, True)


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        (HttpConnection, LENGTH % 3 + b"abcd"),
        (HttpConnection, chunked(b"abc") + b"d"),
        (RedisConnection, b"$3\r\nabc\r\n+"),
    ],
)
def test_what_is_behind_an_answer_is_a_failure(kind: type[Connection], answer: bytes) -> None:
    with pytest.raises(LoadError, match="more than one"):
        received(kind, answer, len(answer))


@pytest.mark.parametrize(
    ("kind", "answer", "told"),
    [
        (HttpConnection, b"HTTP/1.1 503 No\r\nContent-Length: 4\r\n\r\nwhy?", "^503: why[?]$"),
        (RedisConnection, b"-ERR no\r\n", "^Redis: ERR no$"),
        (RedisConnection, b"$-1\r\n", "Redis"),
        (RedisConnection, b"*2\r\n:1\r\n-ERR no\r\n", "ERR no"),
    ],
)
def test_a_failure_is_said(kind: type[Connection], answer: bytes, told: str) -> None:
    with answering(answer) as port, closing(kind(port)) as connection, pytest.raises(LoadError, match=told):
        connection.ask(REQUEST)


def test_a_connection_asks_again_and_again() -> None:
    with answering(chunked(BODY)) as port, closing(HttpConnection(port)) as connection:
        assert [connection.ask(REQUEST) for _ in range(3)] == [BODY] * 3


@pytest.mark.parametrize(
    ("kind", "answer", "size"),
    [
        (HttpConnection, LENGTH % len(BODY) + BODY, len(BODY)),
        (HttpConnection, chunked(BODY), len(BODY)),
        (RedisConnection, TEXT, len(TEXT)),
    ],
)
def test_all_calls_are_counted(kind: type[Connection], answer: bytes, size: int) -> None:
    with answering(answer) as port:
        found = load(port, REQUEST, b'"}', 3, 50, 60, kind)
    assert len(found.latencies) == 50
    assert 0 < found.latencies[0] <= found.quantile(0.5) <= found.quantile(1) == found.latencies[-1] <= found.seconds
    assert found.size == size


def test_no_call_begins_when_its_time_is_over() -> None:
    with answering(LENGTH % 2 + b"{}") as port:
        assert 0 < len(load(port, REQUEST, b"{}", 2, 10**9, 0.1).latencies) < 10**9


def test_an_answer_without_what_is_expected_is_a_failure() -> None:
    with answering(LENGTH % 6 + b'{"a":1') as port, pytest.raises(LoadError, match="an answer without"):
        load(port, REQUEST, b"200 OK", 2, 50, 60)


def test_a_connection_that_is_lost_is_a_failure() -> None:
    with answering(b"") as port, pytest.raises(OSError, match="closed the connection"):
        load(port, REQUEST, b"", 2, 50, 60)
