"""The sidecar as a service: without its store, with wrong settings, while it stops."""

import json
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from redis import Redis

from servers.redis.server import SIDECAR
from servers.redis.tests.conftest import Start
from tools.backends.process import accepts
from tools.backends.redis import RedisServer
from tools.backends.sidecar import Sidecar, message, refused

TOOLS = {tool.definition.name: tool for tool in SIDECAR.tools}

CANARY = "canary-5fd1c0e7"


def test_writing_tools_are_hidden_and_refused_by_default(start: Start, redis: Redis) -> None:
    sidecar = start()
    names = [t["name"] for t in sidecar.post(message("tools/list"))[1]["result"]["tools"]]
    assert not [name for name in names if TOOLS[name].write] and "redis_read" in names
    redis.set("k", "v")
    _, answer = sidecar.post(message("tools/call", name="redis_delete", arguments={"keys": ["k"]}))
    assert "MCP_ALLOW_WRITES" in answer["error"]["message"]
    assert redis.get("k") == b"v"


def test_a_wrong_password_is_one_clear_line_without_it(start: Start) -> None:
    with RedisServer(password="right") as server:
        sidecar = start(ready=False, REDIS_PORT=str(server.port), REDIS_PASSWORD=CANARY)
        sidecar.wait_until(lambda: "refuses our login" in sidecar.get("/ready")[1])
        text = sidecar.call("redis_info")["content"][0]["text"]
        assert text == (
            f"Redis at 127.0.0.1:{server.port} refuses our login: "
            "check REDIS_PASSWORD (or REDIS_PASSWORD_FILE, or REDIS_URL) and REDIS_USERNAME"
        )
        assert [line["detail"] for line in sidecar.logs() if line["msg"] == "backend is away"] == [text]
        seen = sidecar.log.read_text() + sidecar.get("/metrics")[1] + sidecar.get("/health")[1]
        assert CANARY not in seen
        assert CANARY.encode() not in Path(f"/proc/{sidecar.pid}/cmdline").read_bytes()


def test_every_wrong_setting_is_told_in_a_line(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    no_name = "is not a host name: names have at most 253 characters, and 1 to 63 between dots"
    done = refused(
        "servers.redis",
        MCP_PORT="http", REDIS_PORT="70000", MCP_ALLOW_WRITES="maybe", MCP_LOG_LEVEL="loud",
        MCP_AUTH_TOKEN_FILE="/nowhere/token", REDIS_PASSWORD_FILE=str(empty), REDIS_PASSWORD=CANARY,
        REDIS_HOST="a..b", REDIS_SENTINELS="one:26379,.two:26379",
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "mcp-redis: MCP_PORT: 'http' is not a whole number",
        "mcp-redis: MCP_ALLOW_WRITES: 'maybe' is neither true nor false",
        "mcp-redis: MCP_LOG_LEVEL: 'loud' is not one of debug, info, warning, error",
        "mcp-redis: MCP_AUTH_TOKEN_FILE: can't read '/nowhere/token': No such file or directory",
        f"mcp-redis: REDIS_HOST: 'a..b' {no_name}",
        "mcp-redis: REDIS_PORT: 70000 is not between 1 and 65535",
        "mcp-redis: REDIS_PASSWORD: set it or REDIS_PASSWORD_FILE, not both",
        f"mcp-redis: REDIS_PASSWORD_FILE: '{empty}' is empty",
        f"mcp-redis: REDIS_SENTINELS: '.two' {no_name}",
    ]


def test_a_port_in_use_is_one_line(start: Start) -> None:
    sidecar = start()
    done = refused("servers.redis", MCP_HOST="127.0.0.1", MCP_PORT=str(sidecar.port))
    assert done.returncode == 2
    assert done.stderr == f"mcp-redis: 127.0.0.1:{sidecar.port} is in use: set MCP_HOST or MCP_PORT to another\n"


def under_way(sidecar: Sidecar, calls: int) -> None:
    """Waits until so many calls are under way."""
    sidecar.wait_until(lambda: f"mcp_tool_calls_under_way {calls}.0" in sidecar.get("/metrics")[1])


@pytest.mark.parametrize("lasts", [False, True])
def test_sigterm_lets_a_call_finish_and_ends_a_long_one(
    start: Start, redis_server: RedisServer, redis: Redis, lasts: bool
) -> None:
    redis.set("k", "v")
    sidecar = start()
    with ThreadPoolExecutor() as threads:
        with redis_server.silent():
            answer = threads.submit(sidecar.call, "redis_read", key="k")
            under_way(sidecar, 1)
            sidecar.signal(signal.SIGTERM)
            if lasts:
                assert sidecar.wait(60) == 0
            else:
                sidecar.wait_until(lambda: not accepts(sidecar.port))
        assert sidecar.wait(60) == 0
        assert ("the server is stopping" if lasts else '"value":"v"') in answer.result()["content"][0]["text"]
    assert answer.result()["isError"] is lasts and sidecar.logs()[-1]["msg"] == "stopped"


def test_a_call_that_takes_too_long_is_given_up(start: Start, redis_server: RedisServer) -> None:
    sidecar = start(MCP_CALL_TIMEOUT_SECONDS="1", MCP_ALLOW_WRITES="true")
    with redis_server.silent():
        for tool, arguments, changes in (
            ("redis_read", {"key": "k"}, False),
            ("redis_delete_matching", {"pattern": "k*"}, False),
            ("redis_delete_matching", {"pattern": "k*", "confirm": "seen"}, True),
            ("redis_write", {"key": "k", "value": "v"}, True),
        ):
            text = sidecar.call(tool, **arguments)["content"][0]["text"]
            assert text.startswith("no answer within 1 s") and ("may have been done" in text) is changes
    assert 'mcp_tool_calls_total{outcome="timeout",tool="redis_read"} 1.0' in sidecar.get("/metrics")[1]


def test_one_call_too_many_is_refused_at_once(start: Start, redis_server: RedisServer) -> None:
    sidecar = start(MCP_MAX_CONCURRENT_CALLS="2")
    with ThreadPoolExecutor() as threads, redis_server.silent():
        for _ in range(2):
            threads.submit(sidecar.call, "redis_info")
        under_way(sidecar, 2)
        # Redis is silent all the while: an answer that had waited for it would not come.
        assert "2 calls are under way" in sidecar.call("redis_info")["content"][0]["text"]


def test_the_log_is_json_and_the_audit_has_no_values(start: Start, redis: Redis) -> None:
    redis.set(CANARY, CANARY)
    sidecar = start()
    sidecar.call("redis_read", key=CANARY)
    sidecar.call("redis_read", key=CANARY, limit=CANARY)
    for name in ("redis_delete", CANARY):
        sidecar.post(message("tools/call", name=name, arguments={"keys": [CANARY]}))
    text = sidecar.log.read_text()
    assert CANARY not in text
    assert [json.loads(line)["msg"] for line in text.splitlines()][:2] == ["serving", "backend is up"]
    entries = [line for line in sidecar.logs() if line["logger"] == "servers.audit"]
    assert [(e["tool"], e["outcome"]) for e in entries] == [
        ("redis_read", "ok"),
        ("redis_read", "error"),
        ("redis_delete", "forbidden"),
        ("_OTHER", "forbidden"),
    ]
    assert all(e["duration_ms"] >= 0 for e in entries)
    assert 'mcp_tool_calls_total{outcome="forbidden",tool="redis_delete"} 1.0' in sidecar.get("/metrics")[1]
