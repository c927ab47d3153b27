"""The tools against a real Elasticsearch 8.11.4, through the MCP SDK's own client."""

import base64
import json
from typing import Any

import pytest
from mcp import Client

from servers.elasticsearch.tests.conftest import BOOKS, BOOKS_MAPPING, READING, WRITING, error, fill, ok
from tools.backends.elasticsearch import ElasticsearchNode as Node
from tools.backends.sidecar import Sidecar

SETTINGS: dict[str, str] = {"MCP_ALLOW_WRITES": "true"}


async def test_the_list_of_tools(client: Client) -> None:
    tools = {t.name: t for t in (await client.list_tools()).tools}
    assert sorted(tools) == sorted(READING + WRITING)
    assert "this cluster has no esql" in await error(client, "es_query", query="FROM a")
    for name, tool in tools.items():
        assert tool.title and tool.description and tool.output_schema and tool.annotations
        assert tool.annotations.read_only_hint is (name in READING)
        assert tool.annotations.destructive_hint is (None if name in READING else name != "es_define")


async def health_of(client: Client) -> dict[str, Any]:
    """The health without what only says that this machine has much to do."""
    health = await ok(client, "es_health")
    health["findings"] = [finding for finding in health["findings"] if "of its CPU" not in finding]
    return health


async def test_health_of_a_well_cluster(client: Client, es: Node) -> None:
    fill(es, "books", BOOKS)
    health = await health_of(client)
    (node,) = health.pop("busiest")
    assert health == {
        "cluster": "tests", "status": "green", "nodes": 1, "data_nodes": 1,
        "shards": {"active": 1, "unassigned": 0, "initializing": 0, "relocating": 0}, "pending_tasks": 0,
        "findings": [],
    }  # fmt: skip
    assert 0 < node["heap_percent"] < 100 and node["disk_free_bytes"] > 0


async def test_health_says_why_shards_are_missing_and_what_is_asked_for(client: Client, es: Node) -> None:
    es.request("PUT", "/e", {"settings": {"number_of_replicas": 1}})
    health = await health_of(client)
    (finding,), (replica,) = health["findings"], health["unassigned"]
    assert health["status"] == "yellow" and "number_of_replicas to 0" in finding
    assert "1 replica shards are unassigned: there is one data node" in finding
    assert "e shard 0 (replica)" in replica and "a copy of it is there already" in replica
    for name in "abcd":
        settings = {"number_of_replicas": 0, "index.routing.allocation.require.rack": "nowhere"}
        es.request("PUT", f"/{name}?wait_for_active_shards=0", {"settings": settings})
    sections = ["tasks", "pending_tasks", "hot_threads", "ilm", "snapshots"]
    health = await ok(client, "es_health", about=sections)
    finding = next(line for line in health["findings"] if line.startswith("shards_availability: This cluster has 4 "))
    assert health["status"] == "red" and "[a, b, c, d]" in finding and "allocat" in finding
    assert len(health["unassigned"]) == 4 and health["unassigned"][3] == "and shards of 2 more indices"
    assert health["unassigned"][0].startswith("a shard 0 (primary) has been unassigned since 2")
    assert "on 1 of 1 nodes the filters of index.routing.allocation" in health["unassigned"][0]
    assert list(health["about"]) == sections
    assert "there is no snapshot repository" in health["about"]["snapshots"][0]
    assert "has no lifecycle management" in health["about"]["ilm"][0]


async def test_indices(client: Client, es: Node) -> None:
    fill(es, "books", BOOKS, shards=2)
    fill(es, "closed", {})
    fill(es, ".internal", {})
    es.request("PUT", "/.internal/_settings", {"index.hidden": True})
    es.request("POST", "/closed/_close")
    es.request("PUT", "/books/_alias/library")
    listed = await ok(client, "es_indices")
    books, closed = listed.pop("indices")
    assert listed == {"total": 2}
    assert books.pop("bytes") > 0
    assert books == {"index": "books", "docs": 3, "health": "green", "shards": "2x1", "aliases": ["library"]}
    assert closed["index"] == "closed" and closed["closed"] is True and "docs" not in closed
    for arguments, names in (
        ({"hidden": True}, [".internal", "books", "closed"]),
        ({"pattern": "b*,nothing*"}, ["books"]),
        ({"pattern": "nothing*"}, []),
    ):
        assert [i["index"] for i in (await ok(client, "es_indices", **arguments))["indices"]] == names
    (led_to,) = (await ok(client, "es_indices", pattern="library"))["indices"]
    assert (led_to["index"], led_to["aliases"]) == ("books", ["library"])
    assert "did you mean library" in await error(client, "es_indices", pattern="librari")


