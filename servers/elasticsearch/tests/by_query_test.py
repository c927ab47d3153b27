"""es_by_query against a real Elasticsearch 8.11.4."""

from typing import Any

import pytest
from mcp import Client

from servers.elasticsearch.tests.conftest import BOOKS, BOOKS_MAPPING, Start, call, error, fill, ok
from servers.elasticsearch.tests.fakes import Answer, Answers, FakeNode, Request, answering, failure, resolved
from tools.backends.elasticsearch import ElasticsearchNode as Node

SETTINGS: dict[str, str] = {"MCP_ALLOW_WRITES": "true"}

ADA = {"term": {"author.name": "Ada"}}


@pytest.fixture
def es(es: Node) -> Node:
    fill(es, "books", BOOKS, BOOKS_MAPPING)
    return es


def stored(node: Node, index: str = "books") -> dict[str, Any]:
    node.request("POST", f"/{index}/_refresh")
    return {h["_id"]: h["_source"] for h in node.request("GET", f"/{index}/_search?size=10000")["hits"]["hits"]}


async def test_a_dry_run_comes_first(client: Client, es: Node) -> None:
    dry = await ok(client, "es_by_query", index="books", query=ADA)
    assert dry["matched"] == 2 and [row["id"] for row in dry["sample"]] == ["1", "3"]
    assert dry["sample"][0]["source"] == BOOKS["1"] and len(stored(es)) == 3
    done = await ok(client, "es_by_query", index="books", query=ADA, confirm=dry["confirm"], refresh=True)
    assert done == {"done": 2}
    assert list(stored(es)) == ["2"]
    assert await ok(client, "es_by_query", index="books", query=ADA) == {"matched": 0}


async def test_a_query_of_a_field_that_is_not_there_is_told_before_it_is_too_late(client: Client) -> None:
    misspelt = {"term": {"author.nam": "Ada"}}
    for query, matched in ((misspelt, 0), ({"bool": {"must_not": misspelt}}, 3)):
        dry = await ok(client, "es_by_query", index="books", query=query)
        assert dry["matched"] == matched
        assert dry["notes"] == ["no field is called 'author.nam': did you mean author.name? es_mapping lists all"]
    assert "notes" not in await ok(client, "es_by_query", index="books", query=ADA)


async def test_a_document_that_is_not_kept_is_shown_without_what_it_holds(client: Client, es: Node) -> None:
    fill(es, "unkept", {"1": {"k": "x"}}, {"_source": {"enabled": False}, "properties": {"k": {"type": "keyword"}}})
    dry = await ok(client, "es_by_query", index="unkept", query={"term": {"k": "x"}})
    assert dry["sample"] == [{"index": "unkept", "id": "1"}]


async def test_documents_are_changed(client: Client, es: Node) -> None:
    change = {"author": {"country": "UK"}, "pages": 1}
    dry = await ok(client, "es_by_query", index="books", query=ADA, set=change)
    assert await ok(client, "es_by_query", index="books", query=ADA, set=change, confirm=dry["confirm"]) == {"done": 2}
    assert stored(es)["1"] == BOOKS["1"] | {"author": {"name": "Ada", "country": "UK"}, "pages": 1}
    assert stored(es)["2"] == BOOKS["2"]


async def test_what_has_changed_meanwhile_is_not_touched(client: Client, es: Node) -> None:
    confirm = (await ok(client, "es_by_query", index="books", query=ADA))["confirm"]
    es.request("PUT", "/books/_doc/1?refresh=true", BOOKS["1"] | {"pages": 999})
    assert "nothing was done" in await error(client, "es_by_query", index="books", query=ADA, confirm=confirm)
    # The very same documents, but another thing to do with them.
    confirm = (await ok(client, "es_by_query", index="books", query=ADA))["confirm"]
    other = {"index": "books", "query": ADA, "set": {"pages": 1}, "confirm": confirm}
    assert "nothing was done" in await error(client, "es_by_query", **other)
    # A change that a search does not see yet shows when it comes to the document itself.
    es.request("PUT", "/books/_settings", {"index.refresh_interval": "-1"})
    confirm = (await ok(client, "es_by_query", index="books", query=ADA))["confirm"]
    es.request("PUT", "/books/_doc/3", BOOKS["3"] | {"pages": 5})
    assert await ok(client, "es_by_query", index="books", query=ADA, confirm=confirm) == {"done": 1, "conflicts": 1}
    assert sorted(stored(es)) == ["2", "3"]


async def test_more_than_a_chunk_and_more_than_the_cap(client: Client, es: Node) -> None:
    fill(es, "many", {str(i): {"n": i} for i in range(1300)}, shards=2)
    query = {"range": {"n": {"lt": 1200}}}
    assert "more than 1000 documents match" in await error(client, "es_by_query", index="many", query=query)
    dry = await ok(client, "es_by_query", index="many", query=query, most=2000)
    assert dry["matched"] == 1200
    done = await ok(client, "es_by_query", index="many", query=query, most=2000, confirm=dry["confirm"])
    assert done == {"done": 1200} and len(stored(es, "many")) == 100


async def test_by_an_alias(client: Client, es: Node) -> None:
    es.request("PUT", "/books/_alias/library")
    dry = await ok(client, "es_by_query", index="library", query=ADA)
    assert await ok(client, "es_by_query", index="library", query=ADA, confirm=dry["confirm"]) == {"done": 2}


