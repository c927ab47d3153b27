"""Documents cut to a size, so that a result with a big one still says what is in it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from servers.common.protocol.tools import encoded, size

_STEPS = ((4096, 200), (1024, 50), (256, 20), (64, 5), (16, 2))
"""Longest string, in characters, and longest array; each step is tried when the one before was not enough."""

_LAST = (64, 5)
"""The same where fields have to be left out."""

DEEPEST = 64
"""Levels of objects and arrays that are given. Clients' parsers of JSON stop at 100 to 250."""

_NOTE = 24
"""Bytes of an entry of what was cut, without its path."""


def shorten(document: Any, most: int) -> tuple[Any, dict[str, int]]:
    """Return a document of at most about `most` bytes as JSON, and what was cut of it: dotted path to the whole length
    (characters of a string, items of an array, fields of an object). An item of an array is named by the array.

    Long strings and arrays lose their ends first; when the shortest are not short enough, last fields are left out. What is
    nested deeper than `DEEPEST` is left out as well. Each step stops when its room is used up, so the time grows with `most`.
    """
    if _fits(document, most):
        return document, {}
    for string, array in (*_STEPS, _LAST):
        copy = _Copy(string, array, most)
        shorter = copy.of(document, _ROOT, 0)
        if not copy.full:
            break
    if shorter is _ABSENT:
        return None, {"": len(document) if isinstance(document, str | list | dict) else 1}
    return shorter, copy.cut


def _fits(document: Any, most: int) -> bool:
    try:
        # Before escapes, which only make it longer, and take longer to count.
        if len(encoded(document)) > most:
            return False
    except ValueError:
        pass  # half of a surrogate pair, or too deep
    try:
        return size(document) <= most and not _deep(document)
    except RecursionError:
        return False


def _deep(value: Any) -> bool:
    """Return whether a value has more than the given number of levels."""
    level = [value]
    for _ in range(DEEPEST + 1):
        inner = [v for v in level if isinstance(v, dict | list)]
        level = [item for v in inner for item in (v.values() if isinstance(v, dict) else v)]
        if not level:
            return False
    return True


class _Path(NamedTuple):
    """A dotted path, which is put together only where something is cut."""

    parent: _Path | None
    name: str
    length: int
    """Bytes of the path as JSON, about."""

    def __str__(self) -> str:
        names, here = [], self
        while here.parent is not None:
            names.append(here.name)
            here = here.parent
        return ".".join(reversed(names))


_ROOT = _Path(None, "", 2)

_ABSENT = object()
"""In place of what there is no room for."""


class _Copy:
    """Copies a document as far as it fits. `full` tells that there was no room for all, `cut` what was cut."""

    def __init__(self, string: int, array: int, most: int) -> None:
        self._string, self._array, self._left = string, array, most
        self.full = False
        self.cut: dict[str, int] = {}

    def of(self, value: Any, path: _Path, level: int) -> Any:
        if isinstance(value, dict | list):
            return self._members(value, path, level)
        if isinstance(value, str) and len(value) > self._string:
            shorter = value[: self._string] + "..."
            if not self._take(size(shorter) + path.length + _NOTE):
                return _ABSENT
            self._tell(path, len(value))
            return shorter
        return value if self._take(size(value)) else _ABSENT

    def _members(self, value: dict[str, Any] | list[Any], path: _Path, level: int) -> Any:
        # The room to tell that something is missing is given back where nothing is.
        if not self._take(note := 2 + path.length + _NOTE):
            return _ABSENT
        members: Iterable[tuple[Any, Any]] = value.items() if isinstance(value, dict) else enumerate(value[: self._array])
        copy: dict[Any, Any] = {}
        for name, inner in members if level < DEEPEST else ():
            need = size(name) + 2 if isinstance(name, str) else 1
            if not self._take(need):
                break
            place = _Path(path, name, path.length + need) if isinstance(name, str) else path
            shorter = self.of(inner, place, level + 1)
            if shorter is _ABSENT:
                self._left += need
                break
            copy[name] = shorter
        if len(copy) < len(value):
            self._tell(path, len(value))
        else:
            self._left += note - 2
        return copy if isinstance(value, dict) else list(copy.values())

    def _take(self, need: int) -> bool:
        if need > self._left:
            self.full = True
            return False
        self._left -= need
        return True

    def _tell(self, path: _Path, length: int) -> None:
        name = str(path)
        if name in self.cut:
            self._left += path.length + _NOTE
        self.cut[name] = max(length, self.cut.get(name, 0))
