"""A request of the protocols up to 2025-11-25, answered in JSON, without a connection of its own.

The SDK serves these protocols over a connection. Where there are no sessions it makes one for each request: two streams, a
dispatcher and four tasks, for one message there and one back. Here the same request is handed straight to the SDK's
`serve_one`, which is how the SDK itself serves the protocol of 2026-07-28. What is checked, and what is answered, stays
the SDK's; `exchange_test` compares the bytes. Anything out of the ordinary is left to the SDK's own transport.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
import pydantic_core
from mcp.server.connection import Connection
from mcp.server.lowlevel import Server
from mcp.server.runner import serve_one
from mcp.server.streamable_http import check_accept_headers
from mcp.shared.dispatcher import CallOptions
from mcp.shared.exceptions import NoBackChannelError
from mcp.shared.inbound import MCP_PROTOCOL_VERSION_HEADER
from mcp.shared.jsonrpc_dispatcher import handler_exception_to_error_data
from mcp.shared.message import ServerMessageMetadata
from mcp.shared.transport_context import TransportContext
from mcp_types import DEFAULT_NEGOTIATED_VERSION, ErrorData, JSONRPCError, JSONRPCRequest, JSONRPCResponse, RequestId
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

logger = logging.getLogger(__name__)

_TRANSPORT = TransportContext(kind="streamable-http", can_send_request=False)


@dataclass
class _Context:
    """What a handler can tell its client before it answers: nothing, for an answer in JSON is all there is."""

    request_id: RequestId
    message_metadata: ServerMessageMetadata
    transport: TransportContext = _TRANSPORT
    cancel_requested: anyio.Event = field(default_factory=anyio.Event)
    can_send_request: bool = False

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        raise NoBackChannelError(method)

    async def notify(self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None) -> None:
        pass

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        pass


async def exchange(server: Server[Any], lifespan_state: Any, request: Request, body: bytes) -> Response | None:
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
    if (
        request.method != "POST"
        or version not in HANDSHAKE_PROTOCOL_VERSIONS
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
    connection = Connection.from_envelope(version, None, None)
    answer: JSONRPCResponse | JSONRPCError
    try:
        result = await serve_one(
            server, context, message.method, message.params, connection=connection, lifespan_state=lifespan_state
        )
        answer = JSONRPCResponse(jsonrpc="2.0", id=message.id, result=result)
    except Exception as error:
        data = handler_exception_to_error_data(error)
        if data is None:
            logger.exception("handler for %r raised", message.method)
            data = ErrorData(code=0, message=str(error))  # as the SDK's dispatcher for these protocols
        answer = JSONRPCError(jsonrpc="2.0", id=message.id, error=data)
    return Response(
        answer.model_dump_json(by_alias=True, exclude_unset=True), headers={"Content-Type": "application/json"}
    )
