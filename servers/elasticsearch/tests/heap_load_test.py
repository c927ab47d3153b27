"""Long documents: Elasticsearch reads no more of them at once than its heap holds, and the caller learns how to read them."""

import asyncio
import json
import re
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from mcp import Client

from servers.elasticsearch.client.heap_load import AT_ONCE, KNOWN, HeapLoad, hits
from servers.elasticsearch.tests.conftest import Start, call, error, fill, ok
from servers.elasticsearch.tests.fakes import Answer, FakeNode, Request, answering
from tools.backends.elasticsearch import ElasticsearchNode as Node
from tools.backends.sidecar import Sidecar

SETTINGS = {"MCP_MEMORY_BUDGET_BYTES": str(24 * 1024 * 1024)}

DOCUMENTS = {str(n): {"n": n, "text": "x" * 300_000} for n in range(40)} | {"40": {"n": 40, "text": "x" * 6_000_000}}

TOP = {"top": {"top_hits": {"size": 9}}}


@pytest.fixture(scope="session")
def node() -> Iterator[Node]:
    """A node with the documents. They come one by one, for together they are more than it takes at once."""
    with Node(cluster="tests", heap="512m") as running:
        fill(running, "long", {}, {"dynamic": False, "properties": {"n": {"type": "long"}}})
        for id, document in DOCUMENTS.items():
            running.request("PUT", f"/long/_doc/{id}", document)
        running.request("POST", "/long/_refresh")
        yield running


@pytest.fixture
async def client(sidecar: Sidecar) -> AsyncIterator[Client]:
    async with Client(sidecar.url + "/mcp") as connected:
        yield connected


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("es_search", {"index": "long", "size": 41}),
        ("es_search", {"index": "long", "size": 1000, "sort": ["n"], "aggs": {"n": {"max": {"field": "n"}}}}),
        ("es_search", {"index": "long", "size": 0, "aggs": {"n": {"terms": {"field": "n"}, "aggs": TOP}}}),
        ("es_search", {"index": "long", "more": {"collapse": {"field": "n", "inner_hits": {"name": "n", "size": 9}}}}),
        ("es_request", {"path": "/long/_search", "method": "POST", "params": {"size": 10_000, "sort": "n"}}),
        ("es_request", {"path": "/long/_search", "method": "POST", "body": {"size": 41, "sort": ["n"]}}),
    ],
)
async def test_a_page_too_long_is_refused_by_its_first_hits(client: Client, tool: str, arguments: Any) -> None:
    said = await error(client, tool, **arguments)
    if found := re.search(r"at most (\d+) \(size\)", said):
        assert 0 < int(found[1]) <= 13  # of 4 MiB
    else:
        assert "ask for fewer" in said  # the longest was among the first
    shorter = await ok(client, "es_search", index="long", size=10, query={"range": {"n": {"lt": 40}}})
    assert shorter["total"] == 40 and "text" in shorter["hits"][0]["cut"]


async def test_a_large_page_of_short_hits_is_given(client: Client) -> None:
    bare = await ok(client, "es_search", index="long", source=["_id"], size=10_000)
    assert sorted(bare["ids"], key=int) == list(DOCUMENTS)
    some = await ok(client, "es_search", index="long", source=["n"], size=1000, sort=["n"])
    assert [hit["source"] for hit in some["hits"]] == [{"n": n} for n in range(41)]
    plain = await ok(
        client, "es_request", path="/long/_search", method="POST",
        params={"size": 1000, "_source": "n", "rest_total_hits_as_int": True}, body={"track_total_hits": True},
    )  # fmt: skip
    assert plain["answer"]["hits"]["total"] == 41
    few = await ok(client, "es_search", index="long", size=1000, query={"ids": {"values": ["1", "2"]}})
    assert [len(hit["source"]["text"]) > 1000 for hit in few["hits"]] == [True, True]


