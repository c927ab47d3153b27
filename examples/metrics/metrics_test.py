"""The server in Go, run out of its image on a real VictoriaMetrics: its two tools."""

import struct
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from mcp import Client

from tests.contract.server import Server, told_to_end_during_a_call
from tests.contract.stores import store
from tools.backends.process import free_port
from tools.backends.runfiles import program
from tools.images.layout import Image

BINARY = "usr/bin/mcp-metrics"
MACHINES = {"amd64": 62, "arm64": 183}
"""e_machine of an ELF file: EM_X86_64, EM_AARCH64."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("metrics")


@pytest.fixture(scope="module")
def image(folder: Path) -> Image:
    image = Image(program("AMD64_IMAGE"))
    image.unpack(folder / "root")
    return image


@pytest.fixture(scope="module")
def running(image: Image, folder: Path) -> Iterator[Server]:
    victoria_metrics = store(free_port(), folder, "victoria-metrics")
    url = f"http://127.0.0.1:{victoria_metrics.settings['METRICS_PORT']}"
    with victoria_metrics.process(), Server(image, folder / "root", folder, victoria_metrics.settings) as server:
        lines = "".join(f'jobs_done_total{{job="worker",kind="k{n}"}} {n}\n' for n in range(1000)).encode()
        for path, body in (("/api/v1/import/prometheus", lines), ("/internal/force_flush", None)):
            with urllib.request.urlopen(url + path, body, timeout=600) as answer:
                assert answer.status in (200, 204)
        yield server


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_client_asks_the_store(running: Server, mode: str) -> None:
    async with Client(running.url + "/mcp", mode=mode) as client:
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
async def test_an_error_says_what_to_do(running: Server, arguments: dict[str, str], said: str) -> None:
    async with Client(running.url + "/mcp", mode="legacy") as client:
        answer = await client.call_tool("metrics_query", arguments)
        assert answer.is_error
        assert said in str(answer.content)


def test_a_call_under_way_is_answered_before_the_end(image: Image, folder: Path) -> None:
    answer = told_to_end_during_a_call(image, folder / "root", folder, "METRICS", "metrics_names", ["late"])
    assert "late" in answer.body


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


def test_the_image_shares_the_base_of_the_other_servers(image: Image) -> None:
    assert [layer.created_by for layer in image.layers] == [
        "bazel build //bazel/image:base_amd64",
        "bazel build //examples/metrics:program_amd64",
    ]
