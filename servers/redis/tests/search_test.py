"""The query engine and JSON, of Redis 8 with the modules of Redis Stack."""

import json
import struct
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from redis import Redis

from servers.common.protocol.tools import Call
from servers.common.settings import Environment
from servers.redis.policy.key_scope import ScopedRedis
from servers.redis.settings import RedisSettings
from servers.redis.tests.conftest import connected, error, ok, pages
from servers.redis.tools.read import redis_read
from servers.redis.tools.read_many import redis_read_many
from tools.backends.redis_wheels import other_redis
from tools.backends.sidecar import Sidecar

Engine = tuple[Redis, Sidecar]
"""The store, and a server over it."""

ENGINE = ["redis_indexes", "redis_search", "redis_aggregate", "redis_create_index"]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with other_redis("redis-8", ["search", "json", "bloom"]) as server, Redis("127.0.0.1", server.port) as redis:
        for words in (
            "books PREFIX 1 book: SCHEMA title TEXT SORTABLE year NUMERIC SORTABLE genre TAG SORTABLE",
            "docs PREFIX 1 doc: SCHEMA title TEXT v VECTOR HNSW 6 TYPE FLOAT32 DIM 3 DISTANCE_METRIC COSINE",
            "every SCHEMA nosuch TAG",
        ):
            redis.execute_command("FT.CREATE", *words.split())
        for number, (title, year, genre) in enumerate(
            [
                ("The Left Hand of Darkness", 1969, "sf"),
                ("A Wizard of Earthsea", 1968, "fantasy"),
                ("The Dispossessed", 1974, "sf"),
                ("The Tombs of Atuan", 1971, "fantasy"),
                ("Solaris", 1961, "sf"),
            ]
        ):
            redis.hset(f"book:{number}", mapping={"title": title, "year": year, "genre": genre, "api_key": "hidden"})
        for number, vector in enumerate([(1, 0.5, 0), (0, 1, 1), (1, 1, 1)]):
            redis.hset(f"doc:{number}", mapping={"title": f"one {number}", "v": struct.pack("<3f", *vector)})
        env = {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(server.port), "MCP_ALLOW_WRITES": "true"}
        with Sidecar("servers.redis", env, tmp_path_factory.mktemp("sidecar")) as sidecar:
            yield redis, sidecar


@pytest.fixture
async def client(engine: Engine) -> AsyncIterator[Client]:
    async with Client(engine[1].url + "/mcp") as client:
        yield client


async def test_its_tools_are_listed_and_an_index_is_described(client: Client) -> None:
    assert set(ENGINE) <= {tool.name for tool in (await client.list_tools()).tools}
    (index,) = (await ok(client, "redis_indexes", index="books"))["indexes"]
    assert index["name"] == "books" and index["documents"] == 5
    assert {f["attribute"]: f["type"] for f in index["fields"]} == {"title": "TEXT", "year": "NUMERIC", "genre": "TAG"}
    assert "nknown" in await error(client, "redis_indexes", index="nosuch")
    by_name = {index["name"]: index for index in (await ok(client, "redis_indexes"))["indexes"]}
    assert by_name["docs"]["prefixes"] == ["doc:"] and by_name["docs"]["on"] == "HASH"
    title, vector = by_name["docs"]["fields"]
    assert title == {"attribute": "title", "type": "TEXT", "weight": "1"}
    assert (vector["attribute"], vector["dim"], vector["data_type"]) == ("v", 3, "FLOAT32")


async def test_documents_are_found(client: Client) -> None:
    found = await ok(client, "redis_search", index="books", query="@genre:{sf} @year:[1965 +inf]", sort="year desc")
    assert found["total"] == 2
    assert [d["fields"]["title"] for d in found["documents"]] == ["The Dispossessed", "The Left Hand of Darkness"]
    assert found["documents"][0]["key"] == "book:2" and found["documents"][0]["fields"]["api_key"] == "(masked)"
    (only,) = (await ok(client, "redis_search", index="books", query="darkness", fields=["year"]))["documents"]
    assert only == {"key": "book:0", "fields": {"year": "1969"}}
    assert "yntax error" in await error(client, "redis_search", index="books", query="@year:[")
    assert "at least 1 item" in await error(client, "redis_search", index="books", fields=[])
    paged = await pages(client, "redis_search", "documents", index="books", sort="year", limit=2)
    assert len(paged) == 5 and paged[0]["fields"]["title"] == "Solaris"


