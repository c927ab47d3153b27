"""The MCP endpoint: the SDK's session manager behind one route, without sessions."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from typing import Any

import anyio
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from servers.common.tools import from_json

JSON_RESPONSE: ContextVar[bool] = ContextVar("JSON_RESPONSE", default=True)
"""Whether the current request is answered with one JSON body; with an event stream otherwise."""


class SessionManager(StreamableHTTPSessionManager):
    """The SDK's session manager, which chooses the kind of answer for each request and not once for all."""

    @property
    def json_response(self) -> bool:
        """Whether the current request is answered with one JSON body."""
        return JSON_RESPONSE.get()

    @json_response.setter
    def json_response(self, value: bool) -> None:
        """Ignore the constructor's choice."""


class McpEndpoint:
    """ASGI application: MCP over streamable HTTP. It takes the whole body in one message, as `RequestLimits` gives it.

    An answer is one JSON body, or an event stream where the client asks for progress. A client that closes its connection
    cancels its call (https://modelcontextprotocol.io/specification/2025-11-25/basic/utilities/cancellation).
    """

    def __init__(self, server: Server[Any], max_bytes: int) -> None:
        self._manager = SessionManager(server, stateless=True, max_request_body_size=max_bytes)

    def run(self) -> AbstractAsyncContextManager[None]:
        """Serve requests inside this context."""
        return self._manager.run()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        JSON_RESPONSE.set(not wants_stream(Headers(scope=scope), message["body"]))
        messages, gone = [message], asyncio.Event()

        async def replay() -> Message:
            if messages:
                return messages.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            gone.set()
            call.cancel()

        with anyio.CancelScope() as call:
            watcher = asyncio.create_task(watch())
            try:
                await self._manager.handle_request(scope, replay, send)
            finally:
                watcher.cancel()


def wants_stream(headers: Headers, body: bytes) -> bool:
    """Return whether a request has a progress token in `params._meta`, and its client accepts event streams."""
    accepted = headers.get("accept", "").lower()
    if "text/event-stream" not in accepted and "*/*" not in accepted:
        return False
    try:
        meta = from_json(body)["params"]["_meta"]
        return isinstance(meta["progressToken"], str | int)
    except (ValueError, RecursionError, LookupError, TypeError):
        return False
