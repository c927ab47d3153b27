"""Settings of who may come in, and what is said of those that are wrong."""

from pathlib import Path

import pytest

from servers.common.http.auth_settings import AuthSettings, is_safe
from servers.common.settings import Environment
from tools.backends.certificates import Authority, encrypted

OAUTH = {
    "MCP_OAUTH_ISSUER": "https://issuer.example",
    "MCP_OAUTH_RESOURCE": "https://mcp.example/mcp",
    "MCP_OAUTH_JWKS_URL": "https://issuer.example/keys",
}


def read(variables: dict[str, str]) -> tuple[AuthSettings, list[str]]:
    env = Environment(variables)
    return AuthSettings.read(env), env.problems


def test_the_defaults() -> None:
    settings, problems = read({})
    assert problems == []
    assert (settings.kinds, settings.oauth, settings.tls, settings.calls_per_minute) == ([], None, None, 0)
    assert (settings.max_connections, settings.request_seconds) == (128, 30)


def test_oauth() -> None:
    settings, problems = read(OAUTH | {"MCP_OAUTH_TOKEN_TYPES": "at+jwt, application/JWT"})
    assert problems == [] and settings.oauth
    assert settings.oauth.algorithms == ("RS256", "PS256", "ES256", "EdDSA")
    assert settings.oauth.token_types == ("at+jwt", "jwt")
    assert settings.kinds == ["oauth"]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"MCP_OAUTH_JWKS_URL": "http://issuer.example/keys"}, "MCP_OAUTH_JWKS_URL: an https URL is needed"),
        ({"MCP_OAUTH_JWKS_URL": ""}, "MCP_OAUTH_JWKS_URL, MCP_OAUTH_JWKS_FILE: set one"),
        ({"MCP_OAUTH_RESOURCE": "mcp.example"}, "MCP_OAUTH_RESOURCE: an https URL"),
        ({"MCP_OAUTH_RESOURCE": ""}, "MCP_OAUTH_RESOURCE: an https URL"),
        *(
            ({"MCP_OAUTH_RESOURCE": f"https://{rest}"}, "MCP_OAUTH_RESOURCE: an https URL")
            for rest in (
                "mcp.example/ü",
                'mcp.example/"',
                "mcp.example/a b",
                "mcp.example:x/mcp",
                ":secret@mcp.example",
            )
        ),
        ({"MCP_OAUTH_ISSUER": ""}, "MCP_OAUTH_ISSUER: set it as well"),
        *(
            ({"MCP_OAUTH_ALGORITHMS": f"RS256,{name}"}, f"MCP_OAUTH_ALGORITHMS: '{name}' is not one of RS256")
            for name in ("none", "HS256", "rs256", "RSA-OAEP")
        ),
    ],
)
def test_oauth_that_can_not_be_used(changes: dict[str, str], problem: str) -> None:
    _, problems = read(OAUTH | changes)
    assert len(problems) == 1 and problems[0].startswith(problem)


@pytest.mark.parametrize("name", ["ALGORITHMS", "TOKEN_TYPES", "RESOURCE", "JWKS_URL"])
def test_a_part_of_oauth_lets_nobody_in(name: str) -> None:
    assert read({f"MCP_OAUTH_{name}": "RS256"})[1] == ["MCP_OAUTH_ISSUER: set it as well"]


def test_one_way_to_come_in(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("secret-0123456789")
    _, problems = read(OAUTH | {"MCP_AUTH_TOKEN_FILE": str(token)})
    assert problems == ["MCP_AUTH_TOKEN_FILE, MCP_AUTH_TOKENS_FILE, MCP_OAUTH_ISSUER: set one of them alone"]


def test_token_files_are_looked_at_at_start(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text("secret-0123456789")
    _, problems = read({"MCP_AUTH_TOKENS_FILE": str(file)})
    assert problems == [f"MCP_AUTH_TOKENS_FILE: '{file}' line 1 is not NAME SCOPES TOKEN"]
    file.write_text("")
    _, problems = read({"MCP_AUTH_TOKEN_FILE": str(file)})
    assert problems == [f"MCP_AUTH_TOKEN_FILE: '{file}' is empty"]


def test_tls_needs_both_files(tmp_path: Path) -> None:
    certificate, key = Authority(tmp_path).issue("server")
    _, problems = read({"MCP_TLS_CERT_FILE": str(certificate), "MCP_TLS_KEY_FILE": str(encrypted(key, "canary"))})
    assert problems == ["MCP_TLS_KEY_FILE: the key is encrypted: give one without a password"]
    file = tmp_path / "x.pem"
    file.write_text("x")
    _, problems = read({"MCP_TLS_CERT_FILE": str(file)})
    assert problems == ["MCP_TLS_CERT_FILE, MCP_TLS_KEY_FILE: TLS needs both"]
    _, problems = read({"MCP_TLS_CERT_FILE": str(file), "MCP_TLS_KEY_FILE": str(file)})
    assert problems == ["MCP_TLS_CERT_FILE, MCP_TLS_KEY_FILE: they are not a certificate and its key in PEM"]


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://issuer.example/keys", True),
        ("http://localhost:8080/keys", True),
        ("http://[::1]/keys", True),
        ("http://issuer.example/keys", False),
        ("http://localhost@evil.example/keys", False),
        ("https://user:pass@issuer.example/keys", False),
        ("file:///etc/passwd", False),
        ("https://", False),
        ("https://[", False),
        ("", False),
    ],
)
def test_where_keys_may_come_from(url: str, safe: bool) -> None:
    assert is_safe(url) is safe
