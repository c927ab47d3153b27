"""The tools that explore unknown data and explain queries, against a real Elasticsearch 8.11.4."""

import json
import re
from typing import Any

import pytest
from mcp import Client, MCPError
from mcp_types import ResourceTemplateReference, TextContent, TextResourceContents

from servers.elasticsearch.tests.conftest import BOOKS, BOOKS_MAPPING, NAMED, error, fill, mapped, ok
from servers.elasticsearch.tools.explain import Slow, profile_summary
from tools.backends.elasticsearch import ElasticsearchNode as Node

SETTINGS: dict[str, str] = {}

WEATHER_MAPPING = mapped(city=NAMED, note="text", kind="keyword", degrees="double", seen="date", dry="boolean")
WEATHER = {
    str(i): {
        "city": ["Oslo", "Rome", "Cairo"][i % 3],
        "note": f"observation {i}",
        "kind": "report" if i % 4 else "alert",
        "degrees": float(i),
        "seen": f"2024-01-{1 + i % 28:02}T00:00:00Z",
        "dry": i % 2 == 0,
    }
    | ({} if i % 5 else {"kind": None})
    for i in range(100)
}


@pytest.fixture
def es(es: Node) -> Node:
    fill(es, "books", BOOKS, BOOKS_MAPPING)
    fill(es, "weather", WEATHER, WEATHER_MAPPING)
    return es


async def test_the_values_of_a_keyword(client: Client) -> None:
    found = await ok(client, "es_field", index="weather", field="kind")
    assert found == {
        "type": "keyword", "sampled": 100, "missing": 20, "distinct": 2,
        "top": [{"value": "report", "docs": 60}, {"value": "alert", "docs": 20}],
    }  # fmt: skip


async def test_the_values_of_numbers_dates_and_booleans(client: Client) -> None:
    degrees = await ok(client, "es_field", index="weather", field="degrees", top=2)
    assert degrees["range"]["min"] == 0 and degrees["range"]["max"] == 99 and degrees["range"]["avg"] == 49.5
    assert 45 <= degrees["range"]["p50"] <= 55 and len(degrees["top"]) == 2
    seen = await ok(client, "es_field", index="weather", field="seen")
    assert seen["range"] == {"min": "2024-01-01T00:00:00.000Z", "max": "2024-01-28T00:00:00.000Z"}
    assert seen["distinct"] == 28 and seen["top"][0]["value"].startswith("2024-01-")
    dry = await ok(client, "es_field", index="weather", field="dry")
    assert dry["top"] == [{"value": "false", "docs": 50}, {"value": "true", "docs": 50}]


async def test_a_text_is_counted_by_its_sub_field_or_shown_by_examples(client: Client) -> None:
    city = await ok(client, "es_field", index="weather", field="city")
    assert city["type"] == "text" and city["aggregate_on"] == "city.raw" and city["distinct"] == 3
    note = await ok(client, "es_field", index="weather", field="note")
    assert len(note["examples"]) == 5 and note["examples"][0].startswith("observation") and "top" not in note


async def test_the_values_of_a_part_and_of_a_sample(client: Client, es: Node) -> None:
    found = await ok(client, "es_field", index="weather", field="degrees", query={"term": {"kind": "alert"}})
    assert found["sampled"] == 20 and found["missing"] == 0
    fill(es, "many", {str(i): {"n": i} for i in range(1000)})
    assert (await ok(client, "es_field", index="many", field="n", sample=100))["sampled"] == 100


async def test_a_field_that_is_not_there(client: Client) -> None:
    assert "did you mean degrees" in await error(client, "es_field", index="weather", field="degree")
    assert "did you mean author.name" in await error(client, "es_field", index="books", field="name")
    assert "did you mean weather" in await error(client, "es_field", index="wether", field="kind")
    assert "scripts are not allowed" in await error(
        client, "es_field", index="weather", field="kind", query={"script": {"script": "1"}}
    )


