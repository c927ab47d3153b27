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
        ({"lines": None}, ["3"]),
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
        {"query": {"exists": {"field": "lines"}}},
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
    fill(orders, "orders-flat", {"1": {"lines": {"sku": "A"}}})
    for arguments in (
        {"aggs": {"a": {"sum": {"field": "stat"}}}},
        {"aggs": {"a": {"cardinality": {"field": "stat"}}}},
        {"aggs": {"a": {"terms": {"field": "state"}, "aggs": {"b": {"avg": {"field": "stat"}}}}}},
        {"aggs": {"a": {"filter": {"term": {"stat": "x"}}}}},
        {"where": {"stat": None}},
        {"query": {"bool": {"must_not": {"term": {"stat": "x"}}}}},
        {"where": {"stat*": "x"}},  # no pattern
        {"where": {"stat": "x"}},
    ):
        (note,) = (await ok(client, "es_search", index="orders", size=0, **arguments))["notes"]
        assert note.replace("*", "") == "no field is called 'stat': did you mean state? es_mapping lists all"
    assert "notes" not in await ok(client, "es_search", index="orders-flat", where={"lines": None})
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


@pytest.mark.parametrize("format", ["yyyy", "yyyy-MM-dd", "epoch_second"])
@pytest.mark.parametrize("source", [[], ["_id"]])
async def test_a_format_of_a_sort_loses_no_hit(client: Client, es: Node, format: str, source: list[str]) -> None:
    """A page goes on behind sort values, which a format would round."""
    documents = {f"{n:02}": {"d": f"2024-01-01T00:00:{n:02}.5Z"} if n % 3 else {"other": 1} for n in range(60)}
    fill(es, "days", documents, mapped(d="date"), shards=2)
    for order in "asc", "desc":
        sort = [{"d": {"order": order, "format": format}}]
        arguments: dict[str, Any] = {"index": "days", "size": 7, "sort": sort, "source": source}
        page = await ok(client, "es_search", **arguments)
        shown = page.get("ids") or [hit["id"] for hit in page["hits"]]
        while "cursor" in page and len(shown) <= 60:
            page = await ok(client, "es_search", **arguments, cursor=page["cursor"])
            shown += page.get("ids") or [hit["id"] for hit in page["hits"]]
        assert "notes" not in page and sorted(shown) == sorted(documents)
        assert shown[:40] == sorted(shown[:40], reverse=order == "desc"), "those without a date come last"


@pytest.mark.parametrize("source", [["n"], ["_id"]])
@pytest.mark.parametrize("sizes", [[10], [6, 10], [10, 3], [4, 40], [40]])
async def test_pages_go_on_where_the_window_of_an_index_is_small(
    client: Client, es: Node, source: list[str], sizes: list[int]
) -> None:
    """The second page starts at the first hit, as many hits further on as a window may not have. Shards of the index with the
    small window fail alone."""
    for index in ("small", "wide"):
        documents = {f"{n:02}": {"n": n} for n in range(40) if (index == "small") == (n % 3 == 0)}
        fill(es, index, documents, mapped(n="long"), shards=2)
    es.request("PUT", "/small/_settings", {"index.max_result_window": 10})
    shown: list[str] = []
    cursor: dict[str, Any] = {}
    calls = 0
    while cursor or not calls:
        size = sizes[min(calls, len(sizes) - 1)]
        page = await ok(client, "es_search", index="small,wide", sort=["n"], source=source, size=size, **cursor)
        assert page["total"] == 40 and "notes" not in page
        shown += page.get("ids") or [hit["id"] for hit in page["hits"]]
        cursor, calls = {"cursor": page["cursor"]} if "cursor" in page else {}, calls + 1
    assert shown == [f"{n:02}" for n in range(40)]


async def test_a_page_of_many_short_hits_fits_with_its_cursor(client: Client, es: Node) -> None:
    fill(es, "short", {str(n): {} for n in range(1000)})
    page: dict[str, Any] = {"cursor": None}
    shown = 0
    while "cursor" in page:
        page = await ok(client, "es_search", index="short", size=1000, cursor=page["cursor"])
        shown += len(page["hits"])
    assert shown == page["total"] == 1000


async def test_pages_behind_the_first_need_all_shards(client: Client, es: Node) -> None:
    fill(es, "well", {str(n): {"n": n} for n in range(5)})
    nowhere = {"index.routing.allocation.require._name": "none", "number_of_replicas": 0}
    es.request("PUT", "/red?wait_for_active_shards=0", {"settings": nowhere, "mappings": mapped(n="long")})
    first = await ok(client, "es_search", index="*", size=3)
    assert len(first["hits"]) == 3 and "1 of 2 shards failed" in first["notes"][0]
    said = await error(client, "es_search", index="*", size=3, cursor=first["cursor"])
    assert "missing shards [[red][0]]" in said and 'leave out their index, as in "logs-*,-INDEX"' in said
    assert len((await ok(client, "es_search", index="*,-red", source=["_id"]))["ids"]) == 5