async def test_indices_in_pages(client: Client, es: Node) -> None:
    names = [f"logs-{i:03}" for i in range(30)]
    for name in names:
        fill(es, name, {})
    found: list[str] = []
    arguments: dict[str, Any] = {"limit": 7}
    for _ in range(5):
        page = await ok(client, "es_indices", **arguments)
        found += [index["index"] for index in page["indices"]]
        assert page["total"] == 30
        arguments["cursor"] = page.get("cursor")
    assert found == names
    assert arguments["cursor"] is None


async def test_mapping_is_digested(client: Client, es: Node) -> None:
    fill(es, "books", {}, BOOKS_MAPPING)
    fill(es, "books-old", {}, BOOKS_MAPPING)
    nested = {"type": "nested", "properties": {"b": {"type": "long"}}}
    subs = {n: {"type": "keyword", "ignore_above": n} for n in (9, 256)} | {"en": {"type": "text", "analyzer": "stop"}}
    words = {"type": "text", "fields": subs}
    fill(es, "strict", {}, {"dynamic": "strict", "_routing": {"required": True}, "properties": {"a": nested, "c": words}})
    answer = await ok(client, "es_mapping", index="*")
    assert answer == {
        "mappings": [
            {
                "indices": ["books", "books-old"],
                "count": 2,
                "fields": {
                    "author.name": "keyword",
                    "blob": "keyword [not indexed, no sort or aggregation]",
                    "pages": "integer",
                    "published": "date [format=yyyy-MM-dd]",
                    "title": "text +.raw: keyword",
                    "vector": "dense_vector [dims=3, similarity=cosine]",
                },
            },
            {
                "indices": ["strict"],
                "count": 1,
                "dynamic": "strict",
                "notes": ["each document has a routing, which is needed to read and to write it"],
                "fields": {
                    "a": "nested",
                    "a.b": "long",
                    "c": "text +.256: keyword +.9: keyword [ignore_above=9] +.en: text [analyzer=stop]",
                },
            },
        ]
    }
    narrowed = await ok(client, "es_mapping", index="books", fields="author*")
    assert narrowed["mappings"][0]["fields"] == {"author.name": "keyword"}
    several = await ok(client, "es_mapping", index="books", fields="pages,*.raw")
    assert several["mappings"][0]["fields"] == {"pages": "integer", "title": "text +.raw: keyword"}
    assert "no field of 'books' matches 'autor*'" in await error(client, "es_mapping", index="books", fields="autor*")
    full = await ok(client, "es_mapping", index="books", full=True)
    assert full["mappings"][0]["mapping"]["properties"]["vector"]["dims"] == 3


async def test_a_long_mapping_is_cut_and_says_so(client: Client, es: Node) -> None:
    properties = {f"field_{i:03}_{'x' * 30}": {"type": "keyword"} for i in range(500)}
    fill(es, "wide", {}, {"properties": properties})
    (group,) = (await ok(client, "es_mapping", index="wide"))["mappings"]
    assert 50 < len(group["fields"]) < 500
    assert group["left_out"] == 500 - len(group["fields"])
    assert len((await ok(client, "es_mapping", index="wide", fields="field_49*"))["mappings"][0]["fields"]) == 10
    assert "leave out full" in await error(client, "es_mapping", index="wide", full=True)


async def test_search(client: Client, es: Node) -> None:
    fill(es, "books", BOOKS, BOOKS_MAPPING)
    foxes = {"index": "books", "query": {"match": {"title": "fox"}}}
    found = await ok(client, "es_search", **foxes, source=["title"], highlight=["title"])
    assert found["total"] == 2 and "cursor" not in found and "notes" not in found
    best = found["hits"][0]
    assert best["score"] > 0 and best.keys() == {"id", "score", "source", "highlight"}
    assert best["source"] == {"title": BOOKS[best["id"]]["title"]}
    assert "<em>" in best["highlight"]["title"][0]
    by_pages = await ok(client, "es_search", index="books", sort=[{"pages": "desc"}], source=[])
    assert by_pages["hits"] == [{"id": "3"}, {"id": "1"}, {"id": "2"}]
    several = await ok(client, "es_search", index="books,b*", size=1)
    assert several["hits"][0]["source"] == BOOKS[several["hits"][0]["id"]]

    fill(es, "books-2", {"x": {}})
    both = await ok(client, "es_search", index="books*")
    assert [hit["index"] for hit in both["hits"]].count("books") == 3 and len(both["hits"]) == 4


