"""The official client's extension points: how one request goes to one node, and which node is next.

`elastic_transport` documents both: `node_class` and `node_pool_class`. The node adds what the client's own lacks. An answer is
bounded while it arrives, a request is never sent twice, redirects are not followed, and certificates may be replaced.
"""

import gzip
import ssl
import zlib
from asyncio import Semaphore, get_running_loop
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

import aiohttp
import yarl
from elastic_transport import (
    AiohttpHttpNode,
    ApiResponseMeta,
    BaseNode,
    HttpHeaders,
    NodeConfig,
    NodePool,
    Serializer,
    TransportApiResponse,
)

from servers.common.memory_budget import Busy, MemoryBudget, parsed_size
from servers.elasticsearch.client.auth import proxy
from servers.elasticsearch.client.errors import AnswerLost, AnswerTooLong, NotConnected, connection_failure
from servers.elasticsearch.client.tls import Trust
from servers.elasticsearch.settings import ElasticsearchSettings

CONNECT_TIMEOUT = 3.0
"""Seconds to connect, TLS handshake included. The call limits how long an answer may take."""

CONNECTIONS_PER_NODE = 32
"""Requests that a node answers at once. Further ones wait, which is no failure of the node."""

KEEP_ALIVE = 30.0
"""Seconds that an idle connection is kept."""

SHORT_ANSWER_BYTES = 64 * 1024
"""An answer up to this length holds nothing of the memory budget."""

ANSWERS_AT_ONCE = 2
"""Long answers that arrive at once; others wait."""

MAX_ANSWER_BYTES = 8 * 1024 * 1024
"""Longest answer, before and after decompression, if the memory budget is large."""

MAX_ERROR_BYTES = 1024 * 1024
"""Longest answer with an HTTP status from 400 on. The client puts all of it into a message."""

MAX_HEADER_BYTES = 64 * 1024
"""Longest header field of an answer. Elasticsearch sends one for each warning."""

MAX_HEADERS = 1024

COMPRESS_FROM = 8192
"""Shortest request body, in bytes, that is sent in gzip, if ES_HTTP_COMPRESS asks for it."""

tried: ContextVar[list[BaseNode]] = ContextVar("tried")
"""The nodes that the current request has been sent to, oldest first."""


