"""An HTTP proxy on loopback, for tests: RFC 9110, 9.3.6 (CONNECT), and RFC 9112, 3.2.2 (absolute-form)."""

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit

from tools.backends.http_server import Handler, LocalServer


class HttpProxy(LocalServer):
    """Forwards what is sent with one login. Use it with `with`; `served` holds the methods and places that were asked for."""

    def __init__(self, login: str) -> None:
        """Ask for a login: the value of Proxy-Authorization."""
        self.served: set[tuple[str, str]] = set()
        proxy = self

        class Forward(Handler):
            def forward(self) -> None:
                self.close_connection = True
                if self.headers.get("Proxy-Authorization") != login:
                    return self.respond(status=407)
                parts = urlsplit(f"//{self.path}" if self.command == "CONNECT" else self.path)
                proxy.served.add((self.command, parts.netloc))
                with socket.create_connection((parts.hostname, parts.port or 80)) as behind:
                    if self.command == "CONNECT":
                        self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
                    else:
                        behind.sendall(self._head(parts.path or "/", parts.query))
                    other = threading.Thread(target=_pass, args=(self.connection, behind), daemon=True)
                    other.start()
                    _pass(behind, self.connection)
                    other.join()

            do_CONNECT = do_GET = do_POST = do_PUT = forward

            def _head(self, path: str, query: str) -> bytes:
                fields = {n: v for n, v in self.headers.items() if n.lower() not in ("proxy-authorization", "connection")}
                lines = [f"{self.command} {path}{'?' + query if query else ''} HTTP/1.1", "Connection: close"]
                lines += [f"{name}: {value}" for name, value in fields.items()]
                return "\r\n".join([*lines, "", ""]).encode() + self.body()

        super().__init__(Forward)


def _pass(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)
