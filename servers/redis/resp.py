"""Replies of Redis (https://redis.io/docs/latest/develop/reference/protocol-spec/), parsed by hiredis as they are received.

redis-py reads through asyncio's streams, which copy a reply five times on its way; and what a stream holds wakes a task for each
piece of a long one, and for each of many short ones.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, cast

import hiredis
from redis._parsers.base import AsyncBaseParser
from redis._parsers.socket import SERVER_CLOSED_CONNECTION_ERROR
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse

UNREAD = 64
"""Replies from which no more is read until somebody asks for them: of subscriptions, which Redis sends unasked."""

_RECEIVED = memoryview(bytearray(256 * 1024))
"""What was received last: of all connections, for each is done with it before the event loop goes on to the next."""

_INCOMPLETE = object()


class Receiver(asyncio.BufferedProtocol):
    """Receives what a server sends, and takes the replies out of it: RESP2's bytes, int, list, None and exceptions."""

    def __init__(self, transport: asyncio.BaseTransport) -> None:
        """
        Args:
            transport: of a stream, whose place this takes. What asyncio's writer waits for, it goes on asking that.
        """
        self._transport = cast(asyncio.Transport, transport)  # what every event loop's TCP and TLS transports are
        self._stream = self._transport.get_protocol()
        self._transport.set_protocol(self)
        self._reader = hiredis.Reader(
            protocolError=InvalidResponse, replyError=AsyncBaseParser.parse_error, notEnoughData=_INCOMPLETE
        )
        self._replies: deque[Any] = deque()
        self._waiting: tuple[int, asyncio.Future[None]] | None = None
        self._failure: Exception | None = None

    async def replies(self, count: int) -> list[Any]:
        """The next replies. One that is an error is an exception in the list.

        Raises:
            redis.RedisError: the connection is lost, or what comes is no RESP2, or says that the server closes it.
        """
        if len(self._replies) < count:
            if self._failure is None:
                future = asyncio.get_running_loop().create_future()
                self._waiting = count, future
                if not self._transport.is_reading():
                    self._transport.resume_reading()
                try:
                    await future
                finally:
                    self._waiting = None
            if len(self._replies) < count:
                assert self._failure is not None
                raise self._failure
        found = [self._replies.popleft() for _ in range(count)]
        for reply in found:
            if isinstance(reply, RedisConnectionError):  # such as that it has no room for one more client
                raise reply
        return found

    @property
    def dirty(self) -> bool:
        """Whether there is anything that nobody asked for: replies, or the end."""
        return self._reader.has_data() or bool(self._replies) or self._failure is not None

    def take(self, data: bytes) -> None:
        """Takes what was received."""
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not _INCOMPLETE:
                self._replies.append(reply)
        except InvalidResponse as error:
            self._fail(InvalidResponse(f"what the server sends is not RESP2: {error}"))
            self._transport.abort()
        self._wake()
        if len(self._replies) >= UNREAD and not self._waiting and self._transport.is_reading():
            self._transport.pause_reading()

    def get_buffer(self, sizehint: int) -> memoryview:
        return _RECEIVED

    def buffer_updated(self, nbytes: int) -> None:
        self.take(cast(bytes, _RECEIVED[:nbytes]))  # hiredis takes any buffer, whatever its types say

    def _wake(self) -> None:
        if self._waiting and (len(self._replies) >= self._waiting[0] or self._failure) and not self._waiting[1].done():
            self._waiting[1].set_result(None)

    def _fail(self, failure: Exception) -> None:
        self._failure = self._failure or failure

    def eof_received(self) -> bool | None:
        self._fail(RedisConnectionError(SERVER_CLOSED_CONNECTION_ERROR))
        self._wake()
        return None  # as the transport's end does: it closes itself

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(exc if isinstance(exc, OSError) else RedisConnectionError(SERVER_CLOSED_CONNECTION_ERROR))
        self._wake()
        self._stream.connection_lost(exc)

    def pause_writing(self) -> None:
        self._stream.pause_writing()

    def resume_writing(self) -> None:
        self._stream.resume_writing()


class Parser(AsyncBaseParser):
    """What redis-py's connections read replies with (their `parser_class`), over a receiver."""

    receiver: Receiver | None = None

    def on_connect(self, connection: AbstractConnection) -> None:
        reader, writer = connection._reader, connection._writer
        if reader is None or writer is None:
            raise RedisConnectionError(SERVER_CLOSED_CONNECTION_ERROR)
        self.receiver = Receiver(writer.transport)
        # A server that has no room for one more client says so at once. Nothing public tells what a stream holds; redis-py
        # looks at the same place.
        if early := bytes(reader._buffer):  # type: ignore[attr-defined]
            self.receiver.take(early)
        if reader.at_eof() or writer.transport.is_closing():
            self.receiver.eof_received()

    def on_disconnect(self) -> None:
        self.receiver = None

    async def can_read(self) -> bool:
        return self.live().dirty

    async def can_read_destructive(self) -> bool:
        return await self.can_read()

    async def read_response(self, disable_decoding: bool = False) -> Any:
        (reply,) = await self.live().replies(1)
        return reply

    def live(self) -> Receiver:
        if self.receiver is None:
            raise RedisConnectionError(SERVER_CLOSED_CONNECTION_ERROR)
        return self.receiver


async def replies(connection: AbstractConnection, count: int) -> list[Any]:
    """The replies to commands that were sent together, over a connection that has a Parser. One that is an error is an
    exception in the list. Whatever goes wrong closes the connection, so that no later command gets a reply to these.

    Raises:
        redis.RedisError: Redis can't be reached.
    """
    parser = connection._parser
    assert isinstance(parser, Parser)
    try:
        return await parser.live().replies(count)
    except BaseException as error:
        await connection.disconnect(nowait=True)
        if isinstance(error, OSError):
            raise RedisConnectionError(f"Error while reading: {error}") from error
        raise


def clean(connection: AbstractConnection) -> bool:
    """Whether a connection, which has a Parser, can take a command: it is there, and nothing came that nobody asked for."""
    parser = connection._parser
    assert isinstance(parser, Parser)
    return connection.is_connected and parser.receiver is not None and not parser.receiver.dirty


def packed(commands: Iterable[Sequence[Any]]) -> bytes:
    """Commands as they are sent: arrays of their words."""
    return b"".join(hiredis.pack_command(tuple(command)) for command in commands)
