"""The data set in a real Redis and a real Elasticsearch."""

from elasticsearch import Elasticsearch
from redis import Redis

from tools.backends.elasticsearch import ElasticsearchNode
from tools.backends.redis import RedisServer
from tools.dataset import shop
from tools.dataset.load import DONE, IN_WORK, JOBS, load_elasticsearch, load_redis
from tools.dataset.packages import packages


def test_packages_are_complete() -> None:
    found = list(packages())
    assert len(found) > 3000
    assert [p["name"] for p in found] == sorted({p["name"] for p in found})
    assert all(p["version"] and p["description"] and p["download_bytes"] > 0 for p in found)


def test_redis_holds_a_queue_in_all_its_states() -> None:
    with RedisServer() as server, Redis("127.0.0.1", server.port) as client:
        keys = load_redis(server.port)
        assert load_redis(server.port) == keys, "loading again leaves the same"
        assert client.hget("package:nginx", "section") == b"httpd"
        (group,) = client.xinfo_groups("jobs:index")
        assert (client.xlen("jobs:index"), group["pending"], group["lag"]) == (JOBS, IN_WORK, JOBS - DONE - IN_WORK)
        assert client.zcard("packages:by_size") == len(list(packages()))
        assert 0 < client.ttl("cache:largest") <= 86_400
        kinds = {client.type(key) for key in client.scan_iter(count=1000)}
        assert kinds == {b"hash", b"set", b"zset", b"stream", b"list", b"string"}


def test_elasticsearch_answers_on_every_kind_of_field() -> None:
    with ElasticsearchNode() as node, Elasticsearch(f"http://127.0.0.1:{node.port}") as client:
        count = load_elasticsearch(node.port)
        assert count == len(list(packages())) + len(list(shop.events())) + len(list(shop.orders()))
        assert load_elasticsearch(node.port) == count == client.count(index="packages,logs-*,orders")["count"]
        found = client.search(index="packages", query={"match": {"description": "http server"}})
        assert found["hits"]["total"]["value"] > 20
        sizes = client.search(index="packages", size=0, aggs={"s": {"terms": {"field": "section"}}})
        assert {b["key"] for b in sizes["aggregations"]["s"]["buckets"]} >= {"net", "admin", "web"}
        failed = client.search(index="logs-*", query={"term": {"status": 503}}, size=100)["hits"]["hits"]
        assert {(hit["_index"], hit["_source"]["service"]) for hit in failed} == {("logs-2026.11.24", "checkout")}
        red = {"nested": {"path": "lines", "query": {"match": {"lines.name": "red teapot"}}}}
        assert client.count(index="orders", query=red)["count"] > 20
