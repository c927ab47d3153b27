"""TCP and TLS for httpcore2, on asyncio itself.

httpcore2's own way is anyio, with a timer, a scope and three lookups of the socket for each read and write, and a system call
for each idle connection whenever one is wanted, to see whether it was closed. Here the event loop has said so already.
"""

from __future__ import annotations

import asyncio
import os
import re
import ssl
from collections import deque
from collections.abc import Iterable
from typing import Any

import httpcore2

MOST = 256 * 1024
"""Bytes that wait to be read; then no more are taken from the kernel for a while."""

JOINED = 16 * 1024
"""Bytes of a request from which it is sent before it is whole."""

EYEBALLS = 0.25
"""Seconds after which a host's next address is tried beside the one before (RFC 8305)."""


class Streams(httpcore2.AsyncNetworkBackend):
    """Makes connections."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout):
                _, stream = await loop.create_connection(Stream, host, port, happy_eyeballs_delay=EYEBALLS)
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout(str(error)) from error
        except OSError as error:
            raise httpcore2.ConnectError(str(error)) from _first(error)
        except UnicodeError as error:  # a name that none can have
            raise httpcore2.ConnectError(str(error)) from error
        return stream

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def _first(error: OSError) -> OSError:
    """Of a host's several addresses asyncio says only in words why each could not be reached: the error of the first."""
    if error.errno is None and (found := re.search(r"\[Errno (\d+)\]", str(error))):
        return OSError(int(found[1]), os.strerror(int(found[1])))
    return error


class Stream(asyncio.Protocol, httpcore2.AsyncNetworkStream):
    """A connection, of one request at a time."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._received: deque[bytes] = deque()
        self._waiting = 0
        self._held = b""
        self._ended = False
        self._lost: Exception | None = None
        self._reader: asyncio.Future[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received.append(data)
        self._waiting += len(data)
        if self._waiting > MOST:
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        self._ended = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended, self._lost = True, exc
        self._writable.set()
        self._wake()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def _wake(self) -> None:
        if self._reader and not self._reader.done():
            self._reader.set_result(None)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What has come, whatever `max_bytes` is; nothing at the end."""
        self._send()
        if not self._received and not self._ended:
            self._reader = self._loop.create_future()
            try:
                async with asyncio.timeout(timeout):
                    await self._reader
            except TimeoutError as error:
                raise httpcore2.ReadTimeout(str(error)) from error
            finally:
                self._reader = None
        if self._received:
            data = self._received.popleft()
            before, self._waiting = self._waiting, self._waiting - len(data)
            if before > MOST >= self._waiting and not self._ended:
                self._transport.resume_reading()
            return data
        if self._lost:
            raise httpcore2.ReadError(str(self._lost)) from self._lost
        return b""

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Sends, at the latest when an answer is waited for: a short request goes with its body."""
        if self._ended:
            raise httpcore2.WriteError("the connection was closed") from self._lost
        self._held += buffer
        if len(self._held) < JOINED:
            return
        self._send()
        if not self._writable.is_set():
            try:
                async with asyncio.timeout(timeout):
                    await self._writable.wait()
            except TimeoutError as error:
                raise httpcore2.WriteTimeout(str(error)) from error

    def _send(self) -> None:
        if self._held and not self._ended:
            self._transport.write(self._held)
        self._held = b""

    async def aclose(self) -> None:
        self._transport.close()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                transport = await self._loop.start_tls(
                    self._transport, self, ssl_context, server_hostname=server_hostname
                )
        except TimeoutError as error:
            self._transport.abort()
            raise httpcore2.ConnectTimeout(str(error)) from error
        except OSError as error:  # ssl.SSLError is one
            self._transport.abort()
            raise httpcore2.ConnectError(str(error)) from error
        if transport is None:
            raise httpcore2.ConnectError("the connection was closed")
        self._transport = transport
        return self

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return self._ended or bool(self._received)
        return self._transport.get_extra_info(info)
