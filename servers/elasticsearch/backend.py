"""The connection to Elasticsearch: its REST API over HTTP, in plain JSON, which servers of 7.17 to 9 understand alike.

Elasticsearch's own Python client is not used: over the HTTP client that the MCP SDK brings anyway it costs 18 MiB of memory
and 25 MB of files, and sends a media type that ties it to a server's version.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import random
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import httpx2

from servers.common.backend import BackendError
from servers.common.settings import remember
from servers.common.tools import ToolError, to_json
from servers.elasticsearch.errors import Refused, explain
from servers.elasticsearch.scope import Scope
from servers.elasticsearch.settings import ElasticsearchSettings

CONNECT_TIMEOUT = 3.0
"""Seconds to connect, and to wait for a free connection of the pool. How long an answer may take is for the call to say."""

PAUSES = (0.2, 0.6)
"""Seconds, about, before a read that was refused for a while is sent again."""

FEATURES_TIMEOUT = 2.0
"""Seconds that an answer about features may take."""

MAX_CONNECTIONS = 32

MAX_ANSWER_BYTES = 32 * 1024 * 1024
"""An answer is read up to this length, after decompression."""

Json = Mapping[str, Any]


def path(*parts: str) -> str:
    """The path of a request: each part is quoted, so that none can be more than one; "," "*" and ":" stay to be read.

    Raises:
        ToolError: a part is a dot segment (RFC 3986, 5.2.4): on its way it would become another path.
    """
    for part in parts:
        if part in (".", ".."):
            raise ToolError(f"{part!r} can't be the name or id of anything that this server handles")
    return "/" + "/".join(quote(part, safe=",*:") for part in parts)


class ElasticsearchBackend:
    """A pool of connections to one Elasticsearch."""

    def __init__(self, settings: ElasticsearchSettings) -> None:
        self._settings = settings
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        self._address = f"{host}:{settings.port}"
        tls = settings.scheme == "https"
        self._client = httpx2.AsyncClient(
            base_url=f"{settings.scheme}://{self._address}",
            # Without TLS no context: reading the system's certificates takes memory and time.
            verify=ssl.create_default_context(cafile=settings.ca_file) if tls else False,
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
        self.scope = Scope(settings.index_patterns, settings.api_key or settings.password)
        self._version = ""
        self._features: frozenset[str] | None = None

    @property
    def address(self) -> str:
        return self._address

    async def check(self) -> str:
        version = await self._said()
        if version != self._version:
            # What it has is good to know and not worth to wait for: it is asked again at the next check.
            with suppress(TimeoutError, BackendError):
                self._features = await asyncio.wait_for(self._found_features(), FEATURES_TIMEOUT)
                self._version = version
        return version

    async def _said(self) -> str:
        try:
            info = await self.read("GET", "/")
        except ToolError:
            # The root may be forbidden to us, or absent; whoever answers so is there.
            return await self._said_otherwise()
        version = info.get("version", {}) if isinstance(info, dict) else {}
        if "number" not in version:
            raise BackendError(f"what answers at {self.address} is not Elasticsearch: check ES_HOST and ES_PORT")
        name = "OpenSearch" if version.get("distribution") == "opensearch" else "Elasticsearch"
        return f"{name} {version['number']}"

    async def _found_features(self) -> frozenset[str] | None:
        """What the cluster has beside its core, by the names of _xpack; None where it may not be asked."""
        try:
            answer = await self.read("GET", "/_xpack", params={"categories": "features"})
        except ToolError as refusal:
            # A distribution without any does not know the path.
            return frozenset() if isinstance(refusal, Refused) and refusal.status != 403 else None
        features = answer.get("features") if isinstance(answer, dict) else None
        return frozenset(n for n, has in (features or {}).items() if has.get("available") and has.get("enabled"))

    def has(self, feature: str) -> bool:
        """Whether the cluster has a feature, as esql, sql, eql or ilm; true as long as it is not known."""
        return self._features is None or feature in self._features

    async def _said_otherwise(self) -> str:
        try:
            nodes = (await self.read("GET", "/_nodes/_local", params={"filter_path": "nodes.*.version"}))["nodes"]
            return f"Elasticsearch {next(iter(nodes.values()))['version']}"
        except (ToolError, KeyError, StopIteration):
            return "Elasticsearch of unknown version"

    async def close(self) -> None:
        await self._client.aclose()

    async def read(
        self, method: str, path: str, *, params: Mapping[str, str] | None = None, body: Json | None = None
    ) -> Any:
        """Sends a request that changes nothing; once more when the connection turns out to be dead, and some times more
        when Elasticsearch has too much to do (429, 503).

        Args:
            method: of HTTP
            path: from `path()`
            params: of the query string
            body: sent as JSON

        Returns:
            the answer's JSON.

        Raises:
            BackendError: Elasticsearch can't be reached or refuses us.
            Refused: Elasticsearch refuses the request.
        """
        for pause in PAUSES:
            try:
                return await self._again_if_cut(method, path, params, body)
            except Refused as refusal:
                if refusal.status not in (429, 503):
                    raise
            # Some more or less, so that those who were refused together do not come back together.
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))
        return await self._again_if_cut(method, path, params, body)

    async def _again_if_cut(self, method: str, path: str, params: Mapping[str, str] | None, body: Json | None) -> Any:
        try:
            return await self._send(method, path, params, body)
        except _Disconnected:
            return await self._send(method, path, params, body)

    async def write(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Json | Sequence[Json] | None = None,
    ) -> Any:
        """Sends a request as `read` does, but never twice: it may have been carried out before its answer was lost.

        A body of several is sent as NDJSON.
        """
        return await self._send(method, path, params, body)

    async def _send(
        self, method: str, path: str, params: Mapping[str, str] | None, body: Json | Sequence[Json] | None
    ) -> Any:
        headers = self._credentials()
        content = None
        if body is not None:
            several = not isinstance(body, Mapping)
            headers["Content-Type"] = "application/x-ndjson" if several else "application/json"
            text = "".join(to_json(line) + "\n" for line in body) if several else to_json(body)
            # A lone surrogate has no UTF-8; it can only come from a client's own escape.
            content = text.encode("utf-8", "replace")
        request = self._client.build_request(method, path, params=params, content=content, headers=headers)
        if request.url.raw_path.partition(b"?")[0] != path.encode():
            # The client makes paths canonical; what that changes is not what was asked for.
            raise ToolError(f"the path {path[:200]!r} is not one that can be sent")
        try:
            response = await self._client.send(request, stream=True)
            try:
                answer = await self._content(response)
            finally:
                await response.aclose()
        except httpx2.HTTPError as error:
            raise self._unreachable(error) from None
        return self._answer(response, answer, content)

    async def _content(self, response: httpx2.Response) -> bytes:
        answer = bytearray()
        async for chunk in response.aiter_bytes():
            answer += chunk
            if len(answer) > MAX_ANSWER_BYTES:
                raise ToolError(
                    f"Elasticsearch's answer is longer than {MAX_ANSWER_BYTES} bytes: ask for fewer or for less of them"
                )
        return bytes(answer)

    def _answer(self, response: httpx2.Response, answer: bytes, sent: bytes | None) -> Any:
        try:
            value = json.loads(answer) if answer else {}
        except ValueError:
            value = None
        if response.status_code == 401:
            raise BackendError(
                f"Elasticsearch at {self.address} refuses our login: check ES_API_KEY, or ES_USERNAME and ES_PASSWORD"
                " (or their _FILE)"
            )
        if value is None:
            if response.is_success and response.headers.get("content-type", "").startswith("text/plain"):
                return answer.decode("utf-8", "replace")  # hot threads have no JSON
            if response.is_success:
                raise BackendError(
                    f"what answers at {self.address} is not Elasticsearch: check ES_HOST, ES_PORT and ES_SCHEME"
                )
            raise BackendError(
                f"{self.address} answers with HTTP status {response.status_code}, and not as Elasticsearch does: "
                "try again, or check ES_HOST, ES_PORT and what is between"
            )
        if response.is_success:
            return value
        raise explain(response.status_code, value, sent or b"")

    def _credentials(self) -> dict[str, str]:
        settings = self._settings
        try:
            if settings.api_key:
                value = "ApiKey " + settings.api_key.reveal()
            elif settings.password:
                pair = f"{settings.username}:{settings.password.reveal()}"
                value = "Basic " + remember(base64.b64encode(pair.encode()).decode())
            else:
                return {}
        except OSError as error:
            raise BackendError(f"the file with the login for Elasticsearch can't be read: {error.strerror}") from None
        if not value.isascii() or not value.isprintable():
            # Said here, for the HTTP client's own error would show it.
            raise BackendError(
                "ES_API_KEY has a character that no API key has: give it encoded, as Elasticsearch gave it"
            )
        return {"Authorization": value}

    def _unreachable(self, error: httpx2.HTTPError) -> BackendError:
        place = f"Elasticsearch at {self.address}"
        reason: BaseException | None = error
        while reason is not None:
            if isinstance(reason, ssl.SSLCertVerificationError):
                return BackendError(
                    f"{place} shows a certificate that we do not trust ({reason.verify_message}): check ES_CA_FILE and ES_HOST"
                )
            if isinstance(reason, ssl.SSLError):
                return BackendError(
                    f"{place} does not speak TLS with us ({reason.reason or 'no reason'}): check ES_SCHEME"
                )
            if isinstance(reason, OSError) and reason.strerror:
                break
            reason = reason.__cause__ or reason.__context__
        detail = str(error) or type(error).__name__
        if isinstance(reason, OSError):
            # A resolver's numbers are negative; asyncio's own words for the others hold the address once more.
            number = reason.errno or 0
            detail = os.strerror(number) if number > 0 else str(reason.strerror)
        message = f"{place} can't be reached ({detail}): try again, or check ES_HOST, ES_PORT and ES_SCHEME"
        broken = isinstance(error, httpx2.ReadError | httpx2.WriteError | httpx2.RemoteProtocolError)
        return _Disconnected(message) if broken else BackendError(message)


class _Disconnected(BackendError):
    """The connection broke; a reading request may be sent again."""
