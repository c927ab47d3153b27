"""Which requests are answered with an event stream."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.datastructures import Headers

from servers.common.protocol.endpoint import wants_stream

BOTH = "application/json, text/event-stream"
ASKS: dict[str, Any] = {"params": {"name": "t", "arguments": {}, "_meta": {"progressToken": 1}}}


def wants(message: Any, accept: str = BOTH) -> bool:
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    return wants_stream(Headers({"accept": accept}), body)


@pytest.mark.parametrize("accept", [BOTH, "Text/Event-Stream;q=0.5,application/json", "*/*"])
@pytest.mark.parametrize("token", [1, 0, "a", ""])
def test_a_client_that_asks_for_progress(accept: str, token: Any) -> None:
    assert wants({"params": {"_meta": {"progressToken": token}}}, accept)


def test_a_token_however_it_is_written() -> None:
    assert wants(b'{"params": {"_meta": {"progress\\u0054oken": 1}}}')


@pytest.mark.parametrize(
    "message",
    [
        {"params": {"name": "progressToken", "arguments": {"progressToken": 1}}},
        {"params": {"name": "t", "arguments": {"_meta": {"progressToken": 1}}}},
        {"params": {"name": "t", "arguments": {"key": '"_meta":{"progressToken":1}'}}},
        {"params": {"_meta": {"other": {"progressToken": 1}}}},
        {"params": {"_meta": {"other": "progressToken"}}},
        {"params": {"_meta": {"progressToken": None}}},
        {"params": {"_meta": {"progressToken": {}}}},
        {"params": {"_meta": ["progressToken"]}},
        {"params": {"_meta": "progressToken"}},
        {"params": ["progressToken"]},
        {"_meta": {"progressToken": 1}},
        {"progressToken": 1},
        ["params"],
        [ASKS],
        "progressToken",
        None,
        b"",
        b'{"params":{"_meta":{"progressToken":1}}',
        b'{"params":' * 100_000,
        b"\xff",
    ],
)
def test_the_same_word_elsewhere(message: Any) -> None:
    assert not wants(message)


@pytest.mark.parametrize("accept", ["application/json", "", "text/html"])
def test_a_client_that_takes_no_stream(accept: str) -> None:
    assert not wants(ASKS, accept)
