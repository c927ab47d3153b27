"""The query engine: RediSearch itself for search and aggregation, and a fake for what its release here has not."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from redis import Redis

from servers.redis.tests.conftest import error, ok
from servers.redis.tests.fake_query_engine import FakeQueryEngine
from tools.backends.redis import RedisServer
from tools.backends.runfiles import program
from tools.backends.sidecar import Sidecar

pytestmark = pytest.mark.anyio

ENGINE = ["redis_indexes", "redis_search", "redis_aggregate", "redis_create_index"]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Redis, Sidecar]]:
    with RedisServer(config={"loadmodule": program("REDISEARCH")}) as server, Redis("127.0.0.1", server.port) as redis:
        redis.execute_command("FT.CREATE", "books", "SCHEMA", "title", "TEXT", "SORTABLE", "year", "NUMERIC", "SORTABLE",
                              "genre", "TAG", "SORTABLE")  # fmt: skip
        for number, (title, year, genre) in enumerate(
            [
                ("The Left Hand of Darkness", 1969, "sf"),
                ("A Wizard of Earthsea", 1968, "fantasy"),
                ("The Dispossessed", 1974, "sf"),
                ("The Tombs of Atuan", 1971, "fantasy"),
                ("Solaris", 1961, "sf"),
            ]
        ):
            redis.execute_command("FT.ADD", "books", f"book:{number}", "1.0", "FIELDS", "title", title, "year", year,
                                  "genre", genre, "api_key", "hidden")  # fmt: skip
        env = {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(server.port), "MCP_ALLOW_WRITES": "true"}
        with Sidecar("servers.redis", env, tmp_path_factory.mktemp("sidecar")) as sidecar:
            sidecar.wait_until_ready()
            yield redis, sidecar


@pytest.fixture
async def client(engine: tuple[Redis, Sidecar]) -> AsyncIterator[Client]:
    async with Client(engine[1].url + "/mcp") as connected:
        yield connected


async def test_its_tools_are_listed_where_it_is(client: Client) -> None:
    assert set(ENGINE) <= {tool.name for tool in (await client.list_tools()).tools}


async def test_an_index_is_described(client: Client) -> None:
    (index,) = (await ok(client, "redis_indexes", index="books"))["indexes"]
    assert index["name"] == "books" and index["documents"] == 5
    assert {f["attribute"]: f["type"] for f in index["fields"]} == {"title": "TEXT", "year": "NUMERIC", "genre": "TAG"}
    assert "Unknown Index name" in await error(client, "redis_indexes", index="nosuch")
    assert "give the name of one" in await error(client, "redis_indexes"), "FT._LIST came with RediSearch 2.0"


async def test_documents_are_found(client: Client) -> None:
    found = await ok(client, "redis_search", index="books", query="@genre:{sf} @year:[1965 +inf]", sort="year desc")
    assert found["total"] == 2
    assert [d["title"] for d in found["documents"]] == ["The Dispossessed", "The Left Hand of Darkness"]
    assert found["documents"][0]["key"] == "book:2" and found["documents"][0]["api_key"] == "(masked)"
    (only,) = (await ok(client, "redis_search", index="books", query="darkness", fields=["year"]))["documents"]
    assert only == {"key": "book:0", "year": "1969"}
    assert "Syntax error" in await error(client, "redis_search", index="books", query="@year:[")


async def test_documents_are_found_in_pages(client: Client) -> None:
    titles = []
    page: dict[str, Any] = {"cursor": 0}
    while "cursor" in page:
        page = await ok(client, "redis_search", index="books", sort="year", limit=2, cursor=page["cursor"])
        titles += [d["title"] for d in page["documents"]]
    assert len(titles) == 5 and titles[0] == "Solaris"


async def test_documents_are_grouped(client: Client) -> None:
    steps = ["GROUPBY", "1", "@genre", "REDUCE", "COUNT", "0", "AS", "n", "SORTBY", "2", "@n", "DESC"]
    assert await ok(client, "redis_aggregate", index="books", steps=steps) == {
        "rows": [{"genre": "sf", "n": "3"}, {"genre": "fantasy", "n": "2"}]
    }
    assert await ok(client, "redis_aggregate", index="books", steps=steps, limit=1) == {
        "rows": [{"genre": "sf", "n": "3"}], "cut": True
    }  # fmt: skip
    assert "WITHCURSOR" in await error(client, "redis_aggregate", index="books", steps=["withcursor"])


async def test_an_index_over_every_key_is_out_of_scope(engine: tuple[Redis, Sidecar], tmp_path: Path) -> None:
    port = str(engine[0].connection_pool.connection_kwargs["port"])
    env = {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": port, "MCP_KEY_PREFIXES": "app:", "MCP_ALLOW_WRITES": "true"}
    with Sidecar("servers.redis", env, tmp_path) as sidecar:
        sidecar.wait_until_ready()
        async with Client(sidecar.url + "/mcp") as client:
            for tool, arguments in (
                ("redis_indexes", {"index": "books"}),
                ("redis_search", {"index": "books"}),
                ("redis_aggregate", {"index": "books", "steps": []}),
                ("redis_command", {"command": ["FT.SEARCH", "books", "*"]}),
                ("redis_create_index", {"index": "i", "prefixes": ["x:"], "fields": {"a": "TEXT"}}),
            ):
                assert "'app:'" in await error(client, tool, **arguments)


# What only later releases have, against their answers.


@pytest.fixture
async def faked(tmp_path: Path) -> AsyncIterator[tuple[FakeQueryEngine, Client]]:
    with FakeQueryEngine() as fake:
        env = {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(fake.port), "MCP_ALLOW_WRITES": "true"}
        with Sidecar("servers.redis", env, tmp_path) as sidecar:
            sidecar.wait_until_ready()
            async with Client(sidecar.url + "/mcp") as client:
                fake.sent.clear()
                yield fake, client


async def test_all_indexes_with_their_vectors(faked: tuple[FakeQueryEngine, Client]) -> None:
    _, client = faked
    (index,) = (await ok(client, "redis_indexes"))["indexes"]
    assert index["prefixes"] == ["doc:"] and index["on"] == "HASH" and index["documents"] == 2
    title, vector = index["fields"]
    assert title == {"attribute": "title", "type": "TEXT", "weight": "1", "sortable": True}
    assert (vector["attribute"], vector["dim"], vector["data_type"]) == ("v", 3, "FLOAT32")


async def test_vectors_are_searched_within_what_a_query_finds(faked: tuple[FakeQueryEngine, Client]) -> None:
    fake, client = faked
    found = await ok(
        client, "redis_search", index="docs", query="@title:one", vector=[1, 0.5, 0], limit=5, fields=["title"]
    )
    (sent,) = [words for words in fake.sent if words[0] == b"FT.SEARCH"]
    assert sent[1:3] == [b"docs", b"(@title:one)=>[KNN 5 @v $vector AS vector_distance]"]
    assert sent[3:7] == [b"PARAMS", b"2", b"vector", struct.pack("<3f", 1, 0.5, 0)]
    assert sent[7:] == [b"SORTBY", b"vector_distance", b"RETURN", b"2", b"title", b"vector_distance",
                        b"LIMIT", b"0", b"5", b"DIALECT", b"2"]  # fmt: skip
    first = found["documents"][0]
    assert first == {
        "key": "doc:1", "vector_distance": "0.25", "title": "One", "v": "(vector of 12 bytes)", "token": "(masked)"
    }  # fmt: skip
    assert found["total"] == 7 and found["cursor"] == 2


async def test_a_vector_that_does_not_fit_is_explained(faked: tuple[FakeQueryEngine, Client]) -> None:
    _, client = faked
    assert "3 dimensions, and 2 values" in await error(client, "redis_search", index="docs", vector=[1, 2])
    assert "which has v" in await error(client, "redis_search", index="docs", vector=[1, 2, 3], vector_field="title")


@pytest.mark.parametrize("sort", ["title desc LIMIT 0 1000000", "title up", " ", "a b c"])
async def test_sort_is_a_field_and_a_direction(faked: tuple[FakeQueryEngine, Client], sort: str) -> None:
    fake, client = faked
    assert "sort has to be" in await error(client, "redis_search", index="docs", sort=sort)
    assert b"FT.SEARCH" not in [words[0] for words in fake.sent]


async def test_an_index_of_vectors_is_created(faked: tuple[FakeQueryEngine, Client]) -> None:
    fake, client = faked
    fields = {
        "title": "TEXT SORTABLE",
        "$.v AS v": "VECTOR",
        "v": "VECTOR HNSW 6 TYPE FLOAT32 DIM 3 DISTANCE_METRIC COSINE",
    }
    del fields["$.v AS v"]
    assert await ok(client, "redis_create_index", index="new", prefixes=["doc:"], fields=fields) == {"index": "new"}
    assert b" ".join(fake.sent[-1]) == (
        b"FT.CREATE new ON HASH PREFIX 1 doc: SCHEMA title TEXT SORTABLE v VECTOR HNSW 6 TYPE FLOAT32 DIM 3 "
        b"DISTANCE_METRIC COSINE"
    )
    assert "needs a type" in await error(client, "redis_create_index", index="i", prefixes=["a"], fields={"f": ""})


async def test_json_and_time_series_are_read(faked: tuple[FakeQueryEngine, Client]) -> None:
    _, client = faked
    assert (await ok(client, "redis_read", key="doc"))["value"] == '{"a":[1,2],"b":"x"}'
    series = await ok(client, "redis_read", key="ts", limit=2)
    assert series["entries"] == [{"time_ms": 1000, "value": 1.5}, {"time_ms": 2000, "value": 2.0}]
    assert series["length"] == 3 and series["about"]["labels"] == [["host", "a"]]
    assert (await ok(client, "redis_read", key="ts", cursor=series["cursor"]))["entries"] == [
        {"time_ms": 3000, "value": "inf"}
    ]


async def test_json_is_written(faked: tuple[FakeQueryEngine, Client]) -> None:
    fake, client = faked
    await ok(client, "redis_write", key="doc", type="json", value={"a": [1]})
    assert [b"JSON.SET", b"doc", b"$", b'{"a":[1]}'] in fake.sent
