"""The Model Context Protocol as both servers speak it, in every version from 2024-11-05 on, on the wire and by the SDK."""

import email.message
import fcntl
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import IO, Any

import jsonschema
import pytest
from mcp import Client, StdioServerParameters, stdio_client
from mcp_types import ElicitResult

from tools.backends.elasticsearch import ElasticsearchNode
from tools.backends.redis import RedisServer
from tools.backends.sidecar import NEW, Sidecar, message, refused, who_asks

OLD = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]
HELLO = {"protocolVersion": OLD[-1], "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}

Stores = dict[str, dict[str, str]]

# A call of each server that answers without any data.
CALLS = {"redis": "redis_info", "elasticsearch": "es_health"}


@pytest.fixture(scope="session")
def stores() -> Iterator[Stores]:
    with RedisServer() as redis, ElasticsearchNode() as node:
        yield {"redis": redis.address, "elasticsearch": node.address}


class Server(Sidecar):
    """A server with all its tools, and what to call of it."""

    def __init__(self, name: str, env: dict[str, str], folder: Path) -> None:
        super().__init__(f"servers.{name}", {"MCP_ALLOW_WRITES": "true"} | env, folder)
        self.tool = CALLS[name]
        self.confirm = "never"


@pytest.fixture(
    scope="session",
    params=[(name, lazy) for name in CALLS for lazy in ("true", "false")],
    ids=lambda param: f"{param[0]}-{'lazy' if param[1] == 'true' else 'plain'}-imports",
)
def server(request: Any, stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    name, lazy = request.param
    with Server(name, stores[name] | {"MCP_LAZY_IMPORTS": lazy}, tmp_path_factory.mktemp("server")) as running:
        yield running


def request(method: str, params: dict[str, Any] | None = None, version: str = "") -> dict[str, Any]:
    """A JSON-RPC request; with a version, one of the stateless protocol, which says in each request who asks."""
    sent = dict(params or {})
    if version:
        sent["_meta"] = who_asks(version)
    return message(method, **sent)


def stdio(name: str, env: dict[str, str]) -> StdioServerParameters:
    python = {key: value for key, value in os.environ.items() if key.startswith("PYTHON")}
    words = ["-m", f"servers.{name}", "--transport", "stdio"]
    return StdioServerParameters(command=sys.executable, args=words, env=python | env)


def headers(version: str, method: str, name: str = "") -> dict[str, str]:
    """The headers that the stateless protocol asks for, beside those of every version."""
    found = {"MCP-Protocol-Version": version}
    if version == NEW:
        found["Mcp-Method"] = method
        if name:
            found["Mcp-Name"] = name
    return found


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


def test_an_unknown_tool_or_method_is_an_error_of_the_protocol(server: Server) -> None:
    assert server.post(request("no/such/method"))[1]["error"]["code"] == -32601
    status, answer = server.post(request("tools/call", {"name": "no_such_tool", "arguments": {}}))
    assert status == 200
    assert answer["error"]["code"] == -32602
    assert "no_such_tool" in answer["error"]["message"]


def test_wrong_arguments_are_told_to_the_model(server: Server) -> None:
    result = server.call("redis_read", keys="a") if server.tool == "redis_info" else server.call("es_get", idx=1)
    assert result["isError"] and "did you mean" in result["content"][0]["text"]


PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'


@pytest.mark.parametrize(
    ("body", "extra", "status", "code", "words"),
    [
        (b"{", {}, 400, -32700, "not JSON"),
        (b"\xff", {}, 400, -32700, "not JSON"),
        (b"", {}, 400, -32700, "not JSON"),
        (b"[" * 100_000, {}, 400, -32700, "not JSON"),
        (b"[]", {}, 400, -32600, "1 to 20"),
        (b"[%s]" % b",".join([PING] * 21), {}, 400, -32600, "1 to 20"),
        (b"[%s]" % PING, {"MCP-Protocol-Version": "2025-06-18"}, 400, -32600, "only protocol version 2025-03-26"),
        (b"[%s]" % PING, {"MCP-Protocol-Version": NEW}, 400, -32600, "only protocol version 2025-03-26"),
        (b"1", {}, 400, -32600, "JSON object"),
        (b'{"id":1,"method":"ping"}', {}, 400, -32600, "jsonrpc"),
        (b'{"jsonrpc":"2.0","id":1}', {}, 400, -32600, "method"),
        (b'{"jsonrpc":"2.0","id":1,"method":1}', {}, 400, -32600, "method"),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":1}', {}, 400, -32602, "params"),
        (PING, {"MCP-Protocol-Version": NEW}, 400, -32602, "_meta"),
        (PING, {"MCP-Protocol-Version": "2099-01-01"}, 400, -32022, "2025-11-25, 2026-07-28"),
        (PING, {"MCP-Protocol-Version": ""}, 400, -32022, "2025-11-25, 2026-07-28"),
        (PING, {"MCP-Protocol-Version": NEW, "Mcp-Name": "=?base64?\xff?="}, 400, -32600, "not base64"),
        (PING, {"Content-Type": "text/plain"}, 415, -32600, "application/json"),
        (PING, {"Content-Type": "application/json; charset=utf-16"}, 415, -32600, "UTF-8"),
        (PING, {"Content-Encoding": "gzip"}, 415, -32600, "without Content-Encoding"),
        *(
            (b'{"jsonrpc":"2.0",%s}' % part, {}, 400, -32600, "a whole response")
            for part in (b'"id":1,"error":"x"', b'"id":1,"error":{}', b'"result":{}', b'"id":1,"result":1')
        ),
        (PING, {"Accept": "text/html"}, 406, -32600, "text/event-stream"),
        (PING, {"Accept": "application/json;q=0"}, 406, -32600, "text/event-stream"),
        *(
            (b'{"jsonrpc":"2.0","id":%s,"method":"ping"}' % id, {}, 400, -32600, "string or an integer")
            for id in (b"null", b"true", b"1.5", b"{}", b"[]")
        ),
    ],
)
def test_bad_requests_are_refused_and_the_server_goes_on(
    server: Server, body: bytes, extra: dict[str, str], status: int, code: int, words: str
) -> None:
    answered, answer = server.post(body, extra)
    assert (answered, answer["jsonrpc"], answer["error"]["code"]) == (status, "2.0", code), answer
    assert words in answer["error"]["message"] and "id" in answer
    assert server.get("/health")[0] == 200


@pytest.mark.parametrize("id", ["0", "-1", "1", '"1"', '""', '"\\u0000"', '"\u00fc"', f"{2**53 + 1}", f"{2**63}", "1.0"])
@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
def test_every_legal_id_comes_back(server: Server, id: str, accept: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=600)
    body = f'{{"jsonrpc":"2.0","id":{id},"method":"ping"}}'.encode()
    connection.request("POST", "/mcp", body, {"Content-Type": "application/json", "Accept": accept})
    text = connection.getresponse().read().decode()
    connection.close()
    answer = json.loads(text.partition("data: ")[2] or text)
    assert answer["result"] == {} and answer["id"] == json.loads(id)


def test_no_arguments_however_they_are_written(server: Server) -> None:
    nothing: tuple[Any, ...] = (None, [], {})
    for params in nothing:
        assert server.post(request("tools/list") | {"params": params})[1]["result"]["tools"], params
    for arguments in (*nothing, "", "{}", ' {"toolCallId": "1"}'):
        _, answer = server.post(request("tools/call", {"name": server.tool, "arguments": arguments}))
        assert not answer["result"]["isError"], arguments


@pytest.mark.parametrize("extra", [{}, {"MCP-Protocol-Version": "2025-03-26"}])
def test_a_batch_is_answered_in_the_version_that_has_them(server: Server, extra: dict[str, str]) -> None:
    batch = [
        {"jsonrpc": "2.0", "id": "a", "method": "ping"},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        request("tools/call", {"name": server.tool, "arguments": {}}),
        {"jsonrpc": "2.0", "id": None, "method": "ping"},
        {"jsonrpc": "2.0", "id": 3, "method": "no/such"},
        {"jsonrpc": "2.0", "id": 4, "method": "initialize", "params": {}},
    ]
    status, answers = server.post(batch, extra)
    assert status == 200 and [answer["id"] for answer in answers] == ["a", 1, None, 3, 4]
    assert answers[0]["result"] == {} and not answers[1]["result"]["isError"]
    assert [answer["error"]["code"] for answer in answers[2:]] == [-32600, -32601, -32600]
    assert server.post(batch[1:2], extra) == (202, "")


@pytest.mark.parametrize("path", ["/mcp", "/mcp/"])
@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "OPTIONS", "HEAD"])
def test_there_are_no_sessions_to_get_or_delete(server: Server, method: str, path: str) -> None:
    accept = {"Accept": "application/json, text/event-stream", "Mcp-Session-Id": "of another time"}
    status, answered, text = ask(server, None, accept, method, path)
    assert (status, answered["Allow"]) == (405, "POST")
    assert method == "HEAD" or json.loads(text)["error"]["code"] == -32600


