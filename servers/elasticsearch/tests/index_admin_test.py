"""es_define and es_alias against a real Elasticsearch 8.11.4."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from mcp import Client

from servers.elasticsearch.tests.conftest import error, fill, ok
from tools.backends.elasticsearch import ElasticsearchNode
from tools.backends.sidecar import Sidecar

pytestmark = pytest.mark.anyio

SETTINGS: dict[str, str] = {"MCP_ALLOW_WRITES": "true"}


@pytest.fixture
async def client(sidecar: Sidecar, elasticsearch: ElasticsearchNode) -> AsyncIterator[Client]:
    async with Client(sidecar.url + "/mcp") as connected:
        yield connected


async def test_an_index_is_created_and_fields_are_added(client: Client, elasticsearch: ElasticsearchNode) -> None:
    definition: dict[str, Any] = {
        "settings": {"number_of_replicas": 0}, "mappings": {"properties": {"a": {"type": "keyword"}}}, "aliases": {"x": {}}
    }  # fmt: skip
    assert "was created" in (await ok(client, "es_define", kind="index", name="books", definition=definition))["done"]
    more = {"properties": {"script": {"type": "keyword"}, "b": {"type": "long"}}}
    assert "were added" in (await ok(client, "es_define", kind="mapping", name="books", definition=more))["done"]
    mapping = elasticsearch.request("GET", "/books/_mapping")["books"]["mappings"]["properties"]
    assert {name: field["type"] for name, field in mapping.items()} == {
        "a": "keyword",
        "b": "long",
        "script": "keyword",
    }
    assert "already" in await error(client, "es_define", kind="index", name="books", definition={})
    changed = {"properties": {"a": {"type": "long"}}}
    assert "cannot be changed" in await error(client, "es_define", kind="mapping", name="books", definition=changed)
    assert "did you mean books" in await error(client, "es_define", kind="mapping", name="boks", definition=more)


async def test_a_template_holds_for_new_indices(client: Client, elasticsearch: ElasticsearchNode) -> None:
    definition = {"index_patterns": ["logs-*"], "template": {"mappings": {"properties": {"t": {"type": "date"}}}}}
    try:
        await ok(client, "es_define", kind="template", name="logs", definition=definition)
        fill(elasticsearch, "logs-1", {})
        assert elasticsearch.request("GET", "/logs-1/_mapping")["logs-1"]["mappings"]["properties"] == {
            "t": {"type": "date"}
        }
        assert "already exists" in await error(client, "es_define", kind="template", name="logs", definition=definition)
    finally:
        elasticsearch.request("DELETE", "/_index_template/logs")
    for pattern in ("*", "**", ".kibana*", "_x", 3):
        wrong = {"index_patterns": [pattern]}
        assert "nothing was done" in await error(client, "es_define", kind="template", name="t", definition=wrong)
    assert "nothing was done" in await error(client, "es_define", kind="template", name="t", definition={})


@pytest.mark.parametrize(
    ("kind", "name", "definition", "reason"),
    [
        ("index", "*", {}, "not the exact name"),
        ("index", ".security", {}, "Elasticsearch's own"),
        ("index", "a", {"setings": {}}, "'setings' is no part of an index"),
        ("mapping", "a", {"type": "keyword"}, "'type' is no part of a mapping"),
        (
            "index",
            "a",
            {"mappings": {"runtime": {"r": {"type": "long", "script": "emit(1)"}}}},
            "scripts are not allowed",
        ),
        ("index", "UPPER", {}, "must be lowercase"),
    ],
)
async def test_what_can_not_be_defined(
    client: Client, elasticsearch: ElasticsearchNode, kind: str, name: str, definition: dict[str, Any], reason: str
) -> None:
    assert reason in await error(client, "es_define", kind=kind, name=name, definition=definition)
    assert elasticsearch.request("GET", "/_cat/indices?format=json") == []


async def test_an_alias_is_led_to_another_index_at_once(client: Client, elasticsearch: ElasticsearchNode) -> None:
    fill(elasticsearch, "books-1", {})
    fill(elasticsearch, "books-2", {})
    elasticsearch.request("PUT", "/books-1/_alias/books")
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
    assert list(elasticsearch.request("GET", "/_alias/books")) == ["books-2"]
    gone = [{"op": "remove", "index": "books-2", "alias": "books"}]
    assert await ok(client, "es_alias", changes=gone) == {"aliases": {"books": []}}


async def test_aliases_that_can_not_be_changed(client: Client, elasticsearch: ElasticsearchNode) -> None:
    fill(elasticsearch, "books", {})
    for index, alias in (("*", "a"), ("books", "_all"), ("books", ".own"), ("_all", "a"), ("books,other", "a")):
        assert "nothing was done" in await error(
            client, "es_alias", changes=[{"op": "add", "index": index, "alias": alias}]
        )
    assert "input should be 'add' or 'remove'" in await error(
        client, "es_alias", changes=[{"op": "remove_index", "index": "books", "alias": "a"}]
    )
    assert "did you mean books" in await error(
        client, "es_alias", changes=[{"op": "add", "index": "boks", "alias": "a"}]
    )
    script = {"script": {"script": "true"}}
    assert "scripts" in await error(
        client, "es_alias", changes=[{"op": "add", "index": "books", "alias": "a", "filter": script}]
    )
    assert elasticsearch.request("GET", "/books/_alias") == {"books": {"aliases": {}}}
