"""es_define and es_alias against a real Elasticsearch 8.11.4."""

import asyncio
import json
from typing import Any

import pytest
from mcp import Client

from servers.common.protocol.tools import Tool
from servers.elasticsearch.tests.conftest import Start, call, error, fill, ok, told
from servers.elasticsearch.tests.fakes import Answer, Answers, FakeNode, answering, failure, resolved
from servers.elasticsearch.tools.by_query import es_by_query
from servers.elasticsearch.tools.documents import es_delete
from servers.elasticsearch.tools.manage import es_manage
from tools.backends.elasticsearch import ElasticsearchNode as Node
from tools.backends.sidecar import Sidecar

SETTINGS: dict[str, str] = {"MCP_ALLOW_WRITES": "true"}


async def test_an_index_is_created_and_fields_are_added(client: Client, es: Node) -> None:
    definition: Any = {
        "settings": {"number_of_replicas": 0}, "mappings": {"properties": {"a": {"type": "keyword"}}}, "aliases": {"x": {}}
    }  # fmt: skip
    assert "was created" in (await ok(client, "es_define", kind="index", name="books", definition=definition))["done"]
    more = {"properties": {"script": {"type": "keyword"}, "b": {"type": "long"}}}
    assert await ok(client, "es_define", kind="mapping", name="books", definition=more) == {
        "done": "the mapping of books was changed"
    }
    await ok(client, "es_define", kind="mapping", name="books", definition={"dynamic": False, "date_detection": False})
    mapping = es.request("GET", "/books/_mapping")["books"]["mappings"]["properties"]
    assert {name: field["type"] for name, field in mapping.items()} == {
        "a": "keyword",
        "b": "long",
        "script": "keyword",
    }
    assert "already" in await error(client, "es_define", kind="index", name="books", definition={})
    changed = {"properties": {"a": {"type": "long"}}}
    assert "cannot be changed" in await error(client, "es_define", kind="mapping", name="books", definition=changed)
    assert "did you mean books" in await error(client, "es_define", kind="mapping", name="boks", definition=more)


async def test_a_template_holds_for_new_indices(client: Client, es: Node) -> None:
    definition = {"index_patterns": ["logs-*"], "template": {"mappings": {"properties": {"t": {"type": "date"}}}}}
    try:
        await ok(client, "es_define", kind="template", name="logs", definition=definition)
        fill(es, "logs-1", {})
        assert es.request("GET", "/logs-1/_mapping")["logs-1"]["mappings"]["properties"] == {"t": {"type": "date"}}
        assert "already exists" in await error(client, "es_define", kind="template", name="logs", definition=definition)
    finally:
        es.request("DELETE", "/_index_template/logs")
    try:  # one pattern need not be in a list
        one: Any = {"index_patterns": "logs-*", "ignore_missing_component_templates": ["x"], "composed_of": ["x"]}
        await ok(client, "es_define", kind="template", name="logs", definition=one)
    finally:
        es.request("DELETE", "/_index_template/logs")
    for pattern in ("*", "**", ".kibana*", "_x", 3):
        wrong = {"index_patterns": [pattern]}
        assert "nothing was done" in await error(
            client, "es_define", kind="template", name="t", definition={"index_patterns": pattern}
        )
        assert "nothing was done" in await error(client, "es_define", kind="template", name="t", definition=wrong)
    assert "nothing was done" in await error(client, "es_define", kind="template", name="t", definition={})


@pytest.mark.parametrize(
    ("kind", "name", "definition", "reason"),
    [
        ("index", "*", {}, "not the exact name"),
        ("index", ".security", {}, "Elasticsearch's own"),
        ("index", "a", {"setings": {}}, "'setings' is not a part of an index"),
        ("mapping", "a", {"type": "keyword"}, "'type' is not a part of a mapping"),
        ("index", "a", {"mappings": {"runtime": {"r": {"type": "long", "script": "emit(1)"}}}}, "scripts are not allowed"),
        ("index", "a", {"mappings": {"runtime": {"r": {"type": "lookup", "target_index": ".security-7"}}}}, "may hold secrets"),
        ("index", "a", {"aliases": {"b": {"filter": {"terms": {"t": {"index": ".security-7"}}}}}}, "may hold secrets"),
        ("index", "UPPER", {}, "must be lowercase"),
    ],
)  # fmt: skip
async def test_what_can_not_be_defined(client: Client, es: Node, kind: str, name: str, definition: Any, reason: str) -> None:
    assert reason in await error(client, "es_define", kind=kind, name=name, definition=definition)
    assert es.request("GET", "/_cat/indices?format=json") == []