async def test_names_of_fields_and_filters_may_be_those_of_scripts(client: Client, es: Node) -> None:
    """Elasticsearch takes them for names in the same places."""
    names = ("script", "template", "wrapper")
    text = {"type": "text", "fielddata": True}
    fill(es, "named", {"1": dict.fromkeys(names, "a b")}, mapped(script=text, template=text, wrapper=text))
    for name in names:
        interval = {"match": {"query": "a b", "ordered": True}}
        for query in (
            {"intervals": {name: interval}}, {"span_term": {name: "a"}}, {"span_term": {name: {"value": "a", "boost": 2}}},
            {"terms": {name: ["a"], "boost": 2, "_name": name}},
        ):  # fmt: skip
            found = await ok(client, "es_search", index="named", query=query, sort=[{name: "asc"}, {name: {"order": "desc"}}])
            assert ids(found) == ["1"]
        aggs: Any = {
            "f": {"filters": {"filters": {name: {"term": {name: "a"}}}}},
            "c": {"composite": {"sources": [{name: {"terms": {"field": name, "order": "desc"}}}]}},
        }
        found = await ok(client, "es_search", index="named", aggs=aggs, size=0)
        assert found["aggregations"]["f"]["buckets"][name]["doc_count"] == 1
        assert found["aggregations"]["c"]["after_key"] == {name: "a"}


async def test_a_cluster_that_is_away_is_told(client: Client, es: Node) -> None:
    fill(es, "here", {"1": {"k": 1}})
    away = {"cluster.remote.away.seeds": ["127.0.0.1:1"], "cluster.remote.away.skip_unavailable": True}
    es.request("PUT", "/_cluster/settings", {"persistent": away})
    try:
        found = await ok(client, "es_search", index="here,away:*", size=0)
    finally:
        es.request("PUT", "/_cluster/settings", {"persistent": dict.fromkeys(away)})
    said = "1 of 2 clusters did not answer, and their documents are missing here: away"
    assert (found["total"], found["notes"]) == (1, [said])


async def test_what_ends_a_search_early_and_what_is_named_is_told(client: Client, es: Node) -> None:
    fill(es, "few", {str(n): {"k": f"k{n % 2}"} for n in range(6)}, mapped(k="keyword"))
    all_of_them = {"terms": {"k": ["k0", "k1"]}}
    early = await ok(client, "es_search", index="few", query=all_of_them, more={"terminate_after": 2})
    assert early["total"] == 2 and early["at_least"] and "terminate_after ended the search" in early["notes"][0]
    named = {"bool": {"should": [{"term": {"k": {"value": f"k{n}", "_name": f"is {n}"}}} for n in range(2)]}}
    hits = (await ok(client, "es_search", index="few", query=named))["hits"]
    assert {hit["id"]: hit["matched_queries"] for hit in hits} == {str(n): [f"is {n % 2}"] for n in range(6)}
    inner: dict[str, Any] = {"name": "all", "size": 1}
    groups = {"collapse": {"field": "k", "inner_hits": inner}}
    found = await ok(client, "es_search", index="few", size=2, source=[], more=groups)
    assert [hit["inner_hits"]["all"]["total"] for hit in found["hits"]] == [3, 3]
    assert "there may be more hits" in found["notes"][0], "there are six, in two groups"
    fill(es, "one", {"1": {"k": "k0"}}, mapped(k="keyword"))
    inner["size"] = 9
    (first, _) = (await ok(client, "es_search", index="few,one", source=[], more=groups, sort=[{"k": "asc"}]))["hits"]
    hits = first["inner_hits"]["all"]["hits"]
    assert {hit.get("index", first["index"]) for hit in hits} == {"few", "one"} and not all("index" in hit for hit in hits)
    own = {"runtime_mappings": {"own": {"type": "keyword"}}}
    assert "notes" not in await ok(client, "es_search", index="few", more=own, aggs={"a": {"terms": {"field": "own"}}})


