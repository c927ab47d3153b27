"""Faults of the sidecar's own surroundings: too few file descriptors, a clock that jumps, SIGTERM under load."""

import http.client
import json
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from tests.faults.cases import TIMES
from tools.backends.process import StartError
from tools.backends.redis import RedisServer
from tools.backends.sidecar import HEADERS, Sidecar, message


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer() as running:
        yield running


@pytest.fixture
def redis(server: RedisServer) -> Iterator[Redis]:
    with Redis("127.0.0.1", server.port, decode_responses=True) as client:
        client.flushall()
        yield client


def sidecar(server: RedisServer, folder: Path, before: str = "", *, ready: bool = True, **env: str) -> Sidecar:
    """Return a sidecar that may write. `before` is Python that runs in its process first."""
    running = Sidecar("servers.redis", server.address | {"MCP_ALLOW_WRITES": "true"} | env, folder, ready=ready)
    if before:
        code = f"{before}\nimport runpy, sys\nsys.argv = ['mcp-redis']\nrunpy.run_module('servers.redis', run_name='__main__')"
        running.command = [sys.executable, "-c", code]
    return running


def test_file_descriptors_run_out_and_come_back(server: RedisServer, redis: Redis, tmp_path: Path) -> None:
    redis.set("k", "v")
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (48, 48))"
    with sidecar(server, tmp_path, limit) as running:
        for _ in range(3):
            # More clients than there are descriptors; the kernel accepts them all the same.
            idle = [socket.create_connection(("127.0.0.1", running.port)) for _ in range(120)]
            running.wait_until(lambda: "out of system resource" in running.log.read_text())
            for connection in idle:
                connection.close()
            running.wait_until(lambda: running.get("/health")[0] == 200)
            assert running.call("redis_read", key="k")["structuredContent"]["value"] == "v"
        running.wait_until(lambda: len(list(Path(f"/proc/{running.pid}/fd").iterdir())) < 24)


JUMPING = """
import signal, time
real, offset = time.time, [0.0]
time.time = lambda: real() + offset[0]
time.time_ns = lambda: int(time.time() * 1e9)
def jump(number, frame):
    offset[0] = -400 * 86400.0 if offset[0] > 0 else 400 * 86400.0
signal.signal(signal.SIGUSR1, jump)
"""
"""A wall clock that jumps 400 days on, and back beyond where it was, with each signal."""


def test_a_clock_that_jumps_changes_no_call(server: RedisServer, redis: Redis, tmp_path: Path) -> None:
    redis.set("k", "v")
    with sidecar(server, tmp_path, JUMPING, MCP_CALL_TIMEOUT_SECONDS="20") as running:
        for _ in range(4):
            answers: list[dict[str, Any]] = []
            # A call is under way when the clock jumps: it is neither given up nor left waiting.
            caller = threading.Thread(target=lambda: answers.append(running.call("redis_read", key="k")))  # noqa: B023
            with server.silent():
                caller.start()
                running.wait_until(lambda: "mcp_tool_calls_under_way 1.0" in running.get("/metrics")[1])
                running.signal(signal.SIGUSR1)
            caller.join(60)
            assert answers[0]["structuredContent"]["value"] == "v"
            assert running.call("redis_read", key="k")["structuredContent"]["value"] == "v"
            assert running.get("/ready")[0] == 200
        years = {line["ts"][:4] for line in running.logs() if line["logger"] == "servers.audit"}
        assert len(years) > 1, "the clock did jump: the log tells the wall clock's time"
        running.signal(signal.SIGTERM)
        assert running.wait(60) == 0


TAKEN = """
import asyncio, os, socket
held, run = socket.socket(), asyncio.run
held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
def late(main):
    held.bind(("127.0.0.1", int(os.environ["MCP_PORT"])))
    held.listen()
    run(main)
asyncio.run = late
"""
"""Another socket listens on the port after the server has looked at it, and before it listens itself."""