async def test_an_alias_is_led_to_another_index_at_once(client: Client, es: Node) -> None:
    fill(es, "books-1", {})
    fill(es, "books-2", {})
    es.request("PUT", "/books-1/_alias/books")
    changes: list[dict[str, Any]] = [
        {"op": "remove", "index": "books-1", "alias": "books"},
        {"op": "add", "index": "books-2", "alias": "books", "is_write_index": True},
    ]
    assert await ok(client, "es_alias", changes=changes) == {"aliases": {"books": ["books-2"]}}
    # All or nothing: the second of these can't be.
    changes = [
        {"op": "add", "index": "books-1", "alias": "books"},
        {"op": "remove", "index": "books-1", "alias": "nowhere"},
    ]
    assert "nowhere" in await error(client, "es_alias", changes=changes)
    assert list(es.request("GET", "/_alias/books")) == ["books-2"]
    gone = [{"op": "remove", "index": "books-2", "alias": "books"}]
    assert await ok(client, "es_alias", changes=gone) == {"aliases": {"books": []}}


def test_a_change_is_told_though_what_comes_after_it_can_not_be_read(start: Start) -> None:
    """The real node has neither users without a right nor tasks of a copy."""
    refused = failure(403, "security_exception", "no right to see it")
    done = Answer(200, {"acknowledged": True})
    answers: Answers = {
        "GET /_alias": refused, "GET /_tasks": Answer(0), "_cancel": Answer(200, {"nodes": {"n": {}}}),
        "_mapping": Answer(200, {}), "_reindex": Answer(200, {"task": "node:7"}), "_resolve": resolved("a"),
    }  # fmt: skip
    with FakeNode(answering(answers, done)) as fake:
        sidecar = start(ES_PORT=str(fake.port), MCP_ALLOW_WRITES="true")
        changed = call(sidecar, "es_alias", changes=[{"op": "add", "alias": "x", "index": "a"}])["structuredContent"]
        assert changed["aliases"] == {} and "the changes were made" in changed["note"] and "no right" in changed["note"]
        copied = call(sidecar, "es_by_query", index="a", query={}, copy_to={"index": "a"})["structuredContent"]["task"]
        assert copied["id"] == "node:7" and "the copy was started" in copied["note"]
        cancelled = call(sidecar, "es_manage", op="cancel", name="node:7")["structuredContent"]
        assert cancelled == {"task": {"id": "node:7", "cancelled": True}}


async def test_aliases_that_can_not_be_changed(client: Client, es: Node) -> None:
    fill(es, "books", {})
    changes: list[tuple[dict[str, Any], str]] = [
        *(({"index": name}, "nothing was done") for name in ("*", "_all", "books,other")),
        *(({"alias": name}, "nothing was done") for name in ("_all", ".own")),
        ({"op": "remove_index"}, "input should be 'add' or 'remove'"),
        ({"index": "boks"}, "did you mean books"),
        ({"filter": {"script": {"script": "true"}}}, "scripts"),
    ]
    for change, reason in changes:
        wrong = {"op": "add", "index": "books", "alias": "a"} | change
        assert reason in await error(client, "es_alias", changes=[wrong])
    assert es.request("GET", "/books/_alias") == {"books": {"aliases": {}}}


