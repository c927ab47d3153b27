"""The quickstart as a person uses it: its own program, from start to end, and nothing left behind."""

import os
import re
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from mcp import Client

from tools.backends.process import free_port, ran
from tools.backends.runfiles import program
from tools.quickstart.ports import owner

NEEDED = 4


@pytest.fixture
def base() -> int:
    """The first of four ports that are free now."""
    while True:
        port = free_port()
        if all(is_free(port + i) for i in range(NEEDED)):
            return port


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@pytest.fixture
def env(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An environment with folders of its own; at the end nothing that was started in it may be left, nor its files."""
    temporary = Path(tempfile.mkdtemp(prefix="q."))
    variables = dict(os.environ) | {
        "HOME": str(tmp_path),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "TMPDIR": str(temporary),
    }
    # The program finds its runfiles by itself, as `bazel run` lets it.
    for name in ("RUNFILES_DIR", "PYTHONPATH", "TEST_SRCDIR"):
        variables.pop(name, None)
    yield variables
    assert left_behind(temporary) == []
    assert list(temporary.iterdir()) == []
    temporary.rmdir()


def left_behind(folder: Path) -> list[str]:
    """Command lines of processes that have our temporary folder in their environment."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                if f"TMPDIR={folder}".encode() in (process / "environ").read_bytes():
                    found.append((process / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue
    return found


def quickstart(env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return ran(program("QUICKSTART"), *arguments, env=env, timeout=1200)


def test_check(env: dict[str, str]) -> None:
    done = quickstart(env, "--check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "mcp/redis redis_read:" in done.stdout
    assert "mcp/elasticsearch es_health:" in done.stdout
    assert done.stdout.rstrip().endswith("stopped; both servers answered")


@pytest.mark.anyio
async def test_in_the_background_connected_to_and_stopped(env: dict[str, str], base: int) -> None:
    ports = ["--port-base", str(base)]
    started = quickstart(env, "--detach", *ports)
    try:
        assert started.returncode == 0, started.stdout + started.stderr
        assert f"claude mcp add --transport http dox-redis http://localhost:{base}/mcp" in started.stdout
        assert '"mcpServers"' in started.stdout
        async with Client(f"http://localhost:{base}/mcp") as client:
            found = await client.call_tool("redis_scan", {"pattern": "section:*"})
            assert found.structured_content and len(found.structured_content["keys"]) == 10
            names = {tool.name for tool in (await client.list_tools()).tools}
            assert "redis_write" not in names, "only reads, unless --allow-writes"
        again = quickstart(env, "--detach", *ports)
        assert again.returncode == 1 and "is running already" in again.stderr
    finally:
        stopped = quickstart(env, "--stop", *ports)
    assert stopped.returncode == 0 and "stopped" in stopped.stdout
    assert all(is_free(base + i) for i in range(NEEDED))
    nothing = quickstart(env, "--stop", *ports)
    assert nothing.returncode == 1 and "none is running" in nothing.stderr


@contextmanager
def running(env: dict[str, str], base: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A quickstart in the foreground whose services are all up."""
    with log.open("wb") as output:
        child = subprocess.Popen([program("QUICKSTART"), "--port-base", str(base)], env=env, stdout=output, stderr=output)
    try:
        end = time.monotonic() + 1200
        while "all services are up" not in log.read_text():
            assert child.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        yield child
    finally:
        child.terminate()
        child.wait(600)


def test_ctrl_c_ends_everything(env: dict[str, str], base: int, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with running(env, base, log) as child:
        child.send_signal(signal.SIGINT)
        child.wait(600)
    assert "stopped" in log.read_text()
    assert "Traceback" not in log.read_text()


def test_a_port_in_use_says_which_and_by_whom(env: dict[str, str], base: int) -> None:
    with socket.socket() as occupant:
        occupant.bind(("127.0.0.1", base + 1))
        occupant.listen()
        done = quickstart(env, "--port-base", str(base))
    assert done.returncode == 1
    assert done.stderr == (
        f"quickstart: port {base + 1} is in use by python3 (pid {os.getpid()}): stop it, or choose other ports with --port-base\n"
    )


def test_a_service_that_dies_ends_the_rest_and_is_named(env: dict[str, str], base: int, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with running(env, base, log) as child:
        redis = re.fullmatch(r"redis-server \(pid (\d+)\)", owner(base + 2))
        assert redis
        os.kill(int(redis[1]), signal.SIGKILL)
        assert child.wait(600) == 1
    assert "redis-server ended with exit code -9" in log.read_text()


def test_a_wrong_port_base_is_refused(env: dict[str, str]) -> None:
    done = quickstart(env, "--port-base", "99999")
    assert done.returncode == 2 and "from 1 to 65532" in done.stderr
