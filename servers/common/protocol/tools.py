"""Tools: typed async functions, what clients are told of them, and how a call is checked, bounded and answered.

A tool's arguments and result are described by its Python types, from which the JSON Schemas that clients see are made.
"""

import hashlib
import inspect
import json
import re
import types
import typing
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Generic, TypeVar

import mcp_types
import orjson
import pydantic_core
from pydantic import BaseModel, ConfigDict, FailFast, TypeAdapter, ValidationError, create_model

from servers.common.backend import warn
from servers.common.protocol.arguments import expected, fitted, nearest, unknown
from servers.common.protocol.schemas import ArgumentsSchema, ResultSchema
from servers.common.settings import hide
from servers.common.text_escape import escaped, plain

B = TypeVar("B")
T = TypeVar("T")

MOST_STRANGE = 20
"""Unknown arguments of a call that are compared with the tool's own."""

MOST_CUT = 5
"""Places of an item that a warning names as cut."""

LONGEST_FAILURE = 4000
"""Characters of a message that says what went wrong."""


class ToolError(Exception):
    """A call that can't be answered. The message goes to the model: what is wrong, and what to do next."""


class TooLong(ToolError):
    """A result over the limit that the tool could not cut."""


Report = Callable[[float, float | None, str | None], Awaitable[None]]
"""Reports the progress of a call: what is done, of how much, in words."""


async def _nobody(done: float, total: float | None, message: str | None) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Call(Generic[B]):
    """The context of a tool call, besides its arguments."""

    backend: B
    max_bytes: int
    """Limit of the result as JSON, in bytes."""

    progress: Report = _nobody
    """Does nothing where the client has not asked for progress."""

    told: Callable[[str], str] = str
    """Removes mentions of unlisted tools from a note. Errors are treated this way automatically."""


ToolFunction = Callable[..., Awaitable[Mapping[str, Any]]]


