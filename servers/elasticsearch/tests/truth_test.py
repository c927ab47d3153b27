"""Reads against a real Elasticsearch 8.11.4: an answer is right, or says what it lacks."""

import json
from typing import Any

import pytest
from mcp import Client

from servers.elasticsearch.tests.conftest import error, fill, mapped, ok
from tools.backends.elasticsearch import ElasticsearchNode as Node

SETTINGS: dict[str, str] = {}


ORDERS = {
    "1": {"lines": [{"sku": "A", "n": 1}, {"sku": "B", "n": 2}], "state": "open"},
    "2": {"lines": [{"sku": "A", "n": 2}], "state": "done"},
    "3": {"state": "done"},
}
ORDERS_MAPPING = mapped(state="keyword", lines={"type": "nested"} | mapped(sku="keyword", n="integer"))


@pytest.fixture
def orders(es: Node) -> Node:
    fill(es, "orders", ORDERS, ORDERS_MAPPING)
    return es


def ids(found: dict[str, Any]) -> list[str]:
    return sorted(hit["id"] for hit in found["hits"])


@pytest.mark.parametrize(
    ("where", "right"),
    [
        ({"lines.sku": "A"}, ["1", "2"]),
        ({"lines.sku": ["B", "C"]}, ["1"]),
        ({"lines.sku": "A", "lines.n": {"gte": 2}}, ["2"]),  # in one and the same line
        ({"lines.sku": None}, ["3"]),
        ({"lines.sku": "A", "state": "done"}, ["2"]),
    ],
)
async def test_where_looks_into_nested_objects(client: Client, orders: Node, where: Any, right: list[str]) -> None:
    assert ids(await ok(client, "es_search", index="orders", where=where)) == right
    # In another index these objects are not nested.
    flat = {"properties": {"lines": {"properties": {"sku": {"type": "keyword"}}}}}
    fill(orders, "orders-flat", {"1f": ORDERS["2"]}, flat)
    both = ids(await ok(client, "es_search", index="orders*", where=where))
    assert [id for id in both if id != "1f"] == right and ("1f" in both) == ("2" in right)


async def test_nested_fields_asked_as_others_are_get_a_note(client: Client, orders: Node) -> None:
    inside = {"a": {"nested": {"path": "lines"}, "aggs": {"b": {"terms": {"field": "lines.sku"}}}}}
    well = {"nested": {"path": "lines", "query": {"term": {"lines.sku": "A"}}}}
    for arguments in (
        {"query": {"term": {"lines.sku": "A"}}},
        {"query": {"bool": {"must_not": {"exists": {"field": "lines.sku"}}}}},
        {"aggs": {"a": {"terms": {"field": "state"}, "aggs": {"b": {"sum": {"field": "lines.n"}}}}}},
    ):
        (note,) = (await ok(client, "es_search", index="orders", **arguments))["notes"]
        assert "inside the nested objects 'lines'" in note and '"path":"lines"' in note
    assert "name its path" in await error(client, "es_search", index="orders", sort=["lines.n"])
    (note,) = (await ok(client, "es_search", index="orders", text="A"))["notes"]
    assert "(lines)" in note
    assert "notes" not in await ok(client, "es_search", index="orders", query=well, aggs=inside, where={"lines.n": 1})
    (note,) = (await ok(client, "es_explain", index="orders", query={"term": {"lines.sku": "A"}}))["notes"]
    assert "nested" in note


async def test_a_misspelt_field_is_reported_wherever_it_gives_nothing(client: Client, orders: Node) -> None:
    for arguments in (
        {"aggs": {"a": {"sum": {"field": "stat"}}}},
        {"aggs": {"a": {"cardinality": {"field": "stat"}}}},
        {"aggs": {"a": {"terms": {"field": "state"}, "aggs": {"b": {"avg": {"field": "stat"}}}}}},
        {"aggs": {"a": {"filter": {"term": {"stat": "x"}}}}},
        {"where": {"stat": None}},
        {"query": {"bool": {"must_not": {"term": {"stat": "x"}}}}},
        {"where": {"stat": "x"}},
    ):
        (note,) = (await ok(client, "es_search", index="orders", size=0, **arguments))["notes"]
        assert note == "no field is called 'stat': did you mean state? es_mapping lists all"
    why = await ok(client, "es_explain", index="orders", query={"term": {"stat": "x"}})
    assert why["valid"] and why["notes"] == [note]
    for name, meant in (("state.keyword", "state"), ("sku", "lines.sku")):
        (note,) = (await ok(client, "es_search", index="orders", query={"term": {name: "open"}}))["notes"]
        assert f"did you mean {meant}?" in note
    for right in ({"where": {"state": "none"}}, {"aggs": {"a": {"terms": {"field": "state"}}}}):
        assert "notes" not in await ok(client, "es_search", index="orders", **right)


async def test_an_object_may_come_as_its_json(client: Client, orders: Node) -> None:
    found = await ok(client, "es_search", index="orders", where='{"state":"open"}', query='{"match_all":{}}')
    assert ids(found) == ["1"]


