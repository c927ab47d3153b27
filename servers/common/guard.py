"""Who may talk to /mcp: checks of Host, Origin and credentials, and how often, before anything of a request is read.

Host and Origin are checked as the MCP specification asks of local servers, against DNS rebinding
(https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#security-warning). What is said of bearer tokens
follows RFC 6750, with the metadata of RFC 9728 where tokens are OAuth's.
"""

from __future__ import annotations

import logging
import time
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from servers.common.access import AccessSettings
from servers.common.caller import ANYONE, CALLER, READ, SCOPES, Authenticator, Caller, Refused
from servers.common.limits import Budget, RateLimit, network
from servers.common.metrics import Metrics
from servers.common.plain import plain
from servers.common.settings import CommonSettings
from servers.common.tls import PEER_CERTIFICATE, client_name

audit = logging.getLogger("servers.audit")

_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


def host_name(value: str) -> str:
    """The name in a Host header or an authority: without port, brackets and letter case."""
    try:
        return (urlsplit("//" + value).hostname or "").lower()
    except ValueError:
        return ""


def authenticator(settings: AccessSettings) -> Authenticator | None:
    """What tells whose a bearer token is; None where no token is asked for."""
    if settings.oauth:
        from servers.common.oauth import OAuth

        return OAuth(settings.oauth)
    if path := settings.token_file or settings.tokens_file:
        from servers.common.tokens import TokenFile

        return TokenFile(path, many=settings.tokens_file is not None)
    return None


class Guard:
    """ASGI middleware around the MCP endpoint."""

    def __init__(self, app: ASGIApp, settings: CommonSettings, access: AccessSettings, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        self._hosts = _LOCAL | {name.lower() for name in settings.allowed_hosts}
        if access.oauth:
            self._hosts |= {access.oauth.host}
        self._origins = {origin.lower().rstrip("/") for origin in settings.allowed_origins}
        self._authenticator = authenticator(access)
        self._asks_certificate = access.tls is not None and access.tls.client_authorities is not None
        self._challenge = 'Bearer realm="mcp"'
        if access.oauth:
            self._challenge += f', resource_metadata="{access.oauth.metadata_url}"'
        self._rate = RateLimit(access.calls_per_minute)
        self._budget = Budget(max(16 * 1024 * 1024, 4 * settings.max_request_bytes))
        self._noted: dict[str, float] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        address = network(scope["client"][0]) if scope.get("client") else "unknown"
        try:
            self._host(headers.get("host", ""))
            self._origin(headers.get("origin"))
            caller = await self._caller(scope, headers, address)
            self._limit(f"address {address}" if caller is ANYONE else f"name {caller.name}")
        except _Refusal as refusal:
            self._note(refusal, address)
            await refusal.response(scope, receive, send)
            return
        held = self._budget.hold(receive)
        CALLER.set(caller)
        try:
            await self._app(scope, held.receive, self._forbidding(caller, send))
        except Budget.Spent:
            self._metrics.rejected.labels("busy").inc()
            answer = JSONResponse({"error": "too much is being sent at once: try again"}, 503, {"Retry-After": "1"})
            await answer(scope, receive, send)
        finally:
            held.release()

    def _note(self, refusal: _Refusal, address: str) -> None:
        """Counts a refusal, and logs the first of its kind in a second: a flood must not fill the log."""
        self._metrics.rejected.labels(refusal.reason).inc()
        now = time.monotonic()
        if now - self._noted.get(refusal.reason, -1.0) >= 1:
            self._noted[refusal.reason] = now
            audit.warning("refused", extra={"reason": refusal.reason, "status": refusal.status, "address": address})

    def _host(self, value: str) -> None:
        name = host_name(value)
        if not ("*" in self._hosts or name in self._hosts or value.lower() in self._hosts):
            raise _Refusal(
                "host", 421, f"this server does not answer for host {plain(name)!r}: add it to MCP_ALLOWED_HOSTS"
            )

    def _origin(self, value: str | None) -> None:
        if value is None or "*" in self._origins or value.lower() in self._origins:
            return
        scheme, _, authority = value.lower().partition("://")
        if scheme not in ("http", "https") or host_name(authority) not in _LOCAL:
            raise _Refusal(
                "origin", 403, f"browser origin {plain(value)!r} is not allowed: add it to MCP_ALLOWED_ORIGINS"
            )

    async def _caller(self, scope: Scope, headers: Headers, address: str) -> Caller:
        caller = ANYONE
        if self._asks_certificate:
            certificate = scope.get("state", {}).get(PEER_CERTIFICATE)
            if not certificate:
                raise _Refusal("certificate", 403, "show a client certificate that this server's authorities signed")
            caller = Caller(plain(client_name(certificate)), frozenset(SCOPES))
        if self._authenticator:
            scheme, _, token = headers.get("authorization", "").partition(" ")
            try:
                if scheme.lower() != "bearer" or not token.strip():
                    raise _Refusal("token", 401, "send 'Authorization: Bearer TOKEN'", self._challenge)
                caller = await self._authenticator.caller(token.strip())
            except (Refused, _Refusal) as refused:
                # Guessing is held up as anything else is that comes from one address.
                self._limit(f"address {address}")
                if isinstance(refused, _Refusal):
                    raise
                challenge = f'{self._challenge}, error="invalid_token"' if refused.status == 401 else None
                raise _Refusal("token", refused.status, str(refused), challenge) from None
        if not caller.may(READ):
            raise _Refusal("scope", 403, f"the token has no scope {READ}", self._lacks(READ))
        return caller

    def _lacks(self, scope: str) -> str:
        return f'{self._challenge}, error="insufficient_scope", scope="{scope}"'

    def _limit(self, client: str) -> None:
        if seconds := self._rate.wait(client):
            refusal = _Refusal("rate", 429, f"too many requests: try again in {seconds} s")
            refusal.headers["Retry-After"] = str(seconds)
            raise refusal

    def _forbidding(self, caller: Caller, send: Send) -> Send:
        """Turns the answer to a request that needed another scope into a 403 that names it, for OAuth clients to ask for it."""

        async def forward(message: Message) -> None:
            if message["type"] == "http.response.start" and caller.missing:
                self._metrics.rejected.labels("scope").inc()
                message["status"] = 403
                MutableHeaders(scope=message)["WWW-Authenticate"] = self._lacks(caller.missing)
            await send(message)

        return forward


class _Refusal(Exception):
    """A request that is not let in."""

    def __init__(self, reason: str, status: int, message: str, challenge: str | None = None) -> None:
        super().__init__(message)
        self.reason, self.status = reason, status
        self.headers = {"WWW-Authenticate": challenge} if challenge else {}

    @property
    def response(self) -> JSONResponse:
        return JSONResponse({"error": str(self)}, self.status, self.headers)
