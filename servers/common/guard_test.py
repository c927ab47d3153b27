"""Names in Host headers."""

from __future__ import annotations

import pytest

from servers.common.guard import host_name


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
