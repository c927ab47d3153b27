"""es_bulk against a real Elasticsearch 8.11.4."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcp import Client

from servers.common.protocol.tools import ToolError
from servers.elasticsearch.tests.conftest import Start, call, error, ok, told
from servers.elasticsearch.tests.fakes import ROOT, Answer, FakeNode, Request, answering, failure, resolved
from servers.elasticsearch.tools.bulk import parsed
from tools.backends.elasticsearch import ElasticsearchNode as Node
from tools.backends.sidecar import Sidecar

SETTINGS: dict[str, str] = {"MCP_ALLOW_WRITES": "true"}


@pytest.fixture
def es(es: Node) -> Node:
    es.request("PUT", "/books", {"mappings": {"properties": {"pages": {"type": "integer"}}}})
    return es


def stored(node: Node) -> dict[str, Any]:
    hits = node.request("GET", "/books/_search?size=1000")["hits"]["hits"]
    return {hit["_id"]: hit["_source"] for hit in hits}


async def test_each_operation(client: Client, es: Node) -> None:
    first = [
        {"id": "1", "document": {"pages": 1}},
        {"op": "create", "id": "2", "document": {"pages": 2}},
        {"document": {}},
    ]
    done = await ok(client, "es_bulk", index="books", operations=first, refresh=True)
    assert done["done"] == {"created": 3} and len(done["ids"]) == 1 and "failed" not in done
    second: list[dict[str, Any]] = [
        {"id": "1", "document": {"pages": 10}},
        {"op": "update", "id": "2", "document": {"title": "T"}},
        {"op": "delete", "id": done["ids"][0]},
        {"op": "delete", "id": "gone"},
        {"op": "update", "id": "2", "document": {"title": "T"}},
    ]
    done = await ok(client, "es_bulk", index="books", operations=second, refresh=True)
    assert done == {"done": {"updated": 2, "deleted": 1, "not_found": 1, "noop": 1}}
    assert stored(es) == {"1": {"pages": 10}, "2": {"pages": 2, "title": "T"}}


async def test_each_fails_alone(client: Client, es: Node) -> None:
    await ok(client, "es_bulk", index="books", operations=[{"id": "1", "document": {"pages": 1}}], refresh=True)
    operations = [
        {"op": "create", "id": "1", "document": {"pages": 2}},
        {"id": "2", "document": {"pages": "many"}},
        {"id": "3", "document": {"pages": 3}},
        {"id": "1", "document": {"pages": 9}, "if_seq_no": 77, "if_primary_term": 1},
        {"op": "update", "id": "none", "document": {}},
    ]
    done = await ok(client, "es_bulk", index="books", operations=operations, refresh=True)
    assert done["done"] == {"created": 1}
    errors = {failed["position"]: failed["error"] for failed in done["failed"]}
    assert sorted(errors) == [0, 1, 3, 4]
    assert "version_conflict" in errors[0] and "pages" in errors[1] and "many" in errors[1]
    assert "version_conflict" in errors[3] and "document_missing" in errors[4]
    assert stored(es) == {"1": {"pages": 1}, "3": {"pages": 3}}


async def test_more_failures_than_fit_are_counted(client: Client) -> None:
    operations = [{"id": str(i), "document": {"pages": "x" * 300}} for i in range(100)]
    done = await ok(client, "es_bulk", index="books", operations=operations)
    assert done["failures"] == 100 and 5 < len(done["failed"]) < 100


async def test_ndjson(client: Client, es: Node) -> None:
    text = '{"index":{"_id":"1"}}\n{"pages":1}\n\n{"update":{"_id":"1"}}\n{"doc":{"a":2}}\n{"delete":{"_id":"9"}}\n'
    done = await ok(client, "es_bulk", index="books", operations=text, refresh=True)
    assert done == {"done": {"created": 1, "updated": 1, "not_found": 1}}
    assert stored(es) == {"1": {"pages": 1, "a": 2}}


@pytest.mark.parametrize(
    ("operations", "reason"),
    [
        ([], "give 1 to"),
        ([{"op": "drop", "id": "1"}], "operation 0: op has to be one of"),
        ([{"id": "1", "document": {}}, {"op": "delete"}], "operation 1: delete needs an id"),
        ([{"op": "update", "document": {}}], "update needs an id"),
        ([{"id": "1"}], "needs a document"),
        ([{"op": "delete", "id": "1", "document": {}}], "takes no document"),
        ([{"id": 1, "document": {}}], "id has to be text"),
        ([{"id": "x" * 600, "document": {}}], "id has to be text"),
        ([{"id": "1", "document": [1]}], "needs a document"),
        ([{"id": "1", "document": {}, "if_seq_no": 1}], "go together"),
        ([{"id": "1", "document": {}, "index": "other"}], "'index' is not one of"),
        ('{"index":{"_index":"other","_id":"1"}}\n{}', "another index"),
        ('{"index":{"_id":"1","pipeline":"p"}}\n{}', "'pipeline' is not supported"),
        ('{"index":{}}', "has no document"),
        ('{"index":', "line 1 is not JSON"),
        ('{"update":{"_id":"1"}}\n{"script":"x"}', "an update is"),
    ],
)
async def test_what_is_wrong_is_told_and_not_done(client: Client, es: Node, operations: Any, reason: str) -> None:
    assert reason in await error(client, "es_bulk", index="books", operations=operations)
    es.request("POST", "/books/_refresh")
    assert stored(es) == {}


async def test_the_index_is_an_exact_name(client: Client) -> None:
    operations = [{"id": "1", "document": {}}]
    assert "did you mean books" in await error(client, "es_bulk", index="boks", operations=operations)
    for name in ("*", "_all", "books,other", ".security", "<books-{now/d}>"):
        assert "nothing was done" in await error(client, "es_bulk", index=name, operations=operations)
    made = await ok(client, "es_bulk", index="fresh", operations=operations, create_index=True)
    assert made["done"] == {"created": 1}


DOCUMENT = st.dictionaries(st.text(max_size=8), st.integers() | st.text())
ROW = st.fixed_dictionaries({"id": st.text(min_size=1, max_size=20), "document": DOCUMENT})
ROWS = st.lists(ROW, min_size=1, max_size=20)


@given(ROWS)
def test_ndjson_is_read_as_it_was_written(rows: list[dict[str, Any]]) -> None:
    parts = [part for row in rows for part in ({"index": {"_id": row["id"]}}, row["document"])]
    lines = [json.dumps(part, ensure_ascii=False) for part in parts]
    assert parsed("\n".join(lines), "i") == [{"op": "index", **row} for row in rows]


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parsed(text, "i")
    except ToolError as refusal:
        assert "nothing was done" in str(refusal)


IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(IDS, st.text(st.characters(exclude_categories=["Cs"]), max_size=50), min_size=1, max_size=20))
def test_what_was_written_comes_back(sidecar: Sidecar, es: Node, values: dict[str, str]) -> None:
    operations = [{"id": identifier, "document": {"v": value}} for identifier, value in values.items()]
    answer = sidecar.call("es_bulk", index="prop", operations=operations, create_index=True)
    assert not answer["isError"] and "failed" not in answer["structuredContent"], answer
    got = es.request("POST", "/prop/_mget", {"ids": list(values)})["docs"]
    assert {doc["_id"]: doc["_source"]["v"] for doc in got} == values


async def test_many_operations_are_sent_in_parts_and_tell_how_far_they_are(client: Client, es: Node) -> None:
    told: list[tuple[float, float | None]] = []

    async def tell(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, total))

    operations = [{"id": str(i), "document": {"n": i}} for i in range(2500)]
    operations[1700] = {"op": "create", "id": "5", "document": {"n": 5}}
    answer = await client.call_tool(
        "es_bulk", {"index": "many", "operations": operations, "create_index": True}, progress_callback=tell
    )
    assert answer.structured_content and answer.structured_content["done"] == {"created": 2499}
    assert [row["position"] for row in answer.structured_content["failed"]] == [1700]
    assert told == [(1000, 2500), (2000, 2500), (2500, 2500)]
    es.request("POST", "/many/_refresh")
    assert es.request("GET", "/many/_count")["count"] == 2499


OPERATIONS = [{"id": str(i), "document": {"n": i}} for i in range(2000)] + [{"document": {}}]


def bulk_of(second: Answer) -> Callable[[Request], Answer]:
    """Make a node that fails 300 of the first 1000 operations, and gives a certain answer to the next request."""
    bad = {"status": 400, "error": {"type": "document_parsing_exception", "reason": "no number"}}
    items = [{"index": {"_id": str(i)} | (bad if i < 300 else {"result": "created"})} for i in range(1000)]
    first = Answer(200, {"items": items})
    return answering({"_resolve": resolved("a"), "_bulk": lambda r: second if b'"1000"' in r.body else first})


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (failure(429, "es_rejected_execution_exception", "full"), "none of these operations"),
        (failure(503, "unavailable_shards_exception", "x"), "none of these operations"),
        (failure(503, "process_cluster_event_timeout_exception", "x"), "may have been done"),
        (Answer(502, b"<html>", "text/html"), "may have been done"),
        (Answer(0), "may have been done"),
        (Answer(200, {"items": []}), "may have been done"),
        (Answer(200, {"items": [{"index": {}}] * 1000}), "may have been done"),
        (Answer(200, [], "application/json"), "may have been done"),
    ],
)  # fmt: skip
def test_failures_of_earlier_parts_are_told(start: Start, second: Answer, reason: str) -> None:
    with FakeNode(bulk_of(second)) as fake:
        sidecar = start(ES_PORT=str(fake.port), MCP_ALLOW_WRITES="true")
        answer = call(sidecar, "es_bulk", index="a", operations=OPERATIONS)["structuredContent"]
    assert answer["done"] == {"created": 700} and [row["position"] for row in answer["failed"]] == list(range(300))
    assert answer["stopped"].endswith("continue with operation 1000") and reason in answer["stopped"], answer["stopped"]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, b""), Answer(204, b""), Answer(200, b"done", "text/plain"), Answer(200, []), Answer(200, 5),
        Answer(200, {}), Answer(201, {"acknowledged": False}), Answer(200, {"_index": "a", "_id": "1"}),
    ],
    ids=lambda answer: f"{answer.status}-{answer.body!r}",
)  # fmt: skip
def test_an_answer_that_says_nothing_may_mean_that_it_was_done(start: Start, answer: Answer) -> None:
    with FakeNode(answering({"_resolve": resolved("a"), "GET": ROOT}, answer)) as fake:
        sidecar = start(ES_PORT=str(fake.port), MCP_ALLOW_WRITES="true")
        for tool, given in (
            ("es_index", {"document": {}}),
            ("es_delete", {"id": "1"}),
            ("es_bulk", {"operations": [{"document": {}}]}),
        ):
            assert "may have been done" in told(sidecar, tool, index="a", **given), tool


def test_queries_of_percolator_fields_are_checked_where_documents_bring_them(start: Start) -> None:
    """The real node has no percolator."""
    dynamic = {"dynamic_templates": [{"any": {"mapping": {"type": "{name}"}}}]}
    answers = {
        "_resolve/index/elsewhere": failure(404, "index_not_found_exception", "no", index="elsewhere"),
        "_resolve": resolved("app-1"),
        "_simulate_index/app-2": Answer(200, {"template": {"mappings": dynamic}}),
        "GET /app-2": failure(404, "index_not_found_exception", "no", index="app-2"),
        "_mapping": Answer(200, {"app-1": {"mappings": {"properties": {"query": {"type": "percolator"}}}}}),
    }
    lookup = {"terms": {"tag": {"index": "elsewhere", "id": "1", "path": "tag"}}}
    with FakeNode(answering(answers)) as fake:
        sidecar = start(ES_PORT=str(fake.port), MCP_ALLOW_WRITES="true", MCP_INDEX_PATTERNS="app-*")
        for query, reason in ((lookup, "index that this server may touch"), ({"script": {"script": "1"}}, "scripts")):
            document = {"query": query}
            for tool, given in (
                ("es_index", {"document": document}),
                ("es_bulk", {"operations": [{"document": document}]}),
            ):
                assert reason in told(sidecar, tool, index="app-1", **given)
                # An index that is made by the write has what its template says.
                assert reason in told(sidecar, tool, index="app-2", create_index=True, **given)
        assert {r.path for r in fake.requests if r.method != "GET"} == {"/_index_template/_simulate_index/app-2"}
