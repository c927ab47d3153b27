"""What works on a real OpenSearch 2 and 3, and what is refused: the rows of the table in docs/operations.md."""

import itertools
from collections.abc import Iterator
from typing import Any, Literal

import pytest

from servers.elasticsearch.tests.conftest import NAMED, READING, WRITING, Start, call, fill, mapped, ready, told
from tools.backends.elasticsearch import ElasticsearchNode as Node
from tools.backends.sidecar import Sidecar

SETTINGS: dict[str, str] = {"MCP_ALLOW_WRITES": "true", "MCP_MAX_RESULT_BYTES": "65536"}

VERSIONS: dict[str, Literal[2, 3]] = {"2.19.6": 2, "3.3.2": 3}

BOOKS: dict[str, dict[str, Any]] = {
    "1": {"title": "The quick brown foxes", "pages": 120, "author": {"name": "Ada"}, "parts": [{"kind": "map"}]},
    "2": {"title": "A lazy dog", "pages": 80, "author": {"name": "Bob"}},
    "3": {"title": "Fox and dog", "pages": 300, "author": {"name": "Ada"}},
}
MAPPING = mapped(
    title=NAMED | {"analyzer": "english"},
    pages="integer",
    author=mapped(name="keyword"),
    parts={"type": "nested"} | mapped(kind="keyword"),
)


@pytest.fixture(scope="module", params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def node(version: str) -> Iterator[Node]:
    with Node(cluster="tests", opensearch=VERSIONS[version]) as running:
        yield running


@pytest.fixture
def books(node: Node) -> Node:
    """The node with the index books alone."""
    for index in node.request("GET", "/_cat/indices?format=json&expand_wildcards=all"):
        node.request("DELETE", f"/{index['index']}")
    fill(node, "books", BOOKS, MAPPING)
    return node


def done(sidecar: Sidecar, tool: str, **arguments: Any) -> dict[str, Any]:
    answer = call(sidecar, tool, **arguments)
    assert not answer["isError"], answer
    return dict(answer["structuredContent"])


def twice(sidecar: Sidecar, tool: str, **arguments: Any) -> dict[str, Any]:
    """Asks, and confirms."""
    return done(sidecar, tool, **arguments, confirm=done(sidecar, tool, **arguments)["confirm"])


def lacks(version: str) -> str:
    return f"this cluster is OpenSearch {version}, which lacks parts of Elasticsearch's API"


def test_it_is_recognized(sidecar: Sidecar, version: str) -> None:
    assert f"OpenSearch {version}" in ready(sidecar)
    tools = sidecar.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})[1]["result"]["tools"]
    assert sorted(tool["name"] for tool in tools) == sorted(READING + WRITING)
    assert "this cluster has no esql: use es_search" in told(sidecar, "es_query", query="FROM books")


def test_reading(sidecar: Sidecar, books: Node) -> None:
    (index,) = done(sidecar, "es_indices")["indices"]
    assert index["index"] == "books" and index["health"] == "green"
    (mapping,) = done(sidecar, "es_mapping", index="books")["mappings"]
    assert mapping["fields"] == {
        "author.name": "keyword", "pages": "integer", "parts": "nested", "parts.kind": "keyword",
        "title": "text [analyzer=english] +.raw: keyword",
    }  # fmt: skip
    field = done(sidecar, "es_field", index="books", field="author.name")
    assert field["top"] == [{"value": "Ada", "docs": 2}, {"value": "Bob", "docs": 1}]
    assert done(sidecar, "es_field", index="books", field="pages")["range"]["max"] == 300
    assert done(sidecar, "es_field", index="books", field="parts.kind")["top"] == [{"value": "map", "docs": 1}]
    assert done(sidecar, "es_get", index="books", id="1")["source"] == BOOKS["1"]
    assert done(sidecar, "es_analyze", index="books", field="title", text="Foxes run")["tokens"] == ["fox", "run"]
    query = {"match": {"title": "fox"}}
    explained = done(sidecar, "es_explain", index="books", query=query, id=["1", "2"], profile=True)
    assert explained["meaning"] == ["title:fox"]
    assert [document["matched"] for document in explained["documents"]] == [True, False]
    assert " shards: " in explained["summary"][0]