async def test_long_documents_by_id_come_in_batches(client: Client) -> None:
    found = await ok(client, "es_get", index="long", id=list(DOCUMENTS))
    got = [document["id"] for document in found["documents"]]
    assert got and sorted(got + found["left_out"], key=int) == list(DOCUMENTS)
    found = await ok(client, "es_get", index="long", id=["40", "0", "1", "2"])
    assert [document["id"] for document in found["documents"]] == ["40", "0", "1", "2"]
    assert "too long" in found["documents"][0]["error"]
    assert all(document["source"]["n"] == int(document["id"]) for document in found["documents"][1:])
    for path in ("/long/_mget", "/long/_mtermvectors"):
        asked = {"path": path, "method": "POST", "body": {"ids": list(DOCUMENTS)}}
        assert "es_get reads more" in await error(client, "es_request", **asked)


def test_long_answers_are_not_made_all_at_once(start: Start) -> None:
    hits = [{"_index": "a", "_id": str(n), "_source": {"text": "x" * 380_000}} for n in range(10)]
    page = json.dumps({"hits": {"total": {"value": 10, "relation": "eq"}, "hits": hits}}).encode()
    now, most, lock = 0, 0, threading.Lock()

    def search(request: Request) -> Answer:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        threading.Event().wait(0.05)
        with lock:
            now -= 1
        return Answer(200, page)

    with FakeNode(answering({"_search": search})) as fake, ThreadPoolExecutor(64) as threads:
        sidecar = start(ES_PORT=str(fake.port), **SETTINGS)
        first = list(threads.map(lambda _: call(sidecar, "es_search", index="a", query={"match_all": {}}), range(64)))
        assert any(not result["isError"] for result in first)
        assert 0 < most <= AT_ONCE // len(page)


def test_what_is_known_is_bounded_and_not_forgotten_at_once() -> None:
    async def answered(load: HeapLoad, path: str, length: int) -> None:
        async with load.hold(path, {}, {}) as came:
            came(length)

    async def learn() -> None:
        load = HeapLoad()
        for length, expected in ((10_000_000, 10_000_000), (100, 5_000_000), (6_000_000, 6_000_000)):
            await answered(load, "/a/_doc/1", length)
            assert load.expected("/a/_doc/2", 1) == expected
        assert load.expected("/a/_mget", 1) > AT_ONCE // 10  # nothing is known about it
        await answered(load, "/a/_search", 1000)
        assert hits("/a/_search", {"size": "50"}, {}) == hits("/a/_search", {}, {"size": 50}) == 50
        assert load.expected("/a/_search", 50) == 5000
        for n in range(KNOWN):
            await answered(load, f"/{n}/_mapping", 1)
        assert load.expected("/a/_search", 10) > AT_ONCE // 10  # forgotten

    asyncio.run(learn())


@pytest.mark.parametrize(
    ("body", "documents"),
    [
        ({}, 10),
        ({"size": 0}, 1),
        ({"size": 10**400}, 10**400),
        ({"size": -5}, 1),
        ({"size": "7" * 5000}, 777_777_777),
        ({"size": 0, "aggs": {"a": {"terms": {"field": "n"}, "aggs": TOP}}}, 90),
        ({"aggs": {"a": {"terms": {"size": 50}, "aggregations": {"b": {"nested": {}, "aggs": TOP}}}}}, 460),
        ({"size": 0, "aggs": {"a": {"histogram": {"field": "n"}, "aggs": TOP}}}, 900),
        *(
            ({"size": 0, "aggs": {"top": {"top_hits": {"size": 9, "_source": source}}}}, many)
            for source, many in (
                (False, 1), (["n"], 1), ("n", 1), ({"includes": ["n"]}, 1),
                (True, 9), (None, 9), ([], 9), ("*", 9), (["n", "*"], 9), ({}, 9), ({"excludes": ["n"]}, 9),
            )
        ),
        ({"collapse": {"field": "n", "inner_hits": [{"name": "a", "size": 2}, {"name": "b"}]}}, 60),
        ({"query": {"bool": {"must": [{"nested": {"path": "n", "query": {}, "inner_hits": {}}}]}}}, 40),
        ({"aggs": ["a"], "collapse": {"inner_hits": "a"}, "query": 1}, 10),
    ],
)  # fmt: skip
def test_documents_of_a_search(body: dict[str, Any], documents: int) -> None:
    assert hits("/a/_search", {}, body) == documents
    assert hits("/a/_count", {}, body) == 1
