"""An HTTP proxy on loopback, for tests: RFC 9110, 9.3.6 (CONNECT), and RFC 9112, 3.2.2 (absolute-form)."""

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit

from tools.backends.stream_server import StreamServer


class HttpProxy(StreamServer):
    """Forwards what is sent with one login. Use it with `with`; `served` holds the methods and places that were asked for."""

    def __init__(self, login: str) -> None:
        """Ask for a login: the value of Proxy-Authorization."""
        super().__init__()
        self.served: set[tuple[str, str]] = set()
        self._login = f"Proxy-Authorization: {login}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, EOFError, asyncio.CancelledError):
            first, *fields = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
            method, target, _ = first.split(" ")
            if self._login not in fields:
                writer.write(b"HTTP/1.1 407 Login\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return writer.close()
            parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
            self.served.add((method, parts.netloc))
            behind, to_behind = await asyncio.open_connection(parts.hostname, parts.port)
            if method == "CONNECT":
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            else:
                path = parts._replace(scheme="", netloc="").geturl()
                kept = (field for field in fields if field != self._login and not field.startswith("Connection:"))
                to_behind.write("\r\n".join([f"{method} {path} HTTP/1.1", *kept, "Connection: close", "", ""]).encode())
            await asyncio.gather(_pass(reader, to_behind), _pass(behind, writer))


async def _pass(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
    target.close()
