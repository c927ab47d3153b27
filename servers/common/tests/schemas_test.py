"""Schemas of arguments say what a model enforces; schemas of results only types."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from typing_extensions import TypedDict

from servers.common.protocol.schemas import ArgumentsSchema, ResultSchema


class Inner(BaseModel):
    """One of the things."""

    model_config = ConfigDict(extra="forbid")

    title: Annotated[str, Field(min_length=1, max_length=9)]
    ratio: Annotated[float | None, Field(gt=0, le=1)] = None


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    first: Inner
    others: Annotated[list[Inner], Field(max_length=3)] = []
    kind: Literal["a", "b"] = "a"
    number: int = 0
    flag: bool = False
    yes: bool = True
    anything: dict[str, Any] | None = None
    names: dict[str, str] | None = None
    either: str | Annotated[list[str], Field(min_length=1)] | None = None


INNER = {
    "type": "object",
    "description": "One of the things.",
    "additionalProperties": False,
    "required": ["title"],
    "properties": {
        "title": {"type": "string", "minLength": 1, "maxLength": 9},
        "ratio": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    },
}


def test_arguments_say_what_is_enforced_and_nothing_needless() -> None:
    assert Outer.model_json_schema(schema_generator=ArgumentsSchema) == {
        "type": "object",
        "additionalProperties": False,
        "required": ["first"],
        "properties": {
            "first": INNER,
            "others": {"type": "array", "items": INNER, "maxItems": 3},
            "kind": {"type": "string", "enum": ["a", "b"], "default": "a"},
            "number": {"type": "integer", "default": 0},
            "flag": {"type": "boolean"},
            "yes": {"type": "boolean", "default": True},
            "anything": {"type": "object"},
            "names": {"type": "object", "additionalProperties": {"type": "string"}},
            "either": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]},
        },
    }


class Part(TypedDict):
    title: str


class Parts(TypedDict):
    title: Annotated[str, Field(description="a property may be called title")]
    first: Annotated[Part, Field(description="the first of them")]
    second: Part
    more: NotRequired[list[Part]]
    count: Annotated[NotRequired[int], Field(ge=1, description="of all")]
    unknown: Annotated[str | int, Field(description="either")]


def test_results_have_types_and_meanings_alone() -> None:
    schema = TypeAdapter(Parts).json_schema(schema_generator=ResultSchema, mode="serialization")
    assert schema["properties"] == {
        "title": {"type": "string", "description": "a property may be called title"},
        "first": {"type": "object", "description": "the first of them"},
        "second": {"type": "object"},
        "more": {"type": "array"},
        "count": {"type": "integer", "description": "of all"},
        "unknown": {"description": "either"},
    }