@pytest.mark.parametrize("required", [False, True])
async def test_a_document_is_its_index_its_id_and_its_routing(client: Client, es: Node, required: bool) -> None:
    mapping = {"properties": {"who": {"type": "keyword"}}, "_routing": {"required": required}}
    fill(es, "routed", {}, mapping, shards=5)
    # These are of different shards, each of which counts sequence numbers for itself.
    for routing in "a", "b":
        made = {"index": "routed", "id": "1", "routing": routing, "document": {"who": routing}, "refresh": True}
        assert (await ok(client, "es_index", **made))["seq_no"] == 0
    query = {"term": {"who": "b"}}
    (hit,) = (await ok(client, "es_search", index="routed", query=query))["hits"]
    assert hit["routing"] == "b"
    got = await ok(client, "es_get", index="routed", id="1", routing="b")
    assert (got["source"], got["routing"]) == ({"who": "b"}, "b")
    (several,) = (await ok(client, "es_get", index="routed", id=["1"], routing="a"))["documents"]
    assert (several["source"], several["routing"]) == ({"who": "a"}, "a")
    assert (await ok(client, "es_explain", index="routed", query=query, id="1", routing="b"))["matched"]
    assert "routing" in await error(client, "es_get", index="routed", id="1" if required else "9")
    for change in {"set": {"n": 1}}, {}:
        dry = await ok(client, "es_by_query", index="routed", query=query, **change)
        assert dry["sample"][0] == {"index": "routed", "id": "1", "routing": "b", "source": dry["sample"][0]["source"]}
        assert dry["sample"][0]["source"]["who"] == "b"
        confirmed = change | {"confirm": dry["confirm"], "refresh": True}
        done = await ok(client, "es_by_query", index="routed", query=query, **confirmed)
        assert done == {"done": 1}
    hits = es.request("GET", "/routed/_search")["hits"]["hits"]
    assert [hit["_source"] for hit in hits] == [{"who": "a"}]
    bulk = [{"op": "update", "id": "1", "routing": "a", "document": {"n": 2}}]
    assert (await ok(client, "es_bulk", index="routed", operations=bulk))["done"] == {"updated": 1}
    ndjson = '{"delete":{"_id":"9","routing":"a"}}\n{"index":{"_id":"2","routing":"b"}}\n{"who":"c"}'
    assert (await ok(client, "es_bulk", index="routed", operations=ndjson))["done"] == {"not_found": 1, "created": 1}
    gone = await ok(client, "es_delete", index="routed", id="1", routing="a")
    assert gone == {"index": "routed", "id": "1", "deleted": True}


async def test_every_document_is_counted_though_some_fail(client: Client, es: Node) -> None:
    for name, kind in ("part-1", "long"), ("part-2", "keyword"):
        mapping = {"properties": {"f": {"type": kind}, "who": {"type": "keyword"}}}
        fill(es, name, {str(i): {"who": "x"} for i in range(3)}, mapping)
        es.request("PUT", f"/{name}/_alias/parts")
    arguments: dict[str, Any] = {"index": "parts", "query": {"term": {"who": "x"}}, "set": {"f": "abc"}}
    dry = await ok(client, "es_by_query", **arguments)
    assert [(row["index"], row["id"]) for row in dry["sample"]][2:4] == [("part-1", "2"), ("part-2", "0")]
    done = await ok(client, "es_by_query", **arguments, confirm=dry["confirm"])
    assert (done["done"], done["failures"]) == (3, 3)
    assert {row["index"] for row in done["failed"]} == {"part-1"} and "document_parsing" in done["failed"][0]["error"]


def test_what_was_done_is_told_though_a_later_part_is_refused(start: Start) -> None:
    """A real node has no 429 to give at will."""
    hits = [{"_index": "a", "_id": str(i), "_seq_no": i, "_primary_term": 1} for i in range(600)]
    parts: list[int] = []

    def bulk(request: Request) -> Answer:
        parts.append(len(request.body.splitlines()))
        if len(parts) == 2:
            return failure(429, "es_rejected_execution_exception", "full")
        items = [{"delete": {"_id": str(i), "result": "deleted", "status": 200}} for i in range(parts[-1])]
        items[7]["delete"] = {"_id": "7", "status": 409, "error": {"type": "version_conflict_engine_exception"}}
        return Answer(200, {"items": items})

    found = Answer(200, {"hits": {"total": {"value": 600}, "hits": hits}, "_shards": {}})
    answers: Answers = {"_resolve": resolved("a"), "_search": found, "_mget": Answer(200, {"docs": []}), "_bulk": bulk}
    with FakeNode(answering(answers)) as fake:
        sidecar = start(ES_PORT=str(fake.port), MCP_ALLOW_WRITES="true")
        arguments = {"index": "a", "query": {"term": {"who": "x"}}}
        dry = call(sidecar, "es_by_query", **arguments)["structuredContent"]
        done = call(sidecar, "es_by_query", **arguments, confirm=dry["confirm"])["structuredContent"]
    stopped = done.pop("stopped")
    assert parts == [500, 100]
    assert done == {"done": 499, "conflicts": 1} and "500 of 600 documents were sent before" in stopped
    assert "overloaded" in stopped and "none of these operations was done" in stopped


async def test_what_is_refused(client: Client, es: Node) -> None:
    for index in ("*", "_all", "books,other", ".security", "bo*"):
        assert "nothing was done" in await error(client, "es_by_query", index=index, query=ADA)
    assert "matches every document" in await error(client, "es_by_query", index="books", query={"match_all": {}})
    assert "matches every document" in await error(client, "es_by_query", index="books", query={})
    assert "scripts" in await error(client, "es_by_query", index="books", query={"script": {"script": "true"}})
    assert "did you mean books" in await error(client, "es_by_query", index="boks", query=ADA)
    assert len(stored(es)) == 3
