"""Both servers with secrets that can be recognised, through every kind of failure: none is seen anywhere but in its file."""

import base64
import json
import re
import socket
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from servers.elasticsearch.tests.fakes import ROOT, Answer, FakeNode, Request, failure
from tools.backends.redis import RedisServer
from tools.backends.runfiles import program
from tools.backends.sidecar import Sidecar, message, refused
from tools.images.layout import Image

CANARY = "canary-9e1c77"


def canary(name: str) -> str:
    return f"{CANARY}-{name}"


def forms(secret: str) -> Iterator[bytes]:
    """A secret as it might be written: itself, in base64 at each of the three offsets, in hexadecimal."""
    raw = secret.encode()
    yield raw
    yield raw.hex().encode()
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + raw)
        yield encoded[4 if offset else 0 : len(encoded) // 4 * 4 - 4]


SEEN = [*forms(CANARY)]


def clean(what: str, content: bytes | str) -> None:
    found = content if isinstance(content, bytes) else content.encode("utf-8", "surrogateescape")
    for form in SEEN:
        assert form not in found, f"a secret is in {what}: {found[max(0, found.find(form) - 200) :][:400]!r}"


def secret(folder: Path, name: str, content: str = "") -> str:
    """Write a file with a secret, and return its path."""
    path = folder / "secrets" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text((content or canary(name)) + "\n")
    return str(path)


def provoke(sidecar: Sidecar, token: str, tools: list[dict[str, Any]]) -> None:
    """Calls that fail in each way, and looks at all that comes back."""
    good = {"Authorization": f"Bearer {token}"}
    bad = {"Authorization": f"Bearer {canary('guess')}"}
    basic = {"Authorization": "Basic " + base64.b64encode(f"user:{CANARY}".encode()).decode()}
    messages = [
        message("tools/list"),
        *(message("tools/call", **call) for call in tools),
        message("tools/call", name="no_such_tool"),
        message("no/such/method"),
        message("resources/read", uri="x://y"),
        b"{",
        b"[]",
        b"\xff",
    ]
    for headers in (good, bad, basic, {}, good | {"Host": "evil.example"}, good | {"Origin": "http://evil.example"}):
        for sent in messages:
            clean("an answer", json.dumps(sidecar.post(sent, headers)[1]))
    for path in ("/health", "/ready", "/metrics", "/nothing", f"/mcp?access_token={CANARY}"):
        clean(path, sidecar.get(path, good)[1])
    for request in (
        b"GARBAGE " + CANARY.encode() + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nAuthorization" + CANARY.encode() + b"\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", sidecar.port), timeout=600) as connection:
            connection.sendall(request)
            clean("the answer to garbage", connection.recv(10_000))


def look(sidecar: Sidecar) -> None:
    """At everything that others on the machine, or in the cluster, can see of a running server."""
    for pid in sidecar.processes():
        for name in ("cmdline", "environ", "comm", "status"):
            clean(f"/proc/{name}", Path(f"/proc/{pid}/{name}").read_bytes())
    clean("the log", sidecar.log.read_bytes())


def test_redis(tmp_path: Path) -> None:
    with RedisServer(password=canary("redis")) as server, ExitStack() as stack:
        base = server.address | {
            "REDIS_SENTINEL_PASSWORD_FILE": secret(tmp_path, "sentinel"),
            "MCP_AUTH_TOKENS_FILE": secret(tmp_path, "tokens", f"reader read,write {canary('reader')}"),
            "MCP_ALLOW_WRITES": "true",
            "MCP_LOG_LEVEL": "debug",
        }
        calls = [
            {"name": "redis_info", "arguments": {}},
            {"name": "redis_read", "arguments": {"key": "absent"}},
            {"name": "redis_diagnose", "arguments": {}},
            {"name": "redis_command", "arguments": {"command": ["CONFIG", "GET", "requirepass"]}},
            {"name": "redis_command", "arguments": {"command": ["ACL", "LIST"]}},
            {"name": "redis_write", "arguments": {"key": "k", "value": 7}},
        ]
        for password in (canary("redis"), canary("wrong")):
            file = secret(tmp_path, "password", password)
            sidecar = stack.enter_context(Sidecar("servers.redis", base | {"REDIS_PASSWORD_FILE": file}, tmp_path, ready=False))
            wanted = '"state":"up"' if password == canary("redis") else "refuses our login"
            sidecar.wait_until(lambda s=sidecar, w=wanted: w in s.get("/health")[1])  # type: ignore[misc]
            provoke(sidecar, canary("reader"), calls)
            look(sidecar)
        # The store goes away, and the secrets do.
        server.stop()
        sidecar.wait_until(lambda: "can't be reached" in sidecar.get("/health")[1])
        for path in (tmp_path / "secrets").iterdir():
            path.unlink()
        provoke(sidecar, canary("reader"), calls)
        look(sidecar)


def elasticsearch(request: Request) -> Answer:
    """Refuses, and repeats what it was sent, as no server should but a proxy in between may."""
    if request.path == "/":
        return ROOT
    echo = request.headers.get("authorization", "")
    return failure(403, "security_exception", f"action is unauthorized for {echo}")


@pytest.mark.parametrize("way", ["key", "password"])
def test_elasticsearch(tmp_path: Path, way: str) -> None:
    login = {
        "key": {"ES_API_KEY_FILE": secret(tmp_path, "key")},
        "password": {"ES_USERNAME": "elastic", "ES_PASSWORD_FILE": secret(tmp_path, "password")},
    }
    with FakeNode(elasticsearch) as server:
        env = {
            "ES_HOST": "127.0.0.1", "ES_PORT": str(server.port), "MCP_AUTH_TOKEN_FILE": secret(tmp_path, "token"),
            "MCP_ALLOW_WRITES": "true", "MCP_LOG_LEVEL": "debug",
        }  # fmt: skip
        with Sidecar("servers.elasticsearch", env | login[way], tmp_path, ready=False) as sidecar:
            calls = [
                {"name": "es_health", "arguments": {}},
                {"name": "es_search", "arguments": {"index": "a"}},
                {"name": "es_request", "arguments": {"method": "GET", "path": "/_security/user"}},
                {"name": "es_index", "arguments": {"index": "a", "document": {"a": 1}}},
            ]
            provoke(sidecar, canary("token"), calls)
            assert any("authorization" in r.headers for r in server.requests), "the login was sent"
            look(sidecar)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("redis", "REDIS_HOST"),
        ("redis", "REDIS_SENTINELS"),
        ("redis", "REDIS_PASSWORD_FILE"),
        ("redis", "MCP_AUTH_TOKEN_FILE"),
        ("redis", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ("elasticsearch", "ES_HOST"),
        ("elasticsearch", "ES_API_KEY_FILE"),
    ],
)
@pytest.mark.parametrize("value", ["user:{}@store", "http://user:{}@store:1", "redis://:{}@store", "{}@store:1"])
def test_a_secret_in_an_address_is_refused_and_not_repeated(module: str, name: str, value: str) -> None:
    done = refused(f"servers.{module}", **{name: value.format(CANARY), "MCP_PORT": "1"})
    assert done.returncode == 2 and f"{name}: " in done.stderr, done.stderr
    clean("what is said of a wrong setting", done.stderr + done.stdout)


PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/]{40}")
SECRET_NAME = re.compile("PASS|TOKEN|SECRET|KEY|CREDENTIAL")


@pytest.mark.parametrize("name", ["redis", "elasticsearch"])
def test_the_images_hold_no_secret(name: str) -> None:
    image = Image(program(f"{name.upper()}_IMAGE"))
    assert not [variable for variable in image.environment if SECRET_NAME.search(variable)]
    clean("the image's configuration", json.dumps(image.config))
    for layer in image.layers:
        with tarfile.open(layer.path) as archive:
            for member in archive:
                assert not re.search(r"(^|/)(\.env|\.netrc|\.npmrc|\.pypirc|pip\.conf|id_[a-z0-9]+|.*\.key)$", member.name)
                if member.isfile():
                    file = archive.extractfile(member)
                    assert file
                    content = file.read()
                    assert not PRIVATE_KEY.search(content), member.name
                    assert CANARY.encode() not in content, member.name
