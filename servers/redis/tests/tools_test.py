"""The tools against a real Redis, through the MCP SDK's own client."""

import base64
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcp import Client
from redis import OutOfMemoryError, Redis

from servers.redis.tests.conftest import READING, WRITING, error, ok, pages
from tools.backends.sidecar import Sidecar

SETTINGS = {"MCP_ALLOW_WRITES": "true", "MCP_MAX_RESULT_BYTES": "8192"}


async def test_the_list_of_tools(client: Client) -> None:
    listing = await client.list_tools()
    tools = {t.name: t for t in listing.tools}
    assert sorted(tools) == sorted(READING + WRITING), "the query engine's are not listed, for this Redis has none"
    for name, tool in tools.items():
        assert tool.title and tool.description and tool.output_schema and tool.annotations
        assert tool.annotations.read_only_hint is (name in READING)
    assert tools["redis_delete"].annotations and tools["redis_delete"].annotations.destructive_hint


async def test_info(client: Client, redis: Redis) -> None:
    redis.set("a", 1, ex=100)
    info = await ok(client, "redis_info")
    assert info["version"].startswith("redis 7.")
    assert info["role"] == "master"
    assert info["databases"] == [{"db": 0, "keys": 1, "expiring": 1, "average_ttl_ms": pytest.approx(5e4, abs=5e4)}]
    assert info["findings"] == []


@pytest.mark.parametrize(
    ("policy", "finding"),
    [("noeviction", "of maxmemory: writes are refused"), ("allkeys-lru", "evicted")],
)
async def test_info_says_what_looks_wrong(client: Client, redis: Redis, policy: str, finding: str) -> None:
    redis.config_set("maxmemory-policy", policy)
    redis.config_set("maxmemory", redis.info("memory")["used_memory"] + 2_000_000)
    with suppress(OutOfMemoryError):
        for i in range(2000):
            redis.set(f"k{i}", "x" * 2000)
    findings = (await ok(client, "redis_info"))["findings"]
    assert any(finding in found for found in findings), findings


async def test_scan_finds_each_key_once_over_pages(client: Client, redis: Redis) -> None:
    names = [f"job:{i}" for i in range(1500)]
    redis.mset(dict.fromkeys(names, "x"))
    redis.hset("other", mapping={"a": 1})
    found = await pages(client, "redis_scan", "keys", pattern="job:*", limit=97)
    assert sorted(key["key"] for key in found) == sorted(names)
    assert {key["type"] for key in found} == {"string"}


async def test_scan_misses_no_key_while_redis_rehashes(client: Client, redis: Redis) -> None:
    """What SCAN gives for one cursor changes then between two calls."""
    redis.config_set("activerehashing", "no")
    names = [f"k{i}" for i in range(2**13)]
    redis.mset(dict.fromkeys(names, ""))
    redis.set("one more", "")  # the table doubles, and each command moves one of its buckets
    found = {key["key"] for key in await pages(client, "redis_scan", "keys", pattern="k*", limit=230)}
    assert found == set(names)


@pytest.mark.parametrize("arguments", [{}, {"order": "memory"}])
async def test_a_name_that_no_result_has_room_for_hides_no_others(client: Client, redis: Redis, arguments: Any) -> None:
    redis.mset({"\x01" * 4000: "x" * 100_000, "a": "", "b": ""})
    found, warned = set(), []
    while True:
        page = await ok(client, "redis_scan", **arguments)
        found |= {key["key"] for key in page["keys"]}
        warned += page.get("warnings", [])
        if "cursor" not in page:
            break
        arguments = arguments | {"cursor": page["cursor"]}
    assert found == {"a", "b"} and "MCP_MAX_RESULT_BYTES" in warned[0]


async def test_scan_looks_at_a_bounded_number_of_keys(client: Client, redis: Redis) -> None:
    with redis.pipeline() as pipeline:
        for i in range(60_000):
            pipeline.set(f"k{i}", "")
        pipeline.set("needle", "")
        pipeline.execute()
    first = await ok(client, "redis_scan", pattern="needle")
    assert "cursor" in first
    assert [k["key"] for k in await pages(client, "redis_scan", "keys", pattern="needle")] == ["needle"]


@pytest.mark.parametrize("cursor", ["x", "-1", "1+x", "1+2+3"])
async def test_a_made_up_cursor_is_explained(client: Client, redis: Redis, cursor: str) -> None:
    redis.rpush("l", 1)
    redis.hset("h", "a", "1")
    assert "start without a cursor" in await error(client, "redis_scan", cursor=cursor)
    assert "start without a cursor" in await error(client, "redis_read", key="h", cursor=cursor)
    if "+" not in cursor:
        assert "start without a cursor" in await error(client, "redis_read", key="l", cursor=cursor)


