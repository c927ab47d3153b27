"""An OAuth authorization server as a resource server sees it: it publishes a key set over HTTPS and signs access tokens."""

import json
import ssl
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from jwt.algorithms import get_default_algorithms

from tools.backends.certificates import Authority
from tools.backends.http_server import Handler, LocalServer

RESOURCE = "https://mcp.example/mcp"

Fault = Callable[[Handler], None]


def public_jwk(key: Any, algorithm: str = "RS256", **members: str) -> dict[str, Any]:
    """The public part of a private key as a JSON Web Key for signatures, with further members such as kid."""
    public: PublicKeyTypes = key.public_key()
    jwk: dict[str, Any] = get_default_algorithms()[algorithm].to_jwk(public, as_dict=True)
    return jwk | {"use": "sig"} | members


class Issuer(LocalServer):
    """A real HTTPS server on loopback. Use it as a context manager.

    `keys` is the key set that it publishes, and `requests` counts how often it was asked.
    """

    def __init__(self, folder: Path) -> None:
        self.key = rsa.generate_private_key(65537, 2048)
        self.keys: Any = {"keys": [public_jwk(self.key, kid="first")]}
        self.requests = 0
        self.fault: Fault | None = None
        """Writes another response than the key set: for faults."""

        issuer = self

        class Publishes(Handler):
            def do_GET(self) -> None:
                issuer.requests += 1
                if issuer.fault:
                    issuer.fault(self)
                else:
                    self.respond(json.dumps(issuer.keys).encode())

        authority = Authority(folder, "Issuer's authority")
        self.ca_file = authority.file
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.issue("issuer"))
        super().__init__(Publishes, context)

    def settings(self) -> dict[str, str]:
        """The settings of a server that accepts its tokens."""
        return {
            "MCP_OAUTH_ISSUER": self.url,
            "MCP_OAUTH_RESOURCE": RESOURCE,
            "MCP_OAUTH_JWKS_URL": f"{self.url}/keys",
            "MCP_OAUTH_CA_FILE": str(self.ca_file),
        }

    def token(
        self,
        key: Any = None,
        algorithm: str = "RS256",
        kid: str | None = "first",
        typ: str = "at+jwt",
        headers: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> str:
        """Return an access token that is valid for five minutes, signed with a key, or its own.

        `headers` are added to the JOSE header. `changes` are other claims; None leaves one out.
        """
        header = {"typ": typ, **({"kid": kid} if kid else {}), **(headers or {})}
        return jwt.encode(self.claims(**changes), key or self.key, algorithm, header)

    def claims(self, **changes: Any) -> dict[str, Any]:
        now = int(time.time())
        found = {
            "iss": self.url,
            "aud": RESOURCE,
            "exp": now + 300,
            "iat": now,
            "sub": "person",
            "client_id": "assistant",
            "scope": "openid mcp:read",
        } | changes
        return {name: value for name, value in found.items() if value is not None}
