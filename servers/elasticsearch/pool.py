"""Connections to nodes, kept for the requests that come after."""

from __future__ import annotations

import asyncio
import ssl

from servers.elasticsearch.connection import Connection, Place, connect

MAX_CONNECTIONS = 32
"""To all nodes together."""

KEPT = 30.0
"""Seconds that an idle connection is kept for."""


class Full(Exception):
    """All connections are in use."""


class Pool:
    """Connections of one trust."""

    def __init__(self, context: ssl.SSLContext | None, timeout: float, longest: int) -> None:
        """
        Args:
            context: for TLS; None where no node has it
            timeout: seconds to connect, and to wait for a free connection
            longest: bytes of an answer's body, as it is sent
        """
        self._context, self._timeout, self._longest = context, timeout, longest
        self._free = asyncio.Semaphore(MAX_CONNECTIONS)
        self._in_use = 0
        self._idle: list[Connection] = []
        """By how long; none that was lost meanwhile is usable."""
        self._closed = False

    async def take(self, place: Place) -> Connection:
        """A connection, for one request; it has to be given back.

        Raises:
            Full: none became free in time.
            OSError: (TimeoutError and ssl.SSLError among them) none can be made.
        """
        if self._free.locked():
            try:
                async with asyncio.timeout(self._timeout):
                    await self._free.acquire()
            except TimeoutError:
                raise Full from None
        else:
            await self._free.acquire()
        self._in_use += 1
        try:
            return self._kept(place) or await self._fresh(place)
        except BaseException:
            self._let_go()
            raise

    def give_back(self, connection: Connection) -> None:
        """Keeps a connection for another request, where it can take one."""
        self._let_go()
        if not connection.usable:
            connection.abort()  # what is left to send, nobody waits for
        elif self._closed:
            connection.close()
        else:
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle.append(connection)

    def close(self) -> None:
        """Closes what is idle, and what is in use as soon as it is given back."""
        self._closed = True
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    def _let_go(self) -> None:
        self._in_use -= 1
        self._free.release()

    def _kept(self, place: Place) -> Connection | None:
        """The idle connection that was used last; older ones are closed when their time is over."""
        kept_from = asyncio.get_running_loop().time() - KEPT
        while self._idle and not (self._idle[0].usable and self._idle[0].idle_since > kept_from):
            self._idle.pop(0).close()
        for at in reversed(range(len(self._idle))):
            if self._idle[at].usable and self._idle[at].place == place:
                return self._idle.pop(at)
        return None

    async def _fresh(self, place: Place) -> Connection:
        if len(self._idle) + self._in_use > MAX_CONNECTIONS:
            self._idle.pop(0).close()  # there is none of this node that could be used
        async with asyncio.timeout(self._timeout):
            return await connect(place, self._context, self._longest)
