"""es_by_query against a real Elasticsearch 8.11.4."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from mcp import Client

from servers.elasticsearch.tests.conftest import BOOKS, BOOKS_MAPPING, error, fill, ok
from tools.backends.elasticsearch import ElasticsearchNode
from tools.backends.sidecar import Sidecar

pytestmark = pytest.mark.anyio

SETTINGS: dict[str, str] = {"MCP_ALLOW_WRITES": "true"}

ADA = {"term": {"author.name": "Ada"}}


@pytest.fixture
async def client(sidecar: Sidecar, elasticsearch: ElasticsearchNode) -> AsyncIterator[Client]:
    fill(elasticsearch, "books", BOOKS, BOOKS_MAPPING)
    async with Client(sidecar.url + "/mcp") as connected:
        yield connected


def stored(node: ElasticsearchNode, index: str = "books") -> dict[str, Any]:
    node.request("POST", f"/{index}/_refresh")
    return {h["_id"]: h["_source"] for h in node.request("GET", f"/{index}/_search?size=10000")["hits"]["hits"]}


async def test_a_dry_run_comes_first(client: Client, elasticsearch: ElasticsearchNode) -> None:
    dry = await ok(client, "es_by_query", index="books", query=ADA)
    assert dry["matched"] == 2 and [row["id"] for row in dry["sample"]] == ["1", "3"]
    assert dry["sample"][0]["source"] == BOOKS["1"] and len(stored(elasticsearch)) == 3
    assert await ok(client, "es_by_query", index="books", query=ADA, confirm=dry["confirm"], refresh=True) == {
        "done": 2
    }
    assert list(stored(elasticsearch)) == ["2"]
    assert await ok(client, "es_by_query", index="books", query=ADA) == {"matched": 0}


async def test_documents_are_changed(client: Client, elasticsearch: ElasticsearchNode) -> None:
    change = {"author": {"country": "UK"}, "pages": 1}
    dry = await ok(client, "es_by_query", index="books", query=ADA, set=change)
    assert await ok(client, "es_by_query", index="books", query=ADA, set=change, confirm=dry["confirm"]) == {"done": 2}
    assert stored(elasticsearch)["1"] == BOOKS["1"] | {"author": {"name": "Ada", "country": "UK"}, "pages": 1}
    assert stored(elasticsearch)["2"] == BOOKS["2"]


async def test_what_has_changed_meanwhile_is_not_touched(client: Client, elasticsearch: ElasticsearchNode) -> None:
    confirm = (await ok(client, "es_by_query", index="books", query=ADA))["confirm"]
    elasticsearch.request("PUT", "/books/_doc/1?refresh=true", BOOKS["1"] | {"pages": 999})
    assert "nothing was done" in await error(client, "es_by_query", index="books", query=ADA, confirm=confirm)
    # The very same documents, but another thing to do with them.
    confirm = (await ok(client, "es_by_query", index="books", query=ADA))["confirm"]
    assert "nothing was done" in await error(
        client, "es_by_query", index="books", query=ADA, set={"pages": 1}, confirm=confirm
    )
    # A change that a search does not see yet shows when it comes to the document itself.
    elasticsearch.request("PUT", "/books/_settings", {"index.refresh_interval": "-1"})
    confirm = (await ok(client, "es_by_query", index="books", query=ADA))["confirm"]
    elasticsearch.request("PUT", "/books/_doc/3", BOOKS["3"] | {"pages": 5})
    assert await ok(client, "es_by_query", index="books", query=ADA, confirm=confirm) == {"done": 1, "conflicts": 1}
    assert sorted(stored(elasticsearch)) == ["2", "3"]


async def test_more_than_a_chunk_and_more_than_the_cap(client: Client, elasticsearch: ElasticsearchNode) -> None:
    fill(elasticsearch, "many", {str(i): {"n": i} for i in range(1300)}, shards=2)
    query = {"range": {"n": {"lt": 1200}}}
    assert "more than 1000 documents match" in await error(client, "es_by_query", index="many", query=query)
    dry = await ok(client, "es_by_query", index="many", query=query, most=2000)
    assert dry["matched"] == 1200
    done = await ok(client, "es_by_query", index="many", query=query, most=2000, confirm=dry["confirm"])
    assert done == {"done": 1200} and len(stored(elasticsearch, "many")) == 100


async def test_by_an_alias(client: Client, elasticsearch: ElasticsearchNode) -> None:
    elasticsearch.request("PUT", "/books/_alias/library")
    dry = await ok(client, "es_by_query", index="library", query=ADA)
    assert await ok(client, "es_by_query", index="library", query=ADA, confirm=dry["confirm"]) == {"done": 2}


async def test_what_is_refused(client: Client, elasticsearch: ElasticsearchNode) -> None:
    for index in ("*", "_all", "books,other", ".security", "bo*"):
        assert "nothing was done" in await error(client, "es_by_query", index=index, query=ADA)
    assert "matches every document" in await error(client, "es_by_query", index="books", query={"match_all": {}})
    assert "matches every document" in await error(client, "es_by_query", index="books", query={})
    assert "scripts" in await error(client, "es_by_query", index="books", query={"script": {"script": "true"}})
    assert "did you mean books" in await error(client, "es_by_query", index="boks", query=ADA)
    assert len(stored(elasticsearch)) == 3