def test_probes_are_answered_beside_300_idle_clients(server: Server) -> None:
    with ExitStack() as stack:
        for _ in range(300):
            connection = stack.enter_context(closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=600)))
            connection.request("GET", "/mcp", headers={"Accept": "text/event-stream"})
            answer = connection.getresponse()
            assert answer.read() and answer.status == 405
        assert server.get("/health")[0] == server.get("/ready")[0] == 200
        assert server.post(request("ping"))[0] == 200


def test_the_path_may_end_with_a_slash_and_no_other_is_there(server: Server) -> None:
    assert ask(server, request("ping"), {"Accept": BOTH}, path="/mcp/")[0] == 200
    for path in ("/", "/sse", "/mcp/mcp"):
        status, _, text = ask(server, request("ping"), {"Accept": BOTH}, path=path)
        assert status == 404 and "/mcp" in json.loads(text)["error"]["message"]


def test_a_page_of_an_allowed_origin_reads_the_answer(server: Server) -> None:
    for origin in ("http://localhost:6274", "http://127.0.0.1:1", "https://[::1]", "HTTP://LOCALHOST"):
        wish = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "mcp-method,content-type"}
        status, answered, _ = ask(server, None, {"Origin": origin} | wish, "OPTIONS")
        assert status == 200 and answered["Access-Control-Allow-Origin"] == origin
        assert "POST" in answered["Access-Control-Allow-Methods"]
        assert "mcp-method" in answered["Access-Control-Allow-Headers"]
        for method, status in (("POST", 200), ("GET", 405)):
            sent = request("ping") if method == "POST" else None
            found, answered, _ = ask(server, sent, {"Origin": origin, "Accept": BOTH}, method)
            assert (found, answered["Access-Control-Allow-Origin"]) == (status, origin)
            assert "Mcp-Session-Id" in answered["Access-Control-Expose-Headers"]
    evil = ("http://evil.example", "http://localhost.evil.example", "http://localhost@evil.example", "ftp://localhost")
    for origin in ("null", "", "//", "http://", "http://[", "http://[::1", "vscode-webview://1", *evil):
        for method in ("OPTIONS", "POST", "GET"):
            status, answered, text = ask(server, None, {"Origin": origin, **wish}, method)
            assert status == 403 and "MCP_ALLOWED_ORIGINS" in json.loads(text)["error"]["message"]
            assert "Access-Control-Allow-Origin" not in answered


