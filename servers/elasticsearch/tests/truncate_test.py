"""Documents cut to a size."""

import sys
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from servers.common.protocol.tools import size
from servers.common.protocol.truncate import shorten
from servers.elasticsearch.tools.documents import piece, values_at

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | TEXT,
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(TEXT, inner, max_size=10),
    max_leaves=60,
)
DOCUMENT = st.dictionaries(TEXT, JSON, max_size=30)


@given(DOCUMENT, st.integers(256, 4096))
def test_any_document_fits(document: Any, most: int) -> None:
    shorter, cut = shorten(document, most)
    assert size(shorter) + size(cut) <= most + 64
    assert (shorter == document) == (not cut)
    assert set(shorter) <= set(document)


def test_long_strings_and_arrays_lose_their_ends() -> None:
    document = {"a": "x" * 10_000, "b": {"c": list(range(1000))}, "d": [{"e": "y" * 5000}, {"e": "z" * 6000}], "f": 1}
    shorter, cut = shorten(document, 4000)
    assert cut == {"a": 10_000, "b.c": 1000, "d.e": 6000}
    assert shorter["f"] == 1 and shorter["a"] == "x" * 1024 + "..." and shorter["b"]["c"] == list(range(50))


def test_a_document_of_many_fields_keeps_the_first() -> None:
    shorter, cut = shorten({f"field{i}": i for i in range(1000)}, 500)
    assert cut == {"": 1000}
    assert list(shorter) == [f"field{i}" for i in range(len(shorter))] and len(shorter) > 10


def test_time_grows_with_what_is_given_not_with_the_document() -> None:
    """Counted in calls: twice the document takes no more of them."""

    def calls(document: Any) -> int:
        counted = 0

        def count(frame: Any, event: str, argument: Any) -> None:
            nonlocal counted
            counted += event in ("call", "c_call")

        sys.setprofile(count)
        try:
            shorten(document, 8192)
        finally:
            sys.setprofile(None)
        return counted

    long = "value of more than sixteen characters"
    for made in (
        lambda n: {f"key{i:06}": f"{long} {i}" for i in range(n)},
        lambda n: {"one": {f"key{i:06}": long for i in range(n)}},
        lambda n: {f"key{i:06}": {"a": [{"b": long * 3}]} for i in range(n)},
        lambda n: [[long] * 3] * n,
        lambda n: nested({"x": long}, n // 100),
    ):
        assert calls(made(40_000)) <= calls(made(20_000)) + 100


def nested(inner: Any, levels: int) -> Any:
    for level in range(levels):
        inner = {"a": inner} if level % 2 else [inner]
    return inner


def test_a_document_of_many_levels_loses_the_inner_ones() -> None:
    shorter, cut = shorten({"first": 1, "deep": nested("x", 1000), "last": 2}, 8192)
    assert shorter["first"] == 1 and shorter["last"] == 2
    ((path, length),) = cut.items()
    assert path.startswith("deep.a.a.") and length == 1
    assert orjson.loads(orjson.dumps(shorter)) == shorter
    assert shorten(nested("x", 60), 8192) == (nested("x", 60), {})
    assert list(values_at({"deep": [[["x"]] * 2]}, "deep")) == ["x", "x"]
    assert list(values_at({"deep": nested("x", 1000)}, ".".join(["deep", *["a"] * 500]))) == ["x"]


def test_what_is_left_out_inside_an_object_is_told_there() -> None:
    shorter, cut = shorten({"a": 1, "in": {"f": {f"field{i}": i for i in range(1000)}}, "z": 1}, 500)
    assert shorter["a"] == 1 and len(shorter["in"]["f"]) > 10
    assert shorter["z"] == 1 and cut == {"in.f": 1000}


def test_values_at_a_path() -> None:
    document = {"a": {"b": ["x", {"c": "y"}]}, "a.b": "z", "n": 1}
    assert list(values_at(document, "a.b")) == ["x", {"c": "y"}, "z"]
    assert list(values_at(document, "a.b.c")) == ["y"]
    assert list(values_at(document, "n")) == [1]
    assert list(values_at(document, "nothing")) == []


@given(TEXT.filter(bool), st.integers(16, 400))
def test_pieces_make_the_whole(text: str, most: int) -> None:
    start, found = 0, ""
    while start < len(text):
        part, end = piece(text, start, most)
        assert end > start and size(part) <= most
        found, start = found + part, end
    assert found == text
