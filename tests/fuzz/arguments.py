"""Arguments of tools, from the schemas that the tools give to clients: right, nearly right and wild.

The schemas say which types there are; `Words` says what is worth saying, for most of a random string ends at the first check.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mcp_types
from hypothesis import strategies as st

from tests.fuzz.text import ANYTHING, INTEGERS, NUMBERS, PIECES, STRINGS, Strategy, raw


@dataclass(frozen=True)
class Words:
    """What a store knows: values by the name of the property that they fit, and for any."""

    by_name: Mapping[str, Strategy]
    known: Sequence[str]

    calls: Mapping[str, Sequence[Mapping[str, Any]]]
    """Arguments of tools that lead far into them, where the words alone seldom do."""


def arguments(tool: mcp_types.Tool, words: Words) -> Strategy:
    schema = tool.input_schema
    fitting, typed = _object(schema, words, bounds=True), _object(schema, words, bounds=False)
    known = words.calls.get(tool.name)
    good = st.sampled_from([dict(call) for call in known]) if known else fitting
    right = st.one_of(
        good, fitting, st.builds(lambda one, other: one | other, good, _object(schema, words, bounds=True, some=True))
    )
    places = st.integers(0, 12)
    changes = st.lists(st.tuples(places, st.integers(0, 3), ANYTHING), min_size=1, max_size=2)
    names = st.one_of(st.sampled_from(sorted(schema.get("properties", {})) or ["a"]), STRINGS)
    return st.one_of(
        right,
        right,
        typed,
        st.builds(_changed, right, changes),
        st.builds(lambda value, place, piece: _changed(value, [(place, 0, raw(piece))]), right, places, PIECES),
        st.dictionaries(names, ANYTHING, max_size=4),
    )


def _changed(value: dict[str, Any], changes: Sequence[tuple[int, int, Any]]) -> dict[str, Any]:
    """Nearly right: one of the arguments is replaced, wrapped, left out, or another is added."""
    result = dict(value)
    for place, kind, other in changes:
        names = sorted(result)
        name = names[place % len(names)] if names else "key"
        if kind == 0:
            result[name] = other
        elif kind == 1:
            result[name] = [result.get(name)]
        elif kind == 2:
            result.pop(name, None)
        else:
            result[f"{name}_"] = other
    return result


def _object(schema: Mapping[str, Any], words: Words, bounds: bool, some: bool = False) -> Strategy:
    """An object of a schema; with `some` any of its properties may be left out."""
    properties = schema.get("properties", {})
    required = set() if some else set(schema.get("required", ()))
    fields = {name: _value(part, words, name, bounds) for name, part in properties.items()}
    return st.fixed_dictionaries(
        {name: field for name, field in fields.items() if name in required},
        optional={name: field for name, field in fields.items() if name not in required},
    )


def _value(schema: Mapping[str, Any], words: Words, name: str, bounds: bool) -> Strategy:
    """A value of a schema's type; with `bounds` one that fits, and that the store has a word for where there is one."""
    known = words.by_name.get(name)
    if known is not None and bounds:
        return known
    typed = _typed(schema, words, name, bounds)
    return typed if known is None else st.one_of(known, typed)


def _typed(schema: Mapping[str, Any], words: Words, name: str, bounds: bool) -> Strategy:
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "anyOf" in schema:
        return st.one_of([_value(part, words, name, bounds) for part in schema["anyOf"]])
    match schema.get("type"):
        case "string":
            return st.one_of(st.sampled_from(words.known), STRINGS)
        case "integer":
            least, most = schema.get("minimum", 0), schema.get("maximum", 10_000)
            inside = st.integers(least, most)
            return inside if bounds else st.one_of(inside, st.sampled_from([least - 1, most + 1]), INTEGERS)
        case "number":
            return st.integers(1, 5) if bounds else NUMBERS
        case "boolean":
            return st.booleans()
        case "array":
            least = schema.get("minItems", 0) if bounds else 0
            return st.lists(_value(schema.get("items", {}), words, name, bounds), min_size=least, max_size=5)
        case "object" if "properties" in schema:
            return _object(schema, words, bounds)
        case "object":
            of = schema.get("additionalProperties")
            inner = _value(of, words, "", bounds) if isinstance(of, Mapping) else ANYTHING
            return st.dictionaries(st.one_of(st.sampled_from(words.known), STRINGS), inner, max_size=4)
    return ANYTHING
