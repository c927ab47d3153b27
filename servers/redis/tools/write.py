"""redis_write: one key, of any type."""

import dataclasses
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.protocol.arguments import fit
from servers.common.protocol.tools import Call, ToolError, from_json, to_json, tool
from servers.redis.client.optimistic_lock import check_versions
from servers.redis.format.key_encoding import KeyName, encode, parse, parse_vector, show_key, show_name
from servers.redis.format.replies import said, words
from servers.redis.policy.command_cost import Planned, check_cost
from servers.redis.policy.key_scope import ScopedRedis
from servers.redis.tools.scan import LENGTHS
from servers.redis.tools.transaction import retried

MOST_ELEMENTS = 10_000

LONGEST_OLD = 64 * 1024
"""Bytes of a string that is answered where another takes its place."""

MOST_VECTORS = 1000
"""Elements of a vector set that are written at once: each takes Redis about a millisecond."""

Kind = Literal["string", "hash", "list", "set", "zset", "stream", "json", "vectorset"]

_STREAM_ID = re.compile(r"\*|\d{1,20}(-(\d{1,20}|\*))?", re.ASCII)
"""Ids that XADD takes (https://redis.io/docs/latest/commands/xadd/)."""

_WHOLE_ID = re.compile(r"\d{1,20}(-\d{1,20})?", re.ASCII)

_MODULES = {"json": "json", "vectorset": "vectors"}
"""Types that not every Redis has, and what has to be there."""


class Written(TypedDict):
    key: str
    type: str
    created: Annotated[bool, Field(description="the key is new")]
    length: Annotated[NotRequired[int], Field(description="bytes of a string, else number of elements, after the write")]
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
            "zset: {member: score}; stream: {field: text}, one entry; json: the document; "
            "vectorset: {element: [number]}"
        ),
    ],
    prepend: Annotated[bool, Field(description="to a list; last value first")] = False,
    base64: Annotated[bool, Field(description="all text in value is base64")] = False,
    condition: Annotated[Literal["always", "absent", "present"], Field(description="write only then")] = "always",
    if_version: Annotated[str | None, Field(description="only at this version; redis_read gives it")] = None,
    id: Annotated[str, Field(description="of the stream entry")] = "*",
    maxlen: Annotated[int | None, Field(ge=0, description="stream entries to keep")] = None,
    minid: Annotated[str | None, Field(description="drop smaller ids")] = None,
    path: Annotated[str, Field(description="in the JSON document")] = "$",
    replace: Annotated[bool, Field(description="delete what the key holds first")] = False,
    ttl_s: Annotated[int | None, Field(ge=0, le=10**9, description="0: never expires; absent: unchanged")] = None,
    field_ttl_s: Annotated[int | None, Field(ge=0, le=10**9, description="of the hash fields written")] = None,
) -> Written:
    """Write one key, atomically. A key of another type is refused unless replace is true. For more, use redis_transaction."""
    if type in _MODULES and not call.backend.has(_MODULES[type]):
        instead = "write the document as text, with type string" if type == "json" else "it came with Redis 8"
        raise ToolError(f"nothing was written: this Redis has no type {type}; {instead}")
    if shape := _SHAPES.get(type):
        value = fit(value, shape)
    commands = _COMMANDS[type](value, lambda text: parse(text, base64))
    (command, *_) = commands
    if base64 and type == "json":
        raise ToolError("a JSON document is not bytes: give it without base64")
    if prepend:
        if type != "list":
            raise ToolError("only a list can be prepended to")
        command[0] = "LPUSH"
    if (id != "*" or maxlen is not None or minid is not None) and type != "stream":
        raise ToolError("id, maxlen and minid are for streams")
    if type == "stream":
        command[1:2] = [*_trimming(maxlen, minid), _stream_id(id, _STREAM_ID)]
    if path != "$":
        if type != "json" or not path.startswith(("$", ".")):
            raise ToolError("path is for JSON documents, and begins with $")
        if replace:
            raise ToolError("replace deletes the document first: give it without a path")
        command[1] = path
    name = call.backend.scope.key(key)
    if path != "$":
        await check_cost(call.backend, [Planned("json.set", (b"JSON.SET", name, encode(path), command[2]), (name,), False)])
    kept: list[bytes] = []
    """Fields whose TTLs stay, which HSET would end."""
    if field_ttl_s is not None:
        if type != "hash":
            raise ToolError("field_ttl_s is for hashes")
        how = ["HEXPIRE", field_ttl_s] if field_ttl_s else ["HPERSIST"]
        fields = command[1::2]
        commands.append([*how, "FIELDS", len(fields), *fields])
    elif type == "hash" and not replace:
        kept = command[1::2]
    own = "ReJSON-RL" if type == "json" else type
    change = _Change(name, type, own, commands, replace, ttl_s)

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
            again = _expiring(await transaction.read(*_expiry(name, kept)), kept) if expiring else []
            whole = dataclasses.replace(change, words=[*commands, *again])
            return whole.written(await transaction.execute(whole.commands(left)))

    expiring = kept and _expiring((await call.backend.read_many([_expiry(name, kept)]))[0], kept)

    # It takes no lock where Redis itself refuses a key of another type. SET does so with GET, which answers the old value.
    free = if_version is None and condition == "always" and not replace and ttl_s is None and not expiring
    if free and type == "string":
        (old,) = await call.backend.read_many([("STRLEN", name)])
        free = isinstance(old, int) and old <= LONGEST_OLD
        command += ["KEEPTTL", "GET"] if free else []
    if free:
        return change.written(await call.backend.multi(change.commands(-1), name))
    return await retried(conditional)


