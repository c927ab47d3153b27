"""A few hundred inputs of the fuzzer with fixed seeds, what it has found, and that it finds what it looks for."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.fuzz.requests import Post, Raw, message
from tests.fuzz.run import batch
from tests.fuzz.target import TARGETS, Broken, Holding, RedisTarget, Target, check_answer, grown

INPUTS = 60


@pytest.fixture(scope="module", params=[(server, writes) for server in TARGETS for writes in (False, True)], ids=str)
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    server, writes = request.param
    with TARGETS[server](writes=writes) as running:
        yield running


def test_whatever_is_sent_the_answer_is_one_and_nothing_grows(target: Target) -> None:
    batch(target, 1, INPUTS, shrink=True)
    before = target.holding()
    batch(target, 2, INPUTS, shrink=True)
    assert not grown(before, target.holding())
    assert target.sent >= 2 * INPUTS


FOUND: dict[str, Post | Raw] = {
    # What the fuzzer found in earlier releases, by what is wrong with it.
    "an origin that is no URL": replace(message(1, "ping", {}), headers={"Origin": "http://[", "Host": "localhost"}),
    "half a surrogate pair, Redis": message(1, "tools/call", {"name": "redis_profile", "arguments": {"pattern": "\ud800"}}),
    "half a surrogate pair, Elasticsearch": message(
        1, "tools/call", {"name": "es_search", "arguments": {"index": "books", "query": {"match": {"title": "\ud800"}}}}
    ),
    "a name that makes no URL": message(
        1, "tools/call", {"name": "es_get", "arguments": {"index": "books", "id": "1", "source": ["x" * 70_000]}}
    ),
    "a body of brackets": Post(b"[" * 100_000, message(1, "ping", {}).headers),
    "another protocol": Raw(b"*1\r\n$4\r\nPING\r\n"),
}


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found(target: Target, name: str) -> None:
    target.check(FOUND[name])
    target.check_end()


@pytest.mark.parametrize(
    ("status", "kind", "body"),
    [
        (500, "text/plain", b"Internal Server Error"),
        (502, "application/json", b'{"jsonrpc":"2.0","id":1,"result":{}}'),
        (200, "application/json", b'{"jsonrpc":"2.0","id":"1","result":{}}'),
        (200, "application/json", b'{"jsonrpc":"2.0","id":2,"result":{}}'),
        (200, "application/json", b'{"jsonrpc":"2.0","id":true,"result":{}}'),
        (200, "application/json", b'{"id":1,"result":{}}'),
        (200, "application/json", b'{"jsonrpc":"2.0","id":1}'),
        (200, "application/json", b'{"jsonrpc":"2.0","id":1,"result":{"a":NaN}}'),
        (200, "application/json", b'{"jsonrpc":"2.0","id":1,"result":{'),
        (200, "application/json", b'{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"a"}}'),
        (200, "application/json", b'{"jsonrpc":"2.0","id":1,"result":{"a":"the server has an internal error (KeyError)"}}'),
        (400, "text/plain", b"Invalid"),
        (202, "application/json", b""),
        (200, "text/event-stream", b'data: {"jsonrpc":"2.0","method":"notifications/progress"}\n\n'),
    ],
)  # fmt: skip
def test_it_sees_a_broken_rule(status: int, kind: str, body: bytes) -> None:
    with pytest.raises(Broken):
        check_answer(message(1, "ping", {}), status, {"content-type": kind}, body)


@pytest.mark.parametrize("what", ["tasks", "objects", "files", "resident"])
def test_it_sees_growth(what: str) -> None:
    before: dict[str, Any] = {"tasks": 5, "objects": 5_000, "files": 10, "resident": 80 << 20}
    assert not grown(Holding(**before), Holding(**before))
    assert len(grown(Holding(**before), Holding(**(before | {what: before[what] * 20})))) == 1


def test_the_same_seed_sends_the_same() -> None:
    sent: list[list[Any]] = []

    class Noted(RedisTarget):
        def check(self, message: Any) -> None:
            sent[-1].append(message)

        def check_end(self) -> None:
            pass

        def fill(self) -> None:
            pass

    for _ in range(2):
        sent.append([])
        batch(Noted(writes=True), 7, 50)
    assert len(sent[0]) >= 50 and [repr(m) for m in sent[0]] == [repr(m) for m in sent[1]]
