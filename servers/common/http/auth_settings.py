"""Settings of access control, TLS, and bounds on requests."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from servers.common.http.principal import SCOPES, Logins
from servers.common.http.tls import EncryptedKey, TlsFiles
from servers.common.settings import Environment

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures that may be accepted: by public keys alone. `none` and those by shared secrets are not among them."""

_URL = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")
"""The characters of a URL (RFC 3986, 2); all of them can be in a header."""

METADATA = "/.well-known/oauth-protected-resource"


@dataclass(frozen=True)
class OAuthSettings:
    """Settings of OAuth: required claims of access tokens, and the issuer's keys."""

    issuer: str
    resource: str
    """This server's canonical URI, which tokens must name as their audience, such as https://mcp.example/mcp."""

    keys: str | Path
    """The address of the issuer's key set, or a file with it."""

    algorithms: tuple[str, ...]
    token_types: tuple[str, ...]
    """Accepted `typ` headers, in lower case and without `application/`."""

    ca_file: Path | None

    @property
    def host(self) -> str:
        """The name that clients call this server by."""
        return urlsplit(self.resource).hostname or ""

    @property
    def metadata_paths(self) -> tuple[str, ...]:
        """Return the metadata's paths: the well-known path, alone and followed by the resource's path (RFC 9728, 3.1)."""
        path = urlsplit(self.resource).path.rstrip("/")
        return (METADATA, METADATA + path) if path else (METADATA,)

    @property
    def metadata_url(self) -> str:
        parts = urlsplit(self.resource)
        return f"{parts.scheme}://{parts.netloc}{self.metadata_paths[-1]}"

    def metadata(self, title: str) -> dict[str, Any]:
        """Return the metadata of the protected resource (RFC 9728, 2)."""
        return {
            "resource": self.resource,
            "resource_name": title,
            "authorization_servers": [self.issuer],
            "scopes_supported": list(SCOPES),
            "bearer_methods_supported": ["header"],
        }


