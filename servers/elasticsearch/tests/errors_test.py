"""Elasticsearch's errors, as its servers send them, and what is told of them."""

import json
from typing import Any

import pytest

from servers.common.backend import BackendError
from servers.elasticsearch.client.errors import ElasticsearchError, explain, of_item


def answer(status: int, type: str, reason: str | None, **more: Any) -> dict[str, Any]:
    cause = {"type": type, "reason": reason} | more
    return {"error": {"root_cause": [cause]} | cause, "status": status}


def told(status: int, type: str, reason: str | None, sent: str = "", **more: Any) -> str:
    error = explain(status, answer(status, type, reason, **more), sent.encode())
    assert isinstance(error, ElasticsearchError)
    assert (error.type, error.status) == (type, status)
    return str(error)


@pytest.mark.parametrize(
    ("status", "type", "advice"),
    [
        (429, "circuit_breaking_exception", "lacks memory"),
        (429, "es_rejected_execution_exception", "overloaded: try again in a while"),
        (403, "cluster_block_exception", "an operator must lift the block"),
        (400, "index_closed_exception", "the index is closed"),
        (503, "no_shard_available_action_exception", "es_health says which"),
        (400, "too_many_buckets_exception", "fewer buckets"),
    ],
)
def test_what_to_do_is_said(status: int, type: str, advice: str) -> None:
    text = told(status, type, "words of its own")
    assert text.startswith("Elasticsearch answered: words of its own; ") and advice in text


def test_a_closed_index_is_no_block_of_an_operator() -> None:
    text = told(403, "cluster_block_exception", "index [a] blocked by: [FORBIDDEN/4/index closed];")
    assert text.endswith("; the index is closed, and nothing can be read or written until it is open")


@pytest.mark.parametrize("body", [{}, {"message": "Request Too Long"}])
def test_a_request_that_is_too_long_is_told_so(body: Any) -> None:
    text = "a request of 5 bytes is too long for Elasticsearch, or a proxy in between (HTTP status 413): send less"
    assert str(explain(413, body, b"12345")) == text


def test_what_is_said_of_a_reason() -> None:
    reason = "action [indices:data/read/search] is unauthorized for user [reader] on indices [secret]"
    assert told(403, "security_exception", reason) == f"Elasticsearch does not allow this user to do it: {reason}"
    assert "no_shard_available_action_exception; a shard" in told(503, "no_shard_available_action_exception", None)
    assert len(told(400, "illegal_argument_exception", "x\n" * 5000)) < 450


def test_the_place_of_a_mistake_is_shown() -> None:
    sent = json.dumps({"query": {"bool": {"must": [{"term": {"ä→": "😀"}}, {"mtch": {"a": 1}}]}}}, ensure_ascii=False)
    # Columns count bytes.
    column = len(sent.encode().partition(b'"mtch": ')[0]) + len('"mtch": ') + 1
    text = told(400, "parsing_exception", "unknown query [mtch]", sent, line=1, col=column)
    assert text.endswith('"mtch": ▶{"a": 1}}]}}})')
    assert "(at ..." in text
    in_reason = told(400, "document_parsing_exception", "[1:3] failed to parse field [n]", '{"n":"x"}')
    assert in_reason.endswith('(at {"▶n":"x"})')


@pytest.mark.parametrize("place", [{"line": 2, "col": 3}, {"line": 1, "col": 300}, {"line": 1, "col": 0}, {}])
def test_a_place_that_is_none_is_left_out(place: dict[str, int]) -> None:
    assert told(400, "parsing_exception", "wrong", '{"a":1}', **place) == "Elasticsearch answered: wrong"


def test_the_innermost_cause_counts_where_the_root_says_nothing() -> None:
    error = {
        "root_cause": [],
        "type": "search_phase_execution_exception",
        "reason": "all shards failed",
        "caused_by": {"type": "a", "reason": "outer", "caused_by": {"type": "b", "reason": "inner"}},
    }
    assert str(explain(400, {"error": error}, b"")) == "Elasticsearch answered: inner"
    for why, inner in (("no timestamp", " (no timestamp)"), (None, "")):
        error = {"type": "m", "reason": "failed to parse", "caused_by": {"type": "i", "reason": why}}
        assert str(explain(400, {"error": error}, b"")) == f"Elasticsearch answered: failed to parse{inner}"
        assert of_item(error) == f"m: failed to parse{inner}"


def test_a_cluster_without_a_master_is_a_backend_that_is_away() -> None:
    error = explain(503, answer(503, "master_not_discovered_exception", None), b"")
    assert isinstance(error, BackendError) and "no elected master" in str(error)
    blocked = answer(503, "cluster_block_exception", "blocked by: [SERVICE_UNAVAILABLE/1/state not recovered];")
    assert isinstance(explain(503, blocked, b""), BackendError)


@pytest.mark.parametrize("body", [{}, [], "text", {"error": "Incorrect HTTP method"}, {"error": None}, {"error": {}}])
def test_any_shape_is_told_somehow(body: Any) -> None:
    assert str(explain(405, body, b"")).startswith("Elasticsearch answered")


def test_what_opensearch_does_not_know_is_said_to_be_so() -> None:
    # The words of OpenSearch 2.19.6.
    lacks = "; this cluster is OpenSearch 2.19.6, which lacks parts of Elasticsearch's API"
    for reason, strange in (
        ("no handler found for uri [/books/_pit] and method [POST]", True),
        ("request [/books/_field_caps] contains unrecognized parameter: [filters]", True),
        ("Unknown key for a START_OBJECT in [knn].", True),
        ("Invalid index name [_xpack], must not start with '_'.", True),
        ("Invalid index name [Books], must be lowercase", False),
        ("all shards failed", False),
    ):
        for body in (answer(400, "illegal_argument_exception", reason), {"error": reason}):
            assert (lacks in str(explain(400, body, b"", "OpenSearch 2.19.6"))) is strange, reason
            assert lacks not in str(explain(400, body, b""))
