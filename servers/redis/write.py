"""redis_write and redis_delete: served only where writes are allowed."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.tools import Call, ToolError, tool
from servers.redis.backend import RedisBackend
from servers.redis.values import Input, KeyName, parse, parse_key, show_key

MOST_ELEMENTS = 10_000


class Member(TypedDict):
    member: Input
    score: float


class FieldInput(TypedDict):
    field: Input
    value: Input


class Written(TypedDict):
    key: str
    type: str
    created: Annotated[bool, Field(description="the key was not there before")]
    length: Annotated[int, Field(description="bytes of a string, else elements, now")]
    id: Annotated[NotRequired[str], Field(description="of the stream entry")]


_LENGTHS = {"string": "STRLEN", "hash": "HLEN", "list": "LLEN", "set": "SCARD", "zset": "ZCARD", "stream": "XLEN"}


@tool(title="Write a key", write=True, destructive=True, idempotent=False)
async def redis_write(
    call: Call[RedisBackend],
    *,
    key: KeyName,
    value: Annotated[Input | None, Field(description="sets a string")] = None,
    fields: Annotated[list[FieldInput] | None, Field(description="sets fields of a hash")] = None,
    append: Annotated[list[Input] | None, Field(description="appends to a list")] = None,
    prepend: Annotated[list[Input] | None, Field(description="prepends to a list; the last comes first")] = None,
    add: Annotated[list[Input] | None, Field(description="adds members to a set")] = None,
    scores: Annotated[
        list[Member] | None, Field(description="adds members to a sorted set, or sets their scores")
    ] = None,
    entry: Annotated[list[FieldInput] | None, Field(description="adds one entry to a stream")] = None,
    condition: Annotated[
        Literal["always", "absent", "present"], Field(description="write only if the key is absent or present")
    ] = "always",
    replace: Annotated[bool, Field(description="delete what the key holds first")] = False,
    ttl_s: Annotated[int | None, Field(ge=0, le=10**9, description="expire after; 0: never; absent: as before")] = None,
) -> Written:
    """Write one key, atomically: give exactly one of value, fields, append, prepend, add, scores, entry. A key of another type is refused unless replace is true."""  # noqa: E501
    kind, commands = _commands(
        {
            "value": value,
            "fields": fields,
            "append": append,
            "prepend": prepend,
            "add": add,
            "scores": scores,
            "entry": entry,
        }
    )
    name = parse_key(key)
    async with call.backend.transaction(name) as pipeline:
        found = (await _now(pipeline, "TYPE", name)).decode()
        if condition == "absent" and found != "none":
            raise ToolError(f"{key!r} is there already, as a {found}: nothing was written")
        if condition == "present" and found == "none":
            raise ToolError(f"there is no key {key!r}: nothing was written")
        if found not in ("none", kind) and not replace:
            raise ToolError(
                f"{key!r} is a {found}, not a {kind}: nothing was written; replace=true would delete it first"
            )
        # SET takes the TTL away; absent means as before.
        ttl = await _now(pipeline, "PTTL", name) if kind == "string" and ttl_s is None and not replace else -1
        pipeline.multi()
        if replace:
            pipeline.execute_command("UNLINK", name)
        pipeline.execute_command(commands[0], name, *commands[1:])
        if ttl_s:
            pipeline.execute_command("EXPIRE", name, ttl_s)
        elif ttl_s == 0:
            pipeline.execute_command("PERSIST", name)
        elif ttl > 0:
            pipeline.execute_command("PEXPIRE", name, ttl)
        pipeline.execute_command(_LENGTHS[kind], name)
        answers = await pipeline.execute()
    written: Written = {"key": show_key(name), "type": kind, "created": found == "none", "length": answers[-1]}
    if kind == "stream":
        written["id"] = answers[1 if replace else 0].decode()
    return written


async def _now(pipeline: Any, *command: Any) -> Any:
    """Sends a command at once: between WATCH and MULTI a pipeline does not queue."""
    return await pipeline.execute_command(*command)


def _commands(given: dict[str, Any]) -> tuple[str, list[Any]]:
    """The type of the key, and the command that writes it: its name, then what comes after the key."""
    present = {name: value for name, value in given.items() if value is not None}
    if len(present) != 1:
        raise ToolError(f"give exactly one of {', '.join(given)}; given: {', '.join(present) or 'none'}")
    ((name, value),) = present.items()
    if name == "value":
        return "string", ["SET", parse(value)]
    if not value or len(value) > MOST_ELEMENTS:
        raise ToolError(f"{name} has {len(value)} elements: give 1 to {MOST_ELEMENTS}")
    if name == "fields":
        return "hash", ["HSET", *(parse(part) for pair in value for part in (pair["field"], pair["value"]))]
    if name == "append":
        return "list", ["RPUSH", *map(parse, value)]
    if name == "prepend":
        return "list", ["LPUSH", *map(parse, value)]
    if name == "add":
        return "set", ["SADD", *map(parse, value)]
    if name == "scores":
        return "zset", ["ZADD", *(part for pair in value for part in (pair["score"], parse(pair["member"])))]
    return "stream", ["XADD", "*", *(parse(part) for pair in value for part in (pair["field"], pair["value"]))]


class Deleted(TypedDict):
    deleted: int
    missing: Annotated[list[str], Field(description="keys that were not there")]


@tool(title="Delete keys", write=True, destructive=True)
async def redis_delete(
    call: Call[RedisBackend],
    *,
    keys: Annotated[list[str], Field(min_length=1, max_length=1000, description="exact names; no patterns")],
) -> Deleted:
    """Delete keys by their exact names, all at once. It can't be undone: read them first."""
    names = list(dict.fromkeys(parse_key(key) for key in keys))
    async with call.backend.transaction() as pipeline:
        for name in names:
            pipeline.execute_command("UNLINK", name)
        answers = await pipeline.execute()
    missing = [show_key(name) for name, answer in zip(names, answers, strict=True) if not answer]
    return {"deleted": len(names) - len(missing), "missing": missing}
