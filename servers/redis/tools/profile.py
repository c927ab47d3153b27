"""redis_profile: what the keyspace consists of, from a bounded sample of it."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.protocol.tools import Call, Room, tool
from servers.redis.format.key_encoding import Pattern, show_key, show_name
from servers.redis.format.replies import said
from servers.redis.policy.key_scope import ScopedRedis
from servers.redis.tools.scan import chunks, short

BATCH = 100

LONGEST_PART = 32
"""Characters of a part of a key's name that can be a word."""

MANY_DIGITS = 3

NAME_BYTES = 1000
"""Bytes of a key's name that are looked at for its group."""

_ID = re.compile(r"[0-9]+|[0-9a-f]{8,}|[0-9a-hjkmnp-tv-z]{26}", re.I)
"""A number, a hash, or a ULID (https://github.com/ulid/spec)."""


class KeyGroup(TypedDict):
    prefix: Annotated[str, Field(description="* replaces the parts that vary")]
    keys: int
    types: dict[str, int]
    memory_bytes: int
    biggest: str
    biggest_bytes: int
    expiring: int
    median_ttl_s: NotRequired[int]
    idlest_s: int


class KeyspaceProfile(TypedDict):
    keys: Annotated[NotRequired[int], Field(description="keys in the database; absent if prefixes limit this server")]
    sampled: int
    memory_bytes: Annotated[int, Field(description="of the sampled keys")]
    groups: Annotated[list[KeyGroup], Field(description="by memory")]
    left_out: NotRequired[int]


class _GroupSample:
    def __init__(self) -> None:
        self.types: dict[str, int] = {}
        self.keys = self.memory = self.biggest_bytes = self.idlest = 0
        self.biggest = b""
        self.ttls: list[int] = []


@tool(title="Profile the keyspace")
async def redis_profile(
    call: Call[ScopedRedis],
    *,
    pattern: Pattern = "*",
    separator: Annotated[str, Field(min_length=1, max_length=5)] = ":",
    sample: Annotated[int, Field(ge=100, le=100_000, description="keys to sample")] = 10_000,
) -> KeyspaceProfile:
    """Group keys by prefix: counts, types, memory, TTLs, the biggest key and the longest idle. Samples keys with SCAN."""
    groups: dict[str, _GroupSample] = {}
    # How many keys others have is not for those who may see only some.
    total = None if call.backend.scope else sum(await call.backend.each("DBSIZE"))
    sampled, server, position = 0, 0, 0
    words = ["MATCH", call.backend.scope.pattern(pattern), "COUNT", BATCH]
    # A pattern that few keys have is not to look at all of them.
    for _ in range(2 * sample // BATCH + 1):
        server, position, names = await call.backend.scan(server, position, *words)
        names = [name for name in names if call.backend.scope.has(name)][: sample - sampled]
        count, names = len(names), short(names)  # at once: long names take much memory
        for chunk in chunks(names):
            await _add(call, groups, chunk, separator)
        sampled += count
        await call.progress(sampled, sample if total is None else min(total, sample), f"{sampled} keys looked at")
        if server < 0 or sampled >= sample:
            break
        # Others are served meanwhile: a long scan is not to keep Redis busy alone.
        await asyncio.sleep(0)
    rows = sorted(groups.items(), key=lambda item: -item[1].memory)
    room = Room(call.max_bytes)
    profile: KeyspaceProfile = {
        "sampled": sampled,
        "memory_bytes": sum(group.memory for _, group in rows),
        "groups": [],
    }
    if total is not None:
        profile = {"keys": total, **profile}
    for index, (prefix, group) in enumerate(rows):
        row: KeyGroup = {
            "prefix": prefix,
            "keys": group.keys,
            "types": group.types,
            "memory_bytes": group.memory,
            "biggest": show_name(group.biggest),
            "biggest_bytes": group.biggest_bytes,
            "expiring": len(group.ttls),
            "idlest_s": group.idlest,
        }
        if group.ttls:
            row["median_ttl_s"] = sorted(group.ttls)[len(group.ttls) // 2] // 1000
        if not room.take(row):
            profile["left_out"] = len(rows) - index
            break
        profile["groups"].append(row)
    return profile


async def _add(call: Call[ScopedRedis], groups: dict[str, _GroupSample], names: list[bytes], separator: str) -> None:
    answers = iter(
        await call.backend.read_many(
            [
                command
                for name in names
                for command in (
                    ("TYPE", name),
                    ("MEMORY", "USAGE", name, "SAMPLES", 5),
                    ("PTTL", name),
                    ("OBJECT", "IDLETIME", name),
                )
            ]
        )
    )
    for name in names:
        kind, memory, ttl, idle = (next(answers) for _ in range(4))
        if not isinstance(memory, int):
            continue  # expired since, or no right to ask
        group = groups.setdefault(prefix(name, separator), _GroupSample())
        group.keys += 1
        group.types[said(kind)] = group.types.get(said(kind), 0) + 1
        group.memory += memory
        if memory > group.biggest_bytes:
            group.biggest, group.biggest_bytes = name, memory
        if isinstance(ttl, int) and ttl >= 0:
            group.ttls.append(ttl)
        if isinstance(idle, int):
            group.idlest = max(group.idlest, idle)


def prefix(name: bytes, separator: str) -> str:
    """Tell what a key's name has in common with its group: the last part stands for one of many, and so do numbers and ids."""
    parts = show_key(name[:NAME_BYTES]).split(separator)
    kept = ["*" if _is_variable(part) else part for part in parts[:4]]
    if len(parts) == 1:
        return kept[0]
    if len(parts) <= 4:
        kept[-1] = "*"
    return separator.join(kept)


def _is_variable(part: str) -> bool:
    """Return whether a part of a key's name stands for one of many. The time is linear in the part's length."""
    return (
        len(part) > LONGEST_PART
        or sum(character in "0123456789" for character in part) >= MANY_DIGITS
        or _ID.fullmatch(part) is not None
    )
