"""OAuth 2.1 resource server: access tokens that are JWTs of one issuer for this server, checked with its published keys.

RFC 9068 (JWT access tokens), RFC 8725 (how to check a JWT), RFC 7517 (sets of keys), RFC 9728 (metadata of the resource) and
the MCP specification's authorization chapter
(https://modelcontextprotocol.io/specification/2025-11-25/basic/authorization). Tokens are never handed on to a store.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
import time
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from servers.common.auth_settings import OAuthSettings
from servers.common.principal import SCOPES, CredentialRefused, Principal

logger = logging.getLogger(__name__)

LEEWAY = 30
"""Seconds that clocks may differ."""

FRESH = 300.0
"""Seconds after which keys are fetched again."""

STALE = 24 * 3600.0
"""Seconds that keys are used for while the issuer can't be reached."""

PAUSE = 10.0
"""Least seconds between two fetches, whatever tokens come: an unknown key must not become a way to flood the issuer."""

MOST_BYTES = 256 * 1024
LONGEST = 16 * 1024


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def _download(source: str | Path, ca_file: Path | None) -> bytes:
    if isinstance(source, Path):
        return source.read_bytes()
    context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    opener = urllib.request.build_opener(_NoRedirect, urllib.request.HTTPSHandler(context=context))
    with opener.open(urllib.request.Request(source, headers={"Accept": "application/json"}), timeout=5) as answer:
        content: bytes = answer.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError("the set of keys is too long")
    return content


Fetch = Callable[[], Awaitable[bytes]]


class Keys:
    """The issuer's keys: fetched when they are first needed, again from time to time, and when a token names one that is not
    among them.

    Args:
        fetch: gets the JSON of the key set
        algorithms: that keys may be for
        clock: seconds that only go forward
    """

    def __init__(self, fetch: Fetch, algorithms: tuple[str, ...], clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch, self._algorithms, self._clock = fetch, algorithms, clock
        self._keys: list[Any] = []
        self._fetched = self._tried = -float("inf")
        self._lock = asyncio.Lock()

    async def find(self, kid: str | None, algorithm: str) -> Any:
        """The key that a token names, for its algorithm; None where there is no such key.

        Raises:
            CredentialRefused: there are no keys that could still be used.
        """
        if self._clock() - self._fetched > FRESH or not (key := self._match(kid, algorithm)):
            await self._refresh()
            key = self._match(kid, algorithm)
        if self._clock() - self._fetched > STALE:
            raise CredentialRefused("this server can't get the issuer's keys: try again later", 503)
        return key

    def _match(self, kid: str | None, algorithm: str) -> Any:
        fitting = [key for key in self._keys if key.algorithm_name == algorithm and (kid is None or key.key_id == kid)]
        return fitting[0] if len(fitting) == 1 else None

    async def _refresh(self) -> None:
        async with self._lock:
            if self._clock() - self._tried < PAUSE:
                return  # another request has just done it
            self._tried = self._clock()
            try:
                self._keys = _usable(json.loads(await self._fetch()), self._algorithms)
                self._fetched = self._clock()
            except (OSError, ValueError) as error:
                logger.error(
                    "the issuer's keys can't be had", extra={"reason": f"{type(error).__name__}: {error}"[:200]}
                )


def _usable(content: Any, algorithms: tuple[str, ...]) -> list[Any]:
    """The keys of a set that signatures may be checked with: public, strong enough, for an accepted algorithm.

    Raises:
        ValueError: it is no set of keys, or none of them is of use.
    """
    from jwt import PyJWK
    from jwt.exceptions import PyJWTError

    if not isinstance(content, dict) or not isinstance(content.get("keys"), list):
        raise ValueError("no set of keys")
    found: list[Any] = []
    for entry in content["keys"][:100]:
        if (
            not isinstance(entry, dict)
            or entry.get("use", "sig") != "sig"
            or entry.get("kty") not in ("RSA", "EC", "OKP")
        ):
            continue
        # An RSA key that names no algorithm may be used with each of its kind.
        names = [entry["alg"]] if "alg" in entry else [a for a in algorithms if _KINDS[a[:2]] == entry["kty"]]
        for name in names:
            if name not in algorithms or "d" in entry:
                continue
            try:
                key = PyJWK(entry, algorithm=name)
            except PyJWTError:
                continue
            if getattr(key.key, "key_size", 0) >= 2048 or entry["kty"] != "RSA":
                found.append(key)
    if not found:
        raise ValueError("no key of the set is of use")
    return found


_KINDS = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}


class OAuth:
    """Tells who an access token was given to."""

    def __init__(self, settings: OAuthSettings, keys: Keys | None = None) -> None:
        async def fetch() -> bytes:
            return await asyncio.to_thread(_download, settings.keys, settings.ca_file)

        self.settings = settings
        self._keys = keys or Keys(fetch, settings.algorithms)

    async def authenticate(self, token: str) -> Principal:
        """The caller that a token was given to; see Authenticator."""
        import jwt

        if len(token) > LONGEST:
            raise CredentialRefused("the access token is too long")
        settings = self.settings
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            raise CredentialRefused("the access token is no JWT") from None
        kind = str(header.get("typ", "")).lower().removeprefix("application/")
        if kind not in settings.token_types:
            raise CredentialRefused(f"the access token's typ is not one of {', '.join(settings.token_types)}")
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm not in settings.algorithms:
            raise CredentialRefused("the access token is signed by an algorithm that is not accepted here")
        key = await self._keys.find(kid, algorithm)
        if key is None:
            raise CredentialRefused("the access token is signed by a key that the issuer does not publish")
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=settings.resource,
                issuer=settings.issuer,
                leeway=LEEWAY,
                options={"require": ["exp", "iss", "aud"]},
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


_REASONS = {
    "InvalidSignatureError": "its signature is wrong",
    "InvalidIssuerError": "it is another issuer's",
    "ImmatureSignatureError": "its time has not come yet",
    "MissingRequiredClaimError": "exp, iss or aud is missing",
}


def _name(claims: dict[str, Any]) -> str:
    """The client, as RFC 9068 (client_id), OpenID Connect (azp) or else the subject names it."""
    for claim in ("client_id", "azp", "sub"):
        value = claims.get(claim)
        if isinstance(value, str) and value:
            return value[:100]
    return "unnamed"


def _scopes(claims: dict[str, Any]) -> frozenset[str]:
    """Of `scope`, words with blanks between (RFC 9068), or of `scp`, which some issuers give as a list."""
    found = claims.get("scope", claims.get("scp", ""))
    words = found.split() if isinstance(found, str) else found if isinstance(found, list) else []
    return frozenset(word for word in words if word in SCOPES)
