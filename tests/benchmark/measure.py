"""The measurements. Each takes turns between ours and the peer, so that what else the machine does meets both."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
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
from tests.benchmark.subjects import Running, Subject, call, message, running
from tools.backends.elasticsearch import ElasticsearchNode
from tools.backends.redis import RedisServer
from tools.images.layout import Image

Row = dict[str, Any]

SMALL, BIG = "hello-small-value", "big:"
BIG_BYTES = 1_000_000
SEARCH = {"query": {"match": {"text": "small"}}}


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    starts: int
    limited_starts: int
    rounds: int
    calls: int
    seconds: float
    """Of one load, at most."""
    clients: Sequence[int]
    memory_calls: int
    ours_memory_calls: int
    keys: int
    cost_clients: Sequence[int]
    cost_keys: Sequence[int]
    cost_bytes: Sequence[int]


FULL = Sizes(
    starts=5,
    limited_starts=3,
    rounds=3,
    calls=2000,
    seconds=2.0,
    clients=(1, 8, 64),
    memory_calls=10_000,
    ours_memory_calls=100_000,
    keys=1_000_000,
    cost_clients=(1, 8, 64, 512),
    cost_keys=(1_000, 100_000, 1_000_000, 10_000_000),
    cost_bytes=(100, 10_000, 1_000_000, 10_000_000),
)
SHORT = replace(
    FULL,
    starts=3,
    limited_starts=2,
    rounds=2,
    seconds=1.0,
    memory_calls=1_000,
    ours_memory_calls=3_000,
    keys=100_000,
    cost_keys=(1_000, 100_000, 1_000_000),
)
QUICK = Sizes(
    starts=1,
    limited_starts=1,
    rounds=1,
    calls=100,
    seconds=0.5,
    clients=(1, 8),
    memory_calls=200,
    ours_memory_calls=400,
    keys=2_000,
    cost_clients=(1, 8),
    cost_keys=(1_000, 2_000),
    cost_bytes=(100, 10_000),
)


@dataclass(frozen=True)
class Work:
    """The same work, as each server is asked for it."""

    name: str
    request: bytes
    expected: bytes


def fill_redis(server: RedisServer, keys: int) -> None:
    """A small value, a big one, and as many keys as asked for."""
    commands = [["SET", "k", SMALL], ["SET", "big", BIG + "x" * (BIG_BYTES - len(BIG))]]
    commands += [["DEBUG", "POPULATE", str(keys), "key", "16"]] if keys else []
    _tell(server.port, commands)


def _tell(port: int, commands: Iterable[Sequence[str]]) -> None:
    with closing(RedisConnection(port)) as connection:
        for words in commands:
            answer = connection.ask(redis_command(words))
            if not answer.startswith(b"+"):
                raise LoadError(f"Redis: {answer.decode()}")


def fill_elasticsearch(node: ElasticsearchNode) -> None:
    """A thousand small documents, and one of a megabyte."""
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


def works(subject: Subject) -> list[Work]:
    """What is asked of a server: the same documents and values of ours and of the peer."""
    asked: list[tuple[str, str, dict[str, Any], str]]
    if subject.store == "redis":
        tool = "redis_read" if subject.ours else "get"
        asked = [
            ("small read", tool, {"key": "k"}, SMALL),
            ("1 MB read", tool, {"key": "big"}, BIG),
            (
                "search",
                "redis_scan" if subject.ours else "scan_keys",
                {"pattern": "key:*", "limit": 10} if subject.ours else {"pattern": "key:*", "count": 10},
                "cursor",
            ),
        ]
    elif subject.ours:
        asked = [
            ("small read", "es_get", {"index": "docs", "id": "7"}, SMALL),
            ("1 MB read", "es_get", {"index": "docs", "id": "big", "field": "big"}, BIG),
            ("search", "es_search", {"index": "docs", "size": 10} | SEARCH, SMALL),
        ]
    else:
        body = SEARCH | {"size": 10}
        asked = [
            ("small read", "get_document", {"index": "docs", "id": "7"}, SMALL),
            ("1 MB read", "get_document", {"index": "docs", "id": "big"}, BIG),
            ("search", "search_documents", {"index": "docs", "body": body}, SMALL),
        ]
    return [Work(name, call(subject, tool, arguments), text.encode()) for name, tool, arguments, text in asked]


def starts(servers: Sequence[Subject], store_port: int, folder: Path, sizes: Sizes) -> list[Row]:
    """CPU and wall seconds to ready, and what is in memory two seconds later; without limits, and with those of the chart."""
    rows = []
    for subject in servers:
        # Not measured: the peers' first start compiles them, and files come into the page cache.
        with running(subject, store_port, folder):
            pass
    for cpus, memory, runs in ((None, None, sizes.starts), (0.1, 128 * MIB, sizes.limited_starts)):
        if cpus and not available():
            continue
        found: dict[str, list[tuple[float, float, float, float | None]]] = {subject.name: [] for subject in servers}
        for _ in range(runs):
            for subject in servers:
                began = time.monotonic()
                with running(subject, store_port, folder, cpus, memory) as server:
                    seconds, cpu = time.monotonic() - began, server.cpu()
                    time.sleep(2)
                    found[subject.name].append((seconds, cpu, server.resident(), server.memory()))
        for name, values in found.items():
            seconds, cpu, resident = (statistics.median([v[n] or 0.0 for v in values]) for n in range(3))
            working = [v[3] for v in values if v[3] is not None]
            rows.append(
                {
                    "server": name,
                    "limits": f"{cpus * 1000:.0f}m, {memory // MIB} MiB" if cpus and memory else "none",
                    "runs": runs,
                    "ready_s": round(seconds, 2),
                    "cpu_s": round(cpu, 3),
                    "rss_mib": round(resident, 1),
                    "cgroup_mib": round(statistics.median(working), 1) if working else None,
                }
            )
    return rows


def _merge(parts: Sequence[Measured]) -> Measured:
    latencies = sorted(x for part in parts for x in part.latencies)
    return Measured(latencies, sum(part.seconds for part in parts), parts[-1].size)


def _seen(measured: Measured) -> Row:
    quantiles = {f"{name}_ms": round(measured.quantile(q) * 1000, 2) for name, q in QUANTILES}
    return {
        "calls": len(measured.latencies),
        "per_s": round(measured.rate, 1),
        **quantiles,
        "answer_bytes": measured.size,
    }


def _row(measured: Measured, cpu: float) -> Row:
    return _seen(measured) | {"cpu_ms": round(cpu / len(measured.latencies) * 1000, 3)}


QUANTILES = (("p50", 0.5), ("p99", 0.99), ("p999", 0.999))


def calls(pair: Sequence[Subject], store_port: int, folder: Path, sizes: Sizes) -> list[Row]:
    """Calls a second, latencies and CPU a call, by kind of work and number of clients."""
    rows = []
    with running(pair[0], store_port, folder) as first, running(pair[1], store_port, folder) as second:
        servers = (first, second)
        for index, kind in enumerate(works(pair[0])):
            for server in servers:
                _warm_up(server.port, works(server.subject)[index], sizes)
            for clients in sizes.clients:
                parts: dict[str, list[Measured]] = {server.subject.name: [] for server in servers}
                cpu: dict[str, float] = dict.fromkeys(parts, 0.0)
                for _ in range(sizes.rounds):
                    for server in servers:
                        work = works(server.subject)[index]
                        before = server.cpu()
                        parts[server.subject.name].append(
                            load(server.port, work.request, work.expected, clients, sizes.calls, sizes.seconds)
                        )
                        cpu[server.subject.name] += server.cpu() - before
                for server in servers:
                    name = server.subject.name
                    rows.append(
                        {"server": name, "work": kind.name, "clients": clients} | _row(_merge(parts[name]), cpu[name])
                    )
    return rows


def _warm_up(port: int, work: Work, sizes: Sizes, kind: type[Connection] = HttpConnection) -> None:
    """Calls that are not measured: Elasticsearch's JVM compiles what it is asked often, and servers build at first calls."""
    load(port, work.request, work.expected, 8, sizes.calls, sizes.seconds, kind)


