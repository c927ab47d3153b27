"""What every MCP server of this repository does, run out of its image on a real store: docs/third-server.md, row by row."""

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from mcp import Client
from prometheus_client.parser import text_string_to_metric_families

from tests.contract.server import Server, check_files
from tests.contract.stores import Store, store
from tools.backends.process import free_port
from tools.backends.runfiles import program
from tools.backends.sidecar import message
from tools.images.container import Container
from tools.images.layout import Image

PING = json.dumps(message("ping")).encode()
TOKEN = "s3cret-token"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("contract")


@pytest.fixture(scope="module")
def image() -> Image:
    return Image(program("IMAGE"))


@pytest.fixture(scope="module")
def root(image: Image, folder: Path) -> Path:
    image.unpack(folder / "root")
    return folder / "root"


@pytest.fixture(scope="module")
def store_away(folder: Path) -> Store:
    """Return where the server looks for a store that nobody has started yet."""
    return store(free_port(), folder, os.environ["STORE"])


@pytest.fixture(scope="module")
def alone(image: Image, root: Path, folder: Path, store_away: Store) -> Iterator[Server]:
    with Server(image, root, folder, store_away.settings) as server:
        yield server


def test_the_image_has_no_shell_and_runs_as_uid_1000(image: Image) -> None:
    config = image.config["config"]
    assert (config["User"], list(config["ExposedPorts"])) == ("1000:1000", ["9000/tcp"])
    check_files(image)


async def test_it_serves_without_its_store_and_says_so(alone: Server) -> None:
    assert json.loads(alone.ask("/health").body)["status"] == "ok"
    assert alone.status("/ready") == 503
    async with Client(alone.url + "/mcp", mode="legacy") as client:
        tools = (await client.list_tools()).tools
    assert tools
    assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools), "read-only by default"


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_store_that_comes_makes_it_ready_and_calls_count(alone: Server, store_away: Store, mode: str) -> None:
    with store_away.process():
        alone.wait_until(lambda: alone.status("/ready") == 200)
        async with Client(alone.url + "/mcp", mode=mode) as client:
            result = await client.call_tool(store_away.tool, {})
        assert not result.is_error, result.content
        assert result.structured_content
        served = alone.ask("/metrics").body
        assert "\nmcp_backend_up 1" in served and "\nprocess_start_time_seconds " in served
    counted = {
        (sample.labels["tool"], sample.labels["outcome"])
        for family in text_string_to_metric_families(alone.ask("/metrics").body)
        for sample in family.samples
        if sample.name == "mcp_tool_calls_total"
    }
    assert (store_away.tool, "ok") in counted
    alone.wait_until(lambda: alone.status("/ready") == 503)
    assert "\nmcp_backend_up 0" in alone.ask("/metrics").body
    assert alone.status("/health") == 200, "a store that is away restarts no server"


def test_it_keeps_no_sessions(alone: Server) -> None:
    answer = alone.ask("/mcp", PING)
    assert answer.status == 200
    assert "Mcp-Session-Id" not in answer.headers
    for method in ("GET", "DELETE"):
        refused = alone.ask("/mcp", method=method)
        assert (refused.status, refused.headers["Allow"]) == (405, "POST")
        assert refused.error


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "localhost:1"}, 200),
        ({"Host": "evil.example"}, 421),
        ({"Origin": "http://localhost:6274"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_pages_of_others_are_refused(alone: Server, headers: dict[str, str], status: int) -> None:
    answer = alone.ask("/mcp", PING, headers)
    assert answer.status == status
    assert status == 200 or answer.error


def test_a_request_that_is_too_long_is_refused(alone: Server) -> None:
    try:
        answer = alone.ask("/mcp", PING.ljust(2 << 20))
    except OSError:
        pass  # it has closed the connection while the client, which reads nothing meanwhile, was sending
    else:
        assert answer.status == 413
        assert answer.error
    assert alone.ask("/mcp", PING).status == 200


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"{", {}),
        (b"", {}),
        (b"[]", {}),
        (PING, {"Content-Type": "text/plain"}),
        (PING, {"Accept": "text/html"}),
        (PING, {"MCP-Protocol-Version": "1900-01-01"}),
    ],
)
def test_a_request_that_can_not_be_understood_is_refused(alone: Server, body: bytes, headers: dict[str, str]) -> None:
    answer = alone.ask("/mcp", body, headers)
    assert 400 <= answer.status < 500
    assert answer.error


