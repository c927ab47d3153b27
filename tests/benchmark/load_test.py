import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.benchmark.load import Connection, HttpConnection, LoadError, RedisConnection, http_request, load

REQUEST = http_request("/", None)
BODY = b'{"value": "' + b"\r\n0\r\n\r\n" * 10_000 + b'"}'
"""Like the end of chunks."""

LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
TEXT = b"$%d\r\n%b\r\n" % (len(BODY), BODY)


def chunked(*chunks: bytes) -> bytes:
    """An answer whose body comes in these chunks."""
    lines = (b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))
    return b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"".join(lines)


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """Yield the port of a server that has one answer to all, in pieces; with none it closes the connection."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while self.request.recv(65536) and answer:
                for at in range(0, len(answer), 4096):
                    self.request.sendall(answer[at : at + 4096])

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("kind", "answer", "size"),
    [
        (HttpConnection, LENGTH % len(BODY) + BODY, len(BODY)),
        (HttpConnection, LENGTH % 0, 0),
        (HttpConnection, chunked(BODY[:1], BODY[1:50_000], BODY[50_000:]), len(BODY)),
        (RedisConnection, b"+OK\r\n", 5),
        (RedisConnection, b"*2\r\n$1\r\n0\r\n*2\r\n:12\r\n" + TEXT, len(TEXT) + 20),
    ],
)
def test_all_calls_are_counted(kind: type[Connection], answer: bytes, size: int) -> None:
    with answering(answer) as port:
        found = load(port, REQUEST, b"", 3, 50, 60, kind)
        assert 0 < len(load(port, REQUEST, b"", 2, 10**9, 0.1, kind).latencies) < 10**9, "its time was over"
    assert len(found.latencies) == 50 and found.size == size
    assert 0 < found.latencies[0] <= found.quantile(0.5) <= found.quantile(1) == found.latencies[-1] <= found.seconds


@pytest.mark.parametrize(
    ("kind", "answer", "told"),
    [
        (HttpConnection, LENGTH % 3 + b"abcd", "more than one"),
        (HttpConnection, chunked(b"abc") + b"d", "more than one"),
        (RedisConnection, b"$3\r\nabc\r\n+", "more than one"),
        (HttpConnection, b"HTTP/1.1 503 No\r\nContent-Length: 4\r\n\r\nwhy?", "^503: why[?]$"),
        (RedisConnection, b"-ERR no\r\n", "^Redis: ERR no$"),
        (RedisConnection, b"$-1\r\n", "Redis"),
        (RedisConnection, b"*2\r\n:1\r\n-ERR no\r\n", "ERR no"),
        (HttpConnection, LENGTH % 6 + b'{"a":1', "an answer without"),
        (HttpConnection, b"", "closed the connection"),
    ],
)
def test_another_answer_is_a_failure(kind: type[Connection], answer: bytes, told: str) -> None:
    with answering(answer) as port, pytest.raises((LoadError, OSError), match=told):
        load(port, REQUEST, b"200 OK", 2, 50, 60, kind)
