"""Documents cut to a size."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from servers.common.protocol.tools import size
from servers.elasticsearch.format.truncate import shorten, strings
from servers.elasticsearch.tools.documents import piece

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


def test_strings_at_a_path() -> None:
    document = {"a": {"b": ["x", {"c": "y"}]}, "a.b": "z", "n": 1}
    assert list(strings(document, "a.b")) == ["x", "z"]
    assert list(strings(document, "a.b.c")) == ["y"]
    assert list(strings(document, "n")) == []
    assert list(strings(document, "nothing")) == []


@given(TEXT.filter(bool), st.integers(16, 400))
def test_pieces_make_the_whole(text: str, most: int) -> None:
    start, found = 0, ""
    while start < len(text):
        part, end = piece(text, start, most)
        assert end > start and size(part) <= most
        found, start = found + part, end
    assert found == text