async def test_a_document_longer_than_a_result_hides_no_others(engine: Engine, client: Client) -> None:
    redis, _ = engine
    redis.execute_command("FT.CREATE", "long", "PREFIX", "1", "long:", "SCHEMA", "n", "NUMERIC", "SORTABLE")
    try:
        long: dict[Any, Any] = {f"f{number}": "y" * 2000 for number in range(40)}
        redis.hset("long:0", mapping={"n": 0} | long)
        redis.hset("long:1", mapping={"n": 1})
        load = ["LOAD", "41", "@n", *(f"@f{number}" for number in range(40)), "SORTBY", "1", "@n"]
        found = await ok(client, "redis_search", index="long", sort="n")
        rows = await ok(client, "redis_aggregate", index="long", steps=load)
    finally:
        redis.execute_command("FT.DROPINDEX", "long", "DD")
    assert [d["key"] for d in found["documents"]] == ["long:0", "long:1"] and "fields" in found["warnings"][0]
    assert rows["rows"][1] == {"n": "1"} and "load fewer fields" in rows["warnings"][0]


async def test_no_field_of_a_document_hides_its_key_or_another_field(engine: Engine, client: Client) -> None:
    engine[0].hset("book:odd", mapping={"title": "Odd", "key": "mine", b"\xff": "x", b"\xfe": "y"})
    try:
        (only,) = (await ok(client, "redis_search", index="books", query="@title:odd"))["documents"]
    finally:
        engine[0].delete("book:odd")
    fields = {"title": "Odd", "key": "mine", "base64:/w==": "x", "base64:/g==": "y"}
    assert only == {"key": "book:odd", "fields": fields}


async def test_documents_are_grouped(client: Client) -> None:
    steps = ["GROUPBY", "1", "@genre", "REDUCE", "COUNT", "0", "AS", "n", "SORTBY", "2", "@n", "DESC"]
    assert await ok(client, "redis_aggregate", index="books", steps=steps) == {
        "rows": [{"genre": "sf", "n": "3"}, {"genre": "fantasy", "n": "2"}]
    }
    assert await ok(client, "redis_aggregate", index="books", steps=steps, limit=1) == {
        "rows": [{"genre": "sf", "n": "3"}], "cut": True
    }  # fmt: skip
    second = [*steps, "LIMIT", "1", "1"]
    assert await ok(client, "redis_aggregate", index="books", steps=second) == {"rows": [{"genre": "fantasy", "n": "2"}]}
    second += ["GROUPBY", "0", "REDUCE", "COUNT", "0", "AS", "rows"]
    assert await ok(client, "redis_aggregate", index="books", steps=second) == {"rows": [{"rows": "1"}]}


async def test_documents_too_big_to_be_read_are_named(client: Client, engine: Engine) -> None:
    """The page ends before it, and begins with it."""
    redis, _ = engine
    redis.hset("book:big", mapping={"title": "Big", "year": 1900, "text": "x" * (9 << 20)})
    try:
        page = await ok(client, "redis_search", index="books", sort="year desc")
        assert len(page["documents"]) == 5
        page = await ok(client, "redis_search", index="books", sort="year desc", cursor=page["cursor"])
        assert [(d["key"], d["too_big"], d["bytes"] > 9 << 20) for d in page["documents"]] == [("book:big", True, True)]
        assert "cursor" not in page
    finally:
        redis.delete("book:big")


