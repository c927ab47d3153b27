"""Show the differences between two renders of a chart: what a value changes, by object and path.

Comments and the order of keys and of named list entries are left out, as the API leaves them out.
"""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

LONG = 40
"""Lines of an added text that are shown in full; of a longer one the number of lines is."""


class Dumper(yaml.SafeDumper):
    """Writes texts of several lines as they are, unless they are long."""


def text_node(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    if text.count("\n") > LONG:
        text = f"({len(text.splitlines())} lines)"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


Dumper.add_representer(str, text_node)


def objects(text: str) -> dict[str, Any]:
    """Manifests by `Kind/name`."""
    return {f"{m['kind']}/{m['metadata']['name']}": m for m in yaml.safe_load_all(text) if m}


def entries(value: Any) -> dict[str, Any] | None:
    """Return what is inside a mapping or list by its path element: a key, the name of a list's entry, or its index.

    None for a scalar, and for what is empty.
    """
    if isinstance(value, dict):
        return {f".{key}": inner for key, inner in value.items()} or None
    if isinstance(value, list):
        names = [entry.get("name") if isinstance(entry, dict) else None for entry in value]
        named = all(names) and len(set(names)) == len(names)
        return {f"[{names[i] if named else i}]": entry for i, entry in enumerate(value)} or None
    return None


def lines(mark: str, path: str, value: Any) -> Iterator[str]:
    """The lines of a value that only one side has."""
    text = yaml.dump(value, Dumper=Dumper, width=1000, default_flow_style=False, sort_keys=False)
    head, *rest = text.removesuffix("...\n").splitlines()
    if rest or (isinstance(value, (dict, list)) and value):
        yield f"{mark} {path}:"
        yield from (f"{mark}   {line}" for line in (head, *rest))
    else:
        yield f"{mark} {path}: {head}"


def differences(path: str, before: Any, after: Any) -> Iterator[str]:
    """Lines that begin with `-` for what is gone and `+` for what is new, each with its path."""
    inside, now_inside = entries(before), entries(after)
    if inside is not None and now_inside is not None and type(before) is type(after):
        for key in dict.fromkeys((*inside, *now_inside)):
            inner = (path + key).removeprefix(".")
            if key not in now_inside:
                yield from lines("-", inner, inside[key])
            elif key not in inside:
                yield from lines("+", inner, now_inside[key])
            else:
                yield from differences(inner, inside[key], now_inside[key])
    elif before == after and type(before) is type(after):
        return
    elif isinstance(before, str) and isinstance(after, str) and "\n" in before and "\n" in after:
        yield f"  {path}:"
        diff = list(difflib.ndiff(before.splitlines(), after.splitlines()))
        yield from (f"{line[0]}   {line[2:]}" for line in diff if line[0] in "+-")
    else:
        yield from lines("-", path, before)
        yield from lines("+", path, after)


def compare(before: str, after: str) -> str:
    """The differences between two renders: a block of lines for each object that differs."""
    old, new = objects(before), objects(after)
    blocks = []
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            blocks.append(f"- {name}")
        elif name not in old:
            blocks.append(
                "\n".join((f"+ {name}", *(line for key in new[name] for line in lines("+", key, new[name][key]))))
            )
        elif found := list(differences("", old[name], new[name])):
            blocks.append("\n".join((f"  {name}", *found)))
    return "\n\n".join(blocks) + "\n" if blocks else "No differences.\n"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    given.output.write_text(compare(given.before.read_text(), given.after.read_text()))


if __name__ == "__main__":
    main()
