"""MCP_INDEX_PATTERNS for what the Elasticsearch here does not have: ES|QL, SQL, EQL and data streams.

The jars carry none of them: what is asserted is the requests that are sent, and the refusals, against a stand-in that answers
in the wire format of the reference
(https://www.elastic.co/guide/en/elasticsearch/reference/8.11/indices-resolve-index-api.html, esql-rest.html,
sql-rest-format.html, eql-search-api.html, indices-get-data-stream.html).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import Client

from servers.common.protocol.tools import ToolError
from servers.elasticsearch.policy.statement_scope import Statement, esql, sources, sql
from servers.elasticsearch.tests.conftest import error, ok
from servers.elasticsearch.tests.fake_elasticsearch import ROOT, FakeAnswer, FakeElasticsearch, FakeRequest
from tools.backends.sidecar import Sidecar

pytestmark = pytest.mark.anyio

HAS = {"available": True, "enabled": True}

INDICES: dict[str, dict[str, Any]] = {
    "app-1": {}, "app-2": {}, "canary": {},
    ".ds-app-logs-2024.01.01-000001": {"data_stream": "app-logs"},
    ".ds-canary-logs-2024.01.01-000001": {"data_stream": "canary-logs"},
}  # fmt: skip
STREAMS = {
    "app-logs": [".ds-app-logs-2024.01.01-000001"],
    "canary-logs": [".ds-canary-logs-2024.01.01-000001"],
}
ALIASES = {"logs": STREAMS["app-logs"], "all-logs": STREAMS["app-logs"] + STREAMS["canary-logs"], "app-x": ["canary"]}


def resolved(expression: str) -> FakeAnswer:
    names = {name for part in expression.split(",") for name in [*INDICES, *STREAMS, *ALIASES] if part in ("*", name) or (
        part.endswith("*") and name.startswith(part[:-1]))}  # fmt: skip
    missing = [part for part in expression.split(",") if "*" not in part and part not in names]
    if missing:
        cause = {"type": "index_not_found_exception", "reason": f"no such index [{missing[0]}]", "index": missing[0]}
        return FakeAnswer(404, {"error": cause | {"root_cause": [cause]}, "status": 404})
    return FakeAnswer(200, {
        "indices": [{"name": n, "attributes": ["open"]} | more for n, more in INDICES.items() if n in names],
        "aliases": [{"name": n, "indices": members} for n, members in ALIASES.items() if n in names],
        "data_streams": [
            {"name": n, "backing_indices": members, "timestamp_field": "@timestamp"}
            for n, members in STREAMS.items() if n in names
        ],
    })  # fmt: skip


def answer(request: FakeRequest) -> FakeAnswer:
    path = unquote(request.path.partition("?")[0])
    if path == "/":
        return ROOT
    if path == "/_xpack":
        return FakeAnswer(200, {"features": {"esql": HAS, "sql": HAS, "eql": HAS, "ilm": HAS}})
    if path.startswith("/_resolve/index/"):
        return resolved(path.removeprefix("/_resolve/index/"))
    if path == "/_query":
        return FakeAnswer(200, {"columns": [{"name": "n", "type": "long"}], "values": [[1]]})
    if path == "/_sql":
        return FakeAnswer(200, {"columns": [{"name": "n", "type": "long"}], "rows": [[1]]})
    if path.endswith("/_eql/search"):
        return FakeAnswer(200, {"hits": {"total": {"value": 0, "relation": "eq"}, "events": []}})
    if path.startswith("/_data_stream/") and path.endswith("/_stats"):
        row = {
            "data_stream": "app-logs",
            "backing_indices": 1,
            "store_size_bytes": 3772,
            "maximum_timestamp": 1607512028000,
        }
        return FakeAnswer(200, {"data_stream_count": 1, "data_streams": [row]})
    if path.startswith("/_data_stream/"):
        stream = {"name": "app-logs", "status": "GREEN", "template": "app", "ilm_policy": "week", "hidden": False}
        return FakeAnswer(200, {"data_streams": [stream, stream | {"name": "canary-logs"}]})
    if path.endswith("/_search"):
        return FakeAnswer(200, {"hits": {"total": {"value": 1, "relation": "eq"}, "hits": []}, "_shards": {}})
    if path.startswith("/_cat/indices/"):
        return FakeAnswer(200, [])
    return FakeAnswer(404, {"error": f"no handler for {path}", "status": 404})


@pytest.fixture
async def asked(tmp_path: Path) -> AsyncIterator[tuple[FakeElasticsearch, Client]]:
    with FakeElasticsearch(answer) as fake:
        env = {"ES_HOST": "127.0.0.1", "ES_PORT": str(fake.port), "MCP_INDEX_PATTERNS": "app-*"}
        with Sidecar("servers.elasticsearch", env, tmp_path) as sidecar:
            sidecar.wait_until_ready()
            async with Client(sidecar.url + "/mcp") as client:
                yield fake, client


OUTSIDE = "index that this server may touch"


async def test_statements_read_only_what_is_inside(asked: tuple[FakeElasticsearch, Client]) -> None:
    fake, client = asked
    for query, sent in (
        ("FROM app-1 | LIMIT 1", "FROM app-1 | LIMIT 1"),
        (
            "from * metadata _id | stats n = count(*)",
            "from app-1,app-2,.ds-app-logs-2024.01.01-000001,app-logs metadata _id ",
        ),
        ("FROM app-l*, app-1 | LIMIT 1", "FROM app-1,app-logs | LIMIT 1"),
        ("FROM logs", "FROM logs"),
    ):
        await ok(client, "es_query", query=query)
        assert json.loads(fake.newest("/_query").body)["query"].startswith(sent)
    await ok(client, "es_query", language="sql", query="SELECT n FROM \"app*\" WHERE x = 'FROM canary'")
    assert 'FROM "app-1,app-2,app-logs" WHERE x' in json.loads(fake.newest("/_sql").body)["query"]
    await ok(client, "es_query", language="eql", query="any where true", index="*")
    assert fake.newest("/_eql/search").path.startswith(
        "/app-1,app-2,.ds-app-logs-2024.01.01-000001,app-logs/_eql/search"
    )
    asked_for = len(fake.requests)
    for language, query in (
        ("esql", "FROM canary"),
        ("esql", "FROM app-1,canary | LIMIT 1"),
        ("esql", "FROM app-x"),
        ("esql", "FROM all-logs"),
        ("esql", "FROM canary*"),
        ("esql", "FROM .ds-canary-logs-2024.01.01-000001"),
        ("esql", "FROM app-1, *canary*, canary-logs"),
        ("sql", "SELECT * FROM canary"),
        ("sql", 'SELECT * FROM "app-1,canary"'),
        ("sql", 'SELECT * FROM "canary*"'),
        ("sql", "SELECT (n) FROM app-x"),
    ):
        assert OUTSIDE in await error(client, "es_query", language=language, query=query), query
    for index in ("canary", "all-logs", "app-1,canary", "r:app-1"):
        assert OUTSIDE in await error(client, "es_query", language="eql", query="any where true", index=index)
    assert all(
        "/_resolve/" in request.path for request in fake.requests[asked_for:] if request.path not in ("/", "/_xpack")
    )


async def test_data_streams(asked: tuple[FakeElasticsearch, Client]) -> None:
    fake, client = asked
    found = await ok(client, "es_indices", kind="data_streams")
    assert found == {
        "total": 1,
        "data_streams": [
            {
                "name": "app-logs",
                "indices": 1,
                "status": "GREEN",
                "template": "app",
                "ilm_policy": "week",
                "bytes": 3772,
                "newest": "2020-12-09T11:07:08+00:00",
            }
        ],
    }
    for index, sent in (
        (".ds-app*", ".ds-app-logs-2024.01.01-000001"),
        ("app-logs", "app-logs"),
        ("logs", "logs"),
        ("l*", "logs"),
    ):
        await ok(client, "es_search", index=index)
        assert fake.newest("/_search").path.startswith(f"/{sent}/_search"), (
            "its indices and aliases are inside by the stream's name"
        )
    for index in ("canary-logs", ".ds-canary-logs-2024.01.01-000001", "all-logs", ".ds-c*"):
        assert OUTSIDE in await error(client, "es_search", index=index)


@pytest.mark.parametrize(
    "query",
    [
        "FROM app-1 | ENRICH canary-policy",
        "FROM app-1 | LOOKUP JOIN canary ON id",
        "FROM app-1 | limit 1 | enrich p",
        "FROM app-1 | FORK (WHERE true) (WHERE false)",
        "FROM app-1, (FROM canary | LIMIT 1)",
        "FROM (FROM canary)",
        "FROM app-1 | WHERE a IN (FROM canary)",
        "FROM app-1 | WHERE a IN ( from canary)",
        "FROM app-1 | WHERE a IN (FROM canary | KEEP a)",
        "FROM r:app-1",
        "FROM *:canary",
        "FROM app-1::failures",
        'FROM "app-1"',
        "FROM `app-1`",
        "FROM <app-{now/d}>",
        "TS canary",
        "METRICS canary",
        "EXPLAIN [FROM canary]",
        "FROM app-1 // comment\n, canary",
        "FROM app-1 /* | */ , canary",
        'FROM app-1 | WHERE a == """x"""',
        'FROM app-1 | WHERE a == "x | LIMIT 1',
        "FROM app-1 | COMPLETION a WITH b",
        "FROM app-1 |",
        "| FROM canary",
        "FROM app-1 canary",
        "FROM app-1 METADATA _id, canary | LIMIT 1 | | ENRICH p",
        "FROM\u00a0canary",
        'FROM app-1 | WHERE x == "\\" | ENRICH p',
        "FROM app-1 | RENAME `a``b` AS c | ENRICH p",
        "SET a = b; FROM canary",
        "FROM app-1 | INSIST x",
        "FROM app-1 | RERANK x",
    ],
)
def test_esql_that_could_read_anything_is_refused(query: str) -> None:
    with pytest.raises(ToolError, match="it can't tell which indices"):
        esql(query)


@pytest.mark.parametrize(
    "query",
    [
        "SHOW TABLES",
        "DESCRIBE canary",
        "SYS TABLES",
        "EXPLAIN SELECT 1",
        "SELECT * FROM app-1, canary",
        "SELECT * FROM a JOIN canary",
        "SELECT * FROM a join canary",
        "SELECT * FROM (SELECT * FROM canary)",
        "SELECT * FROM app-1 -- x",
        "SELECT * FROM /* x */ canary",
        "SELECT /* x */ a FROM app-1",
        "SELECT * FROM b\u00fc",
        'SELECT * FROM "app-1"x',
        "SELECT a FROM app-1,canary",
        "SELECT * FROM r:canary",
        'SELECT * FROM "r:canary"',
        'SELECT * FROM r."canary"',
        "SELECT {fn x} FROM canary",
        "SELECT * FROM app-1; SELECT * FROM canary",
        "SELECT * FROM FROZEN canary",
        "SELECT * FROM app-1 WHERE a IN (SELECT b FROM canary)",
        "SELECT 'x FROM canary",
        "SELECT * FROM `canary`",
        "SELECT * FROM <canary>",
        'SELECT * FROM "app-1" , canary',
        "WITH a AS (SELECT 1) SELECT * FROM canary",
        "SELECT a FROM",
        'SELECT * FROM "a""b"',
    ],
)
def test_sql_that_could_read_anything_is_refused(query: str) -> None:
    with pytest.raises(ToolError, match="it can't tell which indices"):
        sql(query)


NAME = st.text(st.sampled_from("ab1.*-_"), min_size=1, max_size=6)
QUOTED = st.text(st.sampled_from("a|'`(FROM x,"), max_size=12)


@given(names=st.lists(NAME, min_size=1, max_size=3), text=QUOTED, blank=st.sampled_from([" ", "\n", "\t "]))
def test_what_a_statement_reads_is_found_and_replaced(names: list[str], text: str, blank: str) -> None:
    query = f'FROM{blank}{f" ,{blank}".join(names)}{blank}| WHERE a == "{text}" | LIMIT 3'
    statement = esql(query)
    assert statement.indices == ",".join(names)
    assert (
        statement.reading(statement.indices)
        .replace(blank, "")
        .endswith(f'| WHERE a == "{text}" | LIMIT 3'.replace(blank, ""))
    )
    joined = ",".join(names)
    found = sql(f'SELECT a,{blank}"{text}" FROM{blank}"{joined}" LIMIT 3')
    assert found.indices == joined and found.reading("x").endswith('FROM "x" LIMIT 3')


@pytest.mark.parametrize(
    ("language", "query", "before", "indices", "behind"),
    [
        (esql, "from a , b-*\n,c | limit 1", "from ", "a,b-*,c", " | limit 1"),
        (esql, "FROM a METADATA _id, _index | LIMIT 1", "FROM ", "a", " METADATA _id, _index | LIMIT 1"),
        (esql, "FROM a [METADATA _id]", "FROM ", "a", " [METADATA _id]"),
        (
            esql,
            'FROM a | WHERE b == "x | y" | EVAL `c|d` = (1)',
            "FROM ",
            "a",
            ' | WHERE b == "x | y" | EVAL `c|d` = (1)',
        ),
        (esql, "show info | keep version", "show info | keep version", "", ""),
        (esql, "ROW a = 1", "ROW a = 1", "", ""),
        (sql, "select a from b where c = ?".replace("?", "'FROM'"), 'select a from "', "b", "\" where c = 'FROM'"),
        (sql, 'SELECT a FROM "b*,c" ORDER BY a', 'SELECT a FROM "', "b*,c", '" ORDER BY a'),
        (sql, "SELECT (1) FROM b", 'SELECT (1) FROM "', "b", '"'),
        (sql, " SELECT 1", " SELECT 1", "", ""),
    ],
)
def test_the_parts_of_a_statement(language: Any, query: str, before: str, indices: str, behind: str) -> None:
    assert language(query) == Statement(before, indices, behind)
    assert language(query).reading("x,y") == before + "x,y" + behind


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("FROM a, b-* | WHERE c", {"a", "b-*"}),
        ("from r:a | lookup join d on e", {"r", "a", "d", "on", "e"}),
        ("TS a", {"a"}),
        ("METRICS a BY b", {"a", "BY", "b"}),
        ('SELECT x FROM "a,b" WHERE y = 1 GROUP BY z', {"a", "b"}),
        ("SELECT x FROM a HAVING y", {"a"}),
        ("SELECT x FROM a ORDER BY y LIMIT 1", {"a"}),
        ("FROM /* | */ a", {"a", "/*"}),
        ("FROM // |\n a", {"a", "//"}),
        ("FROM -- |\n a", {"a", "--"}),
        ("FROM (FROM a), b", {"a", "b"}),
        ("ROW a = 1", set()),
    ],
)
def test_whatever_may_be_the_name_of_an_index(query: str, names: set[str]) -> None:
    assert set(sources(query)) == names


def test_statements_that_read_no_index() -> None:
    assert esql("ROW a = 1 | EVAL b = a").indices == "" and esql("SHOW INFO").indices == ""
    assert sql("SELECT 1").indices == ""
