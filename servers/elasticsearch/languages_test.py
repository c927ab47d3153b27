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

from servers.elasticsearch.conftest import Start, error, ok
from servers.elasticsearch.fake_elasticsearch import ROOT, Answer, FakeElasticsearch, Request
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


def answer(request: Request) -> Answer:
    body: Any = json.loads(request.body or b"{}")
    match request.method, request.path.partition("?")[0]:
        case "GET", "/":
            return ROOT
        case "GET", "/_xpack":
            return Answer(200, {"features": FEATURES})
        case "GET", "/_nodes/hot_threads":
            return Answer(200, b"::: {node-0}\n   Hot threads at 2026", "text/plain; charset=UTF-8")
        case "POST", "/_query":
            if "nothing" in body["query"]:
                reason = "Unknown index [nothing]"
                cause = {"type": "verification_exception", "reason": reason}
                return Answer(400, {"error": cause | {"root_cause": [cause]}, "status": 400})
            return Answer(200, {"columns": COLUMNS, "values": LIBRARY})
        case "POST", "/_sql":
            return Answer(200, {"columns": COLUMNS, "rows": LIBRARY[: body["fetch_size"]], "cursor": "sDXF1ZXJ5"})
        case "POST", "/_sql/close":
            return Answer(200, {"succeeded": True})
        case "POST", "/my-index/_eql/search":
            hits: dict[str, Any] = {"total": {"value": 1, "relation": "eq"}}
            if body["query"].startswith("sequence"):
                return Answer(200, {"hits": hits | {"sequences": [{"join_keys": [1], "events": [EVENT, EVENT]}]}})
            return Answer(200, {"hits": hits | {"events": [EVENT]}})
    return Answer(404, {"error": f"no handler for {request.path}", "status": 404})


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
    assert json.loads(fake.requests[-1].body) == {"query": query}
    assert await ok(client, "es_query", query=query, limit=1) == {
        "columns": ["author: text", "name: text", "page_count: short"], "rows": LIBRARY[:1], "cut": True
    }  # fmt: skip
    assert "Unknown index [nothing]" in await error(client, "es_query", query="FROM nothing")


async def test_sql_leaves_no_cursor_behind(asked: tuple[FakeElasticsearch, Client]) -> None:
    fake, client = asked
    found = await ok(client, "es_query", language="sql", query="SELECT * FROM library", limit=1)
    assert found["rows"] == LIBRARY[:1] and found["cut"]
    assert fake.requests[-1].path == "/_sql/close" and json.loads(fake.requests[-1].body) == {"cursor": "sDXF1ZXJ5"}


async def test_eql(asked: tuple[FakeElasticsearch, Client]) -> None:
    _, client = asked
    event = {"index": "my-index", "id": EVENT["_id"], "source": EVENT["_source"]}
    assert await ok(client, "es_query", language="eql", query="any where true", index="my-index") == {"rows": [event]}
    sequence = "sequence [any where true] [any where true]"
    assert await ok(client, "es_query", language="eql", query=sequence, index="my-index") == {"rows": [[event, event]]}
    assert "give index" in await error(client, "es_query", language="eql", query="any where true")
    assert "give index with EQL, and only then" in await error(client, "es_query", query="FROM a", index="a")


async def test_a_cluster_without_them_lists_no_tool_for_them(start: Start, tmp_path: Path) -> None:
    async with Client(start().url + "/mcp") as client:
        assert "es_query" not in [tool.name for tool in (await client.list_tools()).tools]
        assert "this cluster has no esql" in await error(client, "es_query", query="FROM a")


async def test_what_comes_as_text_is_given_as_text(asked: tuple[FakeElasticsearch, Client]) -> None:
    _, client = asked
    found = await ok(client, "es_request", path="/_nodes/hot_threads")
    assert found == {"answer": "::: {node-0}\n   Hot threads at 2026"}
