"""The tools that change: transactions, versions, messages, and deletes by pattern."""

from __future__ import annotations

import asyncio

import pytest
from mcp import Client
from redis import Redis

from servers.redis.conftest import error, ok
from tools.backends.sidecar import Sidecar

pytestmark = pytest.mark.anyio

SETTINGS = {"MCP_ALLOW_WRITES": "true"}


async def test_commands_are_done_together(client: Client, redis: Redis) -> None:
    redis.set("old", "v")
    redis.zadd("z", {"a": 1, "b": 2})
    done = await ok(
        client,
        "redis_transaction",
        commands=[
            ["INCRBY", "n", "5"],
            ["HINCRBYFLOAT", "h", "f", "1.5"],
            ["RENAME", "old", "new"],
            ["EXPIRE", "new", "6000"],
            ["ZREM", "z", "a"],
            ["GET", "n"],
            ["SET", "base64:/w==", "base64:/v8="],
            ["SET", "guarded", "1", "NX", "EX", "100"],
            ["SET", "guarded", "2", "NX"],
        ],
    )
    assert done == {"replies": [5, "1.5", "OK", 1, 1, "5", "OK", "OK", None]}
    assert redis.get("n") == b"5" and 5000 < redis.ttl("new") <= 6000 and redis.zrange("z", 0, -1) == [b"b"]
    assert redis.get(b"\xff") == b"\xfe\xff" and redis.get("guarded") == b"1"


async def test_a_stream_is_worked_on_by_its_groups(client: Client, redis: Redis) -> None:
    redis.xadd("jobs", {"n": 1}, id="1-0")
    redis.xadd("jobs", {"n": 2}, id="2-0")
    replies = (
        await ok(
            client,
            "redis_transaction",
            commands=[
                ["XGROUP", "CREATE", "jobs", "g", "0"],
                ["XREADGROUP", "GROUP", "g", "c", "COUNT", "1", "STREAMS", "jobs", ">"],
                ["XACK", "jobs", "g", "1-0"],
                ["XADD", "jobs", "3-0", "n", "3"],
                ["XTRIM", "jobs", "MAXLEN", "1"],
            ],
        )
    )["replies"]
    assert replies == ["OK", [["jobs", [["1-0", ["n", "1"]]]]], 1, "3-0", 2]
    assert redis.xpending("jobs", "g")["pending"] == 0


async def test_a_command_that_would_wait_does_not_within_a_transaction(client: Client, redis: Redis) -> None:
    commands = [["XGROUP", "CREATE", "x", "g", "$", "MKSTREAM"],
                ["XREADGROUP", "GROUP", "g", "c", "BLOCK", "0", "STREAMS", "x", ">"]]  # fmt: skip
    done = await asyncio.wait_for(ok(client, "redis_transaction", commands=commands), 10)
    assert done == {"replies": ["OK", None]}


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (["FLUSHALL"], "dangerous"),
        (["KEYS", "*"], "dangerous"),
        (["EVAL", "return redis.call('FLUSHALL')", "0"], "scripts"),
        (["CONFIG", "SET", "dir", "/"], "administrators"),
        (["MULTI"], "transaction"),
        (["EXEC"], "transaction"),
        (["SELECT", "3"], "connection"),
        (["RESTORE", "k", "0", "x"], "dangerous"),
        (["PUBLISH", "c", "m"], "redis_pubsub"),
        (["SCRIPT", "FLUSH"], "scripts"),
        (["NOSUCH", "x"], "no command"),
        (["SET", "k"], "number of arguments"),
        (["OBJECT"], "reads no data"),
    ],
)
async def test_what_is_refused_undoes_the_whole_transaction(
    client: Client, redis: Redis, command: list[str], reason: str
) -> None:
    assert reason in await error(client, "redis_transaction", commands=[["SET", "a", "1"], command])
    assert redis.dbsize() == 0


async def test_an_error_of_one_command_is_in_its_place(client: Client, redis: Redis) -> None:
    redis.rpush("l", "x")
    done = await ok(client, "redis_transaction", commands=[["SET", "a", "1"], ["INCR", "l"], ["SET", "b", "2"]])
    assert done["replies"][0] == done["replies"][2] == "OK"
    assert done["replies"][1].startswith("error: WRONGTYPE")


async def test_only_what_nobody_has_changed_is_written(client: Client, redis: Redis) -> None:
    redis.hset("h", mapping={"n": 1})
    version = (await ok(client, "redis_read", key="h", version=True))["version"]
    assert (await ok(client, "redis_read", key="h", version=True))["version"] == version
    await ok(client, "redis_write", key="h", type="hash", value={"n": "2"}, if_version=version)
    assert "has changed" in await error(
        client, "redis_write", key="h", type="hash", value={"n": "3"}, if_version=version
    )
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
        assert listener.get_message(timeout=2)
        assert await ok(client, "redis_publish", channel="c", message="/w==", base64=True) == {"received_by": 1}
        assert (listener.get_message(timeout=2) or {})["data"] == b"\xff"


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
    assert "nothing was deleted" in said and "3 keys match" in said
    assert "nothing was deleted" in await error(client, "redis_delete_matching", pattern="tmp:*", confirm="made up")
    assert redis.dbsize() == 3


async def test_a_pattern_that_matches_too_much_is_refused(client: Client, redis: Redis) -> None:
    redis.mset({f"k{i}": i for i in range(50)})
    for pattern in ("**", "*?*"):
        assert "matches every key" in await error(client, "redis_delete_matching", pattern=pattern)
    assert "more than 10 keys match" in await error(client, "redis_delete_matching", pattern="k*", most=10)
    assert redis.dbsize() == 50


async def test_a_json_document_needs_its_module(client: Client, redis: Redis) -> None:
    assert "unknown command 'JSON.SET'" in await error(client, "redis_write", key="d", type="json", value={"a": 1})
    assert redis.dbsize() == 0