async def test_aggregations(client: Client, es: Node) -> None:
    fill(es, "books", BOOKS, BOOKS_MAPPING)
    aggs = {"by": {"terms": {"field": "author.name"}, "aggs": {"pages": {"sum": {"field": "pages"}}}}}
    found = await ok(client, "es_search", index="books", size=0, aggs=aggs)
    assert found["total"] == 3 and found["hits"] == [] and "at_least" not in found
    buckets = {bucket["key"]: bucket["pages"]["value"] for bucket in found["aggregations"]["by"]["buckets"]}
    assert buckets == {"Ada": 420.0, "Bob": 80.0}
    fill(es, "n", {str(i): {"n": i} for i in range(500)})
    aggs = {"by": {"terms": {"field": "n", "size": 500}}}
    assert "ask for fewer buckets" in await error(client, "es_search", index="n", size=0, aggs=aggs)


async def test_knn(client: Client, es: Node) -> None:
    vectors = {"a": [1, 0, 0], "b": [0.9, 0.1, 0], "c": [0, 0, 1]}
    fill(es, "v", {k: {"vector": v} for k, v in vectors.items()}, BOOKS_MAPPING)
    knn = {"field": "vector", "query_vector": [1, 0, 0], "k": 2, "num_candidates": 10}
    found = await ok(client, "es_search", index="v", knn=knn, source=[])
    assert [hit["id"] for hit in found["hits"]] == ["a", "b"]


async def pages(client: Client, **arguments: Any) -> list[list[str]]:
    """The ids of each page of a search."""
    found = []
    for _ in range(200):
        page = await ok(client, "es_search", **arguments)
        found.append([hit["id"] for hit in page["hits"]])
        if "cursor" not in page:
            return found
        arguments["cursor"] = page["cursor"]
    raise AssertionError("the pages do not end")


def open_contexts(node: Node) -> int:
    (stats,) = node.request("GET", "/_nodes/stats/indices/search")["nodes"].values()
    return int(stats["indices"]["search"]["open_contexts"])


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("asked", [{}, {"text": "word"}, {"sort": [{"group": "asc"}]}, {"sort": [{"n": "desc"}]}])
async def test_each_match_is_on_one_page(client: Client, es: Node, shards: int, asked: dict[str, Any]) -> None:
    documents = {str(i): {"n": i, "group": i % 3, "t": "word " * (i % 5 + 1)} for i in range(250)}
    fill(es, "many", documents, shards=shards)
    found = await pages(client, index="many", size=30, query={"range": {"n": {"gte": 10}}}, **asked)
    assert [len(page) for page in found] == [30] * 8
    ids = [id for page in found for id in page]
    assert sorted(map(int, ids)) == list(range(10, 250))
    if asked == {"sort": [{"n": "desc"}]}:
        assert [int(id) for id in ids] == list(range(249, 9, -1))
    assert open_contexts(es) == 0, "the point in time is closed with the last page"


async def test_pages_go_beyond_elasticsearch_s_window(client: Client, es: Node) -> None:
    fill(es, "deep", {str(i): {} for i in range(100)})
    es.request("PUT", "/deep/_settings", {"index.max_result_window": 20})
    found = await pages(client, index="deep", size=10)
    assert sorted(int(id) for page in found for id in page) == list(range(100))


async def test_pages_are_as_long_as_fits(client: Client, es: Node) -> None:
    fill(es, "long", {str(i): {"text": "x" * (i * 40)} for i in range(100)})
    found = await pages(client, index="long", size=1000, sort=["_doc"])
    assert len(found) > 10
    assert sorted(int(id) for page in found for id in page) == list(range(100))


async def test_a_big_document_is_cut_and_read_whole_by_field(client: Client, es: Node) -> None:
    text = "añ→😀\n" * 5000
    fill(es, "big", {"1": {"title": "short", "body": text, "list": list(range(5000)), "in": {"side": text}}})
    (hit,) = (await ok(client, "es_search", index="big"))["hits"]
    assert hit["source"]["title"] == "short"
    assert hit["cut"]["body"] == len(text) and hit["cut"]["list"] == 5000 and hit["cut"]["in.side"] == len(text)
    assert text.startswith(hit["source"]["body"].removesuffix("..."))
    document = await ok(client, "es_get", index="big", id="1")
    assert document["cut"]["in.side"] == len(text)
    whole, cursor = "", "0"
    while cursor:
        part = await ok(client, "es_get", index="big", id="1", field="in.side", cursor=cursor)
        whole += part["text"]
        cursor = part.get("cursor", "")
    assert whole == text
    assert "is not a text" in await error(client, "es_get", index="big", id="1", field="list")


