"""What requests may make Elasticsearch try and hold."""

from typing import Any

import pytest

from servers.common.protocol.tools import ToolError
from servers.elasticsearch.policy.request_costs import check_costs, check_depth


def phrase(**more: Any) -> dict[str, Any]:
    return {"suggest": {"text": "a b", "s": {"phrase": {"field": "t", **more}}}}


def sizes(*sizes: Any) -> list[dict[str, Any]]:
    return [{"field": "t", "size": size} for size in sizes]


def term(**more: int) -> dict[str, Any]:
    return {"suggest": {"s": {"text": "a", "term": {"field": "t", **more}}}}


def several(count: int) -> dict[str, Any]:
    return {"suggest": {"text": "a", **{f"s{n}": {"term": {"field": "t"}} for n in range(count)}}}


def completed(states: int) -> dict[str, Any]:
    regex = {"max_determinized_states": states}
    return {"suggest": {"s": {"regex": "a", "completion": {"field": "c", "regex": regex}}}}


@pytest.mark.parametrize(
    ("allowed", "refused", "reason"),
    [
        (phrase(max_errors=2), phrase(max_errors=2.1), "'max_errors' of suggest is 1 to 2, or a share up to 0.2"),
        (phrase(max_errors=0.2), phrase(max_errors="0.9"), "'max_errors'"),
        (phrase(token_limit=10), phrase(token_limit=11), "'token_limit' of suggest is at most 10"),
        (phrase(gram_size=5), phrase(gram_size=6), "'gram_size'"),
        (phrase(size=100), phrase(size="101"), "'size'"),
        (phrase(size=100), phrase(size=-1), "'size'"),
        (phrase(direct_generator=sizes(10, 10)), phrase(direct_generator=sizes(10, "11")), "20 candidates .*: these have 21"),
        (phrase(direct_generator=[{"field": "t"}] * 4), phrase(direct_generator=[{"field": "t"}] * 5), "these have 25"),
        (term(max_inspections=10, shard_size=100), term(max_inspections=11), "'max_inspections'"),
        (several(10), several(11), "at most 10 suggesters"),
        (completed(10_000), completed(10_001), "'max_determinized_states'"),
        ({"match": {"suggest": "x"}}, phrase(max_errors=12), "'max_errors'"),
    ],
)  # fmt: skip
def test_suggestions(allowed: Any, refused: Any, reason: str) -> None:
    check_costs(None, allowed)
    with pytest.raises(ToolError, match=reason):
        check_costs(allowed, refused)


def terms(size: int, **more: Any) -> dict[str, Any]:
    return {"terms": {"field": "k", "size": size}, **more}


def under(size: int, name: str = "b", **agg: Any) -> dict[str, Any]:
    """Return an aggregation inside of another."""
    return {"aggs": {"a": terms(size, aggs={name: agg})}}


def many(kind: str, meta: int, **asked: Any) -> dict[str, Any]:
    """Return an aggregation whose buckets all have a result with so long a meta."""
    return {"aggs": {"a": {kind: asked, "aggs": {"b": {"max": MAX, "meta": {"x": "m" * meta}}}}}}


MAX = {"field": "n"}
NAMED: dict[str, Any] = {"n" * 1000: {"match_all": {}}}


@pytest.mark.parametrize(
    ("allowed", "refused"),
    [
        (under(10_000, max=MAX, meta={"x": "m" * 6400}), under(10_000, max=MAX, meta={"x": "m" * 6700})),
        (under(10_000, "n" * 6400, max=MAX), under(10_000, "n" * 6700, max=MAX)),
        (under(60_000, percentiles={"percents": [1] * 30}), under(60_000, percentiles={"percents": [1] * 40})),
        (under(60_000, percentile_ranks={"values": [1] * 30}), under(60_000, percentile_ranks={"values": [1] * 40})),
        (under(60_000, filters={"filters": {"n": {}}}), under(60_000, filters={"filters": NAMED})),
        (under(60_000, range={"ranges": [{"key": "n"}]}), under(60_000, range={"ranges": [{"key": "n" * 1000}]})),
        (
            {"aggs": {"a": {"composite": {"size": 1000, "sources": [{"n" * 60_000: {}}]}}}},
            {"aggs": {"a": {"composite": {"size": 1000, "sources": [{"n" * 70_000: {}}]}}}},
        ),
        (
            {"aggs": {"a": {"adjacency_matrix": {"filters": {f"{n}" * 10: {} for n in range(90)}}}}},
            {"aggs": {"a": {"adjacency_matrix": {"filters": {f"{n}" * 500: {} for n in range(90)}}}}},
        ),
        (
            {"aggs": {"a": {"date_histogram": {"field": "d"}, "aggregations": {"n" * 6000: {"max": MAX}}}}},
            {"aggs": {"a": {"date_histogram": {"field": "d"}, "aggregations": {"n" * 7000: {"max": MAX}}}}},
        ),
        (
            {"aggs": {"a": terms(100, aggs={"b": terms(100, aggs={"n" * 6400: {"max": MAX}})})}},
            {"aggs": {"a": terms(100, aggs={"b": terms(100, aggs={"n" * 6700: {"max": MAX}})})}},
        ),
        *(
            (many(kind, most, **asked), many(kind, 2 * most, **asked))
            for kind, most, asked in (
                ("auto_date_histogram", 640_000, {}), ("ip_prefix", 640_000, {}), ("geotile_grid", 640_000, {}),
                ("missing", 64_000_000, {}), ("adjacency_matrix", 7_000_000, {"filters": {"a": {}, "b": {}, "c": {}}}),
                ("date_range", 16_000_000, {"ranges": [{"key": "a"}] * 3}), ("terms", 6_400_000, {}),
            )
        ),
        (
            {"aggs": {"a": {"filter": {}, "aggs": {f"b{n}": {"max": MAX, "meta": {"x": "m" * 10_000}} for n in range(10)}}}},
            {"aggs": {"a": terms(10_000, aggs={f"b{n}": {"max": MAX} for n in range(70)})}},
        ),
        (
            {"aggs": {"a": terms(65_000, aggs={"b": terms(65_000)})}},
            {"aggs": {"a": terms(65_000, aggs={f"b{n}": terms(65_000) for n in range(11)})}},
        ),
    ],
)  # fmt: skip
def test_what_is_told_with_each_bucket(allowed: Any, refused: Any) -> None:
    check_costs(allowed, {"aggs": {"a": 1}}, {"aggs": 1})
    with pytest.raises(ToolError, match=r"could take \d+ MiB in all buckets: ask for fewer"):
        check_costs(refused)


