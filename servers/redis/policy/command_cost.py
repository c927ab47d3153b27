"""Bound what a command may cost Redis and us, before it is sent: Redis does one command at a time, and answers it whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from servers.common.protocol.tools import ToolError
from servers.redis.format.key_encoding import LONGEST_PATTERN, show_name
from servers.redis.policy.command_keys import names
from servers.redis.policy.key_scope import ScopedRedis

MOST_BYTES = 8 * 1024 * 1024
"""Bytes that the commands of a call may read together."""

MOST_STORED = 32 * MOST_BYTES
"""Bytes that they may read to store what comes of it."""

MOST_COUNT = 10_000
"""Elements that a command may be asked for by a COUNT."""

SMALL_RANGE = 64 * 1024
"""Bytes of a string that may be asked for however long it is."""

MOST_COMPARED = 16_000_000
"""Steps of LCS: the product of the lengths of its strings."""

_SMALL = frozenset(
    names("""
    bitfield_ro dbsize exists expiretime geodist geohash geopos getbit hexists hexpiretime hlen hpexpiretime hpttl hstrlen httl
    llen memory|usage object|encoding object|freq object|idletime object|refcount pexpiretime pttl randomkey scan scard
    sismember smismember strlen time touch ttl type vcard vdim xlen zcard zcount zlexcount zmscore zrank zrevrank zscore
    bf.card bf.exists bf.info bf.mexists cf.count cf.exists cf.info cf.mexists cms.info cms.query digest json.arrlen
    json.objlen json.strlen json.type topk.count topk.info topk.query ts.get vismember
    """)
)
"""Reading commands that look at a small part of a key, however big it is, and whose answer is small."""

_STORING = frozenset(
    names("""
    bitop geosearchstore pfmerge sdiffstore sinterstore sunionstore zdiffstore zinterstore zrangestore zunionstore
    """)
)
"""Writing commands that read whole keys."""

_STRINGS = frozenset(names("get getdel getex getset mget"))
"""Commands that answer whole strings."""

_RANDOM = frozenset(names("hrandfield srandmember vrandmember zrandmember"))
"""Commands whose count may be negative, and then repeats elements."""

_POPPING = frozenset(names("lpop rpop spop zpopmax zpopmin"))
"""Commands that take a count of elements after the key."""

_SCANS = frozenset(names("hscan scan sscan zscan"))


@dataclass(frozen=True)
class Planned:
    """A command that is about to be sent.

    `name` is lower-case, with its subcommand behind a |; `keys` are the keys that it names, as often as it names them.
    """

    name: str
    words: tuple[bytes, ...]
    keys: tuple[bytes, ...]
    reads: bool


async def check_cost(backend: ScopedRedis, commands: Iterable[Planned]) -> None:
    """Ask Redis how big the parts are that commands will read, and refuse what is too much together.

    Raises:
        ToolError: they read more than MOST_BYTES, or store from more than MOST_STORED, or a count or pattern is out of bounds.
    """
    reading: Counter[tuple[Any, ...]] = Counter()
    storing: Counter[tuple[Any, ...]] = Counter()
    compared: list[tuple[bytes, ...]] = []
    for command in commands:
        check_arguments(command)
        if command.name == "lcs":
            compared.append(command.keys)
        elif command.name in _STORING:
            storing.update(("MEMORY", "USAGE", key) for key in command.keys)
        else:
            reading.update(_probes(command))
    probes: list[tuple[Any, ...]] = list(
        dict.fromkeys([*reading, *storing, *(("STRLEN", key) for keys in compared for key in keys)])
    )
    answers = await backend.read_many(probes)
    sizes = {probe: answer if isinstance(answer, int) else 0 for probe, answer in zip(probes, answers, strict=True)}
    _check_sum(sizes, reading, MOST_BYTES)
    _check_sum(sizes, storing, MOST_STORED)
    for one, other in compared:
        if sizes["STRLEN", one] * sizes["STRLEN", other] > MOST_COMPARED:
            raise ToolError(
                f"LCS of strings this long keeps Redis busy: their lengths may have a product of {MOST_COMPARED}"
            )


def _check_sum(sizes: dict[tuple[Any, ...], int], probes: Counter[tuple[Any, ...]], most: int) -> None:
    total = sum(sizes[probe] * times for probe, times in probes.items())
    if total > most:
        biggest = max(probes, key=lambda probe: sizes[probe] * probes[probe])
        key = next(word for word in biggest if isinstance(word, bytes))
        raise ToolError(
            f"this would read {total} bytes, most of them from {show_name(key)!r}, and a call may read {most}: "
            "ask for less, or use redis_read, which reads in pages"
        )


def _probes(command: Planned) -> list[tuple[Any, ...]]:
    """The commands that tell how many bytes a command may read."""
    words = command.words
    if command.name in _STRINGS or (command.name == "set" and b"GET" in (word.upper() for word in words[3:])):
        return [("STRLEN", key) for key in command.keys]
    if command.name in ("hget", "hmget"):
        return [("HSTRLEN", words[1], field) for field in words[2:]]
    if command.name in ("getrange", "substr") and all(_number(word) is not None for word in words[2:4]):
        start, end = (_number(word) or 0 for word in words[2:4])
        if start >= 0 and 0 <= end < start + SMALL_RANGE:
            return []
        return [("STRLEN", words[1])]
    if not command.reads or command.name in _SMALL:
        return []
    return [("MEMORY", "USAGE", key) for key in command.keys]


def check_arguments(command: Planned) -> None:
    """Refuse counts and patterns that are out of bounds.

    Raises:
        ToolError: one is.
    """
    words = command.words
    counts: list[bytes] = []
    if command.name in _RANDOM | _POPPING:
        counts += words[2:3]
    if command.name in _SCANS:
        first = 1 if command.name == "scan" else 2
        options = words[first + 1 :]
        for option, value in zip(options[::2], options[1::2], strict=False):
            if option.upper() == b"COUNT":
                counts.append(value)
            elif option.upper() == b"MATCH" and len(value) > LONGEST_PATTERN:
                raise ToolError(f"a pattern may have {LONGEST_PATTERN} bytes")
    for text in counts:
        count = _number(text)
        if count is not None and not 0 <= count <= MOST_COUNT:
            raise ToolError(f"give a count from 0 to {MOST_COUNT}")


def _number(text: bytes) -> int | None:
    """A whole number as Redis takes it; None where it is not one, which Redis refuses itself."""
    try:
        return int(text) if len(text) <= 20 else None
    except ValueError:
        return None