@dataclass(frozen=True)
class Tool:
    """A tool as it is served. The models and schemas of its types are made when they are first asked for: none is needed to
    start."""

    function: ToolFunction
    title: str
    write: bool
    destructive: bool
    idempotent: bool
    needs: Callable[[Any], bool] | None
    """Whether a reached backend supports the tool; None: always."""

    dry_run: Callable[[Mapping[str, Any]], bool]
    """Whether a call with these arguments changes nothing, although the tool is destructive."""

    @property
    def name(self) -> str:
        return self.function.__name__

    @cached_property
    def _hints(self) -> dict[str, Any]:
        return typing.get_type_hints(self.function, include_extras=True)

    @cached_property
    def arguments(self) -> type[BaseModel]:
        """The model that checks the arguments."""
        fields: dict[str, Any] = {}
        for name, parameter in inspect.signature(self.function).parameters.items():
            if parameter.kind is parameter.KEYWORD_ONLY:
                default = ... if parameter.default is parameter.empty else parameter.default
                fields[name] = (until_wrong(self._hints[name]), default)
        return create_model(self.name, __config__=ConfigDict(extra="forbid"), **fields)

    @cached_property
    def input_schema(self) -> dict[str, Any]:
        """The JSON Schema of the arguments. It says nothing of unknown ones: some are ignored, see `check`."""
        schema = self.arguments.model_json_schema(schema_generator=ArgumentsSchema)
        del schema["additionalProperties"]
        return schema

    def check(self, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """Return the values of all arguments, and the names of unknown arguments that were ignored. Raise ToolError for one that
        is wrong, missing or misspelled, or that is unknown to a tool that changes data."""
        strange = unknown(given, self.input_schema)
        for name in strange[:MOST_STRANGE]:
            if near := nearest(name, self.arguments.model_fields):
                raise ToolError(f"wrong arguments: there is no argument {plain(name, 100)!r}: did you mean {near!r}?")
            if self.write:
                known = ", ".join(self.arguments.model_fields)
                raise ToolError(
                    f"wrong arguments: there is no argument {plain(name, 100)!r}, and nothing was done: leave it out; "
                    f"the arguments are {known}"
                )
        try:
            checked = self.arguments.model_validate(fitted(given, self.input_schema, write=self.write))
        except ValidationError as error:
            wrong = problems(error, self.input_schema)
            if strange:
                wrong += f"; there is no argument {plain(strange[0], 100)!r}"
            raise ToolError(f"wrong arguments: {wrong}") from None
        return {name: getattr(checked, name) for name in self.arguments.model_fields}, strange

    @cached_property
    def results(self) -> dict[str, Any]:
        """The JSON Schema of each part of a result, with its meaning: for people. Models see results themselves."""
        schema = TypeAdapter(self._hints["return"]).json_schema(schema_generator=ResultSchema, mode="serialization")
        properties: dict[str, Any] = schema["properties"]
        return properties

    @cached_property
    def integers(self) -> frozenset[str]:
        """The parts of a result that its schema calls integers."""
        return frozenset(name for name, part in self.results.items() if part.get("type") == "integer")

    @cached_property
    def definition(self) -> mcp_types.Tool:
        """Return what clients are told."""
        return mcp_types.Tool(
            name=self.name,
            title=self.title,
            description=inspect.getdoc(self.function),
            input_schema=self.input_schema,
            output_schema={
                "type": "object",
                "properties": {name: {k: part[k] for k in part if k != "description"} for name, part in self.results.items()},
            },
            annotations=mcp_types.ToolAnnotations(
                read_only_hint=not self.write,
                destructive_hint=self.destructive if self.write else None,
                idempotent_hint=True if self.write and self.idempotent else None,
                open_world_hint=False,
            ),
        )

    @cached_property
    def mirrored_schema(self) -> dict[str, Any] | None:
        """The input schema if clients mirror an argument of the tool in a header (SEP-2243); None if they mirror none."""
        schema = self.definition.input_schema
        return schema if "x-mcp-header" in json.dumps(schema) else None


def tool(
    *,
    title: str,
    write: bool = False,
    destructive: bool = False,
    idempotent: bool = True,
    needs: Callable[[Any], bool] | None = None,
    dry_run: Callable[[Mapping[str, Any]], bool] = lambda arguments: False,
) -> Callable[[ToolFunction], Tool]:
    """Make a tool of a function `async def name(call, *, argument: type = default, ...) -> typing_extensions.TypedDict`.

    Its docstring is the description. Arguments are described with `Annotated[type, Field(description=...)]`. Only if writes are
    allowed are tools served that `write`; a `destructive` one may overwrite or delete, as in the MCP specification. Calling an
    `idempotent` tool twice is as calling it once. `needs` tells whether a backend can do it, so that the tool is listed (None:
    each can); `dry_run` whether a call with some arguments changes nothing, so that MCP_CONFIRM need not ask a person.
    """

    return lambda function: Tool(function, title, write, destructive, idempotent, needs, dry_run)


class _UntilWrong(FailFast):
    """FailFast in a hashable form."""

    def __hash__(self) -> int:
        return hash(self.fail_fast)


def until_wrong(hint: Any) -> Any:
    """Return a type whose lists are checked only up to the first wrong item: pydantic takes a kilobyte for each error."""
    kind, parts = typing.get_origin(hint), typing.get_args(hint)
    if kind is Annotated:
        return Annotated[(until_wrong(parts[0]), *hint.__metadata__)]
    if kind in (typing.Union, types.UnionType):
        return typing.Union[tuple(map(until_wrong, parts))]  # noqa: UP007
    return Annotated[list[until_wrong(parts[0])], _UntilWrong()] if kind is list else hint  # type: ignore[misc]


def problems(error: ValidationError, schema: Mapping[str, Any]) -> str:
    """Return what is wrong with the arguments, a clause each: their names and the reasons, not their values."""
    found: dict[str, str] = {}
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        reason = f"{item['msg'][0].lower()}{item['msg'][1:]}"
        node, place = schema, []
        for part in item["loc"]:
            if "anyOf" in node:  # pydantic goes on with the names of the alternatives, which are not the caller's
                reason = f"it has to be {expected(node)}"
                break
            place.append(str(part))
            inner = node.get("items") if isinstance(part, int) else node.get("properties", {}).get(part)
            node = inner if isinstance(inner, Mapping) else {}
        found.setdefault(".".join(place), reason)
    return "; ".join(f"{place}: {reason}" if place else reason for place, reason in found.items())


def encoded(value: Any) -> bytes:
    """Encode a tool's value as compact JSON in UTF-8; infinities, as 1e400 is when it is read, become texts. Half of a surrogate
    pair is a pydantic_core.PydanticSerializationError."""
    with suppress(TypeError):
        text = orjson.dumps(value, option=_EXACTLY)
        if b"null" not in text:  # which may stand for an infinity
            return text
        del text  # memory may not be enough for two
    # pydantic's is slower, and takes more: integers over 64 bits, keys and values of other types.
    return pydantic_core.to_json(value, inf_nan_mode="strings", fallback=str)


_EXACTLY = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS
"""Types that both know are left to pydantic, so that there is one way to write each."""


def to_json(value: Any) -> str:
    """Encode a value as compact JSON that escapes invisible and control characters."""
    try:
        return escaped(pydantic_core.to_json(value, fallback=str).decode())
    except pydantic_core.PydanticSerializationError:  # a lone surrogate has no UTF-8
        return escaped(json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str))


def fingerprint(value: Any, size: int = 8) -> str:
    """Return a hash of a value's JSON: `size` bytes as hex digits."""
    return hashlib.blake2b(to_json(value).encode("utf-8", "replace"), digest_size=size).hexdigest()


