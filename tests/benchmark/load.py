"""The load: clients over HTTP/1.1 that cost little themselves, and what they saw.

A client is one kept connection with one request under way at a time. Requests are written as ready bytes. Parsers in C find the
end of answers; one thread waits for all connections (epoll(7)). So on a small machine the server is what is measured.
"""

import json
import math
import select
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any

import hiredis
import httptools

_HOST = b"\r\nHost: localhost\r\n"

_SHOWN = 300
"""Bytes of an answer that an error shows."""


class LoadError(Exception):
    """An answer that is not the one a request is to have; the message begins with what came."""


@dataclass(frozen=True)
class Measured:
    """What clients saw: latencies in seconds, sorted, the wall time of all, and the bytes of an answer's body."""

    latencies: Sequence[float]
    seconds: float
    size: int

    @property
    def rate(self) -> float:
        """Calls a second."""
        return len(self.latencies) / self.seconds

    def quantile(self, q: float) -> float:
        """The latency, in seconds, that a share `q` of the calls did not exceed."""
        return self.latencies[min(len(self.latencies) - 1, max(0, math.ceil(q * len(self.latencies)) - 1))]


def http_request(path: str, message: Any, headers: Mapping[str, str] | None = None) -> bytes:
    """A POST of a JSON message, or a GET where there is none, as the bytes of HTTP/1.1."""
    body = b"" if message is None else json.dumps(message, separators=(",", ":")).encode()
    sent = {
        "Host": "localhost",  # a connection adds its port: some servers check it
        "Accept": "application/json, text/event-stream",
        **({} if message is None else {"Content-Type": "application/json", "Content-Length": str(len(body))}),
        **(headers or {}),
    }
    lines = [f"{'GET' if message is None else 'POST'} {path} HTTP/1.1", *(f"{k}: {v}" for k, v in sent.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Connection(ABC):
    """A kept connection to a server on loopback, for one request at a time."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = memoryview(bytearray(256 * 1024))
        self._parts: list[bytes] = []

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def send(self, request: bytes) -> None:
        """Send a request. Receive all of its answer before the next."""
        self._parts = []
        self._socket.sendall(request)

    def receive(self) -> bool:
        """Receive bytes, and return whether the answer is complete. A failure is a LoadError, a lost connection an OSError."""
        received = self._socket.recv_into(self._buffer)
        if not received:
            raise ConnectionResetError("the server closed the connection")
        return self._feed(bytes(self._buffer[:received]))

    @abstractmethod
    def _feed(self, data: bytes) -> bool:
        """Parses what was received, and keeps the body; whether the answer is complete."""

    def body(self) -> bytes:
        if len(self._parts) > 1:
            self._parts = [b"".join(self._parts)]
        return self._parts[0] if self._parts else b""

    def ask(self, request: bytes) -> bytes:
        """Send a request and return the body of its answer. OSError if the connection is lost, LoadError for a failure."""
        self.send(request)
        while not self.receive():
            pass
        return self.body()


class HttpConnection(Connection):
    """A connection that speaks HTTP/1.1 (RFC 9112). An answer whose status is not in the 200s is a failure."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._host = f"\r\nHost: localhost:{port}\r\n".encode()
        self._parser = httptools.HttpResponseParser(self)
        self._complete = False

    def send(self, request: bytes) -> None:
        self._complete = False
        super().send(request.replace(_HOST, self._host, 1))

    def on_body(self, data: bytes) -> None:
        """Called by the parser."""
        self._parts.append(data)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        self._complete = True

    def _feed(self, data: bytes) -> bool:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise LoadError(f"no answer in HTTP, or more than one: {error}") from None
        if self._complete and self._parser.get_status_code() // 100 != 2:
            raise LoadError(f"{self._parser.get_status_code()}: {self.body()[:_SHOWN].decode(errors='replace')}")
        return self._complete


class RedisConnection(Connection):
    """A connection that speaks Redis' protocol (https://redis.io/docs/latest/develop/reference/protocol-spec/).

    A body is the whole reply. One that is an error, or nothing, is a failure; and so is one that has such among its elements.
    """

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._reader = hiredis.Reader()

    def _feed(self, data: bytes) -> bool:
        self._parts.append(data)
        self._reader.feed(data)
        reply = self._reader.gets()
        if reply is False:
            return False
        for part in reply if isinstance(reply, list) else [reply]:
            if part is None or isinstance(part, hiredis.ReplyError):
                raise LoadError(f"Redis: {part}")
        if self._reader.has_data():
            raise LoadError("Redis: more than one answer")
        return True


def redis_command(words: Sequence[str]) -> bytes:
    """A command as Redis reads it."""
    return b"".join([f"*{len(words)}\r\n".encode(), *(f"${len(w.encode())}\r\n{w}\r\n".encode() for w in words)])


def load(
    port: int,
    request: bytes,
    expected: bytes,
    clients: int,
    calls: int,
    seconds: float,
    kind: type[Connection] = HttpConnection,
) -> Measured:
    """Let clients repeat a request, until `calls` of them are answered, or none begins because `seconds` are over.

    Each answer's body must have the bytes `expected`. A failure is a LoadError; a lost connection is an OSError.
    """
    with ExitStack() as opened:
        connections = {}
        ready = opened.enter_context(select.epoll())
        for _ in range(clients):
            connection = opened.enter_context(closing(kind(port)))
            connections[connection.fileno()] = connection
            ready.register(connection, select.EPOLLIN)
        latencies: list[float] = []
        sent: dict[int, float] = {}  # when, by connections that wait for an answer
        left, size = calls, 0
        began = time.perf_counter()

        def ask(number: int) -> None:
            nonlocal left
            now = time.perf_counter()
            if left > 0 and now - began < seconds:
                left -= 1
                sent[number] = now
                connections[number].send(request)
            else:
                ready.unregister(number)

        for number in connections:
            ask(number)
        while sent:
            for number, _ in ready.poll():
                connection = connections[number]
                if not connection.receive():
                    continue
                latencies.append(time.perf_counter() - sent.pop(number))
                body = connection.body()
                if expected not in body:
                    raise LoadError(f"an answer without {expected!r}: {body[:_SHOWN].decode(errors='replace')}")
                size = len(body)
                ask(number)
        return Measured(sorted(latencies), time.perf_counter() - began, size)
