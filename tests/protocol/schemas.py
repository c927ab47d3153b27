"""Values that a tool's JSON Schema accepts."""

from collections.abc import Mapping
from typing import Any


def of(schema: Mapping[str, Any]) -> Any:
    """A value that the schema accepts, at its least bounds."""
    if "anyOf" in schema:
        return of(schema["anyOf"][0])
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "string":
            return "a" * schema.get("minLength", 0)
        case "integer":
            return schema.get("minimum", 0)
        case "number":
            return schema.get("minimum", schema.get("exclusiveMinimum", -1) + 1)
        case "boolean":
            return True
        case "array":
            return [of(schema.get("items", {}))] * schema.get("minItems", 0)
        case "object":
            least = {name: of(part) for name, part in schema.get("properties", {}).items() if name in required(schema)}
            return least | entries(schema, schema.get("minProperties", 0))
    return "anything"


def entries(schema: Mapping[str, Any], count: int) -> dict[str, Any]:
    """Entries of a mapping whose names are free."""
    inner = schema.get("additionalProperties")
    return {f"name-{number}": of(inner) if isinstance(inner, Mapping) else 1 for number in range(count)}


def required(schema: Mapping[str, Any]) -> list[str]:
    found: list[str] = schema.get("required", [])
    return found