def from_json(text: bytes | bytearray) -> Any:
    """Parse JSON in UTF-8, or raise ValueError."""
    try:
        return pydantic_core.from_json(text)
    except ValueError:
        # Python's own is slower, and takes some more: deep nesting, half of a surrogate pair.
        try:
            return json.loads(text)
        except RecursionError:
            return orjson.loads(text)  # takes 1024 levels, and makes floats of integers over 64 bits


def size(value: Any) -> int:
    """Return the bytes of a value in a result's text."""
    try:
        text = escaped(encoded(value).decode())
    except pydantic_core.PydanticSerializationError:
        text = to_json(value)
    return _length(text)


def _length(text: str) -> int:
    """Bytes of a text in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


class Room:
    """The bytes that are left to fill in a result."""

    def __init__(self, limit: int, reserve: int = 512, rest: str = "") -> None:
        """Begin with `limit` bytes of a result, less `reserve` for something else. `rest` tells the model where to read what was
        cut."""
        self._whole = max(limit - reserve, limit // 4)
        self.left = self._whole
        self._rest = rest

    def take(self, item: Any) -> bool:
        """Return whether an item fits, and fill the room with it if it does."""
        return self._fill(size(item) + 1)

    def _fill(self, need: int) -> bool:
        if need > self.left:
            return False
        self.left -= need
        return True

    def fit(self, item: T) -> T | None:
        """Return an item for the result; None when it does not fit any more. An item that is longer than all of the room is cut
        to half of it, so that others fit. A warning in the result says what was cut."""
        need = size(item) + 1
        if need <= self._whole:
            return item if self._fill(need) else None
        # Seldom needed, and it measures what it cuts with `size`.
        from servers.common.protocol.truncate import shorten

        shorter, cut = shorten(item, self._whole // 2)
        if not self.take(shorter):
            return None
        what = ", ".join(f"{plain(path, 40) or 'it'} ({length})" for path, length in list(cut.items())[:MOST_CUT])
        warn(f"a value too long for a result was cut{self._rest and ': ' + self._rest}; full lengths: {what}")
        return shorter  # type: ignore[no-any-return]

    def kept(self, items: Iterable[T], what: str = "") -> list[T]:
        """Return as many items as fit, in their order, each as `fit` gives it. If `what` they are called is given, a warning
        tells how many are left out."""
        kept: list[T] = []
        rest = iter(items)
        for item in rest:
            shown = self.fit(item)
            if shown is None:
                if what:
                    warn(f"{1 + sum(1 for _ in rest)} more {what} did not fit into this result")
                break
            kept.append(shown)
        return kept


MAX_SAFE_INTEGER = 2**53 - 1
"""The largest integer that JavaScript, and so many a client, holds exactly (RFC 8259, 6)."""

_LONG_NUMBER = re.compile(r"\d{16}")


def _safe(digits: str) -> int | str:
    """Return an integer of JSON, or its digits where it is beyond 2^53."""
    return digits if len(digits) > 17 or abs(int(digits)) > MAX_SAFE_INTEGER else int(digits)


def result_json(value: Mapping[str, Any], limit: int) -> bytes:
    """Return what a tool returned as JSON, or raise TooLong if that has more than `limit` bytes as text."""
    try:
        content = encoded(value)
    except pydantic_core.PydanticSerializationError:
        # A lone surrogate has no UTF-8; it can only come from a client's own escape.
        content = encoded(json.loads(to_json(value).encode("utf-8", "replace")))
    length = _length(escaped(content.decode()))
    if length > limit:
        raise TooLong(f"the result has {length} bytes, more than the {limit} allowed: ask for less of it")
    return content


def result(content: bytes, integers: Collection[str] = ()) -> mcp_types.CallToolResult:
    """Return the answer to a call: the structured content, and the same as text for clients that know no other.

    The text has every integer exactly. The structured content has those beyond 2^53 as strings, but for the parts in `integers`,
    which the output schema calls so. `content` is from `result_json`.
    """
    text = escaped(content.decode())
    if _LONG_NUMBER.search(text):
        structured = json.loads(content, parse_int=_safe)
        structured |= {name: int(structured[name]) for name in integers if name in structured}
    else:
        structured = orjson.loads(content)
    return mcp_types.CallToolResult(content=[mcp_types.TextContent(type="text", text=text)], structured_content=structured)


def failure(message: str) -> mcp_types.CallToolResult:
    """Return an answer that says what went wrong, as a result that the model sees."""
    text = plain(hide(message), LONGEST_FAILURE)  # what a store says may be in it
    return mcp_types.CallToolResult(content=[mcp_types.TextContent(type="text", text=text)], is_error=True)
