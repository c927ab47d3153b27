"""The table of a chart's values, with those of its subcharts.

Values are documented by the comment lines right above each key, in YAML that keeps to block style for what is documented.
"""

import argparse
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

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
    """Return the keys of a values.yaml that have a comment, in order.

    A key without one is a ValuesError, unless a key above it documents the whole of its value.
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
    """Return whether a comment follows a key's line: then the keys inside are documented one by one."""
    after = next((line for line in lines[number + 1 :] if line.strip()), "")
    return after.strip().startswith("#") and indentation(after) > indentation(lines[number])


def indentation(line: str) -> int:
    return len(line) - len(line.lstrip())


def shown(default: Any) -> str:
    if isinstance(default, str) and "\n" in default:
        default = "; ".join(default.strip().splitlines())
    text = default if isinstance(default, str) and default else json.dumps(default)
    return "`" + text.replace("|", "\\|") + "`"


def lookup(tree: Any, path: str, default: Any) -> Any:
    """The value at a dotted path, or `default` where there is none."""
    for name in path.split("."):
        if not isinstance(tree, dict) or name not in tree:
            return default
        tree = tree[name]
    return tree


def row(path: str, defaults: dict[str, Any], comment: str) -> str:
    """A row of the table; `defaults` are by section, and shown once where all sections have the same."""
    cells = {name: shown(default) for name, default in defaults.items()}
    if len(set(cells.values())) == 1:
        cell = next(iter(cells.values()))
    else:
        cell = ", ".join(f"{name}: {cell}" for name, cell in cells.items())
    return f"| `{path}` | {cell} | {comment.replace('|', chr(92) + '|')} |"


def dependencies(folder: Path) -> Iterator[tuple[str, str]]:
    """Subcharts of the chart in a folder that have a section of its values: their names, and the sections'."""
    for dependency in yaml.safe_load((folder / "Chart.yaml").read_text()).get("dependencies", []):
        if "condition" in dependency or "alias" in dependency:
            yield dependency["name"], dependency.get("alias", dependency["name"])


def placed(folder: Path, charts: Path, section: str = "", trees: tuple[Any, ...] = ()) -> Iterator[tuple[str, str, Any]]:
    """Subcharts and theirs by name, with the dotted path of each section and the values that charts above give it."""
    trees = (*trees, yaml.safe_load((folder / "values.yaml").read_text()))
    for name, key in dependencies(folder):
        inner = tuple(tree.get(key, {}) for tree in trees)
        path = f"{section}.{key}".removeprefix(".")
        yield name, path, inner
        yield from placed(charts / name, charts, path, inner)


def table(folder: Path) -> Iterator[str]:
    """Lines of docs/values.md: a section for each top key of a chart's values.

    Subcharts that are one chart under several names share a section.
    """
    chart = yaml.safe_load((folder / "Chart.yaml").read_text())
    text = (folder / "values.yaml").read_text()
    values, tree = documented(text), yaml.safe_load(text)
    yield f"# Values of the chart {chart['name']}\n"
    yield f"{chart['description']}. An unknown key is refused.\n"
    yield f"<!-- Made by `bazel run //tools:update_goldens` from the comments in `charts/{chart['name']}`; do not edit. -->"
    subcharts: dict[str, dict[str, Any]] = {}
    for name, path, above in placed(folder, folder / "charts"):
        subcharts.setdefault(name, {})[path] = above
    comments = {value.path: value.comment for value in values}
    used = {key for _, key in dependencies(folder)}
    for section in (name for name in tree if name not in used):
        yield from heading([section], comments)
        for value in values:
            name, _, path = value.path.partition(".")
            if name == section and not value.section:
                yield row(path or name, {section: value.default}, value.comment)
    for subchart, sections in subcharts.items():
        yield from heading(list(sections), comments)
        inner = {key for _, key in dependencies(folder / "charts" / subchart)}
        for value in documented((folder / "charts" / subchart / "values.yaml").read_text()):
            if not value.section and value.path.partition(".")[0] not in {"global", *inner}:
                defaults = {name: first(above, value.path, value.default) for name, above in sections.items()}
                yield row(value.path, defaults, value.comment)
    yield from shared(folder / "charts", subcharts)


def shared(charts: Path, subcharts: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Lines of the values that the library chart `common` describes, and that sections of subcharts have by their schemas."""
    takes: dict[str, set[str]] = {}
    for subchart, sections in subcharts.items():
        own = yaml.safe_load((charts / subchart / "values.yaml").read_text())
        keys = json.loads((charts / subchart / "values.schema.json").read_text())["properties"].keys() - own.keys()
        takes |= dict.fromkeys(sections, keys)
    values = [value for value in documented((charts / "common/values.yaml").read_text()) if not value.section]
    takers = {section: keys for section, keys in takes.items() if any(value.path in keys for value in values)}
    yield from heading([f"Also in {', '.join(takers)}"], {})
    for value in values:
        without = [f"`{section}`" for section, keys in takers.items() if value.path.partition(".")[0] not in keys]
        yield row(value.path, {"": value.default}, value.comment + f" Not in {', '.join(without)}." * bool(without))


def first(trees: tuple[Any, ...], path: str, default: Any) -> Any:
    """The value at a dotted path in the first of some trees that has it, or `default`."""
    for tree in reversed(trees):
        default = lookup(tree, path, default)
    return default


def heading(names: list[str], comments: dict[str, str]) -> Iterator[str]:
    yield f"\n## {', '.join(names)}\n"
    yield from (f"{comments[name]}\n" for name in names if name in comments)
    yield "| key | default | meaning |\n|---|---|---|"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--chart", type=Path, required=True, help="the parent's Chart.yaml")
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    given.output.write_text("\n".join(table(given.chart.parent)) + "\n")


if __name__ == "__main__":
    main()
