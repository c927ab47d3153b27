"""One request to one node over HTTP, and its answer: bounded, decompressed, with errors that say what was seen."""

from __future__ import annotations

import asyncio
import gzip
import os
import re
import ssl
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import lru_cache
from time import time
from typing import NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from servers.common.backend import BackendError
from servers.common.tools import ToolError
from servers.elasticsearch.connection import Answer, Cut, Place, TooLong
from servers.elasticsearch.login import authorization
from servers.elasticsearch.nodes import Node
from servers.elasticsearch.pool import MAX_CONNECTIONS, Full, Pool
from servers.elasticsearch.settings import ElasticsearchSettings
from servers.elasticsearch.tls import Trust

CONNECT_TIMEOUT = 3.0
"""Seconds to connect, and to wait for a free connection of the pool. How long an answer may take is for the call to say."""

MAX_ANSWER_BYTES = 8 * 1024 * 1024
"""An answer is read up to this length, after decompression. Parsed, it takes six times as much memory, of which the chart gives
a sidecar 128 MiB."""

LONGEST_TARGET = 65536
"""Characters of a path with its query. Elasticsearch takes 4096 by default, and says so for what is in between."""

COMPRESS_FROM = 8192
"""Bytes of a request's body from which it is sent in gzip, where that is wanted at all."""

_DEFAULT_PORTS = {"http": 80, "https": 443}


class NotConnected(BackendError):
    """There was no connection, so nothing was done; `said` is what was seen, without the address."""

    def __init__(self, message: str, said: str) -> None:
        super().__init__(message)
        self.said = said


class Endless(ToolError):
    """The answer is too long to be read."""

    def __init__(self) -> None:
        super().__init__(
            f"Elasticsearch's answer is longer than {MAX_ANSWER_BYTES} bytes: ask for fewer or for less of them"
        )


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
    content: bytes
    retry_after: float
    """Seconds that it asks to be left alone; 0 where it says nothing."""

    @property
    def success(self) -> bool:
        return 200 <= self.status < 300


