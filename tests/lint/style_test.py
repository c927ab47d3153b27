"""The prose of the project keeps to its style."""

from pathlib import Path

import pytest

from tests.lint.lint import source_tree
from tests.lint.style import LONGEST, Problem, problems, texts

GENERATED = ("docs/tools-", "docs/values.md", "docs/benchmarks/measured.md", "docs/benchmarks/hostile.md")


def checked(tree: Path) -> list[str]:
    """Return the pages, the chart's values and the modules that the style covers."""
    paths = [*tree.glob("*.md")]
    for folder in ("bazel", "charts", "docs", "examples", "servers", "tests", "tools"):
        paths += [p for p in (tree / folder).rglob("*") if p.suffix in (".md", ".py") or p.name == "values.yaml"]
    names = sorted(path.relative_to(tree).as_posix() for path in paths if not path.is_symlink())
    return [name for name in names if not name.startswith(GENERATED)]


def test_the_project_keeps_to_its_style() -> None:
    tree = source_tree()
    names = checked(tree)
    assert len(names) > 100
    found = [problem for name in names for text in texts(tree, name) for problem in problems(text)]
    assert not found, "\n".join(f"{p.place}: {p.text!r}: {p.better}" for p in found)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.md", "Fine.\n\nThe key has not a\nvalue.\n", Problem("a.md:3", "has not a", "does not have")),
        ("a.md", "| a | it is no key |\n", Problem("a.md:1", "is no key", "is not a")),
        ("a.md", "word " * (LONGEST + 1), Problem("a.md:1", "word word word word word word ...", "37 words: make two sentences")),
        ("values.yaml", "# The time in\n# which it runs.\na: 1\n", Problem("values.yaml:1", "The time in which", "while")),
        ("a.py", 'def f():\n    """Whether it is."""\n', Problem("a.py:2", "Whether it is.", "begin with a verb")),
    ],
)  # fmt: skip
def test_a_problem_is_found(name: str, content: str, expected: Problem, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    assert [p for text in texts(tmp_path, name) for p in problems(text)] == [expected]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.md", "There is no key. It is no longer there.\n\n```sh\nit is no key\n```\n`is no key`\n"),
        ("a.md", "- " + "word " * LONGEST + "\n- " + "word " * LONGEST + "\n"),
        ("values.yaml", "a: is no key\n"),
        ("a.py", '"""What a module does."""\n\nx = "is no key"\n'),
    ],
)
def test_plain_prose_and_code_pass(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    assert [p for text in texts(tmp_path, name) for p in problems(text)] == []
