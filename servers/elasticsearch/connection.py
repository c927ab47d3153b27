"""A connection to a node: HTTP/1.1 on asyncio, parsed by llhttp (httptools), one request at a time."""

from __future__ import annotations

import asyncio
import socket
import ssl
from asyncio.staggered import staggered_race
from functools import partial
from typing import Any, NamedTuple

import httptools

EYEBALLS = 0.25
"""Seconds after which a host's next address is tried beside the one before (RFC 8305)."""

_RECEIVED = memoryview(bytearray(256 * 1024))
"""What was received last: of all connections, for each is done with it before the event loop goes on to the next."""

LONGEST_HEAD = 64 * 1024
"""Bytes of an answer before its body."""


class Place(NamedTuple):
    """Where a connection leads to."""

    host: str
    """A name in ASCII, or an address."""

    port: int
    tls: bool


class Cut(Exception):
    """No answer came, or none that is whole. What was asked for may have been done."""


class TooLong(Exception):
    """The answer is longer than is allowed."""


class Answer(NamedTuple):
    """An answer as it came."""

    status: int
    headers: dict[bytes, bytes]
    """By their names in lower case; the last of those that have the same."""

    content: bytes


async def connect(place: Place, context: ssl.SSLContext | None, longest: int) -> Connection:
    """Makes a connection, over TLS where the place has it.

    Args:
        place: where to
        context: for TLS
        longest: bytes of an answer's body, as it is sent

    Raises:
        OSError: (ssl.SSLError among them) it can't be made.
    """
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(
        lambda: Connection(place, longest),
        sock=await _reached(place),
        ssl=context if place.tls else None,
        server_hostname=place.host if place.tls else None,
    )
    return connection


async def _reached(place: Place) -> socket.socket:
    """A socket connected to the first of a host's addresses that can be reached."""
    loop = asyncio.get_running_loop()

    async def attempt(family: int, kind: int, protocol: int, address: Any) -> socket.socket:
        attempted = socket.socket(family, kind, protocol)
        try:
            attempted.setblocking(False)
            await loop.sock_connect(attempted, address)
        except BaseException:
            attempted.close()
            raise
        return attempted

    host = place.host.encode("ascii")  # a str would bring the modules for other names
    try:
        # What is an address needs no thread to be resolved in.
        found = socket.getaddrinfo(host, place.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        found = await loop.getaddrinfo(host, place.port, type=socket.SOCK_STREAM)
    attempts = [partial(attempt, family, kind, protocol, address) for family, kind, protocol, _, address in found]
    reached: socket.socket | None
    reached, _, failures = await staggered_race(attempts, EYEBALLS)
    if reached is None:
        raise next(failure for failure in failures if failure)
    return reached


class Connection(asyncio.BufferedProtocol):
    """A connection. It is closed by whatever goes wrong, a request that is cancelled among that."""

    def __init__(self, place: Place, longest: int) -> None:
        self.place = place
        self.idle_since = 0.0
        self.usable = True
        """Whether it can take a request, as far as has been seen."""

        self._longest = longest
        self._transport: asyncio.Transport
        self._parser = httptools.HttpResponseParser(self)
        self._asked: asyncio.Future[Answer] | None = None
        self._begin()

    def _begin(self) -> None:
        """Makes ready for an answer."""
        self._status = 0
        self._headers: dict[bytes, bytes] = {}
        self._pieces: list[bytes] = []
        self._received = self._length = 0

    async def ask(self, head: bytes, content: bytes | None) -> Answer:
        """Sends a request.

        Args:
            head: up to the empty line, of any method but HEAD, whose answers the parser would take to have a body
            content: its body

        Raises:
            Cut: the connection ended before the answer did, or what came is no HTTP.
            TooLong: the answer.
        """
        self._begin()
        self._asked = asyncio.get_running_loop().create_future()
        self._transport.writelines([head, content] if content else [head])
        try:
            return await self._asked
        except BaseException:
            self.abort()
            raise
        finally:
            self._asked = None

    def close(self) -> None:
        """Closes it in order, where nothing is under way."""
        self.usable = False
        self._transport.close()

    def abort(self) -> None:
        """Closes it at once."""
        self.usable = False
        self._transport.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        return _RECEIVED

    def buffer_updated(self, nbytes: int) -> None:
        if self._asked is None:
            self.abort()  # nothing was asked
            return
        self._received += nbytes
        try:
            self._parser.feed_data(_RECEIVED[:nbytes])
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(Cut(f"what came is no HTTP: {error}"))
            return
        if self._received > 2 * self._longest:
            self._fail(TooLong())  # by what is around its body
        elif not self._status and self._received > LONGEST_HEAD:
            self._fail(Cut("the head of the answer has no end"))

    def eof_received(self) -> None:
        self.usable = False
        if self._status and not self._headers.keys() & {b"content-length", b"transfer-encoding"}:
            self._answer()  # its end is that of the connection
        self._fail(Cut("the connection was closed before the answer was here"))

    def connection_lost(self, exc: Exception | None) -> None:
        self.usable = False
        failure = Cut("the connection was closed before the answer was here")
        failure.__cause__ = exc
        self._fail(failure)

    def _fail(self, failure: Exception) -> None:
        self.usable = False
        if self._asked and not self._asked.done():
            self._asked.set_exception(failure)

    def _answer(self) -> None:
        content = b"".join(self._pieces)
        self._pieces = []  # an idle connection keeps nothing
        if self._asked and not self._asked.done():
            self._asked.set_result(Answer(self._status, self._headers, content))

    # What the parser calls.

    def on_message_begin(self) -> None:
        if self._status:
            self.usable = False  # one answer too many

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._status:  # not one behind the body
            self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self._status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        self._length += len(body)
        if self._length > self._longest:
            self._fail(TooLong())
        else:
            self._pieces.append(body)

    def on_message_complete(self) -> None:
        if self._status < 200:
            self._begin()  # one before the answer itself (RFC 9110, 15.2)
            return
        if not self._parser.should_keep_alive() or self._transport.get_write_buffer_size():
            self.usable = False
        self._answer()
