"""The connection to Elasticsearch: its REST API over HTTP, in plain JSON, which servers of 7.17 to 9 understand alike.

Elasticsearch's own Python client is not used: it costs 18 MiB of memory and 25 MB of files, and sends a media type that ties it
to a server's version.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from servers.common.backend import BackendError, time_left
from servers.common.tools import ToolError, from_json, to_json
from servers.elasticsearch.errors import Refused, explain
from servers.elasticsearch.nodes import Node, Nodes
from servers.elasticsearch.scope import Scope
from servers.elasticsearch.settings import ElasticsearchSettings
from servers.elasticsearch.transport import Broken, Endless, NotConnected, Reply, Request, Transport

PAUSES = (0.2, 0.6)
"""Seconds, about, before a read that all nodes refused for a while is sent again."""

BUSY = frozenset({429, 502, 503, 504})
"""Statuses of HTTP by which a node, or what stands before it, says that it can't just now."""

CHECK_TIMEOUT = 4.0
"""Seconds that a node may take to say who it is; less than the watch allows for all."""

FEATURES_TIMEOUT = 2.0
"""Seconds that an answer about features may take."""

MOST_NODES_TOLD = 5
"""Nodes that an error names."""

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


@dataclass(frozen=True)
class _Identity:
    """What a node says of itself."""

    product: str
    version: str
    cluster: str = ""
    """Its cluster's UUID; nothing where we may not ask."""


