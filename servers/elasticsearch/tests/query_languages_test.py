"""es_query: ES|QL, SQL and EQL, and hot threads, against the wire format of Elasticsearch's reference.

They are of x-pack, which the jars of the Elasticsearch here do not carry; its hot threads are empty. The answers are the
documentation's examples (https://www.elastic.co/guide/en/elasticsearch/reference/8.11/esql-rest.html, sql-rest-format.html,
eql-search-api.html).
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
from mcp import Client

from servers.elasticsearch.tests.conftest import Start, error, ok
from servers.elasticsearch.tests.fakes import Answer, Answers, FakeNode, Request, answering, failure, resolved

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


# The messages are Elasticsearch's own (esql-rest.html has their form).
ESQL = {
    "nothing": failure(400, "verification_exception", "Unknown index [nothing]"),
    "LIMIT 3": failure(400, "parsing_exception", "line 2:18: mismatched input 'LIMIT' expecting {<EOF>, '|'}"),
    "pagecount": failure(
        400, "parsing_exception", "Found 1 problem\nline 1:21: Unknown column [pagecount], did you mean [page_count]?"
    ),
    "partial": Answer(200, {"columns": COLUMNS, "values": LIBRARY, "is_partial": True}),
    "wide": Answer(200, {"columns": COLUMNS[:1] * 300, "values": [["a" * 20] * 300]}),
    "thousand": Answer(200, {"columns": COLUMNS[:1], "values": [["a"]] * 1000}),
    "FROM": Answer(200, {"columns": COLUMNS, "values": LIBRARY}),
}
HITS = {"total": {"value": 1, "relation": "eq"}}
FAILURE = {"shard": 0, "reason": {"type": "x", "reason": "the disk is gone"}}
EQL = {
    "running": Answer(200, {"id": "FmNJRUZ1YWZCU3dHY1BIOUhaenVSRkEaaXFlZ3h", "is_running": True, "is_partial": True}),
    "failing": Answer(200, {"hits": HITS | {"events": [EVENT]}, "shard_failures": [FAILURE], "is_partial": True}),
    "sequence": Answer(200, {"hits": HITS | {"sequences": [{"join_keys": [1], "events": [EVENT, EVENT]}]}}),
    "any": Answer(200, {"hits": HITS | {"events": [EVENT]}}),
}
"""What is answered to a query that has a word."""


def by_word(answers: Mapping[str, Answer]) -> Callable[[Request], Answer]:
    return lambda request: next(said for word, said in answers.items() if word in json.loads(request.body)["query"])


def rows(request: Request) -> Answer:
    """A row a page, and an empty last one, as groups may have it."""
    page = int(json.loads(request.body).get("cursor", 0))
    more = {"cursor": str(page + 1)} if page < len(LIBRARY) else {}
    return Answer(200, {"columns": COLUMNS, "rows": LIBRARY[page : page + 1]} | more)


ANSWERS: Answers = {
    "/_xpack": Answer(200, {"features": FEATURES}),
    "/_nodes/hot_threads": Answer(200, b"::: {node-0}\n   Hot threads at 2026", "text/plain; charset=UTF-8"),
    "/_query": by_word(ESQL),
    "/_resolve/index/*": resolved("nothings"),
    "/_ingest/pipeline": Answer(200, PIPELINES),
    "/_nodes/stats/ingest": Answer(200, INGEST),
    "/_ilm/status": Answer(200, {"operation_mode": "RUNNING"}),
    "/*/_ilm/explain": Answer(200, ILM),
    **{f"/_snapshot/{name}/_all": Answer(200, {"snapshots": []}) for name in "abc"},
    "/_snapshot/nightly/_all": Answer(200, {"snapshots": [SNAPSHOT], "total": 1, "remaining": 0}),
    "/_snapshot/lost/_all": failure(500, "repository_exception", "[lost] could not read repository data"),
    "/_snapshot": Answer(200, {name: {"type": "fs"} for name in ("nightly", "lost", *"abcd")}),
    "/_slm/policy": Answer(200, SLM),
    "/_cluster/health": Answer(200, HEALTH),
    "/_cluster/pending_tasks": Answer(200, {"tasks": [PENDING]}),
    "/_tasks": Answer(200, {"tasks": {"n:464": TASK, "n:465": COPYING}}),
    "/_sql/close": Answer(200, {"succeeded": True}),
    "/_sql": rows,
    "/my-index/_eql/search": by_word(EQL),
    "DELETE /_eql/search/": Answer(200, {"acknowledged": True}),
}
answer = answering(ANSWERS, Answer(404, {"error": "no handler", "status": 404}))


Asked = tuple[FakeNode, Client]


@pytest.fixture
async def asked(start: Start) -> AsyncIterator[Asked]:
    with FakeNode(answer) as fake:
        async with Client(start(ES_PORT=str(fake.port), MCP_ALLOW_WRITES="true").url + "/mcp") as client:
            fake.requests.clear()
            yield fake, client


async def test_esql(asked: Asked) -> None:
    fake, client = asked
    query = "FROM library | SORT page_count DESC"
    table = {"columns": ["author: text", "name: text", "page_count: short"], "rows": LIBRARY}
    assert await ok(client, "es_query", query=query) == table
    assert json.loads(fake.newest("/_query").body) == {"query": query}
    assert await ok(client, "es_query", query=query, limit=1) == table | {"rows": LIBRARY[:1], "cut": True}
    wide = await ok(client, "es_query", query="FROM wide")
    assert len(wide["rows"][0]) < 300 and "were cut: ask for fewer columns" in wide["warnings"][0]
    assert "may hold secrets" in await error(client, "es_query", query="FROM library, .security-7")
    assert "there is no index 'nothing': did you mean" in await error(client, "es_query", query="FROM nothing")
    wrong = await error(client, "es_query", query="FROM library |\n  WHERE year > 1 LIMIT 3")
    assert "mismatched input 'LIMIT'" in wrong and wrong.endswith("(at   WHERE year > 1 ▶LIMIT 3)")
    assert "did you mean [page_count]?" in await error(client, "es_query", query="FROM library | KEEP pagecount")


async def test_sql_leaves_no_cursor_behind(asked: Asked) -> None:
    fake, client = asked
    found = await ok(client, "es_query", language="sql", query="SELECT * FROM library", limit=1)
    assert found["rows"] == LIBRARY[:1] and found["cut"]
    assert json.loads(fake.newest("/_sql/close").body) == {"cursor": "2"}
    closed = len(fake.requests)
    found = await ok(client, "es_query", language="sql", query="SELECT * FROM library", limit=2)
    assert found["rows"] == LIBRARY and "cut" not in found
    assert not any("close" in request.path for request in fake.requests[closed:])


async def test_eql(asked: Asked) -> None:
    _, client = asked
    event = {"index": "my-index", "id": EVENT["_id"], "source": EVENT["_source"]}
    assert await ok(client, "es_query", language="eql", query="any where true", index="my-index") == {"rows": [event]}
    sequence = "sequence [any where true] [any where true]"
    assert await ok(client, "es_query", language="eql", query=sequence, index="my-index") == {"rows": [[event, event]]}
    assert "give index" in await error(client, "es_query", language="eql", query="any where true")
    assert "give index with EQL only" in await error(client, "es_query", query="FROM a", index="a")


async def test_partial_results_are_told(asked: Asked) -> None:
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


async def test_serverless_has_query_languages(start: Start) -> None:
    reason = "uri [/_xpack] with method [GET] exists but is not available when running in serverless mode"
    gone = {"/_xpack": failure(410, "api_not_available_exception", reason)}
    with FakeNode(answering({**ANSWERS, **gone})) as fake:
        async with Client(start(ES_PORT=str(fake.port)).url + "/mcp") as client:
            assert "es_query" in [tool.name for tool in (await client.list_tools()).tools]
            assert (await ok(client, "es_query", query="FROM library"))["rows"] == LIBRARY


async def test_sections_of_health_and_an_answer_in_text(asked: Asked) -> None:
    _, client = asked
    found = await ok(client, "es_request", path="/_nodes/hot_threads")
    assert found == {"answer": "::: {node-0}\n   Hot threads at 2026"}
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
            "lost: Elasticsearch answered: [lost] could not read repository data",
            "and 1 more repositories",
            "policy daily: last success 2024-01-01T01:30:00.000Z; failed since, repository is read-only",
        ],
        "pipelines": [
            "web: grok > date; 140 documents, 12 failed (grok 10, date:utc 2)",
            "quiet: no processor; 0 documents, 0 failed",
        ],
    }


async def test_the_list_of_all_tools_is_short(asked: Asked) -> None:
    tools = (await asked[1].list_tools()).tools
    assert "es_query" in [tool.name for tool in tools] and len(tools) <= 18
    assert sum(len(tool.model_dump_json(by_alias=True, exclude_none=True).encode()) for tool in tools) <= 13_600
