"""The principal of a request: its name and its scopes. Access control sets it, and the MCP server checks it."""

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal, Protocol

from servers.common.settings import Secret

READ = "mcp:read"
WRITE = "mcp:write"
SCOPES = (READ, WRITE)
"""All scopes. WRITE includes READ."""

Logins = Literal["", "USER:PASSWORD", "USER:PASSWORD or API_KEY"]
"""The logins at the store that a token may have, as a file of tokens has them; nothing where it may have none."""


@dataclass(frozen=True)
class StoreLogin:
    """A user of the store, or an API key where `username` is empty."""

    username: str
    password: Secret
    """The user's password, or the API key."""


@dataclass
class Principal:
    """The client that makes a request, and its scopes."""

    name: str
    """The name of a token, a certificate or an OAuth client; never a secret."""

    scopes: frozenset[str]
    login: StoreLogin | None = None
    """Who the principal is at the store; None for the server's own login."""

    missing: str = field(default="", compare=False)
    """A scope that the request turned out to need and the principal does not have."""

    def may(self, scope: str) -> bool:
        """Return whether the principal has a scope."""
        return scope in self.scopes or (scope == READ and WRITE in self.scopes)


ANONYMOUS = Principal("anonymous", frozenset(SCOPES))
"""The principal where no credential is required. The server's settings decide what it may do."""

PRINCIPAL: ContextVar[Principal] = ContextVar("PRINCIPAL", default=ANONYMOUS)
"""The principal of the current request."""


class CredentialRefused(Exception):
    """A credential is not accepted. The message is for the client and contains nothing of the credential."""

    def __init__(self, message: str, status: int = 401) -> None:
        super().__init__(message)
        self.status = status


class Authenticator(Protocol):
    """Find the principal of a bearer token."""

    async def authenticate(self, token: str) -> Principal:
        """Return the principal that a token belongs to, or raise CredentialRefused if it is not accepted, or can't be checked
        now."""
        ...
