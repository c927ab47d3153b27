"""redis_tally: hashes counted by the values of a field, without their contents."""

from collections import Counter
from hashlib import blake2b
from typing import Annotated, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.backend import warn
from servers.common.memory_budget import growing
from servers.common.protocol.tools import Call, Room, ToolError, size, tool
from servers.redis.format.key_encoding import Pattern, parse_key, show_name
from servers.redis.policy.key_scope import ScopedRedis
from servers.redis.tools.scan import Cursor, warn_of_refusals

MOST_VALUES = 100_000
"""Different values that are counted."""

COUNT_BYTES = 250
"""Bytes of this process that a value takes beside its text."""

FIRST_BYTES = 512 * 1024
"""Bytes of this process for the first values."""

SAMPLE = 5

LONGEST = 4096
"""Bytes of a value that is counted; hashes with longer ones are left out."""

VALUE_BYTES = 200
"""Bytes of a value that are shown."""


class Tallied(TypedDict):
    hashes: Annotated[int, Field(description="hashes counted")]
    counts: Annotated[list[dict[str, int | str]], Field(description="value and number of hashes with it, most frequent first")]
    without: Annotated[int, Field(description="hashes without the field")]
    sample: Annotated[list[str], Field(description="keys of some of the hashes counted")]
    left_out: Annotated[NotRequired[int], Field(description="further values")]
    cursor: Annotated[NotRequired[str], Field(description="there are more keys: call again with it and add the counts")]


@tool(title="Count hashes by a field")
async def redis_tally(
    call: Call[ScopedRedis],
    *,
    pattern: Pattern,
    field: str,
    where: Annotated[dict[str, str] | None, Field(max_length=10, description="count only hashes with these field values")] = None,
    limit: Annotated[int, Field(ge=1, le=1000, description="values to return")] = 100,
    cursor: str = "0",
) -> Tallied:
    """Count hashes by the value of a field, e.g. users by country or duplicate e-mails. One call covers 50,000 keys."""
    at = Cursor(cursor)
    backend = call.backend
    conditions = {parse_key(name): parse_key(value) for name, value in (where or {}).items()}
    fields = [parse_key(field), *conditions]
    if backend.mask.hides(fields[0]):
        raise ToolError(f"{field!r} looks like the name of a secret: its values are not listed")
    words = ("MATCH", backend.scope.pattern(pattern), "TYPE", "hash")
    counts: Counter[tuple[str, bytes]] = Counter()
    sample: list[str] = []
    without = too_long = taken = 0
    async with growing(FIRST_BYTES) as grow:
        async for names in at.steps(call, *words, told=lambda: f"{counts.total()} hashes"):
            long, hashes = await _values(backend, names, fields)
            too_long += long
            for name, values in hashes:
                if any(value != wanted for value, wanted in zip(values[1:], conditions.values(), strict=True)):
                    continue
                if len(sample) < SAMPLE:
                    sample.append(show_name(name))
                if values[0] is None:
                    without += 1
                else:
                    value = _shown(backend, values[0])
                    taken += 0 if value in counts else COUNT_BYTES + 2 * len(value[0])
                    counts[value] += 1
            if len(counts) > MOST_VALUES or not grow(taken):
                break
        if too_long:
            warn(f"{too_long} hashes were left out: a value of theirs has more than {LONGEST} bytes")
        room = Room(call.max_bytes, 512 + size(sample))
        rows: list[dict[str, int | str]] = [{"value": value, "count": n} for (value, _), n in counts.most_common(limit)]
        told = room.kept(rows)
        tallied: Tallied = {"hashes": counts.total() + without, "counts": told, "without": without, "sample": sample}
        if len(told) < len(counts):
            tallied["left_out"] = len(counts) - len(told)
        return {**tallied, **at.following()}  # type: ignore[typeddict-item]


def _shown(backend: ScopedRedis, value: bytes) -> tuple[str, bytes]:
    """Return a value as it is shown, and what tells it from others that look the same."""
    if backend.mask.hides(value=value):
        return "(masked)", b""
    return show_name(value, VALUE_BYTES), blake2b(value, digest_size=16).digest() if len(value) > VALUE_BYTES else b""


async def _values(
    backend: ScopedRedis, names: list[bytes], fields: list[bytes]
) -> tuple[int, list[tuple[bytes, list[bytes | None]]]]:
    """Return the values of fields of hashes, and how many hashes are left out because one is too long for a value that many have.

    Keys that this user may not read, or that are not hashes any more, are left out of both, with a warning.
    """
    answers = await backend.read_many([("HSTRLEN", name, field) for name in names for field in fields])
    warn_of_refusals(answers, "hashes")
    lengths = iter(answers)
    of_names = [(name, [next(lengths) for _ in fields]) for name in names]
    known = [(name, of) for name, of in of_names if all(isinstance(length, int) for length in of)]
    short = [name for name, of in known if max(of) <= LONGEST]
    answers = await backend.read_many([("HMGET", name, *fields) for name in short])
    warn_of_refusals(answers, "hashes")
    found = [(name, answer) for name, answer in zip(short, answers, strict=True) if isinstance(answer, list)]
    return len(known) - len(short), found
