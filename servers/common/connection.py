"""A connection of uvicorn's, with what a client may send bounded in bytes and number, and refused where it is not plain HTTP/1.1.

HTTP is parsed by llhttp, the parser of Node.js, as httptools has it, and as strictly as it can. It bounds nothing, and leaves to
its user what a request means: lengths, Host, versions and transfer codings are looked at here, by RFC 9112.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from servers.common.outgoing import JOINED
from servers.common.tls import PEER_CERTIFICATE

if TYPE_CHECKING:
    from servers.common.connections import Connections, Handshake

KEPT = 75.0
"""Seconds that a connection stays open without a request."""

SLOWEST = 16 * 1024
"""Bytes a second that a client has to read an answer with, beside the time that it may take for a request."""

LONGEST_HEAD = 64 * 1024
"""Bytes of a request's line and headers; and of anything else that is no body: a line of a chunk, trailers."""

MOST_HEADERS = 256
"""Headers of a request. As objects they take far more than their bytes."""

MOST_AHEAD = 8
"""Requests of a connection that may be there before the first of them is answered (pipelining, RFC 9112, 9.3.2)."""

_FULL = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Joined:
    """A transport that sends the head of an answer together with the body behind it: one system call for the two.

    uvicorn writes them one after the other. A head that nothing follows at once, as that of a stream, is sent by itself when
    the event loop turns.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._held = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not data:
            return
        if not self._held and len(data) < JOINED:
            self._held = data
            asyncio.get_running_loop().call_soon(self.flush)
        elif len(data) < JOINED:
            self._held += data
            self.flush()
        else:
            self.flush()
            self._transport.write(data)

    def flush(self) -> None:
        """Sends what is held back."""
        held, self._held = self._held, b""
        if held and not self._transport.is_closing():
            self._transport.write(held)

    def write_eof(self) -> None:
        self.flush()
        self._transport.write_eof()

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size() + len(self._held)


class _Refusal(Exception):
    """A request that does not get to the application."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status

    def answer(self) -> bytes:
        body = json.dumps({"error": str(self)}).encode()
        head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        return STATUS_LINE[self.status] + head + body


