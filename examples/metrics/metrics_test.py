"""The server in Go, run out of its image on a real VictoriaMetrics: the contract of every sidecar, and its two tools."""

from __future__ import annotations

import json
import struct
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from mcp import Client

from tools.backends.process import Process, free_port
from tools.backends.runfiles import program
from tools.images.container import command_line
from tools.images.layout import Image

BINARY = "usr/bin/mcp-metrics"
MACHINES = {"amd64": 62, "arm64": 183}
"""e_machine of an ELF file: EM_X86_64, EM_AARCH64."""


class Answering(Process):
    """A process with an HTTP port."""

    def __init__(
        self, name: str, command: list[str], port: int, folder: Path, env: Mapping[str, str], path: str
    ) -> None:
        super().__init__(name, command, folder / f"{name}-{port}.log", env)
        self.port, self._path = port, path

    def start(self) -> None:
        super().start()
        self.wait_until(lambda: self.get(self._path)[0] == 200, 60)

    def get(self, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> tuple[int, str]:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, dict(headers or {}))
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("metrics")


@pytest.fixture(scope="module")
def image(folder: Path) -> tuple[Image, Path]:
    image, root = Image(program("AMD64_IMAGE")), folder / "root"
    root.mkdir()
    image.unpack(root)
    return image, root


@pytest.fixture(scope="module")
def store(folder: Path) -> Iterator[Answering]:
    port = free_port()
    command = [
        str(program("VICTORIA_METRICS")),
        f"-httpListenAddr=127.0.0.1:{port}",
        f"-storageDataPath={folder / 'storage'}",
        "-search.latencyOffset=0s",
    ]
    with Answering("victoria-metrics", command, port, folder, {}, "/health") as running:
        lines = "".join(f'jobs_done_total{{job="worker",kind="k{n}"}} {n}\n' for n in range(1000)).encode()
        assert running.get("/api/v1/import/prometheus", body=lines)[0] == 204
        assert running.get("/internal/force_flush")[0] == 200
        yield running


def server(image: tuple[Image, Path], folder: Path, env: Mapping[str, str]) -> Answering:
    port = free_port()
    command, environment = command_line(*image, {"MCP_HOST": "127.0.0.1", "MCP_PORT": str(port)} | dict(env))
    return Answering("mcp-metrics", command, port, folder, environment | {"PATH": "/usr/bin:/bin"}, "/health")


@pytest.fixture(scope="module")
def running(image: tuple[Image, Path], store: Answering, folder: Path) -> Iterator[Answering]:
    with server(image, folder, {"METRICS_HOST": "127.0.0.1", "METRICS_PORT": str(store.port)}) as running:
        yield running


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_client_asks_the_store(running: Answering, mode: str) -> None:
    async with Client(f"http://127.0.0.1:{running.port}/mcp", mode=mode) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == ["metrics_names", "metrics_query"]
        names = await client.call_tool("metrics_names", {})
        assert names.structured_content == {"names": ["jobs_done_total"]}
        asked = await client.call_tool("metrics_query", {"query": "sum(jobs_done_total)"})
        assert asked.structured_content
        assert asked.structured_content["type"] == "vector"
        assert asked.structured_content["result"][0]["value"][1] == str(sum(range(1000)))


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"query": " "}, "query is empty"),
        ({"query": "sum("}, "the metrics store refused"),
        ({"query": "jobs_done_total"}, "more than 65536 bytes"),
        ({"query": "1", "step": "1m"}, "give start too"),
    ],
)
async def test_an_error_says_what_to_do(running: Answering, arguments: dict[str, str], said: str) -> None:
    async with Client(f"http://127.0.0.1:{running.port}/mcp", mode="legacy") as client:
        answer = await client.call_tool("metrics_query", arguments)
        assert answer.is_error
        assert said in str(answer.content)


def test_it_serves_and_says_so_while_its_store_is_away(image: tuple[Image, Path], folder: Path) -> None:
    with server(image, folder, {"METRICS_HOST": "127.0.0.1", "METRICS_PORT": str(free_port())}) as alone:
        status, body = alone.get("/health")
        assert (status, json.loads(body)["backend"]) == (200, {"up": False})
        assert alone.get("/ready")[0] == 503


def test_a_store_that_serves_makes_it_ready(running: Answering) -> None:
    assert running.get("/ready")[0] == 200


def test_other_hosts_origins_and_tokens_are_refused(image: tuple[Image, Path], folder: Path, store: Answering) -> None:
    (folder / "root/token").write_text("s3cret\n")
    ping = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode()
    base = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    good = base | {"Authorization": "Bearer s3cret"}
    env = {"METRICS_PORT": str(store.port), "MCP_AUTH_TOKEN_FILE": "/token", "MCP_ALLOWED_HOSTS": "metrics-mcp"}
    with server(image, folder, env) as guarded:
        statuses = [
            guarded.get("/mcp", headers, ping)[0]
            for headers in (
                good,
                good | {"Host": "metrics-mcp:9000"},
                good | {"Host": "evil.example"},
                good | {"Origin": "https://evil.example"},
                base,
                base | {"Authorization": "Bearer wrong"},
            )
        ]
    assert statuses == [200, 200, 421, 403, 401, 401]


@pytest.mark.parametrize("architecture", MACHINES)
def test_the_image_holds_a_static_program_of_its_machine(architecture: str, tmp_path: Path) -> None:
    image = Image(program(f"{architecture.upper()}_IMAGE"))
    image.unpack(tmp_path)
    assert image.config["architecture"] == architecture
    assert image.config["config"]["User"] == "1000:1000"
    elf = (tmp_path / BINARY).read_bytes()
    assert elf[:4] == b"\x7fELF"
    assert struct.unpack_from("<H", elf, 18)[0] == MACHINES[architecture]
    offset, size, count = struct.unpack_from("<Q", elf, 32)[0], *struct.unpack_from("<HH", elf, 54)
    kinds = {struct.unpack_from("<I", elf, offset + n * size)[0] for n in range(count)}
    assert 3 not in kinds, "it asks for a loader (PT_INTERP): it is not static"
    assert b"/sandbox/" not in elf, "the machine's paths are in it"
    assert not [path for path in tmp_path.rglob("*python*") if path.is_file()]


def test_both_images_share_the_base_of_the_other_servers(image: tuple[Image, Path]) -> None:
    assert [layer.created_by for layer in image[0].layers] == [
        "bazel build //bazel/image:base_amd64",
        "bazel build //examples/metrics:program_amd64",
    ]
