"""The tools that explore: what is in Redis, what it does, and what else may be asked of it."""

import asyncio
import base64
import re
from typing import Any

import pytest
from mcp import Client
from mcp_types import TextResourceContents
from redis import Redis

from servers.common.memory_budget import BUDGET, MemoryBudget
from servers.common.protocol.tools import Call
from servers.redis.tests.conftest import Start, connected, error, ok, pages, until
from servers.redis.tools.profile import redis_profile
from servers.redis.tools.scan import redis_scan
from servers.redis.tools.tally import redis_tally
from tools.backends.redis import RedisServer

SETTINGS = {"MCP_MAX_RESULT_BYTES": "16384"}


async def test_the_profile_groups_keys_by_what_their_names_have_in_common(client: Client, redis: Redis) -> None:
    with redis.pipeline() as pipeline:
        for i in range(300):
            pipeline.hset(f"user:{i}:profile", mapping={"name": "x" * 200})
            pipeline.set(f"session:{i:032x}", "s", ex=1000 + i)
        pipeline.set("config", "1")
        pipeline.rpush("queue:mail", *("x" * 1000 for _ in range(100)))
        pipeline.execute()
    profile = await ok(client, "redis_profile")
    assert profile["keys"] == profile["sampled"] == 602
    groups = {group["prefix"]: group for group in profile["groups"]}
    assert set(groups) == {"user:*:*", "session:*", "config", "queue:*"}
    assert groups["user:*:*"]["types"] == {"hash": 300} and groups["user:*:*"]["keys"] == 300
    assert groups["session:*"]["expiring"] == 300 and 1000 <= groups["session:*"]["median_ttl_s"] <= 1300
    assert groups["queue:*"]["biggest"] == "queue:mail" and groups["queue:*"]["biggest_bytes"] > 50_000
    assert profile["groups"][0]["memory_bytes"] == max(g["memory_bytes"] for g in profile["groups"])
    assert profile["memory_bytes"] == sum(g["memory_bytes"] for g in profile["groups"])
    only = await ok(client, "redis_profile", pattern="queue:*")
    assert [group["prefix"] for group in only["groups"]] == ["queue:*"]


async def test_many_keys_at_once(client: Client, redis: Redis) -> None:
    redis.set("s", "text", ex=9000)
    redis.hset("h", mapping={"a": 1})
    redis.rpush("l", "x", "y")
    redis.sadd("set", "m")
    redis.zadd("z", {"m": 2})
    redis.xadd("x", {"f": "v"}, id="5-1")
    redis.set("blob", b"\xff\xfe")
    names = ["s", "h", "l", "set", "z", "x", "blob", "gone"]
    keys = {key["key"]: key for key in (await ok(client, "redis_read_many", keys=names))["keys"]}
    assert list(keys) == names
    assert keys["s"]["value"] == "text" and keys["s"]["length"] == 4 and 8000 < keys["s"]["ttl_s"] <= 9000
    assert keys["s"]["encoding"] == "embstr" and keys["s"]["memory_bytes"] > 0 and keys["s"]["idle_s"] >= 0
    assert keys["h"]["value"] == {"a": "1"}
    assert keys["l"]["value"] == ["x", "y"]
    assert keys["set"]["value"] == ["m"]
    assert keys["z"]["value"] == {"m": "2"}
    assert keys["x"]["value"] == [{"id": "5-1", "fields": {"f": "v"}}]
    assert keys["blob"]["value"] == {"base64": "//4="}
    assert keys["gone"] == {"key": "gone", "type": "none"}
    (bare,) = (await ok(client, "redis_read_many", keys=["s"], values=False))["keys"]
    assert "value" not in bare and bare["memory_bytes"] > 0


async def test_names_that_look_alike_or_repeat_hide_no_values(client: Client, redis: Redis) -> None:
    long: dict[Any, Any] = {"n" * 300 + end: end for end in "abc"}
    redis.hset("h", mapping=long | {b"\xff": "x", b"\xfe": "y"})
    redis.zadd("z", {name: number for number, name in enumerate(long)})
    redis.execute_command("XADD", "x", "1-1", "id", "mine", "f", "1", "f", "2", "f #2", "3")
    h, z, x = (await ok(client, "redis_read_many", keys=["h", "z", "x"]))["keys"]
    assert sorted(h["value"].values()) == ["a", "b", "c", "x", "y"] and list(z["value"].values()) == ["0", "1", "2"]
    assert x["value"] == [{"id": "1-1", "fields": {"id": "mine", "f": "1", "f #2": "2", "f #2 #2": "3"}}]


async def test_many_keys_are_cut_to_what_fits(client: Client, redis: Redis) -> None:
    redis.mset({f"k{i}": "x" * 1000 for i in range(100)})
    found = await ok(client, "redis_read_many", keys=[f"k{i}" for i in range(100)])
    assert 5 < len(found["keys"]) < 20
    assert found["left_out"] == 100 - len(found["keys"])


