"""Everyday requests, as the manuals of Elasticsearch and its integrations have them, are not refused."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from servers.common.protocol.tools import ToolError
from servers.elasticsearch.policy.expressions import growth, measured
from servers.elasticsearch.policy.index_settings import check_settings
from servers.elasticsearch.policy.query_bodies import check_analyzer, check_pipeline, refuse_scripts
from servers.elasticsearch.policy.request_costs import check_costs, check_depth
from servers.elasticsearch.policy.rest_policy import check_parameters, endpoint
from servers.elasticsearch.policy.statement_scope import esql
from servers.elasticsearch.tools.index_admin import flat

PHRASE = {"phrase": {"field": "t.trigram", "size": 1, "gram_size": 3, "direct_generator": [{"field": "t.trigram"}]}}


@pytest.mark.parametrize(
    "body",
    [
        {"query": {"terms": {"format": ["pdf", "epub"] * 2000}}},
        {"query": {"bool": {"must": {"match": {"missing": "a " * 600}}, "filter": {"term": {"separator": ","}}}}},
        {"query": {"bool": {"should": [{"term": {"a": n}} for n in range(1000)], "minimum_should_match": 1}}},
        {"query": {"multi_match": {"query": "quick brwn fox", "fields": ["title^3", "body"], "fuzziness": "AUTO"}}},
        {"query": {"query_string": {"query": "(new york city) OR (big apple~2)", "default_field": "content"}}},
        {"query": {"simple_query_string": {"query": '"fried eggs" +(eggplant | potato) -frittata'}}},
        {"query": {"intervals": {"t": {"all_of": {"intervals": [{"match": {"query": "my food"}}]}}}}},
        {"query": {"regexp": {"user.id": {"value": "k.*y", "flags": "ALL", "max_determinized_states": 10_000}}}},
        {"query": {"range": {"date": {"gte": "01/01/2012", "lte": "2013", "format": "dd/MM/yyyy||yyyy"}}}},
        {"query": {"more_like_this": {"fields": ["t"], "like": ["Once upon a time"], "max_query_terms": 12}}},
        {"query": {"function_score": {"query": {"match_all": {}}, "gauss": {"d": {"origin": "now", "scale": "10d"}}}}},
        {"query": {"nested": {"path": "n", "query": {"match": {"n.a": "x"}}, "inner_hits": {"name": "n"}}}},
        {"query": {"geo_distance": {"distance": "200km", "pin.location": {"lat": 40, "lon": -70}}}},
        {"query": {"percolate": {"field": "query", "document": {"format": "x" * 4000, "message": "a b"}}}},
        {"knn": {"field": "v", "query_vector": [0.1] * 1024, "k": 10, "num_candidates": 100}},
        {"highlight": {"fields": {f"f{n}": {"pre_tags": ['<em class="hit">'], "post_tags": ["</em>"]} for n in range(99)}}},
        {"highlight": {"pre_tags": [f'<em class="hlt{n}">' for n in range(10)], "fields": {"*": {}}}},
        {"docvalue_fields": [{"field": f"d{n}", "format": "yyyy-MM-dd'T'HH:mm:ss.SSSZ"} for n in range(100)]},
        {"sort": [{"p": {"order": "asc", "missing": "_last", "unmapped_type": "long"}}, {"d": {"format": "strict_date"}}]},
        {"aggs": {"d": {"date_histogram": {"field": "d", "fixed_interval": "1h", "format": "HH:mm", "missing": "2000"}}}},
        {"aggs": {"a": {"terms": {"field": "a", "size": 1000}, "aggs": {"b": {"avg": {"field": "n"}}}}}},
        {"aggs": {"a": {"terms": {"field": "a", "size": 10_000}, "aggs": {"p": {"percentiles": {"field": "n"}}}}}},
        {"aggs": {"c": {"composite": {"size": 1000, "sources": [{"a": {"terms": {"field": "a"}}}]}}}},
        {"aggs": {"m": {"multi_terms": {"terms": [{"field": "a", "missing": "none"}, {"field": "b"}]}}}},
        {"aggs": {"t": {"terms": {"field": "tags", "include": ".*sport.*", "exclude": "water_.*"}}}},
        {"aggs": {"s": {"significant_text": {"field": "c", "filter_duplicate_text": True}}}},
        {"aggs": {"r": {"range": {"field": "p", "ranges": [{"key": f"k{n}", "from": n} for n in range(100)]}}}},
        {"aggs": {"h": {"top_hits": {"sort": [{"d": {"order": "desc"}}], "_source": ["d"], "size": 1}}}},
        {"suggest": {"text": "noble prize", "s": PHRASE}},
        {"suggest": {"s": {"prefix": "nir", "completion": {"field": "suggest", "fuzzy": {"fuzziness": 2}}}}},
        {"suggest": {"my-1": {"text": "tring out", "term": {"field": "m"}}, "my-2": {"text": "kmichy", "term": {"field": "u"}}}},
        {"collapse": {"field": "user", "inner_hits": {"name": "last", "size": 5, "sort": [{"d": "desc"}]}}},
        {"rescore": {"window_size": 50, "query": {"rescore_query": {"match_phrase": {"m": {"query": "the quick"}}}}}},
        {"retriever": {"rrf": {"retrievers": [{"standard": {"query": {"term": {"a": "b"}}}}], "rank_constant": 60}}},
        # Fields and aggregations may well be called as a part of a request is.
        {"query": {"bool": {"filter": [{"term": {"script": "a"}}, {"exists": {"field": "script"}}]}}},
        {"query": {"bool": {"must": [{"match": {"template.id": "x"}}, {"range": {"script.version": {"gte": 1}}}]}}},
        {"query": {"match": {"script": {"query": "x", "fuzziness": "AUTO", "analyzer": "english"}}}},
        {"query": {"terms": {"templates": ["a", "b"]}}, "fields": ["script"], "docvalue_fields": ["script"]},
        {"aggs": {"script": {"terms": {"field": "script"}}, "template": {"avg": {"field": "t"}}}},
        {"aggs": {"settings": {"terms": {"field": "x"}}, "analyzer": {"max": {"field": "y"}},
         "wrapper": {"max": {"field": "z"}}}},
        {"highlight": {"fields": {"script": {}, "template": {}, "wrapper": {}}}, "collapse": {"field": "script"}},
        {"query": {"function_score": {"functions": [{"random_score": {"seed": 1}},
         {"filter": {"term": {"a": 1}}, "weight": 23}]}}},
        {"query": {"function_score": {"field_value_factor": {"field": "likes", "modifier": "sqrt", "missing": 1}}}},
        {"query": {"dis_max": {"queries": [{"term": {"t": "a"}}, {"match_bool_prefix": {"b": "quick f"}}], "tie_breaker": 0.7}}},
        {"query": {"boosting": {"positive": {"term": {"t": "a"}}, "negative": {"term": {"t": "b"}}, "negative_boost": 0.5}}},
        {"query": {"terms_set": {"langs": {"terms": ["c++", "java"], "minimum_should_match_field": "required"}}}},
        {"query": {"has_child": {"type": "child", "query": {"match_all": {}}, "inner_hits": {}}}},
        {"query": {"span_near": {"clauses": [{"span_term": {"f": "a"}}, {"span_term": {"f": "b"}}], "slop": 12}}},
        {"query": {"combined_fields": {"query": "database systems", "fields": ["title", "body"], "operator": "and"}}},
        {"query": {"geo_bounding_box": {"loc": {"top_left": {"lat": 40.73, "lon": -74.1}, "bottom_right": "40.01,-71.12"}}}},
        {"query": {"geo_shape": {"l": {"shape": {"type": "envelope", "coordinates": [[13, 53], [14, 52]]},
         "relation": "within"}}}},
        {"query": {"distance_feature": {"field": "date", "pivot": "7d", "origin": "now"}}},
        {"query": {"wildcard": {"path": {"value": "*/var/log/*", "case_insensitive": True}}}},
        {"query": {"query_string": {"query": 'status:active AND host:web* AND response:[400 TO 599] AND NOT msg:"a b"'}}},
        {"query": {"query_string": {"query": "message:/joh?n(ath[oa]n)/ AND _exists_:user", "default_field": "*"}}},
        {"query": {"ids": {"values": [str(n) for n in range(1000)]}}},
        {"query": {"sparse_vector": {"field": "ml.tokens", "inference_id": "my-elser", "query": "weather in Jamaica"}}},
        {"query": {"semantic": {"field": "inference_field", "query": "Best surfing places"}}},
        {"query": {"more_like_this": {"fields": ["t"], "like": [{"_index": "imdb", "_id": "1"}, "more"], "min_term_freq": 1}}},
        {"knn": {"field": "v", "k": 10, "query_vector_builder": {"text_embedding": {"model_id": "m", "model_text": "x"}}}},
        {"retriever": {"text_similarity_reranker": {"retriever": {"standard": {}}, "field": "t", "inference_text": "x"}}},
        {"suggest": {"p": {"prefix": "se", "completion": {"field": "s", "contexts": {"place": ["cafe", "bar"]}}}}},
        {"highlight": {"order": "score", "fields": {"c": {"fragment_size": 150, "type": "fvh", "matched_fields": ["c", "c.p"]}}}},
        {"sort": [{"price": {"mode": "avg", "nested": {"path": "offer", "filter": {"term": {"offer.color": "blue"}}}}}]},
        {"sort": [{"_geo_distance": {"pin": [-70, 40], "order": "asc", "unit": "km", "mode": "min"}}]},
        {"aggs": {"d": {"date_histogram": {"field": "d", "calendar_interval": "month"}, "aggs": {
            "s": {"sum": {"field": "p"}}, "c": {"cumulative_sum": {"buckets_path": "s"}},
         "x": {"derivative": {"buckets_path": "s"}},
            "n": {"normalize": {"buckets_path": "s", "method": "percent_of_sum"}}, "o": {"bucket_sort": {"size": 3}}}}}},
        {"aggs": {"d": {"terms": {"field": "d"}, "aggs": {"p": {"sum": {"field": "p"}}}},
         "m": {"max_bucket": {"buckets_path": "d>p"}}}},
        {"aggs": {"g": {"geohash_grid": {"field": "l", "precision": 5}, "aggs": {"c": {"geo_centroid": {"field": "l"}}}}}},
        {"aggs": {"p": {"percentiles": {"field": "l", "percents": [50, 99.9], "tdigest": {"compression": 200}}}}},
        {"aggs": {"r": {"percentile_ranks": {"field": "l", "values": [500, 600]}},
         "w": {"weighted_avg": {"value": {"field": "g"}}}}},
        {"aggs": {"t": {"top_metrics": {"metrics": [{"field": "m"}], "sort": {"s": "desc"}, "size": 3}}}},
        {"aggs": {"s": {"significant_terms": {"field": "crime", "background_filter": {"term": {"city": "x"}}}}}},
        {"aggs": {"c": {"composite": {"size": 1000, "after": {"day": "2024-01-01", "p": None}, "sources": [
            {"day": {"date_histogram": {"field": "ts", "calendar_interval": "1d", "format": "yyyy-MM-dd"}}},
            {"p": {"terms": {"field": "product", "missing_bucket": True}}}]}}}},
        {"aggs": {"a": {"adjacency_matrix": {"filters": {f"g{n}": {"terms": {"accounts": [str(n)]}} for n in range(30)}}}}},
        {"aggs": {"i": {"ip_range": {"field": "ip", "ranges": [{"mask": "10.0.0.0/25"}, {"to": "10.0.0.5"}]}}}},
        {"aggs": {"c": {"categorize_text": {"field": "message", "categorization_filters": [r"\w+_\d{3}"], "size": 100}}}},
        {"aggs": {"n": {"nested": {"path": "r"}, "aggs": {"back": {"reverse_nested": {},
         "aggs": {"t": {"terms": {"field": "a"}}}}}}}},
        {"aggs": {"x": {"diversified_sampler": {"shard_size": 200, "field": "a"},
         "aggs": {"k": {"rare_terms": {"field": "t"}}}}}},
        {"aggs": {"f": {"frequent_item_sets": {"minimum_set_size": 3, "fields": [{"field": "a"}, {"field": "b"}], "size": 3}}}},
        {"aggs": {"h": {"terms": {"field": "host", "size": 5000},
         "aggs": {"d": {"date_histogram": {"field": "t", "fixed_interval": "1h"}}}}}},
        {"aggs": {"b": {"boxplot": {"field": "load"}}, "s": {"string_stats": {"field": "m"}}, "r": {"rate": {"unit": "month"}}}},
    ],
)  # fmt: skip
def test_searches(body: Any) -> None:
    check_depth(body)
    check_costs(body)
    refuse_scripts(body)


@pytest.mark.parametrize(
    "path",
    [
        "/_cat/indices?s=store.size:desc&h=index,docs.count&format=json",
        "/_cat/thread_pool/search,write?v&h=node_name,active,queue,rejected", "/_cat/recovery?active_only=true&detailed",
        "/_cat/aliases/*?v", "/_cat/tasks?detailed", "/_cat/snapshots/r?v", "/_cat/allocation?bytes=gb",
        "/_cluster/health/logs-*?wait_for_status=yellow&timeout=5s", "/_cluster/settings?include_defaults=true&flat_settings",
        "/_cluster/state/metadata?filter_path=metadata.indices.*.state", "/_nodes/data:true/stats",
        "/_nodes/stats/jvm,os,fs?human", "/_nodes/hot_threads?threads=5", "/logs-1/_settings?flat_settings=true",
        "/logs-1/_mapping/field/user.*", "/logs-1/_alias", "/logs-*/_ilm/explain?only_errors=true",
        "/logs-1/_shard_stores?status=red", "/logs-1/_doc/1?_source=false", "/logs-1/_source/1",
        "/_snapshot/r/_all?verbose=false", "/_snapshot/r/s1/_status", "/_snapshot/_status", "/_slm/policy", "/_slm/stats",
        "/_ilm/policy/p", "/_ingest/pipeline/*", "/_index_template/logs-*", "/_data_stream/logs-*?expand_wildcards=all",
        "/_data_stream/logs-*/_stats", "/_data_stream/logs-*/_lifecycle", "/logs-1/_lifecycle/explain",
        "/_tasks?actions=*search&detailed", "/_tasks/node:1", "/_health_report/disk?verbose=false", "/_transform/t/_stats",
        "/_ml/anomaly_detectors/_stats", "/_enrich/_stats", "/_remote/info", "/_resolve/index/logs-*", "/_resolve/cluster/*:*",
        "/_license", "/_xpack/usage", "/_script_language", "/_migration/deprecations",
    ],
)  # fmt: skip
def test_requests(path: str) -> None:
    parts = urlsplit(path)
    assert endpoint("GET", parts.path)
    check_parameters(dict(parse_qsl(parts.query, keep_blank_values=True)))


@pytest.mark.parametrize(
    "query",
    [
        'FROM logs-* | WHERE message LIKE "*a|b*" | STATS c = COUNT(*) BY host | SORT c DESC | LIMIT 5',
        'FROM logs-1, logs-2 METADATA _index | EVAL x = CASE(a > 1, "FROM out", "http://x/y")',
        'FROM logs-* | STATS COUNT(*) BY BUCKET(@timestamp, 50, "2024", "2025") | WHERE `COUNT(*)` > 5',
        'FROM logs-* | GROK message "%{IP:ip} %{GREEDYDATA:m}" | WHERE CIDR_MATCH(ip, "10.0.0.0/8")',
        'FROM logs-* | WHERE MATCH(message, "x") OR KQL("a: b") | SORT @timestamp DESC NULLS LAST',
        "FROM logs-* | INLINE STATS most = MAX(a) BY b | WHERE a == most | MV_EXPAND t | DROP u | RENAME a AS x",
    ],
)
def test_statements_of_limited_servers(query: str) -> None:
    assert esql(query).indices.startswith("logs-")


def replaced(pattern: str, replacement: str = "") -> dict[str, Any]:
    return {"type": "pattern_replace", "pattern": pattern, "replacement": replacement}


MAPPING = {"type": "mapping", "mappings": [":) => _happy_", r"\u0660 => 0", "& => and", r"\u0020 =>", "ph => f"]}
EDGES = {"type": "edge_ngram", "min_gram": 1, "max_gram": 20}


@pytest.mark.parametrize(
    "analyzer",
    [
        {"char_filter": [MAPPING, MAPPING], "tokenizer": "standard"},
        {"char_filter": ["html_strip", MAPPING], "filter": ["lowercase", "asciifolding", EDGES]},
        {"char_filter": [replaced(r"(\d+)-(?=\d)", "$1_")] * 3, "filter": [EDGES]},
        {"char_filter": [replaced(r"(?<=\p{Lower})(?=\p{Upper})", " ")], "filter": ["lowercase"]},
        {"tokenizer": {"type": "edge_ngram", "min_gram": 2, "max_gram": 50, "token_chars": ["letter", "digit"]}},
        {"tokenizer": {"type": "ngram", "min_gram": 3, "max_gram": 3}, "filter": ["lowercase", "reverse", EDGES]},
        {"filter": [{"type": "edge_ngram", "max_gram": 100}]},
        {"filter": [{"type": "shingle", "min_shingle_size": 2, "max_shingle_size": 3}, EDGES]},
        {"filter": ["lowercase", {"type": "synonym_graph", "synonyms": ["laptop, notebook", "i-pod => ipod"]}]},
        {"filter": [{"type": "word_delimiter_graph", "preserve_original": True}, "flatten_graph", EDGES]},
        {"filter": [{"type": "multiplexer", "filters": ["lowercase", "lowercase, porter_stem"]}]},
        {"filter": [{"type": "pattern_capture", "patterns": [r"([^@]+)", r"(\p{L}+)", r"(\d+)", "@(.+)"]}]},
        {"filter": [{"type": "pattern_capture", "patterns": [r"(\p{Ll}+|\p{Lu}\p{Ll}+|\p{Lu}+)", r"(\d+)"]}]},
        {"filter": [replaced(r"(dog)", "watch$1"), replaced(r"[^a-z0-9\s]"), replaced(r"\s+", " "), EDGES]},
        {"tokenizer": {"type": "pattern", "pattern": r'"((?:\\"|[^"])++)"', "group": 1}},
        {"tokenizer": {"type": "pattern", "pattern": r"\W+|_", "flags": "CASE_INSENSITIVE", "lowercase": True}},
    ],
)
def test_analyzers(analyzer: Any) -> None:
    check_analyzer(analyzer, "The quick brown fox " * 10)
    named = {kind: {f"n{n}": part for n, part in enumerate(parts)} for kind, parts in analyzer.items() if isinstance(parts, list)}
    named["analyzer"] = {"a": {kind: list(parts) for kind, parts in named.items()}}
    check_settings(flat({"analysis": named, "max_ngram_diff": 30, "max_result_window": 100_000}))


def on(kind: str, field: str, **options: Any) -> dict[str, Any]:
    return {kind: {"field": field, **options}}


@pytest.mark.parametrize(
    "processors",
    [
        [on("join", f"list{n}", separator=", ") for n in range(20)],
        [p for n in range(20) for p in (on("rename", f"a{n}", target_field=f"b{n}"), on("set", f"c{n}", copy_from=f"b{n}"))],
        [on("gsub", f"f{n}", pattern=r"(\d{4})(\d{4})", replacement="$1 $2 ") for n in range(20)],
        [
            on("gsub", "m", pattern=r"\b(?:\d{4}[- ]?){3}\d{4}\b", replacement="[CREDIT CARD]"),
            on("gsub", "m", pattern=r"\(?(\d{3})\)?[-. ]?(\d{3})[-. ]?(\d{4})", replacement="$1-$2-$3"),
            on("gsub", "m", pattern=r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}", replacement="<EMAIL>"),
            on("gsub", "m", pattern=r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b", replacement="<IP>"),
        ],
        [on("redact", "message", patterns=["%{EMAILADDRESS:EMAIL}", "%{IP:IP_ADDRESS}", "%{SSN:SSN}"])],
        [
            on("grok", "message", patterns=["%{IPORHOST:source.ip} %{USER:user.id} (?<q>(a|b)+)"]),
            on("set", "event.original", copy_from="message"),
            on("date", "timestamp", formats=["dd/MMM/yyyy:HH:mm:ss Z"], target_field="@timestamp"),
            on("geoip", "source.ip", target_field="source.geo"),
            on("geoip", "source.ip", target_field="source.as", database_file="GeoLite2-ASN.mmdb"),
            on("user_agent", "user_agent.original", ignore_missing=True),
            on("remove", "message", on_failure=[on("append", "tags", value="_failed")]),
        ],
        [on("dissect", "message", pattern='%{a} - [%{b}] "%{c}" %{+a}', append_separator=" ")] * 5,
        [on("kv", "message", target_field="f", field_split=r"\s+(?=\w+=)", value_split="=", prefix="log.")],
        [on("csv", "row", target_fields=["a", "b"]), on("convert", "a", type="integer"), on("trim", "b")],
        [on("json", "message", target_field="json"), on("gsub", "json.a", pattern="[.]", replacement="__")],
        [on("foreach", "tags", processor=on("uppercase", "_ingest._value"))],
        [on("foreach", "users", processor=on("gsub", "_ingest._value.name", pattern="-", replacement=" - "))],
        [on("split", "my_field", separator=r"\s*[,;|]\s*"), on("sort", "my_field", order="desc")],
        [on("html_strip", "c"), on("lowercase", "c", target_field="c_lower"), on("bytes", "file.size")],
        [{"fingerprint": {"fields": ["a", "b"]}}, {"community_id": {}}, on("registered_domain", "fqdn", target_field="url")],
    ],
)  # fmt: skip
def test_pipelines(processors: list[Any]) -> None:
    check_pipeline({"description": "sets _id", "processors": processors}, stored=True)
    check_pipeline({"processors": processors}, docs=[{"_source": {"message": "a b c " * 50}}])


@pytest.mark.parametrize(
    "expression",
    [
        r"\d+\.\d+\.\d+", r"(\d{1,3}\.){3}", r"([0-9A-Fa-f]{2}[:-]){5}([0-9A-Fa-f]{2})", r"^\s+|\s+$", r"\s*,\s*",
        r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", r"\b[\w.%+-]+@[\w.-]+\.[a-zA-Z]{2,6}\b", r"<[^>]*>", r"/\*.*?\*/",
        r"https?://([^/:]+)(:\d+)?(/[^?#]*)?(\?[^#]*)?", r"(?i)(password|token|secret)\s*[=:]\s*\S+", r"(?<!\\),",
        r"(\d)(?=(\d{3})+$)", r"\[(\d{2}/\w{3}/\d{4}):(\d{2}:\d{2}:\d{2}) ([+-]\d{4})\]", r"(\w+)\s+(\w+)", r"(.)\1+",
        r"(\d{4})-(\d{2})-(\d{2})[T ](\d{2}):(\d{2}):(\d{2})(\.\d+)?(Z|[+-]\d{2}:?\d{2})?", r"^(\w+)\s*:\s*(.*)$",
        r"&(amp|lt|gt|quot|#\d+);", r"[^\x20-\x7e]+", r"^(?:[^/]*/){2}", r"(?<key>\w+)=(?<value>[^&\s]*)", r"\r\n|\r|\n",
        r"\b(?:\d[ -]?){13,16}\b", r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}\b", r"\b\d{3}-\d{2}-\d{4}\b", r"^0+(?=\d)",
        r'"[^"\\]*+(?:\\.[^"\\]*+)*+"', r"(-\d+)?\.log$", r"\.(?=[^.]+$)", r"^[^@\s]+@[^@\s]+\.[^@\s]+$", r"\s+(?=\w+=)",
    ],
)  # fmt: skip
def test_expressions(expression: str) -> None:
    power, ways = measured(expression)
    assert power <= 1 and ways <= 100
    assert growth(expression, "<$0>") <= 3


@pytest.mark.parametrize(
    "expression",
    [
        r"^(.*?)\s+(.*?)\s+(.*)$", r"(\w+-)*\w+", r"^(a+)+$", r'"(\\"|[^"])+"', r',(?=(?:[^"]*"[^"]*")*[^"]*$)',
        r"\b(?:\d[ -]*?){13,16}\b",
    ],
)  # fmt: skip
def test_expressions_that_keep_a_node_busy_or_use_up_its_stack(expression: str) -> None:
    with pytest.raises(ToolError, match=r"busy for ever|stack"):
        measured(expression)
