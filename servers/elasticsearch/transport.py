"""One request to one node over HTTP, and its answer: bounded, decompressed, with errors that say what was seen."""

from __future__ import annotations

import asyncio
import gzip
import os
import re
import ssl
import zlib
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import lru_cache
from time import time
from urllib.parse import quote, urlencode, urlsplit

import httpcore2

from servers.common.backend import BackendError
from servers.common.tools import ToolError
from servers.elasticsearch.login import authorization
from servers.elasticsearch.nodes import Node
from servers.elasticsearch.settings import ElasticsearchSettings
from servers.elasticsearch.streams import Streams
from servers.elasticsearch.tls import Trust

CONNECT_TIMEOUT = 3.0
"""Seconds to connect, and to wait for a free connection of the pool. How long an answer may take is for the call to say."""

MAX_CONNECTIONS = 32
"""To all nodes together."""

MAX_ANSWER_BYTES = 8 * 1024 * 1024
"""An answer is read up to this length, after decompression. Parsed, it takes six times as much memory, of which the chart gives
a sidecar 128 MiB."""

LONGEST_TARGET = 65536
"""Characters of a path with its query. Elasticsearch takes 4096 by default, and says so for what is in between."""

COMPRESS_FROM = 8192
"""Bytes of a request's body from which it is sent in gzip, where that is wanted at all."""

_PIECE = 256 * 1024
"""Bytes that are decompressed at once."""


class NotConnected(BackendError):
    """There was no connection, so nothing was done; `said` is what was seen, without the address."""

    def __init__(self, message: str, said: str) -> None:
        super().__init__(message)
        self.said = said


class Endless(ToolError):
    """The answer is too long to be read."""


class Broken(BackendError):
    """The connection broke before the answer was here: what was asked for may have been done."""


@dataclass(frozen=True)
class Request:
    """What is asked of a node."""

    method: str
    path: str
    params: Mapping[str, str] | None
    content: bytes | None
    content_type: str


@dataclass(frozen=True)
class Reply:
    """What a node answered."""

    status: int
    content_type: str
    content: bytearray
    retry_after: float
    """Seconds that it asks to be left alone; 0 where it says nothing."""

    @property
    def success(self) -> bool:
        return 200 <= self.status < 300


class _Lease:
    """A client and how many requests it has under way; one that was replaced is closed after the last of them."""

    def __init__(self, client: httpcore2.AsyncConnectionPool) -> None:
        self.client = client
        self.users = 0
        self.replaced = False

    async def let_go(self) -> None:
        if self.replaced and not self.users:
            await self.client.aclose()


class Transport:
    """Connections to nodes."""

    def __init__(self, settings: ElasticsearchSettings) -> None:
        self._settings = settings
        self._trust = Trust(settings) if settings.tls else None
        self._lease: _Lease | None = None
        self._lock = asyncio.Lock()

    async def close(self) -> None:
        if self._lease:
            await self._lease.client.aclose()

    async def exchange(self, node: Node, request: Request) -> Reply:
        """Sends a request once.

        Raises:
            NotConnected: the node can't be reached, or is not whom we trust.
            Broken: it went away with the request.
            BackendError: we have no login to send, or what answers is no Elasticsearch.
            ToolError: the path can't be sent, or the answer is too long.
        """
        headers = authorization(self._settings)
        content = request.content
        if content is not None:
            headers["Content-Type"] = request.content_type
            if self._settings.compress and len(content) >= COMPRESS_FROM:
                headers["Content-Encoding"] = "gzip"
                content = gzip.compress(content, 1)
        headers["Accept-Encoding"] = "gzip" if self._settings.compress else "identity"
        if content is not None or request.method in ("POST", "PUT"):
            headers["Content-Length"] = str(len(content or b""))
        sent = httpcore2.Request(
            request.method,
            url(node, request),
            headers=[(b"Host", host(node.url)), *_HEADERS, *((n.encode(), v.encode()) for n, v in headers.items())],
            content=content,
            extensions=_EXTENSIONS,
        )
        async with self._client(node) as client:
            try:
                response = await client.handle_async_request(sent)
                try:
                    return await _reply(response, node)
                finally:
                    await response.aclose()
            except _FAILURES as error:
                raise _failure(error, node) from None

    @asynccontextmanager
    async def _client(self, node: Node) -> AsyncIterator[httpcore2.AsyncConnectionPool]:
        async with self._lock:
            if self._lease is None or (self._trust and self._trust.changed()):
                fresh = _Lease(await self._connect(node))
                if before := self._lease:
                    before.replaced = True
                    await before.let_go()
                self._lease = fresh
            lease = self._lease
            lease.users += 1
        try:
            yield lease.client
        finally:
            lease.users -= 1
            await lease.let_go()

    async def _connect(self, node: Node) -> httpcore2.AsyncConnectionPool:
        context: ssl.SSLContext | None = None
        if self._trust:
            try:
                context = await self._trust.context(node.url, CONNECT_TIMEOUT)
            except (OSError, TimeoutError) as error:
                raise _failure(error, node) from None
        return httpcore2.AsyncConnectionPool(
            ssl_context=context,
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=MAX_CONNECTIONS,
            keepalive_expiry=30,
            network_backend=Streams(),
        )


_FAILURES = (httpcore2.NetworkError, httpcore2.TimeoutException, httpcore2.ProtocolError)

_EXTENSIONS = {"timeout": {"connect": CONNECT_TIMEOUT, "pool": CONNECT_TIMEOUT}}

