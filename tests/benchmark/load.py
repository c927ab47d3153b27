"""The load: clients over HTTP/1.1 that cost little themselves, and what they saw.

A client is one kept connection with one request under way at a time. Requests are written as ready bytes and answers
are only cut out of the stream, not parsed, so that on a small machine the server is what is measured.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_HOST = b"\r\nHost: localhost\r\n"


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


class Connection:
    """A kept connection to a server on loopback."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
        self._reader, self._writer = reader, writer
        self._host = f"\r\nHost: localhost:{port}\r\n".encode()

    @classmethod
    async def open(cls, port: int) -> Connection:
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=2**26), port)

    async def ask(self, request: bytes) -> tuple[bytes, bytes]:
        """Sends a request; the head and the body of its answer.

        Raises:
            LoadError: its status is not in the 200s.
        """
        self._writer.write(request.replace(_HOST, self._host, 1))
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        if (at := head.find(b"content-length:")) >= 0:
            body = await self._reader.readexactly(int(head[at + 15 : head.index(b"\r\n", at)]))
        elif b"transfer-encoding: chunked" in head:
            body = await self._chunks()
        else:
            body = b""
        if head[9:10] != b"2":
            raise LoadError(f"{head[9:12].decode()}: {body[:300].decode(errors='replace')}")
        return head, body

    async def _chunks(self) -> bytes:
        parts = []
        while size := int((await self._reader.readuntil(b"\r\n")).split(b";")[0], 16):
            parts.append((await self._reader.readexactly(size + 2))[:-2])
        await self._reader.readexactly(2)
        return b"".join(parts)

    def close(self) -> None:
        self._writer.close()


class RedisConnection:
    """A kept connection to a Redis on loopback (https://redis.io/docs/latest/develop/reference/protocol-spec/)."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> RedisConnection:
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=2**26))

    async def ask(self, request: bytes) -> tuple[bytes, bytes]:
        """Sends a command; the first line of its reply, and what comes behind it.

        Raises:
            LoadError: it is an error, or says that there is nothing.
        """
        self._writer.write(request)
        return await self._reply()

    async def _reply(self) -> tuple[bytes, bytes]:
        line = await self._reader.readuntil(b"\r\n")
        if line.startswith((b"-", b"$-1", b"*-1")):
            raise LoadError(f"Redis: {line.decode().strip()}")
        rest = b""
        if line.startswith(b"$"):
            rest = await self._reader.readexactly(int(line[1:]) + 2)
        elif line.startswith(b"*"):
            rest = b"".join([b"".join(await self._reply()) for _ in range(int(line[1:]))])
        return line, rest

    def close(self) -> None:
        self._writer.close()


def redis_command(words: Sequence[str]) -> bytes:
    """A command as Redis reads it."""
    return b"".join([f"*{len(words)}\r\n".encode(), *(f"${len(w.encode())}\r\n{w}\r\n".encode() for w in words)])


async def load(
    port: int,
    request: bytes,
    expected: bytes,
    clients: int,
    calls: int,
    seconds: float,
    kind: type[Connection | RedisConnection] = Connection,
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
        LoadError: an answer is a failure or does not have what is expected.
    """
    connections = [await kind.open(port) for _ in range(clients)]
    latencies: list[float] = []
    left, size = calls, 0
    began = time.perf_counter()

    async def client(connection: Connection | RedisConnection) -> None:
        nonlocal left, size
        while left > 0 and time.perf_counter() - began < seconds:
            left -= 1
            sent = time.perf_counter()
            _, body = await connection.ask(request)
            latencies.append(time.perf_counter() - sent)
            size = len(body)
            if expected not in body:
                raise LoadError(f"an answer without {expected!r}: {body[:300].decode(errors='replace')}")

    try:
        async with asyncio.TaskGroup() as tasks:
            for connection in connections:
                tasks.create_task(client(connection))
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
    finally:
        for connection in connections:
            connection.close()
    return Measured(sorted(latencies), time.perf_counter() - began, size)
