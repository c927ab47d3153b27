"""Access tokens: which are accepted, and the keys that they are checked with."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import hashlib
import hmac
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from servers.common.auth_settings import OAuthSettings
from servers.common.oauth import FRESH, PAUSE, STALE, Keys, OAuth
from servers.common.principal import READ, WRITE, CredentialRefused, Principal

ISSUER, RESOURCE = "https://issuer.example", "https://mcp.example/mcp"
SETTINGS = OAuthSettings(ISSUER, RESOURCE, "unused", ("RS256", "PS256", "ES256", "EdDSA"), ("at+jwt",), None)

RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
STRANGER = rsa.generate_private_key(65537, 2048)


def public(key: Any, kid: str | None = None, **more: str) -> dict[str, Any]:
    """A key as a set of keys has it."""
    kinds: dict[type, Any] = {rsa.RSAPrivateKey: RSAAlgorithm, ec.EllipticCurvePrivateKey: ECAlgorithm}
    algorithm = next((a for kind, a in kinds.items() if isinstance(key, kind)), OKPAlgorithm)
    found: dict[str, Any] = algorithm.to_jwk(key.public_key(), as_dict=True)
    return found | ({"kid": kid} if kid else {}) | {"use": "sig"} | more


SET = {"keys": [public(RSA, "rsa"), public(EC, "ec"), public(ED, "ed")]}


class Issuer:
    """Publishes a set of keys, and counts how often it is asked."""

    def __init__(self, content: Any = SET) -> None:
        self.content, self.asked, self.now = content, 0, 1000.0

    async def fetch(self) -> bytes:
        self.asked += 1
        if isinstance(self.content, Exception):
            raise self.content
        return self.content if isinstance(self.content, bytes) else json.dumps(self.content).encode()

    def oauth(self, settings: OAuthSettings = SETTINGS) -> OAuth:
        return OAuth(settings, Keys(self.fetch, settings.algorithms, lambda: self.now))


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    found = {
        "iss": ISSUER,
        "aud": RESOURCE,
        "exp": now + 300,
        "iat": now,
        "sub": "person",
        "client_id": "assistant",
        "scope": "openid mcp:read",
    } | changes
    return {name: value for name, value in found.items() if value is not None}


def token(
    key: Any = RSA, algorithm: str = "RS256", kid: str | None = "rsa", typ: str = "at+jwt", **changes: Any
) -> str:
    headers = {"typ": typ} | ({"kid": kid} if kid else {})
    return jwt.encode(claims(**changes), key, algorithm, headers)


def accept(text: str, issuer: Issuer | None = None, settings: OAuthSettings = SETTINGS) -> Principal:
    return asyncio.run((issuer or Issuer()).oauth(settings).authenticate(text))


def refuse(text: str, **more: Any) -> CredentialRefused:
    with pytest.raises(CredentialRefused) as refused:
        accept(text, **more)
    assert text not in str(refused.value)
    return refused.value


@pytest.mark.parametrize(
    ("key", "algorithm", "kid"),
    [(RSA, "RS256", "rsa"), (RSA, "PS256", "rsa"), (EC, "ES256", "ec"), (ED, "EdDSA", "ed")],
)
def test_signatures_that_are_accepted(key: Any, algorithm: str, kid: str) -> None:
    assert accept(token(key, algorithm, kid)) == Principal("assistant", frozenset({READ}))


@pytest.mark.parametrize(
    ("changes", "scopes"),
    [
        ({"scope": "mcp:write mcp:read other"}, {READ, WRITE}),
        ({"scope": None, "scp": ["mcp:read", 7]}, {READ}),
        ({"scope": None}, set()),
        ({"scope": 7}, set()),
        ({"scope": "mcp:reader MCP:READ"}, set()),
    ],
)
def test_scopes(changes: dict[str, Any], scopes: set[str]) -> None:
    assert accept(token(**changes)).scopes == scopes


@pytest.mark.parametrize(
    ("changes", "name"),
    [({}, "assistant"), ({"client_id": None, "azp": "web"}, "web"), ({"client_id": None}, "person"),
     ({"client_id": None, "sub": None}, "unnamed"), ({"client_id": "x" * 500}, "x" * 100)],
)  # fmt: skip
def test_who_it_is(changes: dict[str, Any], name: str) -> None:
    assert accept(token(**changes)).name == name


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iss": "https://evil.example"}, "another issuer's"),
        ({"iss": ISSUER + "/"}, "another issuer's"),
        ({"iss": None}, "missing"),
        ({"aud": "https://other.example/mcp"}, f"not for {RESOURCE}"),
        ({"aud": RESOURCE + "/"}, f"not for {RESOURCE}"),
        ({"aud": None}, "not for|missing"),
        ({"exp": int(time.time()) - 3600}, "expired"),
        ({"exp": None}, "missing"),
        ({"exp": "soon"}, "not valid"),
        ({"nbf": int(time.time()) + 3600}, "time has not come"),
        ({"typ": "JWT"}, "typ is not one of at[+]jwt"),
        ({"typ": "id_token+jwt"}, "typ is not"),
        ({"kid": "unknown"}, "does not publish"),
        ({"key": STRANGER}, "signature is wrong"),
        ({"algorithm": "RS512"}, "algorithm that is not accepted"),
    ],
)
def test_tokens_that_are_refused(changes: dict[str, Any], reason: str) -> None:
    refused = refuse(token(**changes))
    assert refused.status == 401
    with pytest.raises(CredentialRefused, match=reason):
        raise refused


def test_several_audiences_and_the_long_form_of_typ() -> None:
    accept(token(aud=["https://other.example", RESOURCE], typ="application/at+jwt"))


def part(value: Any) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def test_no_signature_is_not_enough() -> None:
    for algorithm in ("none", "None", "NONE", "", None, 7, ["RS256"]):
        body = part({"alg": algorithm, "typ": "at+jwt", "kid": "rsa"}) + "." + part(claims())
        for signature in ("", part(b"x")):
            assert refuse(f"{body}.{signature}").status == 401


def test_a_public_key_is_no_shared_secret() -> None:
    """The confusion of RFC 8725, 2.1: HMAC with the bytes of the public key, which everybody has."""
    pem = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for algorithm, digest in (("HS256", hashlib.sha256), ("HS512", hashlib.sha512)):
        for secret in (pem, json.dumps(public(RSA, "rsa")).encode()):
            body = part({"alg": algorithm, "typ": "at+jwt", "kid": "rsa"}) + "." + part(claims())
            signature = part(hmac.new(secret, body.encode(), digest).digest())
            assert "algorithm" in str(refuse(f"{body}.{signature}"))


def test_a_key_of_the_tokens_own_is_not_used() -> None:
    """RFC 8725, 3.10: jwk, jku and x5u of the header are an attacker's to choose."""
    headers = {"typ": "at+jwt", "kid": "mine", "jwk": public(STRANGER), "jku": "https://evil.example/keys"}
    assert "does not publish" in str(refuse(jwt.encode(claims(), STRANGER, "RS256", headers)))