async def test_an_index_over_every_key_is_out_of_scope(engine: Engine, tmp_path: Path) -> None:
    port = str(engine[0].connection_pool.connection_kwargs["port"])
    env = {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": port, "MCP_KEY_PREFIXES": "app:", "MCP_ALLOW_WRITES": "true"}
    with Sidecar("servers.redis", env, tmp_path) as sidecar:
        async with Client(sidecar.url + "/mcp") as client:
            for tool, arguments in (
                ("redis_indexes", {"index": "every"}),
                ("redis_search", {"index": "every"}),
                ("redis_aggregate", {"index": "every", "steps": []}),
                ("redis_indexes", {"index": "books"}),
                ("redis_command", {"command": ["FT.INFO", "books"]}),
                ("redis_create_index", {"index": "i", "prefixes": ["x:"], "fields": {"a": "TEXT"}}),
            ):
                assert "'app:'" in await error(client, tool, **arguments)
            for name in ("app:a", "app:b"):
                await ok(client, "redis_write", key=name, type="json", value=5)
            both = ["JSON.MGET", "app:a", "app:b", "$"]
            assert await ok(client, "redis_command", command=both) == {"reply": ["[5]", "[5]"]}
            await ok(client, "redis_delete", keys=["app:a", "app:b"])
            for both in (["JSON.MGET", "app:a", "book:0", "$"], ["JSON.MGET", "book:0", "app:a", "$"]):
                assert "'app:'" in await error(client, "redis_command", command=both)


async def test_vectors_are_searched_within_what_a_query_finds(client: Client) -> None:
    asked: dict[str, Any] = {"query": "@title:one", "vector": [1, 0.5, 0], "fields": ["title"]}
    found = await ok(client, "redis_search", index="docs", limit=2, **asked)
    assert "total" not in found
    by_title = await ok(client, "redis_search", index="docs", limit=2, sort="title desc", **asked)
    assert [d["key"] for d in by_title["documents"]] == ["doc:2", "doc:0"], "of the two nearest"
    assert "2 nearest" in by_title["warnings"][0]
    rest = await ok(client, "redis_search", index="docs", limit=2, cursor=1, sort="title desc", **asked)
    assert [d["key"] for d in rest["documents"]] == ["doc:0"], "the second page of the two nearest"
    assert "warnings" not in await ok(client, "redis_search", index="docs", limit=4, sort="title", **asked)
    assert len(await pages(client, "redis_search", "documents", index="docs", limit=1, **asked)) == 3
    assert [(d["key"], d["fields"]["title"]) for d in found["documents"]] == [("doc:0", "one 0"), ("doc:2", "one 2")]
    distances = [float(d["fields"]["vector_distance"]) for d in found["documents"]]
    assert distances == sorted(distances) and abs(distances[0]) < 1e-6
    (only,) = (await ok(client, "redis_search", index="docs", vector=[0, 1, 1], limit=1))["documents"]
    assert only["key"] == "doc:1" and only["fields"]["v"] == "(vector of 12 bytes)"


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("redis_search", {"vector": [1, 2]}, "3 dimensions, and 2 values"),
        ("redis_search", {"vector": []}, "at least 1 item"),
        ("redis_search", {"vector": [1, 2, 1e39]}, "too big for FLOAT32"),
        ("redis_search", {"vector": [1, 2, 3], "vector_field": "title"}, "which has v"),
        *(("redis_search", {"sort": sort}, "sort has to be") for sort in ("title desc LIMIT 0 1", "title up", " ")),
        # Steps never take the limit for their own.
        *(
            ("redis_aggregate", {"steps": steps.split(), "limit": 1}, said)
            for steps, said in (
                ("withcursor", "'withcursor' is not a step"),
                ("TIMEOUT 0", "'TIMEOUT' is not a step"),
                ("LOAD 3", "LOAD has fewer arguments"),
                ("LOAD 6 LIMIT 0 5", "LOAD has fewer arguments"),
                ("GROUPBY 1 @genre REDUCE TOLIST 4 @title", "REDUCE has fewer arguments"),
                ("SORTBY all", "SORTBY needs the number of its arguments"),
                ("APPLY", "APPLY has fewer arguments"),
                ("LIMIT 0 x", "LIMIT takes two numbers"),
                ('APPLY format("%s%s",@a,@a) AS a ' * 6, "repeat a value more than 32 times"),
            )
        ),
    ],
)
async def test_what_is_wrong_with_a_query_is_explained(client: Client, tool: str, arguments: Any, said: str) -> None:
    assert said in await error(client, tool, index="docs", **arguments)
    command = ["FT." + tool.removeprefix("redis_").upper(), "docs", "*"]
    assert tool in await error(client, "redis_command", command=command)


