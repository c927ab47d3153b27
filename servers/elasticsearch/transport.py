"""One request to one node over HTTP, and its answer: bounded, decompressed, with errors that say what was seen."""

from __future__ import annotations

import asyncio
import gzip
import os
import ssl
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import time
from urllib.parse import urlsplit

import httpx2

from servers.common.backend import BackendError
from servers.common.tools import ToolError
from servers.elasticsearch.login import authorization
from servers.elasticsearch.nodes import Node
from servers.elasticsearch.settings import ElasticsearchSettings
from servers.elasticsearch.tls import Trust

CONNECT_TIMEOUT = 3.0
"""Seconds to connect, and to wait for a free connection of the pool. How long an answer may take is for the call to say."""

MAX_CONNECTIONS = 32
"""To all nodes together."""

MAX_ANSWER_BYTES = 8 * 1024 * 1024
"""An answer is read up to this length, after decompression. Parsed, it takes six times as much memory, of which the chart gives
a sidecar 128 MiB."""

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

    def __init__(self, client: httpx2.AsyncClient) -> None:
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
        async with self._client(node) as client:
            try:
                sent = client.build_request(
                    request.method, node.url + request.path, params=request.params, content=content, headers=headers
                )
            except httpx2.InvalidURL as error:
                raise ToolError(f"the request makes no URL ({error}): give shorter or fewer names") from None
            if sent.url.raw_path.partition(b"?")[0] != (urlsplit(node.url).path + request.path).encode():
                # The client makes paths canonical; what that changes is not what was asked for.
                raise ToolError(f"the path {request.path[:200]!r} is not one that can be sent")
            try:
                response = await client.send(sent, stream=True)
                try:
                    return Reply(
                        response.status_code,
                        response.headers.get("content-type", ""),
                        await _content(response, node),
                        _seconds(response.headers.get("retry-after", "")),
                    )
                finally:
                    await response.aclose()
            except httpx2.HTTPError as error:
                raise _failure(error, node) from None

    @asynccontextmanager
    async def _client(self, node: Node) -> AsyncIterator[httpx2.AsyncClient]:
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

    async def _connect(self, node: Node) -> httpx2.AsyncClient:
        context: ssl.SSLContext | bool = (
            False  # without TLS none: reading the system's certificates takes memory and time
        )
        if self._trust:
            try:
                context = await self._trust.context(node.url, CONNECT_TIMEOUT)
            except (OSError, TimeoutError) as error:
                raise _failure(error, node) from None
        return httpx2.AsyncClient(
            verify=context,
            timeout=httpx2.Timeout(None, connect=CONNECT_TIMEOUT, pool=CONNECT_TIMEOUT),
            limits=httpx2.Limits(
                max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_CONNECTIONS, keepalive_expiry=30
            ),
            headers={
                "Accept": "application/json",
                "User-Agent": "mcp-elasticsearch",
                "X-Opaque-Id": "mcp-elasticsearch",
            },
            trust_env=False,
        )


async def _content(response: httpx2.Response, node: Node) -> bytearray:
    """The body. What is compressed is decompressed in pieces, so that it is never longer in memory than is allowed."""
    encoding = response.headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", "gzip"):
        raise BackendError(f"{node.address} answers in the encoding {encoding[:40]!r}, which was not asked for")
    unpacker = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
    content = bytearray()
    async for packed in response.aiter_raw():
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
    early = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
    if isinstance(error, httpx2.HTTPError) and not isinstance(error, early):
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
    if isinstance(error, httpx2.PoolTimeout):
        detail = f"all {MAX_CONNECTIONS} connections are in use"
    elif isinstance(error, httpx2.ConnectTimeout | TimeoutError):
        detail = f"no answer within {CONNECT_TIMEOUT:g} s"
    elif isinstance(reason, OSError):
        # A resolver's numbers are negative; asyncio's own words for the others hold the address once more.
        number = reason.errno or 0
        detail = os.strerror(number) if number > 0 else str(reason.strerror)
    return f"can't be reached ({detail})", "try again, or check ES_HOST, ES_PORT and ES_SCHEME"
