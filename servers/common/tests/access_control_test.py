"""Names in Host headers, and browser origins."""

import asyncio

import pytest
from starlette.types import Message, Receive, Scope, Send

from servers.common.http.access_control import HostCheck, OriginCheck, host_name
from servers.common.http.auth_settings import AuthSettings
from servers.common.http.rate_limit import Refusals
from servers.common.observability.metrics import Metrics
from servers.common.settings import CommonSettings, Environment


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("localhost", "localhost"),
        ("LocalHost:9000", "localhost"),
        ("127.0.0.1:9000", "127.0.0.1"),
        ("[::1]:9000", "::1"),
        ("redis.data.svc:9000", "redis.data.svc"),
        ("", ""),
        ("[::1", ""),
        ("localhost@evil.example", "evil.example"),
        ("evil.example/localhost", "evil.example"),
        ("localhost.evil.example", "localhost.evil.example"),
    ],
)
def test_host_name(value: str, name: str) -> None:
    assert host_name(value) == name


def status(*headers: tuple[str, str]) -> int:
    """The status that OriginCheck and HostCheck answer with, or 200 where they let the request through."""
    found: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        found.append(200)

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            found.append(message["status"])

    lines = [(name.encode(), value.encode()) for name, value in headers]
    env = Environment({"MCP_ALLOWED_HOSTS": "[fd00::1], fd00::2, Named.example, other.example:8443"})
    settings, refusals = CommonSettings.read(env), Refusals(Metrics("test", "1"))
    check = OriginCheck(HostCheck(app, settings, AuthSettings.read(env), refusals), settings, refusals)
    asyncio.run(check({"type": "http", "method": "POST", "path": "/mcp", "headers": lines}, receive, send))
    (only,) = found
    return only


LOCAL = ("host", "localhost")


@pytest.mark.parametrize(
    ("headers", "answered"),
    [
        ([], 421),
        ([LOCAL], 200),
        *(
            ([("host", host)], 200)
            for host in (
                "[fd00::1]", "[FD00::1]:9000", "[fd00::2]:9000", "named.EXAMPLE:1", "other.example:8443",
            )
        ),
        *(([("host", host)], 421) for host in ("[fd00::3]", "other.example", "named.example.evil.example")),
        ([LOCAL, LOCAL], 400),
        ([LOCAL, ("host", "evil.example")], 400),
        *(
            ([LOCAL, ("origin", origin)], 200)
            for origin in ("http://localhost", "https://127.0.0.1:8080", "http://[::1]:1", "HTTP://LOCALHOST")
        ),
        *(
            ([LOCAL, ("origin", origin)], 403)
            for origin in (
                "null", "", "//", "http://", "http://[", "http://[::1", "http://evil.example", "ftp://localhost",
                "http://localhost@evil.example",
            )
        ),
    ],
)  # fmt: skip
def test_a_request_has_one_host_and_no_origin_but_a_local_one(headers: list[tuple[str, str]], answered: int) -> None:
    assert status(*headers) == answered
