"""Mutation tests: `bazel run //tests/mutation -- --module servers/redis/policy/key_scope.py`.

mutmut changes one thing of a module at a time, and runs the tests that execute it. A mutant that no test fails for survives.
A module's tests are those of its own name: NAME_test.py guards NAME.py. Tests of another process are left out: see in_process.py.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from bazel.python.import_path import import_path

NOT_MUTATED = [r"\braise [A-Z]\w+\(", r"\b(ToolError|_unclear)\(", r"^\s*(return|else) f?\""]
"""Lines that stay as they are: texts of errors. Tests read the part of them that matters."""


def guard(module: str) -> str:
    """Return the tests of a module."""
    _, server, *_, name = Path(module).with_suffix("").parts
    return f"servers/{server}/tests/{name}_test.py"


def modules(workspace: Path) -> list[str]:
    """Return the modules of policy, then those that both servers share, as far as they have tests of their own."""
    found = [
        str(path.relative_to(workspace))
        for pattern in ("servers/*/policy/*.py", "servers/common/**/*.py")
        for path in sorted(workspace.glob(pattern))
    ]
    return [module for module in found if (workspace / guard(module)).exists()]


def prepare(workspace: Path, module: str, folder: Path) -> None:
    """Copy what the tests import, and write mutmut's settings."""
    for part in ("bazel/python", "servers", "tests/mutation", "tools"):
        shutil.copytree(workspace / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    arguments = "-p no:cacheprovider --import-mode=importlib -c pyproject.toml --hypothesis-profile=ci"
    plugins = "-p bazel.python.pytest_main -p tests.mutation.in_process"
    settings = {
        "source_paths": ["servers"],
        "only_mutate": [module],
        "also_copy": ["bazel", "tools"],
        "do_not_mutate_patterns": NOT_MUTATED,
        "pytest_add_cli_args": f"{arguments} {plugins}".split(),
        "pytest_add_cli_args_test_selection": [guard(module)],
        "timeout_constant": 4.0,  # a mutant may take 15 times the tests' own time and this many seconds
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    text = (workspace / "pyproject.toml").read_text()
    (folder / "pyproject.toml").write_text("\n".join([text, "[tool.mutmut]", *lines, ""]))


def mutmut(folder: Path, *arguments: str) -> str:
    env = os.environ | {"PYTHONPATH": import_path()}
    command = [sys.executable, "-m", "tests.mutation.run_mutmut", *arguments]
    done = subprocess.run(command, cwd=folder, env=env, text=True, capture_output=True, check=False)
    if done.returncode:
        sys.exit(f"mutmut {arguments[0]}: {(done.stdout + done.stderr)[-6000:]}")
    return done.stdout


def results(folder: Path) -> Iterator[tuple[str, str]]:
    """Each mutant's name, and what became of it."""
    for line in mutmut(folder, "results", "--all", "true").splitlines():
        name, _, status = line.strip().partition(": ")
        yield name, status


def tried(workspace: Path, module: str, arguments: argparse.Namespace) -> Counter[str]:
    """Try mutants of a module, name those that survive, and count what became of them."""
    with tempfile.TemporaryDirectory(prefix="mutation.") as temporary:
        folder = Path(temporary)
        prepare(workspace, module, folder)
        # The first of each function; with them come the names of all.
        mutmut(folder, "run", f"*{arguments.only}*__mutmut_1")
        left = sorted(
            name for name, status in results(folder) if status == "not checked" and fnmatch(name, f"*{arguments.only}*")
        )
        if arguments.sample is not None:
            left = random.Random(arguments.seed).sample(left, min(arguments.sample, len(left)))
        if left:
            mutmut(folder, "run", *left)
        found = Counter[str]()
        for name, status in results(folder):
            found[status] += 1
            if status not in ("killed", "timeout", "not checked"):
                print(mutmut(folder, "show", name) if arguments.show else f"{name}: {status}", flush=True)
        return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="mutation", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--module", action="append", help="the path of one; without it all")
    parser.add_argument("--sample", type=int, help="so many mutants of a module beside the first of each function")
    parser.add_argument("--seed", type=int, default=1, help="of the choice of these")
    parser.add_argument("--only", default="", help="only mutants with this in their names")
    parser.add_argument("--show", action="store_true", help="show what was changed in each that survives")
    arguments = parser.parse_args()
    workspace = Path(os.environ.get("BUILD_WORKSPACE_DIRECTORY", ".")).absolute()
    if unknown := set(arguments.module or ()) - set(known := modules(workspace)):
        parser.error(f"{min(unknown)} has no tests of its name; known are {' '.join(known)}")
    print("| module | mutants | tried | killed | survived |\n|---|---|---|---|---|")
    for module in arguments.module or known:
        found = tried(workspace, module, arguments)
        count = found.total() - found["not checked"]
        killed = found["killed"] + found["timeout"]
        print(f"| `{module}` | {found.total()} | {count} | {killed} | {count - killed} |", flush=True)


if __name__ == "__main__":
    main()