@pytest.mark.parametrize(
    ("part", "most"),
    [
        (lambda n: {"term": {"k": {"value": "a", "_name": "n" * n}}}, 5000),
        (lambda n: {"docvalue_fields": [{"field": "d", "format": "y" * (n // 2)}] * 2}, 5000),
        (lambda n: {"sort": [{"k": {"order": "asc", "missing": "z" * n}}]}, 1000),
        (lambda n: {"adjacency_matrix": {"separator": "&" * n}}, 1000),
        (lambda n: {"highlight": {"pre_tags": ["b" * (n // 2), "c" * (n // 2)]}}, 500),
        (lambda n: {"highlight": {"post_tags": ["b" * n]}}, 500),
        (
            lambda n: {"highlight": {"fields": {"match": {"pre_tags": ["b" * n]}, "terms": {"pre_tags": ["b" * n]}}}},
            500,
        ),
        (lambda n: {"sort": [{"match": {"missing": "z" * n}}]}, 1000),
        (lambda n: {"term": {"match": {"value": "a", "_name": "n" * n}}}, 5000),
        (lambda n: {"aggs": {"match": {"terms": {"field": "a", "format": "y" * n}}}}, 5000),
    ],
)
def test_what_is_told_with_each_hit(part: Any, most: int) -> None:
    check_costs(part(most), part(most), {"aggs": {"missing": {"missing": {"field": "a"}}}})
    with pytest.raises(ToolError, match=f"which come with each result: it may have at most {most}"):
        check_costs(part(most + 2))


@pytest.mark.parametrize("size", [10**400, float("nan"), "NaN", "inf", "65536d", "0x1p16"])
def test_a_number_may_be_written_in_any_way_of_java(size: Any) -> None:
    with pytest.raises(ToolError, match="aggregations could take"):
        check_costs({"aggs": {"a": {"terms": {"size": size}, "aggs": {"b": {"max": {}, "meta": {"x": "y" * 50_000}}}}}})


@pytest.mark.parametrize("field", ["format", "missing", "post_tags", "separator"])
def test_a_field_may_be_called_as_what_is_told(field: str) -> None:
    check_costs({"bool": {"filter": [{"terms": {field: ["x" * 100] * 100}}, {"match": {field: "x" * 10_000}}]}})


@pytest.mark.parametrize(
    ("part", "most"),
    [
        (lambda n: {"a": {"terms": {"field": "k", "include": "a" * n}}}, 1000),
        (lambda n: [{"a": {"significant_text": {"field": "k", "exclude": "a" * n}}}], 1000),
        (lambda n: {"intervals": {"t": {"regexp": {"pattern": "a" * n}}}}, 1000),
        (lambda n: {"query_string": {"query": "a" * n}}, 20_000),
        (lambda n: {"bool": {"must": [{"query_string": {"query": "a" * (n // 2)}}] * 2}}, 19_999),
    ],
)
def test_what_automata_are_made_of_is_short(part: Any, most: int) -> None:
    check_costs(part(most), {"match": {"k": {"query": "a " * 100_000}}}, {"terms": {"include": ["a" * 100_000]}})
    with pytest.raises(ToolError, match="characters"):
        check_costs(part(most + 2))


def test_a_text_with_mistakes_is_short() -> None:
    def fuzzy(name: str, value: str) -> Any:
        return {"match": {"t": {"query": value, name: "AUTO"}}}

    for part in (
        lambda n: {"query_string": {"query": "a" * (n - 2) + "~2"}},
        lambda n: {"bool": {"must": [fuzzy("fuzziness", "a" * (n // 2))] * 2}},
        lambda n: {"fuzzy": {"t": {"value": "a" * n, "prefix_length": 1}}},
        lambda n: {"fuzzy": {"query": "~" * n}},
        lambda n: {"suggest": {"s": {"text": "a" * (n - 1), "term": {"field": "t"}}}},
    ):
        check_costs({"query_string": {"query": "a" * 10_000}}, fuzzy("operator", "a" * 20_000), part(4000))
        with pytest.raises(ToolError, match="searched with fuzziness"):
            check_costs(part(4002))


@pytest.mark.parametrize(("text", "most"), [("a|", 1000), ("a -b ", 500), ("(a)", 500), ("(", 500), ('"a b"', 500)])
def test_a_text_has_few_words_and_parentheses(text: str, most: int) -> None:
    check_costs({"simple_query_string": {"query": text * most}})
    with pytest.raises(ToolError, match=r"have (1001|1002|501) (words|parentheses)"):
        check_costs({"simple_query_string": {"query": text * (most + 1)}})


def test_how_deep_a_body_may_be() -> None:
    deep: Any = 1
    for _ in range(200):
        deep = {"bool": deep}
    check_depth(deep)
    for deeper in ([deep], {"bool": deep}):
        with pytest.raises(ToolError, match="at most 200 levels deep"):
            check_depth(deeper)