def node_config(url: str, settings: ElasticsearchSettings) -> NodeConfig:
    """Describe a node to the client, by one of `ElasticsearchSettings.urls`."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return NodeConfig(
        scheme=parts.scheme,
        host=host if host.isascii() else host.encode("idna").decode(),
        port=parts.port or {"http": 80, "https": 443}[parts.scheme],
        path_prefix=quote(parts.path, safe="/:@!$&'()*+,;=~%"),
        headers={
            # With http_compress, the client asks for gzip instead.
            "accept-encoding": "identity",
            "user-agent": "mcp-elasticsearch",
            "x-opaque-id": "mcp-elasticsearch",
        },
        http_compress=settings.compress,
        # It trusts nobody. Each request brings the context of the current certificates.
        ssl_context=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if parts.scheme == "https" else None,
    )


def address(config: NodeConfig) -> str:
    """Return host and port, as messages show them."""
    return f"[{config.host}]:{config.port}" if ":" in config.host else f"{config.host}:{config.port}"


class RawBody(Serializer):
    """Passes bodies on as bytes, both ways."""

    def loads(self, data: bytes) -> bytes:
        return data

    def dumps(self, data: bytes) -> bytes:
        return data


class AnswerMemory:
    """The memory of the answer to one request, part of the budget of the process. Without a budget, as in health checks, it is
    short.

    A long answer, of a sixth of the budget at the most, holds half of it while it arrives and is parsed, for its bytes are there
    twice in between. What it takes when it is parsed is estimated before. That may be half of the budget as well, because one
    answer at a time is parsed: neither parsing nor cutting waits for anything.
    """

    def __init__(self, budget: MemoryBudget | None) -> None:
        self.longest = min(MAX_ANSWER_BYTES, budget.size // 6) if budget else MAX_ERROR_BYTES
        """Bytes."""

        self.waits = False
        """Whether the request waits for others of this process, and not for the node."""

        self._largest = budget.size // 2 if budget else 16 * MAX_ERROR_BYTES
        self._budget = budget
        self._held: AbstractAsyncContextManager[None] | None = None

    async def hold(self) -> None:
        """Hold what the longest answer takes, until `release`. Raise Busy if others take all of the budget until the call's
        deadline."""
        if self._budget is None or self._held is not None:
            return
        held = self._budget.hold(self._budget.size // ANSWERS_AT_ONCE)
        self.waits = True
        try:
            await held.__aenter__()
        except Busy:
            raise Busy(
                "other calls use all of this server's memory for answers: try again in a few seconds, or ask for less"
            ) from None
        self.waits, self._held = False, held

    async def release(self) -> None:
        """Give back what is held."""
        if self._held is not None:
            held, self._held = self._held, None
            await held.__aexit__(None, None, None)

    def check(self, content: bytes) -> None:
        """Raise AnswerTooLong for an answer that does not fit when it is parsed."""
        if parsed_size(content) > self._largest:
            raise AnswerTooLong(self.longest)


arriving: ContextVar[AnswerMemory] = ContextVar("arriving")
"""The memory of the answer to the current request."""


class CheckedNodePool(NodePool):
    """Takes nodes by turns. A node that failed comes last until a check, or a call that had no other, finds it well."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.away: set[BaseNode] = set()

    def mark_dead(self, node: BaseNode, *args: Any) -> None:
        super().mark_dead(node, *args)
        self.away.add(node)

    def mark_live(self, node: BaseNode) -> None:
        super().mark_live(node)
        self.away.discard(node)

    def get(self) -> BaseNode:
        """Return a node that this request has not tried, if there is one."""
        nodes, used = self.all(), tried.get()
        turn = nodes.index(self.node_selector.select(nodes))
        chosen = min(nodes[turn:] + nodes[:turn], key=lambda node: (node in used, node in self.away))
        used.append(chosen)
        return chosen


class BoundedNode(AiohttpHttpNode):
    """A node that is asked once per request and read up to a limit. `trust` and `settings` come from a subclass, because the
    client makes nodes from their configuration alone."""

    settings: ClassVar[ElasticsearchSettings]
    trust: ClassVar[Trust]

    def __init__(self, config: NodeConfig) -> None:
        super().__init__(config)
        self._lane = Semaphore(CONNECTIONS_PER_NODE)

    async def perform_request(  # type: ignore[override]  # as in AiohttpHttpNode itself
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: HttpHeaders | None = None,
        request_timeout: Any = None,
    ) -> Any:
        """Send a request once, and return a TransportApiResponse with its body as bytes. The call's deadline ends it, not a
        time-out.

        Raise NotConnected if nothing was sent, AnswerLost if it may have been sent and there is no answer, and AnswerTooLong if
        that is longer than allowed. If the certificates to use, or the proxy's password, can't be read, raise BackendError.
        """
        memory = arriving.get(None) or AnswerMemory(None)
        memory.waits = True
        async with self._lane:
            memory.waits = False
            return await self._exchange(method, target, body, headers or {}, memory)

    async def _exchange(
        self, method: str, target: str, body: bytes | None, headers: Mapping[str, str], memory: AnswerMemory
    ) -> TransportApiResponse:
        sent = self.headers.copy()
        sent.update(headers)
        if body and self.config.http_compress and len(body) >= COMPRESS_FROM:
            body = gzip.compress(body, 1)
            sent["content-encoding"] = "gzip"
        place, via = address(self.config), proxy(self.settings)
        began = get_running_loop().time()
        try:
            context = await self.trust.context(self.base_url, CONNECT_TIMEOUT) if self.scheme == "https" else True
        except OSError as error:
            raise NotConnected(place, *connection_failure(error, CONNECT_TIMEOUT)) from error
        try:
            async with self._client_session().request(
                method,
                yarl.URL(self.base_url + target, encoded=True),
                data=body,
                headers=sent,
                allow_redirects=False,
                ssl=context,
                proxy=via,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT),
            ) as response:
                content = await _content(response, place, memory)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL) as error:
            raise NotConnected(place, *connection_failure(error, CONNECT_TIMEOUT)) from error
        except aiohttp.ClientHttpProxyError as error:
            said = f"can't be reached: the proxy answers with HTTP status {error.status}"
            raise NotConnected(place, said, "check ES_PROXY_URL and the proxy's login") from error
        except aiohttp.ClientResponseError as error:
            raise AnswerLost(place, "answers with something that is not HTTP", "check ES_PORT and ES_SCHEME") from error
        except aiohttp.ClientError as error:
            said = "broke the connection before its answer was complete"
            raise AnswerLost(place, said, "try again, or check for a proxy in between") from error
        meta = ApiResponseMeta(
            status=response.status,
            http_version="1.1",
            # A field that comes several times is one list (RFC 9110, 5.3).
            headers=HttpHeaders({name: ", ".join(response.headers.getall(name)) for name in response.headers}),
            duration=get_running_loop().time() - began,
            node=self.config,
        )
        return TransportApiResponse(meta, content)

    def _client_session(self) -> aiohttp.ClientSession:
        if self.session is None:
            self.session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=("accept", "accept-encoding", "user-agent"),
                max_line_size=MAX_HEADER_BYTES,
                max_field_size=MAX_HEADER_BYTES,
                max_headers=MAX_HEADERS,
                middlewares=(_send_once,),
            )
        return self.session


