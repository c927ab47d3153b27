"""What programs that write locks share: JSON with one record on each line, so that a changed record is one changed line."""

import json
import subprocess
from typing import Any


class LockError(Exception):
    """The lock can't be made or does not hold; the message says what to do."""


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
