"""Elasticsearch's REST API, through the official asynchronous client.

The client chooses nodes, keeps connections, and makes spans. This module decides when and where to repeat a request, because
only it knows whether a request changes anything. Requests to Elasticsearch ask for the REST API of version 8: versions 8
and 9 serve it (https://www.elastic.co/docs/reference/elasticsearch/rest-apis/compatibility). OpenSearch accepts only plain
JSON, and the client would refuse it, so requests to OpenSearch go to the client's transport.
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
import warnings
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from itertools import pairwise
from time import time
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit

import elastic_transport
from elasticsearch import ApiError, AsyncElasticsearch, ElasticsearchWarning

from servers.common.backend import BackendError, time_left, warn
from servers.common.http.principal import PRINCIPAL
from servers.common.memory_budget import BUDGET, Busy, MemoryBudget
from servers.common.protocol.tools import ToolError, from_json, to_json
from servers.elasticsearch.client.auth import authorization
from servers.elasticsearch.client.errors import (
    AnswerLost,
    AnswerTooLong,
    ElasticsearchError,
    NodeFailure,
    NotConnected,
    Uncertain,
    explain,
)
from servers.elasticsearch.client.heap_load import AT_ONCE, HeapLoad, hits
from servers.elasticsearch.client.node import (
    AnswerMemory,
    BoundedNode,
    CheckedNodePool,
    RawBody,
    address,
    arriving,
    node_config,
    tried,
)
from servers.elasticsearch.client.tls import Trust
from servers.elasticsearch.settings import ElasticsearchSettings

PAUSES = (0.2, 0.6)
"""Seconds, about, before a read that all nodes refused for a while is sent again."""

BUSY = frozenset({429, 502, 503, 504})
"""HTTP statuses by which a node, or a proxy before it, says that it can't serve just now."""

CHECK_TIMEOUT = 4.0
"""Seconds that a node may take to identify itself; less than the monitor allows for all of them."""

FEATURES_TIMEOUT = 2.0
"""Seconds that an answer about features may take."""

EXPENSIVE_AT_ONCE = 8
"""Searches at once that have aggregations or large pages, or are in a query language; further ones wait."""

LARGE_PAGE = 100
"""Hits from which a page is large."""

PROBED_PAGE = 32
"""Hits of a page above which its first ones are asked for alone, unless hits of this index are known to be short."""

PROBE = 10
"""Hits that tell how long the others are."""

MOST_NODES_TOLD = 5
"""Nodes that an error names."""

LONGEST_TARGET = 65536
"""Characters of a path with its query. Elasticsearch takes 4096 by default, and says so itself for lengths in between."""

Json = Mapping[str, Any]

# The warnings of an answer go to the caller, and never to a log: they may hold names of indices and fields.
warnings.filterwarnings("ignore", category=ElasticsearchWarning)
# The node pool would log each failure of a node, which the monitor reports.
logging.getLogger("elastic_transport.node_pool").setLevel(logging.ERROR)


def path(*parts: str) -> str:
    """Return the path of a request. Each part is quoted and stays one part; "," "*" and ":" are left as they are. Raise ToolError
    for a part that is empty or a dot segment (RFC 3986, 5.2.4), which would make another path on its way."""
    for part in parts:
        if part in ("", ".", ".."):
            raise ToolError(f"{part!r} can't be a name or an id here")
    return "/" + "/".join(quote(part, safe=",*:") for part in parts)


MOST_WILDCARDS = 3
"""`*` in one pattern. Elasticsearch matches patterns by backtracking, on the threads that serve everybody, and cannot be told to
stop: four `*` against a name of 200 equal letters took 3 s, and 600 never ended."""

_PATTERNS = frozenset({"_source", "docvalue_fields", "excludes", "fields", "includes", "stored_fields"})
"""Members of a body that hold patterns of fields."""

_IDS = frozenset({"_doc", "_explain", "_source", "_termvectors"})
"""Parts of a path that stand before the ID of a document."""


def check_wildcards(*patterns: str) -> None:
    """Raise ToolError for a pattern with more than MOST_WILDCARDS. A text may have several, by commas."""
    for pattern in ",".join(patterns).split(","):
        if re.sub(r"\*+", "*", pattern).count("*") > MOST_WILDCARDS:
            raise ToolError(
                f"the pattern {pattern[:100]!r} has too many wildcards, which could keep Elasticsearch busy for ever: "
                f"use at most {MOST_WILDCARDS}"
            )


