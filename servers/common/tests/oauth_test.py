"""Access tokens that are accepted and refused, and the keys that verify them, fetched from a real HTTPS issuer."""

import asyncio
import base64
import dataclasses
import hashlib
import hmac
import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import RSAAlgorithm

from servers.common.http.auth_settings import OAuthSettings
from servers.common.http.oauth import MAX_JWKS_BYTES, IssuerKeys, OAuth
from servers.common.http.principal import READ, WRITE, CredentialRefused, Principal
from tools.backends.certificates import Authority
from tools.backends.http_server import Handler
from tools.backends.issuer import RESOURCE, Fault, Issuer, public_jwk

RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
STRANGER = rsa.generate_private_key(65537, 2048)

SET = {"keys": [public_jwk(RSA, kid="rsa"), public_jwk(EC, "ES256", kid="ec"), public_jwk(ED, "EdDSA", kid="ed")]}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    with Issuer(tmp_path_factory.mktemp("issuer")) as issuer:
        issuer.key = RSA
        yield issuer


@pytest.fixture
def issuer(server: Issuer) -> Issuer:
    server.keys, server.requests, server.fault = SET, 0, None
    return server


def settings(issuer: Issuer, **changes: Any) -> OAuthSettings:
    algorithms = ("RS256", "PS256", "ES256", "EdDSA")
    found = OAuthSettings(issuer.url, RESOURCE, issuer.url + "/keys", algorithms, ("at+jwt",), issuer.ca_file)
    return dataclasses.replace(found, **changes)


def token(
    issuer: Issuer, key: Any = RSA, algorithm: str = "RS256", kid: str | None = "rsa", typ: str = "at+jwt", **more: Any
) -> str:
    return issuer.token(key, algorithm, kid, typ, **more)


def accept(issuer: Issuer, text: str) -> Principal:
    return asyncio.run(OAuth(settings(issuer)).authenticate(text))


def refuse(issuer: Issuer, text: str) -> CredentialRefused:
    with pytest.raises(CredentialRefused) as refused:
        accept(issuer, text)
    assert text not in str(refused.value)
    return refused.value


@pytest.mark.parametrize(
    ("changes", "name", "scopes"),
    [
        ({}, "assistant", {READ}),
        ({"algorithm": "PS256"}, "assistant", {READ}),
        ({"key": EC, "algorithm": "ES256", "kid": "ec"}, "assistant", {READ}),
        ({"key": ED, "algorithm": "EdDSA", "kid": "ed"}, "assistant", {READ}),
        ({"kid": None}, "assistant", {READ}),
        ({"aud": ["https://other.example", RESOURCE], "typ": "application/at+jwt"}, "assistant", {READ}),
        ({"scope": "mcp:write mcp:read other"}, "assistant", {READ, WRITE}),
        ({"scope": None, "scp": ["mcp:read", 7]}, "assistant", {READ}),
        *(({"scope": none}, "assistant", set()) for none in (None, 7, "mcp:reader MCP:READ")),
        ({"client_id": None, "azp": "web"}, "web", {READ}),
        ({"client_id": None}, "person", {READ}),
        ({"client_id": None, "sub": None}, "unnamed", {READ}),
        ({"client_id": "x" * 500}, "x" * 100, {READ}),
    ],
)
def test_tokens_that_are_accepted(issuer: Issuer, changes: dict[str, Any], name: str, scopes: set[str]) -> None:
    assert accept(issuer, token(issuer, **changes)) == Principal(name, frozenset(scopes))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iss": "https://evil.example"}, "another issuer issued it"),
        ({"iss": "ISSUER/"}, "another issuer issued it"),
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
        ({"kid": "ec"}, "does not publish"),
        ({"key": ED, "algorithm": "EdDSA"}, "does not publish"),
        ({"key": STRANGER}, "signature is wrong"),
        ({"algorithm": "RS512"}, "algorithm that is not accepted"),
    ],
)
def test_tokens_that_are_refused(issuer: Issuer, changes: dict[str, Any], reason: str) -> None:
    changes = {name: issuer.url + "/" if value == "ISSUER/" else value for name, value in changes.items()}
    refused = refuse(issuer, token(issuer, **changes))
    assert refused.status == 401 and re.search(reason, str(refused))


def part(value: Any) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def test_no_signature_is_not_enough(issuer: Issuer) -> None:
    for algorithm in ("none", "None", "NONE", "", None, 7, ["RS256"]):
        body = part({"alg": algorithm, "typ": "at+jwt", "kid": "rsa"}) + "." + part(issuer.claims())
        for signature in ("", part(b"x")):
            assert refuse(issuer, f"{body}.{signature}").status == 401


