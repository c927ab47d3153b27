"""Who may talk to /mcp: checks of Host, Origin and the bearer token, before anything of a request is read.

Host and Origin are checked as the MCP specification asks of local servers, against DNS rebinding
(https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#security-warning).
"""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from servers.common.metrics import Metrics
from servers.common.settings import CommonSettings

_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


def host_name(value: str) -> str:
    """The name in a Host header or an authority: without port, brackets and letter case."""
    try:
        return (urlsplit("//" + value).hostname or "").lower()
    except ValueError:
        return ""


class Guard:
    """ASGI middleware around the MCP endpoint."""

    def __init__(self, app: ASGIApp, settings: CommonSettings, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        self._token = settings.auth_token
        self._hosts = _LOCAL | {name.lower() for name in settings.allowed_hosts}
        self._origins = {origin.lower().rstrip("/") for origin in settings.allowed_origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        refusal = self._host(headers.get("host", "")) or self._origin(headers.get("origin")) or self._bearer(headers)
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await refusal(scope, receive, send)

    def _refuse(self, reason: str, status: int, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
        self._metrics.rejected.labels(reason).inc()
        return JSONResponse({"error": message}, status, headers)

    def _host(self, value: str) -> JSONResponse | None:
        name = host_name(value)
        if "*" in self._hosts or name in self._hosts or value.lower() in self._hosts:
            return None
        return self._refuse(
            "host", 421, f"this server does not answer for host {name[:200]!r}: add it to MCP_ALLOWED_HOSTS"
        )

    def _origin(self, value: str | None) -> JSONResponse | None:
        if value is None or "*" in self._origins or value.lower() in self._origins:
            return None
        scheme, _, authority = value.lower().partition("://")
        if scheme in ("http", "https") and host_name(authority) in _LOCAL:
            return None
        return self._refuse(
            "origin", 403, f"browser origin {value[:200]!r} is not allowed: add it to MCP_ALLOWED_ORIGINS"
        )

    def _bearer(self, headers: Headers) -> JSONResponse | None:
        if not self._token:
            return None
        challenge = {"WWW-Authenticate": 'Bearer realm="mcp"'}
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return self._refuse("token", 401, "send 'Authorization: Bearer TOKEN'", challenge)
        try:
            wanted = self._token.reveal()
        except OSError:
            return self._refuse("token", 503, "this server can't read its token file")
        # Compared in constant time, so that the time taken tells nothing of the token.
        if wanted and hmac.compare_digest(given.strip().encode(), wanted.encode()):
            return None
        challenge["WWW-Authenticate"] += ', error="invalid_token"'
        return self._refuse("token", 401, "the bearer token is wrong", challenge)
