"""Connections, bounded in number, and in the time that a client may take to ask and to read.

uvicorn bounds the time between two requests alone. Here a request has to be there, headers and body, within a time of its
first byte; so has the first request of a connection; and an answer has to be read. A connection too many takes the place of
the one that has waited longest without a request; where all have one, it is refused.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from servers.common.tls import PEER_CERTIFICATE

SWEEP = 1.0
"""Seconds between looks at all connections."""

SLOWEST = 16 * 1024
"""Bytes a second that a client has to read an answer with, beside the time that it may take for a request."""

JOINED = 64 * 1024
"""Bytes from which joining them to others costs more than sending them by themselves."""

_FULL = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

Closed = Callable[[str], None]
"""Told why a connection was closed: slow_request, slow_answer, crowded."""


class Connections:
    """The open connections of a server.

    Args:
        most: at once
        seconds: that a request may take to arrive
        closed: told of each connection that is closed for being too slow or too many
        clock: seconds that only go forward
    """

    def __init__(self, most: int, seconds: float, closed: Closed, clock: Callable[[], float] = time.monotonic) -> None:
        self.most, self.seconds, self.closed, self.clock = most, seconds, closed, clock
        self._open: dict[Connection, None] = {}  # in the order in which they came

    def __len__(self) -> int:
        return len(self._open)

    def protocol(self) -> type[H11Protocol]:
        """The class for uvicorn's `http`."""
        return type("BoundConnection", (Connection,), {"registry": self})

    def add(self, connection: Connection) -> bool:
        """Takes a new connection in, in place of another where there are too many.

        Returns:
            whether there was room.
        """
        if len(self._open) >= self.most:
            waiting = next((c for c in self._open if c.waits()), None)
            self.closed("crowded")
            if waiting is None:
                return False
            self.close(waiting)
        self._open[connection] = None
        return True

    def close(self, connection: Connection) -> None:
        """Closes at once: an orderly close would wait for the client to read."""
        self._open.pop(connection, None)
        connection.transport.abort()

    def discard(self, connection: Connection) -> None:
        self._open.pop(connection, None)

    def sweep(self) -> None:
        """Closes the connections whose time is over."""
        now = self.clock()
        for connection in list(self._open):
            if reason := connection.overdue(now):
                self.closed(reason)
                self.close(connection)

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """The time in which slow clients are looked for."""

        async def look() -> None:
            while True:
                await asyncio.sleep(SWEEP)
                self.sweep()

        task = asyncio.create_task(look(), name="slow clients")
        try:
            yield
        finally:
            task.cancel()


class Joined:
    """A transport that sends the head of an answer together with the body behind it: one system call for the two.

    uvicorn writes them one after the other. A head that nothing follows at once, as that of a stream, is sent by itself when
    the event loop turns.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._held = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not data:
            return
        if not self._held and len(data) < JOINED:
            self._held = data
            asyncio.get_running_loop().call_soon(self._send)
        elif len(data) < JOINED:
            self._held += data
            self._send()
        else:
            self._send()
            self._transport.write(data)

    def _send(self) -> None:
        held, self._held = self._held, b""
        if held and not self._transport.is_closing():
            self._transport.write(held)

    def close(self) -> None:
        self._send()
        self._transport.close()

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size() + len(self._held)


class Connection(H11Protocol):
    """uvicorn's HTTP/1.1 connection, which says what it waits for, and since when."""

    registry: Connections

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(Joined(transport))  # type: ignore[arg-type]
        self._silent = True
        self._asking: float | None = self.registry.clock()
        self._answering: float | None = None
        if certificate := transport.get_extra_info("peercert"):
            # For the guard, which finds it in the scope's state.
            self.app_state = self.app_state | {PEER_CERTIFICATE: certificate}
        if not self.registry.add(self):
            transport.write(_FULL)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.registry.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._silent = False
        super().data_received(data)
        self._note()

    def waits(self) -> bool:
        """Whether it could be closed with no answer lost."""
        return (self.cycle is None or self.cycle.response_complete) and not self.transport.get_write_buffer_size()

    def _note(self) -> None:
        """Notes since when the request that is arriving has been."""
        body = self.conn.their_state is h11.SEND_BODY and not self.flow.read_paused
        headers = self.conn.their_state is h11.IDLE and bool(self.conn.trailing_data[0])
        if not (body or headers or self._silent):
            self._asking = None
        elif self._asking is None:
            self._asking = self.registry.clock()

    def overdue(self, now: float) -> str:
        """Why it has to be closed now; empty where it has not."""
        unread = self.transport.get_write_buffer_size()
        if not unread:
            self._answering = None
        elif self._answering is None:
            self._answering = now + self.registry.seconds + unread / SLOWEST
        elif now > self._answering:
            return "slow_answer"
        self._note()
        return "slow_request" if self._asking is not None and now - self._asking > self.registry.seconds else ""
