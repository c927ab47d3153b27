"""The tools that change: transactions, versions, messages, and deletes by pattern."""

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest
from mcp import Client
from redis import Redis
from redis.exceptions import ResponseError

from servers.redis.format.key_encoding import digest_of
from servers.redis.tests.conftest import Start, error, ok, until
from tools.backends.process import free_port
from tools.backends.redis import RedisServer
from tools.backends.sidecar import Sidecar

SETTINGS = {"MCP_ALLOW_WRITES": "true"}


def split(commands: str) -> list[list[str]]:
    """Return the words of commands that stand between semicolons."""
    return [command.split() for command in commands.split("; ")]


async def test_commands_are_done_together(client: Client, redis: Redis) -> None:
    redis.set("old", "v")
    redis.zadd("z", {"a": 1, "b": 2})
    commands = (
        "INCRBY n 5; HINCRBYFLOAT h f 1.5; RENAME old new; EXPIRE new 6000; ZREM z a; GET n; "
        "SET base64:/w== base64:/v8=; SET guarded 1 NX EX 100; SET guarded 2 NX"
    )
    done = await ok(client, "redis_transaction", commands=split(commands))
    assert done == {"replies": [5, "1.5", "OK", 1, 1, "5", "OK", "OK", None]}
    assert redis.get("n") == b"5" and 5000 < redis.ttl("new") <= 6000 and redis.zrange("z", 0, -1) == [b"b"]
    assert redis.get(b"\xff") == b"\xfe\xff" and redis.get("guarded") == b"1"


async def test_a_stream_is_worked_on_by_its_groups(client: Client, redis: Redis) -> None:
    redis.xadd("jobs", {"n": 1}, id="1-0")
    redis.xadd("jobs", {"n": 2}, id="2-0")
    first = "XGROUP CREATE jobs g 0; XREADGROUP GROUP g c COUNT 1 STREAMS jobs >; XACK jobs g 1-0"
    commands = f"{first}; XADD jobs 3-0 n 3; XTRIM jobs MAXLEN 1"
    done = await ok(client, "redis_transaction", commands=split(commands))
    assert done == {"replies": ["OK", [["jobs", [["1-0", ["n", "1"]]]]], 1, "3-0", 2]}
    assert redis.xpending("jobs", "g")["pending"] == 0


async def test_a_command_that_would_wait_does_not_within_a_transaction(client: Client, redis: Redis) -> None:
    commands = split("XGROUP CREATE x g $ MKSTREAM; XREADGROUP GROUP g c BLOCK 0 STREAMS x >")
    done = await asyncio.wait_for(ok(client, "redis_transaction", commands=commands), 10)
    assert done == {"replies": ["OK", None]}


REFUSED = (
    "FLUSHALL; RESTORE k 0 x; EVAL return 0; CONFIG SET dir /; MULTI; SELECT 3; MOVE a 3; COPY a b DB 3; "
    "GEORADIUS a 0 0 1 m STORE b; LPOP a 10001; ZUNIONSTORE a 0 b; PUBLISH c m; NOSUCH x; SET k; OBJECT"
)


async def test_what_is_refused_undoes_all_commands(client: Client, redis: Redis) -> None:
    for command in split(REFUSED):
        await error(client, "redis_transaction", commands=[["SET", "a", "1"], command])
    assert redis.dbsize() == 0


async def test_an_error_of_one_command_is_in_its_place(client: Client, redis: Redis) -> None:
    redis.rpush("l", "x")
    done = await ok(client, "redis_transaction", commands=[["SET", "a", "1"], ["INCR", "l"], ["SET", "b", "2"]])
    assert done["replies"][0] == done["replies"][2] == "OK" and done["failed"] == 1
    assert done["replies"][1]["error"].startswith("WRONGTYPE")
    redis.set("e", "error: no error")
    assert await ok(client, "redis_transaction", commands=[["GET", "e"]]) == {"replies": ["error: no error"]}