def test_searching(sidecar: Sidecar, books: Node) -> None:
    asked: dict[str, Any] = {"index": "books", "text": "fox", "where": {"author.name": "Ada"}, "highlight": ["title"]}
    found = done(sidecar, "es_search", **asked, aggs={"authors": {"terms": {"field": "author.name"}}})
    assert found["total"] == 2 and {hit["id"] for hit in found["hits"]} == {"1", "3"}
    assert {hit["highlight"]["title"][0] for hit in found["hits"]} == {
        "<em>Fox</em> and dog",
        "The quick brown <em>foxes</em>",
    }
    assert [(b["key"], b["doc_count"]) for b in found["aggregations"]["authors"]["buckets"]] == [("Ada", 2)]
    assert done(sidecar, "es_search", index="books", where={"parts.kind": "map"}, source=["_id"])["ids"] == ["1"]
    collapsed = done(sidecar, "es_search", index="books", more={"collapse": {"field": "author.name"}}, source=[])
    assert len(collapsed["hits"]) == 2
    suggest = {"s": {"text": "quikc", "term": {"field": "title"}}}
    (said,) = done(sidecar, "es_search", index="books", size=0, more={"suggest": suggest})["suggest"]["s"]
    assert said["options"][0]["text"] == "quick"


def pages(sidecar: Sidecar, **arguments: Any) -> Iterator[dict[str, Any]]:
    """Yields the pages of a search."""
    page = done(sidecar, "es_search", **arguments)
    yield page
    while "cursor" in page:
        page = done(sidecar, "es_search", **arguments, cursor=page["cursor"])
        yield page


def open_points(node: Node) -> int:
    points = node.request("GET", "/_nodes/stats/indices/search")["nodes"].values()
    return sum(int(stats["indices"]["search"]["point_in_time_current"]) for stats in points)


def test_pages_are_of_one_state(sidecar: Sidecar, books: Node) -> None:
    """Documents that come between pages move no other; of equal sort values, each is told once."""
    fill(books, "many", {str(number): {"n": number, "same": 1} for number in range(60)}, shards=3)
    for asked in ({"sort": [{"same": "asc"}]}, {"sort": [{"n": "desc"}]}, {"source": ["_id"]}, {}):
        found: list[str] = []
        for page in pages(sidecar, index="many", size=25, **asked):
            found += page["ids"] if "ids" in page else [hit["id"] for hit in page["hits"]]
            if "cursor" in page:
                books.request("POST", "/many/_doc?refresh=true", {"n": 1000, "same": 0})
        assert len(found) == len(set(found)) and set(found) >= {str(number) for number in range(60)}, asked
        books.request("POST", "/many/_delete_by_query?refresh=true", {"query": {"term": {"n": 1000}}})
    assert open_points(books) == 0


def test_pages_end_with_the_window(sidecar: Sidecar, books: Node) -> None:
    fill(books, "most", {str(number): {"n": number} for number in range(10_001)})
    found = list(pages(sidecar, index="most", source=["_id"], size=9_000))
    assert len({id for page in found for id in page["ids"]}) == 10_000
    assert found[-1]["notes"] == [
        "there is more, but pages of OpenSearch end at 10000 hits: narrow the query, for example by a range"
    ]
    whole = list(pages(sidecar, index="most", where={"n": {"lt": 10_000}}, source=["_id"], size=10_000))
    assert len({id for page in whole for id in page["ids"]}) == 10_000 and "notes" not in whole[-1]
    assert open_points(books) == 0


def test_a_cursor_that_has_expired_says_so(sidecar: Sidecar, books: Node) -> None:
    fill(books, "going", {str(number): {} for number in range(3)})
    asked: dict[str, Any] = {"index": "going", "size": 1}
    second = list(itertools.islice(pages(sidecar, **asked), 2))[1]
    books.request("DELETE", "/_search/point_in_time/_all")
    assert "start again without a cursor" in told(sidecar, "es_search", **asked, cursor=second["cursor"])


