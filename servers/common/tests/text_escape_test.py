"""Text from elsewhere in messages of ours."""

import json
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.common.text_escape import LONGEST, escaped, plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("user:1", "user:1"),
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("a\nb\r\n\tc\0", r"a\x0ab\x0d\x0a\x09c\x00"),
        ("a\u202eb\u2066c\u2069", r"a\u202eb\u2066c\u2069"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_moves_hides_or_turns_is_written_out(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_every_control_and_format_character_of_unicode_is_written_out() -> None:
    for number in range(sys.maxunicode + 1):
        character = chr(number)
        if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
            assert plain(character) == character.encode("ascii", "backslashreplace").decode() or number < 0x80
            assert plain(character).isprintable()


def test_json_has_the_same_characters_escaped() -> None:
    for number in range(0x20, sys.maxunicode + 1):
        character = chr(number)
        if not 0xD800 <= number <= 0xDFFF and plain(character) != character:
            assert json.loads(escaped(f'"é{character}"')) == f"é{character}"
            assert character not in escaped(f'"é{character}"')


@given(st.text())
def test_escaped_json_says_the_same(text: str) -> None:
    shown = escaped(json.dumps({"value": text}, ensure_ascii=False))
    assert json.loads(shown) == {"value": text}
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cf", "Zl", "Zp"}


@pytest.mark.parametrize("text", ["größe", "中文 🙂 ❤️", "plain", '"quoted\\"'])
def test_what_can_be_seen_is_left_as_it_is(text: str) -> None:
    assert escaped(text) == text and plain(text) == text


def test_it_is_cut() -> None:
    assert plain("x" * 10_000) == "x" * LONGEST
    assert plain("xyz", 2) == "xy"