def test_origins_that_the_operator_names(stores: Stores, tmp_path: Path) -> None:
    named = "https://app.example:8443/,null,vscode-webview://1"
    with Server("redis", stores["redis"] | {"MCP_ALLOWED_ORIGINS": named}, tmp_path) as server:
        for origin in ("https://app.example:8443", "null", "vscode-webview://1"):
            status, answered, _ = ask(server, request("ping"), {"Origin": origin, "Accept": BOTH})
            assert (status, answered["Access-Control-Allow-Origin"]) == (200, origin)
        assert ask(server, request("ping"), {"Origin": "https://app.example", "Accept": BOTH})[0] == 403


def ask(
    server: Server, message: Any, sent: dict[str, str], method: str = "POST", path: str = "/mcp"
) -> tuple[int, email.message.Message, str]:
    """Status, headers and body of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=600)
    try:
        connection.request(method, path, message and json.dumps(message), {"Content-Type": "application/json"} | sent)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()
    finally:
        connection.close()


def call(server: Server, version: str, accept: str, meta: dict[str, Any], **arguments: Any) -> tuple[int, str, str]:
    """Status, media type and body of the answer to a call of the server's tool."""
    body = request("tools/call", {"name": server.tool, "arguments": arguments}, version if version == NEW else "")
    if meta:
        body["params"].setdefault("_meta", {}).update(meta)
    status, answered, text = ask(server, body, headers(version, "tools/call", server.tool) | {"Accept": accept})
    return status, answered.get_content_type(), text


