"""The measurements. All that is compared takes turns in one run, so that other work of the machine meets each of them."""

import json
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.benchmark.limits import MIB, available
from tests.benchmark.load import (
    Connection,
    HttpConnection,
    LoadError,
    Measured,
    RedisConnection,
    http_request,
    load,
    redis_command,
)
from tests.benchmark.subjects import Subject, call, running
from tools.backends.elasticsearch import ElasticsearchNode
from tools.backends.redis import RedisServer
from tools.backends.sidecar import NEW

Row = dict[str, Any]

SMALL, BIG = "hello-small-value", "big:"
BIG_BYTES = 1_000_000
KEYS = 100_000
SEARCH = {"query": {"match": {"text": "small"}}, "size": 10}
LIMITS = (0.1, 128 * MIB)
"""CPU seconds a second and bytes of memory, as the chart requests and limits them."""


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    starts: int
    limited_starts: int
    rounds: int
    calls: int
    """Calls of one load, at most."""
    seconds: float
    """Seconds of one load, at most."""
    memory_calls: int
    """Small reads after which memory is measured again."""
    clients: Sequence[int] = (1, 8, 64)


FULL = Sizes(starts=5, limited_starts=3, rounds=5, calls=4000, seconds=1.5, memory_calls=10_000)
QUICK = replace(FULL, starts=2, limited_starts=1, rounds=2, calls=1000, seconds=0.4, memory_calls=500)


def fill_redis(server: RedisServer) -> None:
    """Write a small value, a big one, and KEYS more."""
    commands = [["SET", "k", SMALL], ["SET", "big", BIG + "x" * (BIG_BYTES - len(BIG))]]
    _tell(server.port, [*commands, ["DEBUG", "POPULATE", str(KEYS), "key", "16"]])


def _tell(port: int, commands: Iterable[Sequence[str]]) -> None:
    with closing(RedisConnection(port)) as connection:
        for words in commands:
            answer = connection.ask(redis_command(words))
            if not answer.startswith(b"+"):
                raise LoadError(f"Redis: {answer.decode()}")


def fill_elasticsearch(node: ElasticsearchNode) -> None:
    """Index a thousand small documents, and one of a megabyte."""
    settings = {"settings": {"number_of_shards": 1, "number_of_replicas": 0}}
    mapping = {"mappings": {"properties": {"big": {"type": "keyword", "index": False, "doc_values": False}}}}
    node.request("PUT", "/docs", settings | mapping)
    lines = "".join(
        json.dumps({"index": {"_index": "docs", "_id": str(n)}})
        + "\n"
        + json.dumps({"n": n, "word": f"word{n % 10}", "text": f"{SMALL} {n}"})
        + "\n"
        for n in range(1000)
    )
    node.request("POST", "/_bulk?refresh=true", lines)
    node.request("PUT", "/docs/_doc/big?refresh=true", {"big": BIG + "x" * (BIG_BYTES - len(BIG))})


EXPECTED = {"small read": SMALL, "1 MB read": BIG, "search": ""}
"""Kinds of work, and text that each answer has; of a search it depends on the store."""

Calls = Mapping[str, tuple[str, Mapping[str, Any]]]
"""A tool and its arguments, by kind of work."""

TOOLS: dict[tuple[str, str], Calls] = {
    ("ours", "redis"): {
        "small read": ("redis_read", {"key": "k"}),
        "1 MB read": ("redis_read", {"key": "big"}),
        "search": ("redis_scan", {"pattern": "key:*", "limit": 10}),
    },
    ("peer", "redis"): {
        "small read": ("get", {"key": "k"}),
        "1 MB read": ("get", {"key": "big"}),
        "search": ("scan_keys", {"pattern": "key:*", "count": 10}),
    },
    ("ours", "elasticsearch"): {
        "small read": ("es_get", {"index": "docs", "id": "7"}),
        "1 MB read": ("es_get", {"index": "docs", "id": "big", "field": "big"}),
        "search": ("es_search", {"index": "docs", **SEARCH}),
    },
    ("peer", "elasticsearch"): {
        "small read": ("get_document", {"index": "docs", "id": "7"}),
        "1 MB read": ("get_document", {"index": "docs", "id": "big"}),
        "search": ("search_documents", {"index": "docs", "body": SEARCH}),
    },
    ("bare", ""): {"small read": ("read", {"key": "k"})},
}
"""The same values and documents, by kind of server and store."""

