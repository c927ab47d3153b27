"""Record which versions a Bazel registry has of the modules that MODULE.bazel names.

The registry is read as https://bazel.build/external/registry describes it: modules/NAME/metadata.json lists versions, and
which of them were yanked. The lock names no address.
"""

import argparse
import ast
import datetime
import json
import os
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from bazel.records import LockError, dumps

OVERRIDES = ("archive_override", "git_override", "local_path_override")


def pins(module: str) -> dict[str, str]:
    """Return the version of each module that the text of a MODULE.bazel, a subset of Python, takes from a registry, by name."""
    found, overridden = {}, set()
    for node in ast.walk(ast.parse(module)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        words = {k.arg: k.value.value for k in node.keywords if isinstance(k.value, ast.Constant)}
        if node.func.id == "bazel_dep":
            found[str(words["name"])] = str(words.get("version", ""))
        elif node.func.id in OVERRIDES:
            overridden.add(words["module_name"])
    return {name: version for name, version in found.items() if name not in overridden}


def versions(registry: str, name: str) -> list[str]:
    """Return the versions that a registry (http://, https:// or file://) has of a module, in its order, without yanked ones.

    LockError if it can't be read or does not have the module.
    """
    address = f"{registry.rstrip('/')}/modules/{name}/metadata.json"
    try:
        with urllib.request.urlopen(address, timeout=60) as answer:
            metadata = json.load(answer)
    except (OSError, ValueError) as error:
        raise LockError(f"{address}: {error}") from error
    return [version for version in metadata["versions"] if version not in metadata.get("yanked_versions", {})]


def missing(pinned: Mapping[str, str], lock: Mapping[str, object]) -> list[str]:
    """Return a line for each pinned version that the lock does not list."""
    modules = lock["modules"]
    assert isinstance(modules, dict)
    return [
        f"{name} {version}: the registry did not have it on {lock['date']}; it had {', '.join(modules.get(name, [])) or 'none'}"
        for name, version in sorted(pinned.items())
        if version not in modules.get(name, [])
    ]


def written(date: str, modules: Mapping[str, list[str]]) -> str:
    """Return the text of the lock: a line for each module."""
    return dumps({"date": date, "modules": dict(sorted(modules.items()))}, 2) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="lock_modules", description=__doc__)
    parser.add_argument(
        "--registry",
        default=os.environ.get("BAZELW_REGISTRY"),
        help="address of the central registry or of a copy, https:// or file://; default: BAZELW_REGISTRY",
    )
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    parser.add_argument("--date", default=today, help="the day of the registry's state, such as 2026-08-22; default: today")
    given = parser.parse_args()
    if not given.registry:
        parser.error("give --registry ADDRESS: bazel.build/external/registry names the central one")
    tree = Path(os.environ["BUILD_WORKSPACE_DIRECTORY"])
    pinned = pins((tree / "MODULE.bazel").read_text())
    try:
        modules = {name: versions(given.registry, name) for name in pinned}
        if lines := missing(pinned, {"date": given.date, "modules": modules}):
            raise LockError("\n".join(lines))
    except LockError as error:
        sys.exit(f"lock_modules: {error}")
    (tree / "bazel/registry/lock.json").write_text(written(given.date, modules))
    print(f"bazel/registry/lock.json: {len(modules)} modules as of {given.date}")


if __name__ == "__main__":
    main()
