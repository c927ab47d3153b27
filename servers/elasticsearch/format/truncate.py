"""Documents cut to a size, so that a result with a big one still says what is in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from servers.common.protocol.tools import size

_STEPS = ((4096, 200), (1024, 50), (256, 20), (64, 5), (16, 2))
"""Longest string, in characters, and longest array; each step is tried when the one before was not enough."""


def shorten(document: Any, most: int) -> tuple[Any, dict[str, int]]:
    """A document of at most about `most` bytes as JSON.

    Long strings and arrays lose their ends first; when the shortest are not short enough, last fields are left out.

    Args:
        document: JSON
        most: bytes

    Returns:
        the document, and what was cut: dotted path to the whole length (characters of a string, items of an array,
        fields of an object). An item of an array is named by the array.
    """
    if size(document) <= most:
        return document, {}
    for string, array in _STEPS:
        cut: dict[str, int] = {}
        shorter = _cut(document, string, array, "", cut)
        if size(shorter) + size(cut) <= most:
            return shorter, cut
    return _leave_out(shorter, cut, most)


def _cut(value: Any, string: int, array: int, path: str, cut: dict[str, int]) -> Any:
    if isinstance(value, str) and len(value) > string:
        cut[path] = max(len(value), cut.get(path, 0))
        return value[:string] + "..."
    if isinstance(value, list):
        if len(value) > array:
            cut[path] = max(len(value), cut.get(path, 0))
        return [_cut(item, string, array, path, cut) for item in value[:array]]
    if isinstance(value, dict):
        return {k: _cut(v, string, array, f"{path}.{k}" if path else k, cut) for k, v in value.items()}
    return value


def _leave_out(document: Any, cut: dict[str, int], most: int) -> tuple[Any, dict[str, int]]:
    """Keeps as many of an object's first fields as fit; what was cut inside others need not be told."""
    if not isinstance(document, dict):
        return None, {"": size(document)}
    kept: dict[str, Any] = {}
    for name, value in document.items():
        inside = {path: length for path, length in cut.items() if path == name or path.startswith(name + ".")}
        most -= size({name: value}) + size(inside)
        if most < 64:
            break
        kept[name] = value
    shown = {p: n for p, n in cut.items() if any(p == name or p.startswith(name + ".") for name in kept)}
    return kept, {"": len(document)} | shown


def strings(value: Any, path: str) -> Iterator[str]:
    """The strings at a dotted path, in order: through objects, arrays, and names that have dots themselves."""
    if path == "":
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            for item in value:
                yield from strings(item, "")
    elif isinstance(value, list):
        for item in value:
            yield from strings(item, path)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name == path:
                yield from strings(inner, "")
            elif path.startswith(name + "."):
                yield from strings(inner, path[len(name) + 1 :])
