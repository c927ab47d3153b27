"""OAuth 2.1 resource server: verify the issuer's JWT access tokens with the keys that the issuer publishes.

It follows RFC 9068 (JWT access tokens), RFC 8725 (best practices for JWTs), RFC 7517 (JSON Web Key Sets) and RFC 9728 (protected
resource metadata); and the MCP specification's authorization chapter
(https://modelcontextprotocol.io/specification/2025-11-25/basic/authorization). Tokens are never passed on to a store.
"""

import asyncio
import http.client
import logging
import ssl
import time
import urllib.request
from pathlib import Path
from typing import Any

import jwt
import pydantic_core

from servers.common.http.auth_settings import OAuthSettings
from servers.common.http.principal import SCOPES, CredentialRefused, Principal

logger = logging.getLogger(__name__)

LEEWAY = 30
"""Seconds by which clocks may differ."""

MAX_JWKS_BYTES = 256 * 1024
MAX_JWKS_KEYS = 100
MAX_TOKEN_CHARACTERS = 16 * 1024


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


class IssuerKeys(jwt.PyJWKClient):
    """The issuer's keys: PyJWT's client for JSON Web Key Sets, with this server's limits. Times are seconds.

    It accepts no redirect, and limits the size of an answer and the time for it (`timeout`). Between two fetches, failed ones
    included, it pauses for a `cooldown`: tokens with unknown keys must not flood the issuer. After its `lifespan` a key set is
    fetched again; while the issuer can't be reached, it stays usable for `max_stale`. It can also be read from a file.
    """

    def __init__(
        self,
        settings: OAuthSettings,
        *,
        lifespan: float = 300,
        cooldown: float = 10,
        max_stale: float = 24 * 3600,
        timeout: float = 5,
    ) -> None:
        # PyJWKClient accepts nothing but an HTTP URL. It is not used where the key set is a file.
        url = settings.keys if isinstance(settings.keys, str) else "https://localhost"
        super().__init__(url, lifespan=lifespan, timeout=timeout)
        self._settings, self._cooldown, self._max_stale = settings, cooldown, max_stale
        self._last: jwt.PyJWKSet | None = None
        self._fetched = self._tried = -float("inf")

    @property
    def cached(self) -> jwt.PyJWKSet | None:
        """The key set, if it was fetched within its lifespan."""
        return self.jwk_set_cache.get() if self.jwk_set_cache else None

    def fetch_data(self) -> jwt.PyJWKSet:
        """Return the key set; during the cooldown, and while it can't be fetched, the last one. Without any:
        jwt.PyJWKClientError."""
        now = time.monotonic()
        if now - self._tried >= self._cooldown:
            self._tried = now
            try:
                self._last = self._usable(pydantic_core.from_json(self._download()))
                self._fetched = now
            except (OSError, ValueError, http.client.HTTPException, jwt.PyJWTError) as error:
                reason = f"{type(error).__name__}: {error}"[:200]
                logger.error("can't get the issuer's keys", extra={"reason": reason})
        if self._last is None or now - self._fetched > self._max_stale:
            raise jwt.PyJWKClientError("there is no key set that may still be used")
        return self._last

    def _download(self) -> bytes:
        source = self._settings.keys
        if isinstance(source, Path):
            with source.open("rb") as file:
                return _bounded(file.read(MAX_JWKS_BYTES + 1))
        # The CA file is read each time: it may have been replaced.
        context = ssl.create_default_context(cafile=self._settings.ca_file)
        opener = urllib.request.build_opener(_NoRedirect, urllib.request.HTTPSHandler(context=context))
        content = b""
        with opener.open(
            urllib.request.Request(source, headers={"Accept": "application/json"}), timeout=self.timeout
        ) as response:
            deadline = time.monotonic() + self.timeout
            while chunk := response.read1(65536):
                content = _bounded(content + chunk)
                if time.monotonic() > deadline:
                    raise TimeoutError("the issuer sends its key set too slowly")
        return content

    def _usable(self, content: Any) -> jwt.PyJWKSet:
        """Return a key set's public signature keys, once per accepted algorithm that they may be used with."""
        if not isinstance(content, dict) or not isinstance(content.get("keys"), list):
            raise ValueError("this is not a JSON Web Key Set")
        return jwt.PyJWKSet(
            [
                entry | {"alg": algorithm}
                for entry in content["keys"][:MAX_JWKS_KEYS]
                if isinstance(entry, dict) and entry.get("use", "sig") == "sig" and "d" not in entry
                for algorithm in self._settings.algorithms
                # A key that names no algorithm may be used with each of its type.
                if entry.get("alg", algorithm) == algorithm and entry.get("kty") == _KEY_TYPES[algorithm[:2]]
            ]
        )