def test_an_algorithm_of_another_kind_of_key() -> None:
    assert "does not publish" in str(refuse(token(RSA, "RS256", kid="ec")))
    assert "does not publish" in str(refuse(token(ED, "EdDSA", kid="rsa")))


@pytest.mark.parametrize(
    "text", ["", "x", "a.b", "a.b.c", "....", "é.é.é", "x" * 20_000, part({}) + "." + part({}) + "."]
)
def test_what_is_no_token(text: str) -> None:
    with pytest.raises(CredentialRefused) as refused:
        accept(text)
    assert refused.value.status == 401


def test_a_token_that_was_changed() -> None:
    good = token()
    header, _, signature = good.split(".")
    changed = part(claims(scope="mcp:write"))
    assert "signature" in str(refuse(f"{header}.{changed}.{signature}"))


@pytest.mark.parametrize(
    "entry",
    [
        public(rsa.generate_private_key(65537, 1024), "rsa"),
        {"kty": "oct", "k": part(b"x" * 64), "kid": "rsa", "alg": "HS256"},
        public(RSA, "rsa") | {"use": "enc"},
        public(RSA, "rsa", alg="RS512"),
        RSAAlgorithm.to_jwk(RSA, as_dict=True) | {"kid": "rsa"},
        {"kty": "RSA", "kid": "rsa", "n": "!", "e": "AQAB"},
        7,
    ],
    ids=["weak", "symmetric", "for encryption", "for another algorithm", "private", "broken", "no object"],
)
def test_keys_that_are_not_used(entry: Any) -> None:
    assert refuse(token(), issuer=Issuer({"keys": [entry, public(EC, "ec")]})).status == 401


def test_a_token_that_names_no_key() -> None:
    accept(token(kid=None))
    assert "does not publish" in str(
        refuse(token(kid=None), issuer=Issuer({"keys": [public(RSA, "a"), public(STRANGER, "b")]}))
    ), "which of two is not for us to guess"


def test_keys_are_fetched_once_and_again_for_one_that_is_new() -> None:
    async def main() -> None:
        issuer = Issuer()
        oauth = issuer.oauth()
        await asyncio.gather(*(oauth.authenticate(token()) for _ in range(20)))
        assert issuer.asked == 1
        # The issuer rotates: the new key is there at the first token that names it.
        issuer.content = {"keys": [public(STRANGER, "new")]}
        issuer.now += PAUSE + 1
        await oauth.authenticate(token(STRANGER, kid="new"))
        assert issuer.asked == 2
        with pytest.raises(CredentialRefused, match="does not publish"):
            await oauth.authenticate(token())

    asyncio.run(main())


def test_unknown_keys_do_not_flood_the_issuer() -> None:
    async def main() -> None:
        issuer = Issuer()
        oauth = issuer.oauth()
        for number in range(100):
            with pytest.raises(CredentialRefused):
                await oauth.authenticate(token(kid=f"guess-{number}"))
        assert issuer.asked == 1

    asyncio.run(main())


@pytest.mark.parametrize("failure", [OSError("no route"), b"{", b"[]", b'{"keys":[]}', b'{"keys":7}', b"\xff"])
def test_an_issuer_that_is_away(failure: Any) -> None:
    async def main() -> None:
        issuer = Issuer(failure)
        oauth = issuer.oauth()
        with pytest.raises(CredentialRefused) as refused:
            await oauth.authenticate(token())
        assert refused.value.status == 503
        # It comes, and goes again: the keys that are known go on for a day.
        issuer.content = SET
        issuer.now += PAUSE + 1
        await oauth.authenticate(token())
        issuer.content = failure
        issuer.now += FRESH + 1
        await oauth.authenticate(token())
        assert issuer.asked == 3
        issuer.now += STALE
        with pytest.raises(CredentialRefused):
            await oauth.authenticate(token())

    asyncio.run(main())


def test_metadata() -> None:
    assert SETTINGS.metadata("Redis") == {
        "resource": RESOURCE,
        "resource_name": "Redis",
        "authorization_servers": [ISSUER],
        "scopes_supported": ["mcp:read", "mcp:write"],
        "bearer_methods_supported": ["header"],
    }
    assert SETTINGS.metadata_url == "https://mcp.example/.well-known/oauth-protected-resource/mcp"
    bare = dataclasses.replace(SETTINGS, resource="https://mcp.example:8443")
    assert bare.metadata_url == "https://mcp.example:8443/.well-known/oauth-protected-resource"