def is_safe(url: str) -> bool:
    """Return whether keys may come from there: over TLS, or from this machine."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  # reading it checks it
    except ValueError:
        return False
    local = parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1")
    whole = _URL.fullmatch(url) and parts.hostname and "@" not in parts.netloc and not parts.fragment
    return bool(whole) and (parts.scheme == "https" or local)


@dataclass(frozen=True)
class AuthSettings:
    """Access control, TLS and bounds on requests. Times are seconds."""

    token_file: Path | None
    tokens_file: Path | None
    oauth: OAuthSettings | None
    tls: TlsFiles | None
    calls_per_minute: int
    max_connections: int
    request_seconds: int
    logins: Logins = ""
    """The logins at the store that tokens may have."""

    @property
    def kinds(self) -> list[str]:
        """Return the kinds of credentials in use, for the log."""
        found = {"token": self.token_file, "tokens": self.tokens_file, "oauth": self.oauth}
        return [name for name, setting in found.items() if setting] + (
            ["certificate"] if self.tls and self.tls.client_authorities else []
        )

    @classmethod
    def read(cls, env: Environment, *, logins: Logins = "") -> AuthSettings:
        """Read the settings. `logins` are the logins at the store that the server can use."""
        settings = cls(
            token_file=env.file(
                "MCP_AUTH_TOKEN_FILE",
                "file with the bearer token that clients must send, read again when it changes",
                restricts=True,
            ),
            tokens_file=env.file(
                "MCP_AUTH_TOKENS_FILE",
                "file with several bearer tokens, one per line: NAME read|write|read,write TOKEN [LOGIN AT THE STORE]",
                restricts=True,
            ),
            oauth=_oauth(env),
            tls=_tls(env),
            calls_per_minute=env.number(
                "MCP_RATE_LIMIT_PER_MINUTE",
                0,
                "requests per client and minute; 0: no limit",
                least=0,
                most=1_000_000,
                restricts=True,
            ),
            max_connections=env.number(
                "MCP_MAX_CONNECTIONS",
                128,
                "requests to /mcp at once; further ones get 503, and so does every request at 8 times as many open connections",
                least=4,
                most=100_000,
            ),
            request_seconds=env.number(
                "MCP_REQUEST_SECONDS",
                30,
                "longest time for a request's body to arrive, and for a client to read nothing of its answer",
                least=1,
                most=3600,
            ),
            logins=logins,
        )
        ways = [name for name in settings.kinds if name != "certificate"]
        if len(ways) > 1:
            env.problems.append("MCP_AUTH_TOKEN_FILE, MCP_AUTH_TOKENS_FILE, MCP_OAUTH_ISSUER: set one of them alone")
        for path, many in ((settings.token_file, False), (settings.tokens_file, True)):
            if path:
                _check_tokens(env, path, many, logins)
        return settings


def _check_tokens(env: Environment, path: Path, many: bool, logins: Logins) -> None:
    from servers.common.http.static_tokens import TokenFile, TokensError

    try:
        TokenFile(path, many, logins).load()
    except (OSError, TokensError) as error:
        env.problems.append(f"MCP_AUTH_TOKEN{'S' if many else ''}_FILE: '{path}' {error}")


def _tls(env: Environment) -> TlsFiles | None:
    certificate = env.file("MCP_TLS_CERT_FILE", "this server's certificate, PEM; with it all paths are HTTPS", restricts=True)
    key = env.file("MCP_TLS_KEY_FILE", "its private key, PEM")
    authorities = env.certificates(
        "MCP_TLS_CLIENT_CA_FILE", "CA certificates for the client certificates that /mcp requires, PEM", restricts=True
    )
    if not certificate or not key:
        if certificate or key or authorities:
            env.problems.append("MCP_TLS_CERT_FILE, MCP_TLS_KEY_FILE: TLS needs both")
        return None
    files = TlsFiles(certificate, key, authorities)
    try:
        files.context()
    except EncryptedKey as error:
        env.problems.append(f"MCP_TLS_KEY_FILE: {error}")
    except OSError:  # ssl.SSLError is one
        env.problems.append("MCP_TLS_CERT_FILE, MCP_TLS_KEY_FILE: they are not a certificate and its key in PEM")
    return files


def _oauth(env: Environment) -> OAuthSettings | None:
    resource = env.text("MCP_OAUTH_RESOURCE", "", "this server's URL as clients use it; tokens must name it as audience")
    url = env.text("MCP_OAUTH_JWKS_URL", "", "URL of the issuer's keys; https, or on this machine")
    file = env.file("MCP_OAUTH_JWKS_FILE", "file with the issuer's keys, instead of the URL")
    issuer = env.text(
        "MCP_OAUTH_ISSUER",
        "",
        "issuer of the OAuth access tokens that clients must send, exactly as tokens name it",
        restricts=not (resource or url or file),  # with one of them, an absent issuer is a problem anyway
    )
    algorithms = env.names("MCP_OAUTH_ALGORITHMS", "accepted signatures, comma-separated; default RS256,PS256,ES256,EdDSA")
    types = env.names("MCP_OAUTH_TOKEN_TYPES", "accepted typ headers of tokens, comma-separated; default at+jwt (RFC 9068)")
    ca_file = env.certificates("MCP_OAUTH_CA_FILE", "CA certificates for the issuer, PEM; default: the system's")
    if not issuer:
        if resource or url or file or algorithms or types or ca_file:
            env.problems.append("MCP_OAUTH_ISSUER: set it as well")
        return None
    if not is_safe(resource):
        env.problems.append("MCP_OAUTH_RESOURCE: an https URL such as https://mcp.example/mcp is needed")
    if bool(url) == bool(file):
        env.problems.append("MCP_OAUTH_JWKS_URL, MCP_OAUTH_JWKS_FILE: set one of them")
    elif url and not is_safe(url):
        env.problems.append("MCP_OAUTH_JWKS_URL: an https URL is needed, otherwise anyone on the network path could forge tokens")
    if unknown := [name for name in algorithms if name not in ALGORITHMS]:
        env.problems.append(f"MCP_OAUTH_ALGORITHMS: '{unknown[0]}' is not one of {', '.join(ALGORITHMS)}")
    return OAuthSettings(
        issuer,
        resource,
        file or url,
        algorithms or ("RS256", "PS256", "ES256", "EdDSA"),
        tuple(name.lower().removeprefix("application/") for name in types) or ("at+jwt",),
        ca_file,
    )
