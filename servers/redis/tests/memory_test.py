"""The memory of the server while many calls read what is made to take much of it."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from redis import Redis

from tools.backends.redis import RedisServer
from tools.backends.sidecar import Sidecar

CALLS = 16

MOST = 72
"""MiB that a server may take beside what it has at start, which is 56 MiB in the image: 128 MiB together."""

SETTINGS = {
    # What is derived from a control group of 128 MiB, and the image's own.
    "MCP_MEMORY_BUDGET_BYTES": str(24 * 1024 * 1024),
    "MALLOC_MMAP_THRESHOLD_": str(1024 * 1024),
    "MALLOC_TRIM_THRESHOLD_": str(4 * 1024 * 1024),
}

KEYS = {
    "list": "redis.call('rpush', K, string.rep('x', 62914560)) for i = 1, 5000 do redis.call('rpush', K, 'x') end",
    "hash": "for i = 1, 5000 do redis.call('hset', K, i, 'x') end redis.call('hset', K, 'big', string.rep('x', 62914560))",
    "bigs": "for i = 1, 20 do redis.call('rpush', K, string.rep('x', 2097152)) end",
    "stream": (
        "for i = 1, 5000 do redis.call('xadd', K, i .. '-1', 'f', 'x') end "
        "redis.call('xadd', K, '5001-1', 'f', string.rep('x', 62914560)) redis.call('xgroup', 'create', K, 'g', 0)"
    ),
    "text": "redis.call('set', K, string.rep('x', 8388608))",
}
"""Keys, and the Lua that makes them: elements that no sample of the others tells of, and many big ones."""

ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "first": ("redis_read", {"key": "list"}),
    "all": ("redis_command", {"command": ["HGETALL", "hash"]}),
    "many": ("redis_read_many", {"keys": ["list", "hash", "bigs"]}),
    "big elements": ("redis_read", {"key": "bigs"}),
    "string": ("redis_command", {"command": ["GET", "text"]}),
    "names": ("redis_command", {"commands": [["SCAN", "0", "COUNT", "10000"]] * 10}),
    "entry": ("redis_stream", {"key": "stream"}),
    "profile": ("redis_profile", {}),
    "channels": ("redis_pubsub", {}),
}


def test_no_value_takes_more_than_the_chart_allows(tmp_path: Path) -> None:
    config = {"client-output-buffer-limit": "pubsub 0 0 0"}
    with RedisServer(config=config) as server, Redis(port=server.port, socket_timeout=None) as redis, redis.pubsub() as names:
        names.subscribe(*(f"{number}{'n' * 65536}" for number in range(500)))
        for key, code in KEYS.items():
            redis.eval(f"local K = KEYS[1] {code}", 1, key)
        redis.eval("for i = 1, 200 do redis.call('set', i .. string.rep('n', 65536), 'x') end", 0)
        env = SETTINGS | {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(server.port)}
        with Sidecar("servers.redis", env, tmp_path) as sidecar, ThreadPoolExecutor(CALLS) as threads:
            idle = sidecar.status("VmHWM")
            for name, (tool, arguments) in ASKED.items():
                for result in threads.map(lambda _: sidecar.call(tool, **arguments), range(CALLS)):  # noqa: B023
                    # What is too long is refused in words, and so is what has to wait too long on a slow machine.
                    text = result["content"][0]["text"]
                    assert not result.get("isError") or any(
                        said in text for said in ("ask for", "try again", "no answer within")
                    ), (name, text)
                assert sidecar.status("VmHWM") - idle < MOST, name
            listening = [threads.submit(sidecar.call, "redis_pubsub", listen=["c"], seconds=25) for _ in range(4)]
            sidecar.wait_until(lambda: redis.pubsub_numsub("c") == [(b"c", 4)])
            redis.publish("c", "first")
            redis.publish("c", b"x" * 62914560)
            for call in listening:
                heard = call.result()["structuredContent"]
                assert [message["message"] for message in heard["messages"]] == ["first"] and "too long" in heard["ended"]
            assert sidecar.status("VmHWM") - idle < MOST
            tool, arguments = ASKED["entry"]
            groups = sidecar.call(tool, **arguments)["structuredContent"]["groups"]
            assert [group["name"] for group in groups] == ["g"]
            assert sidecar.get("/health")[0] == 200