class ElasticsearchBackend:
    """The nodes of one Elasticsearch, or one address that leads to them."""

    def __init__(self, settings: ElasticsearchSettings) -> None:
        self._nodes = Nodes(settings.urls)
        self._transport = Transport(settings)
        self.scope = Scope(settings.index_patterns, settings.api_key or settings.bearer_token or settings.password)
        self._version = ""
        self._features: frozenset[str] | None = None
        self._mixed: BackendError | None = None
        self._opensearch = False

    @property
    def address(self) -> str:
        return ",".join(node.address for node in self._nodes.all)

    async def check(self) -> str:
        nodes = self._nodes.due()
        found = dict(zip(nodes, await asyncio.gather(*(self._checked(node) for node in nodes)), strict=True))
        there = [said for said in found.values() if isinstance(said, _Identity)]
        if not there:
            raise _away({node: said for node, said in found.items() if isinstance(said, BackendError)})
        clusters = {said.cluster for said in there} - {"", "_na_"}
        self._mixed = None
        if len(clusters) > 1:
            self._mixed = BackendError("ES_HOSTS names nodes of different clusters: give those of one")
            raise self._mixed
        self._opensearch = there[0].product == "OpenSearch"
        version = f"{there[0].product} {there[0].version}"
        if version != self._version:
            # What it has is good to know and not worth to wait for: it is asked again at the next check.
            with suppress(TimeoutError, BackendError):
                limit = min(FEATURES_TIMEOUT, time_left() - 0.2)
                self._features = await asyncio.wait_for(self._found_features(), limit)
                self._version = version
        away = [node.address for node in self._nodes.all if node.failures]
        return version + (f", without {_some(away)}" if away else "")

    async def _checked(self, node: Node) -> _Identity | BackendError:
        try:
            async with asyncio.timeout(CHECK_TIMEOUT):
                identity = await self._identity(node)
        except TimeoutError:
            said = "does not answer"
            self._nodes.failed(node)
            return NotConnected(f"Elasticsearch at {node.address} {said}: try again, or see how it is", said)
        except BackendError as error:
            self._nodes.failed(node)
            return error
        self._nodes.served(node)
        return identity

    async def _identity(self, node: Node) -> _Identity:
        try:
            info = await self._ask(node, "/")
        except ToolError:
            # The root may be forbidden to us, or absent; whoever answers so is there.
            return await self._identity_otherwise(node)
        version = info.get("version", {}) if isinstance(info, dict) else {}
        if "number" not in version:
            raise BackendError(f"what answers at {node.address} is not Elasticsearch: check ES_HOST and ES_PORT")
        product = "OpenSearch" if version.get("distribution") == "opensearch" else "Elasticsearch"
        return _Identity(product, version["number"], info.get("cluster_uuid", ""))

    async def _identity_otherwise(self, node: Node) -> _Identity:
        try:
            nodes = (await self._ask(node, "/_nodes/_local", {"filter_path": "nodes.*.version"}))["nodes"]
            return _Identity("Elasticsearch", next(iter(nodes.values()))["version"])
        except (ToolError, KeyError, StopIteration):
            return _Identity("Elasticsearch", "of unknown version")

    async def _ask(self, node: Node, path: str, params: Mapping[str, str] | None = None) -> Any:
        return self._answer(node, await self._again_if_cut(node, _request("GET", path, params, None)), b"")

    async def _found_features(self) -> frozenset[str] | None:
        """What the cluster has beside its core, by the names of _xpack; None where it may not be asked."""
        if self._opensearch:
            return frozenset()
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

    async def close(self) -> None:
        await self._transport.close()

    async def read(
        self, method: str, path: str, *, params: Mapping[str, str] | None = None, body: Json | None = None
    ) -> Any:
        """Sends a request that changes nothing: to another node when one can't be reached or has too much to do, and some
        times more when they all have (429, 502, 503, 504), after a pause, as far as the call's deadline allows.

        Args:
            method: of HTTP
            path: from `path()`
            params: of the query string
            body: sent as JSON

        Returns:
            the answer's JSON; text where Elasticsearch has no JSON for it.

        Raises:
            BackendError: Elasticsearch can't be reached or refuses us.
            Refused: Elasticsearch refuses the request.
        """
        if self._opensearch and path.endswith("/_field_caps"):
            # It has no such parameter; what that leaves out comes along then.
            params = {name: value for name, value in (params or {}).items() if name != "filters"}
        request = _request(method, path, params, body)
        for pause in PAUSES:
            node, reply = await self._read_anywhere(request)
            # Some more or less, so that those who were refused together do not come back together.
            wait = max(pause * random.uniform(0.5, 1.5), reply.retry_after)
            if reply.status not in BUSY or wait >= time_left():
                return self._answer(node, reply, request.content)
            await asyncio.sleep(wait)
        node, reply = await self._read_anywhere(request)
        return self._answer(node, reply, request.content)

    async def _read_anywhere(self, request: Request) -> tuple[Node, Reply]:
        """The first reply that is not of a busy node; of the last busy one where all are."""
        busy: tuple[Node, Reply] | None = None
        failures: dict[Node, BackendError] = {}
        for node in self._usable():
            try:
                reply = await self._again_if_cut(node, request)
            except (NotConnected, Broken) as error:
                self._nodes.failed(node)
                failures[node] = error
                continue
            if reply.status not in BUSY:
                self._nodes.served(node)
                return node, reply
            busy = node, reply
        if busy is None:
            raise _away(failures)
        return busy

    async def _again_if_cut(self, node: Node, request: Request) -> Reply:
        try:
            return await self._transport.exchange(node, request)
        except Broken:
            # A connection that was kept may have been closed long since.
            return await self._transport.exchange(node, request)

    async def write(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Json | Sequence[Json] | None = None,
    ) -> Any:
        """Sends a request as `read` does, but never twice: it may have been carried out before its answer was lost. Only
        a node that there is no connection to is passed over.

        A body of several is sent as NDJSON.
        """
        request = _request(method, path, params, body)
        failures: dict[Node, BackendError] = {}
        for node in self._usable():
            try:
                reply = await self._transport.exchange(node, request)
            except NotConnected as error:
                self._nodes.failed(node)
                failures[node] = error
                continue
            except Broken:
                self._nodes.failed(node)
                raise BackendError(_uncertain(node, "broke the connection before its answer was here")) from None
            except Endless:
                raise BackendError(_uncertain(node, "gives an answer that is too long to be read")) from None
            if reply.status in (502, 504):
                raise BackendError(_uncertain(node, f"answers with HTTP status {reply.status}"))
            self._nodes.served(node)
            try:
                return self._answer(node, reply, request.content)
            except BackendError as error:
                error.unknown = reply.status != 401
                raise
        raise _away(failures)

    def _usable(self) -> list[Node]:
        if self._mixed:
            raise self._mixed
        return self._nodes.in_order()

    def _answer(self, node: Node, reply: Reply, sent: bytes | None) -> Any:
        try:
            value = from_json(reply.content) if reply.content else {}
        except ValueError:
            value = None
        if reply.status == 401:
            raise BackendError(
                f"Elasticsearch at {node.address} refuses our login: check ES_API_KEY, ES_BEARER_TOKEN, or ES_USERNAME and "
                "ES_PASSWORD (or their _FILE)"
            )
        if value is None:
            if reply.success and reply.content_type.startswith("text/plain"):
                return reply.content.decode("utf-8", "replace")  # hot threads have no JSON
            if reply.success:
                raise BackendError(
                    f"what answers at {node.address} is not Elasticsearch: check ES_HOST, ES_PORT and ES_SCHEME"
                )
            raise BackendError(
                f"{node.address} answers with HTTP status {reply.status}, and not as Elasticsearch does: "
                "try again, or check ES_HOST, ES_PORT and what is between"
            )
        if reply.success:
            return value
        raise explain(reply.status, value, sent or b"", self._version if self._opensearch else "")


def _request(method: str, path: str, params: Mapping[str, str] | None, body: Json | Sequence[Json] | None) -> Request:
    if body is None:
        return Request(method, path, params, None, "")
    several = not isinstance(body, Mapping)
    text = "".join(to_json(line) + "\n" for line in body) if several else to_json(body)
    return Request(method, path, params, text.encode(), "application/x-ndjson" if several else "application/json")


def _away(failures: Mapping[Node, BackendError]) -> BackendError:
    """The one error of all nodes."""
    if len(failures) > 1 and all(isinstance(error, NotConnected) for error in failures.values()):
        told = [f"{node.address} {e.said}" for node, e in failures.items() if isinstance(e, NotConnected)]
        return BackendError(f"no node of Elasticsearch serves us: {_some(told)}: try again, or check ES_HOSTS")
    # What a node itself says tells more than that others are away.
    return min(failures.values(), key=lambda error: isinstance(error, NotConnected))


def _uncertain(node: Node, what: str) -> str:
    return (
        f"Elasticsearch at {node.address} {what}: what was asked for may have been done or not, and was not sent again; look "
        "before you repeat it"
    )


def _some(texts: Sequence[str]) -> str:
    more = len(texts) - MOST_NODES_TOLD
    return "; ".join([*texts[:MOST_NODES_TOLD], *([f"and {more} more"] if more > 0 else [])])
