"""What is longer than a result may be is cut, wherever it comes: the other rows stay, and the rest can be read."""

import asyncio
import json
from typing import Any

import pytest
from mcp import Client
from mcp_types import TextResourceContents
from redis import Redis

from servers.redis.tests.conftest import ok, pages, until
from tools.backends.sidecar import Sidecar

SETTINGS: dict[str, str] = {}

MOST = 32768
"""Bytes of a result by default."""

LONG = 40_000


async def test_a_client_with_a_long_name_hides_no_slow_command(client: Client, redis: Redis, sidecar: Sidecar) -> None:
    redis.config_set("slowlog-log-slower-than", 0)
    redis.client_setname("n" * LONG)
    redis.slowlog_reset()
    redis.get("a")
    redis.client_setname("")
    redis.get("b")
    rows = (await ok(client, "redis_diagnose", topic="slowlog", limit=500))["rows"]
    assert {"a", "b"} <= {row["key"] for row in rows}


async def test_long_channels_hide_no_others(client: Client, redis: Redis) -> None:
    long = "C" * LONG
    with redis.pubsub() as subscriber:
        subscriber.subscribe(long, "short")
        await until(lambda: len(redis.pubsub_channels()) == 2)
        listed = await ok(client, "redis_pubsub")
    assert [row["channel"] == "short" for row in listed["channels"]] == [False, True]
    assert str(LONG) in listed["warnings"][0]
    listening = asyncio.create_task(ok(client, "redis_pubsub", listen=["*"], seconds=25, limit=2))
    await until(lambda: redis.pubsub_numpat() == 1)
    for channel in (long, "short", "more"):
        redis.publish(channel, "said")
    heard = await listening
    assert [row["message"] for row in heard["messages"]] == ["said", "said"] and heard["cut"]
    assert heard["messages"][0]["channel"].startswith("CCC") and heard["messages"][1]["channel"] == "short"


@pytest.mark.parametrize("reverse", [False, True])
async def test_an_entry_of_many_fields_is_read_in_pages(client: Client, redis: Redis, reverse: bool) -> None:
    fields: dict[Any, Any] = {f"f{number}": "v" * 5 for number in range(3500)}
    redis.xadd("x", {"a": "b"}, id="1-1")
    redis.xadd("x", fields, id="2-1")
    redis.xadd("x", {"a": "b"}, id="3-1")
    first = await ok(client, "redis_read", key="x", start="2-1", limit=1)
    assert "3500 fields" in first["about"]["cut"]
    found: dict[str, list[str]] = {}
    for entry in await pages(client, "redis_read", "entries", key="x", reverse=reverse):
        found.setdefault(entry["id"], []).extend(row["field"] for row in entry["fields"])
    assert found == {"1-1": ["a"], "2-1": list(fields), "3-1": ["a"]}
    assert list(found) == sorted(found, reverse=reverse)
    (content,) = (await client.read_resource("redis://key/x")).contents
    assert isinstance(content, TextResourceContents)
    assert len(content.text.encode()) <= MOST and json.loads(content.text)["cursor"]


async def test_one_long_key_of_many_loses_no_others(client: Client, redis: Redis) -> None:
    redis.hset("long", mapping={"\x01" * 190 + f"{number:02}": "\x01" * 128 for number in range(20)})
    redis.set("short", "v")
    many = await ok(client, "redis_read_many", keys=["long", "short"])
    assert [row["key"] for row in many["keys"]] == ["long", "short"] and many["keys"][1]["value"] == "v"
    assert "redis_read" in many["warnings"][0]


async def test_streams_with_long_names_hide_no_others(client: Client, redis: Redis) -> None:
    long = "\x01" * 4000
    for stream in (long, "short"):
        redis.xadd(stream, {"a": "b"})
        for number in range(20):
            redis.xgroup_create(stream, f"{number:02}" + "\x02" * 190 * (stream == long), id="0")
    streams = await ok(client, "redis_stream")
    assert [len(row["groups"]) for row in streams["streams"] if row["key"] == "short"] == [20]
    assert len(streams["streams"]) == 2 and "redis_scan" in streams["warnings"][0]


@pytest.mark.parametrize("value", ["\x01" * 3000 + "a" * 1096, "a" * 1096 + "\x01" * 3000, "\U000e0041" * 2048])
async def test_an_element_whose_characters_differ_in_length_is_cut(client: Client, redis: Redis, value: str) -> None:
    redis.rpush("l", value, "next")
    for arguments in ({"key": "l", "limit": 1}, {"key": "l"}):
        first = (await ok(client, "redis_read", **arguments))["items"][0]
        assert first["bytes"] == len(value.encode()) and value.startswith(first["text"])
    assert (await ok(client, "redis_command", command=["LRANGE", "l", "0", "-1"]))["reply"][1] == "next"
