"""redis_profile: what the keyspace consists of, from a bounded sample of it."""

import asyncio
import itertools
import re
from typing import Annotated, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.backend import warn
from servers.common.memory_budget import growing
from servers.common.protocol.tools import Call, Room, tool
from servers.redis.format.globs import matched_at_once
from servers.redis.format.key_encoding import Pattern, show_key, show_name
from servers.redis.format.replies import said
from servers.redis.policy.key_scope import ScopedRedis
from servers.redis.tools.scan import chunks, short, warn_of_refusals

BATCH = 100

LONGEST_PART = 32
"""Characters of a part of a key's name that can be a word."""

MANY_DIGITS = 3

NAME_BYTES = 1000
"""Bytes of a key's name that are looked at for its group."""

GROUP_BYTES = 1024
"""Bytes of this process that a group takes."""

FIRST_GROUPS = 500

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
    idlest_s: Annotated[NotRequired[int], Field(description="absent under an LFU policy")]


class KeyspaceProfile(TypedDict):
    keys: Annotated[NotRequired[int], Field(description="keys in the database; absent if prefixes limit this server")]
    sampled: int
    memory_bytes: Annotated[int, Field(description="of the sampled keys")]
    groups: Annotated[list[KeyGroup], Field(description="by memory")]
    left_out: NotRequired[int]


@tool(title="Profile the keyspace")
async def redis_profile(
    call: Call[ScopedRedis],
    *,
    pattern: Pattern = "*",
    separator: Annotated[str, Field(min_length=1, max_length=5)] = ":",
    sample: Annotated[int, Field(ge=100, le=100_000, description="keys to sample")] = 10_000,
) -> KeyspaceProfile:
    """Group keys by prefix: counts, types, memory, TTLs, the biggest key and the longest idle. Samples keys with SCAN."""
    groups: dict[str, KeyGroup] = {}
    ttls: dict[str, list[int]] = {}
    # How many keys others have is not for those who may see only some.
    total = None if call.backend.scope else sum(await call.backend.each("DBSIZE"))
    sampled, server, position = 0, 0, 0
    glob = call.backend.scope.pattern(pattern)
    batch = min(BATCH, matched_at_once(glob))
    async with growing(FIRST_GROUPS * GROUP_BYTES) as grow:
        # A pattern that few keys have is not to look at all of them.
        for _ in range(2 * sample // batch + 1):
            server, position, names = await call.backend.scan(server, position, "MATCH", glob, "COUNT", batch)
            names = [name for name in names if call.backend.scope.has(name)][: sample - sampled]
            count, names = len(names), short(names)  # at once: long names take much memory
            for chunk in chunks(names):
                await _add(call, groups, ttls, chunk, separator)
            sampled += count
            await call.progress(sampled, sample if total is None else min(total, sample), f"{sampled} keys sampled")
            if server < 0 or sampled >= sample:
                break
            if not grow((len(groups) + BATCH) * GROUP_BYTES):
                warn(f"there are so many groups that only {sampled} keys were sampled: give a pattern")
                break
            # Others are served meanwhile: a long scan is not to keep Redis busy alone.
            await asyncio.sleep(0)
        rows = sorted(groups.values(), key=lambda group: -group["memory_bytes"])
        room = Room(call.max_bytes)
        profile: KeyspaceProfile = {
            "sampled": sampled,
            "memory_bytes": sum(group["memory_bytes"] for group in rows),
            "groups": [],
        }
        if total is not None:
            profile = {"keys": total, **profile}
        for group in rows:
            if of := sorted(ttls.get(group["prefix"], [])):
                group["expiring"], group["median_ttl_s"] = len(of), of[len(of) // 2] // 1000
            if not room.take(group):
                profile["left_out"] = len(rows) - len(profile["groups"])
                break
            profile["groups"].append(group)
        return profile


async def _add(
    call: Call[ScopedRedis],
    groups: dict[str, KeyGroup],
    ttls: dict[str, list[int]],
    names: list[bytes],
    separator: str,
) -> None:
    """Count keys in their groups, and note the milliseconds that those have to live which expire."""
    commands = (
        (("TYPE", name), ("MEMORY", "USAGE", name, "SAMPLES", 5), ("PTTL", name), ("OBJECT", "IDLETIME", name)) for name in names
    )
    answers = await call.backend.read_many(list(itertools.chain.from_iterable(commands)))
    for part, what in enumerate(("types", "keys", "TTLs")):
        warn_of_refusals(answers[part::4], what)
    for name, kind, memory, ttl, idle in zip(names, *(answers[part::4] for part in range(4)), strict=True):
        if not isinstance(memory, int):
            continue  # expired since, or no right to ask
        of = prefix(name, separator)
        empty: KeyGroup = {
            "prefix": of, "keys": 0, "types": {}, "memory_bytes": 0, "biggest": "", "biggest_bytes": 0, "expiring": 0,
        }  # fmt: skip
        group = groups.setdefault(of, empty)
        group["keys"] += 1
        if isinstance(kind, bytes):
            group["types"][said(kind)] = group["types"].get(said(kind), 0) + 1
        group["memory_bytes"] += memory
        if memory > group["biggest_bytes"]:
            group["biggest"], group["biggest_bytes"] = show_name(name), memory
        if isinstance(ttl, int) and ttl >= 0:
            ttls.setdefault(of, []).append(ttl)
        if isinstance(idle, int):
            group["idlest_s"] = max(group.get("idlest_s", 0), idle)


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