def test_a_path_that_there_is_not(alone: Server) -> None:
    assert alone.status("/nowhere") == 404


@pytest.fixture(scope="module")
def guarded(image: Image, root: Path, folder: Path, store_away: Store) -> Iterator[Server]:
    (root / "token").write_text(f"{TOKEN}\n")
    settings = {"MCP_AUTH_TOKEN_FILE": "/token", "MCP_ALLOWED_HOSTS": "store-mcp"}
    with Server(image, root, folder, dict(store_away.settings) | settings) as server:
        yield server


@pytest.mark.parametrize("authorization", [{}, {"Authorization": "Bearer wrong-token"}, {"Authorization": TOKEN}])
def test_who_has_no_token_reads_what_to_do(guarded: Server, authorization: dict[str, str]) -> None:
    answer = guarded.ask("/mcp", PING, authorization)
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert "bearer token" in answer.error.lower()


def test_the_token_opens_and_can_change(guarded: Server, root: Path) -> None:
    assert guarded.ask("/mcp", PING, {"Authorization": f"Bearer {TOKEN}"}).status == 200
    assert guarded.ask("/mcp", PING, {"Authorization": f"Bearer {TOKEN}", "Host": "store-mcp:9000"}).status == 200
    (root / "token").write_text("an0ther-token\n")
    new = {"Authorization": "Bearer an0ther-token"}
    guarded.wait_until(lambda: guarded.ask("/mcp", PING, new).status == 200)


def test_logs_are_json_and_hold_no_secret(guarded: Server) -> None:
    guarded.ask("/mcp", PING, {"Authorization": "Bearer wrong-token"})
    text = guarded.log.read_text()
    for line in text.splitlines():
        assert {"ts", "level", "msg"} <= json.loads(line).keys(), line
    for secret in (TOKEN, "wrong-token", "an0ther-token"):
        assert secret not in text


def test_it_ends_when_told(image: Image, root: Path, folder: Path, store_away: Store) -> None:
    with Server(image, root, folder, store_away.settings) as server:
        server.signal(signal.SIGTERM)
        assert server.wait(60) == 0


WRONG = {
    "MCP_PORT": "0",
    "MCP_AUTH_TOKEN_FILE": "",
    "MCP_AUTH_TOKENS_FILE": "/nowhere",
    "MCP_OAUTH_ISSUER": "nowhere",
    "MCP_RATE_LIMIT_PER_MINUTE": "-1",
    "MCP_TLS_CERT_FILE": "/nowhere",
    "MCP_TOOLS": "no_tool",
    "MCP_TOOLS_EXCEPT": "no_tool",
}
"""Settings that can't be right. Those that restrict a server are refused by one that does not have them."""


@pytest.mark.parametrize("address", [f"user:{TOKEN}@store", "store:80"])
@pytest.mark.parametrize("wrong", [{"MCP_PORT": "65536"}, {"MCP_PORT": "9000.5"}, {"MCP_AUTH_TOKEN_FILE": "/nowhere"}, WRONG])
def test_wrong_settings_end_the_start_with_a_line_for_each(
    image: Image, root: Path, tmp_path: Path, store_away: Store, wrong: dict[str, str], address: str
) -> None:
    host, *_ = store_away.settings
    settings = dict(store_away.settings) | wrong | {host: address}
    with Container("server", image, root, settings, tmp_path / "log") as server:
        assert server.wait(60) == 2
    lines = server.log.read_text()
    for name in (host, *wrong):
        assert re.search(rf"\b{name.replace('ISSUER', '[A-Z]+')}\b", lines), name
    assert TOKEN not in lines


def test_its_image_is_what_the_sbom_describes() -> None:
    """The digest of the image is that of its SBOM, which lists what it holds."""
    image, sbom = Image(program("IMAGE")), json.loads(program("SBOM").read_text())
    (described,) = (p for p in sbom["packages"] if p["SPDXID"] == "SPDXRef-image")
    assert described["checksums"][0]["checksumValue"] == image.digest.removeprefix("sha256:")
    assert len(sbom["packages"]) > 3
