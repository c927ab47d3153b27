"""What `exchange` answers is what the SDK's own transport answers, byte for byte."""

from __future__ import annotations

import asyncio
import contextvars
import json
import math
from typing import Any

import mcp_types
import pytest
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.requests import Request
from starlette.types import ASGIApp, Message

from servers.common.exchange import exchange
from servers.common.outgoing import OUTGOING
from servers.common.tools import result

pytestmark = pytest.mark.anyio

PLAIN = {"content-type": "application/json", "accept": "application/json, text/event-stream"}


async def call_tool(ctx: Any, params: mcp_types.CallToolRequestParams) -> Any:
    """Answers, or fails in every way that a handler can."""
    if params.name == "refuses":
        raise MCPError(mcp_types.INVALID_PARAMS, "no tool is called so", {"name": params.name})
    if params.name == "breaks":
        raise KeyError("inside")
    if params.name == "lies":
        return {"content": "this is no list"}
    if params.name == "asks":
        return await ctx.session.send_request(mcp_types.ListRootsRequest(), mcp_types.ListRootsResult)
    if params.name == "says":
        return result(SAID[(params.arguments or {})["what"]], 1 << 20)
    if params.name == "tells":
        await ctx.session.report_progress(1, 2, "half")
        await ctx.session.send_tool_list_changed()
    text = json.dumps([ctx.protocol_version, str(ctx.request_id), params.arguments, "ü\u2028"])
    return mcp_types.CallToolResult(
        content=[mcp_types.TextContent(type="text", text=text)],
        structured_content={"none": None, "float": 1e300, "nested": [{}]},
        is_error=params.name == "wrong",
    )


async def list_tools(ctx: Any, params: Any) -> mcp_types.ListToolsResult:
    hints = mcp_types.ToolAnnotations(read_only_hint=True)
    schema = {"type": "object", "properties": {"a": {"type": "string", "default": None}}}
    return mcp_types.ListToolsResult(
        tools=[mcp_types.Tool(name="a", title="A", input_schema=schema, output_schema=schema, annotations=hints)]
    )


SAID: dict[str, dict[str, Any]] = {
    "nothing": {},
    "text": {"ü": '\u202e \x7f \0 \n \t " \\ / \U000e0041 \u2028 😀 ß', "\u200b": ""},
    "surrogate": {"half": "\ud800 ü \u202e", "number": 1e16},
    "numbers": {"big": 10**30, "floats": [1e300, 1e16, 1.0, -0.0, 0.1, 5e-324], "none": [math.nan, math.inf, None]},
    "alike": {"text": "", "structuredContent": {}, '"text":""': '"structuredContent":{}', "isError": [True, False]},
    "keys": {"n": {1: "one", 2.5: ()}},
}
"""What `result` serialises: our way once, the SDK's from the text."""

SCHEMA = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}


def server(**more: Any) -> Server[Any]:
    return Server(
        "example",
        version="1",
        title="Example",
        instructions="Begin here.",
        on_call_tool=call_tool,
        on_list_tools=list_tools,
        **more,
    )


SERVER = server()
WITH_SCHEMAS = server(get_tool_input_schema=lambda name: None if name == "unknown" else SCHEMA)


def request(method: str, params: Any = None, request_id: Any = 1, **more: Any) -> dict[str, Any]:
    return {
        "jsonrpc": "2.0",
        "id": request_id,
        "method": method,
        **({} if params is None else {"params": params}),
        **more,
    }


def call(name: str, **arguments: Any) -> dict[str, Any]:
    return request("tools/call", {"name": name, "arguments": arguments})


NEW = "2026-07-28"
CLIENT = {"name": "c", "version": "1"}
INITIALIZE = {"capabilities": {}, "clientInfo": CLIENT}

