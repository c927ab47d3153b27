"""Each tool's schema says what its model enforces: values at and over every bound are accepted by both or refused by both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from servers.common.protocol.tools import Tool
from servers.elasticsearch.server import SIDECAR as ELASTICSEARCH
from servers.redis.server import SIDECAR as REDIS

TOOLS = [pytest.param(tool, id=tool.name) for sidecar in (REDIS, ELASTICSEARCH) for tool in sidecar.tools]

HUGE = 10**18
"""More than every bound: what a model enforces without saying so shows at it."""

LONG_TEXT, LONG_LIST = 150_000, 40_000
"""The same for lengths, where a schema has no bound."""


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


def around(bound: float | None) -> Iterator[Any]:
    if bound is not None:
        yield from (bound - 1, bound, bound + 1)


def bounds(schema: Mapping[str, Any], least: str, most: str, beyond: int) -> list[int]:
    """Lengths at the bounds of a schema and beside them, and one beyond all where it says none."""
    found = {0, 1, *around(schema.get(least)), *(around(schema[most]) if most in schema else [beyond])}
    return sorted(length for length in found if length >= 0)


def probes(schema: Mapping[str, Any]) -> Iterator[Any]:
    """Values of all types at the bounds of a schema, beside and far beyond them."""
    yield of(schema)
    yield from ([], {}, {"a": []}, [[]], {"unknown": 1})
    if "anyOf" in schema:
        for part in schema["anyOf"]:
            yield from probes(part)
    if "enum" in schema:
        yield from (*schema["enum"], "", "unknown", schema["enum"][0].upper() + "x")
        return
    kind = schema.get("type")
    # A model may also take the text of a number for the number, and the reverse: a leniency that no schema states.
    if kind in ("integer", "number"):
        yield from (-HUGE, -1, 0, 1, HUGE, 0.5, 1.0, "x")
        for name in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
            yield from around(schema.get(name))
    elif kind == "string":
        lengths = bounds(schema, "minLength", "maxLength", LONG_TEXT)
        # Characters count, not bytes or UTF-16 units.
        yield from (character * length for length in lengths for character in ("a", "\N{GRINNING FACE}"))
    elif kind == "array":
        items = schema.get("items", {})
        lengths = bounds(schema, "minItems", "maxItems", LONG_LIST)
        yield from ([of(items)] * length for length in lengths)
        enough = max(schema.get("minItems", 1), 1)
        yield from ([probe] * enough for probe in probes(items))
        yield "x"
    elif kind == "object":
        least = of(schema)
        for name, part in schema.get("properties", {}).items():
            yield from (least | {name: probe} for probe in probes(part))
        yield from ({k: v for k, v in least.items() if k != name} for name in required(schema))
        yield least | {"unknown": 1}
        if "properties" not in schema:
            lengths = bounds(schema, "minProperties", "maxProperties", LONG_LIST)
            yield from (entries(schema, length) for length in lengths)
        if isinstance(inner := schema.get("additionalProperties"), Mapping):
            yield from ({"a": probe} for probe in probes(inner))
        yield "x"


@pytest.mark.parametrize("tool", TOOLS)
def test_what_is_enforced_is_said(tool: Tool) -> None:
    schema = tool.definition.input_schema
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    tool.arguments.model_validate(of(schema))
    outcomes = set()
    for arguments in probes(schema):
        if not isinstance(arguments, dict):
            continue  # the SDK refuses these
        try:
            tool.arguments.model_validate(arguments)
            accepted, why = True, ""
        except ValidationError as error:
            accepted, why = False, str(error)[:300]
        assert validator.is_valid(arguments) == accepted, (str(arguments)[:200], why)
        outcomes.add(accepted)
    assert outcomes == {True, False}


@pytest.mark.parametrize("tool", TOOLS)
def test_schemas_have_what_clients_can_use(tool: Tool) -> None:
    def parts(schema: Any) -> Iterator[Mapping[str, Any]]:
        if isinstance(schema, Mapping):
            yield schema
            nested = [*schema.get("properties", {}).values(), *schema.get("anyOf", [])]
            for part in [*nested, schema.get("items"), schema.get("additionalProperties")]:
                yield from parts(part)

    found = list(parts(tool.definition.input_schema))
    assert not [part for part in found if {"$ref", "$defs", "title", "allOf"} & set(part) or part.get("type") == "null"]
    assert all(part["additionalProperties"] is False for part in found if "properties" in part)


@pytest.mark.parametrize("tool", TOOLS)
def test_null_is_an_argument_left_out(tool: Tool) -> None:
    """Some clients send null for each argument that they do not use."""
    schema = tool.definition.input_schema
    least = of(schema)
    for name, field in tool.arguments.model_fields.items():
        if not field.is_required() and field.default is None:
            tool.arguments.model_validate(least | {name: None})
