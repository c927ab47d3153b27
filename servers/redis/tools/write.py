"""redis_write: one key, of any type."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.protocol.arguments import fit
from servers.common.protocol.tools import Call, ToolError, to_json, tool
from servers.redis.client.optimistic_lock import check_versions
from servers.redis.format.key_encoding import KeyName, encode, parse, show_key, show_name
from servers.redis.format.replies import said, words
from servers.redis.policy.key_scope import ScopedRedis
from servers.redis.tools.transaction import retried

MOST_ELEMENTS = 10_000

Kind = Literal["string", "hash", "list", "set", "zset", "stream", "json"]

_LENGTHS: dict[str, tuple[str, ...]] = {
    "string": ("STRLEN",),
    "hash": ("HLEN",),
    "list": ("LLEN",),
    "set": ("SCARD",),
    "zset": ("ZCARD",),
    "stream": ("XLEN",),
}


_STREAM_ID = re.compile(r"\*|\d{1,20}(-(\d{1,20}|\*))?", re.ASCII)
"""Ids that XADD takes (https://redis.io/docs/latest/commands/xadd/)."""

_ADDED = frozenset({"hash", "list", "set", "zset", "stream"})
"""Types whose commands add to what is there."""


class Written(TypedDict):
    key: str
    type: str
    created: Annotated[bool, Field(description="the key is new")]
    length: Annotated[
        NotRequired[int], Field(description="bytes of a string, else number of elements, after the write")
    ]
    id: Annotated[NotRequired[str], Field(description="id of the stream entry")]


@tool(title="Write a key", write=True, destructive=True, idempotent=False)
async def redis_write(
    call: Call[ScopedRedis],
    *,
    key: KeyName,
    type: Kind = "string",
    value: Annotated[
        Any,
        Field(
            description="string: text; hash: {field: text} to set; list: [text] to append; set: [text] to add; "
            "zset: {member: score} to set; stream: {field: text}, one entry; json: the document"
        ),
    ],
    prepend: Annotated[bool, Field(description="list: add at the front; the last element comes first")] = False,
    base64: Annotated[bool, Field(description="value is base64")] = False,
    condition: Annotated[
        Literal["always", "absent", "present"], Field(description="write only if the key is absent or present")
    ] = "always",
    if_version: Annotated[
        str | None, Field(description="write only if the key still has this version, from redis_read")
    ] = None,
    id: Annotated[str, Field(description="id of the stream entry")] = "*",
    maxlen: Annotated[int | None, Field(ge=0, description="stream entries to keep")] = None,
    path: Annotated[str, Field(description="in the JSON document")] = "$",
    replace: Annotated[bool, Field(description="delete the key first")] = False,
    ttl_s: Annotated[int | None, Field(ge=0, le=10**9, description="expire after; 0: never; absent: unchanged")] = None,
) -> Written:
    """Write one key, atomically. A key of another type is refused unless replace is true. For other changes use redis_transaction."""  # noqa: E501
    if type == "json" and not call.backend.has("json"):
        raise ToolError("this Redis has no JSON module: write the document as text, with type string")
    if shape := _SHAPES.get(type):
        value = fit(value, shape)
    command = _COMMANDS[type](value, lambda text: parse(text, base64))
    if prepend:
        if type != "list":
            raise ToolError("only a list can be prepended to")
        command[0] = "LPUSH"
    if (id != "*" or maxlen is not None) and type != "stream":
        raise ToolError("id and maxlen are for streams")
    if type == "stream":
        if not _STREAM_ID.fullmatch(id):
            raise ToolError(f"{id[:50]!r} is not an id for an entry: give *, MS-SEQ or MS-*")
        trim = [] if maxlen is None else ["MAXLEN", "=", maxlen]
        command = ["XADD", *trim, id, *command[2:]]
    if path != "$":
        if type != "json" or not path.startswith(("$", ".")):
            raise ToolError("path is for JSON documents, and begins with $")
        if replace:
            raise ToolError("replace deletes the document first: give it without a path")
        command = ["JSON.SET", path, *command[2:]]
    name = call.backend.scope.key(key)
    own = "ReJSON-RL" if type == "json" else type
    change = _Change(name, type, own, tuple(command), replace, ttl_s)

    async def conditional() -> Written:
        async with call.backend.transaction(name) as transaction:
            if if_version is not None:
                await check_versions(transaction, {name: if_version})
            found = said(await transaction.read("TYPE", name))
            if condition == "absent" and found != "none":
                raise ToolError(f"{key!r} already exists, as a {found}: nothing was written")
            if condition == "present" and found == "none":
                raise ToolError(f"there is no key {key!r}: nothing was written")
            if not replace:
                change.check(found)
            left = await transaction.read("PTTL", name) if ttl_s is None else -1
            return change.written(await transaction.execute(change.commands(left)))

    # To add to a collection takes no lock: Redis itself refuses a key of another type.
    if if_version is None and condition == "always" and not replace and ttl_s is None and type in _ADDED:
        return change.written(await call.backend.multi(change.commands(-1), name))
    return await retried(conditional)


@dataclass(frozen=True)
class _Change:
    """What is to be written."""

    name: bytes
    type: str
    own: str
    command: tuple[Any, ...]
    replace: bool
    ttl_s: int | None

    def check(self, found: str) -> None:
        """Raise ToolError where the key is of another type."""
        if found not in ("none", self.own):
            raise ToolError(
                f"{show_name(self.name)!r} is a {found}, not a {self.type}: nothing was written; "
                "replace=true would delete it first"
            )

    def commands(self, left: int) -> list[tuple[Any, ...]]:
        """Return the commands of the transaction.

        Args:
            left: milliseconds that the key has to live, of PTTL; it keeps them where no TTL is given
        """
        commands: list[tuple[Any, ...]] = [("TYPE", self.name)]
        if self.replace:
            commands.append(("UNLINK", self.name))
        commands.append((self.command[0], self.name, *self.command[1:]))
        if self.ttl_s:
            commands.append(("EXPIRE", self.name, self.ttl_s))
        elif self.ttl_s == 0:
            commands.append(("PERSIST", self.name))
        elif left > 0:
            commands.append(("PEXPIRE", self.name, left))
        if self.type in _LENGTHS:
            commands.append((*_LENGTHS[self.type], self.name))
        return commands

    def written(self, answers: list[Any]) -> Written:
        """Read the answers to the commands.

        Raises:
            ToolError: Redis refused the command.
        """
        found, answer = said(answers[0]), answers[2 if self.replace else 1]
        if isinstance(answer, Exception):
            if not self.replace:
                self.check(found)
            was = ", and the key's old value was deleted" if self.replace and found != "none" else ""
            raise ToolError(f"nothing was written{was}; Redis answered: {words(answer)}")
        if answer is None and self.type == "json":
            raise ToolError("nothing was written: the document has no such path")
        written: Written = {"key": show_key(self.name), "type": self.type, "created": found == "none"}
        if self.type in _LENGTHS and isinstance(answers[-1], int):
            written["length"] = answers[-1]
        if self.type == "stream":
            written["id"] = said(answer)
        return written


Parse = Callable[[str], bytes]


def _text(value: Any, place: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ToolError(f"{place} has to be text or a number; for nested data use type json, or write it as JSON text")
    if isinstance(value, float) and not math.isfinite(value):
        raise ToolError(f"{place} is a number that is too big for JSON: give it as text")
    return value if isinstance(value, str) else to_json(value)


def _string(value: Any, parsed: Parse) -> list[Any]:
    return ["SET", parsed(_text(value, "value of a string"))]


def _pairs(command: list[Any], kind: str) -> Callable[[Any, Parse], list[Any]]:
    def make(value: Any, parsed: Parse) -> list[Any]:
        if not isinstance(value, dict) or not 0 < len(value) <= MOST_ELEMENTS:
            raise ToolError(f"value of a {kind} has to be an object with 1 to {MOST_ELEMENTS} members")
        return [
            *command,
            *(
                word
                for name, text in value.items()
                for word in (parsed(name), parsed(_text(text, f"a field of a {kind}")))
            ),
        ]

    return make


def _elements(command: str, kind: str) -> Callable[[Any, Parse], list[Any]]:
    def make(value: Any, parsed: Parse) -> list[Any]:
        if not isinstance(value, list) or not 0 < len(value) <= MOST_ELEMENTS:
            raise ToolError(f"value of a {kind} has to be an array: give 1 to {MOST_ELEMENTS} elements")
        return [command, *(parsed(_text(element, f"an element of a {kind}")) for element in value)]

    return make


_PAIRS = {"type": "object", "additionalProperties": {"type": "string"}}
_LIST = {"type": "array", "items": {"type": "string"}}
_SHAPES: dict[str, dict[str, Any]] = {
    "hash": _PAIRS, "list": _LIST, "set": _LIST, "zset": {"type": "object"}, "stream": _PAIRS,
}  # fmt: skip
"""The JSON Schema of value by type, where it is not any value."""


def _scores(value: Any, parsed: Parse) -> list[Any]:
    if not isinstance(value, dict) or not 0 < len(value) <= MOST_ELEMENTS:
        raise ToolError(f"value of a zset has to be an object of 1 to {MOST_ELEMENTS} members to their scores")
    command: list[Any] = ["ZADD"]
    for member, score in value.items():
        if score not in ("inf", "-inf", "+inf") and (
            isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score)
        ):
            raise ToolError('a score has to be a number, or "inf" or "-inf"')
        command += [score, parsed(member)]
    return command


def _json(value: Any, parsed: Parse) -> list[Any]:
    return ["JSON.SET", "$", encode(to_json(value))]


_COMMANDS: dict[str, Callable[[Any, Parse], list[Any]]] = {
    "string": _string,
    "hash": _pairs(["HSET"], "hash"),
    "list": _elements("RPUSH", "list"),
    "set": _elements("SADD", "set"),
    "zset": _scores,
    "stream": _pairs(["XADD", "*"], "stream entry"),
    "json": _json,
}
