"""TLS before a server that has none."""

import asyncio
import ssl
from contextlib import suppress

from tools.backends.stream_server import StreamServer


class TlsProxy(StreamServer):
    """Takes TLS connections on a loopback port and passes what comes over them to another, and back."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        """Stand before a port on loopback. Each handshake uses the context: what is loaded into it later holds for the next."""
        super().__init__(context)
        self._behind = port

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.CancelledError):
            behind, to_behind = await asyncio.open_connection("127.0.0.1", self._behind)
            await asyncio.gather(_pass(reader, to_behind), _pass(behind, writer))
        writer.transport.abort()


async def _pass(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
    target.transport.abort()