BOTH = "application/json, text/event-stream"


@pytest.mark.parametrize("accept", [BOTH, "application/json", "Application/*;q=0.5", "*/*", ""])
@pytest.mark.parametrize("version", [*OLD, NEW])
def test_an_answer_is_json_whatever_words_the_data_has(server: Server, version: str, accept: str) -> None:
    meta = {"about": {"progressToken": 1}}
    status, kind, text = call(server, version, accept, meta, progressToken="progressToken")
    assert (status, kind) == (200, "application/json")
    assert "no argument 'progressToken'" in json.loads(text)["result"]["content"][0]["text"]


@pytest.mark.parametrize("accept", ["text/event-stream", "Text/*, text/html"])
@pytest.mark.parametrize("version", [*OLD, NEW])
def test_an_answer_is_a_stream_where_the_client_takes_nothing_else(server: Server, version: str, accept: str) -> None:
    status, kind, text = call(server, version, accept, {})
    assert (status, kind) == (200, "text/event-stream")
    assert not json.loads(text.partition("data: ")[2])["result"]["isError"]


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
        for kind in ("application/json", 'application/json; Charset="UTF-8"', "Application/JSON;charset=utf-8")
    ]
    assert answers[0][0] == 200 and answers[0][2] == answers[1][2] == answers[2][2]


def test_other_hosts_and_origins_are_refused(server: Server) -> None:
    for host in ("evil.example", ""):
        status, answer = server.post(request("tools/list"), {"Host": host})
        assert status == 421 and "MCP_ALLOWED_HOSTS" in answer["error"]["message"]
    status, answer = server.post(request("tools/list"), {"Origin": "http://evil.example"})
    assert status == 403 and "MCP_ALLOWED_ORIGINS" in answer["error"]["message"]
    assert server.post(request("tools/list"), {"Origin": "http://localhost:3000"})[0] == 200
    # A probe comes to the pod's address.
    assert server.get("/health", {"Host": "10.1.2.3:9000"})[0] == 200


def test_nothing_is_declared_as_changing_that_never_does(server: Server) -> None:
    _, answer = server.post(request("server/discover", version=NEW), headers(NEW, "server/discover"))
    found = answer["result"]["capabilities"]
    assert not [name for name, part in found.items() if part.get("listChanged")]
    assert {"tools", "prompts", "resources"} <= found.keys()
    for method in ("tools/list", "prompts/list", "resources/list", "resources/templates/list"):
        assert server.post(request(method, {"cursor": "2"}))[1]["error"]["code"] == -32602
        assert server.post(request(method, {"cursor": ""}))[1]["result"]


def test_tools_tell_claude_code_of_results_longer_than_by_default(stores: Stores, server: Server, tmp_path: Path) -> None:
    assert not [tool for tool in tools(server) if "_meta" in tool]
    with Server("redis", stores["redis"] | {"MCP_MAX_RESULT_BYTES": "100000"}, tmp_path) as longer:
        assert {tool["_meta"]["anthropic/maxResultSizeChars"] for tool in tools(longer)} == {100_000}


@pytest.mark.parametrize("name", CALLS)
async def test_the_first_list_has_no_tool_that_the_store_lacks(stores: Stores, name: str) -> None:
    async with Client(stdio_client(stdio(name, stores[name]))) as client:
        listed = {tool.name for tool in (await client.list_tools()).tools}
        prompts = {prompt.name for prompt in (await client.list_prompts()).prompts}
    assert CALLS[name] in listed and not listed & {"redis_search", "redis_indexes", "redis_aggregate", "es_query"}
    assert prompts and "write_esql" not in prompts


def test_the_operator_chooses_tools(stores: Stores, tmp_path: Path) -> None:
    chosen = {"MCP_TOOLS": "redis_read*, redis_delete*,redis_info", "MCP_TOOLS_EXCEPT": "redis_delete_matching"}
    with Server("redis", stores["redis"] | chosen, tmp_path) as server:
        assert {t["name"] for t in tools(server)} == {"redis_info", "redis_read", "redis_read_many", "redis_delete"}
        _, answer = server.post(request("tools/call", {"name": "redis_scan", "arguments": {}}))
        assert answer["error"]["code"] == -32602 and "MCP_TOOLS" in answer["error"]["message"]


