"""TLS before a server that has none."""

from __future__ import annotations

import asyncio
import ssl
import threading
from contextlib import suppress
from typing import Any


class TlsProxy:
    """Takes TLS connections on a loopback port and passes what comes over them to another, and back."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        """Stand before a port on loopback. Each handshake uses the context: what is loaded into it later holds for the next."""
        self._behind = port
        self._context = context
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.port = 0

    def __enter__(self) -> TlsProxy:
        self._thread.start()
        start = asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        server = asyncio.run_coroutine_threadsafe(start, self._loop).result(10)
        self.port = server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *details: Any) -> None:
        async def end() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
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
