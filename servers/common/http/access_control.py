"""Access control of /mcp: check Host and Origin, then authenticate, before anything of the body is read.

Host and Origin are checked against DNS rebinding, as the MCP specification requires of local servers
(https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#security-warning). Challenges to bearer tokens follow
RFC 6750, with the metadata of RFC 9728 for OAuth.
"""

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from servers.common.http.auth_settings import AuthSettings
from servers.common.http.principal import (
    ANONYMOUS,
    PRINCIPAL,
    READ,
    SCOPES,
    Authenticator,
    CredentialRefused,
    Principal,
)
from servers.common.http.rate_limit import Refusals, TokenBuckets, client_network, too_many_requests
from servers.common.http.tls import PEER_CERTIFICATE, client_name
from servers.common.settings import CommonSettings
from servers.common.text_escape import plain

WANTS_TOKEN = "this server wants a bearer token: add the header 'Authorization: Bearer TOKEN'"

_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


def host_name(value: str) -> str:
    """Return the name in a Host header or an authority, in lower case, without port and brackets."""
    try:
        return (urlsplit("//" + value).hostname or "").lower()
    except ValueError:
        return ""


class OriginCheck(CORSMiddleware):
    """ASGI middleware: answer pages of origins that are local, or that the operator has named, and let them read the answer.

    A page without an origin of its own (`Origin: null`) is answered only where `null` is named: any page can have that one.
    """

    def __init__(self, app: ASGIApp, settings: CommonSettings, refusals: Refusals) -> None:
        # A browser may send GET and DELETE too, so that its client reads 405 and goes on.
        super().__init__(
            app,
            allow_methods=("POST", "GET", "DELETE"),
            allow_headers=("*",),
            allow_private_network=True,
            expose_headers=("Mcp-Session-Id", "Mcp-Protocol-Version", "WWW-Authenticate", "Retry-After"),
            max_age=7200,
        )
        self._refusals = refusals
        self._origins = {origin.lower().rstrip("/") for origin in settings.allowed_origins}

    def is_allowed_origin(self, origin: str) -> bool:
        """Return whether pages of an origin are answered."""
        if "*" in self._origins or origin.lower() in self._origins:
            return True
        scheme, _, authority = origin.lower().partition("://")
        return scheme in ("http", "https") and host_name(authority) in _LOCAL

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        origin = Headers(scope=scope).get("origin")
        if origin is None or self.is_allowed_origin(origin):
            await super().__call__(scope, receive, send)
        else:
            message = f"browser origin {plain(origin)!r} is not allowed: add it to MCP_ALLOWED_ORIGINS"
            await self._refusals.response(scope, "origin", 403, message)(scope, receive, send)


class HostCheck:
    """ASGI middleware: answer only for hosts that are local, or that the operator has named."""

    def __init__(self, app: ASGIApp, settings: CommonSettings, auth: AuthSettings, refusals: Refusals) -> None:
        self._app, self._refusals = app, refusals
        self._hosts = _LOCAL | {name.lower() for name in settings.allowed_hosts}
        if auth.oauth:
            self._hosts |= {auth.oauth.host}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        hosts = Headers(scope=scope).getlist("host")
        app: ASGIApp = self._app
        if len(hosts) > 1:
            app = self._refusals.response(scope, "host", 400, "a request must have one Host header (RFC 9112, 3.2)")
        elif not self._serves(host := "".join(hosts)):
            message = f"this server does not answer for host {plain(host_name(host))!r}: add it to MCP_ALLOWED_HOSTS"
            app = self._refusals.response(scope, "host", 421, message)
        await app(scope, receive, send)

    def _serves(self, host: str) -> bool:
        name = host_name(host)
        return not self._hosts.isdisjoint(("*", name, f"[{name}]", host.lower()))


def authenticator(settings: AuthSettings) -> Authenticator | None:
    """Return the authenticator of bearer tokens; None if no token is required."""
    if settings.oauth:
        from servers.common.http.oauth import OAuth

        return OAuth(settings.oauth)
    if path := settings.token_file or settings.tokens_file:
        from servers.common.http.static_tokens import TokenFile

        return TokenFile(path, many=settings.tokens_file is not None, logins=settings.logins)
    return None


class Authentication:
    """ASGI middleware: set the principal of a request, or answer 401 or 403.

    A request that turns out to need another scope is answered with 403 and the scope's name, so that OAuth clients can ask for
    it.
    """

    def __init__(self, app: ASGIApp, settings: AuthSettings, buckets: TokenBuckets, refusals: Refusals) -> None:
        self._app, self._buckets, self._refusals = app, buckets, refusals
        self._authenticator = authenticator(settings)
        self._asks_certificate = settings.tls is not None and settings.tls.client_authorities is not None
        self._challenge = 'Bearer realm="mcp"'
        if settings.oauth:
            self._challenge += f', resource_metadata="{settings.oauth.metadata_url}"'

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        principal = await self._authenticate(scope)
        if isinstance(principal, Principal):
            PRINCIPAL.set(principal)
            if self._authenticator:
                send = self._forbidding(principal, send)
            await self._app(scope, receive, send)
        else:
            await principal(scope, receive, send)

    async def _authenticate(self, scope: Scope) -> Principal | ASGIApp:
        """Return the principal of a request, or the answer to a request without one."""
        principal = ANONYMOUS
        if self._asks_certificate:
            certificate = scope.get("state", {}).get(PEER_CERTIFICATE)
            if not certificate:
                message = "present a client certificate of a CA that this server trusts"
                return self._refusals.response(scope, "certificate", 403, message)
            principal = Principal(plain(client_name(certificate)), frozenset(SCOPES))
        if self._authenticator:
            scheme, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not token.strip():
                return self._refuse(scope, 401, WANTS_TOKEN, self._challenge)
            try:
                principal = await self._authenticator.authenticate(token.strip())
            except CredentialRefused as refused:
                challenge = f'{self._challenge}, error="invalid_token"' if refused.status == 401 else ""
                return self._refuse(scope, refused.status, str(refused), challenge)
            if not principal.may(READ):
                headers = {"WWW-Authenticate": self._insufficient(READ)}
                return self._refusals.response(scope, "scope", 403, f"the token has no scope {READ}", headers)
        return principal

    def _refuse(self, scope: Scope, status: int, message: str, challenge: str) -> ASGIApp:
        # A wrong token counts against its address: a client that guesses is slowed down as any other.
        if seconds := self._buckets.take(f"address {client_network(scope)}"):
            return too_many_requests(self._refusals, scope, seconds)
        headers = {"WWW-Authenticate": challenge} if challenge else {}
        return self._refusals.response(scope, "token", status, message, headers)

    def _insufficient(self, scope: str) -> str:
        return f'{self._challenge}, error="insufficient_scope", scope="{scope}"'

    def _forbidding(self, principal: Principal, send: Send) -> Send:
        start: Message | None = None

        async def forward(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message  # of a stream: only its first event tells whether the scope suffices
                return
            if start:
                if principal.missing:
                    self._refusals.metrics.rejected.labels("scope").inc()
                    start["status"] = 403
                    MutableHeaders(scope=start)["WWW-Authenticate"] = self._insufficient(principal.missing)
                await send(start)
                start = None
            await send(message)

        return forward
