"""Which requests are answered with an event stream, and what clients write in different ways."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from servers.common.protocol.endpoint import (
    Invalid,
    accepted,
    asks_progress,
    check_message,
    decoded,
    error_body,
    rewritten,
)


@pytest.mark.parametrize(
    "message",
    [
        *({"params": {"_meta": {"progressToken": token}}} for token in (1, 0, "a", "")),
        decoded(b'{"params": {"_meta": {"progress\\u0054oken": 1}}}'),
    ],
)
def test_a_client_that_asks_for_progress(message: Any) -> None:
    assert asks_progress(message)


@pytest.mark.parametrize(
    "message",
    [
        {"params": {"name": "progressToken", "arguments": {"progressToken": 1}}},
        {"params": {"name": "t", "arguments": {"_meta": {"progressToken": 1}}}},
        {"params": {"name": "t", "arguments": {"key": '"_meta":{"progressToken":1}'}}},
        {"params": {"_meta": {"other": {"progressToken": 1}}}}, {"params": {"_meta": {"progressToken": None}}},
        {"params": {"_meta": {"progressToken": {}}}}, {"params": {"_meta": ["progressToken"]}},
        {"params": {"_meta": "progressToken"}}, {"params": ["progressToken"]}, {"_meta": {"progressToken": 1}},
        {"progressToken": 1}, ["params"], [{"params": {"_meta": {"progressToken": 1}}}], "progressToken", None,
    ],
)  # fmt: skip
def test_the_same_word_elsewhere(message: Any) -> None:
    assert not asks_progress(message)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([], (True, True)),
        ([""], (True, True)),
        (["*/*"], (True, True)),
        (["application/json"], (True, False)),
        (["application/json", "text/event-stream"], (True, True)),
        (["Text/Event-Stream;q=0.5 , APPLICATION/*"], (True, True)),
        (["text/event-stream, application/json; q=0.0"], (False, True)),
        (["application/json;charset=utf-8"], (True, False)),
        (["application/json;q=0, */*"], (False, True)),
        (["*/*", "text/event-stream;q=0"], (True, False)),
        (["*/*;q=0, application/json"], (True, False)),
    ],
)
def test_what_a_client_accepts(values: list[str], found: tuple[bool, bool]) -> None:
    assert accepted(Headers(raw=[(b"accept", value.encode()) for value in values])) == found


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda c: st.lists(c) | st.dictionaries(st.text(), c)))
def test_what_is_no_message_is_refused_in_words(message: Any) -> None:
    with pytest.raises(Invalid):
        check_message(message)


def test_an_error_may_be_of_an_unknown_request() -> None:
    check_message(error_body("what?", -32700))


@pytest.mark.parametrize(
    "body",
    [
        *(b'{"id": 1.0, "params": ' + b"[" * depth + b"]" * depth + b"}" for depth in (300, 990, 100_000)),
        b'{"id": "\\ud800"}',
        b'\xef\xbb\xbf{"id": 1}',
        '{"id": 1}'.encode("utf-16"),
        b'{"id": 1} {"id": 2}',
        b"",
    ],
)
def test_what_the_sdk_can_not_read_is_no_json(body: bytes) -> None:
    with pytest.raises(Invalid, match="not JSON in UTF-8"):
        decoded(body)


@pytest.mark.parametrize("text", ["{" * 990, '{"a":' + "[" * 990 + "]" * 990 + "}", '{"a": "\\ud800"}', "{}}"])
def test_arguments_that_are_no_json_stay_text(text: str) -> None:
    assert rewritten({"id": 1, "method": "tools/call", "params": {"name": "t", "arguments": text}}) is None


def test_only_what_the_sdk_does_not_know_is_rewritten() -> None:
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "t", "arguments": {"a": 1}}}
    assert rewritten(call) is None
    assert rewritten(call | {"params": {"name": "t"}}) is None
    changed = rewritten(call | {"id": 1.0, "params": {"name": "t", "arguments": '{"a": 1}'}})
    assert changed and json.loads(changed) == call and b'"id": 1,' in changed