async def test_what_looks_like_a_secret_is_masked_in_lists_and_read_by_its_name(client: Client, redis: Redis) -> None:
    jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJl"
    redis.set("db_password", "hunter2")
    redis.set("note", jwt)
    redis.hset("user:1", mapping={"name": "Ada", "api_key": "k-123", "bio": jwt})
    redis.rpush("list", "plain", jwt)
    redis.xadd("x", {"token": "t-9", "event": "login"})
    redis.set("authors", "Lem")
    redis.set("session", '{"user":1,"accessToken":"t-9"}')
    redis.zadd("z", {jwt: 1, '{"token":1}': 2, "plain": 3})
    names = ["db_password", "note", "user:1", "list", "x", "authors", "session", "z"]
    keys = {key["key"]: key for key in (await ok(client, "redis_read_many", keys=names))["keys"]}
    assert keys["db_password"]["masked"] and "value" not in keys["db_password"]
    assert keys["note"]["masked"] and "value" not in keys["note"]
    assert keys["user:1"]["value"] == {"name": "Ada", "api_key": "(masked)", "bio": "(masked)"}
    assert keys["list"]["value"] == ["plain", "(masked)"]
    assert keys["x"]["value"][0]["fields"] == {"token": "(masked)", "event": "login"}
    assert keys["authors"]["value"] == "Lem" and keys["session"]["masked"]
    assert keys["z"]["value"] == {"(masked)": "1", "(masked) #2": "2", "plain": "3"}
    assert (await ok(client, "redis_read", key="db_password"))["value"] == "hunter2"


async def test_the_biggest_and_the_idlest_keys(client: Client, redis: Redis) -> None:
    redis.mset({f"k{i}": "x" * 2**i for i in range(18)})
    big = (await ok(client, "redis_scan", order="memory", limit=3))["keys"]
    assert [key["key"] for key in big] == ["k17", "k16", "k15"]
    assert big[0]["memory_bytes"] > big[1]["memory_bytes"] > big[2]["memory_bytes"] > 2**15
    idle = await ok(client, "redis_scan", order="idle", limit=5)
    assert len(idle["keys"]) == 5 and all(key["idle_s"] >= 0 for key in idle["keys"]) and idle["left_out"] == 13
    redis.config_set("maxmemory-policy", "allkeys-lfu")
    unknown = await ok(client, "redis_scan", order="idle")
    assert unknown["keys"] == [] and "An LFU maxmemory policy is selected" in unknown["warnings"][0]
    assert "idlest_s" not in (await ok(client, "redis_profile"))["groups"][0]


async def test_what_a_user_may_not_ask_about_is_not_left_out_in_silence(redis: Redis, start: Start) -> None:
    for name in ("app:", "other:"):
        redis.hset(name + "h", "f", "v")
        redis.xadd(name + "x", {"f": "v"})
    few = ["+info", "+scan", "+type", "+dbsize", "+memory", "+pttl", "+xlen", "+xinfo", "+hstrlen", "+hmget"]
    redis.acl_setuser("few", enabled=True, passwords=["+pw"], keys=["app:*"], commands=few)
    redis.acl_setuser("fewer", enabled=True, passwords=["+pw"], keys=["app:*"], commands=["+scan", "+type", "+dbsize", "+memory"])
    async with Client(start(REDIS_USERNAME="few", REDIS_PASSWORD="pw").url + "/mcp") as client:
        for tool, arguments, found in (
            ("redis_scan", {}, 2),
            ("redis_scan", {"order": "memory"}, 2),
            ("redis_scan", {"ttl_below_s": 9}, 0),
            ("redis_profile", {}, 1),
            ("redis_tally", {"pattern": "*", "field": "f"}, 1),
            ("redis_stream", {}, 1),
        ):
            told = await ok(client, tool, **arguments)
            rows = next(told[part] for part in ("keys", "groups", "counts", "streams") if isinstance(told.get(part), list))
            assert len(rows) == found and "were left out, for Redis answered: NOPERM" in told["warnings"][0], told
    async with Client(start(REDIS_USERNAME="fewer", REDIS_PASSWORD="pw").url + "/mcp") as client:
        for tool, part, found in (("redis_scan", "keys", 2), ("redis_profile", "groups", 1)):
            told = await ok(client, tool, pattern="app:*")
            assert len(told[part]) == found and told["warnings"][0].startswith("TTLs were left out, for Redis answered: NOPERM")


async def test_a_bitmap(client: Client, redis: Redis) -> None:
    wanted = [0, 7, 8, 1000, 700_000]
    for bit in wanted:
        redis.setbit("b", bit, 1)
    whole = await ok(client, "redis_read", key="b", view="bits")
    assert whole["items"] == wanted and whole["about"] == {"bits_set": 5} and "cursor" not in whole
    assert await pages(client, "redis_read", "items", key="b", view="bits", limit=2) == wanted


async def test_a_geo_set_and_a_hyperloglog(client: Client, redis: Redis) -> None:
    redis.geoadd("g", (13.361389, 38.115556, "Palermo"))
    redis.zadd("g", {"no place": float("inf")})
    places = {m["member"]: m for m in (await ok(client, "redis_read", key="g", view="geo"))["members"]}
    assert abs(places["Palermo"]["longitude"] - 13.361389) < 1e-4
    assert abs(places["Palermo"]["latitude"] - 38.115556) < 1e-4
    redis.pfadd("visitors", *range(1000))
    assert abs((await ok(client, "redis_read", key="visitors"))["about"]["hyperloglog_cardinality"] - 1000) < 30
    redis.set("alike", "HYLL is how one begins")
    alike = await ok(client, "redis_read", key="alike")
    assert alike["value"] == "HYLL is how one begins" and "about" not in alike
    assert "view bits is for strings" in await error(client, "redis_read", key="g", view="bits")