async def test_an_index_takes_after_another(client: Client, es: Node) -> None:
    fill(es, "old", {}, {"dynamic": "strict", "properties": {"a": {"type": "keyword"}}}, shards=2)
    more = {"like": "old", "settings": {"refresh_interval": "7s"}, "mappings": {"properties": {"b": {"type": "ip"}}}}
    await ok(client, "es_define", kind="index", name="new", definition=more)
    made = es.request("GET", "/new")["new"]
    assert made["mappings"] == {
        "dynamic": "strict", "properties": {"a": {"type": "keyword"}, "b": {"type": "ip"}}
    }  # fmt: skip
    settings = made["settings"]["index"]
    assert (settings["number_of_shards"], settings["number_of_replicas"], settings["refresh_interval"]) == (
        "2",
        "0",
        "7s",
    )
    assert "did you mean old" in await error(client, "es_define", kind="index", name="x", definition={"like": "olt"})


async def test_settings_that_lose_nothing_are_changed(client: Client, es: Node) -> None:
    fill(es, "books", {})
    definition = {"number_of_replicas": 1, "index": {"search": {"slowlog": {"threshold": {"query": {"warn": "1s"}}}}}}
    done = (await ok(client, "es_define", kind="settings", name="books", definition=definition))["done"]
    assert "number_of_replicas 0" in done
    rows = (await ok(client, "es_indices", kind="settings", pattern="books"))["rows"]
    assert rows[0]["settings"]["search.slowlog.threshold.query.warn"] == "1s" and "uuid" not in rows[0]["settings"]
    for wrong in (
        {"default_pipeline": "x"}, {"lifecycle.name": "x"}, {"blocks": {"read": True}}, {"number_of_replicas": 11}, {}
    ):  # fmt: skip
        await error(client, "es_define", kind="settings", name="books", definition=wrong)
    assert es.request("GET", "/books/_settings")["books"]["settings"]["index"]["number_of_replicas"] == "1"
    for n in range(21):
        es.request("PUT", f"/many-{n}?wait_for_active_shards=0", {"aliases": {"many": {}}})
    done = (await ok(client, "es_define", kind="settings", name="many", definition={"priority": 2}))["done"]
    assert done.endswith("; many-8: priority not set; and 1 more")


async def test_an_index_is_deleted_in_two_steps(client: Client, es: Node) -> None:
    fill(es, "books", {"1": {}})
    fill(es, "other", {})
    es.request("PUT", "/books/_alias/name")
    shown = await ok(client, "es_manage", op="delete", name="books")
    assert shown["would_delete"] == {"name": "books", "docs": 1, "aliases": ["name"]}
    fill(es, "more", {"1": {}})
    for name, confirm in (("books", "0" * 16), ("other", shown["confirm"]), ("more", shown["confirm"])):
        assert "nothing was deleted" in await error(client, "es_manage", op="delete", name=name, confirm=confirm)
    for name in ("name", "*", "books,other", "_all", ".own", "nowhere", ""):
        assert await error(client, "es_manage", op="delete", name=name)
    # What has changed since is not what was shown.
    confirmed: dict[str, Any] = {"op": "delete", "name": "books", "confirm": shown["confirm"]}
    es.request("PUT", "/books/_doc/2?refresh=true", {})
    assert "nothing was deleted" in await error(client, "es_manage", **confirmed)
    es.request("DELETE", "/books")
    fill(es, "books", {"1": {}})
    assert "nothing was deleted" in await error(client, "es_manage", **confirmed)
    confirm = (await ok(client, "es_manage", op="delete", name="books"))["confirm"]
    await ok(client, "es_manage", op="delete", name="books", confirm=confirm)
    left = es.request("GET", "/_cat/indices?format=json")
    assert sorted(row["index"] for row in left) == ["more", "other"]


async def test_an_index_is_closed_and_opened(client: Client, es: Node) -> None:
    fill(es, "books", {"1": {}})
    assert "closed" in (await ok(client, "es_manage", op="close", name="books"))["done"]
    assert (await ok(client, "es_indices"))["indices"][0]["closed"]
    assert await ok(client, "es_manage", op="close", name="books") == {"done": "index books was closed already"}
    await ok(client, "es_manage", op="open", name="books")
    assert (await ok(client, "es_search", index="books"))["total"] == 1


