"""An OAuth authorization server as a resource server sees it: it publishes a key set over HTTPS and signs access tokens."""

from __future__ import annotations

import http.server
import json
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from jwt.algorithms import get_default_algorithms

from tools.backends.certificates import Authority

RESOURCE = "https://mcp.example/mcp"

Respond = Callable[[http.server.BaseHTTPRequestHandler], None]


def public_jwk(key: Any, algorithm: str = "RS256", **members: str) -> dict[str, Any]:
    """The public part of a private key as a JSON Web Key for signatures, with further members such as kid."""
    public: PublicKeyTypes = key.public_key()
    jwk: dict[str, Any] = get_default_algorithms()[algorithm].to_jwk(public, as_dict=True)
    return jwk | {"use": "sig"} | members


class Issuer:
    """A real HTTPS server on loopback. Use it as a context manager.

    `keys` is the key set that it publishes, and `requests` counts how often it was asked.
    """

    def __init__(self, folder: Path) -> None:
        """
        Args:
            folder: for its certificates
        """
        self.key = rsa.generate_private_key(65537, 2048)
        self.keys: Any = {"keys": [public_jwk(self.key, kid="first")]}
        self.requests = 0
        self.respond: Respond | None = None
        """Writes another response than the key set: for faults."""

        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.requests += 1
                if issuer.respond:
                    issuer.respond(self)
                else:
                    send(self, json.dumps(issuer.keys).encode())

            def log_message(self, *args: Any) -> None:
                pass

        authority = Authority(folder, "Issuer's authority")
        self.ca_file = authority.file
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.issue("issuer"))
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        # The handshake is left to the thread of the connection.
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self.url = f"https://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Issuer:
        self._thread.start()
        return self

    def __exit__(self, *details: Any) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

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
        """An access token that is valid for five minutes.

        Args:
            key: that signs it; default: its own
            headers: more members of the JOSE header
            changes: other claims; None leaves one out
        """
        header = {"typ": typ, **({"kid": kid} if kid else {}), **(headers or {})}
        return jwt.encode(self.claims(**changes), key or self.key, algorithm, header)

    def claims(self, **changes: Any) -> dict[str, Any]:
        """The claims of its tokens."""
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


def send(
    handler: http.server.BaseHTTPRequestHandler,
    body: bytes,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Send a response with a body."""
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)