def check_fields(value: Any, pattern: bool = False) -> None:
    """Raise ToolError for a pattern of fields with more than MOST_WILDCARDS in a body that only reads. `pattern` tells whether
    the value is in a place where a pattern may be."""
    if isinstance(value, str) and pattern:
        check_wildcards(value)
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            if pattern:
                check_wildcards(name)
            check_fields(inner, name in _PATTERNS or (pattern and name == "field"))
    elif isinstance(value, list | tuple):
        for item in value:
            check_fields(item, pattern)


@dataclass(frozen=True)
class ApiRequest:
    """A request to the REST API."""

    method: str
    target: str
    """Path and query, quoted."""

    content: bytes | None
    content_type: str

    @classmethod
    def of(cls, method: str, path: str, params: Mapping[str, str] | None, body: Json | Sequence[Json] | None) -> ApiRequest:
        """Make a request; a sequence of bodies is sent as NDJSON. Raise ToolError if the path would not arrive as it is, or is
        too long, or a pattern has too many wildcards."""
        if not _PATH.fullmatch(path):
            raise ToolError(f"the path {path[:200]!r} can't be sent")
        parts = [unquote(part) for part in path.split("/")]
        check_wildcards(*(part for before, part in pairwise(parts) if before not in _IDS))
        for name, value in (params or {}).items():
            check_wildcards(value.replace(".", ",") if name == "filter_path" else value)
        target = f"{path}?{urlencode(params, quote_via=quote)}" if params else path
        if len(target) > LONGEST_TARGET:
            raise ToolError(f"the request's path and parameters have {len(target)} characters: give shorter or fewer names")
        if body is None:
            return cls(method, target, None, "")
        if isinstance(body, Mapping):
            return cls(method, target, to_json(body).encode(), "application/json")
        return cls(method, target, "".join(to_json(line) + "\n" for line in body).encode(), "application/x-ndjson")

    @property
    def endpoint(self) -> str:
        """The API, such as search or cluster, for spans. The first part that begins with "_" is never a client's."""
        found = _API.search(self.target.partition("?")[0])
        return found[1] if found else "root"


_PATH = re.compile(r"(?!.*/\.\.?(?:/|$))/[A-Za-z0-9/._~!$&'()*+,;=:@%-]*")
"""A path that says what it means: no character that would have to be quoted, no dot segment (RFC 3986, 3.3)."""

_API = re.compile(r"/_([a-z_]+)")

_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')
"""A value of the header Warning (RFC 7234, 5.5), as Elasticsearch sends it."""


@dataclass(frozen=True)
class ApiAnswer:
    """What a node answered."""

    address: str
    status: int
    content: bytes
    headers: elastic_transport.HttpHeaders

    @property
    def success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def retry_after(self) -> float:
        """Seconds that the header Retry-After asks to wait (RFC 9110, 10.2.3), from a number or a date; 0 without it."""
        value = self.headers.get("retry-after") or ""
        if value.isascii() and value.isdigit():
            return float(value[:6])
        try:
            return max(parsedate_to_datetime(value).timestamp() - time(), 0.0)
        except (ValueError, TypeError, OverflowError):
            return 0.0


@dataclass(frozen=True)
class NodeIdentity:
    """What a node says about itself."""

    product: str
    version: str
    cluster: str = ""
    """Its cluster's UUID; empty if we may not ask."""