async def test_a_search_by_words_and_conditions(client: Client) -> None:
    async def ids(**arguments: Any) -> list[str]:
        hits = (await ok(client, "es_search", source=[], **arguments))["hits"]
        return sorted(hit["id"] for hit in hits)

    assert await ids(index="books", text="fox") == ["1", "3"]
    assert await ids(index="books", text="fox dog") == ["3"], "all words"
    assert await ids(index="books", text="fox -dog") == ["1"]
    assert await ids(index="books", text='"lazy dog" | "brown fox"') == ["1", "2"]
    assert await ids(index="books", where={"author.name": "Ada"}) == ["1", "3"]
    filtered = await ok(client, "es_search", index="books", where={"author.name": "Ada"}, source=[])
    assert filtered["hits"] == [{"id": "1"}, {"id": "3"}], "a filter gives no score"
    assert await ids(index="books", where={"author.name": ["Ada", "Bob"], "pages": {"gte": 100, "lt": 300}}) == ["1"]
    assert await ids(index="books", where={"published": {"gte": "2005-01-01"}}, text="dog") == ["2", "3"]
    assert await ids(index="books", where={"author.name": None}) == []
    assert await ids(index="books", where={"title": "dog lazy"}) == ["2"], "all words of a text, in any order"
    assert await ids(index="books", where={"pages": 80}, query={"match_all": {}}) == ["2"]
    assert len(await ids(index="weather", where={"kind": None}, size=100)) == 20
    assert "bounds are gte" in await error(client, "es_search", index="books", where={"pages": {"above": 3}})
    assert "a list takes plain values" in await error(client, "es_search", index="books", where={"pages": [[1]]})
    many = {f"f{n}": list(range(1000)) for n in range(6)}
    assert "terms query" in await error(client, "es_search", index="books", where=many)


async def test_a_query_is_checked(client: Client) -> None:
    why = await ok(client, "es_explain", index="books", query={"match": {"title": "Quick FOX"}})
    assert why == {"valid": True, "meaning": ["title:quick title:fox"]}
    words = {"match": {"title": " ".join(f"word{n}" for n in range(200))}}
    (meaning,) = (await ok(client, "es_explain", index="books", query=words))["meaning"]
    assert len(meaning) == 1003 and meaning.endswith("...")
    wrong = await ok(client, "es_explain", index="books", query={"mtch": {"title": "x"}})
    assert not wrong["valid"] and "mtch" in wrong["error"]
    wrong = await ok(client, "es_explain", index="books", query={"range": {"published": {"gte": "yesterday"}}})
    assert not wrong["valid"] and "yesterday" in wrong["error"]
    assert "did you mean books" in await error(client, "es_explain", index="boks", query={"match_all": {}})


async def test_why_a_document_matches_or_not(client: Client) -> None:
    query = {"bool": {"must": [{"match": {"title": "fox"}}], "filter": [{"range": {"pages": {"gte": 200}}}]}}
    yes = await ok(client, "es_explain", index="books", query=query, id="3")
    assert yes["matched"] and yes["score"] > 0 and any("title:fox" in line for line in yes["reasons"])
    no = await ok(client, "es_explain", index="books", query=query, id="1")
    assert not no["matched"] and "score" not in no
    assert any("pages:[200" in line and "no match" in line.lower() for line in no["reasons"]), no["reasons"]
    assert "there is no document '9'" in await error(client, "es_explain", index="books", query=query, id="9")


async def test_where_the_time_of_a_search_goes(client: Client, es: Node) -> None:
    fill(es, "spread", WEATHER, WEATHER_MAPPING, shards=3)
    aggs = {"by": {"terms": {"field": "city.raw"}, "aggs": {"warm": {"avg": {"field": "degrees"}}}}}
    query = {"bool": {"should": [{"wildcard": {"city.raw": "*o*"}}, {"match": {"note": "observation"}}]}}
    why = await ok(client, "es_explain", index="spread", query=query, aggs=aggs)  # which are looked at only so
    assert "summary" not in await ok(client, "es_explain", index="spread", query=query)
    assert "routing is of a document" in await error(client, "es_explain", index="spread", query=query, routing="a")
    times = [row["ms"] for row in why["slowest"]]
    assert why["took_ms"] >= 0 and len(times) >= 2 and times == sorted(times, reverse=True)
    assert any("city.raw" in row["part"] for row in why["slowest"])
    assert all(row["index"] == "spread" for row in why["slowest"])
    whole, part = why["summary"][:2]
    assert " ms on 3 shards: " in whole, whole  # a phase of less than half a percent is left out
    assert "% is one part on shard " in part and " of spread: " in part
    assert {row["shard"] for row in why["slowest"]} == {0, 1, 2}
    assert any("Aggregator: by" in row["part"] for row in why["slowest"])