async def test_an_index_whose_shards_are_nowhere_is_told_and_deleted(client: Client, es: Node) -> None:
    nowhere = {"settings": {"number_of_replicas": 0, "routing.allocation.require.box": "none"}}
    for name in "written", "closed":
        es.request("PUT", f"/{name}?wait_for_active_shards=0", nowhere)
    # Elasticsearch waits for them; it answers before these calls end.
    made, closed, written, bulk = await asyncio.gather(
        ok(client, "es_define", kind="index", name="made", definition=nowhere),
        ok(client, "es_manage", op="close", name="closed"),
        error(client, "es_index", index="written", document={}),
        ok(client, "es_bulk", index="written", operations=[{"document": {}}]),
    )
    late = ", but its shards are not there yet: es_health says why"
    assert made == {"done": f"index made was created{late}"}
    assert closed == {"done": f"index closed is closed: open makes it readable again{late}"}
    assert "primary shard is not active" in written and "so nothing was done: es_health says which" in written
    assert "primary shard is not active" in bulk["failed"][0]["error"] and bulk["done"] == {}
    shown = await ok(client, "es_manage", op="delete", name="written")
    assert shown["would_delete"] == {"name": "written", "shards_not_counted": "all"}
    await ok(client, "es_manage", op="delete", name="written", confirm=shown["confirm"])
    assert await ok(client, "es_indices", pattern="w*") == {"total": 0, "indices": []}


async def test_a_write_does_not_wait_for_a_refresh_that_is_late_or_never(client: Client, es: Node) -> None:
    fill(es, "books", {"1": {"n": 1}})
    document: dict[str, Any] = {"index": "books", "id": "1", "refresh": True}
    for interval in "-1", "-1s", "10m":
        es.request("PUT", "/books/_settings", {"index.refresh_interval": interval})
        for tool, given in (
            ("es_index", document | {"document": {"n": 2}}),
            ("es_delete", document),
            ("es_bulk", {"index": "books", "operations": [{"document": {}}], "refresh": True}),
        ):
            said = await error(client, tool, **given)
            assert f"refresh_interval of books is {interval}" in said and "leave out refresh; nothing was done" in said
    assert es.request("GET", "/books/_doc/1")["_version"] == 1
    es.request("PUT", "/books/_settings", {"index.refresh_interval": "500ms"})
    assert (await ok(client, "es_index", **document, document={"n": 2}))["result"] == "updated"


async def test_templates_are_listed_and_deleted(client: Client, es: Node) -> None:
    template = {"template": {"settings": {"number_of_replicas": 0}}}
    await ok(client, "es_define", kind="component_template", name="part", definition=template)
    assert "exists" in await error(client, "es_define", kind="component_template", name="part", definition=template)
    whole = {"index_patterns": ["logs-*"], "composed_of": ["part"]}
    await ok(client, "es_define", kind="template", name="logs", definition=whole)
    (row,) = (await ok(client, "es_indices", kind="component_templates"))["rows"]
    assert row == {"name": "part", "settings": {"index": {"number_of_replicas": "0"}}, "used_by": ["logs"]}
    for kind, name in (("template", "logs"), ("component_template", "part")):
        assert "not the exact name" in await error(client, "es_manage", op="delete", kind=kind, name="*")
        confirm = (await ok(client, "es_manage", op="delete", kind=kind, name=name))["confirm"]
        await ok(client, "es_manage", op="delete", kind=kind, name=name, confirm=confirm)
        assert "there is no" in await error(client, "es_manage", op="delete", kind=kind, name=name)


@pytest.mark.parametrize("type", ["percolator", "{name}", "x{dynamic_type}"])
async def test_no_dynamic_template_makes_fields_of_queries(client: Client, type: str) -> None:
    templates = {"dynamic_templates": [{"any": {"match": "*", "mapping": {"type": type}}}]}
    definitions = {
        "index": {"mappings": templates},
        "mapping": templates,
        "template": {"index_patterns": ["a-*"], "template": {"mappings": templates}},
        "component_template": {"template": {"mappings": templates}},
    }
    for kind, definition in definitions.items():
        assert "percolator" in await error(client, "es_define", kind=kind, name="a", definition=definition)