ANSWERED = [
    *(call(name, key="k", ü=[1, None]) for name in ("answers", "wrong", "refuses", "breaks", "lies", "asks", "tells")),
    *(call("says", what=what) for what in SAID),
    request(
        "tools/call", {"name": "says", "arguments": {"what": "alike"}}, request_id='"text":"","structuredContent":{}'
    ),
    request("tools/call", {"name": "answers"}, request_id="a string"),
    request("tools/call", {"name": "answers", "_meta": {"traceparent": "x", "other": 1}}),
    request("tools/call", {"name": "answers", "arguments": "no object"}),
    request("tools/call", {"arguments": {}}),
    request("tools/call"),
    request("tools/list"),
    request("tools/list", {"cursor": 5}),
    request("ping"),
    request("ping", {}, request_id=0),
    request("ping", further="member"),
    *(
        request("initialize", INITIALIZE | {"protocolVersion": v})
        for v in (*HANDSHAKE_PROTOCOL_VERSIONS, "2026-07-28", "no")
    ),
    request("initialize", {}),
    request("server/discover"),
    request("resources/list"),
    request("completion/complete", {}),
    request("no/such"),
    request("logging/setLevel", {"level": "info"}),
]
"""Requests, answered by both."""

LEFT: list[Any] = [
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
    {"jsonrpc": "2.0", "id": 1, "result": {}},
    {"jsonrpc": "2.0", "id": None, "method": "ping"},
    {"jsonrpc": "2.0", "id": 1.5, "method": "ping"},
    {"jsonrpc": "1.0", "id": 1, "method": "ping"},
    {"id": 1, "method": "ping"},
    request("ping", [1]),
    [request("ping")],
    [],
    "text",
    b"",
    b"{",
    b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"\xff"}}',
]
"""Bodies that are left to the SDK's own transport."""


async def answer(app: ASGIApp, headers: dict[str, str], body: bytes, method: str = "POST") -> tuple[Any, ...]:
    """Status, headers and body."""
    sent: list[Message] = []
    told = False

    async def receive() -> Message:
        nonlocal told
        if told:
            await asyncio.Event().wait()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope(headers, method), receive, send)
    whole = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], sorted(sent[0]["headers"]), whole


def scope(headers: dict[str, str], method: str = "POST") -> dict[str, Any]:
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": method, "path": "/mcp", "query_string": b"", "headers": pairs}


async def both(
    headers: dict[str, str], body: bytes, method: str = "POST", server: Server[Any] = SERVER
) -> tuple[Any, Any]:
    """The SDK's answer, and ours; None for ours where it is left to the SDK."""
    manager = StreamableHTTPSessionManager(server, json_response=True, stateless=True)
    async with manager.run():
        theirs = await answer(manager.handle_request, headers, body, method)
    ours = await exchange(server, {}, Request(scope(headers, method)), body)
    return theirs, ours and await answer(ours, headers, body, method)


def encoded(message: Any) -> bytes:
    return message if isinstance(message, bytes) else json.dumps(message).encode()


@pytest.mark.parametrize("version", [None, *HANDSHAKE_PROTOCOL_VERSIONS])
@pytest.mark.parametrize("message", ANSWERED, ids=lambda m: f"{m['method']}:{str(m.get('params', ''))[:40]}")
async def test_the_same_bytes(message: Any, version: str | None) -> None:
    headers = PLAIN if version is None else PLAIN | {"mcp-protocol-version": version}
    theirs, ours = await both(headers, encoded(message))
    assert ours == theirs
    assert theirs[0] == 200


def modern(message: dict[str, Any], **headers: str) -> tuple[dict[str, str], dict[str, Any]]:
    """A message as one of 2026-07-28, with its headers."""
    prefix = "io.modelcontextprotocol/"
    meta = {f"{prefix}protocolVersion": NEW, f"{prefix}clientCapabilities": {}, f"{prefix}clientInfo": CLIENT}
    params = message.get("params", {})
    sent = message | {"params": params | {"_meta": params.get("_meta", {}) | meta}}
    routing = {"mcp-protocol-version": NEW, "mcp-method": message["method"], "mcp-name": str(params.get("name", ""))}
    return PLAIN | routing | {name.replace("_", "-"): value for name, value in headers.items()}, sent


