"""The policy of es_request over the whole REST API, as Elasticsearch's own client for Python has it."""

import re
from pathlib import Path
from typing import Any

import pytest

from servers.common.protocol.tools import ToolError
from servers.elasticsearch.policy.rest_policy import RestEndpoint, check_parameters, endpoint
from servers.elasticsearch.tests.rest_api import allowed, allowed_where_limited, specification, surface

GOLDEN = (Path(__file__).parent / "endpoints_allowed.txt").read_text().splitlines()
"""What is allowed though the policy does not have the very path, and whether it is where MCP_INDEX_PATTERNS limits the server:
whoever changes the file has looked at what each request does, and at which indices its answer shows.
"""


def test_every_request_is_allowed_or_refused_as_was_decided() -> None:
    known = specification()
    assert len(known) > 500
    found = []
    for method, path in known:
        meant = allowed(method, path)
        if meant and re.sub(r"\w+\}", "}", meant.pattern) != re.sub(r"\w+\}", "}", path):
            found.append(f"{method} {path}" + (" limited" if allowed_where_limited(method, path) else ""))
    assert sorted(found) == GOLDEN


def test_what_is_allowed_under_patterns_of_indices_is_about_those_or_about_none() -> None:
    limited = [sent for method, path in specification() if (sent := allowed_where_limited(method, path))]
    assert len(limited) == 106, "whoever changes the number has looked at which indices an answer shows"
    for sent in limited:
        replaced = RestEndpoint(sent.pattern, sent.of("a,b")).indices
        assert replaced == ["a,b"] * len(sent.indices), "each of its indices is replaced"


def test_nothing_that_changes_or_tells_secrets_is_allowed() -> None:
    words = "_bulk _close _open _delete _update _reindex _rollover _clear _flush _refresh _forcemerge _restore _start _stop"
    for method, path in specification():
        if (
            method in ("PUT", "DELETE", "PATCH")
            or re.match(r"/_(security|watcher|connector|ssl)\b", path)
            or set(path.split("/")) & set(words.split())
        ):
            assert not allowed(method, path), (method, path)


@pytest.mark.parametrize(
    ("method", "path", "reason"),
    [
        ("DELETE", "/books", "only GET and POST"),
        ("POST", "/books/_delete_by_query", "not known to be read-only"),
        ("POST", "/books/_doc", "not known to be read-only"),
        ("GET", "/_security/user", "may hold secrets"),
        ("GET", "/books/_search", "send it by POST"),
        ("POST", "/_scripts/painless/_execute", "scripts"),
        ("POST", "/_search/template", "templates are not run"),
        ("POST", "/_search/scroll", "leaves a search open"),
        ("POST", "/books/_pit", "leaves a search open"),
        ("POST", "/_msearch", "es_search does this"),
        # Behind /_nodes/** and /_transform/** may be what GET does not do.
        ("POST", "/_nodes/reload_secure_settings", "not known to be read-only"),
        ("POST", "/_transform/_preview", "not known to be read-only"),
        ("POST", "/_query", "es_query"),
        ("GET", "/_cluster/state", "not known"),
        *(
            ("GET", path, "not a path")
            for path in (
                "books", "/books/../_security/user", "/books/%2e%2e/_security/user", "//_security/user", "/./_security/user",
                "/_cat/indices?format=json", "/books/_stats#x", "/_nodes/_local/../../_security", "/books\\x", "/bo oks",
            )
        ),
        *(
            ("GET", f"/{part}/x", f"what is under /{part} may hold secrets")
            for part in ("_security", "_watcher", "_connector", "_ssl", "_logstash", "_inference")
        ),
        ("POST", "/_scripts/painless/_context", "scripts and stored templates"),
        ("POST", "/books/_search_template_x", "scripts and stored templates"),
        ("POST", "/books/_knn_search", "es_search does this"),
        ("POST", "/_mapping", "send it by GET"),
        ("POST", "/_sql", "queries in ES|QL"),
        ("POST", "/a/_eql/search", "queries in ES|QL"),
        ("POST", "/_async_search", "leaves a search open"),
        ("POST", "/", "send it by GET"),
    ],
)  # fmt: skip
def test_what_is_refused_says_why(method: str, path: str, reason: str) -> None:
    with pytest.raises(ToolError, match=reason):
        endpoint(method, path)


def test_what_of_a_path_names_indices() -> None:
    for path, indices, there in (
        ("/_cat/indices/x", ["x"], ("_cat", "indices", "a,b")),
        ("/logs-*,b/_stats/docs", ["logs-*,b"], ("a,b", "_stats", "docs")),
        ("/_cluster/state/metadata/_all", ["_all"], ("_cluster", "state", "metadata", "a,b")),
        ("/_nodes/n/stats/os", [], ("_nodes", "n", "stats", "os")),
        ("/", [], ()),
    ):
        found = endpoint("GET", path)
        assert (found.indices, found.of("a,b")) == (indices, there)