async def test_read_each_type(client: Client, redis: Redis) -> None:
    redis.set("string", "héllo", ex=5000)
    redis.hset("hash", mapping={"name": "Ada", "blob": b"\xff\x00"})
    redis.rpush("list", "a", "b", "a")
    redis.sadd("set", "m")
    redis.zadd("zset", {"low": 1, "high": 2.5, "far": float("inf")})
    redis.xadd("stream", {"job": "1"}, id="1-1")
    names = ("string", "hash", "list", "set", "zset", "stream")
    read = {name: await ok(client, "redis_read", key=name) for name in names}
    assert read["string"] == {
        "key": "string", "type": "string", "encoding": "embstr", "length": 6, "ttl_s": pytest.approx(5000, abs=500),
        "value": "héllo",
    }  # fmt: skip
    assert read["hash"]["fields"] == [
        {"field": "name", "value": "Ada"},
        {"field": "blob", "value": {"base64": base64.b64encode(b"\xff\x00").decode()}},
    ]
    assert read["list"]["items"] == ["a", "b", "a"]
    assert read["set"]["items"] == ["m"]
    assert read["zset"]["members"] == [
        {"member": "low", "score": 1.0}, {"member": "high", "score": 2.5}, {"member": "far", "score": "inf"}
    ]  # fmt: skip
    assert read["stream"]["entries"] == [{"id": "1-1", "fields": [{"field": "job", "value": "1"}]}]
    assert all("cursor" not in content for content in read.values())


async def test_long_collections_are_read_in_pages(client: Client, redis: Redis) -> None:
    many = [f"{i}-" + "x" * (i % 300) for i in range(2000)]
    redis.rpush("list", *many)
    redis.sadd("set", *many)
    redis.hset("hash", mapping={m: m for m in many})
    redis.zadd("zset", {m: i for i, m in enumerate(many)})
    for i, m in enumerate(many):
        redis.xadd("stream", {"m": m}, id=f"{i + 1}-0")
    assert await pages(client, "redis_read", "items", key="list") == many
    assert sorted(await pages(client, "redis_read", "items", key="set")) == sorted(many)
    fields = await pages(client, "redis_read", "fields", key="hash", limit=1000)
    assert sorted(f["field"] for f in fields) == sorted(many)
    assert [m["member"] for m in await pages(client, "redis_read", "members", key="zset", limit=1000)] == many
    assert [e["fields"][0]["value"] for e in await pages(client, "redis_read", "entries", key="stream")] == many
    redis.sadd("small", *range(100))  # its one step is cut
    assert sorted(map(int, await pages(client, "redis_read", "items", key="small", limit=7))) == list(range(100))


async def test_errors_say_what_to_do(client: Client, redis: Redis) -> None:
    redis.set("s", "x")
    redis.hset("h", "a", "1")
    assert "redis_scan" in await error(client, "redis_read", key="missing")
    assert "field is for hashes" in await error(client, "redis_read", key="s", field="a")
    assert "no field 'b'" in await error(client, "redis_read", key="h", field="b")
    assert "limit: input should be less than or equal to 1000" in await error(client, "redis_read", key="s", limit=5000)
    assert "not base64" in await error(client, "redis_read", key="base64:?")


def test_half_a_surrogate_pair_is_refused(sidecar: Sidecar, redis: Redis) -> None:
    params = {"name": "redis_write", "arguments": {"key": "k", "value": "\ud800"}}
    status, answer = sidecar.post({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    assert 200 <= status < 500 and ("error" in answer or answer["result"]["isError"])
    assert not redis.exists("k")


async def test_write_each_type_and_read_it_back(client: Client, redis: Redis) -> None:
    assert await ok(client, "redis_write", key="s", value="v", ttl_s=6000) == {
        "key": "s", "type": "string", "created": True, "length": 1
    }  # fmt: skip
    assert redis.get("s") == b"v" and 5000 < redis.ttl("s") <= 6000
    await ok(client, "redis_write", key="h", type="hash", value={"YQ==": "/wA="}, base64=True)
    await ok(client, "redis_write", key="h", type="hash", value={"n": 5, "x": 1.5})
    assert redis.hgetall("h") == {b"a": b"\xff\x00", b"n": b"5", b"x": b"1.5"}
    await ok(client, "redis_write", key="l", type="list", value=["b", "c"])
    await ok(client, "redis_write", key="l", type="list", value=["a"], prepend=True)
    await ok(client, "redis_write", key="l", type="list", value=['{"job":1}', "[1]"])
    assert redis.lrange("l", 0, -1) == [b"a", b"b", b"c", b'{"job":1}', b"[1]"]
    await ok(client, "redis_write", key="set", type="set", value=["x", "y"])
    assert redis.smembers("set") == {b"x", b"y"}
    await ok(client, "redis_write", key="z", type="zset", value={"m": 1.5, "far": "inf", "text": "-2.5e-3"})
    scores = [(b"text", -0.0025), (b"m", 1.5), (b"far", float("inf"))]
    assert redis.zrange("z", 0, -1, withscores=True) == scores
    entry = await ok(client, "redis_write", key="x", type="stream", value={"f": "v"})
    assert redis.xrange("x") == [(entry["id"].encode(), {b"f": b"v"})]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"value": ["a"]}, "has to be text or a number"),
        ({"value": True}, "has to be text or a number"),
        ({"type": "hash", "value": "a"}, "an object with 1 to"),
        ({"type": "hash", "value": {"a": {"b": 1}}}, "nested data"),
        ({"type": "list", "value": []}, "give 1 to"),
        *(
            ({"type": "zset", "value": {"m": score}}, "a score has to be")
            for score in ("high", "", "nan", "1 ", "1_0", True, [1])
        ),
        ({"value": "?", "base64": True}, "not base64"),
        ({"value": "a", "prepend": True}, "only a list"),
        ({"type": "json", "value": {"a": 1}}, "no type json"),
    ],
)
async def test_a_wrong_value_is_explained(client: Client, redis: Redis, arguments: dict[str, Any], reason: str) -> None:
    assert reason in await error(client, "redis_write", key="k", **arguments)
    assert not redis.exists("k")


