"""Redis' replies as JSON, cut to a number of bytes."""

import math
from collections.abc import Mapping
from typing import Any

from servers.common.protocol.tools import Room
from servers.redis.format.key_encoding import show_within

LONGEST = 4096
"""Bytes of one value in a reply."""

LEAST = 16
"""Bytes of room below which nothing more is shown."""

EXACT = 2**53
"""The biggest whole number that JavaScript keeps exactly."""


def said(value: Any) -> str:
    """Return a short reply as text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def pairs(flat: Any) -> dict[str, Any]:
    """Return the pairs of a flat list, which is RESP2's form of a map."""
    return {said(name): value for name, value in zip(flat[::2], flat[1::2], strict=False)}


def info(reply: bytes) -> dict[str, str]:
    """Return the fields of INFO (https://redis.io/docs/latest/commands/info/)."""
    lines = (line.partition(":") for line in said(reply).splitlines() if not line.startswith("#"))
    return {name: value for name, colon, value in lines if colon}


def parts(value: str) -> dict[str, str]:
    """Return a field of INFO that has fields itself: keys=1,expires=0."""
    return {name: text for name, _, text in (part.partition("=") for part in value.split(","))}


def number(fields: Mapping[str, str], name: str) -> int:
    """Return a whole number of INFO's; 0 where there is none."""
    try:
        return int(fields.get(name, 0))
    except ValueError:
        return 0


def score(value: Any) -> Any:
    """Return a floating-point number. JSON has no infinities and no NaN; Redis' spelling of them is a string."""
    real = float(value)
    if math.isnan(real):
        return "nan"
    return real if abs(real) != float("inf") else ("inf" if real > 0 else "-inf")


def seconds(milliseconds: Any) -> int | None:
    """Of PTTL: whole seconds; None for a key that does not expire."""
    return (milliseconds + 999) // 1000 if isinstance(milliseconds, int) and milliseconds >= 0 else None


def as_json(value: Any) -> Any:
    """Return a reply whose values are text, as JSON."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if isinstance(value, Exception):
        return f"error: {value}"
    return value


def words(error: Any) -> str:
    """Return an error's message with the code word of Redis, which redis-py keeps apart, cut to a length that always fits."""
    code = getattr(error, "status_code", None)
    return (f"{code} {error}" if code and code != "ERR" else str(error))[:300]


def bounded(value: Any, room: Room) -> tuple[Any, bool]:
    """Show a reply as JSON as far as there is room, and tell whether something of it was left out; None where all of it was. An
    error is {"error": ...}, which no reply of another kind is. A whole number that JavaScript would round is text."""
    if isinstance(value, bytes):
        shown = show_within(value, LONGEST, max(room.left - 1, LEAST))
        return (shown, isinstance(shown, dict) and "bytes" in shown) if room.take(shown) else (None, True)
    if isinstance(value, list | tuple):
        if not room.take([]):
            return None, True
        items: list[Any] = []
        for item in value:
            shown, cut = bounded(item, room)
            if cut and shown is None:
                return items or None, True
            items.append(shown)
            if cut and room.left < LEAST:
                return items, True
        return items, False
    if isinstance(value, Exception):
        value = {"error": words(value)}
    elif isinstance(value, int) and abs(value) > EXACT:
        value = str(value)
    return (value, False) if room.take(value) else (None, True)