_HEADERS = (
    (b"Accept", b"application/json"),
    (b"User-Agent", b"mcp-elasticsearch"),
    (b"X-Opaque-Id", b"mcp-elasticsearch"),
)

_PATH = re.compile(r"(?!.*/\.\.?(?:/|$))/[A-Za-z0-9/._~!$&'()*+,;=:@%-]*")
"""A path that says what it means: no character that would have to be quoted, no dot segment (RFC 3986, 3.3)."""


@lru_cache(64)
def _origin(url: str) -> tuple[bytes, bytes, int | None, str]:
    """Scheme, host, port and path of a node's URL."""
    parts = urlsplit(url)
    name = parts.hostname or ""
    return parts.scheme.encode(), name.encode("ascii" if name.isascii() else "idna"), parts.port, parts.path


@lru_cache(64)
def host(url: str) -> bytes:
    """The header Host for a node's URL."""
    scheme, name, port, _ = _origin(url)
    name = b"[%b]" % name if b":" in name else name
    default = {b"http": 80, b"https": 443}.get(scheme)
    return name if port in (None, default) else b"%b:%d" % (name, port)


def url(node: Node, request: Request) -> httpcore2.URL:
    """Where a request goes.

    Raises:
        ToolError: its path is not one that stays as it is, or it is too long.
    """
    scheme, name, port, before = _origin(node.url)
    if not _PATH.fullmatch(request.path):
        raise ToolError(f"the path {request.path[:200]!r} is not one that can be sent")
    target = before + request.path
    if request.params:
        target += "?" + urlencode(request.params, quote_via=quote)
    if len(target) > LONGEST_TARGET:
        raise ToolError(f"the request has {len(target)} characters before its body: give shorter or fewer names")
    return httpcore2.URL(scheme=scheme, host=name, port=port, target=target.encode())


async def _reply(response: httpcore2.Response, node: Node) -> Reply:
    headers = {name.lower(): value.decode("latin-1") for name, value in response.headers}
    encoding = headers.get(b"content-encoding", "identity").lower()
    return Reply(
        response.status,
        headers.get(b"content-type", ""),
        await _content(response, encoding, node),
        _seconds(headers.get(b"retry-after", "")),
    )


async def _content(response: httpcore2.Response, encoding: str, node: Node) -> bytearray:
    """The body. What is compressed is decompressed in pieces, so that it is never longer in memory than is allowed."""
    if encoding not in ("identity", "gzip"):
        raise BackendError(f"{node.address} answers in the encoding {encoding[:40]!r}, which was not asked for")
    unpacker = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
    content = bytearray()
    assert isinstance(response.stream, AsyncIterable)
    async for packed in response.stream:
        while packed:
            if unpacker:
                try:
                    content += unpacker.decompress(packed, _PIECE)
                except zlib.error:
                    raise Broken(f"{node.address} answers in a gzip that is none: check what is between") from None
                packed = unpacker.unconsumed_tail
            else:
                content += packed
                packed = b""
            if len(content) > MAX_ANSWER_BYTES:
                raise Endless(
                    f"Elasticsearch's answer is longer than {MAX_ANSWER_BYTES} bytes: ask for fewer or for less of them"
                )
    if unpacker and content and not unpacker.eof:
        raise Broken(f"{node.address} ended its answer before its end: try again")
    return content


def _seconds(retry_after: str) -> float:
    """Seconds of a header Retry-After (RFC 9110, 10.2.3): a number of them, or a date."""
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after[:6])
    try:
        return max(parsedate_to_datetime(retry_after).timestamp() - time(), 0.0)
    except (ValueError, TypeError, OverflowError):
        return 0.0


def _failure(error: Exception, node: Node) -> NotConnected | Broken:
    said, advice = _reason(error)
    message = f"Elasticsearch at {node.address} {said}: {advice}"
    # Whatever comes later than connecting may have reached the node.
    early = (httpcore2.ConnectError, httpcore2.ConnectTimeout, httpcore2.PoolTimeout)
    if isinstance(error, _FAILURES) and not isinstance(error, early):
        return Broken(message)
    return NotConnected(message, said)


def _reason(error: Exception) -> tuple[str, str]:
    """What was seen, and what to check."""
    reason: BaseException | None = error
    while reason is not None:
        if isinstance(reason, ssl.SSLCertVerificationError):
            return (
                f"shows a certificate that we do not trust ({reason.verify_message})",
                "check ES_CA_FILE or ES_CA_FINGERPRINT, and the host's name",
            )
        if isinstance(reason, ssl.SSLError):
            said = reason.reason or "no reason"
            if "ALERT" in said:
                return f"refuses us over TLS ({said})", "check ES_CLIENT_CERT_FILE"
            return f"does not speak TLS with us ({said})", "check ES_SCHEME"
        if isinstance(reason, OSError) and reason.strerror:
            break
        reason = reason.__cause__ or reason.__context__
    detail = str(error) or type(error).__name__
    if isinstance(error, httpcore2.PoolTimeout):
        detail = f"all {MAX_CONNECTIONS} connections are in use"
    elif isinstance(error, httpcore2.ConnectTimeout | TimeoutError):
        detail = f"no answer within {CONNECT_TIMEOUT:g} s"
    elif isinstance(reason, OSError):
        # A resolver's numbers are negative; asyncio's own words for the others hold the address once more.
        number = reason.errno or 0
        detail = os.strerror(number) if number > 0 else str(reason.strerror)
    return f"can't be reached ({detail})", "try again, or check ES_HOST, ES_PORT and ES_SCHEME"
