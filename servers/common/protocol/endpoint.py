"""The MCP endpoint: the SDK's session manager behind one route, without sessions."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

import anyio
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from servers.common.protocol.tools import from_json

STREAM: ContextVar[bool] = ContextVar("STREAM", default=False)
"""Whether the current request is answered with an event stream, and not with one JSON body."""


class McpEndpoint(StreamableHTTPSessionManager):
    """ASGI application: MCP over streamable HTTP. It takes the whole body in one message, as `RequestLimits` gives it.

    A client that closes its connection cancels its call, as the specification has it for streams.
    """

    @property
    def json_response(self) -> bool:
        """The session manager's choice of an answer, made for each request instead of once for all."""
        return not STREAM.get()

    @json_response.setter
    def json_response(self, value: bool) -> None:
        """Ignore the choice of the constructor."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        messages: asyncio.Queue[Message] = asyncio.Queue()
        messages.put_nowait(body := await receive())
        STREAM.set(wants_stream(Headers(scope=scope), body["body"]))

        async def watch() -> None:
            while (message := await receive())["type"] != "http.disconnect":
                pass
            messages.put_nowait(message)
            call.cancel()

        with anyio.CancelScope() as call:
            watcher = asyncio.create_task(watch())
            try:
                await self.handle_request(scope, messages.get, send)
            finally:
                watcher.cancel()


def wants_stream(headers: Headers, body: bytes) -> bool:
    """Return whether a request has a progress token in `params._meta`, and its client accepts event streams."""
    if not any(kind in headers.get("accept", "").lower() for kind in ("text/event-stream", "*/*")):
        return False
    try:
        return isinstance(from_json(body)["params"]["_meta"]["progressToken"], str | int)
    except (ValueError, RecursionError, LookupError, TypeError):
        return False