@pytest.mark.parametrize("size", [3, 20])
async def test_pages_agree_while_documents_come_and_go(client: Client, es: Node, size: int) -> None:
    """Each document that is there all the time is shown once."""
    fill(es, "pages", {f"{n:03}": {"u": n} for n in range(60)}, shards=2)
    arguments: dict[str, Any] = {"index": "pages", "size": size, "sort": [{"u": "asc"}]}
    page = await ok(client, "es_search", **arguments)
    shown = [hit["id"] for hit in page["hits"]]
    for n in range(25):
        es.request("PUT", f"/pages/_doc/new{n}", {"u": n - 100})
    for id in ["000", "002", "050"]:
        es.request("DELETE", f"/pages/_doc/{id}")
    es.request("POST", "/pages/_refresh")
    while "cursor" in page:
        page = await ok(client, "es_search", **arguments, cursor=page["cursor"])
        assert page["hits"]
        shown += [hit["id"] for hit in page["hits"]]
    assert len(shown) == len(set(shown))
    assert {f"{n:03}" for n in range(60)} - {"000", "002", "050"} <= set(shown)


async def test_documents_of_any_width_and_depth_come_back(client: Client, es: Node) -> None:
    mapping = {"dynamic": False, "properties": {"n": {"type": "long"}, "o": {"type": "object", "enabled": False}}}
    wide = {f"key{i:06}": f"value of more than sixteen characters {i}" for i in range(20_000)}
    deep = '{"n":2,"o":' + '{"a":[' * 495 + "1" + "]}" * 495 + "}"
    documents = {"wide": json.dumps({"n": 1} | wide), "deep": deep, "plain": '{"n":3}'}
    fill(es, "hostile", {}, mapping)
    lines = "".join(f'{{"index":{{"_id":"{id}"}}}}\n{document}\n' for id, document in documents.items())
    assert not es.request("POST", "/hostile/_bulk?refresh=true", lines)["errors"]
    for id in ("wide", "deep"):
        document = await ok(client, "es_get", index="hostile", id=id)
        assert document["cut"] and "n" in document["source"]
    several = await ok(client, "es_get", index="hostile", id=["wide", "deep", "plain"])
    assert [d["source"]["n"] for d in several["documents"]] == [1, 2, 3]
    found = await ok(client, "es_search", index="hostile", sort=["n"])
    assert [hit["source"]["n"] for hit in found["hits"]] == [1, 2, 3]
    assert (await ok(client, "es_request", path="/hostile/_doc/deep"))["answer"]["_id"] == "deep"


async def test_a_long_field_does_not_break_highlighting(client: Client, es: Node) -> None:
    fill(es, "long", {"1": {"t": "fox " + "word " * 250_000}})
    found = await ok(client, "es_search", index="long", text="fox", highlight=["t"], source=[])
    assert "<em>fox</em>" in found["hits"][0]["highlight"]["t"][0]


OBJECT = {"type": "object", "properties": {"in": {"type": "keyword"}}}
RAW = {"n": {"type": "long", "ignore_malformed": True}, "raw": {"type": "keyword"}}
TYPES: dict[str, tuple[dict[str, Any], Any, dict[str, Any]]] = {
    "point": ({"type": "geo_point"}, {"lat": 1, "lon": 2}, {"missing": 1}),
    "range": ({"type": "integer_range"}, {"gte": 1, "lt": 5}, {"missing": 1}),
    "unindexed": ({"type": "keyword", "index": False, "doc_values": False}, "x", {"examples": ["x", "x"]}),
    "columns": ({"type": "keyword", "index": False}, "x", {"missing": 1, "distinct": 1}),
    "binary": ({"type": "binary"}, "U29tZQ==", {"examples": ["U29tZQ==", "U29tZQ=="]}),
    "flat": ({"type": "flattened"}, {"k": "v"}, {"missing": 1, "distinct": 1}),
    "flat.k": ({}, None, {"missing": 1, "distinct": 1, "top": [{"value": "v", "docs": 2}]}),
    "multi": ({"type": "text", "fields": RAW}, "x", {"missing": 1, "aggregate_on": "multi.raw", "distinct": 1}),
    "words": ({"type": "text"}, "x y", {"missing": 1, "examples": ["x y", "x y"]}),
    "object": (OBJECT, {"in": "x"}, {"missing": 1, "type": "object"}),
    "flag": ({"type": "boolean"}, True, {"missing": 1, "distinct": 1, "top": [{"value": "true", "docs": 2}]}),
    "address": ({"type": "ip"}, "::1", {"missing": 1, "distinct": 1}),
    "vector": ({"type": "dense_vector", "dims": 2}, [1, 2], {"missing": 1}),
    "completion": ({"type": "completion"}, "x", {}),
    "lines": (
        {"type": "nested", "properties": {"sku": {"type": "keyword"}}},
        [{"sku": "A"}, {"sku": "B"}],
        {"missing": 1},
    ),
    "lines.sku": ({}, None, {"missing": 1, "distinct": 2}),
}


async def test_field_gives_a_right_answer_for_every_type(client: Client, es: Node) -> None:
    """Of three documents two have a value."""
    mapping = {"properties": {name: kind for name, (kind, _, _) in TYPES.items() if kind}}
    document = {name: value for name, (kind, value, _) in TYPES.items() if kind}
    fill(es, "types", {"1": document, "2": document, "3": {"other": 1}}, mapping)
    for name, (_, _, right) in TYPES.items():
        stats = await ok(client, "es_field", index="types", field=name)
        assert stats["sampled"] == 3 and {key: stats.get(key) for key in right} == right, (name, stats)
        assert "missing" in stats or "not indexed" in stats["notes"][0]
    assert "nested objects 'lines'" in (await ok(client, "es_field", index="types", field="lines.sku"))["notes"][0]
    assert "notes" not in await ok(client, "es_search", index="types", where={"flat.nothing": "x"})
    assert "did you mean flag?" in await error(client, "es_field", index="types", field="flag.keyword")