def test_a_port_that_is_taken_meanwhile_is_told_in_a_line(server: RedisServer, tmp_path: Path) -> None:
    running = sidecar(server, tmp_path, TAKEN)
    with pytest.raises(StartError, match="exit code 2"), running:
        pass
    assert running.log.read_text() == f"mcp-redis: 127.0.0.1:{running.port} is in use: set MCP_HOST or MCP_PORT to another\n"


HANGING = """
import signal, time
signal.signal(signal.SIGUSR1, lambda number, frame: time.sleep(3600))
"""
"""An event loop that stands still from a signal on."""


def test_a_hung_event_loop_ends_the_process(server: RedisServer, tmp_path: Path) -> None:
    with sidecar(server, tmp_path, HANGING, MCP_WATCHDOG_SECONDS="1") as running:
        running.signal(signal.SIGUSR1)
        assert running.wait(120) == 1
        log = running.log.read_text()
    assert "Timeout (0:00:01)!" in log and "<lambda>" in log, "it says where the loop stood still"


@pytest.mark.parametrize("number", range(3))
def test_sigterm_under_load_loses_no_answer(server: RedisServer, redis: Redis, tmp_path: Path, number: int) -> None:
    """What was done was answered, and what was answered was done, once."""
    answered: list[str] = []
    with sidecar(server, tmp_path) as running:
        stop = threading.Event()

        def load(worker: int) -> None:
            turn = 0
            while not stop.is_set():
                turn += 1
                name = f"{worker}.{turn}"
                arguments = {"commands": [["RPUSH", "done", name]]}
                body = json.dumps(message("tools/call", name="redis_transaction", arguments=arguments))
                connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=600)
                try:
                    connection.request("POST", "/mcp", body, HEADERS)
                    result = json.loads(connection.getresponse().read())["result"]
                except ConnectionRefusedError:
                    return  # it has stopped: nothing was sent
                except (ConnectionError, http.client.HTTPException):
                    continue  # not taken any more; the list tells whether it was done nevertheless
                finally:
                    connection.close()
                if not result["isError"]:
                    answered.append(name)

        workers = [threading.Thread(target=load, args=(n,)) for n in range(6)]
        for worker in workers:
            worker.start()
        running.wait_until(lambda: redis.llen("done") > 50 * (number + 1))
        running.signal(signal.SIGTERM)
        assert running.wait(60) == 0
        stop.set()
        for worker in workers:
            worker.join(60)
    done = redis.lrange("done", 0, -1)
    assert len(answered) > 50 and sorted(done) == sorted(answered)


def test_sigterm_ends_a_process_that_waits_for_a_name_server(server: RedisServer, tmp_path: Path) -> None:
    never = "import socket, threading\nsocket.getaddrinfo = lambda *words, **more: threading.Event().wait()"
    with sidecar(server, tmp_path, never, ready=False, REDIS_HOST="store.example", MCP_HOST="127.0.0.1") as running:
        running.wait_until(lambda: "did not answer in time" in running.get("/ready")[1])
        running.signal(signal.SIGTERM)
        assert running.wait(60) == 0


def test_a_store_that_can_not_save_takes_no_writes_and_says_so(tmp_path: Path) -> None:
    """A full disk, as Redis shows it: a snapshot fails, and Redis refuses what changes data."""
    with (
        RedisServer(config={"save": "3600 1"}) as server,
        Redis("127.0.0.1", server.port, decode_responses=True) as redis,
        sidecar(server, tmp_path) as running,
    ):
        redis.set("k", "v")
        # A folder that is not empty can't be replaced by the snapshot.
        in_the_way = Path(redis.config_get("dir")["dir"]) / "dump.rdb"
        in_the_way.unlink(missing_ok=True)
        (in_the_way / "folder").mkdir(parents=True)
        redis.bgsave()
        running.wait_until(lambda: redis.info("persistence")["rdb_last_bgsave_status"] != "ok")
        for _ in range(TIMES):
            answer = running.call("redis_write", key="k", value="new")
            assert answer["isError"] and "nothing was done" in answer["content"][0]["text"], answer
            assert "MISCONF" in answer["content"][0]["text"]
            assert running.call("redis_read", key="k")["structuredContent"]["value"] == "v"
        assert running.get("/ready")[0] == 200