@pytest.mark.parametrize("message", ANSWERED, ids=lambda m: f"{m['method']}:{str(m.get('params', ''))[:40]}")
async def test_the_same_bytes_of_2026(message: Any) -> None:
    if not isinstance(message.get("params", {}).get("arguments", {}), dict):
        return  # left to the SDK
    headers, sent = modern(message)
    theirs, ours = await both(headers, encoded(sent), server=WITH_SCHEMAS)
    if message.get("params", {}).get("name") == "says":
        # What was serialised once is in UTF-8, where the SDK escapes all that is not ASCII: the same JSON.
        assert ours[0] == theirs[0] == 200
        assert json.loads(ours[2]) == json.loads(theirs[2])
    else:
        assert ours == theirs


@pytest.mark.parametrize(
    ("message", "headers"),
    [
        (call("answers"), {"mcp_method": "tools/list"}),
        (call("answers"), {"mcp_name": "other"}),
        (call("answers"), {"mcp_protocol_version": "2025-11-25"}),
        (call("answers"), {"mcp_protocol_version": "2027-01-01"}),
        (call("answers", region="eu"), {}),
        (call("answers", region="eu"), {"mcp_param_region": "us"}),
        (call("answers"), {"mcp_param_region": "us"}),
        (request("subscriptions/listen", {}), {}),
    ],
)
async def test_mismatches_of_2026_are_left_to_the_sdk(message: Any, headers: dict[str, str]) -> None:
    told, sent = modern(message, **headers)
    if told["mcp-protocol-version"] in HANDSHAKE_PROTOCOL_VERSIONS:
        theirs, ours = await both(told, encoded(sent), server=WITH_SCHEMAS)
        assert ours == theirs  # the header says which protocol it is
    else:
        assert await exchange(WITH_SCHEMAS, {}, Request(scope(told)), encoded(sent)) is None


async def test_mirrored_parameters_of_2026() -> None:
    headers, sent = modern(call("answers", region="eu"), mcp_param_region="eu")
    theirs, ours = await both(headers, encoded(sent), server=WITH_SCHEMAS)
    assert ours == theirs
    assert theirs[0] == 200
    assert await exchange(SERVER, {}, Request(scope(headers)), encoded(sent)) is None, "only the SDK can look it up"


@pytest.mark.parametrize("message", LEFT, ids=str)
async def test_other_bodies_are_left_to_the_sdk(message: Any) -> None:
    _, ours = await both(PLAIN, encoded(message))
    assert ours is None


@pytest.mark.parametrize(
    ("headers", "answered"),
    [
        ({"accept": "application/json"}, True),
        ({"accept": "*/*"}, True),
        ({"accept": "text/html, Application/*;q=0.5"}, True),
        ({"mcp-session-id": "of another time"}, True),
        ({"accept": "text/event-stream"}, False),
        ({"accept": ""}, False),
        ({"content-type": "application/json; charset=utf-8"}, False),
        ({"content-type": "text/plain"}, False),
        ({"mcp-protocol-version": "2026-07-28"}, False),
        ({"mcp-protocol-version": "1999-01-01"}, False),
    ],
)
async def test_headers(headers: dict[str, str], answered: bool) -> None:
    theirs, ours = await both(PLAIN | headers, encoded(call("answers")))
    assert ours == (theirs if answered else None)


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
async def test_other_methods_are_left_to_the_sdk(method: str) -> None:
    assert await exchange(SERVER, {}, Request(scope(PLAIN, method)), encoded(call("answers"))) is None


@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
async def test_what_was_answered_is_let_go(version: str) -> None:
    """A timer that a handler began and cancelled keeps its context for as long as it would have run: not the answer with it."""
    contexts: list[contextvars.Context] = []

    async def long(ctx: Any, params: Any) -> Any:
        contexts.append(contextvars.copy_context())
        return result({"value": "x" * 100_000}, 1 << 20)

    headers, message = (PLAIN | {"mcp-protocol-version": version}, call("long"))
    if version == NEW:
        headers, message = modern(call("long"))
    body = encoded(message)
    long_server: Server[Any] = Server("long", on_call_tool=long, get_tool_input_schema=lambda name: None)
    answered = await exchange(long_server, None, Request(scope(headers)), body)
    assert answered and sum(map(len, answered.parts)) > 200_000
    outgoing = contexts[0][OUTGOING]
    assert outgoing is not None and not outgoing.text and not outgoing.content