async def test_a_field_of_a_document_that_is_too_long_to_be_read(client: Client, es: Node) -> None:
    fill(es, "long", {"1": {"title": "short", "rest": "x" * 9_000_000}}, {"dynamic": False})
    assert "too long for this server" in await error(client, "es_get", index="long", id="1")
    assert (await ok(client, "es_get", index="long", id="1", field="title"))["text"] == "short"


async def test_a_cursor_is_of_its_search_only(client: Client, es: Node) -> None:
    fill(es, "books", BOOKS)
    for made_up in ("x", "W10", "bnVsbA", "WyJhIiwtMV0", "WyJhIiwxXQ"):
        assert "start without a cursor" in await error(client, "es_search", index="books", cursor=made_up)
    cursor = (await ok(client, "es_search", index="books", size=1))["cursor"]
    text = await error(client, "es_search", index="books", size=1, cursor=cursor, query={"match": {"title": "fox"}})
    assert "the cursor belongs to another search" in text


@pytest.mark.parametrize("gone", ["point in time", "index"])
async def test_an_expired_cursor_is_explained(client: Client, es: Node, gone: str) -> None:
    fill(es, "books", BOOKS)
    first = await ok(client, "es_search", index="books", size=1)
    second = await ok(client, "es_search", index="books", size=1, cursor=first["cursor"])
    if gone == "index":
        es.request("DELETE", "/books")
        fill(es, "books", BOOKS)
    else:
        pit = json.loads(base64.urlsafe_b64decode(second["cursor"] + "=="))[2]
        es.request("DELETE", "/_pit", {"id": pit})
    told = await error(client, "es_search", index="books", size=1, cursor=second["cursor"])
    assert told == "the cursor has expired, or its index is gone: start again without a cursor"


async def test_errors_of_a_search_say_what_to_do(client: Client, es: Node) -> None:
    fill(es, "books", BOOKS, BOOKS_MAPPING)
    fill(es, "magazines", {})

    async def told(**arguments: Any) -> str:
        return await error(client, "es_search", **({"index": "books"} | arguments))

    assert await told(index="boks") == "there is no index 'boks': did you mean books? es_indices lists all"
    assert "there is no index 'zebra*': es_indices lists them" in await told(index="zebra*")
    spelled = await told(query={"mtch": {"title": "fox"}})
    assert "unknown query [mtch] did you mean [match]?" in spelled and '"mtch":▶{"title":"fox"}' in spelled
    assert "without {" in await told(query={"query": {"match_all": {}}})
    assert "use title.raw" in await told(sort=["title"])
    assert 'failed to create query: For input string: "many"' in await told(query={"term": {"pages": "many"}})
    assert "no field is called 'nothing'" in await told(sort=["nothing"])
    assert "size may be at most 1000" in await told(size=5000)
    assert "es_indices lists them" in await told(index="books/_delete_by_query")
    script = {"script": {"source": "1"}}
    assert "scripts are not allowed" in await told(query={"script_score": {"query": {"match_all": {}}} | script})
    assert "scripts are not allowed" in await told(aggs={"a": {"terms": {"script": "doc['a']"}}})
    assert "scripts are not allowed" in await told(sort=[{"_script": {"type": "number"} | script}])


async def test_get(client: Client, es: Node) -> None:
    fill(es, "books", BOOKS)
    assert await ok(client, "es_get", index="books", id="2", source=["title", "author.*"]) == {
        "index": "books", "id": "2", "seq_no": 1, "primary_term": 1,
        "source": {"title": "A lazy dog", "author": {"name": "Bob"}},
    }  # fmt: skip
    assert "source" not in await ok(client, "es_get", index="books", id="2", source=[])
    assert "there is no document '9' in 'books'" in await error(client, "es_get", index="books", id="9")
    assert "did you mean books" in await error(client, "es_get", index="bookz", id="9")