async def test_a_document_that_is_not_kept_is_not_said_to_be_empty(client: Client, es: Node) -> None:
    fill(es, "unkept", {"1": {"k": "x", "t": "a b"}}, {"_source": {"enabled": False}} | mapped(k="keyword", t="text"))
    one = await ok(client, "es_get", index="unkept", id="1")
    assert one.keys() == {"index", "id", "seq_no", "primary_term", "warnings"} and "not keep" in one["warnings"][0]
    for tool, given in (("es_get", {"id": ["1", "9"]}), ("es_search", {})):
        assert (await ok(client, tool, index="unkept", **given))["warnings"] == one["warnings"]
        assert "warnings" not in await ok(client, tool, index="unkept", source=[], **given)
    assert "not kept" in (await ok(client, "es_mapping", index="unkept"))["mappings"][0]["notes"][0]
    words = await ok(client, "es_field", index="unkept", field="t")
    assert (words["missing"], words["examples"]) == (0, []) and "notes" not in words
    (several,) = (await ok(client, "es_get", index="unkept", id=["1"]))["documents"]
    assert several.keys() == {"id", "seq_no", "primary_term"}


async def test_expressions_that_lead_nowhere(client: Client, es: Node) -> None:
    fill(es, "here", {"1": {"k": "x"}})
    # Of other clusters alone, none of which is there, Elasticsearch makes all indices of its own.
    for expression in ("*:here", "other*:here,x*:*"):
        said = await error(client, "es_search", index=expression, size=0)
        assert said == f"no remote cluster matches {expression!r}: none is connected"
    assert "no such remote cluster" in await error(client, "es_search", index="other:here")
    assert (await ok(client, "es_search", index="here,*:here", size=0))["total"] == 1
    assert "no index matches: es_indices lists them" in await error(client, "es_search", index="her*,-here")
    assert "there is no index" in await error(client, "es_search", index="-here")
    es.request("POST", "/here/_close")
    for tool, given in (("es_field", {"field": "k"}), ("es_explain", {"query": {"match_all": {}}})):
        said = await error(client, tool, index="here", **given)
        assert said.endswith("; the index is closed, and nothing can be read or written until it is open")


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
    page: dict[str, Any] = {"cursor": None}
    shown = []
    while "cursor" in page:
        page = await ok(client, "es_search", index="hostile", sort=["n"], cursor=page["cursor"])
        shown += [hit["source"]["n"] for hit in page["hits"]]
    assert shown == [1, 2, 3]
    assert (await ok(client, "es_request", path="/hostile/_doc/deep"))["answer"]["_id"] == "deep"


async def test_a_long_field_does_not_break_highlighting(client: Client, es: Node) -> None:
    fill(es, "long", {"1": {"t": "fox " + "word " * 250_000}})
    found = await ok(client, "es_search", index="long", text="fox", highlight=["t"], source=[])
    assert "<em>fox</em>" in found["hits"][0]["highlight"]["t"][0]


async def test_field_tells_of_values_that_are_not_indexed_or_not_exact(client: Client, es: Node) -> None:
    long = {"type": "keyword", "ignore_above": 5}
    mapping = mapped(
        k=long, t={"type": "text", "fields": {"raw": long}}, s={"type": "keyword", "fields": {"words": {"type": "text"}}},
        also={"type": "alias", "path": "s.words"}, c={"type": "keyword", "copy_to": "copies"}, copies="text",
        nanos="date_nanos", big="long", span="long_range",
    )  # fmt: skip
    nanos = "2024-01-01T00:00:00.12345678"
    first: dict[str, Any] = {
        "k": "too long",
        "t": "too long",
        "s": "a b",
        "c": "d",
        "nanos": f"{nanos}8Z",
        "big": 2**53 + 1,
    }
    first |= {"span": {"gte": 1, "lt": 3}}
    fill(es, "inexact", {"1": first, "2": {"k": "short", "nanos": f"{nanos}9Z"}, "3": {"other": 1}}, mapping)

    async def told(field: str) -> dict[str, Any]:
        return await ok(client, "es_field", index="inexact", field=field)

    keyword = await told("k")
    assert (keyword["missing"], keyword["distinct"]) == (1, 1)
    assert ids(await ok(client, "es_search", index="inexact", where={"k": None})) == ["3"], "a value that is not indexed"
    assert "malformed): 1. No query finds" in keyword["notes"][0]
    text = await told("t")
    assert (text["missing"], text["distinct"]) == (2, 0) and "values of t.raw that are not indexed" in text["notes"][0]
    for field, example in (("s.words", "a b"), ("also", "a b"), ("copies", "d"), ("span", '{"gte":1,"lt":3}')):
        stats = await told(field)
        assert (stats["missing"], stats["examples"]) == (2, [example]) and "notes" not in stats
    dates = await told("nanos")
    assert (dates["missing"], dates["distinct"]) == (1, 1) and "milliseconds" in dates["notes"][0]
    big = await told("big")
    assert big["top"] == [{"value": str(2**53 + 1), "docs": 1}] and "rounded" in big["notes"][0]


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
    "vector": ({"type": "dense_vector", "dims": 2}, [1, 2], {"missing": 1, "examples": ["[1,2]", "[1,2]"]}),
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