async def test_write_conditions_and_ttl(client: Client, redis: Redis) -> None:
    assert "nothing was written" in await error(client, "redis_write", key="k", value="1", condition="present")
    assert not redis.exists("k")
    await ok(client, "redis_write", key="k", value="1", condition="absent", ttl_s=500)
    assert "already exists" in await error(client, "redis_write", key="k", value="2", condition="absent")
    await ok(client, "redis_write", key="k", value="3")
    assert redis.get("k") == b"3" and 490 < redis.ttl("k") <= 500, "without ttl_s the TTL stays"
    await ok(client, "redis_write", key="k", value="3", ttl_s=0)
    assert redis.ttl("k") == -1
    assert "nothing was written" in await error(client, "redis_write", key="k", type="hash", value={"a": "b"})
    await ok(client, "redis_write", key="k", type="hash", value={"a": "b"}, replace=True)
    assert redis.hgetall("k") == {b"a": b"b"}


async def test_a_key_in_its_last_millisecond_does_not_become_permanent(client: Client, redis: Redis) -> None:
    for number in range(80):
        redis.set("k", "old", px=2 + number % 4)
        await client.call_tool("redis_write", {"key": "k", "value": "new", "condition": "present"})
        assert redis.pttl("k") != -1


async def test_delete_takes_names_and_not_patterns(client: Client, redis: Redis) -> None:
    redis.mset({"a": 1, "b": 2, "a*": 3})
    assert await ok(client, "redis_delete", keys=["a*", "gone", "gone"]) == {"deleted": 1, "missing": ["gone"]}
    assert redis.exists("a", "b") == 2


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.binary(min_size=1, max_size=40), value=st.binary(max_size=200))
def test_any_bytes_come_back_as_they_were_written(sidecar: Sidecar, redis: Redis, name: bytes, value: bytes) -> None:
    def call(tool: str, **arguments: Any) -> dict[str, Any]:
        result = sidecar.call(tool, **arguments)
        assert not result["isError"], result
        return dict(result["structuredContent"])

    key = "base64:" + base64.b64encode(name).decode()
    call("redis_write", key=key, value=base64.b64encode(value).decode(), base64=True, replace=True)
    assert redis.get(name) == value
    shown = call("redis_read", key=key)
    assert shown["key"] in (key, name.decode("utf-8", "replace"))
    back = shown["value"]
    assert (back.encode() if isinstance(back, str) else base64.b64decode(back["base64"])) == value
    assert call("redis_delete", keys=[shown["key"]])["deleted"] == 1


async def test_a_stream_entry_has_the_id_and_the_stream_the_length_asked_for(client: Client, redis: Redis) -> None:
    for number in range(5):
        entry: dict[str, Any] = {"value": {"n": number}, "id": f"7-{number}", "maxlen": 3}
        written = await ok(client, "redis_write", key="x", type="stream", **entry)
        assert written["id"] == f"7-{number}"
    assert written["length"] == 3
    assert [entry[0] for entry in redis.xrange("x") or []] == [b"7-2", b"7-3", b"7-4"]
    assert "equal or smaller" in await error(client, "redis_write", key="x", type="stream", value={"n": 1}, id="7-4")
    for wrong in (
        {"id": "NOMKSTREAM"},
        {"id": "1-1 x"},
        {"type": "hash", "maxlen": 1},
        {"type": "list", "value": ["x"], "minid": "1"},
        {"minid": "*"},
        {"minid": "8", "maxlen": 1},
        {"path": "$.a"},
    ):
        await error(client, "redis_write", **{"key": "x", "type": "stream", "value": {"n": 1}} | wrong)
    assert redis.xlen("x") == 3
    await ok(client, "redis_write", key="x", type="stream", value={"n": 1}, id="8-1", minid="7-4")
    assert [entry[0] for entry in redis.xrange("x") or []] == [b"7-4", b"8-1"]