class Connection(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 connection, which says what it waits for, and since when, and refuses what is not plain HTTP/1.1."""

    registry: Connections
    handshake: Handshake | None = None
    """What counts in place of this connection until TLS has begun; None without TLS, and from then on."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._joined = Joined(transport)
        super().connection_made(self._joined)  # type: ignore[arg-type]
        self._silent = True
        self._asking: float | None = self.registry.clock()
        self._answering: float | None = None
        self._idle: float | None = None
        self._in_head = self._in_body = False
        self._pending = 0  # bytes since a head, a part of a body or a message was complete
        self._served: RequestResponseCycle | None = None
        self._unanswered = 0
        self._refusal: _Refusal | None = None
        if certificate := transport.get_extra_info("peercert"):
            # For the guard, which finds it in the scope's state.
            self.app_state = self.app_state | {PEER_CERTIFICATE: certificate}
        if self.handshake:
            self.registry.discard(self.handshake)
            self.handshake = None
        if not self.registry.add(self):
            transport.write(_FULL)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.registry.discard(self)
        if self._served:
            _abandon(self._served)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refusal:
            return
        self._silent = False
        self._idle = None
        self._pending += len(data)
        try:
            self._feed(data)
            if self._pending > LONGEST_HEAD:
                raise _Refusal(431, f"a request's line and headers may have {LONGEST_HEAD} bytes")
        except _Refusal as refusal:
            self._refuse(refusal)
        except httptools.HttpParserError as error:
            cause = error.__context__  # where one of the methods below raised it
            self._refuse(cause if isinstance(cause, _Refusal) else _Refusal(400, f"this is not HTTP/1.1: {error}"))
        self._note()

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # A wish for another protocol, which a server need not grant (RFC 9110, 7.8; the HTTP client of Java has it in its
            # first request). llhttp would take the request to have no body, so it gets to see it without the wish.
            version = self.parser.get_http_version().encode()
            head = b"%s %s HTTP/%s\r\n" % (self.parser.get_method(), self.url, version)
            head += b"".join(b"%s: %s\r\n" % header for header in self.headers if header[0] != b"upgrade")
            self.parser = httptools.HttpRequestParser(self)
            self._feed(head + b"\r\n" + data[upgrade.args[0] :])

    # What the parser calls.

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_body:
            return  # a trailer: nothing here asks for one, and it must not pass for a header
        if len(self.headers) == MOST_HEADERS:
            raise _Refusal(431, f"a request may have {MOST_HEADERS} headers")
        super().on_header(name, value.rstrip(b" \t"))

    def on_headers_complete(self) -> None:
        self._check()
        if self.parser.should_upgrade():
            return  # it comes again
        if self._unanswered == MOST_AHEAD:
            raise _Refusal(
                429, f"{MOST_AHEAD} requests of this connection wait for their answers: send them one by one"
            )
        super().on_headers_complete()
        self._unanswered += 1
        self._pending = 0
        self._in_head, self._in_body = False, True

    def _check(self) -> None:
        """Raises _Refusal for a head that llhttp takes and that can't be meant, or is read by others in another way."""
        version = self.parser.get_http_version()
        if version not in ("1.1", "1.0"):
            raise _Refusal(400, "this server speaks HTTP/1.1")
        if not self.url.startswith(b"/"):
            raise _Refusal(400, "the target of a request has to be a path")
        size, hosts = len(self.url), 0
        for name, value in self.headers:
            size += len(name) + len(value)
            if name == b"host":
                hosts += 1
            elif name == b"transfer-encoding" and (value.lower() != b"chunked" or version == "1.0"):
                raise _Refusal(400, "the only Transfer-Encoding is chunked, in HTTP/1.1")
        if size > LONGEST_HEAD:
            raise _Refusal(431, f"a request's line and headers may have {LONGEST_HEAD} bytes")
        if hosts > 1 or (not hosts and version == "1.1"):
            raise _Refusal(400, "a request has to have one Host header")

    def on_body(self, body: bytes) -> None:
        self._pending = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._in_body:
            self._pending = 0
            self._in_body = False
            if not self._unanswered:
                self._idle = self.registry.clock()  # it was answered before all of it was there
            super().on_message_complete()

    # What is answered.

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._served = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """As uvicorn's, but for its timer, which `rest` does without; and nothing of the answer is held back any more."""
        self._joined.flush()
        self._unanswered -= 1
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._refusal:
            self._answer_refusal()
        else:
            self._idle = self.registry.clock()

    def _refuse(self, refusal: _Refusal) -> None:
        """Nothing more is read; what is wrong is said when the requests before it are answered."""
        self.registry.closed("malformed")
        self._refusal, self._asking = refusal, None
        if self._in_body:
            # Its head was right: the application has it already, or it waits for those before it.
            if self.cycle.response_started:
                self.transport.close()
                return
            if self.pipeline:
                self.pipeline.popleft()
            _abandon(self.cycle)
            self._unanswered -= 1
        if not self._unanswered:
            self._answer_refusal()

    def _answer_refusal(self) -> None:
        assert self._refusal
        if self.transport.is_closing():
            return
        self.transport.write(self._refusal.answer())
        if self.transport.can_write_eof():
            # Closed for good it would be reset while the client still sends, and the answer be lost (RFC 9112, 9.6).
            self.transport.write_eof()
            self._asking = self.registry.clock()
        else:
            self.transport.close()

    # What is waited for.

    def waits(self) -> bool:
        """Whether it could be closed with no answer lost."""
        return not self._unanswered and not self.transport.get_write_buffer_size()

    def rest(self, now: float) -> None:
        """Closes what has not been used for long, once all is sent."""
        if self._idle is not None and now - self._idle > KEPT:
            self._idle = None
            self.transport.close()

    def _note(self) -> None:
        """Notes since when the request that is arriving has been."""
        if self._refusal:
            return
        # What is sent ahead, while answers are waited for, may take its time.
        arrives = (self._in_body and not self.pipeline) or (
            not self._unanswered and (self._in_head or bool(self._pending))
        )
        if not (self._silent or (arrives and not self.flow.read_paused)):
            self._asking = None
        elif self._asking is None:
            self._asking = self.registry.clock()

    def overdue(self, now: float) -> str:
        """Why it has to be closed now; empty where it has not."""
        unread = self.transport.get_write_buffer_size()
        if not unread:
            self._answering = None
        elif self._answering is None:
            self._answering = now + self.registry.seconds + unread / SLOWEST
        elif now > self._answering:
            return "slow_answer"
        self._note()
        return "slow_request" if self._asking is not None and now - self._asking > self.registry.seconds else ""


def _abandon(cycle: RequestResponseCycle) -> None:
    """Has the application see that there is nobody to answer any more."""
    cycle.disconnected = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    cycle.message_event.set()
