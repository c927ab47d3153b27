"""The HTTP application: /mcp, /health, /ready and /metrics."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router

from servers.common import VERSION
from servers.common.http.access_control import Authentication, HostCheck
from servers.common.http.auth_settings import AuthSettings
from servers.common.http.rate_limit import RateLimit, Refusals, RequestLimits, TokenBuckets
from servers.common.protocol.endpoint import McpEndpoint
from servers.common.server import Instance


@asynccontextmanager
async def watched(instance: Instance[Any]) -> AsyncIterator[None]:
    """Watch the store of an instance inside this context, and close it at the end."""
    task = asyncio.create_task(instance.monitor.run(), name="backend monitor")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await instance.backend.close()


def create_app(instance: Instance[Any], auth: AuthSettings, on_startup: Callable[[], None]) -> Router:
    """Return the ASGI application of an instance.

    /mcp speaks MCP over streamable HTTP. /health is 200 while the process serves, whatever the store does; /ready is 503 while
    the store is away; both report the store's state. Only /mcp requires credentials: probes have none.

    Args:
        instance: what is served
        auth: access control and bounds
        on_startup: called before the first connection is accepted
    """
    settings = instance.settings
    endpoint = McpEndpoint(instance.server(), stateless=True, max_request_body_size=settings.max_request_bytes)
    refusals = Refusals(instance.metrics)
    buckets = TokenBuckets(auth.calls_per_minute)
    # The first one sees a request first.
    middleware = [
        Middleware(HostCheck, settings, auth, refusals),
        Middleware(Authentication, auth, buckets, refusals),
        Middleware(RateLimit, buckets, refusals),
        Middleware(RequestLimits, refusals, auth.max_connections, settings.max_request_bytes, auth.request_seconds),
        *instance.http_middleware,
    ]

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

    routes = [
        Route("/mcp", endpoint, methods=["POST"], middleware=middleware),
        Route("/health", health),
        Route("/ready", ready),
        Route("/metrics", metrics_text),
    ]
    if oauth := auth.oauth:
        # RFC 9728: tells a client that was refused where to get a token. It requires none itself.
        document = oauth.metadata(instance.sidecar.title)

        async def metadata(request: Request) -> Response:
            return JSONResponse(document, headers={"Cache-Control": "max-age=3600"})

        routes += [Route(path, metadata) for path in oauth.metadata_paths]

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        async with watched(instance), endpoint.run():
            on_startup()
            yield

    return Router(routes, redirect_slashes=False, lifespan=lifespan)