async def test_the_groups_of_a_stream_and_what_waits_in_them(client: Client, redis: Redis) -> None:
    for i in range(30):
        redis.xadd("jobs", {"n": i}, id=f"{i + 1}-0")
    redis.xgroup_create("jobs", "workers", id="0")
    redis.xreadgroup("workers", "a", {"jobs": ">"}, count=20)
    redis.xreadgroup("workers", "b", {"jobs": ">"}, count=4)
    redis.xack("jobs", "workers", "1-0")
    state = await ok(client, "redis_stream", key="jobs")
    assert state["stream"]["length"] == 30
    assert (state["stream"]["first-id"], state["stream"]["last-id"]) == ("1-0", "30-0")
    (group,) = state["groups"]
    assert (group["name"], group["consumers"], group["pending"], group["lag"]) == ("workers", 2, 23, 6)
    of = await ok(client, "redis_stream", key="jobs", group="workers")
    assert {c["name"]: c["pending"] for c in of["consumers"]} == {"a": 19, "b": 4}
    pending = await pages(client, "redis_stream", "pending", key="jobs", group="workers", limit=5)
    assert [row["id"] for row in pending] == [f"{i}-0" for i in range(2, 25)]
    assert pending[0]["consumer"] == "a" and pending[0]["deliveries"] == 1
    assert (await ok(client, "redis_stream", key="jobs", group="workers", idle_s=3600))["pending"] == []
    assert "there is no stream" in await error(client, "redis_stream", key="nothing")
    assert "NOGROUP" in await error(client, "redis_stream", key="jobs", group="nobody")


@pytest.mark.parametrize(
    ("listen", "channels"),
    [(["news:*", "news:o*", "other"], ["news:one", "other"]), (["__key*"], ["__keyspace@0__:k", "__keyevent@0__:set"])],
)
async def test_listening_hears_what_is_published_meanwhile_and_nothing_of_other_databases(
    client: Client, redis: Redis, listen: list[str], channels: list[str]
) -> None:
    redis.config_set("notify-keyspace-events", "E")  # of no kind
    listening = asyncio.create_task(ok(client, "redis_pubsub", listen=listen, seconds=20, limit=2))
    await until(lambda: redis.pubsub_numpat() + len(redis.pubsub_channels()) == len(listen))
    for channel in ("__keyspace@3__:k", *channels, channels[0]):
        redis.publish(channel, b"\xff" if channel == channels[1] else "hello")
    assert await listening == {
        "messages": [
            {"channel": channels[0], "message": "hello"}, {"channel": channels[1], "message": {"base64": "/w=="}}
        ],
        "cut": True,
    }  # fmt: skip
    assert redis.pubsub_channels() == [] and redis.pubsub_numpat() == 0, "the listening connection is closed"


async def test_who_listens_to_notifications_is_told_that_redis_sends_none(client: Client, redis: Redis) -> None:
    heard = await ok(client, "redis_pubsub", listen=["__keyspace@0__:k"], seconds=0.1)
    assert "notify-keyspace-events is empty" in heard["warnings"][0] and heard["messages"] == []
    assert await ok(client, "redis_pubsub", listen=["key"], seconds=0.1) == {"messages": []}


async def test_what_was_heard_before_the_connection_broke_is_given(client: Client, redis: Redis) -> None:
    listening = asyncio.create_task(ok(client, "redis_pubsub", listen=["c"], seconds=20))
    await until(lambda: redis.publish("c", "hello") == 1)
    redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    heard = await listening
    assert heard["messages"][0] == {"channel": "c", "message": "hello"} and "can't be reached" in heard["ended"]


async def test_channels_are_listed(client: Client, redis: Redis) -> None:
    with redis.pubsub() as listener:
        listener.subscribe("a", "b")
        listener.get_message(timeout=60)
        listener.get_message(timeout=60)
        assert await ok(client, "redis_pubsub") == {
            "channels": [{"channel": "a", "subscribers": 1}, {"channel": "b", "subscribers": 1}]
        }


async def test_slow_commands_are_listed_without_what_they_say(client: Client, redis: Redis) -> None:
    redis.config_set("slowlog-log-slower-than", 0)
    redis.slowlog_reset()
    redis.set("k", "a value nobody is to see")
    redis.hset("user:1", mapping={"email": "ada@example.org"})
    for command in ("OBJECT ENCODING k", "ZUNION 2 z y", "PING ada@example.org"):
        redis.execute_command(*command.split())
    slow = await ok(client, "redis_diagnose", topic="slowlog", limit=200)
    assert {"SET", "HSET"} <= {row["command"] for row in slow["rows"]}
    keys = {(row["command"], row["key"]) for row in slow["rows"]}
    assert {("SET", "k"), ("HSET", "user:1"), ("OBJECT", "k"), ("ZUNION", "z"), ("PING", "")} <= keys
    assert "nobody is to see" not in str(slow) and "example.org" not in str(slow)
    times = [row["microseconds"] for row in slow["rows"]]
    assert times == sorted(times, reverse=True)
    now, _ = redis.time()
    assert all(0 <= row["microseconds"] < 60_000_000 and now - 60 <= row["at"] <= now for row in slow["rows"])
    assert all(row["client"] == "mcp-redis" or row["client"].startswith("127.0.0.1:") for row in slow["rows"])