def test_a_public_key_is_not_a_shared_secret(issuer: Issuer) -> None:
    """The confusion of RFC 8725, 2.1: HMAC with the bytes of the public key, which everybody has."""
    pem = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for algorithm, digest in (("HS256", hashlib.sha256), ("HS512", hashlib.sha512)):
        for secret in (pem, json.dumps(SET["keys"][0]).encode()):
            body = part({"alg": algorithm, "typ": "at+jwt", "kid": "rsa"}) + "." + part(issuer.claims())
            signature = part(hmac.new(secret, body.encode(), digest).digest())
            assert "algorithm" in str(refuse(issuer, f"{body}.{signature}"))


def test_a_key_in_the_token_is_not_used(issuer: Issuer) -> None:
    """RFC 8725, 3.10: jwk, jku and x5u of the header are an attacker's to choose."""
    headers = {"jwk": public_jwk(STRANGER), "jku": "https://evil.example/keys"}
    assert "does not publish" in str(refuse(issuer, token(issuer, STRANGER, kid="mine", headers=headers)))


@pytest.mark.parametrize("text", ["", "x", "a.b", "a.b.c", "....", "é.é.é", "x" * 20_000, f"{part({})}.{part({})}."])
def test_text_that_is_not_a_token(issuer: Issuer, text: str) -> None:
    with pytest.raises(CredentialRefused) as refused:
        accept(issuer, text)
    assert refused.value.status == 401


def test_a_token_that_was_changed(issuer: Issuer) -> None:
    header, _, signature = token(issuer).split(".")
    changed = part(issuer.claims(scope="mcp:write"))
    assert "signature" in str(refuse(issuer, f"{header}.{changed}.{signature}"))


@pytest.mark.parametrize(
    "entry",
    [
        {"kty": "oct", "k": part(b"x" * 64), "kid": "rsa", "alg": "HS256"},
        {"kty": "oct", "k": part(b"x" * 64), "kid": "rsa"},
        public_jwk(RSA, kid="rsa") | {"use": "enc"},
        public_jwk(RSA, kid="rsa", alg="RS512"),
        RSAAlgorithm.to_jwk(RSA, as_dict=True) | {"kid": "rsa"},
        {"kty": "RSA", "kid": "rsa", "n": "!", "e": "AQAB"},
        7,
    ],
    ids=["symmetric", "of any use", "for encryption", "for another algorithm", "private", "broken", "no object"],
)
def test_keys_that_are_not_used(issuer: Issuer, entry: Any) -> None:
    issuer.keys = {"keys": [entry, public_jwk(EC, "ES256", kid="ec")]}
    assert "does not publish" in str(refuse(issuer, token(issuer)))


def test_a_key_that_is_too_short(issuer: Issuer) -> None:
    weak = rsa.generate_private_key(65537, 1024)
    issuer.keys = {"keys": [public_jwk(weak, kid="rsa")]}
    with pytest.warns(UserWarning, match="1024 bits"):
        text = token(issuer, weak)
    assert "its key is too short" in str(refuse(issuer, text))


def test_a_token_that_names_none_of_two_keys(issuer: Issuer) -> None:
    issuer.keys = {"keys": [public_jwk(RSA, kid="a"), public_jwk(STRANGER, kid="b")]}
    assert "does not publish" in str(refuse(issuer, token(issuer, kid=None))), "which of two is not for us to guess"


async def test_keys_are_fetched_once_and_again_for_a_new_one(issuer: Issuer) -> None:
    oauth = OAuth(settings(issuer), IssuerKeys(settings(issuer), cooldown=0))
    await asyncio.gather(*(oauth.authenticate(token(issuer)) for _ in range(20)))
    first = issuer.requests
    assert first >= 1
    await oauth.authenticate(token(issuer))
    assert issuer.requests == first
    # The issuer rotates: the new key is there at the first token that names it.
    issuer.keys = {"keys": [public_jwk(STRANGER, kid="new")]}
    await oauth.authenticate(token(issuer, STRANGER, kid="new"))
    assert issuer.requests == first + 1
    with pytest.raises(CredentialRefused, match="does not publish"):
        await oauth.authenticate(token(issuer))


async def test_keys_are_fetched_again_after_their_lifespan(issuer: Issuer) -> None:
    oauth = OAuth(settings(issuer), IssuerKeys(settings(issuer), cooldown=0, lifespan=1e-9))
    await oauth.authenticate(token(issuer))
    issuer.keys = {"keys": [public_jwk(STRANGER, kid="new")]}
    with pytest.raises(CredentialRefused, match="does not publish"):
        await oauth.authenticate(token(issuer))