async def test_pipelines_that_are_refused(client: Client) -> None:
    """Elasticsearch never sees them: the node has no processors and would say so."""
    for processor in (
        {"script": {"source": "x"}},
        {"set": {"field": "_index", "value": "x"}},
        {"json": {"field": "a"}},
    ):
        said = await error(client, "es_define", kind="pipeline", name="p", definition={"processors": [processor]})
        assert "Elasticsearch answered" not in said, said


def test_a_copy_is_a_task_without_scripts(start: Start) -> None:
    """The real node has no reindex module."""
    done = {"total": 3, "created": 2, "version_conflicts": 1, "failures": []}

    task = {"node": "node", "id": 7, "action": "indices:data/write/reindex", "status": {}}
    queries, plain = ({"in-1": {"mappings": {"properties": {"q": {"type": type}}}}} for type in ("percolator", "long"))
    answers: Answers = {
        "_resolve": lambda request: resolved(request.path.split("/")[3].partition("?")[0]),
        "in-queries/_mapping": Answer(200, queries),
        "_mapping": Answer(200, plain),
        "/_reindex": Answer(200, {"task": "node:7"}),
        "/_tasks/node:7": Answer(200, {"completed": True, "task": task, "response": done}),
    }
    with FakeNode(answering(answers, Answer(200, {"acknowledged": True}))) as fake:
        sidecar = start(ES_PORT=str(fake.port), MCP_ALLOW_WRITES="true", MCP_INDEX_PATTERNS="in-*")
        to = {"index": "in-2", "drop": ["secret.*"], "rename": {"a": "b"}}
        asked = {"index": "in-1", "query": {"term": {"x": 1}}, "copy_to": to}
        task = call(sidecar, "es_by_query", **asked)["structuredContent"]["task"]
        assert (task["completed"], task["created"], task["version_conflicts"]) == (True, 2, 1)
        sent = {f"{r.method} {r.path.partition('?')[0]}": json.loads(r.body or b"null") for r in fake.requests}
        (made,) = [line for line in sent if line.startswith("PUT /_ingest/pipeline/mcp-reindex-")]
        assert sent[made]["processors"] == [{"rename": {"field": "a", "target_field": "b", "ignore_missing": True}}]
        assert sent["POST /_reindex"] == {
            "conflicts": "proceed",
            "source": {"index": ["in-1"], "query": {"term": {"x": 1}}, "_source": {"excludes": ["secret.*"]}},
            "dest": {"index": "in-2", "op_type": "create", "pipeline": made.rpartition("/")[2]},
        }
        assert made.replace("PUT", "DELETE") in sent
        assert call(sidecar, "es_manage", op="task", name=task["id"])["structuredContent"]["task"]["completed"]
        assert "not the id of a task" in told(sidecar, "es_manage", op="task", name="node:7")
        wrong: list[dict[str, Any]] = [
            {}, {"index": "in-queries"}, {"index": "in-2", "script": {"source": "x"}}, {"index": "in-2", "remote": {}},
            *({"index": "in-2", "rename": {"a": name}} for name in ("_index", "_source._id", "{{x}}", "_ingest.x", "", "b*")),
            {"index": "in-2", "drop": ["a*b*c*d*e"]},
        ]  # fmt: skip
        before = len(fake.requests)
        for to in wrong:
            assert told(sidecar, "es_by_query", index="in-1", query={}, copy_to=to)
        assert "scripts" in told(sidecar, "es_by_query", index="in-1", query={"script": {}}, copy_to={"index": "in-2"})
        assert not [r for r in fake.requests[before:] if r.method == "PUT" or "_reindex" in r.path]