async def test_indices_by_size_and_health_and_templates(client: Client, es: Node) -> None:
    es.request("PUT", "/lonely", {"settings": {"number_of_replicas": 1}})
    names = [row["index"] for row in (await ok(client, "es_indices", order="docs"))["indices"]]
    assert names == ["weather", "books", "lonely"]
    sizes = [row["bytes"] for row in (await ok(client, "es_indices", order="bytes"))["indices"]]
    assert sizes == sorted(sizes, reverse=True)
    page = await ok(client, "es_indices", order="docs", limit=1)
    after = await ok(client, "es_indices", order="docs", limit=1, cursor=page["cursor"])
    assert [row["index"] for row in after["indices"]] == ["books"]
    assert "start again" in await error(client, "es_indices", cursor="gone")
    assert [row["index"] for row in (await ok(client, "es_indices", health="yellow"))["indices"]] == ["lonely"]
    template = {"index_patterns": ["logs-*"], "priority": 3, "template": {"settings": {"number_of_shards": 2}}}
    es.request("PUT", "/_index_template/logs", template)
    try:
        assert await ok(client, "es_indices", kind="templates", pattern="l*") == {
            "total": 1, "templates": [{"name": "logs", "index_patterns": ["logs-*"], "priority": 3}]
        }  # fmt: skip
    finally:
        es.request("DELETE", "/_index_template/logs")
    assert await ok(client, "es_indices", kind="data_streams") == {"total": 0, "data_streams": []}
    assert "no such remote cluster: [far]" in await error(client, "es_indices", kind="data_streams", pattern="far:*")
    assert "are for kind indices" in await error(client, "es_indices", kind="templates", order="bytes")


async def test_which_terms_a_text_becomes(client: Client) -> None:
    for arguments, tokens in (
        ({"text": "The QUICK Fox-es", "index": "books", "field": "title"}, ["the", "quick", "fox", "es"]),
        ({"text": "Quick Fox", "index": "books", "field": "title.raw"}, ["Quick Fox"]),
        ({"text": "Quick Fox", "analyzer": "whitespace"}, ["Quick", "Fox"]),
    ):
        assert await ok(client, "es_analyze", **arguments) == {"tokens": tokens}
    assert "did you mean title" in await error(client, "es_analyze", text="x", index="books", field="titel")
    assert "give either field" in await error(client, "es_analyze", text="x")
    assert "give the index" in await error(client, "es_analyze", text="x", field="title")
    long = await ok(client, "es_analyze", text="word " * 3000, analyzer="standard")
    assert long["cut"] and len(long["tokens"]) < 3000


async def test_requests_that_only_read(client: Client) -> None:
    rows = (await ok(client, "es_request", path="/_cat/indices/books", params={"h": "index,docs.count"}))["answer"]
    assert rows == [{"index": "books", "docs.count": "3"}]
    stats = await ok(client, "es_request", path="/books/_stats/docs", params={"filter_path": "_all.total.docs.count"})
    assert stats == {"answer": {"_all": {"total": {"docs": {"count": 3}}}}}
    listed = {"filter_path": ["_all.total.docs.count", "_shards.failed"], "format": "json"}
    several = (await ok(client, "es_request", path="/books/_stats/docs", params=listed))["answer"]
    assert several == stats["answer"] | {"_shards": {"failed": 0}}
    count = await ok(client, "es_request", method="POST", path="/books/_count", body={"query": {"match_all": {}}})
    assert count["answer"]["count"] == 3
    source = {"a": 1, "script": {"source": "x"}, "index": [".own", 3]}  # data, whatever it is called
    body = {"pipeline": {"processors": []}, "docs": [{"_index": "any", "_source": source}]}
    simulated = await ok(client, "es_request", method="POST", path="/_ingest/pipeline/_simulate", body=body)
    assert simulated["answer"]["docs"][0]["doc"]["_source"] == source
    long = await ok(client, "es_request", path="/_nodes/stats")
    assert long["cut"], "what is long is cut, and says where"


async def test_requests_that_do_not_only_read(client: Client, es: Node) -> None:
    post = {"method": "POST", "path": "/books/_search"}
    for arguments, reason in (
        (post | {"path": "/books/_delete_by_query", "body": {"query": {"match_all": {}}}}, "is refused: "),
        ({"path": "/_security/user"}, "is refused: "),
        (post | {"body": {"query": {"script": {"script": {"source": "true"}}}}}, "scripts are not allowed"),
        ({"method": "DELETE", "path": "/books"}, "input should be 'GET' or 'POST'"),
        ({"path": "/bok/_stats"}, "did you mean books"),
    ):
        assert reason in await error(client, "es_request", **arguments)
    assert es.request("GET", "/books/_count")["count"] == 3


