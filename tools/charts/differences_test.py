"""Differences between two renders are shown by object and path."""

import pytest
import yaml

from tools.charts.differences import LONG, compare

POD = {
    "kind": "Pod",
    "metadata": {"name": "a", "labels": {}},
    "spec": {"containers": [{"name": "x", "args": ["1", "2"]}, {"name": "y", "tty": True}]},
    "text": "one\ntwo\n",
}
SERVICE = {"kind": "Service", "metadata": {"name": "s", "labels": {"a": "b"}}}


def dump(*manifests: object) -> str:
    return yaml.safe_dump_all(manifests)


def test_what_is_the_same_has_no_differences() -> None:
    assert compare(dump(POD, SERVICE), dump(SERVICE, POD)) == "No differences.\n"


@pytest.mark.parametrize(
    ("path", "value", "lines"),
    [
        (("spec", "containers", 0, "args", 1), "3", ["  spec.containers[x].args[1]: '2' -> '3'"]),
        (("spec", "containers", 1, "tty"), 1, ["  spec.containers[y].tty: true -> 1"]),
        (("metadata", "labels"), {"b": "c"}, ["- metadata.labels: {}", "+ metadata.labels.b: c"]),
        (
            ("spec", "containers", 1),
            {"name": "z", "args": ["1"], "tty": False},
            ["- spec.containers[y].tty: true", "+ spec.containers[z]: {args: ['1'], tty: false}"],
        ),
        (("text",), "one\nthree\n", ["  text:", "-   two", "+   three"]),
        (("spec", "host"), None, ["+ spec.host: null"]),
        (
            ("spec", "containers"),
            [],
            ["- spec.containers: [{args: ['1', '2'], name: x}, {name: y, tty: true}]", "+ spec.containers: []"],
        ),
        (("note",), {"lines": "a\nb\n"}, ["+ note.lines:", "+   |", "+     a", "+     b"]),
        (("note",), "a\n" * (LONG + 1), [f"+ note: ({LONG + 1} lines)"]),
    ],
)  # fmt: skip
def test_a_change_is_shown_with_its_path(path: tuple[str | int, ...], value: object, lines: list[str]) -> None:
    changed = yaml.safe_load(dump(POD))
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    assert compare(dump(POD, SERVICE), dump(changed, SERVICE)).splitlines() == ["  Pod/a", *lines]


def test_whole_objects_come_and_go() -> None:
    assert compare(dump(POD), dump(SERVICE)) == ("- Pod/a\n\n+ Service/s\n+ metadata.labels.a: b\n")


def test_an_object_like_another_is_shown_by_what_differs() -> None:
    renamed = {**POD, "metadata": {"name": "b", "labels": {}}}
    further = {**renamed, "metadata": {"name": "c", "labels": {}}, "text": "one\ntwo\nthree\n"}
    assert compare(dump(POD, SERVICE), dump(SERVICE, renamed, further)) == (
        "- Pod/a\n\n"
        "+ Pod/b, which is Pod/a but for its name\n\n"
        "+ Pod/c, which is Pod/a but for its name and:\n  text:\n+   three\n"
    )