async def test_clients_memory_latency_and_rights(client: Client, redis: Redis) -> None:
    redis.client_setname("the-test")
    clients = await ok(client, "redis_diagnose", topic="clients")
    assert clients["summary"]["by_name"]["the-test"] == 1 and clients["summary"]["by_name"]["mcp-redis"] >= 1
    assert "the-test" in [row["name"] for row in clients["rows"]]
    memory = await ok(client, "redis_diagnose", topic="memory")
    assert memory["summary"]["total_allocated"] > 0 and memory["advice"]
    redis.config_set("latency-monitor-threshold", 1)
    redis.eval("local s = 0 for i = 1, 5000000 do s = s + i end return s", 0)
    latency = await ok(client, "redis_diagnose", topic="latency")
    assert latency["summary"]["threshold_ms"] == 1
    assert latency["rows"][0]["event"] == "command" and latency["rows"][0]["worst_ms"] > 1
    acl = await ok(client, "redis_diagnose", topic="acl")
    assert acl["summary"]["user"] == "default" and acl["summary"]["commands"] == "+@all"


async def test_a_reply_is_cut_to_what_a_result_may_have(client: Client, redis: Redis) -> None:
    redis.rpush("l", *("x" * 100 for _ in range(5000)))
    found = await ok(client, "redis_command", command=["LRANGE", "l", "0", "-1"])
    assert found["cut"] and 100 < len(found["reply"]) < 200
    redis.rpush("huge", *("x" * 100_000 for _ in range(100)))
    assert "redis_read reads in pages" in await error(client, "redis_command", command=["LRANGE", "huge", "0", "-1"])
    assert (await ok(client, "redis_command", command=["LLEN", "huge"]))["reply"] == 100


@pytest.mark.parametrize(
    "command",
    [
        ["SUNION", *["s"] * 900], ["MGET", *["big"] * 20], ["GET", "huge"], ["GETRANGE", "huge", "0", "-1"],
        ["HGET", "h", "huge"], ["HMGET", "h", "f", "huge"], ["LCS", "big", "big"], ["SMEMBERS", "wide"],
    ],
    ids=lambda command: command[0],
)  # fmt: skip
async def test_a_command_that_would_read_too_much_is_not_sent(client: Client, redis: Redis, command: list[str]) -> None:
    redis.sadd("s", *(f"member {i}" for i in range(500)))
    redis.sadd("wide", *(f"{i:01000}" for i in range(9000)))
    redis.set("big", "x" * 500_000)
    redis.set("huge", b"x" * 9_000_000)
    redis.hset("h", mapping={"f": "v", "huge": b"x" * 9_000_000})
    redis.config_resetstat()
    said = await error(client, "redis_command", command=command)
    assert "bytes, most of them from" in said or "LCS of strings this long" in said
    name = "cmdstat_" + command[0].lower()
    assert name not in redis.info("commandstats"), "it was not sent"
    assert await ok(client, "redis_command", command=["HGET", "h", "f"]) == {"reply": "v"}
    assert await ok(client, "redis_command", command=["GETRANGE", "huge", "8999990", "8999999"]) == {"reply": "x" * 10}
    assert await ok(client, "redis_command", command=["SISMEMBER", "wide", "x"]) == {"reply": 0}


async def test_no_name_or_value_takes_long_to_look_at(client: Client, redis: Redis) -> None:
    for name in ("1" * 400 + "\nx", "a1" * 3000 + "\n", "-" * 5000 + ":" + "1\n" * 5000):
        redis.set(name, "v")
    profile = await asyncio.wait_for(ok(client, "redis_profile"), 20)
    assert profile["sampled"] == 3 and len(str(profile)) < 3000
    for i in range(20):
        redis.rpush(f"l{i}", *[("eyJ-" * 1024)[:4096]] * 20)
    many = await asyncio.wait_for(ok(client, "redis_read_many", keys=[f"l{i}" for i in range(20)]), 20)
    assert many["keys"]


async def test_what_was_heard_is_told_when_the_time_of_a_call_is_over(start: Start, redis: Redis) -> None:
    sidecar = start(MCP_CALL_TIMEOUT_SECONDS="4")
    async with Client(sidecar.url + "/mcp") as client:
        listening = asyncio.create_task(ok(client, "redis_pubsub", listen=["c"], seconds=25))
        await until(lambda: redis.publish("c", "hello") == 1)
        heard = await listening
    assert heard["messages"] and "MCP_CALL_TIMEOUT_SECONDS" in heard["ended"]


