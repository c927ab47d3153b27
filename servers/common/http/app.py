"""The HTTP application: /mcp, /health, /ready and /metrics."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from servers.common import VERSION
from servers.common.http.access_control import WANTS_TOKEN, Authentication, HostCheck, OriginCheck
from servers.common.http.auth_settings import AuthSettings
from servers.common.http.rate_limit import RateLimit, Refusals, RequestLimits, TokenBuckets, error_response
from servers.common.protocol.endpoint import McpEndpoint
from servers.common.server import Instance

PATHS = ("/mcp", "/mcp/")
"""Where MCP is."""

OAUTH_PATHS = ("/register", "/token", "/authorize")
"""Where clients look for an authorization server that publishes no metadata (MCP specification of 2025-03-26)."""


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
    """Return the ASGI application of an instance. `on_startup` is called before the first connection is accepted.

    /mcp speaks MCP over streamable HTTP. /health is 200 while the process serves, whatever the store does; /ready is 503 while
    the store is away; both report the store's state. Only /mcp requires credentials: probes have none.
    """
    settings = instance.settings
    endpoint = McpEndpoint(instance.server(), stateless=True, max_request_body_size=settings.max_request_bytes)
    refusals = Refusals(instance.metrics)
    buckets = TokenBuckets(auth.calls_per_minute)
    guarded = Router(
        default=endpoint,
        redirect_slashes=False,
        middleware=[  # the first one sees a request first
            Middleware(HostCheck, settings, auth, refusals),
            Middleware(Authentication, auth, buckets, refusals),
            Middleware(RateLimit, buckets, refusals),
            Middleware(
                RequestLimits,
                refusals,
                auth.max_connections,
                settings.max_request_bytes,
                instance.memory.size,
                auth.request_seconds,
                instance.room,
                instance.deadlines,
            ),
            *instance.http_middleware,
        ],
    )
    only_post = error_response("this server has no sessions and opens no streams: send POST", 405, {"Allow": "POST"})
    for_pages = [Route(path, app, methods=m) for path in PATHS for app, m in ((guarded, ["POST"]), (only_post, None))]
    if oauth := auth.oauth:
        # RFC 9728: tells a client that was refused where to get a token. It requires none itself.
        document = oauth.metadata(instance.sidecar.title)

        async def metadata(request: Request) -> Response:
            return JSONResponse(document, headers={"Cache-Control": "max-age=3600"})

        for_pages += [Route(path, metadata) for path in oauth.metadata_paths]
    checked = OriginCheck(Router(for_pages), settings, refusals)

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
        *(Route(route.path, checked) for route in for_pages),
        Route("/health", health),
        Route("/ready", ready),
        Route("/metrics", metrics_text),
    ]
    login = _login(auth)

    async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path.startswith("/.well-known/") or path in OAUTH_PATHS:
            # Claude Code and others show the text of this answer.
            response: Response = PlainTextResponse(f"{login}. It registers no clients and issues no tokens.", 404)
        else:
            response = error_response(f"there is nothing at this path: MCP is at {PATHS[0]}", 404)
        await response(scope, receive, send)

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        async with watched(instance), endpoint.run():
            on_startup()
            yield

    return Router(routes, redirect_slashes=False, default=nothing, lifespan=lifespan)


def _login(auth: AuthSettings) -> str:
    """Return what to say to a client that looks for a login here."""
    if auth.oauth:
        return f"this server wants an access token: get one from {auth.oauth.issuer} for {auth.oauth.resource}"
    if auth.token_file or auth.tokens_file:
        return WANTS_TOKEN
    return "this server wants a client certificate" if auth.kinds else "this server wants no login"
