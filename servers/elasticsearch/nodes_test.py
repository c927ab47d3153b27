"""Which node is asked next: by turns, past those that failed, for as long as their backoff says."""

from __future__ import annotations

from servers.elasticsearch.nodes import BACKOFF, Nodes


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def addresses(nodes: Nodes) -> list[str]:
    return [node.address for node in nodes.in_order()]


def test_by_turns() -> None:
    nodes = Nodes(["http://a:1", "http://b:2/es", "https://[::1]:3"])
    assert [addresses(nodes) for _ in range(4)] == [
        ["a:1", "b:2", "[::1]:3"],
        ["b:2", "[::1]:3", "a:1"],
        ["[::1]:3", "a:1", "b:2"],
        ["a:1", "b:2", "[::1]:3"],
    ]


def test_one_that_failed_comes_last_until_it_has_served() -> None:
    clock = Clock()
    nodes = Nodes(["http://a:1", "http://b:2", "http://c:3"], clock)
    a, b, c = nodes.all
    nodes.failed(a)
    assert [addresses(nodes) for _ in range(2)] == [["b:2", "c:3", "a:1"], ["c:3", "b:2", "a:1"]]
    assert nodes.due() == [b, c]
    clock.now += BACKOFF[0]
    assert nodes.due() == [a, b, c]
    assert addresses(nodes)[-1] == "a:1", "a call does not find out for others whether it is back"
    nodes.served(a)
    assert {addresses(nodes)[0] for _ in range(3)} == {"a:1", "b:2", "c:3"}


def test_it_is_set_aside_for_longer_each_time() -> None:
    clock = Clock()
    nodes = Nodes(["http://a:1", "http://b:2"], clock)
    a, b = nodes.all
    for pause in (*BACKOFF, BACKOFF[-1]):
        nodes.failed(a)
        clock.now += pause - 0.5
        assert nodes.due() == [b]
        clock.now += 0.5
        assert nodes.due() == [a, b]
    nodes.served(a)
    nodes.failed(a)
    clock.now += BACKOFF[0]
    assert nodes.due() == [a, b], "it begins anew"


def test_where_none_serves_all_are_asked_the_first_due_first() -> None:
    clock = Clock()
    nodes = Nodes(["http://a:1", "http://b:2"], clock)
    a, b = nodes.all
    nodes.failed(a)
    nodes.failed(a)
    nodes.failed(b)
    assert addresses(nodes) == ["b:2", "a:1"]
    assert nodes.due() == [a, b]
