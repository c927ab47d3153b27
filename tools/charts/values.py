"""What a person reads of the chart's values: the parent's values.yaml with all of its subcharts', and the table in docs.

Values are documented by the comment lines right above each key, in YAML that keeps to block style for what is documented.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

MARK = "# --- The values of the subcharts follow"
KEY = re.compile(r"^( *)([\w.-]+):(?: |$)")


class Value(NamedTuple):
    """A documented key.

    `path` is dotted, `default` what the chart has, None for a section, `comment` what is said above it.
    """

    path: str
    default: Any
    comment: str
    section: bool


class ValuesError(Exception):
    """A values.yaml that does not document itself."""


def documented(text: str) -> list[Value]:
    """The keys of a values.yaml that have a comment, in order.

    Raises:
        ValuesError: a key has none, unless a key above it documents the whole of its value.
    """
    values: list[Value] = []
    tree = yaml.safe_load(text)
    stack: list[tuple[int, str]] = []
    comment: list[str] = []
    covered: int | None = None  # indentation of the key whose comment covers what is inside
    lines = text.splitlines()
    for number, line in enumerate(lines):
        stripped = line.strip()
        if stripped.startswith("#"):
            comment.append(stripped.removeprefix("#").strip())
            continue
        found = KEY.match(line)
        if not found:
            comment = []
            continue
        indent, key = len(found[1]), found[2]
        if covered is not None and indent > covered:
            comment = []
            continue
        covered = None
        while stack and stack[-1][0] >= indent:
            stack.pop()
        stack.append((indent, key))
        names = [name for _, name in stack]
        if not comment:
            raise ValuesError(f"{'.'.join(names)} has no comment")
        default = tree
        for name in names:
            default = default[name]
        section = isinstance(default, dict) and bool(default) and documents_inside(lines, number)
        values.append(Value(".".join(names), None if section else default, " ".join(comment), section))
        if not section:
            covered = indent
        comment = []
    return values


def documents_inside(lines: list[str], number: int) -> bool:
    """Whether a comment follows a key's line: then the keys inside are documented one by one."""
    after = next((line for line in lines[number + 1 :] if line.strip()), "")
    return after.strip().startswith("#") and indentation(after) > indentation(lines[number])


def indentation(line: str) -> int:
    return len(line) - len(line.lstrip())


def body(text: str) -> str:
    """A subchart's values without its head line and without `global`, which the parent has."""
    blocks = re.split(r"\n\n(?=\S)", text.strip("\n"))
    return "\n\n".join(b for b in blocks[1:] if not re.search(r"^global:", b, re.M))


def head(block: str) -> str:
    """The first paragraph, which says what the file is."""
    return re.split(r"\n\n", block, maxsplit=1)[0]


def parent(text: str, subcharts: dict[str, tuple[str, str]]) -> str:
    """The parent's values.yaml.

    Args:
        text: as it is now; what stands above the mark is kept
        subcharts: name to (description, values.yaml)
    """
    above, mark, rest = text.partition(MARK)
    if not mark:
        raise ValuesError(f"the parent's values.yaml has no line {MARK!r}")
    parts = [above + mark + rest.split("\n", 1)[0]]
    for name, (description, values) in subcharts.items():
        inner = "\n".join("  " + line if line else line for line in body(values).splitlines())
        parts.append(f"# {description}.\n{name}:\n{inner}")
    return "\n\n".join(parts) + "\n"


def shown(default: Any) -> str:
    if isinstance(default, str) and "\n" in default:
        default = "; ".join(default.strip().splitlines())
    text = default if isinstance(default, str) and default else json.dumps(default)
    return "`" + text.replace("|", "\\|") + "`"


def table(text: str) -> Iterator[str]:
    """docs/values.md: a section for each top key of the parent's values."""
    yield "# Values of the chart\n"
    yield "Made by `bazel run //tools:update_goldens` from the comments in `charts/dox-asdlc`; do not edit.\n"
    for value in documented(text):
        name, _, path = value.path.partition(".")
        if not path:
            yield f"\n## {name}\n\n{value.comment}\n\n| key | default | meaning |\n|---|---|---|"
        elif not value.section:
            yield f"| `{path}` | {shown(value.default)} | {value.comment.replace('|', chr(92) + '|')} |"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["parent", "table"])
    parser.add_argument("--chart", type=Path, required=True, help="the parent's Chart.yaml")
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    folder = given.chart.parent
    text = (folder / "values.yaml").read_text()
    if given.what == "parent":
        subcharts = {}
        for dependency in yaml.safe_load(given.chart.read_text())["dependencies"]:
            if "condition" in dependency:
                subchart = folder / "charts" / dependency["name"]
                description = yaml.safe_load((subchart / "Chart.yaml").read_text())["description"]
                subcharts[dependency["name"]] = (description, (subchart / "values.yaml").read_text())
        given.output.write_text(parent(text, subcharts))
    else:
        given.output.write_text("\n".join(table(text)).replace("\n\n\n", "\n\n") + "\n")


if __name__ == "__main__":
    main()
