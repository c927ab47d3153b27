"""JSON Schemas of tools, made by pydantic: arguments with all that is enforced, results in outline.

A client pays for every byte of tools/list, so a schema has no titles, no `$ref`, and no default that says nothing.
"""

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema


class InlineSchema(GenerateJsonSchema):
    """A schema without titles, whose definitions are written where they are used. They must not be recursive."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._definitions: dict[str, core_schema.CoreSchema] = {}

    def generate_inner(self, schema: Any) -> JsonSchemaValue:
        return super().generate_inner({key: value for key, value in schema.items() if key != "ref"})

    def definitions_schema(self, schema: core_schema.DefinitionsSchema) -> JsonSchemaValue:
        self._definitions |= {definition["ref"]: definition for definition in schema["definitions"]}
        return self.generate_inner(schema["schema"])

    def definition_ref_schema(self, schema: core_schema.DefinitionReferenceSchema) -> JsonSchemaValue:
        return self.generate_inner(self._definitions[schema["schema_ref"]])

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        return _without_title(super().model_schema(schema))

    def typed_dict_schema(self, schema: core_schema.TypedDictSchema) -> JsonSchemaValue:
        return _without_title(super().typed_dict_schema(schema))


class ArgumentsSchema(InlineSchema):
    """What the arguments' model accepts, except null: a client leaves an optional argument out."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Leave out the defaults that everybody expects: null, false, nothing."""
        found = super().default_schema(schema)
        default = found.get("default")
        if default is None or default is False or default == []:
            found.pop("default", None)
        return found

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """Leave out the default: any value."""
        found = super().dict_schema(schema)
        if schema.get("values_schema", {}).get("type", "any") == "any":
            found.pop("additionalProperties", None)
        return found

    def any_schema(self, schema: core_schema.AnySchema) -> JsonSchemaValue:
        """Name all types: clients refuse a schema without one, and an array without a type for its items."""
        types = [{"type": name} for name in ("string", "number", "boolean", "object")]
        return {"anyOf": [*types, {"type": "array", "items": {"anyOf": types}}]}


class ResultSchema(InlineSchema):
    """The types of a result's fields, and nothing of their insides."""

    def typed_dict_field_schema(self, schema: core_schema.TypedDictField) -> JsonSchemaValue:
        return {key: value for key, value in super().typed_dict_field_schema(schema).items() if key == "type"}


def _without_title(schema: JsonSchemaValue) -> JsonSchemaValue:
    schema.pop("title", None)
    return schema