def test_a_request_without_indices_names_all_where_they_are_limited() -> None:
    for method, path, parts in (
        ("POST", "/_search", ("*", "_search")),
        ("GET", "/_cat/indices", ("_cat", "indices", "*")),
        ("GET", "/x/_stats", ("x", "_stats")),
        ("GET", "/_nodes/stats", ("_nodes", "stats")),
    ):
        assert endpoint(method, path).limited({"human": True}).parts == parts
    refused: list[tuple[str, dict[str, Any], str]] = [
        ("/_cluster/pending_tasks", {}, "/_cluster/pending_tasks is refused: .*; use es_health"),
        ("/", {"level": "shards"}, "use a path with an index, or another tool"),
        ("/_remote/info", {}, "use a path with an index, or another tool"),
        ("/_nodes/stats", {"level": "shards"}, "use /_nodes/stats; or use es_health"),
        ("/_nodes/hot_threads", {}, "es_health"),
        ("/x/_ccr/info", {}, "use a path with an index"),
        ("/_resolve/cluster/x", {}, "MCP_INDEX_PATTERNS"),
    ]
    for path, params, instead in refused:
        with pytest.raises(ToolError, match=instead):
            endpoint("GET", path).limited(params)
    for path in (
        "/_cluster/state/metadata", "/_cluster/state/metadata/x", "/_tasks", "/_cat/tasks", "/_cat/aliases",
        "/_cat/pending_tasks", "/_health_report", "/_snapshot/_all", "/_slm/policy", "/_ilm/policy", "/_index_template",
        "/_cat/templates", "/_index_template/x", "/_data_stream", "/_data_stream/x", "/_transform", "/_enrich/policy",
        "/_ingest/pipeline", "/_migration/deprecations", "/_cluster/settings", "/_cat/snapshots/r", "/_ml/datafeeds",
        "/_rollup/data/x", "/_component_template", "/_application/search_application/x",
    ):  # fmt: skip
        assert allowed("GET", path) and not allowed_where_limited("GET", path), path


def test_which_requests_reach_closed_indices() -> None:
    for path, closed in (
        ("/x/_mapping", True),
        ("/_cat/indices/x", True),
        ("/x", True),
        ("/x/_stats", False),
        ("/_cat/count/x", False),
    ):
        assert endpoint("GET", path).reaches_closed is closed


def test_bodies_that_are_sent() -> None:
    for method, path, body in (
        ("GET", "/x/_mapping", None),
        ("POST", "/x/_search", None),
        ("POST", "/x/_search", {"query": {}, "size": 1}),
        ("POST", "/x/_termvectors/1", {"fields": []}),
        ("POST", "/_index_template/_simulate/x", {"template": {}}),
        ("POST", "/x/_analyze", {"text": "a", "filter": [{"type": "stop"}]}),
        ("POST", "/_ingest/pipeline/_simulate", {"docs": [], "pipeline": {"processors": []}}),
    ):
        endpoint(method, path).check_body(method, body)
    bad: list[tuple[str, str, dict[str, Any], str]] = [
        ("GET", "/x/_mapping", {}, "GET takes no body"),
        ("POST", "/_search_shards", {"a": 1, "b": 2}, "'a' in body is refused, .*: it takes none"),
        ("POST", "/x/_count", {"z": 1}, "'z' in body is refused, .*: known are query$"),
        ("POST", "/x/_count", {"z" * 200: 1}, f"^'{'z' * 100}' in body is refused"),
    ]
    for method, path, sent, reason in bad:
        with pytest.raises(ToolError, match=reason):
            endpoint(method, path).check_body(method, sent)


def test_a_parameter_that_was_meant() -> None:
    check_parameters({"size": 1, "from": 2})
    with pytest.raises(ToolError, match=r"'wait_for_node' is refused, .* mean wait_for_nodes or wait_for_events"):
        check_parameters({"wait_for_node": 1})
    with pytest.raises(ToolError, match=f"^parameter '{'q' * 100}' is refused, .*read-only$"):
        check_parameters({"q" * 200: 1})


@pytest.mark.parametrize("name", ["scroll", "source", "refresh", "format"])
def test_parameters_that_are_refused(name: str) -> None:
    with pytest.raises(ToolError, match=f"parameter {name} is refused"):
        check_parameters({name: "1"})


REFUSED_PARTS = {
    "_slice", "basic", "error_trace", "ext:", "follow_relocations", "format", "pipeline:", "project_routing:", "refresh",
    "script_fields:", "scroll", "search_after", "stats",
}  # fmt: skip
"""Parameters, and with a colon keys of bodies, that a client describes for what is allowed, and that are refused."""


def test_every_parameter_and_body_key_is_known_or_refused() -> None:
    """A request has no part that the policy does not know, wherever the client describes one."""
    unknown = set()
    for request in surface():
        found = allowed(request.method, request.path)
        if not found:
            continue
        for name in request.parameters:
            try:
                check_parameters({name: "x"})
            except ToolError:
                unknown.add(name)
        for key in request.body if request.method == "POST" else ():
            try:
                found.check_body("POST", {key: {}})
            except ToolError as refusal:
                assert "is refused" in str(refusal), (request, key)
                unknown.add(f"{key}:")
        with pytest.raises(ToolError, match="is refused"):
            found.check_body(request.method, {"surprise": 1})
        with pytest.raises(ToolError, match="parameter 'surprise' is refused"):
            check_parameters({"surprise": 1})
    assert unknown == REFUSED_PARTS


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        ("/_analyze", {"filter": [{"type": "stop", "stopwords_path": "x"}], "text": "a"}, "read a file"),
        ("/_analyze", {"char_filter": [{"type": "pattern_replace", "pattern": "(a|aa)+$"}], "text": "a"}, "repeats a group"),
        ("/app/_analyze", {"char_filter": [{"type": "mapping", "mappings_path": "users"}]}, "read a file"),
        ("/_ingest/pipeline/_simulate", {"pipeline": {"processors": [{"set": {"if": "true"}}]}}, "'if' is a script"),
        ("/a/_rank_eval", {"templates": [{"id": "t", "template": {"source": "{}"}}]}, "'templates' in body is refused"),
        ("/a/_search", {"ext": {}}, "'ext' in body is refused"),
    ],
)  # fmt: skip
def test_bodies_that_are_refused(path: str, body: dict[str, Any], reason: str) -> None:
    with pytest.raises(ToolError, match=reason):
        endpoint("POST", path).check_body("POST", body)
