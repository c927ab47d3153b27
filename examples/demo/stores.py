"""The stores of the demo: a stream of jobs in Redis, an index of results in Elasticsearch."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from servers.common.settings import Environment
from servers.elasticsearch.client.backend import ElasticsearchBackend
from servers.elasticsearch.client.errors import ElasticsearchError
from servers.elasticsearch.settings import ElasticsearchSettings
from servers.redis.settings import RedisSettings

STREAM = "demo:jobs"
GROUP = "workers"
INDEX = "demo-results"

KEPT = 10_000
"""Jobs that the stream keeps, at about."""

STALE_MS = 60_000
"""A job that a worker took and did not acknowledge for so long is given to another."""

MAPPING = {
    "properties": {
        "job": {"type": "keyword"},
        "document": {"type": "keyword"},
        "words": {"type": "integer"},
        "longest": {"type": "keyword"},
        "worker": {"type": "keyword"},
        "done": {"type": "date"},
    }
}


class Queue:
    """The stream of jobs and its group of workers (https://redis.io/docs/latest/develop/data-types/streams/)."""

    def __init__(self, settings: RedisSettings) -> None:
        self._redis = Redis(
            host=settings.host,
            port=settings.port,
            db=settings.database,
            username=settings.username or None,
            password=settings.password.reveal() or None,
            ssl=settings.tls is not None,
            ssl_ca_certs=str(settings.tls.ca_file) if settings.tls and settings.tls.ca_file else None,
            decode_responses=True,
            client_name="demo",
        )

    async def add(self, job: Mapping[str, str]) -> str:
        return str(await self._redis.xadd(STREAM, dict(job), maxlen=KEPT, approximate=True))  # type: ignore[arg-type]

    async def waiting(self) -> int:
        """Jobs that no worker has acknowledged yet."""
        for group in await self._redis.xinfo_groups(STREAM):
            if group["name"] == GROUP:
                return int(group["pending"]) + int(group.get("lag") or 0)
        return int(await self._redis.xlen(STREAM))

    async def open(self) -> None:
        """Makes the stream and the group where there are none."""
        with contextlib.suppress(ResponseError):  # BUSYGROUP: it is there
            await self._redis.xgroup_create(STREAM, GROUP, id="0", mkstream=True)

    async def take(self, worker: str) -> AsyncIterator[tuple[str, dict[str, str]]]:
        """Jobs for a worker, those first that another left undone; ends when there was none for a second."""
        stale: Any = await self._redis.xautoclaim(STREAM, GROUP, worker, STALE_MS, count=10)
        for identifier, job in stale[1]:
            yield identifier, job
        fresh: Any = await self._redis.xreadgroup(GROUP, worker, {STREAM: ">"}, count=10, block=1000)
        for _, jobs in fresh:
            for identifier, job in jobs:
                yield identifier, job

    async def done(self, identifier: str) -> None:
        await self._redis.xack(STREAM, GROUP, identifier)


class Results:
    """The index of results."""

    def __init__(self, settings: ElasticsearchSettings) -> None:
        self._elasticsearch = ElasticsearchBackend(settings)

    async def open(self) -> None:
        """Makes the index where there is none."""
        try:
            await self._elasticsearch.write("PUT", f"/{INDEX}", body={"mappings": MAPPING})
        except ElasticsearchError as error:
            if error.type != "resource_already_exists_exception":
                raise

    async def put(self, job: str, result: Mapping[str, Any]) -> None:
        """Writes the result of a job; written again it replaces itself."""
        await self._elasticsearch.write("PUT", f"/{INDEX}/_doc/{job}", body=result)

    async def latest(self, count: int) -> tuple[int, list[dict[str, Any]]]:
        """Return how many results there are, and the newest."""
        body = {"size": count, "sort": [{"done": "desc"}], "track_total_hits": True}
        answer = await self._elasticsearch.read("POST", f"/{INDEX}/_search", body=body)
        return answer["hits"]["total"]["value"], [hit["_source"] for hit in answer["hits"]["hits"]]


def connect(env: Environment) -> tuple[Queue, Results]:
    """Return both stores, by REDIS_* and ES_* as the sidecars read them, or raise SettingsError."""
    redis, elasticsearch = RedisSettings.read(env), ElasticsearchSettings.read(env)
    env.check()
    return Queue(redis), Results(elasticsearch)