REFUSED: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "redis": ("redis_command", [{"command": words.split()} for words in ("KEYS *", "INFO", "GET", "SUBSCRIBE a", "SET a b")]),
    "elasticsearch": ("es_request", [
        {"path": "/_query", "method": "POST"}, {"path": "/nothing/_stats"}, {"path": "/_security/user"}, {"path": "/_xpack"},
        {"path": "/_search", "method": "POST", "params": {"scroll": "1m"}},
    ]),
}  # fmt: skip
"""Calls of one tool that are answered with words of several kinds; mentions_test looks at all."""


@pytest.mark.parametrize("name", CALLS)
def test_nothing_names_a_tool_that_is_not_listed(stores: Stores, name: str, tmp_path: Path) -> None:
    """Refusals, notes, descriptions, instructions and prompts do not, nor what is read beside tools."""
    tool, calls = REFUSED[name]
    with Server(name, stores[name] | {"MCP_TOOLS": tool}, tmp_path) as server:
        told: list[Any] = [server.call(tool, **given) for given in calls]
        told += [server.post(request(method))[1] for method in ("tools/list", "prompts/list", "resources/list")]
        told.append(server.post(request("initialize", HELLO))[1])
        prompts = [prompt["name"] for prompt in told[-3]["result"]["prompts"]]
        told += [server.post(request("prompts/get", {"name": prompt}))[1] for prompt in prompts]
    text = json.dumps(told)
    assert set(re.findall(r"\b(?:es|redis)_[a-z_]+", text)) - {tool, "redis_version"} == set(), text


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"MCP_TOOLS": "redis_read,redis_raed"}, "MCP_TOOLS: no tool is called 'redis_raed'"),
        ({"MCP_TOOLS_EXCEPT": "es_*"}, "MCP_TOOLS_EXCEPT: no tool is called 'es_*'"),
        ({"MCP_TOOLS": "redis_delete"}, "no tool is left"),
        ({"MCP_TOOLS_EXCEPT": "*"}, "no tool is left"),
        ({"MCP_CONFIRM": "perhaps"}, "MCP_CONFIRM: 'perhaps' is not one of never, possible, always"),
    ],
)
def test_a_choice_that_can_not_be_stops_the_start(chosen: dict[str, str], words: str) -> None:
    done = refused("servers.redis", **chosen)
    assert done.returncode == 2 and words in done.stderr


