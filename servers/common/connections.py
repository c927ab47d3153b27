"""All connections of a server, bounded in number, and in the time that a client may take to ask and to read.

uvicorn bounds the time between two requests alone, with a timer for each. Here a request has to be there, headers and body,
within a time of its first byte; so has the first request of a connection; and an answer has to be read. A connection too many
takes the place of the one that has waited longest without a request; where all have one, it is refused.

Over TLS a connection counts from when it is accepted, and not only from the end of its handshake, of which asyncio tells nobody
when it never comes.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from asyncio.sslproto import SSLProtocol
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from servers.common.connection import Connection

SWEEP = 1.0
"""Seconds between looks at all connections."""

Closed = Callable[[str], None]
"""Told why a connection was closed: slow_request, slow_answer, crowded, malformed."""


class Handshake(SSLProtocol):
    """A connection as TLS sees it: what asyncio makes of each connection of a server with `ssl`, as it makes it, but counted.

    Args:
        registry: where it counts until the handshake is over, and the connection itself counts
        connection: what is behind TLS
        context: with the server's certificate
    """

    max_size = 16 * 1024
    """Bytes that are read at once. Each connection has a buffer of this size for as long as it is there. asyncio's own choice is
    256 KiB: as many connections as there may be would fill half of a sidecar's memory."""

    transport: asyncio.Transport

    def __init__(self, registry: Connections, connection: Connection, context: ssl.SSLContext) -> None:
        super().__init__(asyncio.get_running_loop(), connection, context, None, server_side=True)  # type: ignore[arg-type]
        self._registry, self._connection = registry, connection
        self._since = registry.clock()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        if self._registry.add(self):
            super().connection_made(transport)
        else:
            transport.abort()  # to say why would take the handshake

    def connection_lost(self, exc: BaseException | None) -> None:
        self._registry.discard(self)
        super().connection_lost(exc)
        if self._connection.handshake:
            # It was never made, so it is not told. It and its parser hold each other, and us, until garbage is collected.
            self._connection.handshake = None
            del self._connection.parser
        del self._connection

    # What Connections asks, as of a Connection.

    def waits(self) -> bool:
        return True

    def overdue(self, now: float) -> str:
        return "slow_request" if now - self._since > self._registry.seconds else ""

    def rest(self, now: float) -> None:
        pass


class Connections:
    """The open connections of a server.

    Args:
        most: at once
        seconds: that a request may take to arrive
        closed: told of each connection that is closed for what its client sends or does not read, or for being one too many
        clock: seconds that only go forward
    """

    def __init__(self, most: int, seconds: float, closed: Closed, clock: Callable[[], float] = time.monotonic) -> None:
        self.most, self.seconds, self.closed, self.clock = most, seconds, closed, clock
        self._open: dict[Connection | Handshake, None] = {}  # in the order in which they came

    def __len__(self) -> int:
        return len(self._open)

    def protocol(self) -> type[Connection]:
        """The class for uvicorn's `http`."""
        return type("BoundConnection", (Connection,), {"registry": self})

    def over_tls(self, context: ssl.SSLContext) -> Any:
        """The same over TLS. uvicorn must not be told of TLS then: it would have asyncio do it once more."""
        protocol = self.protocol()

        def accepted(**given: Any) -> Handshake:
            connection = protocol(**given)
            connection.handshake = Handshake(self, connection, context)
            return connection.handshake

        return accepted

    def add(self, connection: Connection | Handshake) -> bool:
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

    def close(self, connection: Connection | Handshake) -> None:
        """Closes at once: an orderly close would wait for the client to read."""
        self._open.pop(connection, None)
        connection.transport.abort()

    def discard(self, connection: Connection | Handshake) -> None:
        self._open.pop(connection, None)

    def sweep(self) -> None:
        """Closes the connections whose time is over."""
        now = self.clock()
        for connection in list(self._open):
            if reason := connection.overdue(now):
                self.closed(reason)
                self.close(connection)
            else:
                connection.rest(now)

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
