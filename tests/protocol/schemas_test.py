"""Each tool's schema says what its model enforces: values at and over every bound are accepted by both or refused by both."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from servers.common.protocol.tools import Tool
from servers.elasticsearch.server import SIDECAR as ELASTICSEARCH
from servers.redis.server import SIDECAR as REDIS
from tests.protocol.schemas import entries, of, required

TOOLS = [pytest.param(tool, id=tool.name) for sidecar in (REDIS, ELASTICSEARCH) for tool in sidecar.tools]

HUGE = 10**18
"""More than every bound: what a model enforces without saying so shows at it."""

LONG_TEXT, LONG_LIST = 150_000, 40_000
"""The same for lengths, where a schema has no bound."""


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
    validator = Draft202012Validator(loose(schema))
    tool.arguments.model_validate(of(schema))
    outcomes = set()
    for arguments in probes(schema):
        if not isinstance(arguments, dict) or not arguments.keys() <= schema["properties"].keys():
            continue  # the SDK refuses the former; arguments_test is about the latter
        try:
            tool.arguments.model_validate(arguments)
            accepted, why = True, ""
        except ValidationError as error:
            accepted, why = False, str(error)[:300]
        assert validator.is_valid(arguments) == accepted, (str(arguments)[:200], why)
        outcomes.add(accepted)
    assert outcomes == ({True, False} if schema["properties"] else {True})


@pytest.mark.parametrize("tool", TOOLS)
def test_schemas_have_what_every_client_takes(tool: Tool) -> None:
    definition, schema = tool.definition, tool.definition.input_schema
    assert definition.title and definition.description and definition.annotations and definition.output_schema
    Draft202012Validator.check_schema(definition.output_schema)
    # Amazon Nova takes these three at the top, Anthropic no anyOf there.
    assert schema.keys() <= {"type", "properties", "required"} and schema["type"] == "object"
    for part in parts(schema):
        assert ("type" in part) != ("anyOf" in part), part
        assert part.get("type") != "array" or "items" in part, part
        assert part.keys() <= KEYWORDS, part
        assert isinstance(part.get("type", ""), str) and part.get("type") != "null", part
        assert "properties" not in part or part is schema or part["additionalProperties"] is False, part


KEYWORDS = {
    "type", "anyOf", "properties", "required", "items", "enum", "default", "description", "additionalProperties",
    "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties",
}  # fmt: skip
"""Of JSON Schema, what Gemini's Schema has as well (https://ai.google.dev/api/caching#Schema): no $ref, no exclusiveMinimum."""


def parts(schema: Any) -> Iterator[Mapping[str, Any]]:
    """A schema and all schemas in it."""
    if isinstance(schema, Mapping):
        yield schema
        nested = [*schema.get("properties", {}).values(), *schema.get("anyOf", [])]
        for part in [*nested, schema.get("items"), schema.get("additionalProperties")]:
            yield from parts(part)


def loose(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema of arguments in which any JSON value is the empty schema, as clients see no array in an array."""
    parts = {n: {} if len(p.get("anyOf", [])) == 5 else p for n, p in schema["properties"].items()}
    return {**schema, "properties": parts}