async def test_resources_and_their_completion(client: Client, es: Node) -> None:
    es.request("PUT", "/books/_alias/bookshelf")
    for index in ("bookends", ".own"):
        es.request("PUT", f"/{index}")
    es.request("POST", "/bookends/_close")
    assert [r.uri for r in (await client.list_resources()).resources] == ["es://cluster"]
    (template,) = (await client.list_resource_templates()).resource_templates
    assert template.uri_template == "es://index/{name}/mapping"

    async def read(uri: str) -> Any:
        (contents,) = (await client.read_resource(uri)).contents
        assert isinstance(contents, TextResourceContents)
        return json.loads(contents.text)

    assert (await read("es://cluster"))["status"] in ("green", "yellow")
    assert (await read("es://index/books/mapping"))["mappings"][0]["fields"]["pages"] == "integer"
    for uri, reason in (
        ("es://index/books", "there is no resource"),
        ("es://index//mapping", "index is empty"),
        ("es://index/boks/mapping", "did you mean books"),
        ("es://index/..%2F_security/mapping", "names that begin with a dot are Elasticsearch's own"),
    ):
        with pytest.raises(MCPError, match=reason):
            await client.read_resource(uri)
    ref = ResourceTemplateReference(uri=template.uri_template)
    for typed, names in (("bo", ["bookends", "books", "bookshelf"]), ("w", ["weather"]), (".", []), ("*", [])):
        assert (await client.complete(ref, {"name": "name", "value": typed})).completion.values == names


async def test_prompts_name_tools_that_are_there(client: Client) -> None:
    listed = {tool.name for tool in (await client.list_tools()).tools}
    prompts = (await client.list_prompts()).prompts
    # This node has no ES|QL, so write_esql is not among them.
    assert sorted(p.name for p in prompts) == ["explore_index", "tune_query", "why_yellow"]
    for prompt in prompts:
        (message,) = (await client.get_prompt(prompt.name)).messages
        assert isinstance(message.content, TextContent)
        named = set(re.findall(r"\bes_\w+", message.content.text))
        assert named and named <= listed
    for length in (1, 10_000):
        assert "x" * length + "." in str(await client.get_prompt("explore_index", {"index": "x" * length}))
    with pytest.raises(MCPError, match="argument 'index' has 10001 characters, more than 10000"):
        await client.get_prompt("explore_index", {"index": "x" * 10_001})


async def test_several_documents_at_once(client: Client, es: Node) -> None:
    found = await ok(client, "es_get", index="books", id=["1", "9", "3", "1"], source=["pages"])
    assert [d["id"] for d in found["documents"]] == ["1", "9", "3"]
    assert found["documents"][0]["source"] == {"pages": 120} and "seq_no" in found["documents"][0]
    assert found["documents"][1] == {"id": "9", "found": False}
    fill(es, "big", {str(i): {"text": "x" * 5000} for i in range(30)})
    many = await ok(client, "es_get", index="big", id=[str(i) for i in range(30)])
    assert many["documents"][0]["cut"] == {"text": 5000} and many["left_out"]
    assert len(many["documents"]) + len(many["left_out"]) == 30
    assert "did you mean books" in await error(client, "es_get", index="boks", id=["1", "2"])
    for wrong in ({"id": ["1"], "field": "title"}, {"id": "1", "field": "title", "source": ["pages"]}):
        assert "field reads one text of one document" in await error(client, "es_get", index="books", **wrong)
    assert "is not from a result" in await error(client, "es_get", index="books", id="1", cursor="5")


async def test_bare_ids_are_exported_of_one_state(client: Client, es: Node) -> None:
    documents = {f"a-rather-long-identifier-{i}": {"n": i} for i in range(1500)}
    fill(es, "many", documents, shards=2)
    search: dict[str, Any] = {"index": "many", "source": ["_id"], "size": 10_000}
    found = await ok(client, "es_search", **search)
    ids, pages = found["ids"], 1
    assert found["total"] == 1500 and "hits" not in found
    es.request("DELETE", f"/many/_doc/{ids[0]}?refresh=true")
    es.request("PUT", "/many/_doc/new?refresh=true", {"n": 0})
    while "cursor" in found:
        found = await ok(client, "es_search", **search, cursor=found["cursor"])
        ids, pages = ids + found["ids"], pages + 1
    assert sorted(ids) == sorted(documents) and pages > 2
    sorted_ids = await ok(client, "es_search", **search | {"size": 2, "sort": [{"n": "desc"}]})
    assert sorted_ids["ids"] == ["a-rather-long-identifier-1499", "a-rather-long-identifier-1498"]
    assert "at most 1000" in await error(client, "es_search", index="many", size=1001)


