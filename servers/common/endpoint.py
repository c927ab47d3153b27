"""The MCP endpoint: which way a request is answered, and that it ends when its client goes away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from servers.common.exchange import exchange

PATIENCE = 0.05
"""Seconds that a call goes on before its client's going away is watched for: most are answered by then, and a task for each
would cost them more than it could save."""


class Endpoint:
    """Streamable HTTP without sessions, as an ASGI application.

    A request is answered in JSON; as a stream of events where its client asks for progress, which can't be told in JSON.
    A client that closes its connection cancels its call, as the specification has it for streams
    (https://modelcontextprotocol.io/specification/2025-11-25/basic/utilities/cancellation).
    """

    def __init__(self, server: Server[None], max_request_bytes: int) -> None:
        self._server = server
        self._state: Any = None
        self._max = max_request_bytes
        self._json, self._events = (
            StreamableHTTPSessionManager(
                server, json_response=as_json, stateless=True, max_request_body_size=max_request_bytes
            )
            for as_json in (True, False)
        )

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """The time in which requests are served."""
        async with self._server.lifespan(self._server) as self._state, self._json.run(), self._events.run():
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        length = Headers(scope=scope).get("content-length", "")
        if length.isdigit() and int(length) > self._max:
            # Refused by its length, without a look at it.
            await self._json.handle_request(scope, receive, send)
            return
        messages = await _body(receive, self._max)
        if messages[-1]["type"] == "http.disconnect":
            return  # its client left before it had said all: nobody is there to answer
        body = b"".join(message.get("body", b"") for message in messages)
        progress = b'"progressToken"' in body
        gone = asyncio.Event()

        async def replay() -> Message:
            if messages:
                return messages.pop(0)
            await gone.wait()
            return {"type": "http.disconnect"}

        with anyio.CancelScope() as serving:

            async def watch() -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass
                gone.set()
                serving.cancel()

            watching: list[asyncio.Task[None]] = []
            loop = asyncio.get_running_loop()
            timer = loop.call_later(PATIENCE, lambda: watching.append(loop.create_task(watch())))
            try:
                complete = messages[-1].get("more_body") is False and len(body) <= self._max
                answer = (
                    await exchange(self._server, self._state, Request(scope), body)
                    if complete and not progress
                    else None
                )
                app: ASGIApp = answer or (self._events if progress else self._json).handle_request
                await app(scope, replay, send)
            finally:
                timer.cancel()
                for task in watching:
                    task.cancel()


async def _body(receive: Receive, most: int) -> list[Message]:
    """The request's messages, up to the first that is over the limit: what refuses long bodies is to see that it is long."""
    messages: list[Message] = []
    length = 0
    while True:
        message = await receive()
        messages.append(message)
        length += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body", False) or length > most:
            return messages
