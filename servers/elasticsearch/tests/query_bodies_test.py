"""Which queries are refused."""

from typing import Any

import pytest

from servers.common.protocol.tools import ToolError
from servers.elasticsearch.policy import query_bodies as bodies


@pytest.mark.parametrize(
    "query",
    [
        {"match": {"script": "a field of this name"}}, {"term": {"script": {"value": "x"}}},
        {"terms": {"script": ["a", "b"]}}, {"match": {"script_score": "x"}}, {"exists": {"field": "script"}},
        {"bool": {"must": [{"wildcard": {"script": {"value": "a*"}}}]}},
        {"aggs": {"script": {"terms": {"field": "a"}}}}, {"aggs": {"script": {"terms": {"field": "a"}, "aggs": {}}}},
        {"range": {"script": {"gte": 1}}}, {"aggs": [{"script": {"terms": {"field": "a"}}}]},
        {"terms": {"templates": ["a"]}}, {"range": {"template": "a"}},
        {"term": {"script": {"value": "a", "boost": 1}}}, {"match": {"template": "a"}},
        {"sort": {"template": {"order": "asc"}}}, {"wrapper": "a field of this name"},
        {"properties": {"analyzer": {"type": "keyword", "fields_path": "a"}}}, {"match": {"wrapper": {"query": "a", "slop": 1}}},
        {"runtime_mappings": {"script": {"type": "long"}}}, {"suggest": {"script": {"text": "a", "term": {"field": "b"}}}},
        {"sort": ["script", {"script": "asc", "template": "desc", "wrapper": "asc"}]},
        {"sort": [{"script": {"order": "desc", "missing": "_last", "nested": {"path": "a", "filter": {"term": {"b": "c"}}}}}]},
        {"terms": {"field": "a", "order": [{"script": "desc"}, {"template": "asc"}]}},
        {"intervals": {"script": {"match": {"query": "a"}}}}, {"intervals": {"template": {"any_of": {"intervals": []}}}},
        {"intervals": {"wrapper": {"prefix": {"prefix": "a"}}}}, {"span_term": {"script": "a"}},
        {"span_term": {"template": "a"}}, {"span_term": {"wrapper": "a"}}, {"span_term": {"script": {"value": "a", "boost": 2}}},
        {"terms": {"script": ["a"], "boost": 2}}, {"terms": {"template": ["a"], "_name": "b"}},
        *({"composite": {"sources": [{name: {"terms": {"field": name}}}]}} for name in ("script", "template", "wrapper")),
        *({"filters": {"filters": {name: {"term": {name: "a"}}}}} for name in ("script", "template", "wrapper", "a_script")),
        {"adjacency_matrix": {"filters": {"script": {"bool": {"filter": [{"exists": {"field": "script"}}]}}}}},
        {"analysis": {"filter": {"f": {"pattern": "as settings, other checks read it (x|y)*"}}}},
    ],
)  # fmt: skip
def test_names_that_a_user_may_give(query: Any) -> None:
    bodies.refuse_scripts(query)


NEAR_NAMES: list[Any] = [
    {"sort": {"_script": {"order": "asc"}}},
    {"sort": [[{"_script": {"type": "number", "script": "1"}}]]},
    {"sort": [{"script": {"order": "asc", "source": "1"}}]},
    {"sort": [{"script": {"nested": {"path": "a", "filter": {"script": {"script": "1"}}}}}]},
    {"sort": {"script": "1"}},
    {"order": {"script": "1"}},
    {"intervals": {"a": {"match": {"query": "b", "filter": {"script": {"source": "1"}}}}}},
    {"intervals": {"script": {"match": {"query": "b", "filter": {"script": {"source": "1"}}}}}},
    {"intervals": {"script": {"future": {}}}},
    {"intervals": {"script_fields": {"match": {"script": "1"}}}},
    {"filters": {"script_fields": {"match": {"script": "1"}}}},
    {"filters": {"filters": {"script": {"terms": {"script": {"source": "1"}}}}}},
    {"composite": {"sources": [{"a": {"terms": {"script": "1"}}}]}},
    {"composite": {"sources": [{"script": {"terms": {"script": {"source": "1"}}}}]}},
    {"span_term": {"script": "a", "other": "b"}},
    {"span_term": {"script": {"source": "1"}}},
    {"terms": {"script": {"source": "1"}, "boost": 1}},
    {"terms": {"script": "1", "boost": 1}},
    {"multi_terms": {"terms": [{"script": "1"}]}},
    {"weighted_avg": {"value": {"script": "1"}}},
]
"""Scripts, and what may be one some day, where names of fields and filters are."""


