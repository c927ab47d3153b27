"""What is compiled ahead is used, anything else is compiled as ever, and nothing is left of it in the end."""

from __future__ import annotations

import collections
import dataclasses
import marshal
import re
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from servers.common.compiled import Compiled

TEXT = "lambda _cls, x, y: _tuple_new(_cls, (x, y))"
"""What a named tuple of x and y writes."""

namedtuple: Any = collections.namedtuple
re_compiler: Any = re.__dict__["_compiler"]


@pytest.fixture
def compiled() -> Iterator[Compiled]:
    mine = Compiled({}, {})
    re.purge()
    mine.begin()
    yield mine
    if hasattr(dataclasses, "exec"):
        mine.end()


def test_the_same_texts_get_what_was_compiled(compiled: Compiled) -> None:
    # Other than what they compile to, so that it shows.
    compiled.codes["eval", TEXT] = compile("lambda _cls, x, y: _tuple_new(_cls, (y, x))", "<string>", "eval")
    compiled.codes["eval", "some.annotation"] = compile("42", "<string>", "eval")
    # The code of a pattern is SUCCESS alone.
    compiled.patterns["never matched as it is", 0] = (int(re.UNICODE), [1], 0, {}, (None,))
    assert tuple(namedtuple("Swapped", "x y")(1, 2)) == (2, 1)
    assert typing.ForwardRef("some.annotation").__forward_code__ is compiled.codes["eval", "some.annotation"]
    assert re.compile("never matched as it is").match("")


def test_any_other_text_is_compiled(compiled: Compiled) -> None:
    @dataclasses.dataclass(frozen=True, order=True)
    class Point:
        x: int
        y: int = 2

    assert (Point(1), repr(Point(1)), Point(1) < Point(2)) == (Point(1, 2), f"{Point.__qualname__}(x=1, y=2)", True)
    with pytest.raises(dataclasses.FrozenInstanceError):
        Point(1).x = 3  # type: ignore[misc]
    assert namedtuple("Pair", "x y")(1, 2).y == 2
    hints = typing.get_type_hints(type("Hinted", (), {"__annotations__": {"a": "int", "b": "int"}}))
    assert hints == {"a": int, "b": int}
    assert re.compile(r"(?P<word>\w+)").match("a b")["word"] == "a"  # type: ignore[index]
    assert re.__dict__["Scanner"]([("a", "A")]).scan("aab") == (["A", "A"], "b")
    with pytest.raises(SyntaxError, match="Forward reference must be an expression"):
        typing.ForwardRef("a b")
    with pytest.raises(re.error, match="unterminated"):
        re.compile("[a")


def test_an_annotation_is_compiled_once(compiled: Compiled) -> None:
    first, again = typing.ForwardRef("int"), typing.ForwardRef("int")
    assert first.__forward_code__ is again.__forward_code__


def test_nothing_is_left_in_the_end(compiled: Compiled) -> None:
    compiler = re_compiler.compile
    compiled.end()
    names = [vars(collections), vars(dataclasses), vars(typing)]
    assert not [name for module in names for name in ("compile", "eval", "exec") if name in module]
    assert re_compiler.compile is not compiler
    assert not compiled.codes
    assert re.compile("x|y").match("y")


@pytest.mark.parametrize(("version", "codes"), [(sys.hexversion, 1), (sys.hexversion - 1, 0)])
def test_what_another_python_compiled_is_not_used(version: int, codes: int, tmp_path: Path) -> None:
    file = tmp_path / "compiled.bin"
    content: tuple[Any, ...] = (version, {("eval", "1"): compile("1", "<string>", "eval")}, {})
    file.write_bytes(marshal.dumps(content))
    assert len(Compiled.read(str(file)).codes) == codes


def test_without_a_file_there_is_nothing(tmp_path: Path) -> None:
    found = Compiled.read(str(tmp_path / "compiled.bin"))
    assert (found.codes, found.patterns) == ({}, {})
