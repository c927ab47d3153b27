"""What a tool becomes: its schemas, the check of its arguments, the bounds of its result."""

import json
from typing import Annotated, Any, Literal, NotRequired

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import Client
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from servers.common.backend import BackendError, warnings
from servers.common.protocol import tools
from servers.common.protocol.resources import Resources
from servers.common.server import Instance, Sidecar
from servers.common.settings import CommonSettings, Environment


class Inner(BaseModel):
    """One of the things."""

    model_config = ConfigDict(extra="forbid")

    title: Annotated[str, Field(min_length=1, max_length=9)]
    ratio: Annotated[float | None, Field(gt=0, le=1)] = None


class Part(TypedDict):
    title: str


class Answer(TypedDict):
    title: Annotated[str, Field(description="a property may be called title")]
    more: NotRequired[list[Part]]
    first: NotRequired[Annotated[Part, Field(description="the first of them")]]
    count: Annotated[NotRequired[int], Field(ge=1, description="of all")]
    unknown: NotRequired[str | int]


@tools.tool(title="An example", write=True, destructive=True)
async def example(
    call: tools.Call[Any],
    *,
    name: Annotated[str, Field(description="whose")],
    count: Annotated[int, Field(ge=1, le=9)] = 3,
    note: str | None = None,
    either: str | Annotated[list[str], Field(min_length=1)] | None = None,
    others: Annotated[list[Inner], Field(max_length=3)] = [],  # noqa: B006 - pydantic copies it
    kind: Literal["a", "b"] = "a",
    flag: bool = False,
    yes: bool = True,
    anything: dict[str, Any] | None = None,
    names: dict[str, str] | None = None,
) -> Answer:
    """Does it."""
    return {"title": name}


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


def test_the_definition_says_what_is_enforced_and_nothing_needless() -> None:
    definition = example.definition
    assert (definition.name, definition.title, definition.description) == ("example", "An example", "Does it.")
    assert definition.input_schema == {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {"type": "string", "description": "whose"},
            "count": {"type": "integer", "minimum": 1, "maximum": 9, "default": 3},
            "note": {"type": "string"},
            "either": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]},
            "others": {"type": "array", "items": INNER, "maxItems": 3},
            "kind": {"type": "string", "enum": ["a", "b"], "default": "a"},
            "flag": {"type": "boolean"},
            "yes": {"type": "boolean", "default": True},
            "anything": {"type": "object"},
            "names": {"type": "object", "additionalProperties": {"type": "string"}},
        },
    }
    meanings = {"title": "a property may be called title", "first": "the first of them", "count": "of all"}
    results = {"title": "string", "more": "array", "first": "object", "count": "integer"}
    types: dict[str, dict[str, str]] = {name: {"type": kind} for name, kind in results.items()} | {"unknown": {}}
    assert definition.output_schema == {"type": "object", "properties": types}
    told = {name: types[name] | {"description": meaning} for name, meaning in meanings.items()}
    assert example.results == types | told
    hints = definition.annotations
    assert hints and (hints.read_only_hint, hints.destructive_hint, hints.open_world_hint) == (False, True, False)


def test_problems_name_arguments_and_not_their_values() -> None:
    with pytest.raises(tools.ToolError) as raised:
        example.check({"count": 99, "either": {"canary": 1}})
    text = str(raised.value)
    assert "name: field required" in text
    assert "count: input should be less than or equal to 9" in text
    assert "either: it has to be a string or an array" in text
    assert "canary" not in text and "99" not in text


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"either": [None] * 100_000}, "either: it has to be a string or an array"),
        ({"others": [{"title": []}] * 3}, "others.0.title: input should be a valid string"),
        ({"names": {"ok": "x", **{str(n): None for n in range(100_000)}}}, "names.0: input should be a valid string"),
        ({"names": {"ok": 5, "wrong": [], "other": {}}}, "names.wrong: input should be a valid string"),
    ],
)
def test_only_the_first_of_many_wrong_items_is_told(part: dict[str, Any], said: str) -> None:
    with pytest.raises(tools.ToolError, match=f"^wrong arguments: {said}$"):
        example.check({"name": "x"} | part)