DIRECT: dict[str, tuple[type[Connection], dict[str, bytes]]] = {
    "redis": (
        RedisConnection,
        {
            "small read": redis_command(["GET", "k"]),
            "1 MB read": redis_command(["GET", "big"]),
            "search": redis_command(["SCAN", "0", "MATCH", "key:*", "COUNT", "10"]),
        },
    ),
    "elasticsearch": (
        HttpConnection,
        {
            "small read": http_request("/docs/_doc/7", None),
            "1 MB read": http_request("/docs/_doc/big", None),
            "search": http_request("/docs/_search", SEARCH),
        },
    ),
}
"""The same work, asked of the store itself."""


def expected(work: str, store: str) -> bytes:
    """Return text that each answer to a kind of work has."""
    return (EXPECTED[work] or ("key:" if store == "redis" else SMALL)).encode()


@dataclass
class Start:
    """The starts of one server under one limit, a value for each turn."""

    cpu: list[float] = field(default_factory=list)
    """CPU seconds until it is ready."""
    ready: list[float] = field(default_factory=list)
    """Seconds until it is ready."""
    resident: list[float] = field(default_factory=list)
    working: list[float] = field(default_factory=list)
    """MiB two seconds after it is ready."""


def starts(servers: Sequence[Subject], store_port: int, folder: Path, sizes: Sizes) -> list[Row]:
    """Measure CPU and time to ready, and idle memory, without limits and with the chart's.

    Ratios are medians of the ratios of each turn, in which the servers start one after the other.
    """
    for subject in servers:
        # Not measured: the first start writes bytecode of the wheels, and files come into the page cache.
        with running(subject, store_port, folder):
            pass
    rows = []
    for limits, turns in (((None, None), sizes.starts), (LIMITS, sizes.limited_starts)):
        if limits[0] and not available():
            continue
        found = {subject.name: Start() for subject in servers}
        for _ in range(turns):
            for subject in servers:
                began = time.monotonic()
                with running(subject, store_port, folder, *limits) as server:
                    start = found[subject.name]
                    start.ready.append(time.monotonic() - began)
                    start.cpu.append(server.cpu())
                    time.sleep(2)
                    start.resident.append(server.resident())
                    if (used := server.memory()) is not None:
                        start.working.append(used)
        bare = found[next(subject.name for subject in servers if subject.kind == "bare")]
        for subject in servers:
            start = found[subject.name]
            rows.append(
                {
                    "store": servers[0].store,
                    "server": subject.name,
                    "kind": subject.kind,
                    "limits": f"{limits[0] * 1000:.0f}m, {limits[1] // MIB} MiB" if limits[0] and limits[1] else "none",
                    "turns": turns,
                    "cpu_s": round(statistics.median(start.cpu), 3),
                    "cpu_of_bare": round(_ratio(start.cpu, bare.cpu), 2),
                    "ready_s": round(statistics.median(start.ready), 2),
                    "rss_mib": round(statistics.median(start.resident), 1),
                    "working_mib": round(statistics.median(start.working), 1) if start.working else None,
                }
            )
    return rows


def _ratio(ours: Sequence[float], others: Sequence[float]) -> float:
    """Return the median of the ratios of each turn."""
    return statistics.median(a / max(b, 1e-9) for a, b in zip(ours, others, strict=True))


@dataclass
class Contender:
    """What is asked for one kind of work: a server in one version of the protocol, or the store itself."""

    name: str
    kind: str
    """ours, peer, bare or store."""
    protocol: str
    port: int
    request: bytes
    cpu: Callable[[], float]
    """CPU seconds that the server has used so far."""
    connection: type[Connection] = HttpConnection
    rounds: list[Measured] = field(default_factory=list)
    spent: float = 0.0
    """CPU seconds of all rounds."""

    @property
    def rates(self) -> list[float]:
        """Calls a second of each round."""
        return [measured.rate for measured in self.rounds]

    def merged(self) -> Measured:
        latencies = sorted(x for measured in self.rounds for x in measured.latencies)
        return Measured(latencies, sum(measured.seconds for measured in self.rounds), self.rounds[-1].size)