def _expiry(name: bytes, fields: list[bytes]) -> tuple[Any, ...]:
    """Return the command that tells when fields of a hash expire."""
    return ("HPEXPIRETIME", name, "FIELDS", len(fields), *fields)


def _expiring(answer: Any, fields: list[bytes]) -> list[list[Any]]:
    """Return the words, without the key, of the commands that give fields their time to expire again."""
    if not isinstance(answer, list):  # a server whose fields do not expire, or a key of another type
        return []
    by_time: dict[int, list[bytes]] = {}
    for field, time in zip(fields, answer, strict=True):
        if time > 0:
            by_time.setdefault(time, []).append(field)
    return [["HPEXPIREAT", time, "FIELDS", len(some), *some] for time, some in by_time.items()]


@dataclass(frozen=True)
class _Change:
    """What is to be written."""

    name: bytes
    type: str
    own: str
    words: list[list[Any]]
    """Of the commands that write, without the key, which is the first argument of each."""

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
        """Return the commands of the transaction. `left` is the milliseconds that the key has to live, of PTTL; it keeps them
        where no TTL is given."""
        commands: list[tuple[Any, ...]] = [("TYPE", self.name)]
        if self.replace:
            commands.append(("UNLINK", self.name))
        commands += [(command[0], self.name, *command[1:]) for command in self.words]
        if self.ttl_s:
            commands.append(("EXPIRE", self.name, self.ttl_s))
        elif self.ttl_s == 0:
            commands.append(("PERSIST", self.name))
        elif left >= 0:
            commands.append(("PEXPIRE", self.name, max(left, 1)))
        if self.type in LENGTHS:
            commands.append((LENGTHS[self.type], self.name))
        return commands

    def written(self, answers: list[Any]) -> Written:
        """Read the answers to the commands. Raise ToolError if Redis refused one."""
        found, first = said(answers[0]), 2 if self.replace else 1
        answer = answers[first]
        done = answers[first : first + len(self.words)]
        if refusals := [one for one in done if isinstance(one, Exception)]:
            if not self.replace:
                self.check(found)
            was = ", and what the key held is deleted" if self.replace and found != "none" else ""
            some = "nothing was written"
            if len(refusals) < len(done):
                some = f"only a part was written, {len(done) - len(refusals)} of {len(done)} commands"
            raise ToolError(f"{some}{was}; Redis answered: {words(refusals[0])}")
        if answer is None and self.type == "json":
            raise ToolError("nothing was written: the document has no such path")
        written: Written = {"key": show_key(self.name), "type": self.type, "created": found == "none"}
        if self.type in LENGTHS and isinstance(answers[-1], int):
            written["length"] = answers[-1]
        if self.type == "stream":
            written["id"] = said(answer)
        return written


Parse = Callable[[str], bytes]

Make = Callable[[Any, Parse], list[list[Any]]]
"""Makes the words of the commands that write a value, without the key. Raises ToolError for a value of another form."""


def _stream_id(text: str, form: re.Pattern[str]) -> str:
    if not form.fullmatch(text):
        raise ToolError(f"{text[:50]!r} is not an id of an entry here: give MS-SEQ, or for a new one * or MS-*")
    return text


