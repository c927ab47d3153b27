"""MCP_INDEX_PATTERNS: no tool sees or touches an index outside of the patterns, on a real Elasticsearch 8.11.4.

Its jars have no data streams, ES|QL, SQL and EQL: these are in scope_format_test.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcp import Client, MCPError
from mcp_types import ResourceTemplateReference

from servers.common.protocol.tools import ToolError
from servers.common.settings import Environment, Secret
from servers.elasticsearch.client.errors import ElasticsearchError
from servers.elasticsearch.policy.index_names import within
from servers.elasticsearch.policy.index_scope import IndexScope, ScopedElasticsearch, indices_in, is_restricted
from servers.elasticsearch.server import SIDECAR
from servers.elasticsearch.settings import ElasticsearchSettings
from servers.elasticsearch.tests.conftest import fill, mapped
from servers.elasticsearch.tests.rest_api import allowed_where_limited, specification
from tools.backends.elasticsearch import ElasticsearchNode as Node
from tools.backends.sidecar import Sidecar

PATTERNS = "app-*,orders"
SETTINGS = {"MCP_ALLOW_WRITES": "true", "MCP_INDEX_PATTERNS": PATTERNS}

CANARY = "canary"
"""In the names of all that nobody may see."""

SECRET = "7b1e-secret"
"""In the documents, fields and settings of these."""

VECTOR = {"type": "dense_vector", "dims": 2, "index": True, "similarity": "cosine"}
MAPPING = mapped(title="text", tag="keyword", vector=VECTOR)
PLACE = {"type": "point", "coordinates": [1, 1]}
SECRETS = {"1": {SECRET: SECRET, "tag": [SECRET, "red"], "title": SECRET, "place": PLACE}}


@pytest.fixture(scope="module")
def cluster(node: Node) -> Iterator[Node]:
    for index in node.request("GET", "/_cat/indices?format=json&expand_wildcards=all"):
        node.request("DELETE", f"/{index['index']}")
    for name in ("app-1", "app-2", "orders"):
        fill(node, name, {"1": {"title": "fox", "tag": "red", "vector": [1, 0]}}, MAPPING)
    for name in (CANARY, f"{CANARY}-closed", f".{CANARY}-hidden", "shapes"):
        fill(node, name, SECRETS, MAPPING)
    fill(node, "app-closed", {})
    node.request("PUT", f"/.{CANARY}-hidden/_settings", {"index.hidden": True})
    node.request("POST", f"/{CANARY}-closed/_close")
    node.request("POST", "/app-closed/_close")
    few = {"filter": {"term": {"tag": "blue"}}}
    for index, alias, definition in (
        (CANARY, "app-alias", {}),
        (CANARY, "mixed", {}),
        ("app-1", "mixed", {}),
        ("app-1", "shop", {}),
        ("app-1", "app-few", few),
        (CANARY, f"{CANARY}-alias", {}),
    ):
        node.request("PUT", f"/{index}/_alias/{alias}", definition)
    template = {"index_patterns": [f"{CANARY}-*"], "priority": 7}
    node.request("PUT", f"/_index_template/{CANARY}-template", template)
    node.request("PUT", "/_index_template/app-template", {"index_patterns": ["app-9*"]})
    yield node
    for name in (f"{CANARY}-template", "app-template"):
        node.request("DELETE", f"/_index_template/{name}")


@pytest.fixture
async def client(sidecar: Sidecar, cluster: Node) -> AsyncIterator[Client]:
    async with Client(sidecar.url + "/mcp") as connected:
        yield connected


async def said(client: Client, tool: str, arguments: dict[str, Any]) -> tuple[bool, str]:
    """Return whether a call was refused, and the whole answer."""
    answer = await client.call_tool(tool, arguments)
    text = json.dumps([answer.structured_content, *(str(getattr(c, "text", "")) for c in answer.content)])
    assert SECRET not in text, text
    return bool(answer.is_error), text


OUTSIDE = [
    CANARY, f"{CANARY}-closed", f".{CANARY}-hidden", f"{CANARY}-alias", "app-alias", "mixed", f"app-1,{CANARY}",
    f"{CANARY},app-*", f"app-*,{CANARY}", f"<{CANARY}>", f"app-1,<{CANARY}>", f"app-*,<{CANARY}>,-<{CANARY}>",
    f"remote:{CANARY}", "remote:app-1", "*:app-1", "app-1,remote:*", f"-app-1,{CANARY}", f"{CANARY}*", "*canary*", ".*",
    "shape*", "nothing-like-it", f"orders,,{CANARY}", "app-alias,app-1", "app-ali*",
]  # fmt: skip
"""Expressions that name something outside, or match nothing inside."""


def put(value: Any, name: Any) -> Any:
    """Return arguments with a name in place of each X."""
    return json.loads(json.dumps(value).replace('"X"', json.dumps(name)))


LOOKUP = {"type": "lookup", "target_index": "X", "input_field": "tag", "target_field": "tag"}

READS: list[tuple[str, dict[str, Any]]] = [
    ("es_search", {"index": "X"}),
    ("es_search", {"index": "X", "size": 0, "aggs": {"t": {"terms": {"field": "tag"}}}}),
    ("es_mapping", {"index": "X"}),
    ("es_field", {"index": "X", "field": "tag"}),
    ("es_get", {"index": "X", "id": "1"}),
    ("es_get", {"index": "X", "id": ["1", "2"]}),
    ("es_explain", {"index": "X", "query": {"match": {"title": "fox"}}, "profile": True, "id": "1"}),
    ("es_analyze", {"index": "X", "field": "title", "text": "fox"}),
    ("es_mapping", {"index": "app-1", "compare": "X"}),
    ("es_search", {"index": "app-1", "more": {"indices_boost": [{"X": 2}]}}),
    ("es_search", {"index": "app-1", "more": {"runtime_mappings": {"r": LOOKUP}}}),
]


@pytest.mark.parametrize("expression", OUTSIDE)
async def test_what_is_outside_is_not_read(client: Client, expression: str) -> None:
    for tool, arguments in READS:
        refused, text = await said(client, tool, put(arguments, expression))
        assert refused and "index that this server may touch" in text, (tool, text)
    if "*" not in expression:
        refused, text = await said(client, "es_indices", {"pattern": expression})
        assert refused and "index that this server may touch" in text, text
    if "/" not in expression:
        for path in ("/X/_mapping", "/_cat/indices/X", "/X", "/_resolve/index/X", "/X/_search"):
            request = {"path": path.replace("X", expression), "method": "POST" if "_search" in path else "GET"}
            refused, text = await said(client, "es_request", request)
            assert refused, (path, text)


async def test_that_there_is_such_an_index_is_not_told(client: Client) -> None:
    for tool, arguments in READS:
        _, there = await said(client, tool, put(arguments, CANARY))
        _, missing = await said(client, tool, put(arguments, "canarx"))
        assert there == missing.replace("canarx", CANARY)


ALIASED = {"index_patterns": ["app-8*"], "template": {"aliases": {"X": {}}}}

WRITES: list[tuple[str, dict[str, Any]]] = [
    ("es_index", {"index": "X", "document": {"a": 1}}),
    ("es_index", {"index": "X", "document": {"a": 1}, "id": "9", "create_index": True}),
    ("es_index", {"index": "X", "document": {"tag": "x"}, "id": "1", "op": "update"}),
    ("es_bulk", {"index": "X", "operations": [{"op": "delete", "id": "1"}]}),
    ("es_bulk", {"index": "X", "operations": [{"document": {"a": 1}}], "create_index": True}),
    ("es_delete", {"index": "X", "id": "1"}),
    ("es_by_query", {"index": "X", "query": {"term": {"tag": "red"}}}),
    ("es_define", {"kind": "index", "name": "X", "definition": {}}),
    ("es_define", {"kind": "mapping", "name": "X", "definition": {"properties": {"n": {"type": "long"}}}}),
    ("es_define", {"kind": "template", "name": "t", "definition": {"index_patterns": ["X"]}}),
    ("es_define", {"kind": "template", "name": "t", "definition": {"index_patterns": ["app-8*", "X"]}}),
    ("es_define", {"kind": "template", "name": "t", "definition": ALIASED}),
    ("es_define", {"kind": "index", "name": "app-9", "definition": {"aliases": {"X": {}}}}),
    ("es_by_query", {"index": "app-1", "query": {"term": {"tag": "red"}}, "copy_to": {"index": "X"}}),
    ("es_by_query", {"index": "X", "query": {}, "copy_to": {"index": "app-1"}}),
    ("es_define", {"kind": "settings", "name": "X", "definition": {"refresh_interval": "5s"}}),
    ("es_define", {"kind": "data_stream", "name": "X", "definition": {}}),
    ("es_define", {"kind": "index", "name": "app-9", "definition": {"like": "X"}}),
    *(("es_manage", {"op": op, "name": "X"}) for op in ("delete", "close", "open")),
    ("es_alias", {"changes": [{"op": "add", "alias": "app-x", "index": "X"}]}),
    ("es_alias", {"changes": [{"op": "add", "alias": "X", "index": "app-1"}]}),
    ("es_alias", {"changes": [{"op": "remove", "alias": "X", "index": "app-1"}]}),
    ("es_alias", {"changes": [{"op": "remove", "alias": f"{CANARY}-alias", "index": "X"}]}),
]


async def test_what_is_outside_is_not_written(client: Client, cluster: Node) -> None:
    def state() -> Any:
        documents = cluster.request("GET", "/_all/_search?size=100&sort=_doc&expand_wildcards=open,hidden")
        parts = ("_alias?expand_wildcards=all", "_mapping", "_index_template")
        return documents["hits"]["hits"], [cluster.request("GET", f"/{part}") for part in parts]

    before = state()
    for name in (*OUTSIDE[:6], f"{CANARY}-new", "x*"):
        for tool, arguments in WRITES:
            if name == "app-alias" and "X" in arguments.get("definition", {}).get("index_patterns", ()):
                continue  # by its name it would be of an index inside
            refused, text = await said(client, tool, put(arguments, name))
            assert refused, (tool, name, text)
    assert state() == before


SHARED = ("component_template", "pipeline", "lifecycle_policy")

OF_ALL: list[tuple[str, dict[str, Any]]] = [
    *(("es_manage", {"op": op, "name": "node:1"}) for op in ("task", "cancel")),
    ("es_manage", {"op": "delete", "kind": "template", "name": f"{CANARY}-template"}),
    *(("es_manage", {"op": "delete", "kind": kind, "name": "x"}) for kind in SHARED),
    *(("es_define", {"kind": kind, "name": "x", "definition": {}}) for kind in SHARED),
]


@pytest.mark.parametrize(("tool", "arguments"), OF_ALL)
async def test_what_works_on_all_indices_is_closed(client: Client, tool: str, arguments: dict[str, Any]) -> None:
    refused, text = await said(client, tool, arguments)
    assert refused and ("touch" in text or "MCP_INDEX_PATTERNS" in text), text


def lookups(name: Any) -> dict[str, Any]:
    """Queries that read another index, by what they are."""
    terms = {"terms": {"tag": {"index": name, "id": "1", "path": "tag"}}}
    shape = {"geo_shape": {"place": {"indexed_shape": {"index": name, "id": "1", "path": "place"}}}}
    return {
        "terms": terms,
        "terms of a field with the name of a query": {"terms": {"match": {"index": name, "id": "1", "path": "tag"}}},
        "more_like_this": {"more_like_this": {"fields": ["tag"], "like": [{"_index": name, "_id": "1"}]}},
        "artificial": {"more_like_this": {"fields": ["title"], "like": {"_index": name, "doc": {"title": "x"}}}},
        "unlike": {"more_like_this": {"fields": ["tag"], "like": "x", "unlike": [{"_index": name, "_id": "1"}]}},
        "percolate": {"percolate": {"field": "tag", "index": name, "id": "1"}},
        "geo_shape": shape,
        "shape": {"shape": {"place": {"indexed_shape": {"id": "1", "index": name}}}},
        "nested deep": {"bool": {"must_not": [{"constant_score": {"filter": {"nested": {"path": "n", "query": terms}}}}]}},
        "function": {"function_score": {"functions": [{"filter": shape, "weight": 2}]}},
        "pinned": {"pinned": {"docs": [{"_index": name, "_id": "1"}], "organic": {"match_all": {}}}},
    }


KNN = {"field": "vector", "query_vector": [1, 0], "k": 1, "num_candidates": 1}


@pytest.mark.parametrize("name", [CANARY, "app-alias", "mixed", f".{CANARY}-hidden", "*", "_all", f"<{CANARY}>", "r:a"])
async def test_queries_do_not_look_up_what_is_outside(client: Client, name: str) -> None:
    for kind, query in lookups(name).items():
        ways: list[tuple[str, dict[str, Any]]] = [
            ("es_search", {"query": query}),
            ("es_search", {"aggs": {"a": {"filter": query}}, "size": 0}),
            ("es_search", {"aggs": {"a": {"filters": {"filters": {"match": query}}}}, "size": 0}),
            ("es_search", {"knn": KNN | {"filter": query}}),
            ("es_search", {"sort": [{"tag": {"order": "asc", "nested": {"path": "n", "filter": query}}}]}),
            ("es_field", {"field": "tag", "query": query}),
            ("es_explain", {"query": query, "id": "1"}),
            ("es_by_query", {"query": query}),
            ("es_request", {"path": "/app-1/_search", "method": "POST", "body": {"query": query}}),
            ("es_request", {"path": "/app-1/_count", "method": "POST", "body": {"query": query}}),
            ("es_request", {"path": "/app-1/_field_caps", "method": "POST", "body": {"index_filter": query}}),
        ]
        for tool, arguments in ways if name == CANARY else ways[:1]:
            if tool != "es_request":
                arguments = arguments | {"index": "app-1"}
            refused, text = await said(client, tool, arguments)
            assert refused and "index that this server may touch" in text, (kind, tool, text)


async def test_the_lookup_would_have_read_it(cluster: Node) -> None:
    found = cluster.request("POST", "/app-1/_search", {"query": lookups(CANARY)["terms"]})
    assert found["hits"]["total"]["value"] == 1


async def test_queries_look_up_what_is_inside(client: Client) -> None:
    for name in ("orders", "shop"):
        refused, text = await said(client, "es_search", {"index": "app-1", "query": lookups(name)["terms"]})
        assert not refused and '"total": 1' in text, text


RESTRICTED = [
    ".security-7", ".fleet-secrets-7", ".connector-secrets", ".kibana_security_session_1", ".*", ".sec*", ".s*,app-1",
    "app-1,.security-7", "<.security-{now/d}>", "<\\.security-7>",
    ".security-7::data", "other:.security-7", "<{now/d{'.security-7'}}>", "-<{now/d{.yyyy}}>", "<{now/d{yy'.'|+12:00}}>",
]  # fmt: skip


@pytest.mark.parametrize("name", RESTRICTED)
@pytest.mark.parametrize("patterns", ["", "*", "app-*,*-7"])
def test_restricted_indices_are_read_only_where_a_pattern_names_them(name: str, patterns: str) -> None:
    scope = IndexScope([p for p in patterns.split(",") if p])
    with pytest.raises(ToolError, match="MCP_INDEX_PATTERNS can allow them by name"):
        scope.refuse_restricted(name)
    IndexScope(["*", ".security*"]).refuse_restricted(".security-7")
    scope.refuse_restricted("app-1,*,.ds-logs-x-2026.01.01-000001,.monitoring-es-*,-app*,<logs-{now/d}>,<{now/d}-a>")
    scope.refuse_restricted("<{now/d{yyyy.MM|+12:00}}-logs>")


REFUSED: list[tuple[str, str, Any, Any]] = [
    ("POST", "/_search", {"index": CANARY}, None),
    ("POST", "/app-1/_search", {"index": CANARY}, None),
    ("GET", "/_cat/indices", {"index": CANARY}, None),
    ("POST", "/app-1/_search", None, {"indices_boost": [{CANARY: 2}]}),
    ("POST", "/app-1/_search", None, {"pit": {"id": "x"}}),
    ("POST", "/app-1/_search", None, {"query": {"wrapper": {"query": "eyJtYXRjaF9hbGwiOnt9fQ=="}}}),
    ("POST", "/app-1/_search", None, {"runtime_mappings": {"l": put(LOOKUP, CANARY)}, "fields": ["l"]}),
    ("POST", "/_mget", None, {"docs": [{"_index": CANARY, "_id": "1"}]}),
    ("POST", "/app-1/_mget", None, {"docs": [{"_index": CANARY, "_id": "1"}]}),
    ("POST", "/_mtermvectors", None, {"docs": [{"_index": CANARY, "_id": "1"}]}),
    ("POST", "/_mget", None, {"docs": [{"_index": "app-alias", "_id": "1"}]}),
    ("POST", "/_cluster/allocation/explain", None, None),
    ("POST", "/_cluster/allocation/explain", None, {"index": CANARY, "shard": 0, "primary": True}),
    ("POST", "/_cluster/allocation/explain", {"include_disk_info": True}, {"index": "app-1", "shard": 0, "primary": True}),
    ("POST", "/_sql/translate", None, {"query": f"SELECT * FROM {CANARY}"}),
    ("POST", "/_ingest/pipeline/_simulate", None, {"pipeline": {"processors": [{"enrich": {"policy_name": "p"}}]}, "docs": []}),
    ("POST", "/_ingest/pipeline/_simulate", None, {"pipeline": {"processors": [{"pipeline": {"name": "p"}}]}, "docs": []}),
    ("POST", "/_ingest/pipeline/p/_simulate", None, {"docs": []}),
    ("GET", "/_nodes/stats", {"level": "shards"}, None),
    ("GET", "/_nodes/hot_threads", None, None),
    ("GET", "/_nodes/_local/hot_threads", None, None),
    ("GET", "/_cluster/state/metadata/app-1", None, None),
    ("GET", "/_tasks", None, None),
    ("GET", "/_index_template/canary-template", None, None),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "params", "body"), REFUSED, ids=lambda v: json.dumps(v)[:50])
async def test_requests_that_would_show_outside(client: Client, method: str, path: str, params: Any, body: Any) -> None:
    refused, text = await said(client, "es_request", {"method": method, "path": path, "params": params, "body": body})
    assert refused, text


async def test_every_request_that_is_allowed_shows_only_what_is_inside(client: Client) -> None:
    """Each as it is in the REST specification, with * for indices where it takes any."""
    parts = dict.fromkeys(("index", "name", "fields", "field", "target"), "*") | {
        "id": "1",
        "metric": "_all",
        "node_id": "_all",
    }
    bodies: dict[str, Any] = {
        "_field_caps": {"fields": ["*"]}, "_analyze": {"text": "a"}, "_mget": {"docs": [{"_index": "app-1", "_id": "1"}]},
        "_terms_enum": {"field": "tag"}, "explain": {"index": "app-1", "shard": 0, "primary": True},
    }  # fmt: skip
    answered = []
    for method, path in specification():
        if not allowed_where_limited(method, path):
            continue
        filled = "/".join(parts.get(part.strip("{}"), part.strip("{}")) for part in path.split("/"))
        body = bodies.get(filled.rsplit("/", 1)[-1]) if method == "POST" else None
        for params in (None, {"expand_wildcards": "all"}):
            request = {"method": method, "path": filled, "params": params, "body": body}
            refused, text = await said(client, "es_request", request)
            assert CANARY not in text.replace("closed", ""), (path, text)
            if not refused:
                answered.append((method, path))
    assert len(set(answered)) >= 50, "most are of what this node has"


async def test_wildcards_match_only_what_is_inside(client: Client) -> None:
    listed = await client.call_tool("es_indices", {})
    assert listed.structured_content
    assert [row["index"] for row in listed.structured_content["indices"]] == ["app-1", "app-2", "app-closed", "orders"]
    asked: list[dict[str, Any]] = [{"pattern": pattern} for pattern in ("_all", "c*,*", "*,-nothing")]
    asked += [{"kind": kind} for kind in ("settings", "component_templates", "templates")]
    for arguments in ({"hidden": True}, *asked):
        refused, text = await said(client, "es_indices", arguments)
        assert not refused and CANARY not in text, text
    assert "app-template" in text
    assert (await said(client, "es_indices", {"pattern": f"{CANARY}*"}))[0]
    for index in ("*", "_all", "*,-app-2", "a*,orders"):
        for tool, arguments in READS[:4]:
            refused, text = await said(client, tool, put(arguments, index))
            assert not refused and CANARY not in text, text
    found = await client.call_tool("es_search", {"index": "*", "size": 0})
    assert found.structured_content and found.structured_content["total"] == 3
    _, text = await said(client, "es_search", {"index": "app-1", "also": [{"index": CANARY}]})
    assert "index that this server may touch" in text


async def test_aliases_within_keep_their_filters(client: Client, cluster: Node) -> None:
    kept = (("app-2", 1), ("shop", 1), ("app-few", 0), ("app-f*", 0), ("app-few,app-2", 1), ("sho*", 1))
    cluster.request("PUT", "/app-1,app-2/_alias/app-pair", {"filter": {"term": {"tag": "blue"}}})
    try:
        # What is left out comes back by no alias.
        for index, total in (*kept, ("*,-app-1", 2), ("sho*,app*,-app-1", 1), ("app*,-app-f*", 1), ("app-p*", 0)):
            found = await client.call_tool("es_search", {"index": index})
            assert found.structured_content and found.structured_content["total"] == total, index
            assert all(("index" in hit) == (index != "app-2") for hit in found.structured_content["hits"]), index
        assert "a part of the alias 'app-pair'" in (await said(client, "es_search", {"index": "app-p*,-app-1"}))[1]
    finally:
        cluster.request("DELETE", "/app-1,app-2/_alias/app-pair")


async def test_suggestions_completions_and_resources_stay_inside(client: Client) -> None:
    for index in ("app-l", "app-canary", "app-", "orderz"):
        refused, text = await said(client, "es_search", {"index": index})
        assert refused and not any(name in text for name in ("app-alias", "mixed", f"did you mean {CANARY}")), text
    ref = ResourceTemplateReference(uri="es://index/{name}/mapping")
    for typed in ("", "c", CANARY, "app", ".", "m"):
        values = (await client.complete(ref, {"name": "name", "value": typed})).completion.values
        assert set(values) <= {"app-1", "app-2", "app-closed", "orders", "shop", "app-few"}, values
    with pytest.raises(MCPError, match="index that this server may touch"):
        await client.read_resource(f"es://index/{CANARY}/mapping")
    assert CANARY not in str(await client.read_resource("es://cluster"))


async def test_health_shows_only_what_is_inside(client: Client, cluster: Node) -> None:
    nowhere = {"settings": {"index.routing.allocation.require.rack": "nowhere"}}
    for name in (f"{CANARY}-red", "app-red"):
        cluster.request("PUT", f"/{name}?wait_for_active_shards=0", nowhere)
    try:
        sections = ["tasks", "pending_tasks", "hot_threads", "ilm", "snapshots"]
        refused, text = await said(client, "es_health", {"about": sections})
        assert not refused and CANARY not in text and "app-red shard 0 (primary) has been unassigned" in text
    finally:
        for name in (f"{CANARY}-red", "app-red"):
            cluster.request("DELETE", f"/{name}")


async def test_a_cursor_can_not_be_made_up(client: Client, cluster: Node) -> None:
    fill(cluster, "app-many", {str(i): {} for i in range(9)})
    arguments = {"index": "app-many", "size": 2}
    first = (await client.call_tool("es_search", arguments)).structured_content or {}
    second = (await client.call_tool("es_search", arguments | {"cursor": first["cursor"]})).structured_content or {}
    assert len(second["hits"]) == 2
    stolen = cluster.request("POST", f"/{CANARY}/_pit?keep_alive=1m")["id"]
    text = second["cursor"].rpartition(".")[0]
    parts = json.loads(base64.urlsafe_b64decode(text + "=="))
    parts[2:] = [stolen, [0, 0]]
    forged = base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")
    for cursor in (forged, text, f"{forged}.{second['cursor'].rpartition('.')[2]}", f"{forged}.", f"{forged}.ü"):
        refused, answer = await said(client, "es_search", arguments | {"cursor": cursor})
        assert refused and "start without a cursor" in answer
    cluster.request("DELETE", "/_pit", {"id": stolen})
    cluster.request("DELETE", "/app-many")


async def test_what_is_inside_can_be_written(client: Client, cluster: Node) -> None:
    try:
        for tool, arguments in (
            ("es_define", {"kind": "index", "name": "app-new", "definition": {"aliases": {"app-name": {}}}}),
            ("es_index", {"index": "app-new", "document": {"a": 1}, "id": "1", "refresh": True}),
            ("es_index", {"index": "app-name", "document": {"a": 2}, "id": "2", "refresh": True}),
            ("es_bulk", {"index": "app-newer", "operations": [{"document": {"a": 1}}], "create_index": True}),
            ("es_alias", {"changes": [{"op": "add", "alias": "app-other", "index": "app-new"}]}),
            ("es_by_query", {"index": "app-new", "query": {"term": {"a": 1}}}),
            ("es_delete", {"index": "app-new", "id": "1"}),
        ):
            refused, text = await said(client, tool, arguments)
            assert not refused, (tool, text)
        pipeline = {"settings": {"index": {"default_pipeline": "p"}}}
        assert (await said(client, "es_define", {"kind": "index", "name": "app-p", "definition": pipeline}))[0]
    finally:
        cluster.request("DELETE", "/app-new,app-newer")


async def test_many_indices_and_a_closed_one_neither_break_nor_widen_an_answer(client: Client, cluster: Node) -> None:
    names = [f"app-long-{'x' * 60}-{i:03}" for i in range(60)]
    lines = "\n".join(json.dumps(part) for n in names for part in ({"index": {"_index": n}}, {"a": 1}))
    assert not cluster.request("POST", "/_bulk?refresh=true", lines + "\n")["errors"]
    try:
        refused, text = await said(client, "es_search", {"index": "app-long-*", "size": 0})
        assert not refused and '"total": 60' in text
        cluster.request("PUT", f"/{CANARY}/_alias/app-long-alias")
        cluster.request("POST", f"/{names[0]}/_close")
        for index, total in (("*", 62), ("app-long-*", 59), ("a*,-app-2", 60)):
            refused, text = await said(client, "es_search", {"index": index, "size": 0})
            assert not refused and f'"total": {total}' in text, (index, text)
        for tool, arguments in (
            ("es_indices", {}),
            ("es_mapping", {"index": "*"}),
            ("es_health", {}),
            ("es_request", {"path": "/_cat/indices"}),
            ("es_request", {"path": "/_stats"}),
            ("es_request", {"path": "/_search", "method": "POST"}),
        ):
            refused, text = await said(client, tool, arguments)
            assert not refused and CANARY not in text, (tool, text)
    finally:
        cluster.request("DELETE", f"/{CANARY}/_alias/app-long-alias")
        for start in range(0, 60, 20):
            cluster.request("DELETE", "/" + ",".join(names[start : start + 20]))


async def test_every_tool_that_takes_names_is_tried() -> None:
    tried = {tool for tool, _ in [*READS, *WRITES]} | {"es_indices", "es_request", "es_health", "es_query"}
    assert tried == {tool.definition.name for tool in SIDECAR.tools}


POOL = [
    "app-1", "app-*", "orders", "shop", "app-few", "app-closed", "*", "_all", "c*", "*a*", ".*", "-app-1", f"-{CANARY}", "-*",
    "-c*", CANARY, "app-alias", "mixed", f"<{CANARY}>", "<app-1>", "<app-*>", "", "nothing", "app-nothing", "s*", "-shop",
]  # fmt: skip


@given(
    parts=st.lists(st.sampled_from(POOL), min_size=1, max_size=5),
    expand=st.sampled_from(["open", "all", "open,closed"]),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_sent_leads_only_inside(cluster: Node, parts: list[str], expand: str) -> None:
    scope = IndexScope(PATTERNS.split(","))

    async def sent() -> tuple[str, Any]:
        env = Environment({"ES_HOST": "127.0.0.1", "ES_PORT": str(cluster.port), "MCP_INDEX_PATTERNS": PATTERNS})
        backend = ScopedElasticsearch(ElasticsearchSettings.read(env))
        try:
            names = await within(backend, ",".join(parts), expand)
            return names, await backend.read("GET", f"/_resolve/index/{names}", params={"expand_wildcards": "all"})
        finally:
            await backend.close()

    try:
        names, resolved = asyncio.run(sent())
    except (ToolError, ElasticsearchError):
        return
    reached = {i["name"] for i in resolved["indices"]} | {i for a in resolved["aliases"] for i in a["indices"]}
    assert reached and all(map(scope.has, reached)), names
    assert not set("*<>-") & {name[0] for name in names.split(",")} and "_all" not in names


@given(name=st.text(st.sampled_from("ab-.*:\n"), max_size=6))
def test_a_pattern_that_is_inside_matches_only_what_is_inside(name: str) -> None:
    scope = IndexScope(["a*", "b-*.a"])
    if scope.has(name):
        assert ":" not in name
        for instead in ("", "a", "b-b", "*"):
            assert scope.has(name.replace("*", instead))
    assert IndexScope([]).has(name)


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({"query": {"terms": {"tag": {"index": "a", "id": "1"}}}}, ["a"]),
        ([{"_index": "a"}, [{"index": ["b", "c"]}]], ["a", "b", "c"]),
        ({"docs": [{"_index": "a", "_id": "1"}], "indices": ["b"], "target_index": "c"}, ["a", "b", "c"]),
        ({"indices_boost": [{"a": 2}, {"b*": 1}, "x"]}, ["a", "b*"]),
        ({"indices_boost": {"a": 2}}, ["a"]),
        ({"shape": {"place": {"indexed_shape": {"id": "1"}}}}, ["shapes"]),
        ({"indexed_shape": {"index": "a", "id": "1"}}, ["a", "a"]),
        ({"indexed_shape": "x", "index": None}, []),
        ({"geo_shape": {"match": {"indexed_shape": {"id": "1"}}}, "aggs": {"indexed_shape": {"max": {}}}}, ["shapes"]),
        ({"terms": {"index": {"index": "a", "id": "1", "path": "b"}}}, ["a"]),
        ([{"terms": {"index": ["x"], "boost": 2}}, {"order": {"index": "asc"}}, {"span_term": {"index": "x"}}], []),
        ({"composite": {"after": {"_index": "x"}}, "buckets_path": {"index": "x"}, "terms": {"index": "a", "id": "1"}}, ["a"]),
        ({"term": {"index": "x"}, "match": {"a": 1}, "range": {"index": {"gte": 1}}, "sort": [{"index": "asc"}]}, []),
        ([{"terms": {"index": ["x"]}}, {"match": {"_index": "x"}}, {"aggs": {"index": {"terms": {"field": "index"}}}}], []),
        ({"bool": {"filter": [{"term": {"pit": 1}}, {"match": {"pit": {"query": "x"}}}]}, "aggs": {"pit": {"max": {}}}}, []),
        ({"match": {"index": "a", "other": 1}}, ["a"]),
        ("index", []),
    ],
)  # fmt: skip
def test_the_indices_that_a_body_names(body: Any, names: list[str]) -> None:
    assert list(indices_in(body)) == names == list(indices_in(body, limited=False))


@pytest.mark.parametrize("body", [{"pit": {"id": "x"}}, {"a": [{"pit": {"id": "x"}}]}, {"match": {"pit": {"id": "x"}}}])
def test_what_may_lead_to_any_index(body: Any) -> None:
    with pytest.raises(ToolError, match="is refused where MCP_INDEX_PATTERNS limits this server"):
        list(indices_in(body))
    assert list(indices_in(body, limited=False)) == []


@pytest.mark.parametrize("value", [1, 1.5, True, ["a", 5]])
def test_the_name_of_an_index_is_text(value: Any) -> None:
    for limited in (True, False):
        with pytest.raises(ToolError, match="'_index' has to be text"):
            list(indices_in({"match": {"a": 1}, "docs": [{"_index": value, "_id": "1"}]}, limited=limited))


def test_what_is_sealed_is_opened_by_the_same_secret_only() -> None:
    secret, other = Secret("a" * 20), Secret("b" * 20)
    sealed = IndexScope(["a"], secret).seal("text.x")
    assert sealed.startswith("text.x.") and len(sealed) == len("text.x.") + 16
    assert IndexScope(["b"], secret).opened(sealed) == "text.x"
    assert IndexScope(["a"], other).opened(sealed) is None is IndexScope(["a"]).opened(sealed)
    alone = IndexScope(["a"])
    for one in (alone, IndexScope(["a"], secret)):
        assert one.opened("other." + one.seal("x").rpartition(".")[2]) is None
    assert alone.opened(alone.seal("x")) == "x" and alone.opened("x") is None and alone.opened("ü.ü") is None
    assert IndexScope([]).seal("x") == "x" == IndexScope([]).opened("x")


def test_the_settings_give_the_scope_and_its_secret() -> None:
    def scope(**env: str) -> IndexScope:
        settings = {"ES_HOST": "127.0.0.1", "MCP_INDEX_PATTERNS": "a-*,b"} | env
        return ScopedElasticsearch(ElasticsearchSettings.read(Environment(settings))).scope

    assert scope().patterns == ("a-*", "b") and scope().said == "indices named 'a-*' or 'b'"
    logins = ({"ES_API_KEY": "YTpi"}, {"ES_USERNAME": "u", "ES_PASSWORD": "password"})
    for login in logins:
        assert scope(**login).opened(scope(**login).seal("x")) == "x"
    assert scope().opened(scope().seal("x")) is None
    assert str(scope().outside("c" * 300)).startswith(f"'{'c' * 200}' is not, and does not lead to")


@pytest.mark.parametrize(
    ("name", "own"),
    [
        (".", False), ("..", False), ("X.a", False),
        (".a", True), ("a.b", False), ("\\a", True), ("-.a", True), ("<+.a>", True), ("r:.a", True),
        (".a::data", True), (".ds-a", False), (".ds-a\\", True),
        (".items-x", False), (".ml-state", True), (".ml-stats-1", False),
    ],
)  # fmt: skip
def test_names_of_elasticsearchs_own(name: str, own: bool) -> None:
    assert is_restricted(name) is own
    assert IndexScope(["*"]).has(name) is (not own and ":" not in name)


def test_an_index_is_inside_by_any_pattern() -> None:
    scope = IndexScope(["a", "b*", ".c", ".d*"])
    assert all(map(scope.has, ["a", "b", "bb", ".c", ".d", ".dd"])) and scope and not IndexScope([])
    assert not any(map(scope.has, ["aa", "c", ".e", ".b", ""])) and not IndexScope(["*"]).has(".c")


def test_a_pattern_that_is_written_as_a_prefix_is_warned_of() -> None:
    env = Environment({"MCP_INDEX_PATTERNS": "logs-,app,in-*"})
    ElasticsearchSettings.read(env)
    assert env.warnings == ["MCP_INDEX_PATTERNS: 'logs-' is one whole name: for all indices that begin with it, write 'logs-*'"]