async def test_what_was_done_is_told_however_long_the_answer_would_be(client: Client, redis: Redis) -> None:
    redis.rpush("l", "x" * 1000)
    done = await ok(client, "redis_transaction", commands=[["INCR", "l"]] * 999 + [["INCR", "n"]])
    assert redis.get("n") == b"1" and done["failed"] == 999
    assert done["left_out"] == 1000 - len(done["replies"]) > 0
    done = await ok(client, "redis_transaction", commands=[["INCR", "n"]] + [["LRANGE", "l", "0", "-1"]] * 999)
    assert done["replies"][0] == 2 and done["left_out"] > 0 and "failed" not in done
    redis.set("after", 1)
    missing = [f"{i:0100}" for i in range(999)]
    deleted = await ok(client, "redis_delete", keys=["after", *missing])
    assert not redis.exists("after") and deleted["deleted"] == 1
    assert deleted["missing"] == missing[: len(deleted["missing"])]
    assert deleted["left_out"] == 999 - len(deleted["missing"]) > 0


async def test_on_a_busy_key_what_has_no_condition_never_fails(client: Client, sidecar: Sidecar, redis: Redis) -> None:
    """Twenty clients: counts, appends, and writes that need the key's TTL, which others change meanwhile."""

    async def work(number: int) -> None:
        async with Client(sidecar.url + "/mcp") as own:
            for step in range(5):
                await ok(own, "redis_transaction", commands=[["INCR", "hot"]])
                await ok(own, "redis_write", key="list", type="list", value=[f"{number}.{step}"])
                await ok(own, "redis_write", key="stream", type="stream", value={"n": str(number)})
                await ok(own, "redis_write", key="string", value=str(number))

    redis.set("string", "", ex=5000)
    await asyncio.gather(*(work(number) for number in range(20)))
    assert redis.get("hot") == b"100" and redis.llen("list") == 100 and redis.xlen("stream") == 100
    assert redis.ttl("string") > 4000


async def test_an_absent_ttl_keeps_what_was_there(client: Client, redis: Redis) -> None:
    redis.set("s", "1", ex=5000)
    redis.hset("h", "a", "1")
    redis.expire("h", 5000)
    await ok(client, "redis_write", key="s", value="2", replace=True)
    await ok(client, "redis_write", key="h", type="hash", value={"b": "2"}, replace=True)
    assert redis.hgetall("h") == {b"b": b"2"} and redis.get("s") == b"2"
    assert redis.ttl("s") > 4000 and redis.ttl("h") > 4000
    await ok(client, "redis_write", key="h", type="list", value=["x"], replace=True)
    assert redis.ttl("h") > 4000
    await ok(client, "redis_write", key="h", type="list", value=["x"], replace=True, ttl_s=0)
    assert redis.ttl("h") == -1


async def test_adding_to_a_key_of_another_type_changes_nothing(client: Client, redis: Redis) -> None:
    redis.set("s", "1", ex=5000)
    for ttl in ({}, {"ttl_s": 5}):
        said = await error(client, "redis_write", key="s", type="list", value=["x"], **ttl)
        assert "is a string, not a list: nothing was written" in said
    assert redis.get("s") == b"1" and redis.ttl("s") > 4000


@pytest.mark.parametrize("value", [1e400, -1e400])
def test_numbers_that_json_has_not_are_refused(sidecar: Sidecar, redis: Redis, value: float) -> None:
    for arguments in ({"value": value}, {"type": "zset", "value": {"m": value}}):
        params = {"name": "redis_write", "arguments": {"key": "k"} | arguments}
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
        status, answer = sidecar.post(body.replace("Infinity", "1e400").encode())
        assert status < 500 and ("error" in answer or answer["result"]["isError"])
    assert not redis.exists("k")