def _trimming(maxlen: int | None, minid: str | None) -> list[Any]:
    """Return the words of XADD that trim the stream."""
    if maxlen is not None and minid is not None:
        raise ToolError("give either maxlen or minid")
    if minid is not None:
        return ["MINID", "=", _stream_id(minid, _WHOLE_ID)]
    return [] if maxlen is None else ["MAXLEN", "=", maxlen]


def _text(value: Any, place: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ToolError(f"{place} has to be text or a number; for nested data use type json, or write it as JSON text")
    if isinstance(value, float) and not math.isfinite(value):
        raise ToolError(f"{place} is a number that is too big for JSON: give it as text")
    return value if isinstance(value, str) else to_json(value)


def _string(value: Any, parsed: Parse) -> list[list[Any]]:
    return [["SET", parsed(_text(value, "value of a string"))]]


def _pairs(command: list[Any], kind: str) -> Make:
    def make(value: Any, parsed: Parse) -> list[list[Any]]:
        if not isinstance(value, dict) or not 0 < len(value) <= MOST_ELEMENTS:
            raise ToolError(f"value of a {kind} has to be an object with 1 to {MOST_ELEMENTS} members")
        texts = ((name, _text(text, f"a field of a {kind}")) for name, text in value.items())
        return [[*command, *(parsed(word) for pair in texts for word in pair)]]

    return make


def _elements(command: str, kind: str) -> Make:
    def make(value: Any, parsed: Parse) -> list[list[Any]]:
        if not isinstance(value, list) or not 0 < len(value) <= MOST_ELEMENTS:
            raise ToolError(f"value of a {kind} has to be an array: give 1 to {MOST_ELEMENTS} elements")
        return [[command, *(parsed(_text(element, f"an element of a {kind}")) for element in value)]]

    return make


_PAIRS = {"type": "object", "additionalProperties": {"type": "string"}, "maxProperties": MOST_ELEMENTS}
_LIST = {"type": "array", "items": {"type": "string"}, "maxItems": MOST_ELEMENTS}
_SHAPES: dict[str, dict[str, Any]] = {
    "hash": _PAIRS, "list": _LIST, "set": _LIST, "zset": {"type": "object"}, "stream": _PAIRS,
    "vectorset": {"type": "object"},
}  # fmt: skip
"""The JSON Schema of value by type, where it is not any value. An object or array may be given as JSON text."""


_SCORE = re.compile(r"[+-]?(inf|\d+(\.\d+)?(e[+-]?\d+)?)", re.ASCII | re.IGNORECASE)


def _scores(value: Any, parsed: Parse) -> list[list[Any]]:
    if not isinstance(value, dict) or not 0 < len(value) <= MOST_ELEMENTS:
        raise ToolError(f"value of a zset has to be an object of 1 to {MOST_ELEMENTS} members to their scores")
    command: list[Any] = ["ZADD"]
    for member, score in value.items():
        text = to_json(score) if isinstance(score, int | float) else score
        if not isinstance(text, str) or not _SCORE.fullmatch(text):
            raise ToolError('a score has to be a number, or "inf" or "-inf"')
        command += [text, parsed(member)]
    return [command]


def _json(value: Any, parsed: Parse) -> list[list[Any]]:
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            value = from_json(value.encode())
        except ValueError as error:
            raise ToolError(
                f"nothing was written: value begins as a JSON object or array does, and is not JSON ({error}): mend it; "
                "redis_transaction with JSON.SET writes a text that begins so"
            ) from None
    return [["JSON.SET", "$", encode(to_json(value))]]


def _vectors(value: Any, parsed: Parse) -> list[list[Any]]:
    if not isinstance(value, dict) or not 0 < len(value) <= MOST_VECTORS:
        raise ToolError(f"value of a vectorset has to be an object of 1 to {MOST_VECTORS} elements to their vectors")
    vectors = {element: parse_vector(vector) for element, vector in value.items()}
    if len({len(vector) for vector in vectors.values()}) > 1:
        raise ToolError("the vectors have to be of one length")
    return [["VADD", "VALUES", len(vector), *vector, parsed(element)] for element, vector in vectors.items()]


_COMMANDS: dict[str, Make] = {
    "string": _string,
    "hash": _pairs(["HSET"], "hash"),
    "list": _elements("RPUSH", "list"),
    "set": _elements("SADD", "set"),
    "zset": _scores,
    "stream": _pairs(["XADD", "*"], "stream entry"),
    "json": _json,
    "vectorset": _vectors,
}