async def test_counting_a_hyperloglog_changes_nothing(client: Client, redis: Redis) -> None:
    redis.pfadd("visitors", *range(1000))
    before, changes = redis.dump("visitors"), redis.info("persistence")["rdb_changes_since_last_save"]
    assert 970 < (await ok(client, "redis_command", command=["PFCOUNT", "visitors"]))["reply"] < 1030
    seen = await ok(client, "redis_read", key="visitors", version=True)
    assert 970 < seen["about"]["hyperloglog_cardinality"] < 1030
    assert redis.dump("visitors") == before
    assert redis.info("persistence")["rdb_changes_since_last_save"] == changes
    assert (await ok(client, "redis_read", key="visitors", version=True))["version"] == seen["version"]


async def test_the_documentation_of_commands(client: Client) -> None:
    docs = await ok(client, "redis_command_docs", command="zadd")
    assert docs["command"] == "ZADD" and docs["since"] == "1.2.0"
    assert re.fullmatch(r"key \[NX \| XX\] .*score member \[score member ...\]", docs["arguments"])
    assert "changes data" in docs["allowed"]
    assert (await ok(client, "redis_command_docs", command="OBJECT ENCODING"))["allowed"] == "yes"
    assert "no command" in await error(client, "redis_command_docs", command="frobnicate")


