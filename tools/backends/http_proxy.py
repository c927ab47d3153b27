"""An HTTP proxy on loopback, for tests: RFC 9110, 9.3.6 (CONNECT), and RFC 9112, 3.2.2 (absolute-form)."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


class HttpProxy:
    """Forwards what is sent with one login. Use it with `with`; `served` holds the methods and places that were asked for."""

    def __init__(self, login: str) -> None:
        """
        Args:
            login: the value of Proxy-Authorization that is asked for
        """
        self.served: set[tuple[str, str]] = set()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def forward(self) -> None:
                self.close_connection = True
                if self.headers.get("Proxy-Authorization") != login:
                    self.send_response(407)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
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
                fields = {
                    n: v for n, v in self.headers.items() if n.lower() not in ("proxy-authorization", "connection")
                }
                lines = [f"{self.command} {path}{'?' + query if query else ''} HTTP/1.1", "Connection: close"]
                lines += [f"{name}: {value}" for name, value in fields.items()]
                length = int(self.headers.get("Content-Length", 0))
                return "\r\n".join([*lines, "", ""]).encode() + self.rfile.read(length)

            def log_message(self, *arguments: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> HttpProxy:
        self._thread.start()
        return self

    def __exit__(self, *details: Any) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _pass(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)
