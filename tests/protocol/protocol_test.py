"""The Model Context Protocol as both servers speak it, in every version from 2024-11-05 on, on the wire and by the SDK."""

from __future__ import annotations

import email.message
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from mcp import Client

from tools.backends.elasticsearch import ElasticsearchNode
from tools.backends.redis import RedisServer
from tools.backends.sidecar import Sidecar

OLD = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]
NEW = "2026-07-28"

# A call of each server that answers without any data.
CALLS = {"redis": "redis_info", "elasticsearch": "es_health"}


@pytest.fixture(scope="session")
def stores() -> Iterator[dict[str, dict[str, str]]]:
    with RedisServer() as redis, ElasticsearchNode() as node:
        yield {
            "redis": {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(redis.port)},
            "elasticsearch": {"ES_HOST": "127.0.0.1", "ES_PORT": str(node.port)},
        }


class Server(Sidecar):
    """A server with all its tools, and what to call of it."""

    def __init__(self, name: str, env: dict[str, str], folder: Path) -> None:
        super().__init__(f"servers.{name}", {"MCP_ALLOW_WRITES": "true"} | env, folder)
        self.tool = CALLS[name]
        self.mcp_name = f"mcp-{name}"


@pytest.fixture(
    scope="session",
    params=[(name, lazy) for name in CALLS for lazy in ("true", "false")],
    ids=lambda param: f"{param[0]}-{'lazy' if param[1] == 'true' else 'plain'}-imports",
)
def server(
    request: pytest.FixtureRequest, stores: dict[str, dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    name, lazy = request.param
    with Server(name, stores[name] | {"MCP_LAZY_IMPORTS": lazy}, tmp_path_factory.mktemp("server")) as running:
        running.wait_until_ready()
        yield running


def request(method: str, params: dict[str, Any] | None = None, version: str | None = None) -> dict[str, Any]:
    """A JSON-RPC request; with a version, one of the stateless protocol, which says in each request who asks."""
    params = dict(params or {})
    if version:
        params["_meta"] = {
            "io.modelcontextprotocol/protocolVersion": version,
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def headers(version: str, method: str, name: str = "") -> dict[str, str]:
    """The headers that the stateless protocol asks for, beside those of every version."""
    found = {"MCP-Protocol-Version": version}
    if version == NEW:
        found["Mcp-Method"] = method
        if name:
            found["Mcp-Name"] = name
    return found


@pytest.mark.parametrize("version", OLD)
def test_older_versions_on_the_wire(server: Server, version: str) -> None:
    info = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    status, answer = server.post(request("initialize", info))
    assert status == 200
    assert answer["result"]["protocolVersion"] == version
    assert answer["result"]["serverInfo"]["name"] == server.mcp_name
    initialized = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    assert server.post(initialized, headers(version, "notifications/initialized"))[0] == 202
    status, answer = server.post(request("tools/list"), headers(version, "tools/list"))
    assert status == 200 and server.tool in [tool["name"] for tool in answer["result"]["tools"]]
    call = {"name": server.tool, "arguments": {}}
    status, answer = server.post(request("tools/call", call), headers(version, "tools/call"))
    assert status == 200 and not answer["result"]["isError"]
    assert answer["result"]["content"][0]["type"] == "text"
    assert server.post(request("ping"), headers(version, "ping"))[1]["result"] == {}


def test_the_newest_version_on_the_wire(server: Server) -> None:
    status, answer = server.post(request("server/discover", version=NEW), headers(NEW, "server/discover"))
    assert status == 200, answer
    assert NEW in answer["result"]["supportedVersions"]
    call = {"name": server.tool, "arguments": {}}
    status, answer = server.post(request("tools/call", call, NEW), headers(NEW, "tools/call", server.tool))
    assert status == 200 and not answer["result"]["isError"], answer


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["auto", "legacy", NEW])
async def test_the_sdks_own_client(server: Server, mode: Any) -> None:
    async with Client(server.url + "/mcp", mode=mode) as client:
        tools = (await client.list_tools()).tools
        answer = await client.call_tool(server.tool)
    assert not answer.is_error
    schema = next(tool.output_schema for tool in tools if tool.name == server.tool)
    assert schema
    jsonschema.Draft202012Validator(schema).validate(answer.structured_content)


def tools(server: Server) -> list[dict[str, Any]]:
    return list(server.post(request("tools/list"))[1]["result"]["tools"])


def test_every_tool_says_what_it_does(server: Server) -> None:
    listed = tools(server)
    for tool in listed:
        assert tool["title"] and tool["description"]
        assert tool["annotations"]["readOnlyHint"] in (True, False)
        for kind in ("inputSchema", "outputSchema"):
            jsonschema.Draft202012Validator.check_schema(tool[kind])
            assert tool[kind]["type"] == "object"
        for name, parameter in tool["inputSchema"]["properties"].items():
            assert "title" not in parameter, f"{tool['name']}.{name}"


def test_an_unknown_tool_is_an_error_of_the_protocol(server: Server) -> None:
    status, answer = server.post(request("tools/call", {"name": "no_such_tool", "arguments": {}}))
    assert status == 200
    assert answer["error"]["code"] == -32602
    assert "no_such_tool" in answer["error"]["message"]


def test_wrong_arguments_are_told_to_the_model(server: Server) -> None:
    _, answer = server.post(request("tools/call", {"name": server.tool, "arguments": {"nonsense": 1}}))
    assert answer["result"]["isError"]
    assert "nonsense" in answer["result"]["content"][0]["text"]


def test_an_unknown_method_is_an_error_of_the_protocol(server: Server) -> None:
    assert server.post(request("no/such/method"))[1]["error"]["code"] == -32601


@pytest.mark.parametrize(
    ("body", "extra", "status"),
    [
        (b"{", {}, 400),
        (b"[]", {}, 400),
        (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', {}, 400),
        (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', {"MCP-Protocol-Version": "2025-03-26"}, 400),
        (b'{"jsonrpc":"2.0","id":1}', {}, 400),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping"}', {"MCP-Protocol-Version": NEW}, 400),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping"}', {"Content-Type": "text/plain"}, 400),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping"}', {"Accept": "text/html"}, 406),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping"}', {"MCP-Protocol-Version": "1999-01-01"}, 400),
    ],
)
def test_bad_requests_are_refused_and_the_server_goes_on(
    server: Server, body: bytes, extra: dict[str, str], status: int
) -> None:
    assert server.post(body, extra)[0] == status
    assert server.get("/health")[0] == 200


def test_a_body_that_is_too_long_is_refused_by_its_length(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.putrequest("POST", "/mcp")
    for name, value in {
        "Content-Type": "application/json",
        "Accept": "application/json",
        "Content-Length": "9999999",
    }.items():
        connection.putheader(name, value)
    connection.endheaders(b'{"jsonrpc"')
    assert connection.getresponse().status == 413
    connection.close()
    assert server.get("/health")[0] == 200


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "OPTIONS", "HEAD"])
def test_there_are_no_sessions_to_get_or_delete(server: Server, method: str) -> None:
    accept = {"Accept": "application/json, text/event-stream", "Mcp-Session-Id": "of another time"}
    status, answered, _ = ask(server, None, accept, method)
    assert (status, answered["Allow"]) == (405, "POST")


def ask(
    server: Server, message: Any, sent: dict[str, str], method: str = "POST"
) -> tuple[int, email.message.Message, str]:
    """Status, headers and body of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        connection.request(method, "/mcp", message and json.dumps(message), {"Content-Type": "application/json"} | sent)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()
    finally:
        connection.close()


def call(server: Server, version: str, accept: str, meta: dict[str, Any], **arguments: Any) -> tuple[int, str, str]:
    """Status, media type and body of the answer to a call of the server's tool."""
    body = request("tools/call", {"name": server.tool, "arguments": arguments}, version if version == NEW else None)
    if meta:
        body["params"].setdefault("_meta", {}).update(meta)
    status, answered, text = ask(server, body, headers(version, "tools/call", server.tool) | {"Accept": accept})
    return status, answered.get_content_type(), text


BOTH = "application/json, text/event-stream"


@pytest.mark.parametrize("accept", [BOTH, "application/json", "*/*"])
@pytest.mark.parametrize("version", [*OLD, NEW])
def test_an_answer_is_json_whatever_words_the_data_has(server: Server, version: str, accept: str) -> None:
    meta = {"about": {"progressToken": 1}}
    status, kind, text = call(server, version, accept, meta, progressToken="progressToken")
    assert (status, kind) == (200, "application/json")
    assert json.loads(text)["result"]["isError"], "the tool has no such argument"


@pytest.mark.parametrize("version", OLD)
def test_an_answer_is_a_stream_where_the_client_asks_for_progress(server: Server, version: str) -> None:
    for accept in (BOTH, "*/*"):
        status, kind, text = call(server, version, accept, {"progressToken": 0})
        assert (status, kind) == (200, "text/event-stream") and '"isError":false' in text
    # It can't be told of its progress, but it gets its answer.
    status, kind, text = call(server, version, "application/json", {"progressToken": 0})
    assert (status, kind) == (200, "application/json") and '"isError":false' in text


def test_the_newest_version_streams_only_where_there_is_progress(server: Server) -> None:
    for accept in (BOTH, "application/json"):
        status, kind, text = call(server, NEW, accept, {"progressToken": 0})
        assert (status, kind) == (200, "application/json") and not json.loads(text)["result"]["isError"]


def test_an_answer_does_not_depend_on_the_spelling_of_the_content_type(server: Server) -> None:
    answers = [
        ask(server, request("tools/list"), {"Accept": BOTH, "Content-Type": kind})
        for kind in ("application/json", "application/json; charset=utf-8")
    ]
    assert answers[0][0] == 200 and answers[0][2] == answers[1][2]


def test_other_hosts_and_origins_are_refused(server: Server) -> None:
    status, answer = server.post(request("tools/list"), {"Host": "evil.example"})
    assert status == 421 and "MCP_ALLOWED_HOSTS" in answer["error"]
    status, answer = server.post(request("tools/list"), {"Origin": "http://evil.example"})
    assert status == 403 and "MCP_ALLOWED_ORIGINS" in answer["error"]
    assert server.post(request("tools/list"), {"Origin": "http://localhost:3000"})[0] == 200
    # A probe comes to the pod's address.
    assert server.get("/health", {"Host": "10.1.2.3:9000"})[0] == 200


def test_a_bearer_token_from_a_file_that_changes(stores: dict[str, dict[str, str]], tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("canary-first\n")
    with Server("redis", stores["redis"] | {"MCP_AUTH_TOKEN_FILE": str(file)}, tmp_path) as server:
        message = request("tools/list")
        assert server.post(message)[0] == 401
        assert server.post(message, {"Authorization": "Bearer wrong"})[0] == 401
        assert server.post(message, {"Authorization": "Basic canary-first"})[0] == 401
        assert server.post(message, {"Authorization": "Bearer canary-first"})[0] == 200
        file.write_text("canary-second")
        assert server.post(message, {"Authorization": "Bearer canary-first"})[0] == 401
        assert server.post(message, {"Authorization": "Bearer canary-second"})[0] == 200
        for path in ("/health", "/ready", "/metrics"):
            assert server.get(path)[0] in (200, 503)
        assert 'mcp_http_requests_rejected_total{reason="token"} 4.0' in server.get("/metrics")[1]
        assert "canary" not in server.log.read_text()
