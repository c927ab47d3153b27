"""Values, and JSON that json.dumps would not write."""

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

Strategy = st.SearchStrategy[Any]

AWKWARD = (
    "", " ", "*", "\x00", "\r\n", "..", "/", "//", "%2e%2e", "%00", "?a=b#c", "null", "-1", "NaN", "1e309", "9" * 40,
    "base64:", "base64:AAECgP8=", "base64:not base64", "{", "{}", "[[", "a" * 300, "x" * 70_000, "\ud800", "a\udfffb",
    "\u202eabc", "e\u0301\u0301\u0301", "\U0001f9e8", "\x1b[31mred\x1b[0m", "'; DROP TABLE a; --", "$(id)", "{{7*7}}",
    "-9223372036854775809", "18446744073709551616",
)  # fmt: skip


def pick(values: Sequence[Any]) -> Strategy:
    """One of the values; unlike sampled_from it never shows them all, which takes long for long ones."""
    return st.integers(0, len(values) - 1).map(values.__getitem__)


INTEGERS = st.one_of(
    st.integers(-3, 300),
    st.integers(),
    st.sampled_from([2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1, 2**64, 10**18, 10**40, 10**300]),
)

# JSON has no infinities, but Python's reader takes them.
NUMBERS = st.one_of(INTEGERS, st.floats(allow_nan=True, allow_infinity=True))

STRINGS = st.one_of(pick(AWKWARD), st.text(max_size=20), st.text(max_size=4))

ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, STRINGS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(STRINGS, inner, max_size=4)),
    max_leaves=8,
)

RAW = (
    "[" * 60_000 + "]" * 60_000, '{"a":' * 30_000 + "1" + "}" * 30_000, "[" * 900 + "]" * 900, "9" * 5_000,
    "-" + "1" * 4_301, "1e999", "-0", "0." + "3" * 3_000, "NaN", "Infinity", '"\\ud800"', '"\\u0000"',
    '"\\udc00\\ud800"', '{"a":1,"a":2}', '{"jsonrpc":"1.0","jsonrpc":"2.0"}', "01", "1.", "'a'", '"\\x"',
    '"tab\tinside"', '"unended', "nul", "{,}", "[1,]", "\x00", "",
)  # fmt: skip
"""Pieces of JSON, and of what is nearly JSON, that no serializer writes."""

_MARK = "\u2603raw"


def raw(index: int) -> str:
    """A value for `to_bytes` that stands for RAW[index]."""
    return f"{_MARK}{index}"


PIECES = st.integers(0, len(RAW) - 1)


def to_bytes(value: Any) -> bytes:
    """A value as JSON, with what `raw` gave replaced by its piece; lone surrogates become escapes."""
    text = json.dumps(value)
    mark = json.dumps(_MARK)[1:-1]
    if mark in text:
        for index in reversed(range(len(RAW))):
            text = text.replace(f'"{mark}{index}"', RAW[index])
    return text.encode()