async def test_only_what_nobody_has_changed_is_written(client: Client, redis: Redis) -> None:
    redis.hset("h", mapping={"n": 1})
    version = (await ok(client, "redis_read", key="h", version=True))["version"]
    assert (await ok(client, "redis_read", key="h", version=True))["version"] == version
    await ok(client, "redis_write", key="h", type="hash", value={"n": "2"}, if_version=version)
    late: dict[str, Any] = {"key": "h", "type": "hash", "value": {"n": "3"}, "if_version": version}
    assert "has changed" in await error(client, "redis_write", **late)
    assert redis.hget("h", "n") == b"2"
    now = (await ok(client, "redis_read", key="h", version=True))["version"]
    add = [["HINCRBY", "h", "n", "10"], ["SET", "log", "done"]]
    assert "has changed" in await error(client, "redis_transaction", commands=add, if_versions={"h": version})
    assert not redis.exists("log")
    await ok(client, "redis_transaction", commands=add, if_versions={"h": now, "log": "none"})
    assert redis.hget("h", "n") == b"12" and redis.get("log") == b"done"


async def test_of_many_writers_at_once_each_counts(client: Client, sidecar: Sidecar, redis: Redis) -> None:
    """Compare and set: no increment is lost, whoever comes first."""
    redis.set("n", 0)

    async def add(times: int) -> None:
        async with Client(sidecar.url + "/mcp") as own:
            while times:
                seen = await ok(own, "redis_read", key="n", version=True)
                answer = await own.call_tool(
                    "redis_write", {"key": "n", "value": int(seen["value"]) + 1, "if_version": seen["version"]}
                )
                times -= not answer.is_error

    await asyncio.gather(*(add(20) for _ in range(5)))
    assert redis.get("n") == b"100"


async def test_a_message_is_published(client: Client, redis: Redis) -> None:
    assert await ok(client, "redis_publish", channel="c", message="nobody hears") == {"received_by": 0}
    with redis.pubsub() as listener:
        listener.subscribe("c")
        assert listener.get_message(timeout=60)
        assert await ok(client, "redis_publish", channel="c", message="/w==", base64=True) == {"received_by": 1}
        assert (listener.get_message(timeout=60) or {})["data"] == b"\xff"


async def test_a_pattern_is_deleted_after_a_dry_run(client: Client, redis: Redis) -> None:
    redis.mset({f"tmp:{i}": i for i in range(600)} | {"keep": 1})
    dry = await ok(client, "redis_delete_matching", pattern="tmp:*")
    assert dry["matched"] == 600 and len(dry["sample"]) == 20 and all(k.startswith("tmp:") for k in dry["sample"])
    assert redis.dbsize() == 601, "a dry run deletes nothing"
    assert await ok(client, "redis_delete_matching", pattern="tmp:*", confirm=dry["confirm"]) == {"deleted": 600}
    assert redis.keys("*") == [b"keep"]


async def test_a_pattern_is_not_deleted_when_its_keys_have_changed(client: Client, redis: Redis) -> None:
    redis.mset({"tmp:1": 1, "tmp:2": 2})
    confirm = (await ok(client, "redis_delete_matching", pattern="tmp:*"))["confirm"]
    redis.set("tmp:3", "new")
    said = await error(client, "redis_delete_matching", pattern="tmp:*", confirm=confirm)
    assert "nothing was deleted" in said and "3 now" in said
    assert "nothing was deleted" in await error(client, "redis_delete_matching", pattern="tmp:*", confirm="made up")
    assert redis.dbsize() == 3


async def test_a_pattern_that_matches_too_much_is_refused(client: Client, redis: Redis) -> None:
    redis.mset({f"k{i}": i for i in range(50)})
    for pattern in ("**", "*?*"):
        assert "matches every key" in await error(client, "redis_delete_matching", pattern=pattern)
    assert "more than 10 keys match" in await error(client, "redis_delete_matching", pattern="k*", most=10)
    assert redis.dbsize() == 50


@pytest.mark.parametrize(
    "commands",
    [
        "SETRANGE s 536870000 x",
        "COPY big s; GET s",
        "LPOP list 10",
        "LRANGE list 0 -1",
        "XPENDING stream g IDLE 0 - + 99999999",
        "SUNIONSTORE d" + " set" * 900,
    ],
)
async def test_what_costs_too_much_is_not_sent(client: Client, redis: Redis, commands: str) -> None:
    redis.set("big", b"x" * 9_000_000)
    redis.rpush("list", *[b"x" * 1_000_000] * 10)
    redis.sadd("set", *range(20_000))
    for _ in range(10):
        redis.xadd("stream", {"f": b"x" * 1_000_000})
    said = await error(client, "redis_transaction", commands=split(commands))
    assert "a call may" in said or "count from 0" in said
    assert not redis.exists("s", "d") and redis.llen("list") == 10