class ElasticsearchBackend:
    """The nodes of one Elasticsearch, or one address that leads to them."""

    def __init__(self, settings: ElasticsearchSettings) -> None:
        class Node(BoundedNode):
            """A node of these settings."""

        Node.settings, Node.trust = settings, Trust(settings)
        configs = list(dict.fromkeys(node_config(url, settings) for url in settings.urls))
        raw = RawBody()
        self._client = AsyncElasticsearch(
            configs,
            node_class=Node,
            node_pool_class=CheckedNodePool,
            serializers={"application/json": raw, "application/x-ndjson": raw, "application/*": raw, "text/*": raw},
            # `_send` decides about these.
            max_retries=0,
            retry_on_status=(),
        )
        pool = self._client.transport.node_pool
        assert isinstance(pool, CheckedNodePool)
        self._pool = pool
        # Checks have connections of their own, and never wait for those of calls.
        self._probes = {node: Node(node.config) for node in pool.all()}
        self._expensive = MemoryBudget(
            EXPENSIVE_AT_ONCE,
            f"{EXPENSIVE_AT_ONCE} expensive searches of other calls are under way, so nothing was done: try again in a few "
            "seconds",
        )
        self._load = HeapLoad()
        self._settings = settings
        self.address = ",".join(urlsplit(url).netloc for url in settings.urls)
        self._version = ""
        self._features: frozenset[str] | None = None
        self._mixed: BackendError | None = None
        self.opensearch = False
        """Whether the store is known to be OpenSearch."""
        self._versioned = False
        """Whether the nodes are known to have the REST API of version 8."""

    async def check(self) -> str:
        nodes = list(self._probes)
        found = dict(zip(nodes, await asyncio.gather(*map(self._checked, nodes)), strict=True))
        there = {node: said for node, said in found.items() if isinstance(said, NodeIdentity)}
        if not there:
            raise _away([said for said in found.values() if isinstance(said, Exception)])
        clusters = {said.cluster for said in there.values()} - {"", "_na_"}
        self._mixed = None
        if len(clusters) > 1:
            self._mixed = BackendError("ES_HOSTS names nodes of different clusters: name those of one cluster")
            raise self._mixed
        first = next(iter(there.values()))
        self.opensearch = first.product == "OpenSearch"
        self._versioned = all(
            said.product == "Elasticsearch" and re.match(r"[89]\.|[1-9]\d", said.version) for said in there.values()
        )
        version = f"{first.product} {first.version}"
        if version != self._version:
            # Knowing the features is useful, but not worth a wait: the next check asks again.
            with suppress(TimeoutError, BackendError):
                async with asyncio.timeout(min(FEATURES_TIMEOUT, time_left() - 0.2)):
                    self._features = await self._found_features(next(iter(there)))
                self._version = version
        away = [address(node.config) for node in nodes if node in self._pool.away]
        return version + (f", without {_some(away)}" if away else "")

    async def _checked(self, node: elastic_transport.BaseNode) -> NodeIdentity | Exception:
        failure: Exception
        try:
            async with asyncio.timeout(CHECK_TIMEOUT):
                identity = await self._identity(node)
            self._pool.mark_live(node)
            return identity
        except TimeoutError:
            failure = _silent(node)
        except (NodeFailure, BackendError) as error:
            failure = error
        if node not in self._pool.away:
            self._pool.mark_dead(node)
        return failure

    async def _identity(self, node: elastic_transport.BaseNode) -> NodeIdentity:
        try:
            info = await self._probe(node, "/")
        except ToolError:
            # The root may be forbidden to us, or absent. Whoever answers so is there.
            return await self._identity_otherwise(node)
        version = info.get("version", {}) if isinstance(info, dict) else {}
        if "number" not in version:
            raise BackendError(f"what answers at {address(node.config)} is not Elasticsearch: check ES_HOST and ES_PORT")
        product = "OpenSearch" if version.get("distribution") == "opensearch" else "Elasticsearch"
        return NodeIdentity(product, str(version["number"]), info.get("cluster_uuid", ""))

    async def _identity_otherwise(self, node: elastic_transport.BaseNode) -> NodeIdentity:
        try:
            nodes = (await self._probe(node, "/_nodes/_local?filter_path=nodes.*.version"))["nodes"]
            return NodeIdentity("Elasticsearch", next(iter(nodes.values()))["version"])
        except (ToolError, KeyError, StopIteration, TypeError, AttributeError):
            return NodeIdentity("Elasticsearch", "of unknown version")

    async def _probe(self, node: elastic_transport.BaseNode, target: str) -> Any:
        """Ask one node, over the checks' own connections."""
        headers = elastic_transport.HttpHeaders({"accept": "application/json", **authorization(self._settings)})
        probe = self._probes[node]
        try:
            meta, content = await probe.perform_request("GET", target, headers=headers)
        except AnswerLost:
            # The node may have closed a kept connection long ago.
            meta, content = await probe.perform_request("GET", target, headers=headers)
        answer = ApiAnswer(address(node.config), meta.status, content, meta.headers)
        return self._value(answer, ApiRequest("GET", target, None, ""))

    async def _found_features(self, node: elastic_transport.BaseNode) -> frozenset[str] | None:
        """Return what the cluster has beside its core, by the names of _xpack; None if it may not be asked."""
        if self.opensearch:
            return frozenset()
        try:
            answer = await self._probe(node, "/_xpack?categories=features")
        except NodeFailure as failure:
            raise BackendError(str(failure)) from None
        except ToolError as refusal:
            # A distribution without any does not know the path. Serverless has features and no such API: 410.
            return frozenset() if isinstance(refusal, ElasticsearchError) and refusal.status not in (403, 410) else None
        features = answer.get("features") if isinstance(answer, dict) else None
        return frozenset(n for n, has in (features or {}).items() if has.get("available") and has.get("enabled"))

    def has(self, feature: str) -> bool:
        """Tell whether the cluster has a feature, as esql, sql, eql or ilm; true as long as it is not known."""
        return self._features is None or feature in self._features

    async def close(self) -> None:
        await self._client.close()
        for probe in self._probes.values():
            await probe.close()

    async def read(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Json | None = None,
        answers: Sequence[str] = (),
    ) -> Any:
        """Send a request that changes nothing, and return the answer's JSON; text if Elasticsearch has no JSON for it.

        It goes to another node if one can't be reached, hangs, or has too much to do. If all of them have (429, 502, 503, 504),
        it is sent twice more, after a pause or the time that Retry-After asks for, if the call's deadline allows. `answers` are
        names that the answer has to have. Raise BackendError if Elasticsearch can't be reached or refuses our login,
        ElasticsearchError if it refuses the request, and AnswerTooLong if its answer is too long to be read.
        """
        if self.opensearch and path.endswith("/_field_caps"):
            # It has no such parameter. Its answer holds more then.
            params = {name: value for name, value in (params or {}).items() if name != "filters"}
        check_fields(body)
        many = hits(path, params or {}, body or {})
        if many > PROBED_PAGE and path.endswith("/_search"):
            await self._probe_page(path, params or {}, body or {}, many)
        lane = self._expensive.hold(1) if _is_expensive(path, body) else nullcontext()
        async with lane:
            value, answer = await self._read_patiently(method, path, params or {}, body)
        if answers and not _has(value, answers):
            raise BackendError(f"{answer.address} answers, but not as Elasticsearch does: check for a proxy in between")
        return value

    async def find(self, path: str, answers: Sequence[str] = ()) -> Any | None:
        """Read what is at a path by GET, as `read` does; None if nothing is there (404)."""
        try:
            return await self.read("GET", path, answers=answers)
        except ElasticsearchError as error:
            if error.status != 404:
                raise
            return None

    async def _probe_page(self, path: str, params: Mapping[str, str], body: Json, many: int) -> None:
        """Ask for the first hits of a large page alone, and raise AnswerTooLong if the whole answer would
        be too long to be read."""
        longest = AnswerMemory(BUDGET.get(None)).longest
        if self._load.expected(path, many) <= longest:
            return
        beside = ("aggregations", "aggs", "rest_total_hits_as_int", "size", "suggest", "track_total_hits")
        few = {name: part for name, part in body.items() if name not in beside} | {
            "size": PROBE,
            "track_total_hits": many,
        }
        of_url = {name: value for name, value in params.items() if name not in beside}
        value, answer = await self._read_patiently("POST", path, of_url, few)
        found = value.get("hits", {})
        total = found.get("total", many)
        matches = min(total if isinstance(total, int) else total["value"], many)
        shown = len(found.get("hits", range(PROBE)))
        if shown == PROBE and len(answer.content) * matches > longest * PROBE:
            raise AnswerTooLong(longest, PROBE * longest // len(answer.content))

    async def _read_patiently(
        self, method: str, path: str, params: Mapping[str, str], body: Json | None
    ) -> tuple[Any, ApiAnswer]:
        """Send a request, and again while nodes have too much to do; return the answer's JSON and the answer."""
        request = ApiRequest.of(method, path, params, body)
        async with self._load.hold(path, params, body or {}) as came, _memory() as memory:
            try:
                answer = await self._read_somewhere(request, memory)
                for pause in PAUSES:
                    # Some more or less, so that requests that were refused together do not come back together.
                    wait = max(pause * random.uniform(0.5, 1.5), answer.retry_after)
                    if answer.status not in BUSY or wait >= time_left():
                        break
                    await asyncio.sleep(wait)
                    answer = await self._read_somewhere(request, memory)
            except AnswerTooLong:
                came(AT_ONCE)
                raise
            if answer.success:
                came(len(answer.content))
            memory.check(answer.content)
            return self._value(answer, request), answer

    async def _read_somewhere(self, request: ApiRequest, memory: AnswerMemory) -> ApiAnswer:
        """Return the first answer of a node that is not busy, or of the last busy one if all are."""
        busy: ApiAnswer | None = None
        failures: list[NodeFailure] = []
        most = len(self._pool)
        with self._nodes_by_turns() as used:
            while len(used) < most:
                # Half of the time that is left; the last node gets all of it.
                limit = time_left() / 2 if len(used) + 1 < most else float("inf")
                await memory.release()
                try:
                    async with asyncio.timeout(None if limit == float("inf") else limit) as attempt:
                        answer = await self._send(request)
                except TimeoutError:
                    if not attempt.expired():
                        raise
                    # A node that was not asked, because other calls are, has not failed.
                    if not memory.waits:
                        self._pool.mark_dead(used[-1])
                    failures.append(_silent(used[-1]))
                    continue
                except NodeFailure as failure:
                    failures.append(failure)
                    if isinstance(failure, AnswerLost):
                        most = len(self._pool) + 1  # The node may have closed a kept connection long ago.
                    continue
                if answer.status not in BUSY:
                    return answer
                busy = answer
                if len(self._pool) == 1:
                    break
        if busy is None:
            raise _away(failures)
        return busy

    async def write(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Json | Sequence[Json] | None = None,
        answers: Sequence[str] = (),
    ) -> Any:
        """Send a request as `read` does, but never twice: it may have been done before its answer was lost, which is an
        Uncertain. Only if there is no connection to a node, another one is asked. A body of several is sent as NDJSON."""
        request = ApiRequest.of(method, path, params, body)
        async with _memory() as memory:
            return await self._write_somewhere(request, memory, answers)

    async def _write_somewhere(self, request: ApiRequest, memory: AnswerMemory, answers: Sequence[str]) -> Any:
        failures: list[NodeFailure] = []
        with self._nodes_by_turns() as used:
            while len(used) < len(self._pool):
                try:
                    answer = await self._send(request)
                    memory.check(answer.content)
                except NotConnected as failure:
                    failures.append(failure)
                    continue
                except AnswerLost as failure:
                    raise Uncertain(failure.address, failure.said) from None
                except (AnswerTooLong, Busy):
                    raise Uncertain(address(used[-1].config), "gives an answer that is too long to read") from None
                if answer.status in (502, 504):
                    raise Uncertain(answer.address, f"answers with HTTP status {answer.status}")
                try:
                    value = self._value(answer, request)
                except BackendError as error:
                    error.unknown = answer.status not in (401, 407)
                    raise
                except ElasticsearchError as error:
                    if answer.status < 500:
                        error.args = (f"{error}; nothing was done",)
                        raise
                    if error.type == "unavailable_shards_exception":
                        raise
                    raise Uncertain(answer.address, f"answered with HTTP status {answer.status} ({error})") from None
                # Every answer to a change is an object that says something.
                if not value or not _has(value, answers):
                    raise Uncertain(answer.address, "answers, but not as Elasticsearch does")
                if value.get("acknowledged") is False:
                    raise Uncertain(answer.address, "says that not all nodes have acknowledged it in time")
                return value
        raise _away(failures)

    @contextmanager
    def _nodes_by_turns(self) -> Iterator[list[elastic_transport.BaseNode]]:
        """Take the nodes of the pool by turns inside this context, which gives those that were tried."""
        if self._mixed:
            raise self._mixed
        used: list[elastic_transport.BaseNode] = []
        token = tried.set(used)
        try:
            yield used
        finally:
            tried.reset(token)

    async def _send(self, request: ApiRequest) -> ApiAnswer:
        """Send a request once, to the next node."""
        headers = {"accept": "application/json", **authorization(self._settings, PRINCIPAL.get().login)}
        if request.content is not None:
            headers["content-type"] = request.content_type
        meta: elastic_transport.ApiResponseMeta
        content: Any
        try:
            if self._versioned:
                response = await self._client.perform_request(
                    request.method, request.target, headers=headers, body=request.content, endpoint_id=request.endpoint
                )
                meta, content = response.meta, response.body
            else:
                meta, content = await self._client.transport.perform_request(
                    request.method,
                    request.target,
                    headers=headers,
                    body=request.content,
                    max_retries=0,
                    retry_on_status=(),
                )
        except ApiError as error:
            # `_value` says what it is. The client also raises if a proxy removes the header X-Elastic-Product.
            meta, content = error.meta, error.body
        except elastic_transport.SerializationError:
            raise AnswerLost(
                address(tried.get()[-1].config),
                "answers with something that is not JSON",
                "check ES_HOST, ES_PORT and ES_SCHEME",
            ) from None
        for text in _WARNING.findall(meta.headers.get("warning") or ""):
            warn(re.sub(r"\\(.)", r"\1", text))
        return ApiAnswer(address(meta.node), meta.status, content, meta.headers)

    def _value(self, answer: ApiAnswer, request: ApiRequest) -> Any:
        """Return what the answer to a request holds. Raise ElasticsearchError if it is an error, and BackendError if it is not an
        answer of Elasticsearch, or refuses our login."""
        if answer.status == 401:
            ours = "ES_API_KEY, ES_BEARER_TOKEN, or ES_USERNAME and ES_PASSWORD (or their _FILE)"
            login = "that of this token in MCP_AUTH_TOKENS_FILE" if PRINCIPAL.get().login else ours
            raise BackendError(f"Elasticsearch at {answer.address} refuses our login: check {login}")
        if answer.status == 407:
            raise BackendError(
                "the proxy of ES_PROXY_URL refuses our login (HTTP status 407): check ES_PROXY_USERNAME and ES_PROXY_PASSWORD"
            )
        if 300 <= answer.status < 400:
            raise BackendError(
                f"{answer.address} redirects to another address, which is not followed: check ES_HOST, ES_PORT and ES_SCHEME"
            )
        try:
            value = from_json(answer.content) if answer.content else {}
        except ValueError:
            value = None
        if value is None and answer.status == 413:
            value = {}  # Elasticsearch says no more, nor does a proxy
        if value is None:
            if answer.success and (answer.headers.get("content-type") or "").startswith("text/plain"):
                return answer.content.decode("utf-8", "replace")  # hot threads have no JSON
            if answer.success:
                raise BackendError(f"what answers at {answer.address} is not Elasticsearch: check ES_HOST, ES_PORT and ES_SCHEME")
            raise BackendError(
                f"{answer.address} answers with HTTP status {answer.status}, and not as Elasticsearch does: "
                "try again, or check ES_HOST, ES_PORT and any proxy in between"
            )
        if answer.success:
            return value
        opensearch = self._version if self.opensearch else ""
        raise explain(answer.status, value, request.content or b"", opensearch, request.target)


def _is_expensive(path: str, body: Json | None) -> bool:
    if path in ("/_query", "/_sql") or path.endswith("/_eql/search"):
        return True
    page = (body or {}).get("size", 0)
    return bool(
        body
        and path.endswith("/_search")
        and ("aggs" in body or "aggregations" in body or not isinstance(page, int) or page > LARGE_PAGE)
    )


@asynccontextmanager
async def _memory() -> AsyncIterator[AnswerMemory]:
    """Make room for the answer to one request inside this context."""
    memory = AnswerMemory(BUDGET.get(None))
    token = arriving.set(memory)
    try:
        yield memory
    finally:
        arriving.reset(token)
        await memory.release()


def _silent(node: elastic_transport.BaseNode) -> NodeFailure:
    return NodeFailure(address(node.config), "does not answer", "try again, or check its state")


def _away(failures: Sequence[Exception]) -> BackendError:
    """Return the one error of all nodes."""
    told = {f.address: f"{f.address} {f.said}" for f in failures if isinstance(f, NodeFailure)}
    if len(told) > 1 and all(isinstance(failure, NodeFailure) for failure in failures):
        return BackendError(f"no Elasticsearch node is available: {_some(list(told.values()))}: try again, or check ES_HOSTS")
    # What a node itself says tells more than that others are away.
    failure = min(failures, key=lambda failure: isinstance(failure, NodeFailure))
    return failure if isinstance(failure, BackendError) else BackendError(str(failure))


def _has(value: Any, names: Sequence[str]) -> bool:
    return isinstance(value, Mapping) and all(name in value for name in names)


def _some(texts: Sequence[str]) -> str:
    more = len(texts) - MOST_NODES_TOLD
    return "; ".join([*texts[:MOST_NODES_TOLD], *([f"and {more} more"] if more > 0 else [])])