class Transport:
    """Connections to nodes."""

    def __init__(self, settings: ElasticsearchSettings) -> None:
        self._settings = settings
        self._trust = Trust(settings) if settings.tls else None
        self._pool: Pool | None = None
        self._lock = asyncio.Lock()
        self._headers = {
            "Accept": "application/json",
            "Accept-Encoding": "gzip" if settings.compress else "identity",
            "User-Agent": "mcp-elasticsearch",
            "X-Opaque-Id": "mcp-elasticsearch",
        }

    async def close(self) -> None:
        if self._pool:
            self._pool.close()

    async def exchange(self, node: Node, request: Request) -> Reply:
        """Sends a request once.

        Raises:
            NotConnected: the node can't be reached, or is not whom we trust.
            Broken: it went away with the request.
            BackendError: we have no login to send, or what answers is no Elasticsearch.
            ToolError: the path can't be sent, or the answer is too long.
        """
        head, content = self._message(node, request)
        pool = self._pool
        if pool is None or (self._trust and self._trust.changed()):
            pool = await self._renewed(node)
        try:
            connection = await pool.take(origin(node.url).place)
        except (Full, OSError) as error:
            raise NotConnected(*_told(node, error)) from None
        try:
            answer = await connection.ask(head, content)
        except Cut as error:
            message, _ = _told(node, error)
            raise Broken(message) from None
        except TooLong:
            raise Endless from None
        finally:
            pool.give_back(connection)
        return _reply(answer, node)

    def _message(self, node: Node, request: Request) -> tuple[bytes, bytes | None]:
        """A request as it is sent: its head, and its body."""
        headers = self._headers | authorization(self._settings)
        content = request.content
        if content is not None:
            headers["Content-Type"] = request.content_type
            if self._settings.compress and len(content) >= COMPRESS_FROM:
                headers["Content-Encoding"] = "gzip"
                content = gzip.compress(content, 1)
        if content is not None or request.method in ("POST", "PUT"):
            headers["Content-Length"] = str(len(content or b""))
        lines = [
            f"{request.method} {target(node, request)} HTTP/1.1",
            f"Host: {origin(node.url).named}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        # What all of these are made of was checked to have no line's end.
        return "\r\n".join([*lines, "", ""]).encode("ascii"), content

    async def _renewed(self, node: Node) -> Pool:
        """A pool that trusts what the files hold now, in place of the one before."""
        async with self._lock:
            if self._pool and not (self._trust and self._trust.changed()):
                return self._pool  # another call was faster
            context = None
            if self._trust:
                try:
                    context = await self._trust.context(node.url, CONNECT_TIMEOUT)
                except OSError as error:
                    raise NotConnected(*_told(node, error)) from None
            if self._pool:
                self._pool.close()
            self._pool = Pool(context, CONNECT_TIMEOUT, MAX_ANSWER_BYTES)
            return self._pool


_PATH = re.compile(r"(?!.*/\.\.?(?:/|$))/[A-Za-z0-9/._~!$&'()*+,;=:@%-]*")
"""A path that says what it means: no character that would have to be quoted, no dot segment (RFC 3986, 3.3)."""


class Origin(NamedTuple):
    """What a node's URL says."""

    place: Place
    named: str
    """The host as it is named in a request."""

    path: str


@lru_cache(64)
def origin(url: str) -> Origin:
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = host if host.isascii() else host.encode("idna").decode()
    default = _DEFAULT_PORTS[parts.scheme]
    port = parts.port or default
    named = f"[{host}]" if ":" in host else host
    return Origin(
        Place(host, port, parts.scheme == "https"),
        named if port == default else f"{named}:{port}",
        quote(parts.path, safe="/:@!$&'()*+,;=~%"),
    )


def target(node: Node, request: Request) -> str:
    """What a request asks for: a path and a query.

    Raises:
        ToolError: its path is not one that stays as it is, or it is too long.
    """
    if not _PATH.fullmatch(request.path):
        raise ToolError(f"the path {request.path[:200]!r} is not one that can be sent")
    asked = origin(node.url).path + request.path
    if request.params:
        asked += "?" + urlencode(request.params, quote_via=quote)
    if len(asked) > LONGEST_TARGET:
        raise ToolError(f"the request has {len(asked)} characters before its body: give shorter or fewer names")
    return asked


def _reply(answer: Answer, node: Node) -> Reply:
    headers = answer.headers
    encoding = headers.get(b"content-encoding", b"identity").lower()
    content = answer.content
    if encoding == b"gzip":
        content = _unpacked(content, node)
    elif encoding != b"identity":
        said = encoding.decode("latin-1")[:40]
        raise BackendError(f"{node.address} answers in the encoding {said!r}, which was not asked for")
    return Reply(
        answer.status,
        headers.get(b"content-type", b"").decode("latin-1"),
        content,
        _seconds(headers.get(b"retry-after", b"").decode("latin-1")),
    )


def _unpacked(packed: bytes, node: Node) -> bytes:
    """What was compressed, of which never more is in memory than is allowed."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        content = unpacker.decompress(packed, MAX_ANSWER_BYTES + 1)
    except zlib.error:
        raise Broken(f"{node.address} answers in a gzip that is none: check what is between") from None
    if len(content) > MAX_ANSWER_BYTES:
        raise Endless
    if packed and not unpacker.eof:
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


def _told(node: Node, error: Exception) -> tuple[str, str]:
    """What a caller is told of a connection that can't be had or is lost, and what was seen of it."""
    said, advice = _reason(error)
    return f"Elasticsearch at {node.address} {said}: {advice}", said


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
    if isinstance(error, Full):
        detail = f"all {MAX_CONNECTIONS} connections are in use"
    elif isinstance(error, TimeoutError):
        detail = f"no answer within {CONNECT_TIMEOUT:g} s"
    elif isinstance(reason, OSError):
        # A resolver's numbers are negative; asyncio's own words for the others hold the address once more.
        number = reason.errno or 0
        detail = os.strerror(number) if number > 0 else str(reason.strerror)
    return f"can't be reached ({detail})", "try again, or check ES_HOST, ES_PORT and ES_SCHEME"