def bare(store: str, port: int, sizes: Sizes) -> list[Row]:
    """The same work past any server: the same clients ask the store itself."""
    if store == "redis":
        kind: type[Connection] = RedisConnection
        asked = [
            Work("small read", redis_command(["GET", "k"]), SMALL.encode()),
            Work("1 MB read", redis_command(["GET", "big"]), BIG.encode()),
            Work("search", redis_command(["SCAN", "0", "MATCH", "key:*", "COUNT", "10"]), b"key:"),
        ]
    else:
        kind = HttpConnection
        asked = [
            Work("small read", http_request("/docs/_doc/7", None), SMALL.encode()),
            Work("1 MB read", http_request("/docs/_doc/big", None), BIG.encode()),
            Work("search", http_request("/docs/_search", SEARCH | {"size": 10}), SMALL.encode()),
        ]
    for work in asked:
        _warm_up(port, work, sizes, kind)
    return [
        {"store": store, "work": work.name, "clients": clients}
        | _seen(load(port, work.request, work.expected, clients, sizes.calls * sizes.rounds, sizes.seconds * 2, kind))
        for work in asked
        for clients in sizes.clients
    ]


def memory(pair: Sequence[Subject], store_port: int, folder: Path, sizes: Sizes) -> list[Row]:
    """Memory idle, and after calls of 8 clients; of ours after ten times as many too."""
    rows = []
    for subject in pair:
        with running(subject, store_port, folder) as server:
            time.sleep(2)
            work = works(subject)[0]
            done = 0
            for wanted in (0, sizes.memory_calls, *((sizes.ours_memory_calls,) if subject.ours else ())):
                if wanted > done:
                    load(server.port, work.request, work.expected, 8, wanted - done, 3600)
                    done = wanted
                used = server.memory()
                rows.append(
                    {
                        "server": subject.name,
                        "calls": done,
                        "rss_mib": round(server.resident(), 1),
                        "cgroup_mib": None if used is None else round(used, 1),
                    }
                )
    return rows