async def test_further_parts_of_a_search(client: Client) -> None:
    inner = {"name": "coldest", "size": 1, "sort": ["degrees"], "_source": ["degrees"]}
    found = await ok(
        client, "es_search", index="weather", size=1, source=[], where={"kind": "alert"}, sort=["kind"],
        more={"collapse": {"field": "city.raw", "inner_hits": inner}},
    )  # fmt: skip
    assert found["hits"][0]["inner_hits"]["coldest"]["hits"][0]["source"] == {"degrees": 4.0}
    assert "cursor" not in found and "collapse" in found["notes"][0]
    spelling = {"s": {"text": "observaton", "term": {"field": "note"}}}
    found = await ok(client, "es_search", index="weather", size=0, more={"suggest": spelling})
    assert found["total"] == 100 and found["suggest"]["s"][0]["options"][0]["text"] == "observation"
    more = {"runtime_mappings": {"wind": {"type": "keyword"}}, "fields": ["city.raw", "wind"], "min_score": 0.1}
    found = await ok(client, "es_search", index="weather", size=1, source=[], more=more)
    assert found["hits"][0]["fields"] == {"city.raw": ["Oslo"]}
    for wrong, reason in (
        ({"pit": {"id": "x"}}, "'pit' is not"),
        ({"script_fields": {}}, "'script_fields' is not"),
        ({"stored_fields": ["_none_"]}, "'stored_fields' is not"),
        ({"runtime_mappings": {"w": {"type": "long", "script": "emit(1)"}}}, "scripts"),
        ({"suggest": {"s": {"phrase": {"field": "note", "collate": {"query": {"source": "{}"}}}}}}, "collate"),
        ({"rescore": {"query": {"rescore_query": {"script_score": {}}}}}, "scripts"),
        ({"retriever": {"standard": {"query": {"script": {"script": "1"}}}}}, "scripts"),
        ({"retriever": {"standard": {"query": {"match_all": {}}}}}, "has no such retriever"),
        ({"fields": ["a*b*c*d*e"]}, "wildcards"),
    ):
        assert reason in await error(client, "es_search", index="weather", more=wrong)


async def test_several_searches_in_one_call(client: Client) -> None:
    also = [
        {"index": "books", "size": 0},
        {"index": "weather", "where": {"kind": "alert"}, "size": 1},
        {"index": "boks"},
    ]
    found = await ok(client, "es_search", index="weather", size=0, also=also)
    assert [answer.get("total") for answer in (found, *found["also"])] == [100, 3, 20, None]
    assert "did you mean books" in found["also"][2]["error"]
    for wrong in ({"index": "books", "siz": 1}, {"index": "books", "also": also}, {"size": 1}):
        assert "also[0]" in await error(client, "es_search", index="weather", also=[wrong])


async def test_several_documents_are_explained(client: Client) -> None:
    query = {"match": {"title": "fox"}}
    found = await ok(client, "es_explain", index="books", query=query, id=["1", "2", "9"])
    assert [row.get("matched") for row in found["documents"]] == [True, False, None]
    assert "no document" in found["documents"][2]["error"]


async def test_the_difference_of_two_mappings(client: Client, es: Node) -> None:
    fill(es, "changed", {}, {"properties": {"title": {"type": "keyword"}, "extra": {"type": "ip"}}})
    found = (await ok(client, "es_mapping", index="books", compare="changed"))["difference"]
    assert found["differ"] == {"title": ["text +.raw: keyword", "keyword"]} and found["only_compare"] == {"extra": "ip"}
    assert found["only_index"]["author.name"] == "keyword"
    sub = await ok(client, "es_mapping", index="books", compare="changed", fields="title.raw")
    assert sub == {"difference": {"differ": found["differ"]}}
    assert await ok(client, "es_mapping", index="books", compare="books") == {"difference": {}}


@pytest.mark.parametrize("fetch", [{"time_in_nanos": 30}, [{"time_in_nanos": 10}, {"time_in_nanos": 20}]])
def test_a_profile_tells_the_share_of_each_phase(fetch: Any) -> None:
    """OpenSearch 3 has a list of fetches."""
    query = {"type": "TermQuery", "description": "a:b", "time_in_nanos": 70}
    aggregations = [{"type": "GlobalAggregator", "description": "all", "time_in_nanos": 100}]
    shard = {"id": "[node][books][0]", "searches": [{"query": [query]}], "aggregations": aggregations, "fetch": fetch}
    row: Slow = {"index": "books", "shard": 0, "part": "TermQuery: a:b", "ms": 0.00007}
    assert "aggregations 50%, finding matches 35%, fetching documents 15%" in profile_summary([shard], [row])[0]