async def test_an_index_is_created_over_hashes_and_json(client: Client) -> None:
    fields = {"title": "TEXT SORTABLE", "v": "VECTOR HNSW 6 TYPE FLOAT32 DIM 3 DISTANCE_METRIC COSINE"}
    assert await ok(client, "redis_create_index", index="new", prefixes=["doc:"], fields=fields) == {"index": "new"}
    (index,) = (await ok(client, "redis_indexes", index="new"))["indexes"]
    assert [field["type"] for field in index["fields"]] == ["TEXT", "VECTOR"]
    assert "needs a type" in await error(client, "redis_create_index", index="i", prefixes=["a"], fields={"f": ""})
    await ok(client, "redis_create_index", index="j", prefixes=["j:"], fields={"$.a.b": "AS b NUMERIC"}, on="JSON")
    await ok(client, "redis_write", key="j:1", type="json", value={"a": {"b": 7}})
    found = await ok(client, "redis_search", index="j", query="@b:[7 7]")
    assert found == {"total": 1, "documents": [{"key": "j:1", "fields": {"$": '{"a":{"b":7}}'}}]}


async def test_what_looks_like_a_secret_is_masked_under_any_name(client: Client) -> None:
    fields = {"$.apiKey": "AS k TAG", "$.n": "AS n NUMERIC"}
    await ok(client, "redis_create_index", index="s", prefixes=["s:"], fields=fields, on="JSON")
    await ok(client, "redis_write", key="s:1", type="json", value={"apiKey": "x-1", "n": 1, "bio": "AKIAIOSFODNN7EXAMPLE"})
    for wanted in (None, ["k"], ["$"], ["$.apiKey"], ["$.apiKey", "AS", "n"], ["k", "AS", "x"], ["$.bio", "AS", "b"]):
        (document,) = (await ok(client, "redis_search", index="s", fields=wanted))["documents"]
        assert set(document["fields"].values()) == {"(masked)"}, wanted
    shown = {"documents": [{"key": "s:1", "fields": {"n": "1"}}], "total": 1}
    assert await ok(client, "redis_search", index="s", fields=["n"]) == shown
    listed = ["GROUPBY", "0", "REDUCE", "TOLIST", "1", "@bio", "AS", "all"]
    rows = (await ok(client, "redis_aggregate", index="s", steps=["LOAD", "3", "$.bio", "AS", "bio", *listed]))["rows"]
    assert rows == [{"all": ["(masked)"]}]
    for steps in (
        ["LOAD", "3", "$.apiKey", "AS", "x"],
        ["LOAD", "3", "@$.apiKey", "AS", "x"],
        ["GROUPBY", "1", "@k"],
        ["APPLY", "upper(@k)", "AS", "x"],
        ["APPLY", r'format("\"%s", @k, "x")', "AS", "x"],
        ["LOAD", "1", "@apiKey"],
    ):
        assert "looks like the name of a secret" in await error(client, "redis_aggregate", index="s", steps=steps)
    text = ["LOAD", "1", "@n", "FILTER", "@n != 'auth'"]
    assert (await ok(client, "redis_aggregate", index="s", steps=text))["rows"] == [{"n": "1"}]


