"""The server in TypeScript, run out of its image on a real vmagent: its two tools."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from mcp import Client

from tests.contract.server import Server, told_to_end_during_a_call
from tests.contract.stores import store
from tools.backends.process import free_port
from tools.backends.runfiles import program
from tools.images.layout import Image

MACHINES = {"amd64": 62, "arm64": 183}
"""e_machine of an ELF file: EM_X86_64, EM_AARCH64."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("targets")


@pytest.fixture(scope="module")
def image(folder: Path) -> Image:
    image = Image(program("AMD64_IMAGE"))
    image.unpack(folder / "root")
    return image


@pytest.fixture(scope="module")
def running(image: Image, folder: Path) -> Iterator[Server]:
    agent = store(free_port(), folder, "vmagent")
    with agent.process(), Server(image, folder / "root", folder, agent.settings) as server:
        yield server


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_client_asks_for_targets(running: Server, mode: str) -> None:
    async with Client(running.url + "/mcp", mode=mode) as client:
        listed = (await client.call_tool("targets_list", {"job": "self"})).structured_content
        assert listed and listed["found"] == 1
        (target,) = listed["targets"]
        assert (target["job"], target["url"].endswith("/metrics")) == ("self", True)
        none = await client.call_tool("targets_list", {"job": "of nobody"})
        assert none.structured_content == {"targets": [], "found": 0}
        summary = (await client.call_tool("targets_summary", {})).structured_content
        assert summary and sum(summary["jobs"]["self"].values()) == 1


@pytest.mark.anyio
@pytest.mark.parametrize("arguments", [{"health": "well"}, {"limit": 0}, {"limit": "x"}])
async def test_an_argument_that_is_wrong_is_named(running: Server, arguments: dict[str, object]) -> None:
    async with Client(running.url + "/mcp", mode="legacy") as client:
        answer = await client.call_tool("targets_list", arguments)
        assert answer.is_error
        assert next(iter(arguments)) in str(answer.content)


@pytest.mark.anyio
async def test_a_store_that_is_away_is_named(image: Image, folder: Path) -> None:
    with Server(image, folder / "root", folder, {"VMAGENT_PORT": str(free_port())}) as alone:
        async with Client(alone.url + "/mcp", mode="legacy") as client:
            answer = await client.call_tool("targets_summary", {})
        assert answer.is_error
        assert "can't be reached" in str(answer.content)


def test_a_call_under_way_is_answered_before_the_end(image: Image, folder: Path) -> None:
    answer = told_to_end_during_a_call(image, folder / "root", folder, "VMAGENT", "targets_summary", {"activeTargets": []})
    assert "structuredContent" in answer.body


@pytest.mark.parametrize("architecture", MACHINES)
def test_node_is_of_the_images_architecture(architecture: str, tmp_path: Path) -> None:
    image = Image(program(f"{architecture.upper()}_IMAGE"))
    image.unpack(tmp_path)
    elf = (tmp_path / "usr/bin/node").read_bytes()[:20]
    assert (elf[:4], elf[18]) == (b"\x7fELF", MACHINES[architecture])
    assert {path.name for path in (tmp_path / "usr/bin").iterdir()} == {"node"}