@pytest.mark.parametrize("reverse", [False, True])
async def test_no_member_of_a_sorted_set_is_missed_while_others_go(client: Client, redis: Redis, reverse: bool) -> None:
    """Members that were given already are removed between pages, the last one too, and members come before them."""
    redis.zadd("z", {f"m{i:04}": i // 7 for i in range(1000)})
    wanted = [f"m{i:04}" for i in range(1000)][:: -1 if reverse else 1]
    found: list[str] = []
    arguments: dict[str, Any] = {"key": "z", "limit": 50, "reverse": reverse}
    while True:
        page = await ok(client, "redis_read", **arguments)
        found += [member["member"] for member in page["members"]]
        if "cursor" not in page:
            break
        arguments["cursor"] = page["cursor"]
        if len(found) % 100:
            redis.zrem("z", *found[-60:])
        else:
            redis.zadd("z", {f"new{i}": 10**6 if reverse else -1 for i in range(len(found))})
    assert found == wanted


@pytest.mark.parametrize("reverse", [False, True])
async def test_long_members_that_begin_alike_are_each_read_once(client: Client, redis: Redis, reverse: bool) -> None:
    names = ["m" * 5000 + f"{number:02}" for number in range(30)]
    redis.zadd("z", dict.fromkeys(names, 1) | {"a": 1, "z": 1})
    wanted = [5002 if name in names else name for name in sorted(["a", "z", *names], reverse=reverse)]

    def shown(page: list[Any]) -> list[Any]:
        return [row["member"] if isinstance(row["member"], str) else row["member"]["bytes"] for row in page]

    arguments: dict[str, Any] = {"key": "z", "limit": 3, "reverse": reverse}
    assert shown(await pages(client, "redis_read", "members", **arguments)) == wanted
    page = await ok(client, "redis_read", **arguments)
    redis.zrem("z", names[-1 if reverse else 0])
    rest = await pages(client, "redis_read", "members", cursor=page["cursor"], **arguments)
    assert len(rest) >= len(wanted) - 3, "some may come again, and none is missed"


async def test_a_sorted_set_is_read_by_score_and_from_the_end(client: Client, redis: Redis) -> None:
    redis.zadd("z", {f"m{i}": i for i in range(20)} | {"far": float("inf")})
    top = await ok(client, "redis_read", key="z", reverse=True, limit=3)
    assert [m["member"] for m in top["members"]] == ["far", "m19", "m18"] and "cursor" in top
    for reverse in (False, True):
        some = await pages(client, "redis_read", "members", key="z", start="5", end="9", limit=2, reverse=reverse)
        assert [m["score"] for m in some] == ([9, 8, 7, 6, 5] if reverse else [5, 6, 7, 8, 9])
    assert (await ok(client, "redis_read", key="z", start="20", end="30"))["members"] == []
    assert "has to be a score" in await error(client, "redis_read", key="z", start="nan")
    for cursor in ("x", "nan:YQ==", "1:?", "7", "1~YQ==", "1~0.ab.YQ==", "1~x.ab.YQ=="):
        assert "start without a cursor" in await error(client, "redis_read", key="z", cursor=cursor)


async def test_streams_and_lists_are_read_from_the_end(client: Client, redis: Redis) -> None:
    for i in range(1, 11):
        redis.xadd("x", {"n": i}, id=f"{i}-0")
        redis.rpush("l", i)
    assert [e["id"] for e in await pages(client, "redis_read", "entries", key="x", reverse=True, limit=3)] == [
        f"{i}-0" for i in range(10, 0, -1)
    ]
    some = await pages(client, "redis_read", "entries", key="x", start="3", end="7-0", limit=2, reverse=True)
    assert [e["id"] for e in some] == ["7-0", "6-0", "5-0", "4-0", "3-0"]
    some = await pages(client, "redis_read", "entries", key="x", start="3", end="7", limit=2)
    assert [e["id"] for e in some] == ["3-0", "4-0", "5-0", "6-0", "7-0"]
    items = await pages(client, "redis_read", "items", key="l", reverse=True, limit=3)
    assert items == [str(i) for i in range(10, 0, -1)]
    redis.set("s", "x")
    assert "reverse is for lists" in await error(client, "redis_read", key="s", reverse=True)
    assert "start and end are for" in await error(client, "redis_read", key="l", start="1")


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("elements", [list(range(200)), ["a", "b"] * 100, ["a"] * 200])
async def test_a_list_changed_between_pages_tells(client: Client, redis: Redis, reverse: bool, elements: Any) -> None:
    redis.rpush("l", *elements)
    page = await ok(client, "redis_read", key="l", limit=50, reverse=reverse)
    same = await ok(client, "redis_read", key="l", limit=5, reverse=reverse, cursor=page["cursor"])
    assert "about" not in same and same["items"] == [str(e) for e in elements[:: -1 if reverse else 1]][50:55]
    redis.rpop("l", 20) if reverse else redis.lpop("l", 20)
    changed = await ok(client, "redis_read", key="l", limit=5, reverse=reverse, cursor=page["cursor"])
    assert "elements may be missing" in changed["about"]["changed"]


async def test_a_queue_that_grows_at_its_other_end_has_not_changed(client: Client, redis: Redis) -> None:
    redis.rpush("l", *range(100))
    page = await ok(client, "redis_read", key="l", limit=50)
    redis.rpush("l", "new")
    assert "about" not in await ok(client, "redis_read", key="l", cursor=page["cursor"])


async def test_the_biggest_keys_are_found_while_keys_are_deleted(redis_server: RedisServer, redis: Redis) -> None:
    redis.mset({f"k{number}": "x" * (200 + number) for number in range(1000)})

    async def delete(done: float, total: float | None, message: str | None) -> None:
        redis.delete(*(f"k{number}" for number in range(500, 1000)))

    arguments = {"pattern": "*", "type": None, "order": "memory", "ttl_below_s": None, "limit": 20, "cursor": "0"}
    async with connected(redis_server.port) as backend:
        found = await redis_scan.function(Call(backend, 32768, delete), **arguments)
    assert [key["key"] for key in found["keys"]] == [f"k{number}" for number in range(499, 479, -1)]


@pytest.mark.parametrize(
    "value",
    [
        b"x" * 17_000, ("añ→😀" * 5000).encode(), bytes(range(128, 256)) * 200,
        b"\0" * 300_000, ("\U000e0041" * 50_000).encode(), b"\x1b" * 30_000 + b"\xff",
    ],
    ids=len,
)  # fmt: skip
async def test_any_string_is_read_in_pages(client: Client, redis: Redis, value: bytes) -> None:
    redis.set("s", value)
    redis.hset("h", "f", value)
    for arguments in ({"key": "s"}, {"key": "h", "field": "f"}):
        read, cursor = b"", "0"
        while cursor:
            part = await ok(client, "redis_read", cursor=cursor, **arguments)
            shown = part["value"]
            assert shown["bytes"] == len(value)
            read += shown["text"].encode() if "text" in shown else base64.b64decode(shown["base64"])
            cursor = part.get("cursor", "")
        assert read == value
    shown = (await ok(client, "redis_read", key="h"))["fields"][0]["value"]
    assert shown["bytes"] == len(value) and 0 < len(shown.get("text", shown.get("base64"))) <= 5500
    (contents,) = (await client.read_resource("redis://key/s")).contents
    assert isinstance(contents, TextResourceContents) and len(contents.text) <= 16_384


async def test_a_key_that_expires_while_it_is_read_is_gone_and_not_empty(client: Client, redis: Redis) -> None:
    for step in range(40):
        redis.hset("h", mapping={f"f{i}": "v" for i in range(20)})
        redis.set("s", "value", px=3 + step % 8)
        redis.pexpire("h", 3 + step % 8)
        for key, part in (("h", "fields"), ("s", "value")):
            answer = await client.call_tool("redis_read", {"key": key})
            if not answer.is_error:
                assert (answer.structured_content or {})[part], answer.structured_content
        redis.set("s", "value", px=3 + step % 8)
        (many,) = (await ok(client, "redis_read_many", keys=["s"]))["keys"]
        assert many == {"key": "s", "type": "none"} or many["value"] == "value"


async def test_what_does_not_fit_is_not_fetched(client: Client, redis: Redis) -> None:
    """Elements of a megabyte: neither all that were asked for nor all that are there come out of Redis."""
    element = "x" * 1_000_000
    for i in range(4):
        redis.rpush(f"l{i}", *[element] * 15)
        redis.hset(f"h{i}", mapping={f"f{n}": element for n in range(15)})
        redis.zadd(f"z{i}", {f"{n}{element}": n for n in range(15)})
    redis.set("huge", b"x" * 9_000_000)
    redis.hset("one", "huge", b"x" * 9_000_000)
    before = redis.info("stats")["total_net_output_bytes"]
    for key in ("l0", "h0", "z0"):
        page = await ok(client, "redis_read", key=key, limit=1000)
        assert page["length"] == 15
        assert "cursor" in page or [row["value"]["bytes"] for row in page["fields"]] == [1_000_000] * 15
    many = await ok(client, "redis_read_many", keys=[f"{kind}{i}" for kind in "lhz" for i in range(4)])
    assert [key.get("too_big") for key in many["keys"]] == [True] * 12
    assert "9000000 bytes" in await error(client, "redis_read", key="one", field="huge")
    (field,) = (await ok(client, "redis_read", key="one"))["fields"]
    assert field == {"field": "huge", "value": {"text": "", "bytes": 9_000_000}}
    assert (await ok(client, "redis_read", key="huge"))["length"] == 9_000_000
    assert redis.info("stats")["total_net_output_bytes"] - before < 16_000_000


async def test_types_are_known_or_refused(client: Client, redis: Redis) -> None:
    redis.zadd("z", {"m": 1})
    for name in ("zset", "sorted set", "ZSET"):
        assert [key["key"] for key in (await ok(client, "redis_scan", type=name))["keys"]] == ["z"]
    assert (await ok(client, "redis_scan", type="json"))["keys"] == []
    assert "the types are string" in await error(client, "redis_scan", type="hashes")


async def test_long_names_are_cut_and_say_so(client: Client, redis: Redis) -> None:
    long = "n" * 70_000
    redis.set(long, "v")
    redis.hset("h", long, "v")
    redis.zadd("z", {long: 1})
    redis.xadd("x", {long: "v"})
    redis.xgroup_create("x", long)
    redis.client_setname("c" * 50_000)
    (key,) = (await ok(client, "redis_scan", pattern="nnn*"))["keys"]
    assert key["key"].endswith("... (70000 bytes)")
    assert (await ok(client, "redis_profile"))["sampled"] == 4
    for tool, arguments in (
        ("redis_read", {"key": "h"}),
        ("redis_read", {"key": "z"}),
        ("redis_read_many", {"keys": ["h", "z", "x"]}),
        ("redis_stream", {"key": "x"}),
        ("redis_diagnose", {"topic": "clients"}),
        ("redis_scan", {"order": "memory"}),
    ):
        found = await ok(client, tool, **arguments)
        said = ("70000", "too_big", "names have more than 4096 bytes were left out")
        assert any(text in str(found) for text in said) or tool == "redis_diagnose", (tool, arguments)


async def test_several_reads_in_one_call(client: Client, redis: Redis) -> None:
    redis.set("s", "v")
    redis.rpush("l", *["x" * 1000] * 30)
    commands = [["GET", "s"], ["LLEN", "l"], ["GET", "l"], ["TIME"], ["GETRANGE", "s", 0, 0], ["get", "gone"]]
    many = await ok(client, "redis_command", commands=commands)
    assert many["replies"][:2] == ["v", 30] and many["replies"][4:] == ["v", None] and len(many["replies"][3]) == 2
    assert many["replies"][2]["error"].startswith("WRONGTYPE")
    long = await ok(client, "redis_command", commands=[["LRANGE", "l", 0, -1]] * 10)
    assert long["cut"] and long["left_out"] == 10 - len(long["replies"]) > 0
    refused = [["GET", "s"], ["SET", "s", "x"]]
    assert "command 2: SET is refused" in await error(client, "redis_command", commands=refused)
    assert "either command or commands" in await error(client, "redis_command")
    assert "no command 'GET s': give each word" in await error(client, "redis_command", command="GET s")
    redis.sadd("w", *(f"{i:01000}" for i in range(100)))
    assert "bytes, most of them from 'w'" in await error(client, "redis_command", commands=[["SMEMBERS", "w"]] * 200)


async def test_hashes_are_counted_by_a_field(client: Client, redis: Redis) -> None:
    with redis.pipeline() as pipeline:
        for i in range(5000):
            country = ("de", "fr", "it")[i % 3]
            pipeline.hset(f"user:{i}", mapping={"country": country, "active": i % 2, "bio": "x" * 200})
        pipeline.hset("user:none", "active", 1)
        pipeline.hset("user:long", mapping={"country": "x" * 5000, "active": 1})
        pipeline.set("user:string", "x")
        pipeline.execute()
    found = await ok(client, "redis_tally", pattern="user:*", field="country")
    assert {row["value"]: row["count"] for row in found["counts"]} == {"de": 1667, "fr": 1667, "it": 1666}
    assert found["hashes"] == 5001 and found["without"] == 1 and "cursor" not in found
    active = await ok(client, "redis_tally", pattern="user:*", field="country", where={"active": "1"}, limit=1)
    assert active["hashes"] == 2501 and active["left_out"] == 2
    assert "looks like the name of a secret" in await error(client, "redis_tally", pattern="*", field="api_token")
    assert "1 hashes were left out: a value of theirs has more than 4096 bytes" in found["warnings"]


async def test_long_values_that_begin_alike_are_counted_apart(client: Client, redis: Redis) -> None:
    for end in "abcaab":
        redis.hset(f"u:{redis.dbsize()}", "e", "http://example.com/" + "p" * 300 + end)
    found = await ok(client, "redis_tally", pattern="u:*", field="e")
    assert sorted(row["count"] for row in found["counts"]) == [1, 2, 3]


async def test_chosen_fields_of_many_hashes(client: Client, redis: Redis) -> None:
    redis.hset("a", mapping={"n": "1", "x": "long" * 100, "token": "t"})
    redis.hset("b", mapping={"x": "2"})
    redis.set("s", "v")
    keys = (await ok(client, "redis_read_many", keys=["a", "b", "s"], fields=["n", "token"]))["keys"]
    assert [key["value"] for key in keys] == [{"n": "1", "token": "(masked)"}, {}, "v"]
    assert keys[0]["length"] == 3


async def test_what_expires_soonest(client: Client, redis: Redis) -> None:
    for i in range(30):
        redis.set(f"session:{i}", "s", ex=1000 + i * 100)
    redis.set("forever", "x")
    soon = (await ok(client, "redis_scan", order="ttl", limit=3))["keys"]
    assert [key["key"] for key in soon] == ["session:0", "session:1", "session:2"]
    below = (await ok(client, "redis_scan", ttl_below_s=1550, pattern="session:*"))["keys"]
    assert [key["key"] for key in below] == [f"session:{i}" for i in range(6)] and below[0]["ttl_s"] <= 1000
    assert (await ok(client, "redis_scan", ttl_below_s=1550, limit=4))["left_out"] == 2


async def test_all_streams_at_a_glance(client: Client, redis: Redis) -> None:
    for i in range(40):
        for entry in range(1, 6):
            redis.xadd(f"stream:{i}", {"n": entry}, id=f"{entry}-0")
        redis.xgroup_create(f"stream:{i}", "g", id="0")
    redis.xreadgroup("g", "c", {"stream:7": ">"}, count=4)
    redis.xreadgroup("g", "c", {"stream:9": ">"}, count=2)
    for number in range(25):
        redis.xgroup_create("stream:7", f"g{number}", id="0")
    found = await ok(client, "redis_stream", limit=3)
    streams = found["streams"]
    assert found["left_out"] == 37 and streams[0]["groups_left_out"] == 6
    assert [(row["key"], row["pending"]) for row in streams[:2]] == [("stream:7", 4), ("stream:9", 2)]
    assert streams[0]["groups"][0]["lag"] == 1 and streams[0]["length"] == 5
    assert len((await ok(client, "redis_stream", pattern="stream:1*"))["streams"]) == 11
    assert "key of the group" in await error(client, "redis_stream", group="g")
    assert "either key or pattern" in await error(client, "redis_stream", key="stream:7", pattern="stream:*")
    assert "give the group, too" in await error(client, "redis_stream", key="stream:7", idle_s=60)


async def test_settings_and_commands_are_shown_without_secrets(client: Client, redis: Redis) -> None:
    redis.config_set("masterauth", "a-password-of-the-master")
    settings = await ok(client, "redis_diagnose", topic="config", limit=500)
    some = await ok(client, "redis_diagnose", topic="config", settings=["appendonly", "maxmemory*", "masterauth"])
    values = {row["name"]: row["value"] for row in settings["rows"]}
    assert values["masterauth"] == "(masked)" and values["maxmemory-policy"] == "noeviction"
    assert "a-password-of-the-master" not in str([settings, some])
    assert {"appendonly", "maxmemory", "maxmemory-policy", "masterauth"} <= {row["name"] for row in some["rows"]}
    assert len(some["rows"]) < 10 and "left_out" not in some
    assert (await ok(client, "redis_diagnose", topic="config"))["left_out"] == len(settings["rows"]) - 20
    assert "no setting 'apendonly'" in await error(client, "redis_diagnose", topic="config", settings=["apendonly"])
    assert "topic config" in await error(client, "redis_diagnose", topic="acl", settings=["appendonly"])
    redis.config_resetstat()
    redis.set("k", "v")
    rows = {row["command"]: row for row in (await ok(client, "redis_diagnose", topic="commands"))["rows"]}
    assert rows["SET"]["calls"] == 1 and rows["SET"]["failed"] == 0


async def test_what_is_counted_takes_no_more_memory_than_there_is(redis: Redis, redis_server: RedisServer) -> None:
    words = [f"{n:013b}".replace("0", "x").replace("1", "y") for n in range(6000)]  # a group and a value each
    redis.mset({f"{word}:k": "v" for word in words})
    pipeline = redis.pipeline(transaction=False)
    for word in words:
        pipeline.hset(f"h:{word}", "f", word * 15)
    pipeline.execute()
    budget = MemoryBudget(2 * 1024 * 1024)
    token = BUDGET.set(budget)
    try:
        async with connected(redis_server.port) as backend:
            call = Call(backend, 65536)
            profile = await redis_profile.function(call, sample=100_000)
            assert 1000 < profile["sampled"] < 6000
            pages = [await redis_tally.function(call, pattern="h:*", field="f")]
            while cursor := pages[-1].get("cursor"):
                pages.append(await redis_tally.function(call, pattern="h:*", field="f", cursor=cursor))
            assert len(pages) > 1 and sum(page["hashes"] for page in pages) >= 6000
            assert budget.take_now(budget.size), "all was given back"
    finally:
        BUDGET.reset(token)
