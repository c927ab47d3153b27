"""MCP_KEY_PREFIXES: no tool sees or touches a key outside of the prefixes."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from mcp import Client, MCPError
from mcp_types import ResourceTemplateReference
from redis import Redis

from servers.common.protocol.tools import ToolError
from servers.common.settings import Environment
from servers.redis.policy.key_scope import KeyScope, ScopedRedis, ValueMask
from servers.redis.server import SIDECAR
from servers.redis.settings import RedisSettings
from servers.redis.tests.conftest import error, ok, pages
from tools.backends.sidecar import Sidecar

SETTINGS = {"MCP_ALLOW_WRITES": "true", "MCP_KEY_PREFIXES": "app:,we[i]rd*"}

CANARY = "canary-7b1e"
"""In the name and the value of what nobody may see."""


@pytest.fixture
async def client(sidecar: Sidecar, redis: Redis) -> AsyncIterator[Client]:
    redis.mset({"app:a": "1", "app:b": "2", "we[i]rd*x": "3", "weird": "no"})
    redis.set(f"{CANARY}:string", CANARY)
    redis.hset(f"{CANARY}:hash", mapping={"f": CANARY})
    redis.rpush(f"{CANARY}:list", CANARY)
    redis.xadd(f"{CANARY}:stream", {"f": CANARY})
    redis.zadd("app:z", {"m": 1})
    redis.hset("app:h", mapping={"f": "v"})
    async with Client(sidecar.url + "/mcp") as connected:
        yield connected


INSIDE = ["app:a", "app:b", "app:h", "app:z", "we[i]rd*x"]


async def test_only_what_is_inside_is_found(client: Client) -> None:
    assert sorted(k["key"] for k in await pages(client, "redis_scan", "keys")) == INSIDE
    assert await pages(client, "redis_scan", "keys", pattern=f"{CANARY}*") == []
    assert sorted(k["key"] for k in await pages(client, "redis_scan", "keys", order="memory")) == INSIDE
    profile = await ok(client, "redis_profile")
    assert "databases" not in await ok(client, "redis_info")
    assert "keys_count" not in (await ok(client, "redis_diagnose", topic="memory"))["summary"]
    assert profile["sampled"] == 5 and "keys" not in profile and CANARY not in json.dumps(profile)
    assert [c for c in (await ok(client, "redis_pubsub"))["channels"] if not c["channel"].startswith("app:")] == []


OUTSIDE: list[tuple[str, dict[str, Any]]] = [
    ("redis_read", {"key": f"{CANARY}:string"}),
    ("redis_read", {"key": "weird"}),
    ("redis_read", {"key": "app"}),
    ("redis_read_many", {"keys": ["app:a", f"{CANARY}:string"]}),
    ("redis_stream", {"key": f"{CANARY}:stream"}),
    ("redis_pubsub", {"listen": [f"{CANARY}:*"], "seconds": 1}),
    ("redis_pubsub", {"listen": ["*"], "seconds": 1}),
    ("redis_pubsub", {"listen": ["we[i]rd*"], "seconds": 1}),
    ("redis_command", {"command": ["GET", f"{CANARY}:string"]}),
    ("redis_command", {"command": ["MGET", "app:a", f"{CANARY}:string"]}),
    ("redis_command", {"command": ["SCAN", "0"]}),
    ("redis_command", {"command": ["RANDOMKEY"]}),
    ("redis_command", {"command": ["DBSIZE"]}),
    ("redis_command", {"command": ["PFCOUNT", "app:a", f"{CANARY}:string"]}),
    ("redis_command", {"command": ["OBJECT", "ENCODING", f"{CANARY}:string"]}),
    ("redis_command", {"command": ["LCS", "app:a", f"{CANARY}:string"]}),
    ("redis_command", {"command": ["SUNION", "app:s", f"{CANARY}:set"]}),
    ("redis_command", {"command": ["ZUNION", "2", "app:z", f"{CANARY}:z"]}),
    ("redis_command", {"command": ["SORT_RO", "app:z", "BY", "nosort", "GET", f"{CANARY}:*"]}),
    ("redis_write", {"key": f"{CANARY}:new", "value": "x"}),
    ("redis_write", {"key": f"{CANARY}:string", "value": "x", "replace": True}),
    ("redis_transaction", {"commands": [["SET", f"{CANARY}:new", "x"]]}),
    ("redis_transaction", {"commands": [["SET", "app:new", "x"], ["DEL", f"{CANARY}:string"]]}),
    ("redis_transaction", {"commands": [["COPY", f"{CANARY}:string", "app:stolen"]]}),
    ("redis_transaction", {"commands": [["RENAME", "app:a", f"{CANARY}:new"]]}),
    ("redis_transaction", {"commands": [["ZUNIONSTORE", "app:stolen", "2", "app:z", f"{CANARY}:z"]]}),
    ("redis_transaction", {"commands": [["BITOP", "OR", "app:stolen", f"{CANARY}:string"]]}),
    ("redis_transaction", {"commands": [["SORT", "app:z", "BY", "nosort", "GET", f"{CANARY}:*", "STORE", "app:s"]]}),
    ("redis_transaction", {"commands": [["GET", "app:a"]], "if_versions": {f"{CANARY}:string": "none"}}),
    ("redis_transaction", {"commands": [["RANDOMKEY"], ["GET", "app:a"]]}),
    ("redis_transaction", {"commands": [f"GEORADIUS app:g 0 0 1 m STORE app:d STORE {CANARY}:string".split()]}),
    ("redis_transaction", {"commands": [["XREADGROUP", "GROUP", "STREAMS", "c", "STREAMS", f"{CANARY}:stream", ">"]]}),
    ("redis_transaction", {"commands": [["ZUNIONSTORE", f"{CANARY}:z", "1", "app:z"]]}),
    ("redis_transaction", {"commands": [["LMOVE", "app:l", f"{CANARY}:list", "LEFT", "LEFT"]]}),
    ("redis_publish", {"channel": CANARY, "message": "x"}),
    ("redis_delete", {"keys": ["app:a", f"{CANARY}:string"]}),
]


@pytest.mark.parametrize(("tool", "arguments"), OUTSIDE, ids=lambda v: v if isinstance(v, str) else json.dumps(v)[:60])
async def test_what_is_outside_is_refused_and_stays(client: Client, redis: Redis, tool: str, arguments: Any) -> None:
    before = {name: redis.dump(name) for name in redis.scan_iter()}
    said = await error(client, tool, **arguments)
    assert "'app:'" in said or " is refused: " in said or "glob characters" in said, said
    assert {name: redis.dump(name) for name in redis.scan_iter()} == before


async def test_every_tool_that_takes_names_is_tried(client: Client) -> None:
    nameless = {"redis_info", "redis_profile", "redis_scan", "redis_diagnose", "redis_command_docs"}
    patterns = {"redis_delete_matching", "redis_tally"}
    engine = {"redis_indexes", "redis_search", "redis_aggregate", "redis_create_index"}  # see search_test
    tried = {tool for tool, _ in OUTSIDE}
    assert tried | nameless | patterns | engine == {tool.definition.name for tool in SIDECAR.tools}


async def test_what_is_inside_is_served(client: Client, redis: Redis) -> None:
    assert (await ok(client, "redis_read", key="we[i]rd*x"))["value"] == "3"
    assert (await ok(client, "redis_command", command=["GET", "app:a"])) == {"reply": "1"}
    assert len((await ok(client, "redis_command", command=["TIME"]))["reply"]) == 2
    await ok(client, "redis_write", key="app:new", value="x")
    await ok(client, "redis_transaction", commands=[["RENAME", "app:new", "app:newer"]])
    assert (await ok(client, "redis_delete", keys=["app:newer"]))["deleted"] == 1
    assert await ok(client, "redis_publish", channel="app:events", message="x") == {"received_by": 0}
    assert await ok(client, "redis_pubsub", listen=["app:events"], seconds=0.2) == {"messages": []}


async def test_what_looks_over_many_keys_stays_inside(client: Client, redis: Redis) -> None:
    redis.xadd("app:x", {"f": "v"})
    tallied = await ok(client, "redis_tally", pattern="*", field="f")
    assert tallied["counts"] == [{"value": "v", "count": 1}] and tallied["sample"] == ["app:h"]
    assert [stream["key"] for stream in (await ok(client, "redis_stream"))["streams"]] == ["app:x"]
    assert (await ok(client, "redis_scan", ttl_below_s=10**9))["keys"] == []


async def test_a_pattern_deletes_only_what_is_inside(client: Client, redis: Redis) -> None:
    dry = await ok(client, "redis_delete_matching", pattern="*[a-z]*")
    assert dry["matched"] == 5 and set(dry["sample"]) == set(INSIDE)
    assert await ok(client, "redis_delete_matching", pattern="*[a-z]*", confirm=dry["confirm"]) == {"deleted": 5}
    assert redis.exists(f"{CANARY}:string", f"{CANARY}:hash", f"{CANARY}:list", f"{CANARY}:stream", "weird") == 5


async def test_resources_and_completions_stay_inside(client: Client) -> None:
    with pytest.raises(MCPError, match="outside of what this server may touch"):
        await client.read_resource(f"redis://key/{CANARY}%3Astring")
    assert CANARY not in str(await client.read_resource("redis://keyspace"))
    ref = ResourceTemplateReference(uri="redis://key/{name}")
    assert (await client.complete(ref, {"name": "name", "value": CANARY[:4]})).completion.values == []
    assert (await client.complete(ref, {"name": "name", "value": "app:"})).completion.values == INSIDE[:4]


@pytest.mark.parametrize(
    ("name", "value", "hidden"),
    [
        (b"password", b"", True),
        (b"db_passwd", b"", True),
        (b"user:1:token", b"", True),
        (b"API-KEY", b"", True),
        (b"authors", b"", False),
        (b"tokenizer", b"", False),
        (b"secretary", b"", False),
        (b"key", b"-----BEGIN RSA PRIVATE KEY-----\nMII", True),
        (b"key", b"AKIAIOSFODNN7EXAMPLE", True),
        (b"accessToken", b"", True),
        (b"tokenValue", b"", True),
        (b"Tokenizer", b"", False),
        (b"key", b'[{"a\\"": ":", "apiKey" :1}]', True),
        (b"key", b'{"a":"token","b":["auth", "secret"], "c":"\\"token\\":', False),
        (b"key", b"just text", False),
        (b"\xff\xfe", b"\xff", False),
        (b"x" * 4000 + b":password", b"", True),
        (b"x" * 4096 + b":password", b"", False),
        (b"key", b"." * 4076 + b"AKIAIOSFODNN7EXAMPLE", True),
        (b"key", b"." * 4077 + b"AKIAIOSFODNN7EXAMPLE", False),
    ],
)
def test_what_looks_like_a_secret(name: bytes, value: bytes, hidden: bool) -> None:
    assert ValueMask().hides(name, value=value) is hidden


@pytest.mark.parametrize(
    ("prefixes", "pattern", "sent"),
    [
        ([], "*", b"*"),
        (["a"], "*", b"a*"),
        (["a*"], "*", b"a\\**"),
        (["a", "b"], "*", b"*"),
        (["a"], "x*", b"x*"),
        (["[^-?]\\"], "*", b"\\[\\^\\-\\?\\]\\\\*"),
        ([], "ü" * 500, "ü".encode() * 500),
    ],
)
def test_the_pattern_that_redis_is_asked_for(prefixes: list[str], pattern: str, sent: bytes) -> None:
    assert KeyScope(prefixes).pattern(pattern) == sent


def test_a_name_from_an_argument() -> None:
    scope = KeyScope(["app:", "b"])
    assert scope.key("app:a") == b"app:a" and scope.key("base64:Yv8=") == b"b\xff"
    assert KeyScope(["a*"]).has(b"a*b") and not KeyScope(["a*"]).has(b"ab")
    assert KeyScope([]).key("x" * 4096) == b"x" * 4096 and not KeyScope([]) and scope
    for name, reason in (
        ("c", "'c' is outside of what this server may touch: keys that begin with 'app:' or 'b'"),
        ("b" * 4097, "a name of 4097 bytes is too long: names may have 4096 bytes"),
    ):
        with pytest.raises(ToolError, match=reason):
            scope.key(name)
    with pytest.raises(ToolError, match="a glob may have at most 1000 bytes"):
        scope.pattern("x" * 1001)
    with pytest.raises(ToolError, match="'c' is outside"):
        scope.check([b"b", b"c"])


def test_the_settings_give_the_scope_and_the_mask() -> None:
    settings = Environment({"REDIS_HOST": "127.0.0.1", "MCP_KEY_PREFIXES": "app:,b"})
    store = ScopedRedis(RedisSettings.read(settings))
    assert store.scope.prefixes == (b"app:", b"b") and store.address == "127.0.0.1:6379"
    assert store.mask.hides(b"password") and not store.mask.hides(b"name")


def test_a_mask_of_ones_own_and_none() -> None:
    assert ValueMask("^$").hides(value=b"AKIAIOSFODNN7EXAMPLE") and not ValueMask("^$").hides(b"password", b"")
    assert ValueMask("^customer:").hides(b"customer:1") and not ValueMask("^customer:").hides(b"password")
    assert ValueMask().hides(b"user:1", b"token") and not ValueMask().hides(b"user:1", b"name")


async def test_a_diagnosis_tells_nothing_of_other_clients(client: Client, redis: Redis) -> None:
    redis.client_setname(CANARY)
    redis.config_set("slowlog-log-slower-than", 0)
    redis.slowlog_reset()
    redis.get(f"{CANARY}:string")
    redis.get("app:a")
    redis.ping()
    clients = await ok(client, "redis_diagnose", topic="clients")
    slow = await ok(client, "redis_diagnose", topic="slowlog", limit=500)
    assert CANARY not in json.dumps([clients, slow])
    assert {row["name"] for row in clients["rows"]} == {"mcp-redis"} == set(clients["summary"]["by_name"])
    assert clients["summary"]["clients"] == len(clients["rows"]) > 0
    assert {row["key"] for row in slow["rows"]} >= {"app:a"} and all(row["key"] for row in slow["rows"])
    assert {row["client"] for row in slow["rows"]} == {""}
