"""What programs that write locks share, as JSON with one record on each line, so that a changed record is one changed line."""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any


class LockError(Exception):
    """The lock can't be made or does not hold; the message says what to do."""


def renew(program: str, renewed: Callable[[Path], Iterable[str]]) -> None:
    """Run a program without arguments that renews locks: `renewed` gets the source tree, and returns what to tell."""
    argparse.ArgumentParser(prog=program, description=(renewed.__doc__ or "").strip()).parse_args()
    try:
        for line in renewed(Path(os.environ.get("BUILD_WORKSPACE_DIRECTORY", "."))):
            print(f"{program}: {line}")
    except LockError as error:
        sys.exit(f"{program}: {error}")


def ran(*command: str, otherwise: str, **how: Any) -> subprocess.CompletedProcess[str]:
    """Run a program to its end. If this machine lacks it, raise LockError with what to do `otherwise`."""
    try:
        return subprocess.run(command, text=True, capture_output=True, check=False, **how)
    except FileNotFoundError:
        raise LockError(f"{command[0]} is not on this machine: {otherwise}") from None


def dumps(value: Any, depth: int, margin: str = "") -> str:
    """Return a value as JSON, of which the outer `depth` levels are spread over lines; the last has this margin.

    Containers below, and those that hold no others, stay on one line.
    """
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if not depth or not any(isinstance(part, dict | list) for part in parts):
        return json.dumps(value)
    inner = margin + "  "
    if isinstance(value, dict):
        lines = [f"{json.dumps(key)}: {dumps(part, depth - 1, inner)}" for key, part in value.items()]
    else:
        lines = [dumps(part, depth - 1, inner) for part in value]
    begin, end = "{}" if isinstance(value, dict) else "[]"
    return begin + "\n" + ",\n".join(inner + line for line in lines) + "\n" + margin + end
