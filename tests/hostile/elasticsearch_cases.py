"""Hostile documents, mappings and indices for Elasticsearch, and what is asked of them."""

import json
import time
import urllib.error
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.hostile.attack import Case, Check
from tools.backends.elasticsearch import ElasticsearchNode

MIB = 1024 * 1024

SETTINGS = {"cluster.max_shards_per_node": 20_000}

LONG = 100
"""Documents of 1 MiB: those of a few requests are more than a heap of 1 GiB holds."""


def nested(levels: int, inside: Any = "x", name: str = "a") -> Any:
    for _ in range(levels):
        inside = {name: inside}
    return inside


def documents() -> Iterator[tuple[str, str]]:
    """The JSON of documents, by id."""
    yield "small", '{"n":1}'
    for count in (20_000, 100_000):
        yield f"fields{count}", json.dumps({f"field{n}": n for n in range(count)})
    yield "fields-empty", json.dumps({f"f{n}": {} for n in range(100_000)})
    yield "fields-long", json.dumps({f"{n}" + "f" * 60_000: "x" for n in range(100)})
    yield "fields-text", json.dumps({f"f{n}": "x" * 5000 for n in range(1500)})
    yield "fields-arrays", json.dumps({f"f{n}": [0] * 300 for n in range(8000)})
    yield "dots", json.dumps({".".join(["a"] * 20) + str(n): n for n in range(5000)})
    for levels in (100, 900):
        yield f"levels{levels}", json.dumps(nested(levels))
        yield f"lists{levels}", '{"a":' + "[" * levels + "]" * levels + "}"
    yield "levels-wide", json.dumps({f"f{n}": nested(90, [0] * 100) for n in range(300)})
    for name, piece in (
        ("digits", "0"),
        ("floats", "0.1"),
        ("objects", '{"":0}'),
        ("lists", "[0]"),
        ("empties", "{}"),
        ("texts", '"ab"'),
    ):
        for size in (1, 7):
            yield f"{name}{size}", '{"a":[' + ",".join([piece] * (size * MIB // (len(piece) + 1))) + "]}"
    yield "objects-named", '{"a":[' + ",".join(f'{{"k{n}":0}}' for n in range(600_000)) + "]}"
    yield "text7", json.dumps({"text": "word " * (7 * MIB // 5)})
    yield "text20", json.dumps({"text": "word " * (20 * MIB // 5), "n": 1})
    yield "control", json.dumps({"text": "\x01" * MIB})
    yield "invisible", json.dumps({"text": "\u200b" * MIB}, ensure_ascii=False)
    yield "emoji", json.dumps({"text": "\U0001f469\u200d" * 200_000})
    yield "surrogate", '{"text":"' + "\\ud83d" * 100_000 + '"}'
    yield "big-number", '{"n2":' + "9" * 900 + "}"
    yield "exponent", '{"n2":1e999}'


def index(node: ElasticsearchNode, name: str, mappings: Mapping[str, Any], aliases: Any = None, **settings: object) -> None:
    shards = {"number_of_shards": 1, "number_of_replicas": 0, "refresh_interval": "-1"}
    body = {
        "mappings": mappings,
        "settings": shards | {key.replace("__", "."): value for key, value in settings.items()},
    }
    node.request("PUT", f"/{name}", body | ({"aliases": aliases} if aliases else {}))


def posted(path: str, body: Any, **params: str) -> tuple[str, dict[str, Any]]:
    """A request for es_request."""
    return path, {"method": "POST", "body": body} | ({"params": params} if params else {})


def fill(node: ElasticsearchNode, *, indices: int = 300, seconds: float = 30) -> int:
    """Write it all, and as many of the indices as the time allows. Return their number."""
    keyword, long = {"type": "keyword"}, {"type": "long"}
    plain = {"dynamic": False, "properties": {"n": long, "k": keyword}}
    index(node, "small", plain)
    node.request("PUT", "/small/_doc/1?refresh=true", {"n": 1})
    index(node, "wild", plain)
    for name, text in documents():
        try:
            node.request("POST", "/wild/_bulk", json.dumps({"index": {"_id": name}}) + "\n" + text + "\n")
        except urllib.error.HTTPError as error:
            print(f"{name} can't be stored: {error.read()[:200]!r}")
    node.request("POST", "/wild/_refresh")
    text_field = {"type": "text", "fields": {"k": keyword | {"ignore_above": 100}}}
    index(node, "texts", {"properties": {"text": text_field}}, highlight__max_analyzed_offset=10_000_000)
    for number in range(8):
        words = " ".join(f"word{number}x{n} fox" for n in range(60_000))
        node.request("PUT", f"/texts/_doc/{number}", {"text": words})
    node.request("POST", "/texts/_refresh")
    of_many = {"n": long, "k": keyword, "d": {"type": "date"}, "o": {"type": "nested", "properties": {"v": long}}}
    index(node, "many", {"properties": of_many})
    for start in range(0, 30_000, 5000):
        lines = "".join(
            f'{{"index":{{"_id":"{n}"}}}}\n{{"n":{n},"k":"{"k" * 200}{n}","d":{n * 10**7},"pad":"{"x" * 200}"}}\n'
            for n in range(start, start + 5000)
        )
        node.request("POST", "/many/_bulk", lines)
    node.request("POST", "/many/_refresh")
    index(node, "long", plain)
    for number in range(LONG):
        node.request("PUT", f"/long/_doc/{number}", {"n": number, "text": f"word{number} " * 120_000})
    node.request("POST", "/long/_refresh")
    fields = {f"field{n}" + "m" * 50: keyword for n in range(20_000)}
    index(node, "mapped", {"properties": fields}, mapping__total_fields__limit=30_000)
    index(node, "aliased", plain, aliases={f"alias{n}" + "a" * 200: {} for n in range(3000)})
    end, made = time.monotonic() + seconds, 0
    while made < indices and time.monotonic() < end:
        try:
            index(node, f"i-{made:05}-" + "i" * 200, {"properties": {f"f{made}": keyword}})
        except urllib.error.HTTPError as error:
            if error.code != 429:
                raise
            break  # its heap has no more
        made += 1
    return made


def neighbour(node: ElasticsearchNode) -> Callable[[], object]:
    return lambda: node.request("GET", "/small/_doc/1")


def got(node: ElasticsearchNode, id: str) -> Check:
    """The check of what es_get gives: the document as Elasticsearch gives it to others, cut or whole."""

    def check(result: Mapping[str, Any]) -> str | None:
        if id in ("surrogate", "big-number", "exponent"):
            return None  # JSON has no such value; other tests have the rule
        whole = node.request("GET", f"/wild/_doc/{id}")["_source"]
        source = result.get("source")
        if source == whole:
            return None
        if not result.get("cut"):
            return "cut, and it does not say so"
        if isinstance(source, dict):
            for name, value in list(source.items())[:20]:
                real = whole.get(name)
                if isinstance(value, str) and not str(real).startswith(value.removesuffix("...")):
                    return f"another value of {name[:50]}"
                if isinstance(value, int) and value != real:
                    return f"another number of {name[:50]}"
        return None

    return check


READ = """
    /*/_mapping /mapped/_mapping /*/_alias /* /_recovery /_cluster/state/_all /_cluster/state/metadata/* /_cluster/stats
    /_nodes /_cat/indices /_cat/shards /_cat/segments /_cat/aliases /_cat/recovery /_cat/tasks /_health_report
    /wild/_source/digits7 /wild/_source/objects7 /wild/_source/lists7 /wild/_source/empties7 /wild/_source/floats7
    /wild/_source/objects-named /wild/_source/fields-arrays /wild/_source/levels900 /wild/_source/lists900
    /wild/_source/text20 /wild/_source/fields100000
"""
"""Paths of requests that take nothing else."""


def cases(node: ElasticsearchNode) -> list[Case]:
    ids = [name for name, _ in documents()]
    stars = "*a" * 300
    top, by_number = {"h": {"top_hits": {"size": 100}}}, {"field": "n", "size": LONG}
    found = [
        Case("es_health", {}),
        *(Case("es_health", {"about": [part]}) for part in ("nodes", "indices", "tasks", "allocation", "hot_threads")),
        Case("es_indices", {}),
        Case("es_indices", {"pattern": "*", "order": "bytes", "limit": 1000, "hidden": True}),
        Case("es_indices", {"kind": "aliases", "limit": 1000}),
        Case("es_indices", {"kind": "templates"}),
        Case("es_mapping", {"index": "mapped"}),
        Case("es_mapping", {"index": "mapped", "full": True}),
        Case("es_mapping", {"index": "mapped", "fields": "*1*1*1*1*1*x"}),
        Case("es_mapping", {"index": "*"}),
        Case("es_mapping", {"index": "i-*"}),
        Case("es_mapping", {"index": "mapped", "fields": "a*b?" * 50_000}),
        Case("es_indices", {"kind": "templates", "pattern": ",".join(f"t{n}*" for n in range(50_000))}),
        Case("es_search", {"index": "many", "sort": [True] * 130_000}),
        Case("es_field", {"index": "many", "field": "k", "top": 200, "sample": 1_000_000}),
        Case("es_field", {"index": "many", "field": "n", "sample": 1_000_000}),
        Case("es_field", {"index": "mapped", "field": "field"}),
        Case("es_field", {"index": "mapped", "field": "field1" + "n" * 50}),
        Case("es_field", {"index": "*", "field": "f1"}),
        Case("es_field", {"index": "texts", "field": "text"}),
        Case("es_get", {"index": "wild", "id": ids}),
        Case("es_get", {"index": "wild", "id": [f"{name}7" for name in ("digits", "objects", "lists", "empties")]}),
        Case("es_get", {"index": "wild", "id": ["fields100000"]}),
        Case("es_get", {"index": "wild", "id": "text20", "field": "text"}),
        Case("es_get", {"index": "wild", "id": "text7", "field": "text", "cursor": "7000000"}),
        Case("es_get", {"index": "wild", "id": "invisible", "field": "text"}),
        Case("es_get", {"index": "wild", "id": "levels900", "field": ".".join(["a"] * 900)}),
        Case("es_get", {"index": "wild", "id": "dots", "field": ".".join(["a"] * 20) + "1"}),
        Case("es_get", {"index": "wild", "id": "fields100000", "source": ["field1*"]}),
        Case("es_get", {"index": "wild", "id": "objects7", "source": ["*a*a*a*a*"]}),
        Case("es_get", {"index": "wild", "id": "nothing"}),
        Case("es_get", {"index": "long", "id": [str(n) for n in range(LONG)]}),
        Case("es_search", {"index": "long", "size": 1000}),
        Case("es_search", {"index": "long", "size": 10, "source": ["n"]}),
        Case("es_search", {"index": "long", "size": 3}),
        Case("es_search", {"index": "long", "size": 0, "aggs": {"a": {"terms": by_number, "aggs": top}}}),
        Case("es_get", {"index": "wild" + "x" * 2000, "id": "nothing"}),
    ]
    found += [Case("es_get", {"index": "wild", "id": id}, got(node, id)) for id in ids]
    found += [Case("es_search", {"index": "wild", "size": 1, "query": {"ids": {"values": [id]}}}) for id in ids]
    terms = {"terms": {"field": "k", "size": 65_000}}
    wildcards = [{"wildcard": {"k": f"*{n}*"}} for n in range(300)]
    queries: list[dict[str, Any]] = [
        {"regexp": {"k": {"value": ".*" * 100 + "x"}}},
        {"regexp": {"k": {"value": "(k|kk|kkk|kkkk){1,200}.*[0-9]+", "max_determinized_states": 1_000_000}}},
        {"wildcard": {"k": "*k" * 400 + "*1"}},
        {"query_string": {"query": "k:/.*k.*k.*k.*1/ OR *1* OR k:*2*"}},
        {"query_string": {"query": "(" * 2000 + "a" + ")" * 2000}},
        {"fuzzy": {"k": {"value": "k" * 200 + "1", "fuzziness": 2}}},
        {"terms": {"n": list(range(65_000))}},
        {"simple_query_string": {"query": "a" * 30_000 + "~2"}},
        {"bool": {"should": wildcards}},
        {"bool": {"should": [{"term": {"n": n}} for n in range(5000)]}},
        {"range": {"n": {"gte": 0}}},
        {"prefix": {"k": "k"}},
        {"query_string": {"query": "(" * 20_000 + "a" + ")" * 20_000}},
        {"simple_query_string": {"query": "a|" * 50_000}},
    ]
    found += [Case("es_search", {"index": "many", "query": q, "size": 0}) for q in queries]
    deep: dict[str, Any] = {"match_all": {}}
    for _ in range(200):
        deep = {"bool": {"must": [deep]}}
    precise = {"number_of_significant_value_digits": 5}
    aggs: list[dict[str, Any]] = [
        {"a": terms},
        {"a": {**terms, "aggs": {"b": terms}}},
        {"a": {"terms": {"field": "n", "size": 1000}, "aggs": top}},
        {"a": {"histogram": {"field": "n", "interval": 0.5}}},
        {"a": {"date_histogram": {"field": "d", "fixed_interval": "1s"}}},
        {"a": {"composite": {"size": 65_000, "sources": [{"k": {"terms": {"field": "k"}}}]}}},
        {"a": {"cardinality": {"field": "k", "precision_threshold": 40_000}}},
        {"a": {"terms": {"field": "k", "include": "a" * 500_000 + ".*"}}},
        {"a": {"percentiles": {"field": "n", "tdigest": {"compression": 100_000}}}},
        {"a": {**terms, "aggs": {"p": {"percentiles": {"field": "n", "hdr": precise}}}}},
        {"a": {**terms, "aggs": {"b": {"max": {"field": "n"}, "meta": {"x": "m" * 50_000}}}}},
        {"a": {**terms, "aggs": {"b": {"percentiles": {"field": "n", "percents": [n / 50 for n in range(5000)]}}}}},
        {"a": {"date_histogram": {"field": "d", "fixed_interval": "1d", "format": "'" + "f" * 50_000 + "'"}}},
        {"a": {"filters": {"filters": {str(n): {"term": {"n": n}} for n in range(2000)}}}},
        {"a": {"adjacency_matrix": {"filters": {str(n): {"term": {"n": n}} for n in range(90)}}}},
        {f"a{n}": {"terms": {"field": "k", "size": 1000}} for n in range(50)},
        {"a": {"top_hits": {"size": 100, "_source": True}}},
    ]
    found += [Case("es_search", {"index": "many", "size": 0, "aggs": a}) for a in aggs]
    phrase = {
        "field": "text", "gram_size": 1, "max_errors": 12, "confidence": 0, "token_limit": 100,
        "direct_generator": [{"field": "text", "size": 50, "suggest_mode": "always", "min_word_length": 1, "prefix_length": 0}],
    }  # fmt: skip
    misspelled = {"s": {"text": " ".join(f"wrod{n}x{n}" for n in range(12)), "phrase": phrase}}
    found.append(Case("es_search", {"index": "texts", "size": 0, "more": {"suggest": misspelled}}))
    alike = {"fields": ["text"], "like": "fox " * 50_000, "max_query_terms": 100_000, "min_term_freq": 1}
    found += [
        Case("es_search", {"index": "many", "size": 1000}),
        Case("es_search", {"index": "many", "size": 1000, "sort": [{"k": "desc"}, {"n": "asc"}]}),
        Case("es_search", {"index": "many", "size": 0, "query": deep}),
        Case("es_search", {"index": "*", "size": 1000}),
        Case("es_search", {"index": "wild", "size": 1000}),
        Case("es_search", {"index": "wild", "size": 1000, "source": []}),
        Case("es_search", {"index": "wild", "size": 10, "query": {"exists": {"field": "n"}}}),
        Case("es_search", {"index": "*", "text": "fox " * 1000, "size": 10}),
        Case("es_search", {"index": "texts", "text": "fox", "highlight": ["text", "*"], "size": 8}),
        Case("es_search", {"index": "texts", "text": "(" * 5000}),
        Case("es_search", {"index": "texts", "query": {"more_like_this": alike}}),
        Case("es_search", {"index": "many", "where": {f"f{n}": list(range(100)) for n in range(500)}}),
        Case("es_search", {"index": "many", "cursor": "A" * 100_000}),
        Case("es_search", {"index": ",".join(["many"] * 1000)}),
        Case("es_explain", {"index": "many", "query": {"bool": {"should": wildcards[:100]}}, "profile": True}),
        Case("es_explain", {"index": "many", "query": queries[6], "id": "1"}),
        Case("es_explain", {"index": "*", "query": {"match_all": {}}, "profile": True}),
        Case("es_analyze", {"text": "fox " * 200_000}),
        Case("es_analyze", {"text": "\u200b" * 100_000, "analyzer": "standard"}),
        Case("es_analyze", {"text": "a b " * 2400, "index": "texts", "field": "text"}),
        Case("es_query", {"query": "FROM many | STATS c = COUNT(*) BY k | LIMIT 10000"}),
        Case("es_query", {"query": "SELECT " + "(" * 5000}),
    ]
    simulate = "/_ingest/pipeline/_simulate"
    term_vectors = {"fields": ["text"], "term_statistics": True}
    rated = [{"id": str(n), "request": {"query": queries[2]}, "ratings": []} for n in range(200)]
    requests: list[tuple[str, dict[str, Any]]] = [
        ("/wild/_search", {"params": {"size": 10_000}}),
        ("/many/_search", {"params": {"size": 10_000}}),
        ("/many/_search", {"params": {"size": 10_000, "_source": "false", "filter_path": "hits.hits._id"}}),
        ("/many/_search", {"params": {"from": 9000, "size": 1000}}),
        posted("/many/_search", {"size": 10_000, "docvalue_fields": ["n", "d"], "_source": False}),
        posted("/many/_search", {"size": 0, "aggs": aggs[1]}),
        posted("/many/_search", {"size": 0, "suggest": {"s": {"text": "k" * 10_000, "term": {"field": "k"}}}}),
        ("/many/_search", {"params": {"timeout": "1h", "preference": "x", "batched_reduce_size": 2}}),
        posted("/many/_count", {"query": queries[1]}),
        posted("/wild/_mget", {"ids": ["digits1", "objects1", "lists1", "empties1"] * 50}),
        ("/texts/_termvectors/1", {"params": {"fields": "text", "term_statistics": "true"}}),
        posted("/texts/_mtermvectors", {"ids": [str(n) for n in range(8)] * 20, "parameters": term_vectors}),
        posted("/many/_terms_enum", {"field": "k", "string": "k", "size": 10_000, "timeout": "1h"}),
        ("/_field_caps", {"params": {"fields": "*", "include_unmapped": "true"}}),
        ("/*/_field_caps", {"params": {"fields": "*"}}),
        ("/*/_settings", {"params": {"include_defaults": "true"}}),
        ("/_stats", {"params": {"level": "shards"}}),
        ("/*/_segments", {"params": {"verbose": "true"}}),
        ("/_nodes/stats", {"params": {"level": "shards"}}),
        (
            "/_nodes/hot_threads",
            {"params": {"threads": 10_000, "interval": "20s", "snapshots": 100, "ignore_idle_threads": "false"}},
        ),
        ("/_nodes/hot_threads", {"params": {"interval": "1h"}}),
        ("/_cluster/health", {"params": {"wait_for_nodes": ">5", "timeout": "1h"}}),
        ("/_cluster/health", {"params": {"level": "shards"}}),
        ("/_tasks", {"params": {"wait_for_completion": "true", "timeout": "1h", "detailed": "true"}}),
        posted("/_rank_eval", {"requests": rated, "metric": {"precision": {"k": 1000}}}),
        posted("/many/_validate/query", {"query": queries[7]}, explain="true", rewrite="true"),
        ("/many/_search_shards", {"method": "POST"}),
        ("/_resolve/index/*", {"params": {"expand_wildcards": "all"}}),
        posted(simulate, {"pipeline": {"processors": []}, "docs": [{"_source": {"a": "x" * 1000}}] * 500}),
        posted("/_analyze", {"text": ["fox"] * 10_000}),
        posted("/_analyze", {"text": "a" * 3000, "tokenizer": {"type": "pattern", "pattern": "a*" * 8 + "b"}}),
        posted("/texts/_search", {}, q="(" * 20_000 + "a" + ")" * 20_000),
        *(
            posted(simulate, {"pipeline": {"processors": p}, "docs": [{"_source": d}]})
            for p, d in (
                ([{"gsub": {"field": "a", "pattern": "a", "replacement": "a" * 1000}}] * 4, {"a": "a" * 1000}),
                ([{"gsub": {"field": "a", "pattern": "x*" * 8 + "y", "replacement": ""}}], {"a": "x" * 2000}),
                ([{"gsub": {"field": "a", "pattern": "(x|x)" * 30 + "y", "replacement": ""}}], {"a": "x" * 200}),
            )
        ),
        *((path, {}) for path in (*READ.split(), "/" + "a" * 4000, "/" + "a/" * 2000, "/many/_doc/" + "%" * 1000)),
    ]
    found += [Case("es_request", {"path": path, **more}) for path, more in requests]
    operations = [{"op": "index", "id": str(n), "document": {"n": n}} for n in range(10_000)]
    fields = {f"f{n}": {"type": "keyword"} for n in range(15_000)}
    found += [
        Case(tool, arguments, crowd=False)
        for tool, arguments in (
            ("es_index", {"index": "wild", "id": "w1", "document": nested(900)}),
            ("es_index", {"index": "wild", "id": "w2", "document": {f"f{n}": n for n in range(40_000)}}),
            ("es_index", {"index": "small", "id": "w3", "document": {"text": "\u200b" * 100_000}}),
            ("es_index", {"index": "wild", "id": "objects7", "op": "update", "document": {"n": 2}}),
            ("es_bulk", {"index": "small", "operations": operations}),
            ("es_bulk", {"index": "small", "operations": '{"index":{}}\n{"n":1}\n' * 30_000}),
            ("es_bulk", {"index": "small", "operations": "\n" * 800_000}),
            ("es_bulk", {"index": "small", "operations": "{" * 500_000}),
            ("es_by_query", {"index": "wild", "query": {"match_all": {}}, "set": {"n": 1}}),
            ("es_by_query", {"index": "many", "query": {"match_all": {}}, "most": 100_000}),
            ("es_delete", {"index": "wild", "id": "x" * 512}),
            ("es_define", {"kind": "index", "name": "defined", "definition": {"mappings": {"properties": fields}}}),
            *(
                ("es_define", {"kind": "index", "name": "lifted", "definition": {"settings": settings}})
                for settings in (
                    {"mapping.total_fields.limit": 100_000_000},
                    {
                        "max_ngram_diff": 100_000,
                        "analysis": {"tokenizer": {"g": {"type": "ngram", "min_gram": 1, "max_gram": 5000}}},
                    },
                )
            ),
            ("es_define", {"kind": "index", "name": "shards", "definition": {"settings": {"number_of_shards": 1000}}}),
            ("es_alias", {"changes": [{"add": {"index": "many", "alias": f"a{n}"}} for n in range(1000)]}),
        )
    ]
    # Elasticsearch matches these by backtracking: one that is sent ends the node, so they come last.
    found += [
        Case("es_indices", {"pattern": stars}),
        Case("es_mapping", {"index": stars}),
        Case("es_field", {"index": "many", "field": stars}),
        Case("es_search", {"index": stars}),
        Case("es_search", {"index": "many", "source": [stars], "highlight": [stars]}),
        Case("es_get", {"index": "wild", "id": "fields20000", "source": [stars]}),
        *(
            Case("es_request", {"path": place.format(stars)})
            for place in ("/_cat/indices/{}", "/_nodes/{}", "/_alias/{}", "/_index_template/{}")
        ),
        Case("es_request", {"path": "/_field_caps", "params": {"fields": stars}}),
        Case("es_request", {"path": "/_nodes/stats", "params": {"filter_path": stars}}),
        Case("es_request", {"path": "/_tasks", "params": {"actions": stars}}),
    ]
    return found