def calls(servers: Sequence[Subject], store_port: int, folder: Path, sizes: Sizes) -> list[Row]:
    """Measure calls a second, latency and CPU a call, by kind of work, number of clients and version of the protocol."""
    rows: list[Row] = []
    store = servers[0].store
    with ExitStack() as opened:
        ready = [opened.enter_context(running(subject, store_port, folder)) for subject in servers]
        for work in EXPECTED:
            for clients in sizes.clients:
                contenders = [
                    Contender(
                        server.subject.name,
                        server.subject.kind,
                        version,
                        server.port,
                        call(*tools[work], version),
                        server.cpu,
                    )
                    for server in ready
                    if work in (tools := TOOLS[server.subject.kind, server.subject.store])
                    for version in server.subject.protocols
                ]
                connection, requests = DIRECT[store]
                contenders.append(Contender(store, "store", "", store_port, requests[work], float, connection))
                _take_turns(contenders, expected(work, store), clients, sizes)
                rows += _rows(contenders, {"store": store, "work": work, "clients": clients})
    return rows


def _take_turns(contenders: Sequence[Contender], text: bytes, clients: int, sizes: Sizes) -> None:
    """Let each contender answer the same load, a number of rounds. Before, each answers one that is not measured.

    Elasticsearch's JVM compiles what it is asked often, and servers build models at their first calls.
    """
    for contender in contenders:
        load(contender.port, contender.request, text, clients, sizes.calls, sizes.seconds / 2, contender.connection)
    for _ in range(sizes.rounds):
        for contender in contenders:
            before = contender.cpu()
            contender.rounds.append(
                load(contender.port, contender.request, text, clients, sizes.calls, sizes.seconds, contender.connection)
            )
            contender.spent += contender.cpu() - before


def _rows(contenders: Sequence[Contender], what: Row) -> list[Row]:
    """Return a row for each contender; those of ours have the ratios to the others of the same rounds."""

    def other(kind: str, protocol: str) -> Contender | None:
        found = [c for c in contenders if c.kind == kind]
        return next((c for c in found if c.protocol == protocol), found[0] if found and kind != "bare" else None)

    rows = []
    for contender in contenders:
        seen = contender.merged()
        row = what | {
            "server": contender.name,
            "kind": contender.kind,
            "protocol": contender.protocol,
            "per_s": round(seen.rate, 1),
            "p50_ms": round(seen.quantile(0.5) * 1000, 2),
            "p99_ms": round(seen.quantile(0.99) * 1000, 2),
            "cpu_ms": round(contender.spent / len(seen.latencies) * 1000, 3) if contender.kind != "store" else None,
            "answer_bytes": seen.size,
        }
        if contender.kind == "ours":
            for kind in ("peer", "bare", "store"):
                against = other(kind, contender.protocol)
                row[f"of_{kind}"] = round(_ratio(contender.rates, against.rates), 2) if against else None
                if kind == "store" and against:
                    row["over_store_ms"] = round(row["p50_ms"] - against.merged().quantile(0.5) * 1000, 2)
        rows.append(row)
    return rows


def memory(servers: Sequence[Subject], store_port: int, folder: Path, sizes: Sizes) -> list[Row]:
    """Measure memory idle, and after small reads of 8 clients."""
    rows = []
    for subject in servers:
        with running(subject, store_port, folder) as server:
            tool, arguments = TOOLS[subject.kind, subject.store]["small read"]
            request = call(tool, arguments, NEW if NEW in subject.protocols else subject.protocols[0])
            time.sleep(2)
            for made in (0, sizes.memory_calls):
                if made:
                    load(server.port, request, SMALL.encode(), 8, made, 3600)
                used = server.memory()
                rows.append(
                    {
                        "store": servers[0].store,
                        "server": subject.name,
                        "kind": subject.kind,
                        "calls": made,
                        "rss_mib": round(server.resident(), 1),
                        "working_mib": None if used is None else round(used, 1),
                    }
                )
    return rows