@given(st.recursive(st.none() | st.integers() | st.text(), lambda children: st.lists(children), max_leaves=20))
def test_size_is_that_of_the_text(value: Any) -> None:
    text = tools.to_json(value)
    assert json.loads(text) == value
    assert tools.size(value) == len(text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("long", ["x" * 5000, {"a": "x" * 5000}, [["x" * 300] * 20], {"x" * 300 + str(n): n for n in range(20)}])
@pytest.mark.parametrize("place", [0, 1])
def test_an_item_that_no_result_has_room_for_is_cut_and_the_others_stay(long: Any, place: int) -> None:
    warnings.set([])
    items: list[Any] = ["first", "last"]
    items.insert(place, long)
    room = tools.Room(1000, reserve=0, rest="read it")
    kept = room.kept(items)
    assert len(kept) == 3 and [item for item in kept if item in ("first", "last")] == ["first", "last"]
    assert tools.size(kept) < 1000 and tools.size(kept[place]) <= 500
    assert "was cut: read it" in warnings.get()[0]


def test_room_is_filled_in_order() -> None:
    room = tools.Room(100, reserve=0)
    assert room.take("x" * 40) and room.take("x" * 40) and not room.take("x" * 40)
    assert tools.Room(100, reserve=0).kept(["x" * 90, "y" * 90, "z"]) == ["x" * 90]
    assert tools.Room(100, reserve=5000).take("x" * 20), "a part is left whatever is reserved"


def test_a_result_is_given_as_structure_and_text_and_is_bounded() -> None:
    answer = tools.result(tools.result_json({"a": "é"}, 100))
    assert answer.structured_content == {"a": "é"}
    assert getattr(answer.content[0], "text", None) == '{"a":"é"}'
    numbers = tools.from_json(b'{"a":[1e400,-1e400,1e300,null]}')
    assert tools.result_json(numbers, 100) == b'{"a":["Infinity","-Infinity",1e+300,null]}'
    with pytest.raises(tools.TooLong, match="108 bytes, more than the 100 allowed"):
        tools.result_json({"a": "x" * 100}, 100)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b'{"a": [1.5, null, "\xc3\xbc", 100000000000000000000]}', {"a": [1.5, None, "ü", 10**20]}),
        (b'"\\ud800"', "\ud800"),
        (b"[" * 300 + b"]" * 300, None),
    ],
)
def test_json_of_a_store(text: bytes, said: object) -> None:
    found = tools.from_json(bytearray(text))
    assert found == (said if said is not None else json.loads(text))


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"nothing"])
def test_what_is_no_json(text: bytes) -> None:
    with pytest.raises(ValueError):
        tools.from_json(text)


@tools.tool(title="Any")
async def anything(call: tools.Call[None], *, index: str = "") -> Answer:
    """Take an index."""
    return {"title": index}


def test_few_unknown_arguments_are_compared_with_known_ones() -> None:
    with pytest.raises(tools.ToolError, match="did you mean 'index'"):
        anything.check({"indx": "a"})
    # Comparing each of a body's 70,000 names took 7 s of CPU time, in which nobody else was served.
    many = {f"k{number}": number for number in range(1000)}
    values, ignored = anything.check(many | {"indx": "a"})
    assert values == {"index": ""} and len(ignored) == 1001


CHECKED: list[str] = []


def noted(value: str) -> str:
    CHECKED.append(value)
    return value


@tools.tool(title="A change", write=True)
async def change(call: tools.Call[Any], *, end: Annotated[str, AfterValidator(noted)]) -> Answer:
    """End in one of the ways."""
    if end == "lost":
        raise Lost("the connection broke")
    if end == "wrong":
        raise tools.ToolError("there is no such thing")
    return {"title": end}


class Lost(BackendError):
    unknown = True


class Nowhere:
    address = "nowhere"

    async def check(self) -> str:
        return "Nothing 1"

    async def close(self) -> None: ...


@pytest.mark.parametrize(
    ("end", "outcome", "said"),
    [("done", "ok", "done"), ("lost", "error", "may have been done"), ("wrong", "error", "no such thing")],
)
async def test_the_arguments_of_a_call_are_checked_once(end: str, outcome: str, said: str) -> None:
    """Each time they take as much memory again, and nobody sees it."""
    CHECKED.clear()
    settings = CommonSettings.read(Environment({"MCP_ALLOW_WRITES": "true"}))
    sidecar = Sidecar("n", "N", "", lambda env: None, lambda store: Nowhere(), [change], Resources((), ()), ())
    instance = Instance(sidecar, settings, Nowhere())
    async with Client(instance.server()) as client:
        answer = await client.call_tool("change", {"end": end})
    assert [end] == CHECKED and said in str(answer.content)
    counted = instance.metrics.registry.get_sample_value("mcp_tool_calls_total", {"tool": "change", "outcome": outcome})
    assert counted == 1
