"""Requests to the REST API: a name stays one part of a path, whatever it is."""

from typing import Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.common.protocol.tools import ToolError
from servers.elasticsearch.client.backend import LONGEST_TARGET, ApiRequest, check_fields, path

NAME = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(NAME, st.text("./%2eEfF\\?#;,*:", min_size=1, max_size=12))
def test_a_path_is_sent_as_it_was_made(name: str, odd: str) -> None:
    for parts in ((name, "_doc", odd), (odd, "_doc", name)):
        if {".", ".."} & set(parts):
            with pytest.raises(ToolError, match="can't be"):
                path(*parts)
            continue
        made = path(*parts)
        request = ApiRequest.of("GET", made, {"q": "a b&c"}, None)
        assert request.target == f"{made}?q=a%20b%26c"
        assert [unquote(part) for part in made[1:].split("/")] == list(parts)


@pytest.mark.parametrize("odd", ["/a/../b", "/a/.", "/a b", "/a?b", "/a#b", "/ü", "no/slash", "/a\n"])
def test_another_path_is_not_sent(odd: str) -> None:
    with pytest.raises(ToolError, match=r"can't be sent"):
        ApiRequest.of("GET", odd, None, None)


def test_a_request_that_is_too_long_is_not_sent() -> None:
    with pytest.raises(ToolError, match="give shorter or fewer names"):
        ApiRequest.of("GET", "/" + "a" * LONGEST_TARGET, None, None)


def test_several_bodies_are_lines() -> None:
    request = ApiRequest.of("POST", "/_bulk", None, [{"index": {}}, {"a": "ü\n"}])
    assert (request.content, request.content_type) == ('{"index":{}}\n{"a":"ü\\n"}\n'.encode(), "application/x-ndjson")


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        ("/books/_search", "search"),
        ("/_cluster/health/books", "cluster"),
        ("/books/_doc/_secret", "doc"),
        ("/books", "root"),
        ("/", "root"),
    ],
)
def test_a_span_is_named_after_the_api_and_after_nothing_of_a_client(path: str, endpoint: str) -> None:
    assert ApiRequest.of("GET", path, {"q": "/_secret"}, None).endpoint == endpoint


STARS = "*a*b*c*"


@pytest.mark.parametrize(
    ("target", "params"),
    [
        (f"/{STARS}/_search", {}),
        (f"/logs,{STARS}", {}),
        (f"/_alias/{STARS}", {}),
        (f"/_nodes/{quote(STARS)}", {}),
        ("/logs/_field_caps", {"fields": f"a,{STARS}"}),
        ("/logs/_doc/1", {"_source": STARS}),
        ("/_nodes", {"filter_path": f"nodes.{STARS}"}),
    ],
)
def test_patterns_that_elasticsearch_could_not_match_in_time_are_not_sent(target: str, params: dict[str, str]) -> None:
    with pytest.raises(ToolError, match="too many wildcards"):
        ApiRequest.of("GET", target, params, None)


def test_ids_and_paths_of_answers_are_no_patterns() -> None:
    assert ApiRequest.of("GET", f"/logs/_doc/{STARS}", {"filter_path": "*.*.*.*.*"}, None).target
    assert ApiRequest.of("GET", "/a*b*c*,x*y*z**/_search", None, None).target


def test_patterns_of_fields_in_bodies_count_too() -> None:
    check_fields({"query": {"wildcard": {"k": STARS}}, "fields": ["a*", {"field": "b*"}]})
    body: Any
    for body in (
        {"_source": {"includes": [STARS]}},
        {"docs": [{"_id": "1", "_source": [STARS]}]},
        {"highlight": {"fields": {STARS: {}}}},
        {"query": {"multi_match": {"query": "x", "fields": [STARS]}}},
        {"docvalue_fields": [{"field": STARS}]},
    ):
        with pytest.raises(ToolError, match="too many wildcards"):
            check_fields(body)