@pytest.mark.parametrize(
    ("tool", "arguments", "dry"),
    [
        (es_manage, {"op": "delete", "name": "a"}, True),
        (es_manage, {"op": "delete", "name": "a", "confirm": "x"}, False),
        (es_manage, {"op": "task", "name": "a"}, True),
        *((es_manage, {"op": op, "name": "a"}, False) for op in ("close", "open", "cancel")),
        (es_by_query, {"index": "a", "query": {}}, True),
        (es_by_query, {"index": "a", "query": {}, "confirm": "x"}, False),
        (es_by_query, {"index": "a", "query": {}, "copy_to": {"index": "b"}}, False),
        (es_delete, {"index": "a", "id": "1"}, False),
    ],
)
def test_a_person_is_asked_for_all_that_changes_something(tool: Tool, arguments: dict[str, Any], dry: bool) -> None:
    assert tool.dry_run(tool.check(arguments)[0]) is dry


def test_pipelines_and_policies_are_told_in_short(start: Start) -> None:
    """The real node has neither. Where patterns limit the server, those of other indices are left out."""
    uses = {"in-1": {"index.default_pipeline": "web"}, "out-1": {"index.final_pipeline": "other"}}
    used = {index: {"settings": settings} for index, settings in uses.items()}
    pipelines = {name: {"processors": [{"grok": {}}, {"date": {}}], "description": "d"} for name in ("web", "other")}
    phases = {
        "hot": {"actions": {"rollover": {"max_age": "1d"}}},
        "delete": {"min_age": "7d", "actions": {"delete": {}}},
    }
    policies = {
        name: {"policy": {"phases": phases}, "in_use_by": {"indices": [index], "data_streams": []}}
        for name, index in (("week", "in-1"), ("year", "out-1"))
    }

    answers = {
        "_resolve": resolved(*used),
        "/*/_settings/index.*_pipeline": Answer(200, used),
        "/in-1/_settings/index.*_pipeline": Answer(200, {"in-1": used["in-1"]}),
        "/_ingest/pipeline": Answer(200, pipelines),
        "/_ilm/policy": Answer(200, policies),
    }
    with FakeNode(answering(answers)) as fake:
        whole, limited = start(ES_PORT=str(fake.port)), start(ES_PORT=str(fake.port), MCP_INDEX_PATTERNS="in-*")

        def rows(sidecar: Sidecar, kind: str) -> list[dict[str, Any]]:
            return list(call(sidecar, "es_indices", kind=kind)["structuredContent"]["rows"])

        other, web = rows(whole, "pipelines")
        assert (other["name"], other["used_by"], web["used_by"]) == ("other", ["out-1"], ["in-1"])
        assert web["processors"] == ["grok", "date"] and web["description"] == "d"
        assert rows(limited, "pipelines") == [{"name": "web", "processors": ["grok", "date"], "used_by": ["in-1"]}]
        week, year = rows(whole, "lifecycle_policies")
        assert (week["used_by"], year["used_by"]) == (["in-1"], ["out-1"])
        assert week["phases"]["delete"] == {"min_age": "7d", "actions": {"delete": {}}}
        assert [row["name"] for row in rows(limited, "lifecycle_policies")] == ["week"]


def test_a_retriever_takes_the_place_of_the_query(start: Start) -> None:
    """The real node is older than retrievers."""
    rrf = {"rrf": {"retrievers": [{"standard": {"query": {"match": {"a": "b"}}}}, {"knn": {"field": "v", "k": 3}}]}}
    hit = {"_index": "a", "_id": "1", "_score": 0.03, "_source": {"a": "b"}}

    page = {"hits": {"total": {"value": 9, "relation": "eq"}, "hits": [hit]}, "_shards": {}}
    with FakeNode(answering({"_search": Answer(200, page)})) as fake:
        sidecar = start(ES_PORT=str(fake.port))
        found = call(sidecar, "es_search", index="a", size=1, more={"retriever": rrf})["structuredContent"]
        assert found["hits"][0]["id"] == "1" and "cursor" not in found and "retriever" in found["notes"][0]
        (sent,) = [json.loads(request.body) for request in fake.requests if "_search" in request.path]
        assert sent.keys() == {"retriever", "size", "timeout", "track_total_hits"} and sent["retriever"] == rrf
        assert "takes the place" in told(sidecar, "es_search", index="a", text="x", more={"retriever": rrf})
