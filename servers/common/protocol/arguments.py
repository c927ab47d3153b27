"""Convert arguments, as models and frameworks send them, to the form that a tool's schema requires.

Models write lists and objects as JSON text, frameworks fill in null for what a model left out, and add arguments of their own.
docs/clients.md has the rules. Values are changed only where the schema leaves no doubt about what was meant; pydantic checks the
result.
"""

import difflib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import pydantic_core

Schema = Mapping[str, Any]

FRAMEWORK_ARGUMENTS = frozenset(
    {
        "toolcallid", "toolname", "tool", "sessionid", "action", "chatinput", "arg1", "randomstring", "requestid", "runid",
        "threadid", "traceid", "userid", "conversationid", "messageid", "callbacks", "runmanager", "config", "kwargs",
        "metadata", "meta", "thought", "thoughts", "reasoning", "explanation", "purpose", "intent", "dummy", "noargs",
        "securityrisk", "taskprogress", "waitforprevioustools",
    }
)  # fmt: skip
"""Names that agent frameworks add to a call, in lower case and without `_`: n8n, LangChain, Flowise, Cline and others."""

NEAR = 0.7
"""Similarity, from 0 to 1, from which a name counts as a misspelling of another."""

_ANY = {"string", "number", "boolean", "object", "array"}
"""The types of an argument that takes any JSON value."""


def plain_name(name: str) -> str:
    """Return a name in lower case, letters and digits alone."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that a misspelled one is most like; None if it is like none."""
    words = [plain_name(word) for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+", name[:100])]
    plain = {plain_name(other): other for other in known}
    for candidate in (plain_name(name[:100]), *words):
        if len(candidate) > 1 and (found := difflib.get_close_matches(candidate, plain, 1, NEAR)):
            return plain[found[0]]
    return None


def unknown(given: Iterable[str], schema: Schema) -> list[str]:
    """Return the arguments that neither a tool nor a framework has."""
    known = schema.get("properties", {})
    return [name for name in given if name not in known and plain_name(name) not in FRAMEWORK_ARGUMENTS]


def fitted(given: Mapping[str, Any], schema: Schema, *, write: bool) -> dict[str, Any]:
    """Convert an object's members to the form that its schema, without references, requires. Unknown members are left out.

    If a tool changes data (`write`), "" counts as absent only for a number, a boolean or one of a few words.
    """
    required = schema.get("required", ())
    found = {}
    for name, part in schema.get("properties", {}).items():
        if name not in given:
            continue
        value = given[name]
        kinds = set(_kinds(part))
        if value is None and not kinds >= _ANY:
            continue
        precise = "enum" in part or not kinds & {"string", "object", "array"}
        if isinstance(value, str) and not value and name not in required and (precise or not write):
            continue
        found[name] = fit(value, part)
    return found


def _options(schema: Schema) -> Sequence[Schema]:
    options: Sequence[Schema] = schema.get("anyOf", [schema])
    return options


def _kinds(schema: Schema) -> list[str]:
    return [option.get("type", "") for option in _options(schema)]


def fit(value: Any, schema: Schema) -> Any:
    """Convert a value to the form that its schema requires. Return it unchanged if that is not clear, or if it is too large."""
    kinds = _kinds(schema)
    if set(kinds) >= _ANY:
        return value  # the tool knows of what form it has to be, and of what its items
    if isinstance(value, str):
        value = _from_text(value, schema, kinds)
    elif _is_number(value) and "string" in kinds and not {"integer", "number"} & set(kinds):
        value = pydantic_core.to_json(value).decode()
    for option in _options(schema):
        if option.get("type") == "array":
            value = _as_list(value, option, kinds)
            if isinstance(value, list) and len(value) <= option.get("maxItems", len(value)):
                return _all_fit(value, option.get("items", {}))
        elif option.get("type") == "object" and isinstance(value, Mapping):
            return _inside(value, option)
    return value


def _inside(value: Mapping[str, Any], schema: Schema) -> Mapping[str, Any]:
    """Convert the members of an object to the form that its schema requires."""
    if properties := schema.get("properties"):
        rest = {name: part for name, part in value.items() if name not in properties}
        return fitted(value, schema, write=True) | rest
    inner = schema.get("additionalProperties")
    if isinstance(inner, Mapping):
        # One more than there may be, and the first wrong value, tell as much as all of them.
        some = value if (most := schema.get("maxProperties")) is None else dict(islice(value.items(), most + 1))
        fit_ones = dict(zip(some, _all_fit(some.values(), inner), strict=True))
        if _kinds(inner) == ["string"]:
            for name, part in fit_ones.items():
                if not isinstance(part, str):
                    return {name: part}
        return fit_ones
    return value


def _all_fit(values: Iterable[Any], schema: Schema) -> list[Any]:
    """Convert values to the form that their schema requires. There may be 100,000: valid texts and numbers take little time."""
    kinds = set(_kinds(schema))
    texts, numbers = "string" in kinds, not kinds.isdisjoint({"integer", "number"})
    return [
        value
        if (isinstance(value, str) and texts and value.lstrip()[:1] not in ("[", "{")) or (numbers and _is_number(value))
        else fit(value, schema)
        for value in values
    ]


def _from_text(text: str, schema: Schema, kinds: Sequence[str]) -> Any:
    """Parse a text as a JSON list or object, if the schema accepts one."""
    start = text.lstrip()[:1]
    lists_of_objects = "string" not in kinds and any("object" in _kinds(o.get("items", {})) for o in _options(schema))
    if (start == "[" and "array" in kinds) or (start == "{" and ("object" in kinds or lists_of_objects)):
        try:
            return pydantic_core.from_json(text)
        except ValueError:
            return text
    return text


def _as_list(value: Any, schema: Schema, kinds: Sequence[str]) -> Any:
    """Wrap a single value into a list, if the schema accepts it only as an item."""
    items = schema.get("items", {})
    inner = _kinds(items)
    if isinstance(value, list):
        if inner == ["array"] and value:
            # The words of one command, where a list of commands is expected.
            parts = (_from_text(item, items, inner) if isinstance(item, str) else item for item in value)
            return value if any(isinstance(part, list) for part in parts) else [value]
        return value
    if isinstance(value, str):
        single = value != "" and "string" not in kinds and bool({"string", "number", "integer"} & set(inner))
    elif isinstance(value, Mapping):
        single = "object" not in kinds and "object" in inner
    else:
        single = _is_number(value) and not {"string", "number", "integer"} & set(kinds)
    return [value] if single else value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def expected(schema: Schema) -> str:
    """Say in words what values a schema takes."""
    return " or ".join(dict.fromkeys(_WORDS.get(option.get("type", ""), "a value") for option in _options(schema)))


_WORDS = {
    "string": "a string", "number": "a number", "integer": "an integer", "boolean": "true or false",
    "array": "an array", "object": "an object",
}  # fmt: skip
