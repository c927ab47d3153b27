"""The HTTP application: /mcp, /health, /ready and /metrics."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from servers.common import VERSION
from servers.common.access import AccessSettings
from servers.common.endpoint import Endpoint
from servers.common.guard import Guard
from servers.common.sidecar import Instance


@asynccontextmanager
async def watched(instance: Instance[Any]) -> AsyncIterator[None]:
    """The time in which an instance serves: its store is watched, and closed at the end."""
    task = asyncio.create_task(instance.monitor.run(), name="backend monitor")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await instance.backend.close()


def create_app(instance: Instance[Any], access: AccessSettings) -> ASGIApp:
    """The ASGI application of an instance.

    /mcp speaks MCP over streamable HTTP. /health is 200 while the process serves, whatever
    the store does; /ready is 503 while the store is away; both say how the store is. Only /mcp asks for a token: probes
    have none.
    """
    settings = instance.settings
    endpoint = Endpoint(instance.server(), settings.max_request_bytes)

    def state() -> dict[str, Any]:
        monitor = instance.monitor
        return {
            "server": instance.sidecar.name,
            "version": VERSION,
            "backend": {
                "address": instance.backend.address,
                "state": "up" if monitor.up else "away",
                "detail": monitor.detail,
            },
        }

    async def health(request: Request) -> Response:
        return JSONResponse({"status": "ok"} | state())

    async def ready(request: Request) -> Response:
        up = instance.monitor.up
        return JSONResponse({"status": "ready" if up else "not ready"} | state(), 200 if up else 503)

    async def metrics_text(request: Request) -> Response:
        text, kind = instance.metrics.text()
        return Response(text, media_type=kind)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with watched(instance), endpoint.run():
            yield

    routes = []
    if oauth := access.oauth:
        # RFC 9728: how a client that was refused finds out who gives tokens. It asks for none itself.
        document = oauth.metadata(instance.sidecar.title)

        async def metadata(request: Request) -> Response:
            return JSONResponse(document, headers={"Cache-Control": "max-age=3600"})

        routes = [Route(path, metadata) for path in oauth.metadata_paths]
    mcp = Guard(instance.around(endpoint), settings, access, instance.metrics)
    others = Starlette(
        routes=[
            *routes,
            Route("/health", health),
            Route("/ready", ready),
            Route("/metrics", metrics_text),
        ],
        lifespan=lifespan,
    )

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        # Past Starlette's routing and middleware, which have nothing to do for it.
        await (mcp if scope["type"] == "http" and scope["path"] == "/mcp" else others)(scope, receive, send)

    return app
