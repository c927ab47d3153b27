"""Convert Redis' bytes to JSON and back, exactly."""

import base64
import binascii
import hashlib
from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Any, NotRequired

from pydantic import BeforeValidator, Field
from typing_extensions import TypedDict

from servers.common.protocol.arguments import fit
from servers.common.protocol.tools import ToolError, size, to_json

_PREFIX = "base64:"

LONGEST_NAME = 4096
"""Bytes of a name (of a key, channel, index ...) that tools take, and show whole."""

MOST_IN_VECTOR = 1e15
"""The biggest number of a vector."""

Pattern = str
"""A glob in an argument; its length is checked where it is used."""


class Binary(TypedDict):
    """Bytes that are not text."""

    base64: str


class Part(TypedDict):
    """The beginning of a value too long to be given whole."""

    text: NotRequired[str]
    base64: NotRequired[str]
    bytes: Annotated[int, Field(description="length of the whole value")]


Value = str | Binary | Part
"""A value in a result."""

KeyName = str
"""A key's name in an argument; base64:... if it is not UTF-8."""


def _number_as_text(value: Any) -> Any:
    return to_json(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Word = Annotated[str, BeforeValidator(_number_as_text)]
"""A word of a command in an argument: text, or base64:...; models write numbers as well."""


def show_key(name: bytes) -> str:
    """Return a key as a string. A key that is not UTF-8, or begins with base64:, becomes base64:..."""
    try:
        text = name.decode()
    except UnicodeDecodeError:
        text = _PREFIX
    return _PREFIX + base64.b64encode(name).decode() if text.startswith(_PREFIX) else text


def show_name(name: bytes, limit: int = 200) -> str:
    """Show a name in a message, or beside other values: one of more than `limit` bytes is cut and says its length."""
    return show_key(name) if len(name) <= limit else f"{show_key(name[: limit - 10])}... ({len(name)} bytes)"


def as_object(named: Iterable[tuple[bytes, Any]]) -> dict[str, Any]:
    """Return values by their names, as `show_name` shows these. Of names that look alike, all but the first get a number."""
    found: dict[str, Any] = {}
    alike: Counter[str] = Counter()
    for name, value in named:
        shown = text = show_name(name)
        while shown in found:
            alike[text] += 1
            shown = f"{text} #{alike[text] + 1}"
        found[shown] = value
    return found


def parse_key(name: str) -> bytes:
    """Return the inverse of show_key. Raise ToolError if what follows base64: is not base64."""
    return _decode(name[len(_PREFIX) :]) if name.startswith(_PREFIX) else encode(name)


def encode(text: str) -> bytes:
    """Return a text in UTF-8. Raise ToolError if it has a lone surrogate."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ToolError("the text is not UTF-8, as it has half of a surrogate pair or single bytes: give it as base64") from None


def show(value: bytes, limit: int) -> Any:
    """Return a value for a result: text where it is UTF-8, else base64; cut to about `limit` bytes."""
    if len(value) <= limit:
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(value).decode()}
    return show_part(value[:limit]) | {"bytes": len(value)}


def digest_of(*values: bytes) -> str:
    """Return 16 hex digits that tell values from others, for a cursor or a version."""
    digest = hashlib.blake2b(digest_size=8)
    for value in values:
        digest.update(b"%d:" % len(value))
        digest.update(value)
    return digest.hexdigest()


def show_within(value: bytes, limit: int, most: int) -> Any:
    """Return a value as `show` does, cut further so that it has at most about `most` bytes as JSON."""
    shown, part = show(value, limit), value[:limit]
    while (need := size(shown)) > most and len(part) > 1:
        part = part[: len(part) * most // need * 15 // 16]
        shown = show_part(part) | {"bytes": len(value)}
    return shown


def show_part(part: bytes) -> dict[str, Any]:
    """Return a piece of a value as text or base64. Text leaves out up to three bytes of a cut character, but never all of it."""
    if not part:
        return {"text": ""}
    for end in range(len(part), max(len(part) - 4, 0), -1):
        try:
            return {"text": part[:end].decode()}
        except UnicodeDecodeError:
            continue
    return {"base64": base64.b64encode(part).decode()}


def parse(value: str, base64: bool) -> bytes:
    """Return a value from an argument: text, or base64."""
    return _decode(value) if base64 else encode(value)


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ToolError(f"not base64: {text[:40]!r}") from None


def parse_vector(value: Any) -> list[float]:
    """Read a vector from an argument: an array of numbers, or one as JSON text. Raise ToolError for anything else, and for a
    number that is too big for Redis, which keeps the squares of 32-bit numbers."""
    vector = fit(value, {"type": "array", "items": {"type": "number"}})
    if (
        not isinstance(vector, list)
        or not vector
        or not all(type(number) in (int, float) and abs(number) <= MOST_IN_VECTOR for number in vector)
    ):
        raise ToolError(f"a vector is an array of numbers of up to {MOST_IN_VECTOR:g}, such as [0.1,2]")
    return vector