async def test_unknown_keys_do_not_flood_the_issuer(issuer: Issuer) -> None:
    # As by default, with a cooldown that the slowest machine does not outlast.
    oauth = OAuth(settings(issuer), IssuerKeys(settings(issuer), cooldown=3600))
    await asyncio.gather(*(oauth.authenticate(token(issuer)) for _ in range(20)))
    for number in range(50):
        with pytest.raises(CredentialRefused):
            await oauth.authenticate(token(issuer, kid=f"guess-{number}"))
    assert issuer.requests == 1


async def unavailable(oauth: OAuth, issuer: Issuer) -> None:
    """Check that a good token is refused because there are no keys."""
    with pytest.raises(CredentialRefused) as refused:
        await oauth.authenticate(token(issuer))
    assert refused.value.status == 503


def redirect(handler: Handler) -> None:
    handler.respond(b"", 302, {"Location": "/other"})


def closed(handler: Handler) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)


def never_ending(handler: Handler) -> None:
    """Send bytes, slowly, until the other side ends the connection."""
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b" ")
            time.sleep(0.02)
    except OSError:
        handler.close_connection = True


def body(content: bytes) -> Fault:
    return lambda handler: handler.respond(content)


FAULTS: dict[str, Fault] = {
    "another status": lambda handler: handler.respond(json.dumps(SET).encode(), 503),
    "a redirect": redirect,
    "a connection that breaks": closed,
    "an end before its length": lambda handler: handler.respond(b"{}", headers={"Content-Length": "1000"}),
    "more than the limit": body(json.dumps(SET).encode() + b" " * MAX_JWKS_BYTES),
    "half of JSON": body(b"{"),
    "JSON that is too deep": body(b"[" * 200_000),
    "another type": body(b"[]"),
    "no key": body(b'{"keys":[]}'),
    "keys of another type": body(b'{"keys":7}'),
    "not UTF-8": body(b"\xff"),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_an_issuer_that_fails(issuer: Issuer, fault: str) -> None:
    found = settings(issuer)
    issuer.fault = FAULTS[fault]
    oauth = OAuth(found, IssuerKeys(found, cooldown=0, lifespan=1e-9, timeout=60))
    await unavailable(oauth, issuer)
    # It recovers and fails again: the keys that were fetched stay usable.
    issuer.fault = None
    await oauth.authenticate(token(issuer))
    issuer.fault = FAULTS[fault]
    before = issuer.requests
    await oauth.authenticate(token(issuer))
    assert issuer.requests == before + 1


async def test_an_issuer_that_never_ends_its_answer(issuer: Issuer) -> None:
    issuer.fault = never_ending
    await unavailable(OAuth(settings(issuer), IssuerKeys(settings(issuer), timeout=0.5)), issuer)


async def test_stale_keys_are_not_usable_for_ever(issuer: Issuer) -> None:
    oauth = OAuth(settings(issuer), IssuerKeys(settings(issuer), cooldown=0, lifespan=1e-9, max_stale=0))
    await oauth.authenticate(token(issuer))
    issuer.fault = redirect
    await unavailable(oauth, issuer)


async def test_an_issuer_with_a_certificate_that_is_not_trusted(issuer: Issuer, tmp_path: Path) -> None:
    for ca_file in (Authority(tmp_path).file, None):
        await unavailable(OAuth(settings(issuer, ca_file=ca_file)), issuer)
    assert issuer.requests == 0


async def test_keys_from_a_file(issuer: Issuer, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    found = settings(issuer, keys=file)
    oauth = OAuth(found, IssuerKeys(found, cooldown=0))
    for content in (None, "{", json.dumps(SET) + " " * MAX_JWKS_BYTES):
        if content is not None:
            file.write_text(content)
        await unavailable(oauth, issuer)
    file.write_text(json.dumps(SET))
    await oauth.authenticate(token(issuer))
    file.write_text(json.dumps({"keys": [public_jwk(STRANGER, kid="new")]}))
    await oauth.authenticate(token(issuer, STRANGER, kid="new"))
    assert issuer.requests == 0


def test_metadata() -> None:
    found = OAuthSettings("https://issuer.example", RESOURCE, "unused", ("RS256",), ("at+jwt",), None)
    assert found.metadata("Redis") == {
        "resource": RESOURCE, "resource_name": "Redis", "authorization_servers": ["https://issuer.example"],
        "scopes_supported": ["mcp:read", "mcp:write"], "bearer_methods_supported": ["header"],
    }  # fmt: skip
    assert found.metadata_url == "https://mcp.example/.well-known/oauth-protected-resource/mcp"
    bare = dataclasses.replace(found, resource="https://mcp.example:8443")
    assert bare.metadata_url == "https://mcp.example:8443/.well-known/oauth-protected-resource"
