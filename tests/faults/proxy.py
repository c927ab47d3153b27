"""A proxy on loopback between a sidecar and its store, which lets one request in many go wrong."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from tools.backends.stream_server import StreamServer

Act = Literal["delay", "cut before", "cut after", "cut midway", "half-close", "corrupt", "flood", "stall"]

DELAY = 0.3
"""Seconds."""

FLOOD = 48 * 1024 * 1024
"""Bytes that a flood sends."""


class Proxy(StreamServer):
    """Forwards connections to a port.

    `arm` says what happens to the next request that holds a marker; the counts are since then.
    """

    def __init__(self, target: int, flood: bytes) -> None:
        """Stand before a store's port. `flood` begins an answer that is longer than any."""
        super().__init__()
        self._target = target
        self.flood = flood
        self._marker = b""
        self._act: Act | None = None
        self.seen = 0
        """Requests with the marker that came."""
        self.delivered = 0
        """Those of them that were passed on to the store."""

    def arm(self, act: Act | None, marker: bytes) -> None:
        """Lets the next request that holds the marker go wrong; those after it go through."""
        self._marker, self._act = marker, act
        self.seen = self.delivered = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            store_reader, store_writer = await asyncio.open_connection("127.0.0.1", self._target)
            connection = _Connection(self, reader, writer, store_reader, store_writer)
            try:
                await connection.run()
            finally:
                store_writer.close()
        writer.close()

    def take(self, data: bytes) -> tuple[bool, Act | None]:
        """Return whether data from the sidecar holds the marker, and what is to happen to it."""
        if not self._marker or self._marker not in data:
            return False, None
        self.seen += 1
        act, self._act = self._act, None
        return True, act


@dataclass
class _Connection:
    """A connection from the sidecar, and its other half to the store."""

    proxy: Proxy
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    store_reader: asyncio.StreamReader
    store_writer: asyncio.StreamWriter
    act: Act | None = None

    async def run(self) -> None:
        """Until one of both sides closes."""
        ways = [asyncio.create_task(self._asked()), asyncio.create_task(self._answered())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _asked(self) -> None:
        while data := await self.reader.read(65_536):
            marked, act = self.proxy.take(data)
            if act == "cut before":
                self.writer.transport.abort()
                return
            if act == "delay":
                await asyncio.sleep(DELAY)
            self.act = self.act or act  # a request may come in pieces
            self.proxy.delivered += marked
            self.store_writer.write(data)
            await self.store_writer.drain()

    async def _answered(self) -> None:
        while data := await self.store_reader.read(65_536):
            act, self.act = self.act, None
            match act:
                case "cut after":
                    # The store has answered, so it has done it.
                    self.writer.transport.abort()
                    return
                case "half-close":
                    self.writer.write_eof()
                    await asyncio.Event().wait()
                case "cut midway":
                    self.writer.write(data[: len(data) // 2])
                    await self.writer.drain()
                    return
                case "corrupt":
                    self.writer.write(bytes(byte ^ 0xA5 for byte in data))
                case "flood":
                    self.writer.write(self.proxy.flood)
                    for _ in range(FLOOD // 65_536):
                        self.writer.write(b"x" * 65_536)
                        await self.writer.drain()
                    return
                case "stall":
                    await asyncio.Event().wait()
                case _:
                    self.writer.write(data)
            await self.writer.drain()