def _bounded(content: bytes) -> bytes:
    if len(content) > MAX_JWKS_BYTES:
        raise ValueError(f"the key set has more than {MAX_JWKS_BYTES} bytes")
    return content


_KEY_TYPES = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
"""The key type (kty) of each family of signature algorithms."""


class OAuth:
    """Authenticate callers by their access tokens."""

    def __init__(self, settings: OAuthSettings, keys: IssuerKeys | None = None) -> None:
        self.settings = settings
        self._keys = keys or IssuerKeys(settings)
        self._fetching = asyncio.Lock()

    async def authenticate(self, token: str) -> Principal:
        """Return the caller that a token was issued to; see Authenticator."""
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise CredentialRefused("the access token is too long")
        settings = self.settings
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            raise CredentialRefused("the access token is not a JWT") from None
        kind = str(header.get("typ", "")).lower().removeprefix("application/")
        if kind not in settings.token_types:
            raise CredentialRefused(f"the access token's typ is not one of {', '.join(settings.token_types)}")
        algorithm = header.get("alg")
        if algorithm not in settings.algorithms:
            raise CredentialRefused("the access token is signed with an algorithm that is not accepted here")
        try:
            claims = jwt.decode(
                token,
                await self._key(header.get("kid"), algorithm),
                algorithms=[algorithm],
                audience=settings.resource,
                issuer=settings.issuer,
                leeway=LEEWAY,
                options={"require": ["exp", "iss", "aud"], "enforce_minimum_key_length": True},
            )
        except jwt.ExpiredSignatureError:
            raise CredentialRefused("the access token has expired") from None
        except jwt.InvalidAudienceError:
            raise CredentialRefused(f"the access token is not for {settings.resource}") from None
        except jwt.PyJWTError as error:
            raise CredentialRefused(
                f"the access token is not valid: {_REASONS.get(type(error).__name__, 'it is malformed')}"
            ) from None
        return Principal(_name(claims), _scopes(claims))

    async def _key(self, kid: str | None, algorithm: str) -> jwt.PyJWK:
        """Return the issuer's key that a token names, or raise CredentialRefused."""
        key = _match(self._keys.cached, kid, algorithm)
        if key is None:
            # PyJWKClient waits for the network: one thread at a time, however many requests need it.
            async with self._fetching:
                try:
                    key = _match(await asyncio.to_thread(self._keys.get_jwk_set, refresh=True), kid, algorithm)
                except jwt.PyJWKClientError:
                    raise CredentialRefused("this server can't get the issuer's keys: try again later", 503) from None
        if key is None:
            raise CredentialRefused("the access token is signed with a key that the issuer does not publish")
        return key


def _match(keys: jwt.PyJWKSet | None, kid: str | None, algorithm: str) -> jwt.PyJWK | None:
    """Return the one key of this ID for this algorithm; without an ID, the only key for the algorithm."""
    fitting = [k for k in keys or () if k.algorithm_name == algorithm and (kid is None or k.key_id == kid)]
    return fitting[0] if len(fitting) == 1 else None


_REASONS = {
    "InvalidKeyError": "its key is too short",
    "InvalidSignatureError": "its signature is wrong",
    "InvalidIssuerError": "another issuer issued it",
    "ImmatureSignatureError": "its time has not come yet",
    "MissingRequiredClaimError": "exp, iss or aud is missing",
}


def _name(claims: dict[str, Any]) -> str:
    """Return the client, as RFC 9068 (client_id), OpenID Connect (azp) or else the subject names it."""
    for claim in ("client_id", "azp", "sub"):
        value = claims.get(claim)
        if isinstance(value, str) and value:
            return value[:100]
    return "unnamed"


def _scopes(claims: dict[str, Any]) -> frozenset[str]:
    """Return the scopes in `scope`, separated by spaces (RFC 9068), or in `scp`, which some issuers give as a list."""
    found = claims.get("scope", claims.get("scp", ""))
    words = found.split() if isinstance(found, str) else found if isinstance(found, list) else []
    return frozenset(word for word in words if word in SCOPES)
