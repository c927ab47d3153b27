"""Who makes a request, and what they may do: set by the guard, asked for by what serves the request."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Protocol

READ = "mcp:read"
WRITE = "mcp:write"
SCOPES = (READ, WRITE)
"""All scopes. Who may write may read as well."""


@dataclass
class Caller:
    """Who makes a request."""

    name: str
    """The name of a token, a certificate or an OAuth client; never a secret."""

    scopes: frozenset[str]
    missing: str = field(default="", compare=False)
    """A scope that the request turned out to need and its caller does not have."""

    def may(self, scope: str) -> bool:
        return scope in self.scopes or (scope == READ and WRITE in self.scopes)


ANYONE = Caller("anonymous", frozenset(SCOPES))
"""The caller where nothing asks who they are: what they may do is for the server's settings to say."""

CALLER: ContextVar[Caller] = ContextVar("CALLER", default=ANYONE)


class Refused(Exception):
    """A credential that is not accepted. The message is for the client and holds nothing of the credential."""

    def __init__(self, message: str, status: int = 401) -> None:
        super().__init__(message)
        self.status = status


class Authenticator(Protocol):
    """Tells who a bearer token belongs to."""

    async def caller(self, token: str) -> Caller:
        """The caller that a token belongs to.

        Raises:
            Refused: it is not accepted, or can't be checked now.
        """
        ...
