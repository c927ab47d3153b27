"""The two stores, and for each our server over one with the data set."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from redis import Redis

from tests.scenarios.question import Question, questions
from tools.backends.elasticsearch import ElasticsearchNode
from tools.backends.redis import RedisServer
from tools.dataset.load import load_elasticsearch, load_redis

Running = tuple[int, Callable[[], None], Callable[[str], Any]]
"""A store's port, what fills it anew, and what asks the store itself."""


@dataclass(frozen=True)
class Store:
    """A store, the questions that are asked of it, and the server that answers them."""

    questions: Sequence[Question]
    server: str
    """Its module."""

    start: Callable[[], AbstractContextManager[Running]]

    settings: Callable[[int], dict[str, str]]
    """Of the server, by the store's port."""


CITIES = {
    "Berlin": (13.405, 52.52), "Potsdam": (13.06, 52.4), "Hamburg": (9.99, 53.55), "Paris": (2.35, 48.86),
    "Leipzig": (12.37, 51.34), "Milano": (9.19, 45.46),
}  # fmt: skip
"""Longitudes and latitudes."""

COUNTRIES = ("DE", "FR", "GB", "DE", "IT")
USERS, SESSIONS, STREAMS = 240, 120, 12
EPOCH = 1_796_083_200_000
"""2026-12-01, in milliseconds."""


@contextmanager
def _redis() -> Iterator[Running]:
    with RedisServer() as server, Redis("127.0.0.1", server.port, decode_responses=True) as client:

        def load() -> None:
            client.flushall()
            client.config_resetstat()
            load_redis(server.port)
            _shop(client)
            # A command that counts as slow, of everyday ones that do not.
            client.slowlog_reset()
            client.config_set("slowlog-log-slower-than", 0)
            client.keys("session:*")
            client.config_set("slowlog-log-slower-than", 10_000)

        yield server.port, load, lambda words: client.execute_command(*words.split(" "))


def _shop(client: Redis) -> None:
    """Add what a shop keeps in Redis.

    user:N       240 hashes: email (two users have one in common), country, plan, points.
    session:N    120 strings that expire: the first 6 within half an hour, the others in half a day at the earliest.
    board:week   sorted set of users by points.
    mail:N       12 streams with the group `mailers`. mail:N has N pending entries.
    orders       stream of 300 entries, one a minute.
    log:app      list of 500 lines, the newest last.
    shops        places of six cities.
    visitors, online:monday    HyperLogLog of 1,000 visitors, bitmap of 80 users.
    avatar:7     the beginning of an image.
    """
    with client.pipeline(transaction=False) as pipe:
        for n in range(1, USERS + 1):
            user: dict[Any, Any] = {
                "email": f"user{17 if n == 170 else n}@example.com",
                "country": COUNTRIES[n % 5],
                "points": str(n * 10),
            }
            user |= {"plan": "free" if n % 3 else "pro", "about": "likes tea, mugs and kettles " * 4}
            pipe.hset(f"user:{n}", mapping=user)
            pipe.zadd("board:week", {f"user:{n}": n * 10})
        for n in range(1, SESSIONS + 1):
            pipe.set(f"session:{n}", json.dumps({"user": n}), ex=1200 + n if n <= 6 else 43_200 + 60 * n)
        for n in range(1, STREAMS + 1):
            pipe.xgroup_create(f"mail:{n}", "mailers", id="0", mkstream=True)
            for at in range(n):
                pipe.xadd(f"mail:{n}", {"to": f"user:{at + 1}"}, id=f"{EPOCH + at}-0")
            pipe.xreadgroup("mailers", f"mailer-{n % 3}", {f"mail:{n}": ">"}, count=n)
        for n in range(300):
            pipe.xadd("orders", {"order": f"O{n}", "total": f"{n}.50"}, id=f"{EPOCH + 60_000 * n}-0")
        pipe.rpush("log:app", *(f"12:{n // 60:02}:{n % 60:02} GET /articles/{n} 200" for n in range(500)))
        for city, place in CITIES.items():
            pipe.geoadd("shops", (*place, city))
        pipe.pfadd("visitors", *(f"visitor-{n}" for n in range(1000)))
        for n in range(0, USERS, 3):
            pipe.setbit("online:monday", n, 1)
        pipe.set("avatar:7", b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
        pipe.execute()


@contextmanager
def _elasticsearch() -> Iterator[Running]:
    # A machine's nearly full disk would be told by the health.
    disk = {f"cluster.routing.allocation.disk.watermark.{at}": "1b" for at in ("low", "high", "flood_stage")}
    with ElasticsearchNode(cluster="shop", settings=disk) as node:

        def load() -> None:
            for index in node.request("GET", "/_all"):
                node.request("DELETE", f"/{index}")
            for template in node.request("GET", "/_index_template")["index_templates"]:
                node.request("DELETE", f"/_index_template/{template['name']}")
            load_elasticsearch(node.port)
            _more(node)

        yield node.port, load, lambda words: node.request(*words.split(" "))


def _more(node: ElasticsearchNode) -> None:
    """Add what many clusters have.

    reports              an index with a replica that a lone node can't have
    people-v1, -v2       users before and after a change of two fields; alias people for -v1
    tenants              documents that are found by their routing only; the id 1 of two tenants
    shops                places of six cities
    metrics              an index template
    """
    lone = {"number_of_shards": 1, "number_of_replicas": 0}
    node.request("PUT", "/reports", {"settings": {"number_of_shards": 1, "number_of_replicas": 1}})
    people = {
        "name": {"type": "text"}, "email": {"type": "keyword"}, "born": {"type": "date"}, "age": {"type": "integer"}
    }  # fmt: skip
    newer = people | {"email": {"type": "text"}, "phone": {"type": "keyword"}}
    for index, properties in {"people-v1": people, "people-v2": newer}.items():
        node.request("PUT", f"/{index}", {"settings": lone, "mappings": {"properties": properties}})
    node.request("POST", "/_aliases", {"actions": [{"add": {"index": "people-v1", "alias": "people"}}]})
    keyword = {"type": "keyword"}
    tenants = {"_routing": {"required": True}, "properties": {"tenant": keyword, "plan": keyword}}
    node.request("PUT", "/tenants", {"settings": lone | {"number_of_shards": 4}, "mappings": tenants})
    for tenant, plan in {"acme": "pro", "zenith": "free"}.items():
        node.request("PUT", f"/tenants/_doc/1?routing={tenant}", {"tenant": tenant, "plan": plan})
    node.request("PUT", "/shops", {"settings": lone, "mappings": {"properties": {"at": {"type": "geo_point"}}}})
    for city, (lon, lat) in CITIES.items():
        node.request("PUT", f"/shops/_doc/{city}", {"at": {"lat": lat, "lon": lon}})
    template = {"index_patterns": ["metrics-*"], "priority": 7, "template": {"settings": lone}}
    node.request("PUT", "/_index_template/metrics", template)
    # One segment: a profile has a part for each.
    node.request("POST", "/packages-v1/_forcemerge?max_num_segments=1")
    node.request("POST", "/_refresh")


def _settings(prefix: str) -> Callable[[int], dict[str, str]]:
    return lambda port: {f"{prefix}_HOST": "127.0.0.1", f"{prefix}_PORT": str(port)}


STORES = {
    "redis": Store(questions("redis"), "servers.redis", _redis, _settings("REDIS")),
    "elasticsearch": Store(questions("elasticsearch"), "servers.elasticsearch", _elasticsearch, _settings("ES")),
}
