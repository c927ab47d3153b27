"""JSON with one record on each line, so that a changed record is one changed line."""

import json
from typing import Any


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