@pytest.mark.parametrize("id", ["a/b", "../_search", "ünï→", "a b?c#d%2F", "-", "*"])
async def test_an_id_is_only_an_id(client: Client, es: Node, id: str) -> None:
    fill(es, "books", {})
    written = await ok(client, "es_index", index="books", id=id, document={"a": 1})
    assert written["id"] == id and written["result"] == "created"
    assert (await ok(client, "es_get", index="books", id=id))["source"] == {"a": 1}
    assert await ok(client, "es_delete", index="books", id=id) == {"index": "books", "id": id, "deleted": True}


async def test_an_id_can_t_be_a_way_to_another_place(client: Client, es: Node) -> None:
    # DELETE /books/_doc/.. would be DELETE /books: the HTTP client resolves dots, as RFC 3986 (5.2.4) says.
    fill(es, "books", BOOKS)
    for id in ("..", "."):
        assert "can't be" in await error(client, "es_index", index="books", id=id, document={})
        for tool in ("es_delete", "es_get"):
            assert "can't be" in await error(client, tool, index="books", id=id)
        assert "can't be" in await error(client, "es_search", index=id)
    assert es.request("GET", "/books/_count")["count"] == 3


async def test_index_and_its_conditions(client: Client, es: Node) -> None:
    fill(es, "books", {}, BOOKS_MAPPING)
    added = await ok(client, "es_index", index="books", document={"title": "New"}, refresh=True)
    assert added["result"] == "created" and len(added["id"]) > 10
    assert (await ok(client, "es_search", index="books", size=0))["total"] == 1
    one: dict[str, Any] = {"index": "books", "id": "k"}
    created = await ok(client, "es_index", **one, document={"pages": 1}, op="create")
    read = await ok(client, "es_get", **one)
    condition = {"if_seq_no": read["seq_no"], "if_primary_term": read["primary_term"]}
    assert condition == {"if_seq_no": created["seq_no"], "if_primary_term": created["primary_term"]}
    changed = await ok(client, "es_index", **one, document={"pages": 2}, **condition)
    assert changed["result"] == "updated"
    assert "has changed since it was read" in await error(client, "es_delete", **one, **condition)
    await ok(client, "es_index", **one, document={"title": "T"}, op="update")
    assert (await ok(client, "es_get", **one))["source"] == {"pages": 2, "title": "T"}
    for wrong, reason in (
        ({"op": "create"}, "has a document 'k' already"),
        (condition, "has changed since it was read"),
        ({"id": "no", "op": "update"}, "op index adds it"),
        ({"if_seq_no": 1}, "go together"),
        ({"id": None, "op": "update"}, "give the id"),
        ({"document": {"pages": "many"}}, "failed to parse field [pages] of type [integer]"),
    ):
        assert reason in await error(client, "es_index", **one | {"document": {}} | wrong)


async def test_a_misspelled_index_is_not_made(client: Client, es: Node) -> None:
    fill(es, "books", BOOKS)
    for tool, arguments in (("es_index", {"document": {"a": 1}, "id": "1"}), ("es_delete", {"id": "1"})):
        assert "did you mean books" in await error(client, tool, index="boooks", **arguments)
    assert [i["index"] for i in (await ok(client, "es_indices"))["indices"]] == ["books"]
    await ok(client, "es_index", index="boooks", document={"a": 1}, create_index=True)
    assert [i["index"] for i in (await ok(client, "es_indices"))["indices"]] == ["books", "boooks"]


@pytest.mark.parametrize("index", ["*", "_all", "book*", "books,other", "-books", ".internal", "<books>", "books/_doc/2?", ".."])
async def test_writes_are_to_one_index_by_its_name(client: Client, es: Node, index: str) -> None:
    fill(es, "books", BOOKS)
    fill(es, ".internal", {})
    assert "nothing was done" in await error(client, "es_delete", index=index, id="1")
    assert "nothing was done" in await error(client, "es_index", index=index, id="1", document={}, create_index=True)
    assert es.request("GET", "/books/_count")["count"] == 3


async def test_delete(client: Client, es: Node) -> None:
    fill(es, "books", BOOKS)
    for deleted in (True, False):
        answer = await ok(client, "es_delete", index="books", id="1", refresh=True)
        assert answer == {"index": "books", "id": "1", "deleted": deleted}
    assert (await ok(client, "es_search", index="books", size=0))["total"] == 2


async def test_half_a_surrogate_pair_does_no_harm(sidecar: Sidecar, es: Node) -> None:
    fill(es, "books", {})
    params = {"name": "es_index", "arguments": {"index": "books", "id": "1", "document": {"a": "\ud800"}}}
    status, answer = sidecar.post({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    assert 200 <= status < 500 and answer
    assert sidecar.get("/ready")[0] == 200