def test_what_search_lacks(sidecar: Sidecar, books: Node, version: str) -> None:
    knn = {"field": "vector", "query_vector": [1, 0, 0], "k": 2, "num_candidates": 10}
    retriever: dict[str, Any] = {"standard": {"query": {"match_all": {}}}}
    for arguments in ({"knn": knn}, {"more": {"retriever": retriever}}):
        assert told(sidecar, "es_search", index="books", **arguments).endswith(lacks(version))


def test_scripts_run_and_are_refused(sidecar: Sidecar, books: Node) -> None:
    """The cluster would run them: painless is there."""
    script = {"source": "ctx._source.pages += 1"}
    assert books.request("POST", "/books/_update_by_query?refresh=true", {"script": script})["updated"] == 3
    asked = {"script": {"script": "doc['pages'].value == 121"}}
    assert books.request("POST", "/books/_search", {"query": asked})["hits"]["total"]["value"] == 1
    refused = told(sidecar, "es_search", index="books", query=asked)
    assert "scripts are not allowed here" in refused
    assert "scripts are not allowed here" in told(sidecar, "es_by_query", index="books", query=asked)
    runtime = {"runtime_mappings": {"x": {"type": "long", "script": {"source": "emit(1)"}}}}
    assert "scripts are not allowed here" in told(sidecar, "es_search", index="books", more=runtime)


def test_health_is_judged_without_a_report(sidecar: Sidecar, books: Node) -> None:
    books.request("PUT", "/copies", {"settings": {"number_of_shards": 1, "number_of_replicas": 1}})
    health = done(sidecar, "es_health")
    assert (health["cluster"], health["status"], health["nodes"]) == ("tests", "yellow", 1)
    assert health["shards"]["unassigned"] == 1
    assert any("1 replica shards are unassigned" in finding for finding in health["findings"]), health["findings"]
    (busiest,) = health["busiest"]
    assert {"heap_percent", "cpu_percent", "disk_free_percent"} <= busiest.keys()


@pytest.mark.parametrize("path", ["/_cluster/stats", "/_cat/nodes", "/_nodes/stats", "/books/_settings", "/_tasks"])
def test_requests_that_both_have(sidecar: Sidecar, books: Node, path: str) -> None:
    assert done(sidecar, "es_request", path=path)["answer"]


@pytest.mark.parametrize("path", ["/_ilm/policy", "/_ilm/status", "/_health_report", "/_xpack"])
def test_requests_that_it_lacks(sidecar: Sidecar, books: Node, version: str, path: str) -> None:
    said = told(sidecar, "es_request", path=path)
    assert said.endswith(f"; this cluster does not have {path}; {lacks(version)}") and "es_indices" not in said


@pytest.mark.parametrize("path", ["/_query", "/_plugins/_sql", "/_plugins/_ppl"])
def test_requests_in_query_languages_are_refused(sidecar: Sidecar, books: Node, path: str) -> None:
    said = told(sidecar, "es_request", method="POST", path=path, body={"query": "FROM books"})
    assert f"POST {path} is refused: " in said and "es_query" not in said


def test_lifecycle_policies_are_of_another_kind(sidecar: Sidecar, books: Node, version: str) -> None:
    assert told(sidecar, "es_indices", kind="lifecycle_policies").endswith(lacks(version))
    asked = {"kind": "lifecycle_policy", "name": "p", "definition": {"phases": {}}}
    assert told(sidecar, "es_define", **asked).endswith(lacks(version))


def test_documents_are_written(sidecar: Sidecar, books: Node) -> None:
    assert done(sidecar, "es_index", index="books", id="9", document={"title": "A cat"})["result"] == "created"
    operations = [{"op": "index", "id": "8", "document": {"title": "A cow"}}, {"op": "delete", "id": "9"}]
    assert done(sidecar, "es_bulk", index="books", operations=operations)["done"] == {"created": 1, "deleted": 1}
    assert done(sidecar, "es_delete", index="books", id="8")["deleted"]
    books.request("POST", "/books/_refresh")
    assert twice(sidecar, "es_by_query", index="books", query={"term": {"author.name": "Ada"}})["done"] == 2
    books.request("POST", "/books/_refresh")
    assert [hit["_id"] for hit in books.request("GET", "/books/_search")["hits"]["hits"]] == ["2"]


