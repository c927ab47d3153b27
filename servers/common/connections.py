"""All connections of a server, bounded in number, and in the time that a client may take to ask and to read.

uvicorn bounds the time between two requests alone, with a timer for each. Here a request has to be there, headers and body,
within a time of its first byte; so has the first request of a connection; and an answer has to be read. A connection too many
takes the place of the one that has waited longest without a request; where all have one, it is refused.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from servers.common.connection import Connection

SWEEP = 1.0
"""Seconds between looks at all connections."""

Closed = Callable[[str], None]
"""Told why a connection was closed: slow_request, slow_answer, crowded, malformed."""


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
        self._open: dict[Connection, None] = {}  # in the order in which they came

    def __len__(self) -> int:
        return len(self._open)

    def protocol(self) -> type[Connection]:
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
