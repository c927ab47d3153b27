"""What libraries compile while they are imported, compiled when the image was made.

A dataclass writes its methods as text and executes it, an annotation that is text is compiled to be evaluated, and `re` compiles
patterns: two thousand times in a start, which is a fifth of its CPU, and nearly all of it in libraries, always the same.
bazel/image/ahead.py notes their texts and writes what they compile to into FILE. Here the same texts get that; any other text is
compiled as ever.
"""

from __future__ import annotations

import builtins
import marshal
import sys
from types import CodeType
from typing import Any

FILE = __file__.removesuffix("common/compiled.py") + "compiled.bin"
"""In images, with the libraries; servers from wheels have none."""

Codes = dict[tuple[str, str], CodeType]
"""By mode of `compile` and text."""

Patterns = dict[tuple[str | bytes, int], tuple[Any, ...]]
"""By text and flags of `re.compile`; what `_sre.compile` takes beside the text."""


class Compiled:
    """From `begin` to `end`, the compiler of dataclasses, named tuples, annotations and regular expressions."""

    def __init__(self, codes: Codes, patterns: Patterns) -> None:
        self.codes = codes
        self.patterns = patterns

    @classmethod
    def read(cls, path: str) -> Compiled:
        """What is in a file; nothing where there is no such file, or one of another Python."""
        try:
            with open(path, "rb") as file:
                # Not marshal.load, which asks the file for each object.
                version, codes, patterns = marshal.loads(file.read())
        except FileNotFoundError:
            return cls({}, {})
        return cls(codes, patterns) if version == sys.hexversion else cls({}, {})

    def begin(self) -> None:
        import collections
        import typing
        from re import _compiler  # type: ignore[attr-defined]

        self._re: Any = _compiler
        self._re_compile = _compiler.compile
        _compiler.compile = self._pattern
        self._names: list[tuple[dict[str, Any], str]] = []
        self._compiles(vars(collections), "eval", self._eval)
        self._compiles(vars(typing), "compile", self._compile)
        # It imports what has named tuples.
        import dataclasses

        self._compiles(vars(dataclasses), "exec", self._exec)

    def _compiles(self, names: dict[str, Any], name: str, compiler: Any) -> None:
        # A module's own names come before the built-in ones.
        names[name] = compiler
        self._names.append((names, name))

    def end(self) -> None:
        """Gives the modules back their own compilers, and the memory of what was not asked for."""
        for names, name in self._names:
            del names[name]
        self._re.compile = self._re_compile
        self.codes, self.patterns = {}, {}

    def _compile(self, text: str, file: str, mode: str) -> CodeType:
        code = self.codes.get((mode, text))
        if code is None:
            # Kept, for most annotations come more than once.
            code = self.codes[mode, text] = builtins.compile(text, file, mode, dont_inherit=True)
        return code

    def _exec(self, text: str, globals: dict[str, Any], locals: dict[str, Any]) -> None:
        builtins.exec(self._compile(text, "<string>", "exec"), globals, locals)

    def _eval(self, text: str, globals: dict[str, Any]) -> Any:
        return builtins.eval(self._compile(text, "<string>", "eval"), globals)

    def _pattern(self, text: Any, flags: int = 0) -> Any:
        try:
            arguments = self.patterns[text, flags]
        except (KeyError, TypeError):  # TypeError: parsed already, as re.Scanner does
            return self._re_compile(text, flags)
        return self._re._sre.compile(text, *arguments)
