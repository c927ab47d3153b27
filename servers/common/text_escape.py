"""Text from elsewhere, made fit to be shown: nothing in it moves a cursor, hides, or turns the text around it.

Two ways. In JSON such characters are escapes, and who parses it gets them back exactly; so it is with results and logs. In a
sentence of ours a name or a reason from elsewhere is written out as Python writes it, and cut.
"""

from __future__ import annotations

import re

LONGEST = 200

_HIDDEN = re.compile(
    "[\\0-\\x1f\\x7f-\\x9f\\xad"  # controls, with those that begin terminal sequences; the soft hyphen
    "\\u0600-\\u0605\\u061c\\u06dd\\u070f\\u0890\\u0891\\u08e2\\u180e"
    "\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb"  # zero width, separators, bidirectional
    "\\ufe00-\\ufe0e"  # selectors that can carry a text unseen; U+FE0F, which makes emoji, stays
    "\\ud800-\\udfff"
    "\\U000110bd\\U000110cd\\U00013430-\\U0001343f\\U0001bca0-\\U0001bca3\\U0001d173-\\U0001d17a"
    "\\U000e0000-\\U000e0fff]"  # tags
)


def plain(text: str, longest: int = LONGEST) -> str:
    """Return the text with such characters written out, as \\x1b or \\u202e, and cut to a length."""
    return _HIDDEN.sub(lambda match: _python(ord(match[0])), text[:longest])


def escaped(json: str) -> str:
    """JSON with such characters as escapes; what it says stays the same. A lone surrogate is left to who encodes the text.

    Args:
        json: as json.dumps writes it, where all below a blank are escapes already
    """
    return json if _shows(json) else _HIDDEN.sub(lambda match: _json(ord(match[0])), json)


def _shows(json: str) -> bool:
    """Return whether nothing in it hides or acts, which takes a tenth of what the expression takes."""
    if json.isascii():
        return "\x7f" not in json
    if not json.isprintable():
        return False
    # To Python all that hides or acts is not printable, but the selectors, which begin so in UTF-8.
    utf8 = json.encode()
    return b"\xef\xb8" not in utf8 and b"\xf3\xa0" not in utf8


def _python(number: int) -> str:
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _json(number: int) -> str:
    if 0xD800 <= number <= 0xDFFF:
        return chr(number)
    if number < 0x10000:
        return f"\\u{number:04x}"
    number -= 0x10000
    return f"\\u{0xD800 + (number >> 10):04x}\\u{0xDC00 + (number & 0x3FF):04x}"