async def test_a_full_or_busy_redis_says_that_nothing_was_done(client: Client, redis: Redis) -> None:
    redis.set("s", "v")
    for setting, code in (("maxmemory", "OOM"), ("min-replicas-to-write", "NOREPLICAS")):
        redis.config_set(setting, 1)
        for tool, arguments in (
            ("redis_write", {"key": "s", "value": "x"}),
            ("redis_transaction", {"commands": [["INCR", "n"], ["SET", "s", "x"]]}),
        ):
            refusal = await error(client, tool, **arguments)
            assert code in refusal and "nothing was done" in refusal
        redis.config_set(setting, 0)
    redis.config_set("busy-reply-threshold", 50)
    busy = asyncio.create_task(asyncio.to_thread(_forever, redis))
    try:
        await until(lambda: _is_busy(redis))
        for tool, argument in (("redis_read", "key"), ("redis_write", "key"), ("redis_delete", "keys")):
            refusal = await error(client, tool, **{argument: "s"} | ({"value": "x"} if tool == "redis_write" else {}))
            assert "BUSY" in refusal and "nothing was done" in refusal
    finally:
        redis.script_kill()
        await busy
    assert redis.get("s") == b"v" and not redis.exists("n")


async def test_a_replica_says_where_to_write(client: Client, redis: Redis) -> None:
    redis.set("s", "v")
    redis.replicaof("127.0.0.1", free_port())
    try:
        for tool, arguments in CHANGES:
            assert "connect to its master" in await error(client, tool, **arguments)
        redis.config_set("replica-serve-stale-data", "no")
        for tool, arguments in CHANGES:
            assert "nothing was done" in await error(client, tool, **arguments)
        assert "has lost its master, so nothing was done" in await error(client, "redis_read", key="s")
    finally:
        redis.replicaof("NO", "ONE")
    assert redis.get("s") == b"v"


CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("redis_write", {"key": "s", "value": "x"}),
    ("redis_write", {"key": "s", "value": "x", "ttl_s": 5}),
    ("redis_transaction", {"commands": [["INCR", "n"]]}),
    ("redis_delete", {"keys": ["s"]}),
    ("redis_delete_matching", {"pattern": "s*", "confirm": digest_of(b"s")}),
]


async def test_a_redis_that_loads_its_data_says_that_nothing_was_done(start: Start) -> None:
    config = {"enable-debug-command": "yes", "loading-process-events-interval-bytes": 1024, "rdbcompression": "no"}
    with RedisServer(config=config) as server, Redis("127.0.0.1", server.port) as redis:
        redis.mset({f"k{number}": b"x" * 1000 for number in range(5000)} | {"s": "v"})
        sidecar = start(REDIS_PORT=str(server.port), MCP_ALLOW_WRITES="true")
        redis.config_set("key-load-delay", 20_000)
        loading = asyncio.create_task(asyncio.to_thread(redis.execute_command, "DEBUG", "RELOAD"))
        with Redis("127.0.0.1", server.port) as other:
            await until(lambda: bool(other.info("persistence")["loading"]))
            async with Client(sidecar.url + "/mcp") as client:
                for tool, arguments in (*CHANGES, ("redis_read", {"key": "s"})):
                    assert "is still loading its data, so nothing was done" in await error(client, tool, **arguments)
            other.config_set("key-load-delay", 0)
        await loading
        assert redis.get("s") == b"v" and not redis.exists("n")


def _forever(redis: Redis) -> None:
    with suppress(ResponseError):  # it is killed
        redis.eval("while true do end", 0)


def _is_busy(redis: Redis) -> bool:
    try:
        return not redis.ping()
    except ResponseError:
        return True