@pytest.fixture(scope="module", params=["possible", "always"])
def asking(request: Any, stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    env = stores["redis"] | {"MCP_CONFIRM": request.param}
    with Server("redis", env, tmp_path_factory.mktemp("server")) as server:
        server.confirm = request.param
        yield server


def consent(action: str) -> Any:
    async def answer(context: Any, params: Any) -> ElicitResult:
        assert "redis_write" in params.message and "asked-key" in params.message
        return ElicitResult(action=action, content={} if action == "accept" else None)  # type: ignore[arg-type]

    return answer


@pytest.mark.parametrize(("action", "done"), [("accept", True), ("decline", False), ("cancel", False)])
async def test_the_person_is_asked_over_http(asking: Server, action: str, done: bool) -> None:
    async with Client(asking.url + "/mcp", elicitation_callback=consent(action)) as client:
        answer = await client.call_tool("redis_write", {"key": "asked-key", "value": "1"})
    assert answer.is_error != done
    assert done or "did not consent" in str(answer.content)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_client_that_can_not_ask(asking: Server, mode: Any) -> None:
    # Over HTTP the older versions have no session in which a server could ask.
    ask = consent("accept") if mode == "legacy" else None
    async with Client(asking.url + "/mcp", mode=mode, elicitation_callback=ask) as client:
        wrong = await client.call_tool("redis_write", {"key": "asked-key"})
        answer = await client.call_tool("redis_write", {"key": "asked-key", "value": "1"})
        dry = await client.call_tool("redis_delete_matching", {"pattern": "asked-k*"})
        read = await client.call_tool("redis_read", {"key": "asked-key"})
    assert "value: field required" in str(wrong.content) and not dry.is_error and not read.is_error
    assert answer.is_error == (asking.confirm == "always")


def test_consent_is_for_the_call_that_was_shown(asking: Server) -> None:
    def send(key: str, **more: Any) -> Any:
        call = {"name": "redis_write", "arguments": {"key": key, "value": "1"}, **more}
        body = request("tools/call", call, NEW)
        body["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = {"elicitation": {"form": {}}}
        return asking.post(body, headers(NEW, "tools/call", "redis_write"))[1]["result"]

    asked = send("asked-key")
    assert asked["resultType"] == "input_required"
    answer = {"inputResponses": {"consent": {"action": "accept", "content": {}}}, "requestState": asked["requestState"]}
    assert send("another-key", **answer)["resultType"] == "input_required"
    assert not send("asked-key", **answer)["isError"]


@pytest.mark.parametrize(("action", "done"), [("accept", True), ("decline", False)])
@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_the_person_is_asked_over_stdio(stores: Stores, mode: Any, action: str, done: bool) -> None:
    parameters = stdio("redis", stores["redis"] | {"MCP_CONFIRM": "always", "MCP_ALLOW_WRITES": "true"})
    async with Client(stdio_client(parameters), mode=mode, elicitation_callback=consent(action)) as client:
        answer = await client.call_tool("redis_write", {"key": "asked-key", "value": "1"})
    assert answer.is_error != done


def _waiting(pipe: IO[bytes]) -> int:
    """Return the bytes that are in a pipe."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


# Several that are in the middle of a few requests: what fails then hangs on which of the SDK's tasks is told first.
@pytest.mark.parametrize("unread", [0, 20, *[5] * 6])
def test_standard_input_takes_what_http_takes_and_sigterm_ends_it(stores: dict[str, dict[str, str]], unread: int) -> None:
    parameters = stdio("redis", stores["redis"])
    process = subprocess.Popen(
        [parameters.command, *parameters.args],
        env=parameters.env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        try:

            def ask(sent: Any) -> Any:
                assert process.stdin and process.stdout
                process.stdin.write(json.dumps(sent).encode() + b"\n")
                process.stdin.flush()
                return json.loads(process.stdout.readline())

            assert ask(request("initialize", HELLO))["result"]["serverInfo"]["name"] == "mcp-redis"
            nothing: list[Any] = [None, [], {}]
            for params in nothing:
                assert ask({"jsonrpc": "2.0", "id": 2.0, "method": "ping", "params": params})["result"] == {}
            for arguments in [*nothing, "", "{}"]:
                answer = ask(request("tools/call", {"name": "redis_info", "arguments": arguments}))
                assert answer["result"]["structuredContent"], answer
            assert ask(request("tools/list") | {"id": 6, "method": 5})["error"]["code"] == -32600
            assert process.stdin
            process.stdin.write(b"\n\xef\xbb\xbf")  # a line without a message, and one that is not JSON
            assert ask(request("ping"))["error"]["code"] == -32700
            # Its client keeps standard input open and sends nothing, or does not read what is more than a pipe holds.
            assert process.stdin and process.stdout
            process.stdin.write((json.dumps(request("tools/list")).encode() + b"\n") * unread)
            process.stdin.flush()
            while unread == 20 and _waiting(process.stdout) < 2**15:
                time.sleep(0.1)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
            assert process.stderr and b"Traceback" not in process.stderr.read()
        finally:
            process.kill()


def test_integers_that_javascript_would_round_are_text_in_structured_content(server: Server) -> None:
    exact = [2**53 - 1, 2**53, -(2**53) - 1, 2**63 - 1]
    if server.tool == "redis_info":
        server.call("redis_write", key="big", value=str(2**62))
        result = server.call("redis_transaction", commands=[["INCRBY", "big", "1"]])
        assert result["structuredContent"]["replies"] == [str(2**62 + 1)]
        return
    document = {"numbers": exact, "one": 2**63 - 1, "text": "9007199254740993", "float": 0.1234567890123456}
    server.call("es_index", index="big", id="1", document=document, create_index=True)
    result = server.call("es_get", index="big", id="1")
    assert document.items() <= _source(json.loads(result["content"][0]["text"])).items()
    safe = {"numbers": [exact[0], *map(str, exact[1:])], "one": str(2**63 - 1)}
    assert (document | safe).items() <= _source(result["structuredContent"]).items()


def _source(found: Any) -> dict[str, Any]:
    """The document somewhere in a result."""
    while isinstance(found, dict) and "numbers" not in found:
        found = found.get("source") or found["documents"][0]
    return dict(found)