def real(name: str) -> list[Any]:
    """Return scripts, one level below a name that a user chose."""
    return [
        {"filters": {"filters": {name: {"script": {"script": "true"}}}}},
        {"filters": {"filters": {name: {"script": {"script": {"source": "true"}, "_name": "a"}}}}},
        {"filters": {"filters": [[{name: {"script": {"script": {"id": "a"}, "boost": 1}}}]]}},
        {"filters": {"filters": {name: {"script_score": {"query": {"match_all": {}}, "script": "1"}}}}},
        {"aggs": {name: {"bucket_script": {"buckets_path": {}, "script": "1"}}}},
        {"aggs": {name: {"scripted_metric": {"map_script": "1"}}}},
        {"aggs": {"a": {name: {"script": {"source": "1"}}}}},
        {"runtime_mappings": {name: {"type": "long", "script": "emit(1)"}}},
        {"script_fields": {name: {"script": "1"}}},
        {name: {"script": {"script": "1"}}},
    ]


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        *(
            (part, "scripts are not allowed")
            for part in (
                {"script": {"script": "true"}},
                {"script": {"script": {"id": "stored"}}},
                {"bool": {"filter": [{"script": {"script": {"source": "true", "lang": "painless"}}}]}},
                {"function_score": {"functions": [{"script_score": {"script": "1"}}]}},
                {"terms_set": {"a": {"terms": ["x"], "minimum_should_match_script": {"source": "1"}}}},
                {"a": {"bucket_script": {"buckets_path": {}, "script": "1"}}},
                {"a": {"scripted_metric": {"map_script": "1"}}},
                {"a": {"avg": {"script": "doc['x'].value"}}},
                [{"_script": {"type": "number", "script": "1"}}],
                {"match": {"scripted_metric": {"init_script": "state.n = 0"}}},
                {"term": {"bucket_script": {"buckets_path": {}, "script": "1"}}},
                {"runtime_mappings": {"match": {"type": "long", "script": "emit(1)"}}},
            )
        ),
        ({"filters": {"filters": {"match": {"wrapper": {"query": "eyJtYXRjaF9hbGwiOnt9fQ=="}}}}}, "'wrapper' hides"),
        ({"aggs": {"script": {"source": "1"}}}, "scripts are not allowed"),
        ({"range": {"script": 5}}, "scripts are not allowed"),
        ({"range": {"script": ["a"]}}, "scripts are not allowed"),
        ({"match": {"script": "a", "other": "b"}}, "scripts are not allowed"),
        ({"match": {"script": ["a"]}}, "scripts are not allowed"),
        ([{"a": [{"script": {}}]}], "'script': scripts are not allowed"),
        # What is real stays refused, whatever is called as the members are whose keys are names.
        *(
            (part, "scripts are not allowed")
            for name in ("aggs", "filters", "intervals", "order", "sort", "sources", "span_term", "terms", "match")
            for part in real(name)
        ),
        *((part, "scripts are not allowed") for part in NEAR_NAMES),
        *(
            ({"filters": {"filters": {name: {"script": {"future": {"code": "1"}}}}}}, "scripts are not allowed")
            for name in ("filters", "intervals", "order", "sort", "sources", "span_term", "terms", "match")
        ),
        *(
            ({"filters": {"filters": {name: {"wrapper": {"query": "eyJ9"}}}}}, "'wrapper' hides")
            for name in ("filters", "intervals", "sort", "sources", "span_term", "wrapper")
        ),
        ({"sort": {"template": "{}"}}, "templates are not run"),
        ({"filters": {"template": {"source": "{}"}}}, "templates are not run"),
        ({"span_term": {"template": "a", "b": 1}}, "templates are not run"),
        ({"terms": {"template": "a", "b": ["c"]}}, "templates are not run"),
        ({"wrapper": {"query": "x"}}, "'wrapper' hides a query"),
        ({"template": "x"}, "'template': templates are not run"),
        ({"templates": [1]}, "templates are not run"),
        ({"match": {"template": "a", "b": 1}}, "templates are not run"),
        ({"collate": {"query": {}}}, "'collate': templates are not run"),
        ({"template_id": {"id": "x"}}, "templates are not run"),
        ({"settings": {"a": [{"stopwords_path": "x"}]}}, "'stopwords_path' would read a file"),
        ({"analysis": {"user_dictionary": "x"}}, "would read a file"),
        ({"tokenizer": {"analysis.Rule_Files": "x"}}, "would read a file"),
        (
            {"aggs": {"a": {"percentiles": {"field": "n", "hdr": {"number_of_significant_value_digits": 5}}}}},
            "'hdr' takes",
        ),
        ({"a": {"terms": {"field": "k"}, "aggs": {"b": {"percentile_ranks": {"hdr": {}}}}}}, "'hdr' takes"),
    ],
)
def test_what_is_refused_says_why(part: Any, reason: str) -> None:
    with pytest.raises(ToolError, match=reason):
        bodies.refuse_scripts(part)


