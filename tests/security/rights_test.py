"""The rights that docs/operations.md gives a user of Redis are those that each tool needs."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from servers.redis.server import SIDECAR
from tools.backends.process import free_port
from tools.backends.redis import RedisServer
from tools.backends.sidecar import Sidecar

TREE = Path("WORKSPACE").resolve().parent
"""The source tree: the runfiles hold a link to its WORKSPACE file."""

ROW = re.compile(r"^\| (?P<tools>(?:`redis_\w+`(?:, )?)+) \| `(?P<rights>[^`]+)` \|$", re.MULTILINE)

RIGHTS = {
    tool: row["rights"].split()
    for row in ROW.finditer((TREE / "docs/operations.md").read_text())
    for tool in re.findall(r"redis_\w+", row["tools"])
}

KEYS = ("string", "hash", "list", "set", "zset", "stream", "log")

CALLS: dict[str, list[dict[str, Any]]] = {
    "redis_scan": [{"pattern": "s*"}, {"type": "hash"}],
    "redis_profile": [{}],
    "redis_read": [
        *({"key": key} for key in KEYS),
        {"key": "hash", "field": "f"},
        *({"key": key, "reverse": True} for key in ("list", "zset", "stream")),
        {"key": "zset", "start": "1", "end": "2"},
        {"key": "string", "view": "bits"},
        {"key": "zset", "view": "geo"},
        {"key": "string", "version": True},
    ],
    "redis_read_many": [{"keys": KEYS}],
    "redis_tally": [{"pattern": "hash", "field": "f"}],
    "redis_stream": [{"key": "stream"}],
    "redis_command": [{"command": ["GET", "string"]}, {"command": ["OBJECT", "FREQ", "string"]}],
    "redis_command_docs": [{"command": "get"}],
    "redis_info": [{}],
    "redis_pubsub": [{}, {"listen": ["c"], "seconds": 0.1}, {"listen": ["c*"], "seconds": 0.1}],
    "redis_diagnose": [{"topic": topic} for topic in ("slowlog", "latency", "clients", "memory", "acl", "config", "commands")],
    "redis_write": [
        {"key": "string", "value": "v"},
        {"key": "hash", "value": {"f": "v"}, "type": "hash", "ttl_s": 1000},
        *({"key": key, "value": ["v"], "type": key} for key in ("list", "set")),
        {"key": "zset", "value": {"m": 1}, "type": "zset"},
        {"key": "stream", "value": {"f": "v"}, "type": "stream"},
    ],
    "redis_transaction": [{"commands": [["SET", "string", "1"], ["HGETALL", "hash"]]}],
    "redis_publish": [{"channel": "c", "message": "m"}],
    "redis_delete": [{"keys": ["string"]}],
    "redis_delete_matching": [{"pattern": "str*"}, {"pattern": "str*", "confirm": "of the first call"}],
}


@contextmanager
def serving(folder: Path, mode: str, **config: Any) -> Iterator[tuple[Sidecar, Redis]]:
    """A sidecar whose user has few rights yet, and a client of its Redis who has all."""
    with RedisServer(config=config) as server, Redis("127.0.0.1", server.port) as redis:
        if mode == "cluster":
            redis.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            server.wait_until(lambda: b"cluster_state:ok" in redis.execute_command("CLUSTER", "INFO"))
        allow(redis, "+cluster|slots")
        env = server.address | {
            "REDIS_MODE": mode,
            "REDIS_USERNAME": "mcp",
            "REDIS_PASSWORD": "password",
            "MCP_ALLOW_WRITES": "true",
        }
        with Sidecar("servers.redis", env, folder) as sidecar:
            yield sidecar, redis


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sidecar, Redis]]:
    with serving(tmp_path_factory.mktemp("sidecar"), "standalone", **{"maxmemory-policy": "allkeys-lfu"}) as both:
        yield both


def allow(redis: Redis, *rights: str) -> None:
    redis.execute_command("ACL", "SETUSER", "mcp", "reset", "on", ">password", "~*", "&*", *rights)


def failures(sidecar: Sidecar, redis: Redis, tool: str) -> list[str]:
    """Return what a tool refuses of its calls."""
    redis.flushall()
    redis.set("string", "v")
    redis.hset("hash", "f", "v")
    redis.rpush("list", "v")
    redis.sadd("set", "v")
    redis.geoadd("zset", (1, 2, "m"))
    redis.xadd("stream", {"f": "v"})
    redis.xgroup_create("stream", "group", "0")
    redis.pfadd("log", "v")
    found, confirm = [], ""
    for arguments in CALLS[tool]:
        answer = sidecar.call(tool, **arguments | ({"confirm": confirm} if "confirm" in arguments else {}))
        text = answer["content"][0]["text"]
        if answer["isError"] or "no permissions" in text:
            found.append(text)
        confirm = answer.get("structuredContent", {}).get("confirm", "")
    return found


def test_the_page_names_every_tool() -> None:
    assert RIGHTS.keys() == CALLS.keys() == {tool.name for tool in SIDECAR.tools if not tool.needs}


@pytest.mark.parametrize("tool", CALLS)
def test_a_tool_needs_just_the_rights_of_the_page(served: tuple[Sidecar, Redis], tool: str) -> None:
    sidecar, redis = served
    allow(redis, *RIGHTS[tool])
    assert failures(sidecar, redis, tool) == []
    for right in RIGHTS[tool]:
        if right.startswith("+"):
            allow(redis, *(other for other in RIGHTS[tool] if other != right))
            assert failures(sidecar, redis, tool), f"{tool} does not need {right}"


def test_a_cluster_tells_of_its_slots(tmp_path: Path) -> None:
    with serving(tmp_path, "cluster", **{"cluster-enabled": "yes", "cluster-port": free_port()}) as (sidecar, redis):
        for tool in ("redis_info", "redis_scan", "redis_write", "redis_pubsub"):
            allow(redis, *RIGHTS[tool], "+cluster|slots")
            assert failures(sidecar, redis, tool) == []
