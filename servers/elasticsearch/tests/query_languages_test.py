"""es_query: ES|QL, SQL and EQL, and hot threads, against the wire format of Elasticsearch's reference.

They are of x-pack, which the jars of the Elasticsearch here do not carry; its hot threads are empty. The answers are the
documentation's examples (https://www.elastic.co/guide/en/elasticsearch/reference/8.11/esql-rest.html, sql-rest-format.html,
eql-search-api.html).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from servers.elasticsearch.tests.conftest import Start, error, ok
from servers.elasticsearch.tests.fake_elasticsearch import ROOT, FakeAnswer, FakeElasticsearch, FakeRequest
from tools.backends.sidecar import Sidecar

pytestmark = pytest.mark.anyio

HAS = {"available": True, "enabled": True}
FEATURES = {"esql": HAS, "sql": HAS, "eql": HAS, "ilm": HAS, "watcher": {"available": False, "enabled": True}}

LIBRARY = [["Frank Herbert", "Dune", 604], ["Leviathan Wakes", "James S.A. Corey", 561]]
COLUMNS = [
    {"name": "author", "type": "text"},
    {"name": "name", "type": "text"},
    {"name": "page_count", "type": "short"},
]
EVENT = {"_index": "my-index", "_id": "OQmfCaduce8zoHT93o4H", "_source": {"process": {"name": "regsvr32.exe"}}}


PIPELINES = {
    "quiet": {"description": "d", "processors": []},
    "web": {"processors": [{"grok": {"field": "message", "patterns": ["x"]}}, {"date": {"field": "t"}}]},
}
INGEST = {"nodes": {n: {"ingest": {"pipelines": {"web": {"count": 70, "failed": 6, "processors": [
    {"grok": {"type": "grok", "stats": {"count": 70, "failed": 5}}}, {"date:utc": {"type": "date", "stats": {"failed": 1}}},
]}}}} for n in ("a", "b")}}  # fmt: skip
"""As _nodes/stats/ingest has it (cluster-nodes-stats.html)."""

ILM = {"indices": {"logs-1": {
    "index": "logs-1", "managed": True, "policy": "week", "phase": "hot", "action": "shrink", "step": "ERROR",
    "failed_step": "shrink", "step_info": {"type": "illegal_argument_exception", "reason": "the number of target shards"},
}}}  # fmt: skip
"""As ilm-explain-lifecycle.html has a failed step."""

SNAPSHOT = {
    "snapshot": "snap-1", "state": "PARTIAL", "start_time": "2024-01-01T01:30:00.000Z",
    "shards": {"total": 10, "failed": 1, "successful": 9},
}  # fmt: skip
SLM = {"daily": {
    "last_success": {"snapshot_name": "s1", "time": 1, "time_string": "2024-01-01T01:30:00.000Z"},
    "last_failure": {"snapshot_name": "s2", "time": 2, "details": "repository is read-only"},
}}  # fmt: skip
"""As slm-api-get-policy.html."""

HEALTH = {
    "cluster_name": "c", "status": "green", "number_of_nodes": 1, "number_of_data_nodes": 1, "active_shards": 1,
    "unassigned_shards": 0, "initializing_shards": 0, "relocating_shards": 0, "number_of_pending_tasks": 1,
}  # fmt: skip
PENDING = {
    "insert_order": 101, "priority": "URGENT", "source": "create-index [foo_9], cause [api]", "executing": True,
    "time_in_queue_millis": 86, "time_in_queue": "86ms",
}  # fmt: skip
TASK = {
    "node": "n", "id": 464, "type": "transport", "action": "indices:data/read/search", "description": "indices[test]",
    "running_time_in_nanos": 13991383000, "cancellable": True, "cancelled": False,
}  # fmt: skip
COPYING = TASK | {
    "id": 465, "action": "indices:data/write/reindex", "description": "reindex", "running_time_in_nanos": 10**9,
    "status": {"total": 6154, "created": 3000, "updated": 500, "deleted": 0, "version_conflicts": 9},
}  # fmt: skip
"""As cluster-pending.html and tasks.html have them."""


def answer(request: FakeRequest) -> FakeAnswer:
    body: Any = json.loads(request.body or b"{}")
    match request.method, request.path.partition("?")[0]:
        case "GET", "/":
            return ROOT
        case "GET", "/_xpack":
            return FakeAnswer(200, {"features": FEATURES})
        case "GET", "/_nodes/hot_threads":
            return FakeAnswer(200, b"::: {node-0}\n   Hot threads at 2026", "text/plain; charset=UTF-8")
        case "POST", "/_query":
            if "nothing" in body["query"]:
                reason = "Unknown index [nothing]"
                cause = {"type": "verification_exception", "reason": reason}
                return FakeAnswer(400, {"error": cause | {"root_cause": [cause]}, "status": 400})
            # The messages are Elasticsearch's own (esql-rest.html has their form).
            for word, said in (
                ("LIMIT 3", "line 2:18: mismatched input 'LIMIT' expecting {<EOF>, '|'}"),
                ("pagecount", "Found 1 problem\nline 1:21: Unknown column [pagecount], did you mean [page_count]?"),
            ):
                if word in body["query"]:
                    cause = {"type": "parsing_exception", "reason": said}
                    return FakeAnswer(400, {"error": cause | {"root_cause": [cause]}, "status": 400})
            if "partial" in body["query"]:
                return FakeAnswer(200, {"columns": COLUMNS, "values": LIBRARY, "is_partial": True})
            if "thousand" in body["query"]:
                warning = '299 Elasticsearch-9.1 "No limit defined, adding default limit of [1000]"'
                many = {"columns": COLUMNS[:1], "values": [["a"]] * 1000}
                return FakeAnswer(200, many, headers={"Warning": warning})
            return FakeAnswer(200, {"columns": COLUMNS, "values": LIBRARY})
        case "GET", "/_resolve/index/*":
            return FakeAnswer(200, {"indices": [{"name": "nothings"}], "aliases": [], "data_streams": []})
        case "GET", "/_ingest/pipeline":
            return FakeAnswer(200, PIPELINES)
        case "GET", "/_nodes/stats/ingest":
            return FakeAnswer(200, INGEST)
        case "GET", "/_ilm/status":
            return FakeAnswer(200, {"operation_mode": "RUNNING"})
        case "GET", "/*/_ilm/explain":
            return FakeAnswer(200, ILM)
        case "GET", "/_snapshot":
            return FakeAnswer(200, {"nightly": {"type": "fs"}})
        case "GET", "/_snapshot/nightly/_all":
            return FakeAnswer(200, {"snapshots": [SNAPSHOT], "total": 1, "remaining": 0})
        case "GET", "/_slm/policy":
            return FakeAnswer(200, SLM)
        case "GET", "/_cluster/health":
            return FakeAnswer(200, HEALTH)
        case "GET", "/_cluster/pending_tasks":
            return FakeAnswer(200, {"tasks": [PENDING]})
        case "GET", "/_tasks":
            return FakeAnswer(200, {"tasks": {"n:464": TASK, "n:465": COPYING}})
        case "POST", "/_sql":
            return FakeAnswer(200, {"columns": COLUMNS, "rows": LIBRARY[: body["fetch_size"]], "cursor": "sDXF1ZXJ5"})
        case "POST", "/_sql/close":
            return FakeAnswer(200, {"succeeded": True})
        case "POST", "/my-index/_eql/search":
            hits: dict[str, Any] = {"total": {"value": 1, "relation": "eq"}}
            if "running" in body["query"]:
                return FakeAnswer(
                    200,
                    {
                        "id": "FmNJRUZ1YWZCU3dHY1BIOUhaenVSRkEaaXFlZ3h4c1RTWFNocDd2VXBRTHo6MzAz",
                        "is_running": True,
                        "is_partial": True,
                    },
                )
            if "failing" in body["query"]:
                failures = [{"shard": 0, "reason": {"type": "x", "reason": "the disk is gone"}}]
                return FakeAnswer(
                    200, {"hits": hits | {"events": [EVENT]}, "shard_failures": failures, "is_partial": True}
                )
            if body["query"].startswith("sequence"):
                return FakeAnswer(200, {"hits": hits | {"sequences": [{"join_keys": [1], "events": [EVENT, EVENT]}]}})
            return FakeAnswer(200, {"hits": hits | {"events": [EVENT]}})
        case "DELETE", path if path.startswith("/_eql/search/"):
            return FakeAnswer(200, {"acknowledged": True})
    return FakeAnswer(404, {"error": f"no handler for {request.path}", "status": 404})


@pytest.fixture
async def asked(tmp_path: Path) -> AsyncIterator[tuple[FakeElasticsearch, Client]]:
    with FakeElasticsearch(answer) as fake:
        env = {"ES_HOST": "127.0.0.1", "ES_PORT": str(fake.port)}
        with Sidecar("servers.elasticsearch", env, tmp_path) as sidecar:
            sidecar.wait_until_ready()
            async with Client(sidecar.url + "/mcp") as client:
                fake.requests.clear()
                yield fake, client


async def test_esql(asked: tuple[FakeElasticsearch, Client]) -> None:
    fake, client = asked
    query = "FROM library | SORT page_count DESC"
    assert await ok(client, "es_query", query=query) == {
        "columns": ["author: text", "name: text", "page_count: short"], "rows": LIBRARY
    }  # fmt: skip
    assert json.loads(fake.newest("/_query").body) == {"query": query}
    assert await ok(client, "es_query", query=query, limit=1) == {
        "columns": ["author: text", "name: text", "page_count: short"], "rows": LIBRARY[:1], "cut": True
    }  # fmt: skip
    assert "there is no index 'nothing': did you mean" in await error(client, "es_query", query="FROM nothing")
    wrong = await error(client, "es_query", query="FROM library |\n  WHERE year > 1 LIMIT 3")
    assert "mismatched input 'LIMIT'" in wrong and wrong.endswith("(at   WHERE year > 1 ▶LIMIT 3)")
    assert "did you mean [page_count]?" in await error(client, "es_query", query="FROM library | KEEP pagecount")


async def test_sql_leaves_no_cursor_behind(asked: tuple[FakeElasticsearch, Client]) -> None:
    fake, client = asked
    found = await ok(client, "es_query", language="sql", query="SELECT * FROM library", limit=1)
    assert found["rows"] == LIBRARY[:1] and found["cut"]
    assert json.loads(fake.newest("/_sql/close").body) == {"cursor": "sDXF1ZXJ5"}


async def test_eql(asked: tuple[FakeElasticsearch, Client]) -> None:
    _, client = asked
    event = {"index": "my-index", "id": EVENT["_id"], "source": EVENT["_source"]}
    assert await ok(client, "es_query", language="eql", query="any where true", index="my-index") == {"rows": [event]}
    sequence = "sequence [any where true] [any where true]"
    assert await ok(client, "es_query", language="eql", query=sequence, index="my-index") == {"rows": [[event, event]]}
    assert "give index" in await error(client, "es_query", language="eql", query="any where true")
    assert "give index with EQL only" in await error(client, "es_query", query="FROM a", index="a")


async def test_partial_results_are_told(asked: tuple[FakeElasticsearch, Client]) -> None:
    fake, client = asked
    (note,) = (await ok(client, "es_query", query="FROM partial"))["notes"]
    assert "the result is partial" in note
    found = await ok(client, "es_query", query="FROM thousand", limit=5000)
    assert found["cut"] and "add | LIMIT 5000" in found["notes"][0]
    eql = {"language": "eql", "index": "my-index"}
    (note,) = (await ok(client, "es_query", query="failing where true", **eql))["notes"]
    assert "1 shards failed" in note and "the disk is gone" in note
    assert "took too long" in await error(client, "es_query", query="running where true", **eql)
    assert fake.newest("/_eql/search/").method == "DELETE"
    assert "wait_for_completion_timeout" not in json.loads(fake.newest("/my-index/_eql/search").body)


async def test_a_cluster_without_them_lists_no_tool_for_them(start: Start, tmp_path: Path) -> None:
    async with Client(start().url + "/mcp") as client:
        assert "es_query" not in [tool.name for tool in (await client.list_tools()).tools]
        assert "this cluster has no esql" in await error(client, "es_query", query="FROM a")


async def test_serverless_has_query_languages(start: Start) -> None:
    def serverless(request: FakeRequest) -> FakeAnswer:
        if request.path.startswith("/_xpack"):
            reason = "uri [/_xpack] with method [GET] exists but is not available when running in serverless mode"
            return FakeAnswer(410, {"error": {"type": "api_not_available_exception", "reason": reason}, "status": 410})
        return answer(request)

    with FakeElasticsearch(serverless) as fake:
        async with Client(start(ES_PORT=str(fake.port)).url + "/mcp") as client:
            assert "es_query" in [tool.name for tool in (await client.list_tools()).tools]
            assert (await ok(client, "es_query", query="FROM library"))["rows"] == LIBRARY


async def test_what_comes_as_text_is_given_as_text(asked: tuple[FakeElasticsearch, Client]) -> None:
    _, client = asked
    found = await ok(client, "es_request", path="/_nodes/hot_threads")
    assert found == {"answer": "::: {node-0}\n   Hot threads at 2026"}


async def test_sections_of_health(asked: tuple[FakeElasticsearch, Client]) -> None:
    _, client = asked
    sections = ["tasks", "pending_tasks", "ilm", "snapshots", "pipelines"]
    assert (await ok(client, "es_health", about=sections))["about"] == {
        "tasks": [
            "14.0 s: indices:data/read/search, n:464: indices[test]",
            "1.0 s: indices:data/write/reindex, n:465, 3509 of 6154 documents: reindex",
        ],
        "pending_tasks": ["create-index [foo_9], cause [api] is under way for 0.1 s (URGENT)"],
        "ilm": [
            "lifecycle management is RUNNING",
            "logs-1: policy week, phase hot, action shrink: shrink failed, the number of target shards",
        ],
        "snapshots": [
            "nightly: snap-1 PARTIAL, 2024-01-01T01:30:00, 9 of 10 shards",
            "policy daily: last success 2024-01-01T01:30:00.000Z; failed since, repository is read-only",
        ],
        "pipelines": [
            "web: grok > date; 140 documents, 12 failed (grok 10, date:utc 2)",
            "quiet: no processor; 0 documents, 0 failed",
        ],
    }


def test_the_list_of_all_tools_is_short(tmp_path: Path) -> None:
    with FakeElasticsearch(answer) as fake:
        env = {"ES_HOST": "127.0.0.1", "ES_PORT": str(fake.port), "MCP_ALLOW_WRITES": "true"}
        with Sidecar("servers.elasticsearch", env, tmp_path) as sidecar:
            sidecar.wait_until_ready()
            sidecar.wait_until(lambda: any(r.path.startswith("/_xpack") for r in fake.requests), 10)
            listed = sidecar.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})[1]["result"]
    names = [tool["name"] for tool in listed["tools"]]
    assert "es_query" in names and len(names) <= 18
    assert len(json.dumps(listed, separators=(",", ":"), ensure_ascii=False).encode()) <= 13_500
