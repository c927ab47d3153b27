"""What is sent to a sidecar: calls of tools, other JSON-RPC messages, and bytes that are nearly HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pydantic_core
from hypothesis import strategies as st

from servers.common.protocol.tools import Tool
from tests.fuzz.arguments import Words, arguments
from tests.fuzz.text import ANYTHING, PIECES, STRINGS, Strategy, pick, raw, to_bytes
from tools.backends.sidecar import HEADERS, NEW, who_asks

VERSIONS = (NEW, "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")

NO_ID = object()


@dataclass(frozen=True)
class Post:
    """A POST to /mcp that is right as HTTP."""

    body: bytes
    headers: Mapping[str, str]
    id: Any = NO_ID
    """The id that the answer must have; NO_ID where the body is no request that has one."""


@dataclass(frozen=True)
class Raw:
    """Bytes on a connection of their own."""

    data: bytes


# JSON-RPC.

METHODS = (
    "initialize", "notifications/initialized", "ping", "server/discover", "tools/list", "tools/call", "resources/list",
    "resources/templates/list", "resources/read", "resources/subscribe", "resources/unsubscribe", "prompts/list",
    "prompts/get", "completion/complete", "logging/setLevel", "notifications/cancelled", "notifications/progress",
    "roots/list", "sampling/createMessage", "elicitation/create", "tasks/get", "tasks/result", "tasks/cancel", "tasks/list",
    "", "a", "tools/", "TOOLS/LIST", "tools/call\x00", "rpc.discover", "__init__", "$/cancelRequest",
)  # fmt: skip

_URIS = st.one_of(
    st.sampled_from([
        "redis://keyspace", "redis://key/string", "redis://key/%00", "redis://key/%ff", "redis://key/", "redis://key/none",
        "elasticsearch://cluster", "elasticsearch://index/books", "elasticsearch://index/..%2f_cat", "elasticsearch://index/*",
        "file:///etc/passwd", "http://127.0.0.1:1", "", "redis://", "://",
    ]),
    STRINGS,
)  # fmt: skip

_PARAMS = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"uri": _URIS}),
    st.fixed_dictionaries(
        {"ref": st.one_of(st.fixed_dictionaries({"type": st.sampled_from(["ref/resource", "ref/prompt", "a"]), "uri": _URIS}))},
        optional={"argument": st.fixed_dictionaries({"name": STRINGS, "value": STRINGS}), "context": ANYTHING},
    ),
    st.fixed_dictionaries({"name": STRINGS}, optional={"arguments": ANYTHING}),
    st.fixed_dictionaries({
        "protocolVersion": st.one_of(st.sampled_from(VERSIONS), STRINGS),
        "capabilities": ANYTHING,
        "clientInfo": st.one_of(st.just({"name": "fuzz", "version": "1"}), ANYTHING),
    }),
    st.fixed_dictionaries({"requestId": ANYTHING, "cursor": ANYTHING}),
    st.dictionaries(STRINGS, ANYTHING, max_size=3),
    ANYTHING,
)  # fmt: skip

_IDS = st.one_of(
    st.integers(-5, 10**6), pick(["", "1", "\u00e9\u0000", "x" * 2_000, 2**53, 2**63, -(2**70)]), st.text(max_size=8)
)


def _readable(body: bytes) -> bool:
    """Return whether a strict reader takes it as JSON; what is none is answered without an id (JSON-RPC 2.0, 5)."""
    try:
        pydantic_core.from_json(body)
    except ValueError:
        return False
    return True


def _headers(version: str, method: str, name: str) -> dict[str, str]:
    headers = HEADERS | {"MCP-Protocol-Version": version}
    if version == NEW:
        headers["Mcp-Method"] = method
        if name:
            headers["Mcp-Name"] = name
    return headers


def _sendable(value: str) -> bool:
    """Return whether a client could send it as a header."""
    return value.isascii() and value.isprintable() and value == value.strip()


def message(id: Any, method: str, params: dict[str, Any], version: str = NEW, progress: bool = False) -> Post:
    """A request as a right client sends it, whatever its parameters are."""
    meta: dict[str, Any] = {"progressToken": 1} if progress else {}
    if version == NEW:
        meta |= who_asks()
    sent = {"jsonrpc": "2.0", "id": id, "method": method, "params": params | ({"_meta": meta} if meta else {})}
    name = params.get("name", params.get("uri", ""))
    headers = _headers(version, method, name if isinstance(name, str) and _sendable(name) else "")
    body = to_bytes(sent)
    return Post(body, headers, id if _readable(body) else NO_ID)


def calls(tools: Mapping[str, Tool], words: Words) -> Strategy:
    def call(name: str) -> Strategy:
        return st.builds(
            lambda id, given, version, progress: message(id, "tools/call", {"name": name, "arguments": given}, version, progress),
            _IDS,
            arguments(tools[name].definition, words),
            st.sampled_from(VERSIONS),
            st.sampled_from([False, False, False, True]),
        )

    return st.one_of([call(name) for name in sorted(tools)])


def messages() -> Strategy:
    """JSON-RPC messages of every method there is, and of some that there are not; right, nearly right, and wild."""
    right = st.builds(
        lambda id, method, params, version: message(id, method, params if isinstance(params, dict) else {}, version, False),
        _IDS,
        st.sampled_from(METHODS).filter(_sendable),
        _PARAMS,
        st.sampled_from(VERSIONS),
    )
    members = {
        "jsonrpc": st.sampled_from(["2.0", "2.0", "2.0", "1.0", 2, None]),
        "id": st.one_of(_IDS, ANYTHING, PIECES.map(raw)),
        "method": st.one_of(st.sampled_from(METHODS), ANYTHING),
        "params": st.one_of(_PARAMS, PIECES.map(raw)),
        "result": ANYTHING,
        "error": ANYTHING,
    }
    wild = st.fixed_dictionaries({}, optional=members)
    return st.one_of(
        right,
        st.builds(_wild, st.one_of(wild, st.lists(wild, max_size=4), ANYTHING), st.sampled_from(VERSIONS), _HEADERS),
        st.builds(_spoiled, right, st.integers(0, 400), st.sampled_from(["cut", "twice", "byte", "bom", "latin"])),
        st.builds(
            lambda post, headers: Post(post.body, {k: v for k, v in (post.headers | headers).items() if v is not None}),
            right,
            _HEADERS,
        ),
    )


_HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "MCP-Protocol-Version": pick([*VERSIONS, "1999-01-01", "", "x" * 3_000, None]),
        "Mcp-Method": pick(["tools/list", "a", "", None]),
        "Mcp-Name": pick(["redis_read", "=?base64?AA==?=", "=?base64?*?=", "", None]),
        "Mcp-Session-Id": pick(["a", "x" * 3_000, ""]),
        "Last-Event-ID": pick(["1", ""]),
        "Accept": pick(["*/*", "application/json", "text/event-stream", "text/html", "", ";;q=x", "a/b;q=9"]),
        "Content-Type": pick(["text/plain", "application/json; charset=utf-16", "", "application/xml", None]),
        "Content-Encoding": pick(["gzip", "deflate", "x"]),
        "Origin": pick(["http://localhost", "http://evil.example", "null", "http://[::1", "//", "http://[", "x" * 900]),
        "Host": pick(["localhost", "evil.example", "[::1", "127.0.0.1:x", "a:b:c", "\u00e9", ""]),
        "Authorization": pick(["Bearer x", "Bearer", "Basic eDp5", ""]),
        "traceparent": pick(["00-" + "1" * 32 + "-" + "2" * 16 + "-01", "00-0-0-0", "x"]),
        "tracestate": pick(["a=b", "," * 600]),
        "baggage": pick(["a=b", "x" * 9_000]),
        "X-Forwarded-For": pick(["1.2.3.4"]),
    },
)


def _wild(value: Any, version: str, headers: dict[str, Any]) -> Post:
    all_headers = _headers(version, "tools/list", "") | headers
    return Post(to_bytes(value), {name: text for name, text in all_headers.items() if text is not None})


def _spoiled(post: Post, place: int, how: str) -> Post:
    body = post.body
    at = place % (len(body) + 1)
    if how == "cut":
        body = body[:at]
    elif how == "twice":
        body += body
    elif how == "byte":
        body = body[:at] + bytes([place % 256]) + body[at + 1 :]
    elif how == "bom":
        body = b"\xef\xbb\xbf" + body
    else:
        body = body[:at] + b"\xe9\xff" + body[at:]
    return Post(body, post.headers)


# HTTP.

_BODY = to_bytes({"jsonrpc": "2.0", "id": 7, "method": "tools/list", "params": {}})
_LINES = st.lists(
    st.one_of(
        pick([
            b"Content-Type: application/json", b"Accept: application/json, text/event-stream", b"Content-Length: 0",
            b"Content-Length: -1", b"Content-Length: 99999999999999999999", b"Content-Length: 1, 2", b"Content-Length: 0x10",
            b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: identity",
            b"Expect: 100-continue", b"Expect: x", b"Connection: close", b"Connection: upgrade", b"Upgrade: websocket",
            b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk", b"Sec-WebSocket-Key: AAAA", b"Host: evil.example", b"Host:", b": a",
            b"A b: c", b" folded: a", b"\tx", b"Name\x00: a", b"A: \x00", b"A: \xff\xfe", b"A:" + b"b" * 70_000, b"A",
            b"Range: bytes=0-", b"If-None-Match: *", b"X-HTTP-Method-Override: DELETE", b"Cookie: " + b"a=b;" * 3_000,
            b"MCP-Protocol-Version: \xe9",
        ]),
        st.binary(max_size=30),
    ),
    max_size=5,
)  # fmt: skip
_FIRST = st.builds(
    lambda method, path, version: b" ".join((method, path, version)),
    pick(
        [b"POST", b"GET", b"DELETE", b"PUT", b"OPTIONS", b"HEAD", b"TRACE", b"CONNECT", b"PRI", b"post", b"", b"X" * 5_000]
    ),
    st.one_of(
        pick([
            b"/mcp", b"/mcp", b"/mcp/", b"/mcp?a=b", b"//mcp", b"/health", b"/ready", b"/metrics", b"/metrics?name[]=a", b"/",
            b"*", b"http://evil.example/mcp", b"/%2e%2e/mcp", b"/mcp%00", b"/\xff", b"/" + b"a" * 70_000, b"/mcp#a", b"",
        ]),
        st.binary(max_size=12),
    ),
    pick([b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/9.9", b"HTTP/1.", b"", b"SPDY"]),
)  # fmt: skip
_CHUNKS = pick([
    b"%x\r\n%s\r\n0\r\n\r\n" % (len(_BODY), _BODY), b"0\r\n\r\n", b"-1\r\n", b"ffffffffffffffff\r\n",
    b"5;a=b\r\nhello\r\n0\r\na: b\r\n\r\n",
    b"g\r\n", b"2\r\n{}\r\n", b"",
])  # fmt: skip


def raw_http() -> Strategy:
    """Bytes that are HTTP, nearly so, or not at all."""
    request = st.builds(
        lambda first, lines, end, body: Raw(
            first + b"\r\n" + b"".join(line + end for line in [b"Host: localhost", *lines]) + end + body
        ),
        _FIRST,
        _LINES,
        pick([b"\r\n", b"\r\n", b"\n", b"\r"]),
        st.one_of(pick([b"", _BODY]), _CHUNKS, st.binary(max_size=60)),
    )
    return st.one_of(request, request, st.builds(Raw, st.binary(max_size=200)), st.builds(Raw, pick(_BYTES)))


_BYTES = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200,  # a TLS client's first words
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x12\x04\x00\x00\x00\x00\x00",
    b"*1\r\n$4\r\nPING\r\n",
    b"\x00" * 5_000,
    b"\r\n" * 2_000,
    b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n" * 30,
    b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 9_999,
)


def everything(tools: Mapping[str, Tool], words: Words) -> Strategy:
    """All of it; half are calls of tools."""
    call = calls(tools, words)
    return st.one_of(call, call, call, messages(), messages(), raw_http())
