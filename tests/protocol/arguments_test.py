"""Arguments as models and frameworks send them: for every argument of every tool, what docs/clients.md says of it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from pydantic import BaseModel

from servers.common.protocol.tools import Tool, ToolError
from servers.elasticsearch.server import SIDECAR as ELASTICSEARCH
from servers.redis.server import SIDECAR as REDIS
from tests.protocol.schemas import of

ALL = {tool.name: tool for sidecar in (REDIS, ELASTICSEARCH) for tool in sidecar.tools}
ARGUMENTS = [
    pytest.param(tool, name, id=f"{tool.name}-{name}") for tool in ALL.values() for name in tool.input_schema["properties"]
]


def least(tool: Tool) -> dict[str, Any]:
    """Arguments that a tool accepts: the required ones."""
    found: dict[str, Any] = of(tool.input_schema)
    return found


def options(schema: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The alternatives of a schema by their type."""
    return {option["type"]: option for option in schema.get("anyOf", [schema])}


def sample(schema: Mapping[str, Any]) -> Any:
    """A value that a schema accepts, and that is not empty."""
    value = of(schema)
    match value:
        case "":
            return "1"
        case [] | [""]:
            return [sample(schema["items"])]
        case [_] | {} if value:
            return value
        case {}:
            return {"a": sample(schema.get("additionalProperties", {"type": "string"}))}
    return value


def forms(schema: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Return what may be sent for an argument, and what it means."""
    kinds = options(schema)
    anything = {"string", "number", "array"} <= set(kinds)
    if anything:
        for value in ('{"a": 1}', "[1]", "1", "true", 1, True, {"a": "[1]"}, [1]):
            yield value, value
        return
    for kind, option in kinds.items():
        value = sample(option)
        yield value, value
        if kind in ("array", "object"):
            yield json.dumps(value), value
            yield f" {json.dumps(value)}\n", value
        if kind == "array" and options(option["items"]).keys() & {"string", "object", "number"}:
            (item,) = value[:1]
            if len(value) == 1 and not (isinstance(item, str) and "string" in kinds):
                yield item, value
        if kind == "array" and list(options(option["items"])) == ["array"]:
            yield ["GET", "a", 1], [["GET", "a", "1"]]
        if kind == "integer":
            yield float(value), value
            yield str(value), value
        if kind == "number":
            yield str(value), value
        if kind == "boolean":
            yield "true", True
            yield "False", False
        if kind == "string" and "enum" not in option and not kinds.keys() & {"integer", "number"}:
            yield 123, "123"
            if "array" not in kinds:
                yield "[1]", "[1]"


@pytest.mark.parametrize(("tool", "name"), ARGUMENTS)
def test_each_form_of_a_value_means_the_same(tool: Tool, name: str) -> None:
    schema = tool.input_schema["properties"][name]
    for sent, meant in forms(schema):
        expected, _ = tool.check(least(tool) | {name: meant})
        found, ignored = tool.check(least(tool) | {name: sent})
        assert found == expected and not ignored, sent
        if not isinstance(found[name], list) or not any(isinstance(item, BaseModel) for item in found[name]):
            assert found[name] == meant, sent


@pytest.mark.parametrize(("tool", "name"), ARGUMENTS)
def test_null_is_absent(tool: Tool, name: str) -> None:
    if name not in tool.input_schema.get("required", []):
        assert tool.check(least(tool) | {name: None}) == tool.check(least(tool))
    elif "anyOf" not in tool.input_schema["properties"][name]:
        with pytest.raises(ToolError, match=f"{name}: field required"):
            tool.check(least(tool) | {name: None})


@pytest.mark.parametrize(("tool", "name"), ARGUMENTS)
def test_empty_text_is_absent_where_it_can_only_mean_that(tool: Tool, name: str) -> None:
    if name in tool.input_schema.get("required", []):
        return
    schema = tool.input_schema["properties"][name]
    if not tool.write or "enum" in schema or options(schema).keys() <= {"integer", "number", "boolean"}:
        assert tool.check(least(tool) | {name: ""}) == tool.check(least(tool))
        return
    try:
        assert tool.check(least(tool) | {name: ""})[0][name] == ""
    except ToolError as error:
        assert name in str(error)


@pytest.mark.parametrize(("tool", "name"), ARGUMENTS)
def test_a_misspelling_names_the_right_argument(tool: Tool, name: str) -> None:
    known = tool.input_schema["properties"]
    camel = name.split("_")[0] + "".join(word.title() for word in name.split("_")[1:])
    for wrong in {name + "s", name + "x", name.upper(), camel, f"{name[0]}{name}", f"the_{name}"} - set(known):
        with pytest.raises(ToolError, match="did you mean '"):
            tool.check(least(tool) | {wrong: 1})
    with pytest.raises(ToolError, match=f"did you mean '{name}'"):
        tool.check(least(tool) | {name.upper(): 1})


@pytest.mark.parametrize("tool", ALL.values(), ids=list(ALL))
def test_what_frameworks_add_is_ignored(tool: Tool) -> None:
    added = ["toolCallId", "sessionId", "session_id", "action", "chatInput", "tool", "__arg1", "random_string", "_meta"]
    extra = {name: {"a": 1} for name in added if name not in tool.input_schema["properties"]}
    assert tool.check(least(tool) | extra) == tool.check(least(tool))


@pytest.mark.parametrize("tool", ALL.values(), ids=list(ALL))
def test_an_unknown_argument_is_ignored_and_told_unless_data_is_changed(tool: Tool) -> None:
    if tool.write:
        with pytest.raises(ToolError, match="'dryness', and nothing was done"):
            tool.check(least(tool) | {"dryness": True})
    else:
        assert tool.check(least(tool) | {"dryness": True}) == (tool.check(least(tool))[0], ["dryness"])
