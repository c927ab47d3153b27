"""Fills a Redis and an Elasticsearch with the data set. Loading twice leaves the same data."""

import json
from collections.abc import Iterator
from typing import Any

from elasticsearch import Elasticsearch, helpers
from redis import Redis

from tools.dataset import shop
from tools.dataset.packages import packages

INDEX = "packages-v1"
ALIAS = "packages"

MAPPING: dict[str, Any] = {
    "dynamic": "strict",
    "properties": {
        "name": {"type": "keyword", "fields": {"text": {"type": "text"}}},
        "version": {"type": "keyword"},
        "section": {"type": "keyword"},
        "priority": {"type": "keyword"},
        "architecture": {"type": "keyword"},
        "maintainer": {"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}},
        "description": {"type": "text"},
        "homepage": {"type": "keyword", "index": False, "doc_values": False},
        "depends": {"type": "keyword"},
        "tags": {"type": "keyword"},
        "installed_kib": {"type": "long"},
        "download_bytes": {"type": "long"},
    },
}

STREAM, GROUP = "jobs:index", "workers"
JOBS, DONE, IN_WORK = 500, 420, 30
"""Jobs in the stream, how many of them are done, and how many a worker has taken and not finished."""


def load_elasticsearch(port: int) -> int:
    """Makes the indices anew, and gives the number of documents.

    packages-v1 (alias packages)        the packages of Debian
    logs-2026.11.11 to logs-2026.11.24  the log of a shop's services
    orders                              the shop's orders, their lines nested
    """
    bodies: dict[str, dict[str, Any]] = {INDEX: {"mappings": MAPPING, "aliases": {ALIAS: {}}}}
    bodies |= {f"{shop.LOGS}{day}": {"mappings": shop.LOGS_MAPPING} for day in shop.DAYS}
    bodies[shop.ORDERS] = {"mappings": shop.ORDERS_MAPPING}
    with Elasticsearch(f"http://127.0.0.1:{port}", request_timeout=60) as client:
        for index, body in bodies.items():
            client.options(ignore_status=404).indices.delete(index=index)
            client.indices.create(index=index, settings={"number_of_shards": 1, "number_of_replicas": 0}, **body)
        done, _ = helpers.bulk(client, _actions(), chunk_size=1000, refresh="wait_for")
        return int(done)


def _actions() -> Iterator[dict[str, Any]]:
    for package in packages():
        yield {"_index": INDEX, "_id": package["name"], "_source": package}
    for number, (index, event) in enumerate(shop.events(), 1):
        yield {"_index": index, "_id": f"E{number}", "_source": event}
    for id, order in shop.orders():
        yield {"_index": shop.ORDERS, "_id": id, "_source": order}


def load_redis(port: int) -> int:
    """Writes what an application that indexes the packages would keep; gives the number of keys.

    package:NAME      hash of the fields of each package
    section:NAME      set of its packages
    packages:by_size  sorted set by installed size in KiB
    jobs:index        stream of indexing jobs, with the consumer group `workers`: some done, some in work, some waiting
    jobs:failed       list of jobs that failed, newest first
    jobs:done         counter, jobs:last_run  time of the last run
    cache:*           results as JSON that expire, lock:reindex a lock that expires
    """
    with Redis("127.0.0.1", port) as client:
        client.flushdb()
        everything = list(packages())
        with client.pipeline(transaction=False) as pipeline:
            for package in everything:
                flat = {k: v if isinstance(v, str | int) else ",".join(v) for k, v in package.items()}
                pipeline.hset(f"package:{package['name']}", mapping=flat)
                pipeline.sadd(f"section:{package['section']}", package["name"])
                pipeline.zadd("packages:by_size", {package["name"]: package["installed_kib"]})
            for package in everything[:JOBS]:
                pipeline.xadd(STREAM, {"package": package["name"], "version": package["version"], "action": "index"})
            pipeline.execute()
        client.xgroup_create(STREAM, GROUP, id="0")
        for worker, count in (("worker-0", DONE // 2), ("worker-1", DONE - DONE // 2)):
            taken: Any = client.xreadgroup(GROUP, worker, {STREAM: ">"}, count=count)
            client.xack(STREAM, GROUP, *(entry for entry, _ in taken[0][1]))
        client.xreadgroup(GROUP, "worker-1", {STREAM: ">"}, count=IN_WORK)
        largest = sorted(everything, key=lambda p: -p["installed_kib"])
        with client.pipeline(transaction=False) as pipeline:
            for package in largest[:5]:
                failure = {
                    "package": package["name"],
                    "error": f"document of {package['download_bytes']} bytes: timeout",
                }
                pipeline.lpush("jobs:failed", json.dumps(failure))
            pipeline.set("jobs:done", DONE)
            pipeline.set("jobs:last_run", "2026-11-24T09:30:00Z")
            top = [{"name": p["name"], "installed_kib": p["installed_kib"]} for p in largest[:10]]
            pipeline.set("cache:largest", json.dumps(top), ex=86_400)
            pipeline.set("cache:sections", json.dumps(sorted({p["section"] for p in everything})), ex=3_600)
            pipeline.set("lock:reindex", "worker-1", ex=86_400)
            pipeline.execute()
        return int(client.dbsize())
