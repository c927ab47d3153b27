"""Show the differences between two renders of a chart: what a value changes, by object and path.

Comments and the order of keys and of named list entries are left out, as the API leaves them out.
"""

import argparse
import difflib
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import yaml

LONG = 40
"""Lines of an added text that are shown in full; of a longer one the number of lines is."""


WIDTH = 150
"""Characters of a mapping or list that is written in one line."""


NAMING = ("app.kubernetes.io/name", "helm.sh/chart")
"""Labels that name the chart of an object, which one that is like another has otherwise."""


class Dumper(yaml.SafeDumper):
    """Writes in one line what has nothing nested or is short, and texts of several lines as they are, unless they are long."""

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> yaml.MappingNode:
        return flat(super().represent_mapping(tag, mapping, flow_style))

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        return flat(super().represent_sequence(tag, sequence, flow_style))


Collection = TypeVar("Collection", bound=yaml.CollectionNode)


def flat(node: Collection) -> Collection:
    """Have a node written in one line if it has nothing nested or is short."""
    node.flow_style = node.flow_style or length(node) <= WIDTH
    return node


def length(node: yaml.Node) -> int:
    """Characters of a node in one line: more than fit for a text of several lines."""
    if isinstance(node, yaml.MappingNode):
        return sum(length(key) + length(value) + 4 for key, value in node.value)
    if isinstance(node, yaml.SequenceNode):
        return sum(length(entry) + 2 for entry in node.value)
    return WIDTH + 1 if isinstance(node, yaml.ScalarNode) and node.style == "|" else len(node.value)


def text_node(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    if text.count("\n") > LONG:
        text = f"({len(text.splitlines())} lines)"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


Dumper.add_representer(str, text_node)


def objects(text: str) -> dict[str, Any]:
    """Manifests by `Kind/name`, which they do not have inside then."""
    return {f"{m.pop('kind')}/{m['metadata'].pop('name')}": m for m in yaml.safe_load_all(text) if m}


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


def written(value: Any) -> str:
    """YAML of a value."""
    return yaml.dump(value, Dumper=Dumper, width=1000, default_flow_style=None, sort_keys=False).removesuffix("...\n")


def lines(mark: str, path: str, value: Any) -> Iterator[str]:
    """The lines of a value that only one side has: its path alone where it is gone and the other's golden shows its parts."""
    if isinstance(value, dict):
        value = {key: inner for key, inner in value.items() if not (key == "name" and path.endswith(f"[{inner}]"))}
    while isinstance(value, dict) and len(value) == 1:
        ((key, value),) = value.items()
        path += f".{key}"
    head, *rest = written(value).splitlines()
    if not rest:
        yield f"{mark} {path}: {head}"
    elif mark == "-":
        yield f"- {path}"
    else:
        yield f"{mark} {path}:"
        yield from (f"{mark}   {line}" for line in (head, *rest))


def differences(path: str, before: Any, after: Any) -> Iterator[str]:
    """Lines, each with its path: `-` for what is gone, `+` for what is new, neither for another value (old -> new)."""
    inside, now_inside = entries(before), entries(after)
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after) == 1:
        yield from differences(path + next(iter(entries(before) or ())), before[0], after[0])
    elif inside is not None and now_inside is not None and type(before) is type(after):
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
    elif inside is now_inside is None and "\n" not in f"{before}{after}":
        yield f"  {path}: {written(before).strip()} -> {written(after).strip()}"
    else:
        yield from lines("-", path, before)
        yield from lines("+", path, after)


def relabelled(value: Any, labels: dict[str, str]) -> Any:
    """A copy of a value with other labels that name the chart."""
    if isinstance(value, dict):
        return {key: labels[key] if key in labels else relabelled(inner, labels) for key, inner in value.items()}
    return [relabelled(inner, labels) for inner in value] if isinstance(value, list) else value


def added(name: str, value: Any, others: dict[str, Any]) -> Iterator[str]:
    """The lines of an object that only the second render has: how it differs from the most similar other one, or all of it."""
    whole = [line for key, inner in value.items() for line in lines("+", key, inner)]
    kind = name.partition("/")[0] + "/"
    labels = {key: text for key, text in value["metadata"].get("labels", {}).items() if key in NAMING}
    alike = {other: relabelled(was, labels) for other, was in others.items() if other.startswith(kind)}
    found = {other: list(differences("", was, value)) for other, was in alike.items()}
    nearest = min(found, key=lambda other: len(found[other]), default="")
    if nearest and len(found[nearest]) < len(whole) / 2:
        names = f" and labels ({', '.join(labels.values())})" if labels else ""
        yield f"+ {name}, which is {nearest} but for its name{names}" + (" and:" if found[nearest] else "")
        yield from found[nearest]
    else:
        yield from (f"+ {name}", *whole)


def compare(before: str, after: str) -> str:
    """The differences between two renders: what is gone, then a block of lines for each object that differs."""
    old, new = objects(before), objects(after)
    gone = [name.split("/", 1) for name in sorted(old.keys() - new.keys())]
    kinds = itertools.groupby(gone, lambda name: name[0])
    blocks = [[f"- {kind}/{', '.join(name for _, name in names)}" for kind, names in kinds]]
    known = {name: new.get(name, value) for name, value in old.items()}
    for name in sorted(new):
        if name not in old:
            blocks.append(list(added(name, new[name], known)))
            known[name] = new[name]
        elif changed := list(differences("", old[name], new[name])):
            blocks.append([f"  {name}", *changed])
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n" if any(blocks) else "No differences.\n"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("render", type=Path)
    parser.add_argument("--base", type=Path, help="another render; default: nothing")
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    base = given.base.read_text() if given.base else ""
    given.output.write_text(compare(base, given.render.read_text()))


if __name__ == "__main__":
    main()