def test_what_is_not_there_is_not_made(sidecar: Sidecar, books: Node, start: Start) -> None:
    """OpenSearch resolves a name that is not there to nothing, without an error."""
    given: dict[str, Any]
    for tool, given in (
        ("es_index", {"index": "boks", "document": {}}),
        ("es_bulk", {"index": "boks", "operations": [{"document": {}}]}),
        ("es_delete", {"index": "boks", "id": "1"}),
        ("es_manage", {"op": "close", "name": "boks"}),
    ):
        assert "there is no index 'boks': did you mean books?" in told(sidecar, tool, **given)
    limited = start(MCP_ALLOW_WRITES="true", MCP_INDEX_PATTERNS="book*")
    for tool, given in (
        ("es_index", {"index": "other", "document": {}, "create_index": True}),
        ("es_define", {"kind": "index", "name": "other", "definition": {}}),
        ("es_define", {"kind": "index", "name": "books-2", "definition": {"aliases": {"other": {}}}}),
        ("es_alias", {"changes": [{"op": "add", "index": "books", "alias": "other"}]}),
        ("es_search", {"index": "other"}),
    ):
        assert "'other' is not, and does not lead to, an index" in told(limited, tool, **given)
    assert done(limited, "es_search", index="_all")["total"] == 3
    assert [row["index"] for row in done(sidecar, "es_indices")["indices"]] == ["books"]


def test_a_copy_drops_and_renames(sidecar: Sidecar, books: Node) -> None:
    done(sidecar, "es_define", kind="index", name="copy", definition={"like": "books"})
    rest = {"index": "copy", "drop": ["pages", "parts"], "rename": {"author.name": "writer"}}
    task = done(sidecar, "es_by_query", index="books", query={"term": {"author.name": "Ada"}}, copy_to=rest)["task"]

    def ended() -> bool:
        books.request("POST", "/copy/_refresh")
        return bool(books.request("GET", "/copy/_count")["count"] == 2)

    sidecar.wait_until(ended)
    sidecar.wait_until(lambda: done(sidecar, "es_manage", op="task", name=task["id"])["task"]["completed"])
    hits = books.request("GET", "/copy/_search?sort=title.raw")["hits"]["hits"]
    wanted = [{"title": BOOKS[id]["title"], "author": {}, "writer": "Ada"} for id in ("3", "1")]
    assert [hit["_source"] for hit in hits] == wanted
    assert done(sidecar, "es_indices", kind="pipelines")["total"] == 0


def test_the_cluster_is_managed(sidecar: Sidecar, books: Node) -> None:
    done(sidecar, "es_define", kind="settings", name="books", definition={"refresh_interval": "9s"})
    assert books.request("GET", "/books/_settings")["books"]["settings"]["index"]["refresh_interval"] == "9s"
    rename = {"processors": [{"rename": {"field": "a", "target_field": "b"}}]}
    done(sidecar, "es_define", kind="pipeline", name="tests", definition=rename)
    assert [row["name"] for row in done(sidecar, "es_indices", kind="pipelines")["rows"]] == ["tests"]
    assert "was deleted" in twice(sidecar, "es_manage", op="delete", kind="pipeline", name="tests")["done"]
    done(sidecar, "es_define", kind="template", name="tests", definition={"index_patterns": ["tests-*"]})
    assert "was deleted" in twice(sidecar, "es_manage", op="delete", kind="template", name="tests")["done"]
    done(sidecar, "es_alias", changes=[{"op": "add", "index": "books", "alias": "shelf"}])
    assert list(books.request("GET", "/shelf/_mapping")) == ["books"]
    assert "is closed" in done(sidecar, "es_manage", op="close", name="books")["done"]
    assert "the index is closed" in told(sidecar, "es_search", index="books")
    assert "is open" in done(sidecar, "es_manage", op="open", name="books")["done"]
    assert "was deleted" in twice(sidecar, "es_manage", op="delete", name="books")["done"]
    assert done(sidecar, "es_indices")["total"] == 0
