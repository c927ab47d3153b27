"""The load: clients over HTTP/1.1 that cost little themselves, and what they saw.

A client is one kept connection with one request under way at a time. Requests are written as ready bytes. Answers are received
into a buffer that their connection keeps, and are checked where they are, neither copied nor parsed; one thread waits for all
connections (epoll(7)). So on a small machine the server is what is measured.
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
        """
        Raises:
            OSError: it can't be made.
        """
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(64 * 1024)
        self._view = memoryview(self._buffer)
        self._begin()

    def _begin(self) -> None:
        """Makes ready for an answer."""
        self._received = self._body = self._end = (
            0  # bytes; where the body begins, and where it ends once that is known
        )

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def send(self, request: bytes) -> None:
        """Sends a request. All of the answer is to be received before the next.

        Raises:
            OSError: the connection is lost.
        """
        self._begin()
        self._socket.sendall(request)

    def receive(self) -> bool:
        """Receives what is there, or waits for something; whether the answer is complete.

        Raises:
            OSError: the connection is lost.
            LoadError: the answer is a failure, or is not what its protocol has.
        """
        if self._received == len(self._buffer):
            self._grow(2 * self._received)
        received = self._socket.recv_into(self._view[self._received :])
        if not received:
            raise ConnectionResetError("the server closed the connection")
        self._received += received
        if not self._end:
            self._find_end()
            if self._end > len(self._buffer):
                self._grow(self._end)
        if self._end and self._received > self._end:
            raise LoadError(f"{self._received - self._end} bytes behind the answer")
        return self._received == self._end

    def _grow(self, size: int) -> None:
        grown = bytearray(size)
        grown[: self._received] = self._view[: self._received]
        self._buffer, self._view = grown, memoryview(grown)

    @abstractmethod
    def _find_end(self) -> None:
        """Sets where the body begins and ends, as far as what was received tells."""

    @property
    def size(self) -> int:
        """Bytes of the body that was received last."""
        return self._end - self._body

    def has(self, expected: bytes) -> bool:
        """Return whether the body that was received last has these bytes."""
        return self._buffer.find(expected, self._body, self._end) >= 0

    def body(self, most: int | None = None) -> bytes:
        """The body that was received last, up to `most` bytes."""
        return bytes(self._view[self._body : self._end][:most])

    def ask(self, request: bytes) -> bytes:
        """Sends a request; the body of its answer.

        Raises:
            OSError: the connection is lost.
            LoadError: the answer is a failure, or is not what its protocol has.
        """
        self.send(request)
        while not self.receive():
            pass
        return self.body()


class HttpConnection(Connection):
    """A connection that speaks HTTP/1.1 (RFC 9112). An answer whose status is not in the 200s is a failure."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._host = f"\r\nHost: localhost:{port}\r\n".encode()

    def _begin(self) -> None:
        super()._begin()
        self._chunk = self._whole = 0  # where the next chunk begins, in a body of chunks; what of it is in its place

    def send(self, request: bytes) -> None:
        super().send(request.replace(_HOST, self._host, 1))

    def receive(self) -> bool:
        complete = super().receive()
        if complete and self._buffer[9:10] != b"2":
            raise LoadError(f"{self._buffer[9:12].decode()}: {self.body(_SHOWN).decode(errors='replace')}")
        return complete

    def _find_end(self) -> None:
        if self._chunk:
            self._join_chunks()
            return
        end = self._buffer.find(b"\r\n\r\n", 0, self._received)
        if end < 0:
            return
        self._body = end + 4
        head = self._buffer[: end + 2].lower()
        if (at := head.find(b"\r\ncontent-length:")) >= 0:
            self._end = self._body + int(head[at + 17 : head.index(b"\r\n", at + 17)])
        elif b"\r\ntransfer-encoding: chunked\r\n" in head:
            self._chunk = self._whole = self._body
            self._join_chunks()
        else:
            self._end = self._body

    def _join_chunks(self) -> None:
        """Moves what came in chunks together."""
        while (line := self._buffer.find(b"\r\n", self._chunk, self._received)) >= 0:
            size = int(self._buffer[self._chunk : line].split(b";")[0], 16)
            begin = line + 2
            if self._received < begin + size + 2:
                return
            self._view[self._whole : self._whole + size] = self._view[begin : begin + size]
            self._whole += size
            self._chunk = begin + size + 2
            if not size:
                # What is behind the last chunk goes on to count as too much.
                self._received -= self._chunk - self._whole
                self._end = self._whole
                return


class RedisConnection(Connection):
    """A connection that speaks Redis' protocol (https://redis.io/docs/latest/develop/reference/protocol-spec/).

    A body is the whole reply. One that is an error, or nothing, is a failure; and so is one that has such among its elements.
    """

    def _find_end(self) -> None:
        self._end = self._reply(0)

    def _reply(self, at: int) -> int:
        """Return where a reply ends that begins here; 0 where that can't be told yet."""
        line = self._buffer.find(b"\r\n", at, self._received)
        if line < 0:
            return 0
        if self._buffer.startswith((b"-", b"$-1", b"*-1"), at):
            raise LoadError(f"Redis: {self._buffer[at:line].decode(errors='replace')}")
        end = line + 2
        if self._buffer.startswith(b"$", at):
            return end + int(self._buffer[at + 1 : line]) + 2
        if self._buffer.startswith(b"*", at):
            for _ in range(int(self._buffer[at + 1 : line])):
                if not (end := self._reply(end)):
                    break
        return end


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
    """Clients that repeat a request, until `calls` of them are answered or `seconds` are over.

    Args:
        port: of the server on loopback
        request: by `http_request` or `redis_command`
        expected: bytes that each answer's body must have
        clients: at once
        calls: altogether, at most
        seconds: after which no call begins any more
        kind: of connection

    Raises:
        OSError: a connection can't be made, or is lost.
        LoadError: an answer is a failure or does not have what is expected.
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
                if not connection.has(expected):
                    text = connection.body(_SHOWN).decode(errors="replace")
                    raise LoadError(f"an answer without {expected!r}: {text}")
                size = connection.size
                ask(number)
        return Measured(sorted(latencies), time.perf_counter() - began, size)