SET: dict[str, Any] = {"field": "a", "value": "b"}


def gsub(pattern: str, replacement: str = "") -> dict[str, Any]:
    return {"gsub": {"field": "a", "pattern": pattern, "replacement": replacement}}


def each(field: str, processor: dict[str, Any]) -> dict[str, Any]:
    return {"foreach": {"field": field, "processor": processor}}


def on(field: str, processor: dict[str, Any]) -> dict[str, Any]:
    """Return a processor for another field."""
    ((kind, options),) = processor.items()
    return {kind: options | {"field": field}}


def inner(processor: dict[str, Any]) -> dict[str, Any]:
    return on("_ingest._value", processor)


def other(processor: dict[str, Any]) -> dict[str, Any]:
    return on("c", processor)


MOVED = {"rename": {"field": "a", "target_field": "c.d"}}
COPY = {"set": {"field": "a.b", "copy_from": "a"}}


@pytest.mark.parametrize(
    ("pipeline", "refused", "refused_where_stored"),
    [
        ({"processors": [{"set": SET}, {"drop": {}}], "description": "x", "version": 1}, "", ""),
        ({"_meta": {}, "deprecated": True}, "", ""),
        ({}, "", ""),
        ([], "a pipeline is an object", "a pipeline is an object"),
        ({"surprise": 1}, "'surprise' is not a known part of a pipeline", "is not a known part"),
        ({"processors": ["set"]}, "a processor is an object with one key", "one key"),
        ({"processors": [{"script": {}}]}, "processor 'script' is refused: allowed are append, bytes", "is refused"),
        ({"processors": [{"pipeline": {"name": "x"}}]}, "'pipeline' is refused", "is refused"),
        ({"processors": [{"set": "x"}]}, "processor 'set' is refused", "is refused"),
        ({"on_failure": [{"enrich": {}}]}, "'enrich' is refused", "is refused"),
        ({"processors": [{"set": SET | {"if": "true"}}]}, "'if' is a script", "is a script"),
        ({"processors": [{"user_agent": {"regex_file": "x"}}]}, "'regex_file' would read a file", "read a file"),
        ({"processors": [{"set": SET | {"on_failure": [{"x": {}}]}}]}, "'x' is refused", "is refused"),
        ({"processors": [{"foreach": {"field": "a", "processor": {"x": {}}}}]}, "'x' is refused", "is refused"),
        ({"processors": [{"set": SET | {"value": {"a": "{{b}}"}}}]}, "'value' holds a template", "holds a template"),
        ({"processors": [{"set": {"field": "_index", "value": "x"}}]}, "may not change _index", "names _index"),
        ({"processors": [{"json": {"field": "a", "target_field": "_id"}}]}, "may not change _id", "names _index, _id"),
        ({"processors": [{"json": {"field": "a"}}]}, "", "json needs a target_field"),
        ({"processors": [{"kv": {"field": "a"}}]}, "", "kv needs a target_field"),
        ({"processors": [{"json": {"field": "a", "target_field": "b", "add_to_root": True}}]}, "", "needs a target_field"),
        ({"processors": [{"rename": {"field": "a", "target_field": "_source._routing"}}]}, "", "names _index, _id or _routing"),
        ({"processors": [{"foreach": {"field": "a", "processor": {"json": {"field": "a"}}}}]}, "", "needs a target_field"),
        ({"processors": [{"dissect": {"field": "a", "pattern": "%{*k} %{&k}"}}]}, "", "names _index"),
        ({"processors": [{"dissect": {"field": "a", "pattern": "%{_id}"}}]}, "", "names _index"),
        ({"processors": [{"grok": {"field": "a", "patterns": ["(?<_routing>x)"]}}]}, "", "names _index"),
        ({"processors": [{"csv": {"field": "a", "target_fields": ["_index"]}}]}, "", "names _index"),
        ({"processors": [{"gsub": {"field": "a", "pattern": "(a|b)+c", "replacement": ""}}]}, "repeats a group", "repeats"),
        ({"processors": [{"grok": {"field": "a", "patterns": ["(a|b)+c", "a*b*c*d*"]}}]}, "", ""),
        ({"processors": [gsub("x*x*y"), gsub("x+x{2,}")]}, "", ""),
        ({"processors": [gsub("x*x*x*y")]}, "tries up to 3 of", "tries up to 3"),
        ({"processors": [{"split": {"field": "a", "separator": "x+x*?x{2,}y"}}]}, "tries up to 3 of", "tries up to 3"),
        ({"processors": [{"set": SET | {"on_failure": [gsub("x*x*x*y")]}}]}, "tries up to 3 of", "tries up to 3"),
        ({"processors": [{"foreach": {"field": "a", "processor": gsub("x*x*x*y")}}]}, "tries up to 3 of", "tries up to 3"),
        ({"processors": [gsub("a", "b" * 100)]}, "", ""),
        ({"processors": [gsub("a", "b" * 101)]}, "101 times as long", "101 times"),
        ({"processors": [gsub("a", "b" * 10), each("a", inner(gsub("a", "b" * 11)))]}, "110 times", "110"),
        ({"processors": [each("a", gsub("a", "bb"))]}, "work on 'a' for each value", "for each value"),
        ({"processors": [each("a", {"set": {"field": "b", "copy_from": "c"}})]}, "work on 'c' for each", "for each"),
        ({"processors": [each("a", on("_ingest._values", gsub("a", "bb")))]}, "for each value", "for each value"),
        ({"processors": [each("a", inner({"circle": {"error_distance": 1}}))]}, "1000 times", "1000 times"),
        ({"processors": [each("a", {"append": {"field": "b", "value": "x" * 99}})]}, "102 times", "102 times"),
        ({"processors": [gsub("a", "b" * 10), other(gsub("a", "b" * 11))]}, "", ""),
        ({"processors": [gsub("a", "b" * 10), MOVED, other(gsub("a", "b" * 11))]}, "110 times", "110"),
        ({"processors": [{"grok": {"field": "a", "patterns": ["x"]}}, other(gsub("a", "b" * 101))]}, "101 times", "101"),
        ({"processors": [gsub("a", "b" * 10), on("_source.a", gsub("a", "b" * 11))]}, "110 times", "names _index"),
        ({"processors": [on("a.0", gsub("a", "b" * 10)), on("a.+00.b", gsub("a", "b" * 11))]}, "110 times", "110"),
        ({"processors": [{"json": {"field": "a", "target_field": "a"}}, on("a.b", gsub("a", "b" * 101))]}, "101", "101"),
        ({"processors": [on("a.b", gsub("a", "b" * 10)), gsub("a", "b" * 11)]}, "110 times", "110"),
        ({"processors": [{"trim": {"field": "a"}}] * 200}, "", ""),
        ({"processors": [{"csv": {"field": "a", "target_fields": ["b"], "empty_value": "x" * 99}}]}, "101 times", "101"),
        ({"processors": [{"dissect": {"field": "a", "pattern": "%{b}", "append_separator": "x" * 99}}]}, "101", "101"),
        ({"processors": [{"kv": {"field": "a", "target_field": "b", "prefix": "p" * 99}}]}, "101 times", "101"),
        ({"processors": [{"set": SET | {"description": "as _id", "tag": "{{"}}]}, "", ""),
        ({"on_failure": [other(gsub("a", "b" * 11))], "processors": [gsub("a", "b" * 10), MOVED]}, "110 times", "110"),
        ({"processors": [{"redact": {"field": "a", "patterns": ["%{IP:ip}", "(?<C>a*b*c*d*e)"]}}] * 3}, "", ""),
        ({"processors": [{"redact": {"field": "a", "patterns": ["%{IP:ip}"], "prefix": "*" * 9}}] * 2}, "144 times", "144"),
        ({"processors": [{"join": {"field": "a", "separator": "," * 100}}]}, "101 times", "101 times"),
        ({"processors": [COPY] * 6}, "", ""),
        ({"processors": [COPY] * 7}, "128 times", "128 times"),
        ({"processors": [each("a", each("a", {"set": SET}))]}, "a foreach inside another", "inside another"),
    ],
)  # fmt: skip
def test_pipelines(pipeline: Any, refused: str, refused_where_stored: str) -> None:
    for stored, reason in ((False, refused), (True, refused_where_stored)):
        if not reason:
            bodies.check_pipeline(pipeline, stored=stored)
            bodies.check_pipeline(pipeline)
            continue
        with pytest.raises(ToolError, match=reason):
            bodies.check_pipeline(pipeline, stored=stored)