async def test_json_is_written_and_read_by_path(client: Client, engine: Engine) -> None:
    document = {"a": [1, 2], "b": {"c": "x"}, "big": 2**60, "texts": ['{"a":1}', "[1]"]}
    await ok(client, "redis_write", key="doc", type="json", value=document)
    read = await ok(client, "redis_read", key="doc")
    assert json.loads(read["value"]) == document and read["type"] == "ReJSON-RL"
    assert (await ok(client, "redis_read", key="doc", field="$.a[1]"))["value"] == "[2]"
    assert (await ok(client, "redis_read", key="doc", field=".b.c"))["value"] == '"x"'
    await ok(client, "redis_write", key="doc", type="json", path="$.b.c", value="y")
    await ok(client, "redis_write", key="doc", type="json", path="$.new", value="[null, true]")
    assert json.loads((await ok(client, "redis_read", key="doc"))["value"]) == document | {
        "b": {"c": "y"},
        "new": [None, True],
    }
    assert (await ok(client, "redis_read", key="doc", field="$.nosuch"))["value"] == "[]"
    assert "nosuch" in await error(client, "redis_read", key="doc", field=".nosuch")
    assert "nothing was written" in await error(client, "redis_write", key="doc", type="json", path="$.x.y.z", value=1)
    assert "nothing was written" in await error(client, "redis_write", key="absent", type="json", path="$.x", value=1)
    assert "nothing was written" in await error(client, "redis_write", key="book:0", type="json", value=1)
    for broken in ("{bad", " [1, 2", '{"a":1} and more'):
        refusal = await error(client, "redis_write", key="doc", type="json", value=broken)
        assert "nothing was written" in refusal and "is not JSON" in refusal
    assert "without base64" in await error(client, "redis_write", key="doc", type="json", value="YQ==", base64=True)
    assert (await ok(client, "redis_scan", type="json"))["keys"][0]["type"] == "ReJSON-RL"
    (many,) = (await ok(client, "redis_read_many", keys=["doc"]))["keys"]
    assert json.loads(many["value"])["b"] == {"c": "y"}
    for hidden in ({"api_key": 1}, [{"n": {"a\\": "b", "api_key": 1}}]):
        await ok(client, "redis_write", key="doc", type="json", value=hidden)
        (many,) = (await ok(client, "redis_read_many", keys=["doc"]))["keys"]
        assert many["masked"] and "value" not in many and "api_key" in (await ok(client, "redis_read", key="doc"))["value"]
    await ok(client, "redis_write", key="doc", type="json", value=['{"a":1}', "[1]", "x" * 100_000])
    assert (await ok(client, "redis_read", key="doc", field="$[0,1]"))["value"] == r'["{\"a\":1}","[1]"]'
    (many,) = (await ok(client, "redis_read_many", keys=["doc"]))["keys"]
    assert many["too_big"] and "value" not in many
    engine[0].acl_setuser("few", enabled=True, passwords=["+pw"], keys=["*"], commands=["+@all", "-memory"])
    port = engine[0].connection_pool.connection_kwargs["port"]
    async with connected(port, REDIS_USERNAME="few", REDIS_PASSWORD="pw") as backend:
        many = (await redis_read_many.function(Call(backend, 4096), keys=["doc"]))["keys"][0]
        assert "size is not known" in many["error"] and "value" not in many
    await ok(client, "redis_write", key="n", value="no HyperLogLog")
    assert "WRONGTYPE Key is not" in await error(client, "redis_command", command=["PFCOUNT", "n"])


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("JSON.GET deep $..*..*", "one '..'"),
        ("JSON.GET deep $..*", "read"),
        ("JSON.SET deep $..* LONG", "lengthen"),
        ("JSON.MERGE deep $..a LONG", "lengthen"),
        ("CMS.INITBYPROB new 0.00000001 0.0001", "lengthen"),
        ("BF.INSERT new CAPACITY 9 CAPACITY 1e9 ITEMS a", "lengthen"),
        ("TOPK.RESERVE new 10 1000000 50 0.9", "lengthen"),
    ],
)
async def test_what_modules_multiply_is_refused(client: Client, engine: Engine, command: str, reason: str) -> None:
    redis, _ = engine
    redis.execute_command("JSON.SET", "deep", "$", '{"a":' * 99 + json.dumps("x" * 100_000) + "}" * 99)
    words = [json.dumps("y" * 1_000_000) if word == "LONG" else word for word in command.split()]
    refusal = await error(client, "redis_transaction", commands=[words])
    assert reason in refusal and not redis.exists("new"), refusal


async def test_a_path_that_writes_too_much_is_refused(client: Client, engine: Engine) -> None:
    engine[0].execute_command("JSON.SET", "deep", "$", json.dumps(list(range(1000))))
    arguments = {"key": "deep", "type": "json", "value": "y" * 100_000}
    assert "lengthen" in await error(client, "redis_write", **arguments, path="$[*]")
    assert "one '..'" in await error(client, "redis_write", **arguments, path="$..*..*")
    await ok(client, "redis_write", **arguments, path="$[0]")


