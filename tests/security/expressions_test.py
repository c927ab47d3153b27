"""No regular expression of the servers takes more than a linear number of steps, whatever text it meets.

Each is found in the source with the method that it is used by, and meets long texts made of what it asks for. On these a
quadratic one takes minutes, and a linear one milliseconds: a limit of CPU time tells them apart on any machine.
"""

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SECONDS = 20
"""CPU seconds for all texts of an expression."""

METHODS = frozenset({"search", "match", "fullmatch", "sub", "findall", "finditer", "split"})

MADE = {
    "servers/elasticsearch/policy/index_scope.py",  # of the operator's patterns
    "servers/elasticsearch/policy/index_names.py",  # of a pattern of 3 wildcards at the most, for names of 255 bytes
    "servers/elasticsearch/policy/rest_policy.py",  # of the table of the API's paths, which are shorter than a request's line
    "servers/redis/policy/key_scope.py",  # of the operator's prefixes
    "servers/redis/settings.py",  # of the operator's mask
    "servers/common/settings.py",  # of the names of settings
    "servers/common/protocol/mentions.py",  # of the names of tools
}
"""Files that make expressions from something else."""

Use = tuple[str, str, int]
"""A method, a pattern, and flags."""


def sources() -> Iterator[tuple[Path, ast.Module]]:
    for file in sorted(Path("servers").rglob("*.py")):
        if "tests" not in file.parts:
            yield file, ast.parse(file.read_text())


def uses() -> dict[str, Use]:
    """Each use of an expression in the servers: where it is, and what it does."""
    found: dict[str, Use] = {}
    for file, tree in sources():
        module = importlib.import_module(".".join(file.with_suffix("").parts).removesuffix(".__init__"))
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr not in METHODS:
                continue
            place, owner = f"{file}:{node.lineno}", node.func.value
            if isinstance(owner, ast.Name) and owner.id == "re":
                pattern = node.args[0]
                if isinstance(pattern, ast.Constant) and isinstance(pattern.value, str | bytes):
                    found[place] = (node.func.attr, text(pattern.value), flags(node))
                else:
                    assert str(file) in MADE, place
            elif isinstance(owner, ast.Name) and isinstance(compiled := getattr(module, owner.id, None), re.Pattern):
                found[place] = (node.func.attr, text(compiled.pattern), int(compiled.flags) & ~int(re.UNICODE))
    return found


def text(pattern: str | bytes) -> str:
    return pattern if isinstance(pattern, str) else pattern.decode("latin-1")


def flags(node: ast.Call) -> int:
    names = [part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute) and part.attr.isupper()]
    return sum(int(getattr(re, name)) for name in names)


def ends(use: Use, seconds: int = SECONDS) -> bool:
    """Tells whether an expression comes to its end for all texts within so many seconds of CPU time, in a process of its own."""
    command = [sys.executable, str(Path(__file__).with_name("expressions.py")), *map(str, use), str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode <= 0, done.stderr
    return done.returncode == 0


USES = uses()


@pytest.mark.parametrize("use", [pytest.param(use, id=place) for place, use in USES.items()])
def test_an_expression_takes_linear_time(use: Use) -> None:
    assert ends(use)


@pytest.mark.parametrize("pattern", [r"(a+)+b", r"\s+$", r"(\w+\s?)*:", r"[\w.]+@"])
def test_one_that_does_not_is_found(pattern: str) -> None:
    assert not ends(("search", pattern, 0), 2)


def test_all_are_found() -> None:
    assert len(USES) > 50