async def _send_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending GET, PUT and DELETE again when a kept connection breaks: the first may have been done."""
    try:
        return await handler(request)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise aiohttp.ClientPayloadError from error


async def _content(response: aiohttp.ClientResponse, place: str, memory: AnswerMemory) -> bytes:
    """Read the body of an answer, decompressed, as far as it is allowed to go. Raise AnswerTooLong if it is longer, AnswerLost if
    it can't be decompressed, and Busy if other answers take all the memory until the call's deadline."""
    limit = memory.longest if response.status < 400 else min(MAX_ERROR_BYTES, memory.longest)
    encoding = response.headers.get("Content-Encoding", "identity").lower()
    if encoding not in ("identity", "gzip"):
        said = f"answers in the encoding {encoding[:40]!r}, which was not requested"
        raise AnswerLost(place, said, "check for a proxy in between")
    gunzip = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
    pieces, length, received = [bytearray()], 0, 0
    if (response.content_length or 0) > limit:
        raise AnswerTooLong(limit)
    async for data in response.content.iter_any():
        received += len(data)
        if received > limit:
            raise AnswerTooLong(limit)
        full = True
        while full:
            piece = data
            if gunzip:
                try:
                    piece = gunzip.decompress(data, SHORT_ANSWER_BYTES)
                except zlib.error:
                    raise AnswerLost(place, "answers with invalid gzip", "check for a proxy in between") from None
                data = gunzip.unconsumed_tail
            full = bool(gunzip) and (len(piece) == SHORT_ANSWER_BYTES or bool(data))
            length += len(piece)
            if length > limit:
                raise AnswerTooLong(limit)
            if length > SHORT_ANSWER_BYTES:
                await memory.hold()  # nothing more is read meanwhile
            # Pieces, because one that grows leaves holes behind; not too small, because each takes memory of its own.
            if len(pieces[-1]) < SHORT_ANSWER_BYTES:
                pieces[-1] += piece
            else:
                pieces.append(bytearray(piece))
    if gunzip and received:
        if gunzip.unused_data:
            raise AnswerLost(place, "answers with bytes after the end of its gzip", "check for a proxy in between")
        if not gunzip.eof:
            raise AnswerLost(place, "ended its gzip answer too early", "try again, or check for a proxy in between")
    return b"".join(pieces)
