"""A request that is answered in JSON, without a connection of its own.

The SDK serves the protocols up to 2025-11-25 over a connection. Where there are no sessions it makes one for each request: two
streams, a dispatcher and four tasks, for one message there and one back. Here the same request is handed straight to the SDK's
`ServerRunner`, which is how the SDK itself serves the protocol of 2026-07-28 (`serve_one`). What is checked, and what is
answered, stays the SDK's; `exchange_test` compares the bytes. Anything out of the ordinary is left to the SDK's own transport.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import anyio
import pydantic_core
from mcp.server.connection import Connection
from mcp.server.lowlevel import Server
from mcp.server.runner import ServerRunner, modern_error_data
from mcp.server.streamable_http import check_accept_headers
from mcp.shared.dispatcher import CallOptions, Outbound
from mcp.shared.exceptions import NoBackChannelError
from mcp.shared.inbound import (
    ERROR_CODE_HTTP_STATUS,
    MCP_PROTOCOL_VERSION_HEADER,
    InboundLadderRejection,
    classify_inbound_request,
    find_duplicated_routing_header,
    validate_mcp_param_headers,
)
from mcp.shared.jsonrpc_dispatcher import handler_exception_to_error_data
from mcp.shared.message import ServerMessageMetadata
from mcp.shared.transport_context import TransportContext
from mcp_types import DEFAULT_NEGOTIATED_VERSION, ErrorData, JSONRPCError, JSONRPCRequest, JSONRPCResponse, RequestId
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from servers.common.outgoing import JOINED, OUTGOING, Outgoing

logger = logging.getLogger(__name__)

_TRANSPORT = TransportContext(kind="streamable-http", can_send_request=False)


@dataclass
class _Context:
    """What a handler can tell its client before it answers: nothing, for an answer in JSON is all there is."""

    request_id: RequestId
    message_metadata: ServerMessageMetadata
    transport: TransportContext = _TRANSPORT
    can_send_request: bool = False

    @cached_property
    def cancel_requested(self) -> anyio.Event:
        return anyio.Event()

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        raise NoBackChannelError(method)

    async def notify(self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None) -> None:
        pass

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        pass


class Answer:
    """An HTTP response of JSON, as an ASGI application."""

    def __init__(self, parts: list[bytes], status: int = 200) -> None:
        """
        Args:
            parts: which make up the body
            status: of HTTP
        """
        self.status = status
        self._length = sum(map(len, parts))
        self.parts = parts if self._length >= JOINED else [b"".join(parts)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % self._length)]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        for number, part in enumerate(self.parts, 1):
            await send({"type": "http.response.body", "body": part, "more_body": number < len(self.parts)})


async def exchange(server: Server[Any], lifespan_state: Any, request: Request, body: bytes) -> Answer | None:
    """Answers a request.

    Args:
        server: what answers
        lifespan_state: of the server
        request: the HTTP request, whose body is
        body: complete

    Returns:
        None where the SDK's own transport has to answer: another method or protocol, headers or a body that are not
        those of a single JSON-RPC request.
    """
    headers = request.headers
    version = headers.get(MCP_PROTOCOL_VERSION_HEADER, DEFAULT_NEGOTIATED_VERSION)
    modern = version in MODERN_PROTOCOL_VERSIONS
    if (
        request.method != "POST"
        or not (modern or version in HANDSHAKE_PROTOCOL_VERSIONS)
        or headers.get("content-type") != "application/json"
        or not check_accept_headers(request)[0]
    ):
        return None
    try:
        raw = pydantic_core.from_json(body)
        # A response or a notification has other members; the SDK tells them apart.
        if not isinstance(raw, dict) or "id" not in raw or "method" not in raw or "result" in raw or "error" in raw:
            return None
        message = JSONRPCRequest.model_validate(raw, by_name=False)
    except (ValueError, ValidationError):
        return None
    context = _Context(message.id, ServerMessageMetadata(request_context=request))
    if modern:
        if message.method == "subscriptions/listen" or find_duplicated_routing_header(headers.items()):
            return None
        verdict = classify_inbound_request(raw, headers=headers)
        if isinstance(verdict, InboundLadderRejection) or not _parameters_agree(server, message, headers):
            return None
        connection = Connection.from_envelope(
            verdict.protocol_version, verdict.client_info, verdict.client_capabilities
        )
    else:
        # As from_envelope makes one where it is told of no client, without two exceptions that say so.
        connection = Connection(_no_channel(), protocol_version=version)
        connection.initialized.set()
    outgoing = Outgoing()
    before = OUTGOING.set(outgoing)
    try:
        # serve_one would also close what a handler opened for its connection: ours open nothing there.
        runner = ServerRunner(server, connection, lifespan_state)
        result = await runner.on_request(context, message.method, message.params)
    except Exception as error:
        return (_modern_error if modern else _error)(message, error)
    finally:
        OUTGOING.reset(before)
    answer = JSONRPCResponse(jsonrpc="2.0", id=message.id, result=result)
    return Answer(outgoing.put_into(_modern_bytes(answer) if modern else _bytes(answer)))


@cache
def _no_channel() -> Outbound:
    """What the SDK gives a connection that nothing can be sent over but answers."""
    return Connection.from_envelope(DEFAULT_NEGOTIATED_VERSION, None, None).outbound


def _parameters_agree(server: Server[Any], message: JSONRPCRequest, headers: Headers) -> bool:
    """Whether the headers that mirror a tool's arguments say what these say, as far as that can be told here."""
    params = message.params or {}
    name, arguments = params.get("name"), params.get("arguments")
    if message.method != "tools/call" or not isinstance(name, str):
        return True
    if server.get_tool_input_schema is None or not (arguments is None or isinstance(arguments, dict)):
        return False
    schema = server.get_tool_input_schema(name)
    return schema is None or validate_mcp_param_headers(schema, arguments or {}, headers) is None


def _bytes(answer: JSONRPCResponse | JSONRPCError) -> bytes:
    return answer.model_dump_json(by_alias=True, exclude_unset=True).encode()


def _modern_bytes(answer: JSONRPCResponse | JSONRPCError) -> bytes:
    return json.dumps(answer.model_dump(mode="json", by_alias=True, exclude_none=True), separators=(",", ":")).encode()


def _error(message: JSONRPCRequest, error: Exception) -> Answer:
    """As the SDK's dispatcher for the protocols up to 2025-11-25."""
    data = handler_exception_to_error_data(error)
    if data is None:
        logger.error("handler for %r raised", message.method, exc_info=error)
        data = ErrorData(code=0, message=str(error))
    return Answer([_bytes(JSONRPCError(jsonrpc="2.0", id=message.id, error=data))])


def _modern_error(message: JSONRPCRequest, error: Exception) -> Answer:
    """As the SDK's own entry for 2026-07-28."""
    data = modern_error_data(error)
    answer = JSONRPCError(jsonrpc="2.0", id=message.id, error=data)
    return Answer([_modern_bytes(answer)], ERROR_CODE_HTTP_STATUS.get(data.code, 200))