@pytest.mark.parametrize("field", ["$..*", "$..*..*"])
async def test_a_path_that_finds_too_much_is_refused(client: Client, engine: Engine, field: str) -> None:
    engine[0].execute_command("JSON.SET", "deep", "$", '{"a":' * 99 + json.dumps("x" * 100_000) + "}" * 99)
    assert "path" in await error(client, "redis_read", key="deep", field=field)
    assert (await ok(client, "redis_read", key="deep", field="$.a.a"))["value"]["text"].startswith('[{"a":')


async def test_usual_filters_and_sketches_are_made(client: Client, engine: Engine) -> None:
    redis, _ = engine
    commands = [
        "BF.RESERVE f:bloom 0.001 1000000", "BF.INSERT f:bloom2 ITEMS 100000 200000 300000 400000",
        "CF.RESERVE f:cuckoo 1000000 BUCKETSIZE 2 EXPANSION 1", "CMS.INITBYPROB f:cms 0.001 0.01",
        "TOPK.RESERVE f:topk 50 2000 7 0.925", "TDIGEST.CREATE f:digest COMPRESSION 1000",
    ]  # fmt: skip
    done = await ok(client, "redis_transaction", commands=[command.split() for command in commands])
    assert "failed" not in done and len(redis.keys("f:*")) == len(commands)
    for command in commands:
        assert (await ok(client, "redis_read", key=command.split()[1]))["about"]
    await ok(client, "redis_write", key="f:doc", type="json", value={"a": [{"b": 1}, {"b": 2}]})
    await ok(client, "redis_transaction", commands=[["JSON.SET", "f:doc", "$.a[*].b", "3"]])
    reply = (await ok(client, "redis_command", command=["JSON.GET", "f:doc", "$..b", "$.a[0]"]))["reply"]
    assert json.loads(reply) == {"$..b": [3, 3], "$.a[0]": [{"b": 3}]}


SAMPLES = ((0, b"1.5"), (2000, b"2"), (3000, b"inf"))


class TimeSeriesRedis(ScopedRedis):
    """A Redis with a time series, as the examples of https://redis.io/docs/latest/commands/ts.range/ have one: the module needs
    OpenSSL 1.1, which Debian 12 has not.
    """

    async def read_many(self, commands: Sequence[Any]) -> list[Any]:
        return [self.answer(*command) for command in commands]

    def answer(self, name: str, *words: Any) -> Any:
        if name in ("TS.RANGE", "TS.REVRANGE"):
            _, first, last, _, count = words
            low, high = 0 if first == "-" else int(first), 9999 if last == "+" else int(last)
            samples = [list(sample) for sample in SAMPLES if low <= sample[0] <= high]
            return samples[:: 1 if name == "TS.RANGE" else -1][:count]
        info = [b"totalSamples", 3, b"retentionTime", 0, b"labels", [[b"host", b"a"]]]
        return {"TYPE": b"TSDB-TYPE", "PTTL": -1, "OBJECT": b"raw", "TS.INFO": info}.get(name)


async def test_time_series_are_read() -> None:
    call = Call[ScopedRedis](TimeSeriesRedis(RedisSettings.read(Environment({}))), 32768)
    series: Any = await redis_read.function(call, key="ts", limit=2)
    assert series["entries"] == [{"time_ms": 0, "value": 1.5}, {"time_ms": 2000, "value": 2.0}]
    assert series["length"] == 3 and series["about"]["labels"] == [["host", "a"]]
    rest = await redis_read.function(call, key="ts", cursor=series["cursor"])
    assert rest["entries"] == [{"time_ms": 3000, "value": "inf"}]
    for bounds, times in (
        ({"start": "1001"}, [2000, 3000]),
        ({"end": "2000"}, [0, 2000]),
        ({"start": "1001", "end": "2999"}, [2000]),
        ({"reverse": True}, [3000, 2000, 0]),
        ({"reverse": True, "start": "2000"}, [3000, 2000]),
        ({"reverse": True, "end": "2999"}, [2000, 0]),
    ):
        found: list[int] = []
        page: Any = {"cursor": "0"}
        while cursor := page.get("cursor"):
            page = await redis_read.function(call, key="ts", limit=1, cursor=cursor, **bounds)
            found += [entry["time_ms"] for entry in page["entries"]]
        assert found == times, bounds
