"""TCP servers on loopback, on an event loop in a thread of their own, for stand-ins that are between two programs."""

import asyncio
import ssl
import threading
from abc import ABC, abstractmethod
from typing import Self


class StreamServer(ABC):
    """Serves connections on a free port of 127.0.0.1 while it is used with `with`, over TLS where it has a context."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.port = 0

    @abstractmethod
    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""

    def __enter__(self) -> Self:
        self._thread.start()
        start = asyncio.start_server(self.serve, "127.0.0.1", 0, ssl=self._tls)
        server = asyncio.run_coroutine_threadsafe(start, self._loop).result(20)
        self.port = server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *details: object) -> None:
        async def end() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