def _ask(server: Running, request: bytes) -> Any:
    with closing(HttpConnection(server.port)) as connection:
        return json.loads(connection.ask(request))["result"]


def listing(pair: Sequence[Subject], store_port: int, folder: Path) -> list[Row]:
    """Tools, and the bytes of the answer that lists them."""
    rows = []
    for subject in pair:
        with running(subject, store_port, folder) as server:
            result = _ask(server, message(subject, "tools/list", {}))
            size = len(json.dumps(result, ensure_ascii=False, separators=(",", ":")).encode())
            rows.append({"server": subject.name, "tools": len(result["tools"]), "bytes": size})
    return rows


def scan(pair: Sequence[Subject], store_port: int, folder: Path, keys: int) -> list[Row]:
    """All keys of a Redis by name: ours in pages of 1000 with types and TTLs, the peer's in one call with names only."""
    rows = []
    for subject in pair:
        with running(subject, store_port, folder) as server:
            before, began = server.cpu(), time.monotonic()
            seen, calls_made, failure = 0, 0, ""
            try:
                seen, calls_made = _scan(server)
            except (LoadError, OSError) as error:
                failure = f"{type(error).__name__}: {error}"[:120]
            rows.append(
                {
                    "server": subject.name,
                    "keys": keys,
                    "seen": seen,
                    "calls": calls_made,
                    "seconds": round(time.monotonic() - began, 1),
                    "cpu_s": round(server.cpu() - before, 2),
                    "rss_mib": round(server.resident(), 1),
                    "failure": failure,
                }
            )
    return rows


def _scan(server: Running) -> tuple[int, int]:
    if not server.subject.ours:
        request = call(server.subject, "scan_all_keys", {"pattern": "*", "batch_size": 1000})
        result = _ask(server, request)
        return len(result["structuredContent"]["result"]), 1
    seen, count, cursor = 0, 0, "0"
    with closing(HttpConnection(server.port)) as connection:
        while cursor is not None:
            request = call(server.subject, "redis_scan", {"limit": 1000, "cursor": cursor})
            page = json.loads(connection.ask(request))["result"]["structuredContent"]
            seen, count, cursor = seen + len(page["keys"]), count + 1, page.get("cursor")
    return seen, count


def cost(subject: Subject, store: RedisServer, folder: Path, sizes: Sizes) -> list[Row]:
    """Ours as work grows, one thing at a time: clients, keys in the store, bytes of a result."""
    rows = []

    def measured(what: str, amount: int, work: Work, clients: int) -> None:
        with running(subject, store.port, folder) as server:
            before = server.cpu()
            found = load(server.port, work.request, work.expected, clients, sizes.calls, sizes.seconds * 2)
            used = server.memory()
            row = _row(found, server.cpu() - before)
            rows.append(
                {"what": what, "amount": amount} | row | {"rss_mib": round(server.resident(), 1), "cgroup_mib": used}
            )

    small = works(subject)[0]
    for clients in sizes.cost_clients:
        measured("clients", clients, small, clients)
    for size in sizes.cost_bytes:
        _tell(store.port, [["SET", "sized", BIG + "x" * (size - len(BIG))]])
        measured("result bytes", size, Work("", call(subject, "redis_read", {"key": "sized"}), BIG.encode()), 1)
    for keys in sizes.cost_keys:
        _tell(store.port, [["FLUSHALL"], ["DEBUG", "POPULATE", str(keys), "key", "16"], ["SET", "k", SMALL]])
        measured("keys, small read", keys, small, 8)
        measured("keys, page of a scan", keys, Work("", call(subject, "redis_scan", {}), b"keys"), 8)
    _tell(store.port, [["FLUSHALL"]])
    return rows


def images(layouts: Mapping[str, Image]) -> list[Row]:
    """Bytes of each layer, packed and unpacked."""
    return [
        {
            "image": name,
            "layer": layer.created_by.removeprefix("bazel build "),
            "digest": layer.digest[:19],
            "packed": layer.packed_bytes,
            "unpacked": layer.unpacked_bytes,
        }
        for name, image in layouts.items()
        for layer in image.layers
    ]
