"""uvicorn's HTTP/1.1 protocol on httptools, with the things that uvicorn has no option for.

- A request's line and headers are bounded in bytes. httptools reads them without end.
- A header's value has no white space at its end (RFC 9110, 5.5), and a trailer is not a header (RFC 9110, 6.5.1).
- A request that asks for another protocol is served as HTTP/1.1 (RFC 9110, 7.8). httptools stops at its body, so uvicorn would
  lose the body. Java's HTTP client sends its first request so.
- A connection without a whole request is closed as an idle one is. uvicorn waits for ever once a byte has come.
- A part of a body is read only when the application has taken the one before. uvicorn reads 64 KiB ahead for each connection.
- The certificate that a client presented gets into the request's state. The ASGI specification has no place for it yet.
"""

from __future__ import annotations

import asyncio
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from servers.common.http.tls import PEER_CERTIFICATE

MAX_HEAD_BYTES = 64 * 1024
"""Bytes of a request's line and headers, and of anything else between two parts of a body."""


class RequestParser(httptools.HttpRequestParser):
    """Parse requests for a protocol, which holds this parser, and leave out the wish for another protocol."""

    def __init__(self, protocol: HttpProtocol) -> None:
        super().__init__(protocol)
        self._protocol = protocol

    def feed_data(self, data: Any) -> None:
        """Parse further bytes. Bytes that are not HTTP/1.1 are an httptools.HttpParserError."""
        try:
            super().feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            protocol = self._protocol
            kept = [(name, value) for name, value in protocol.headers if name != b"upgrade"]
            if len(kept) == len(protocol.headers):
                raise httptools.HttpParserError("CONNECT") from None
            head = b"%s %s HTTP/%s\r\n" % (self.get_method(), protocol.url, self.get_http_version().encode())
            head += b"".join(b"%s: %s\r\n" % header for header in kept)
            protocol.parser = RequestParser(protocol)
            protocol.parser.feed_data(head + b"\r\n" + data[upgrade.args[0] :])


class HttpProtocol(HttpToolsProtocol):
    """A client's connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.parser = RequestParser(self)
        self._head = 0  # bytes since a head or a part of a body was complete
        self._in_head = False
        self._begun = 0.0  # when the last request began, in the event loop's time

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._close_at(self.loop.time() + self.timeout_keep_alive)
        if certificate := transport.get_extra_info("peercert"):
            self.app_state = self.app_state | {PEER_CERTIFICATE: certificate}

    def data_received(self, data: bytes) -> None:
        self._head += len(data)
        idle = self.timeout_keep_alive_task
        super().data_received(data)
        if idle and (self.cycle is None or self.cycle.response_complete):
            # Of a request that is not there yet, or was refused: its bytes give it no more time.
            self._close_at(max(idle.when(), self._begun + self.timeout_keep_alive))
        if self._head > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response(f"a request's line and headers may have at most {MAX_HEAD_BYTES} bytes")

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self.timeout_keep_alive_task:
            self.timeout_keep_alive_task.cancel()

    def _close_at(self, when: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_at(when, self.timeout_keep_alive_handler)

    def on_message_begin(self) -> None:
        self._in_head = True
        self._begun = self.loop.time()
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            super().on_header(name, value.rstrip(b" \t"))

    def on_headers_complete(self) -> None:
        self._in_head = False
        if not self.parser.should_upgrade():
            self._head = 0
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._head = 0
        super().on_body(body)
        if not self.cycle.response_complete:
            self.flow.pause_reading()  # until the application asks for more: bytes that wait here are in nobody's budget

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            self._head = 0
            super().on_message_complete()