def test_expressions_take_the_square_or_the_cube_of_what_they_are_for() -> None:
    for pattern, most in (
        ("x", 1_000_000),
        ("x++y", 10_000),
        ("x*y", 10_000),
        ("x*x*y", 464),
        ("x?" * 9 + "x", 195_312),
    ):
        for docs in ([{"a": "x" * most}], [{"a": ["x" * (most // 2), "x" * (most - most // 2)]}]):
            bodies.check_pipeline({"processors": [gsub(pattern)]}, docs=docs)
        if most != 1_000_000:
            for wrong in ([{"a": "x" * (most + 1)}], [{"a": "x" * most}, {"a": "x" * 200}]):
                with pytest.raises(ToolError, match="give shorter texts"):
                    bodies.check_pipeline({"processors": [gsub(pattern)]}, docs=wrong)
    with pytest.raises(ToolError, match="give shorter texts"):
        bodies.check_pipeline({"processors": [gsub("a", "xx"), gsub("x*y")]}, docs=[{"a": "a" * 5001}])


def test_what_a_pipeline_makes_of_documents_fits_into_a_heap() -> None:
    long: dict[str, Any] = {"processors": [{"set": {"field": "z", "value": "x" * 20_000}}]}
    bodies.check_pipeline(long, docs=[{"_source": {}}] * 3000)
    bodies.check_pipeline({"processors": [gsub("a", "b" * 60)]}, docs=[{"a": "a" * 1_000_000}])
    for pipeline, docs in (
        (long, [{"_source": {}}] * 3400),
        ({"processors": [gsub("a", "b" * 70)]}, [{"a": "a" * 1_000_000}]),
        ({"processors": [{"set": SET}] * 70}, [{"a": "a" * 1_000_000}]),
    ):
        with pytest.raises(ToolError, match=r"could need \d+ MiB in the pipeline"):
            bodies.check_pipeline(pipeline, docs=docs)


@pytest.mark.parametrize(
    ("analyzer", "reason"),
    [
        ({"tokenizer": {"type": "pattern", "pattern": "a*a*b"}, "filter": ["lowercase"]}, ""),
        ({"filter": [{"type": "pattern_capture", "patterns": ["a", "a*a*a*b"]}]}, "tries up to 3 of"),
        ({"filter": [{"type": "keyword_marker", "keywords_pattern": "a*a*a*b"}]}, "tries up to 3 of"),
        ({"filter": [{"type": "edge_ngram", "min_gram": 1, "max_gram": 100}]}, ""),
        ({"filter": [{"type": "edgeNGram", "max_gram": 101}]}, "max_gram is at most 100"),
        ({"tokenizer": {"type": "ngram", "min_gram": 51, "max_gram": "51"}}, "max_gram is at most 50"),
        ({"filter": [{"type": "shingle", "max_shingle_size": 10}]}, ""),
        ({"filter": [{"type": "shingle", "max_shingle_size": 11}]}, "max_shingle_size is at most 10"),
        ({"filter": ["ngram"] * 6}, ""),
        ({"filter": ["ngram"] * 7}, "128 times"),
        ({"filter": [{"type": "multiplexer", "filters": ["lowercase", "ngram, " * 7]}]}, "128 times"),
        ({"filter": [{"type": "ngram", "min_gram": 5, "max_gram": 14}] * 2}, ""),
        ({"filter": [{"type": "ngram", "min_gram": 5, "max_gram": 15}] * 2}, "121 times"),
        ({"filter": [{"type": "edge_ngram", "min_gram": 1, "max_gram": 20}] * 2}, "110 times"),
        ({"char_filter": [{"type": "mapping", "mappings": ["a => " + "b" * 100]}]}, ""),
        ({"char_filter": [{"type": "mapping", "mappings": ["a => " + "b" * 101]}]}, "101 times"),
        ({"char_filter": [{"type": "mapping", "mappings": [r"\u0061\=> => " + "b" * 303]}]}, "101 times"),
        ({"char_filter": {"type": "pattern_replace", "flags": "CASE_INSENSITIVE|COMMENTS", "pattern": "a *"}}, "flag x"),
        ({"char_filter": {"type": "pattern_replace", "flags": "MULTILINE", "pattern": "^x*x*x*y"}}, "tries up to 3 of"),
        ({"char_filter": [{"type": "pattern_replace", "flags": "LITERAL", "pattern": "a{99}", "replacement": "b"}]}, "flag x"),
        ({"char_filter": {"type": "pattern_replace", "pattern": "^x*x*x*y"}}, ""),
        ({"tokenizer": {"type": "icu_tokenizer", "rule_files": "x"}}, "would read a file"),
    ],
)  # fmt: skip
def test_analyzers(analyzer: Any, reason: str) -> None:
    for part, check in (
        (analyzer, bodies.check_analyzer),
        ({"categorization_analyzer": analyzer}, bodies.refuse_scripts),
    ):
        if reason:
            with pytest.raises(ToolError, match=reason):
                check(part)
        else:
            check(part)


def test_the_fields_that_a_query_names() -> None:
    query = {
        "bool": {
            "must": [{"match": {"a": "x"}}, {"range": {"b": {"gte": 1}}}, {"terms": {"c": ["x"], "boost": 2}}],
            "filter": {"exists": {"field": "d"}},
            "should": {"nested": {"path": "n", "query": {"range": {"n.c": {"gte": 1}}}}},
            "must_not": [{"term": {"e*": 1}}, {"term": {"_id": 1}}, {"exists": "x"}, {"term": "x"}, {"exists": {}}],
        }
    }
    assert bodies.fields_of(query) == {"a", "b", "c", "d", "n.c", "e*"}
    several = {"multi_match": {"query": "x", "fields": ["h^2", "i*"]}, "query_string": {"fields": "x"}}
    more = [{"prefix": {"f": "x", "_name": "n"}}, {"exists": {"field": "g*"}}, several]
    assert bodies.fields_of([query, more]) == {"a", "b", "c", "d", "n.c", "e*", "f", "h"}
    assert bodies.fields_of("match") == set()


def test_the_fields_that_aggregations_name() -> None:
    aggs = {"a": {"terms": {"field": "x"}, "aggs": {"b": {"avg": {"field": "y"}}, "c": [{"sum": {"field": "z"}}]}}}
    assert bodies.aggregated(aggs) == {"x", "y", "z"}
    more = {"a": {"terms": {"field": "w*"}}, "b": {"max": {"field": "_id"}}, "field": {"field": "v"}}
    assert bodies.aggregated([aggs, more]) == {"x", "y", "z", "v"}
    assert bodies.aggregated({"field": 1}) == set() == bodies.aggregated("field")


def test_what_is_outside_of_nested_queries() -> None:
    nested = {"nested": {"path": "a", "query": {"match": {"a.b": 1}}}}
    assert bodies.outside_nested([nested, {"match": {"c": 1}}]) == [{}, {"match": {"c": 1}}]
    assert bodies.outside_nested({"bool": {"must": [nested], "filter": 1}}) == {"bool": {"must": [{}], "filter": 1}}
    for other in ({"nested": {"query": 1}}, {"nested": "path"}):
        assert bodies.outside_nested(other) == other


def match(field: str, value: Any) -> dict[str, Any]:
    return {"match": {field: {"query": value, "operator": "and"}}}


def inside(path: str, said: Any) -> dict[str, Any]:
    nested = {"nested": {"path": path, "ignore_unmapped": True, "query": said}}
    return {"bool": {"should": [nested, said], "minimum_should_match": 1}}


WORDS = {"simple_query_string": {"query": "fox", "default_operator": "and", "lenient": True}}
TERM = {"term": {"a": 1}}
EXISTS = {"exists": {"field": "a"}}
IGNORED = {"term": {"_ignored": "a"}}


@pytest.mark.parametrize(
    ("text", "where", "query", "nested", "wanted"),
    [
        (None, None, None, {}, None),
        (None, {}, TERM, {}, TERM),
        ("fox", None, None, {}, {"must": [WORDS]}),
        ("fox", {}, TERM, {}, {"must": [TERM, WORDS]}),
        ("", None, None, {}, {"must": [{"simple_query_string": WORDS["simple_query_string"] | {"query": ""}}]}),
        (None, {"a": 1, "b": "x"}, None, {}, {"filter": [match("a", 1), match("b", "x")]}),
        (None, {"a": 1}, TERM, {}, {"must": [TERM], "filter": [match("a", 1)]}),
        (None, {"a": {"gte": 1, "lt": 2}}, None, {}, {"filter": [{"range": {"a": {"gte": 1, "lt": 2}}}]}),
        (
            None, {"a": [1, 2]}, None, {},
            {"filter": [{"bool": {"should": [match("a", 1), match("a", 2)], "minimum_should_match": 1}}]},
        ),
        (
            None, {"a": None, "b": None}, None, {},
            {"must_not": [EXISTS, IGNORED, {"exists": {"field": "b"}}, {"term": {"_ignored": "b"}}]},
        ),
        (None, {"a": None}, None, {"a": "p"}, {"must_not": [inside("p", EXISTS), IGNORED]}),
        (
            None, {"p.a": 1, "p.b": 2, "q.c": 3, "d": 4}, None, {"p.a": "p", "p.b": "p", "q.c": "q"},
            {"filter": [
                match("d", 4), inside("p", {"bool": {"filter": [match("p.a", 1), match("p.b", 2)]}}),
                inside("q", match("q.c", 3)),
            ]},
        ),
        (None, {"p.a": 1}, None, {"p.a": "p"}, {"filter": [inside("p", match("p.a", 1))]}),
    ],
)  # fmt: skip
def test_a_query_of_simple_words(text: str | None, where: Any, query: Any, nested: dict[str, str], wanted: Any) -> None:
    found = bodies.combined(text, where, query, nested)
    assert found == (wanted if wanted in (None, TERM) else {"bool": wanted})


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({}, "where 'a': bounds are"),
        ({"gte": 1, "boost": 2}, "where 'a': bounds are"),
        ([], "where 'a': a list takes plain values"),
        ([1, None], "a list takes plain values"),
        ([{"gte": 1}], "a list takes plain values"),
        ([1, [2]], "a list takes plain values"),
        ([1] * (bodies.MOST_VALUES + 1), "where takes at most 5000 values"),
    ],
)
def test_values_that_are_refused(value: Any, reason: str) -> None:
    with pytest.raises(ToolError, match=reason):
        bodies.combined(None, {"a": value}, None)
    bodies.combined(None, {"a": [1] * (bodies.MOST_VALUES - 1), "b": [2], "c": "text"}, None)


def test_a_text_is_bounded_as_a_query_is() -> None:
    bodies.combined("a" * 20_000, None, None)
    with pytest.raises(ToolError, match="more than 20000"):
        bodies.combined("a" * 20_001, None, None)


def test_how_deep_a_value_is_does_not_matter() -> None:
    deep: Any = {"field": "x"}
    for _ in range(5000):
        deep = [{"a": deep}]
    assert bodies.aggregated(deep) == {"x"}
