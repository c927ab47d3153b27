"""Limit what a command costs Redis and us, before it is sent: Redis runs one command at a time, and answers it whole."""

import math
import re
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any, NamedTuple

from servers.common.memory_budget import hold
from servers.common.protocol.tools import ToolError
from servers.redis.client.memory_guard import COPIES
from servers.redis.format.globs import LONGEST_PATTERN, MOST_MATCHED, check_glob, compared, matched_at_once
from servers.redis.format.key_encoding import show_name
from servers.redis.policy.command_keys import names
from servers.redis.policy.key_scope import ScopedRedis

MOST_BYTES = 8 * 1024 * 1024
"""Bytes that the commands of a call may read together."""

SMALL_KEY = MOST_BYTES // 2
"""Bytes of a key that might be read whole, if it has no more than SAMPLES elements."""

MOST_STORED = 32 * MOST_BYTES
"""Bytes of strings that Redis may go over for them without answering with them, as to store what comes of it."""

MOST_WALKED = 16 * MOST_BYTES
"""Bytes of JSON documents that Redis may go through to tell how big their parts are."""

MOST_GROWN = 8 * MOST_BYTES
"""Bytes by which a call may lengthen keys without sending these bytes, as SETBIT does at a far offset."""

MOST_FREED = 4 * MOST_BYTES
"""Bytes of old values that Redis may free for a call before it goes on. What UNLINK and redis_delete remove it frees beside its
other work."""

MOST_COUNT = 10_000
"""Elements that a command may be asked for by a COUNT."""

SAMPLES = 10_000
"""Elements of a key that Redis looks at to tell its size; of a key with no more, the size is exact."""

MOST_NUMBER = 2.0**60
"""The biggest number that is told from a bigger one."""

MOST_COMMAS = 4
"""Commas in a JSON path: each may make two of one part of a document."""

MOST_COMPARED = 16_000_000
"""Steps of all LCS of a call, each the product of the lengths of its strings, and of looking up in sketches: Redis does the
commands that arrive together without a look at other clients in between."""

MORE_MATCHED = 4
"""How many times as many names as in a step of redis_scan a call's own SCAN may have Redis compare with globs."""

MOST_PROBES = 10_000
"""Sizes that are asked for before a call's commands. Each takes Redis a microsecond and us some 20."""

ENTRY_BYTES = MOST_BYTES // MOST_COUNT
"""Bytes that an entry of a stream counts for at the least: its fields' names are stored once for up to a hundred entries, and are
answered with each."""

COPIES_OF_STREAM = 12
"""The same of a stream, whose small fields Redis keeps in much less space."""

OBJECT_BYTES = 80
"""Bytes of this process that an element takes beside its own."""

_SMALL = frozenset(
    names("""
    bitfield_ro dbsize exists expiretime geodist geohash geopos getbit hexists hexpiretime hlen hpexpiretime hpttl hstrlen httl
    llen memory|usage object|encoding object|freq object|idletime object|refcount pexpiretime pttl randomkey scard
    sismember smismember strlen time touch ttl type vcard vdim xlen zcard zcount zlexcount zmscore zrank zrevrank zscore
    bf.card bf.exists bf.info bf.mexists cf.count cf.exists cf.info cf.mexists cms.info cms.query json.arrlen
    json.objlen json.strlen json.type topk.count topk.info topk.query ts.get vinfo vismember
    """)
)
"""Reading commands that look at a small part of a key, however big it is, and whose answer is small."""

_NAMING = frozenset(names("ft.spellcheck scan xinfo|consumers xinfo|groups xpending"))
"""Commands that answer many names, which Redis tells no size of."""

MOST_NAMING = 10
"""How many of them a call may ask for; one alone of a key that is bigger than SMALL_KEY."""

MOST_SPELLED = 10
"""Words that FT.SPELLCHECK may be asked for: it compares each with all words of an index."""

_WORD = re.compile(rb"[^\s\x00-/:-@\[-`{-\x7f]+")
"""A word of a query."""

_WORKING = {
    **dict.fromkeys(
        names("""
        geosearchstore sdiffstore sinterstore sunionstore zdiffstore zinterstore zrangestore zunionstore
        """),
        (slice(None), MOST_BYTES),
    ),
    **dict.fromkeys(names("copy linsert lrem"), (slice(1), 4 * MOST_BYTES)),
    **dict.fromkeys(names("bitop pfmerge cms.merge tdigest.merge"), (slice(None), MOST_STORED)),
    "digest": (slice(1), MOST_STORED),
}
"""Commands that go over whole keys and answer little, which of the keys that they name, and how many bytes of all such keys a
call may go over: elements take Redis much longer than the bytes of a string."""

_STRINGS = frozenset(names("get getdel getex getset mget"))
"""Commands that answer whole strings."""

_FIELDS = frozenset(names("hget hmget hgetdel hgetex"))
"""Commands that answer whole fields of a hash."""

_RANDOM = frozenset(names("hrandfield srandmember vrandmember zrandmember"))
"""Commands whose count may be negative, and then repeats elements."""

_MULTIPLYING = frozenset(names("json.arrappend json.arrinsert json.merge json.set json.strappend"))
"""Commands that write what is sent in each place that a path finds."""

_SKETCHES = {
    **dict.fromkeys(names("cms.incrby cms.query"), "CMS.INFO"),
    **dict.fromkeys(names("topk.add topk.count topk.incrby"), "TOPK.INFO"),
}
"""Commands that look up each of their words in each row of a sketch, and those that tell how many rows there are."""

_MANY_PLACES = (b"*", b"..", b",", b"?", b":")
"""What a JSON path that finds more than one place has one of."""

_UNASKED = re.compile("no permissions to run|^unknown command", re.IGNORECASE)
"""How Redis refuses to tell a size, whatever the key."""

_QUOTED = re.compile(rb'"(?:[^"\\]|\\.)*(")?|\'(?:[^\'\\]|\\.)*(\')?', re.DOTALL)
"""A text in a JSON path, to the path's end where it has none; a group has its last quote."""

_POPPING = frozenset(names("lpop rpop spop zpopmax zpopmin"))
"""Commands that take a count of elements after the key."""

_ONE = frozenset(names("lindex lmove rpoplpush blmove brpoplpush blpop brpop bzpopmax bzpopmin vemb vgetattr"))
"""Commands that answer one element."""

_COUNTED = {
    **dict.fromkeys(names("lmpop zmpop blmpop bzmpop"), 1),
    **dict.fromkeys(names("hscan sscan zscan vsim"), 10),
    **dict.fromkeys(names("vlinks xautoclaim"), 100),
    **dict.fromkeys(names("scan xrange xrevrange xread xreadgroup ts.range ts.revrange"), None),
}
"""Commands with an option COUNT, and how many elements they answer without it; None: all."""

_OPTIONS_FROM = (
    {"scan": 2, "xautoclaim": 6}
    | dict.fromkeys(names("hscan sscan zscan"), 3)
    | dict.fromkeys(names("xrange xrevrange ts.range ts.revrange"), 4)
)
"""Where the options of a command begin."""

_UNBOUNDED = frozenset(names("ts.range ts.revrange xread xreadgroup"))
"""Commands that take a COUNT of 0 for all elements."""

_FORMATTING = frozenset({b"INDENT", b"NEWLINE", b"SPACE"})
"""Options of JSON.GET that repeat a text at each level of a document."""

_RANGES = frozenset(names("lrange zrange zrevrange"))
"""Commands that answer from one index to another, unless an option says otherwise."""

_SCANS = frozenset(names("hscan scan sscan zscan"))

_MOVING = frozenset(names("rename renamenx"))

_FREEING = {
    **dict.fromkeys(names("del mset msetex"), slice(None)),
    **dict.fromkeys(names("bitop psetex set setex zremrangebylex zremrangebyrank zremrangebyscore"), slice(1)),
    **dict.fromkeys(names("copy rename"), slice(1, 2)),
}
"""Commands that free old values, and of which of the keys that they name. Lists and streams are freed in blocks, so that trimming
them takes no time; what else stores a value is in _WORKING."""

_REMOVING = {"zremrangebylex": "ZLEXCOUNT", "zremrangebyrank": "ZCARD", "zremrangebyscore": "ZCOUNT"}
"""Those of them that remove a part of a key, and what tells how many elements the part has, or the whole."""

_EXPIRING = {"expire": 1, "expireat": 1, "pexpire": 1000, "pexpireat": 1000}
"""Commands that free a key at once if its time is over, and the fractions of a second that they count."""

_LENGTHS = {"l": "LLEN", "r": "LLEN", "b": "LLEN", "h": "HLEN", "s": "SCARD", "z": "ZCARD", "x": "XLEN", "v": "VCARD"}
"""The commands that tell the number of elements, by the first letter of those that read them."""


@dataclass(frozen=True)
class Planned:
    """A command that is about to be sent. `name` is lower-case, with its subcommand behind a |; `keys` are the keys that it
    names, as often as it names them."""

    name: str
    words: tuple[bytes, ...]
    keys: tuple[bytes, ...]
    reads: bool


Probe = tuple[Any, ...]
"""A command that tells a size."""


def memory_usage(key: bytes) -> Probe:
    """Return the command that tells the bytes of a key."""
    return ("MEMORY", "USAGE", key, "SAMPLES", SAMPLES)


def _size(probe: Probe, answer: Any) -> int:
    """Read the answer to a probe: a number, or one for each part that a path finds."""
    if isinstance(answer, list):
        if probe[0] in _SKETCHES.values():
            rows = dict(zip(answer[::2], answer[1::2], strict=False)).get(b"depth")
            return rows if isinstance(rows, int) else 0
        return len(answer) if probe[0] == "JSON.TYPE" else sum(part for part in answer if isinstance(part, int))
    return answer if isinstance(answer, int) else int(probe[0] == "JSON.TYPE")


@dataclass
class _Answer:
    """What decides how long the answer to a command can be: sizes of strings, or of whole keys with their numbers of elements.
    `elements` is how many elements of each key it has at the most; None: all."""

    strings: Sequence[Probe] = ()
    keys: Sequence[bytes] = ()
    length: str = ""
    elements: int | None = None
    most: int | None = None
    """Bytes that are asked for, whatever there is."""

    def probes(self) -> list[Probe]:
        found = list(self.strings)
        for key in self.keys:
            found.append(memory_usage(key))
            if self.length:
                found.append((self.length, key))
        return found


class Weight(NamedTuple):
    """What the answers to commands may take."""

    size: int
    """Bytes of this process."""

    estimated: bool
    """There may be much more: an element of a big key may be as big as the key, and names of keys may be of any length."""

    def held(self, more: int = 0) -> AbstractAsyncContextManager[None]:
        """Hold this weight, and further bytes, inside this context; errors are those of `hold`."""
        return hold(self.size + more, estimated=self.estimated)


async def check_cost(backend: ScopedRedis, commands: Sequence[Planned]) -> Weight:
    """Ask Redis how big the parts are that commands will read, and return what the answers may take.

    Commands are taken in their order: what one of them moves or adds to a key counts for those that read the key after it. Raise
    ToolError if they read more than MOST_BYTES, go over more than _WORKING says, lengthen keys by more than MOST_GROWN, take more
    than MOST_COMPARED steps, or name more keys than can be weighed; or if a count or pattern is out of bounds.
    """
    for command in commands:
        check_arguments(command)
    await _check_paths(backend, commands)
    answers = [_answer(command) for command in commands]
    probes: dict[Probe, int] = {}
    for command, answer in zip(commands, answers, strict=True):
        if len(probes) + len(answer.strings) + 2 * len(answer.keys) > 2 * MOST_PROBES:
            raise _too_many()
        probes |= dict.fromkeys(answer.probes(), 0)
        if command.name in _WORKING or command.name in _MOVING or command.name in _NAMING:
            probes |= dict.fromkeys((memory_usage(key) for key in command.keys), 0)
        probes |= dict.fromkeys((memory_usage(key) for key in _freed(command)), 0)
        if command.name in _REMOVING:
            probes |= dict.fromkeys((("ZCARD", command.keys[0]), _removed(command)), 0)
        if command.name in _MULTIPLYING:
            probes[_json_type(command)] = 0
        if command.name == "lcs" or _reach(command):
            probes |= dict.fromkeys((("STRLEN", key) for key in command.keys), 0)
        if command.name in _SKETCHES:
            probes[_SKETCHES[command.name], command.keys[0]] = 0
        if len(probes) > MOST_PROBES:
            raise _too_many()
    found = await backend.read_many(list(probes))
    for answer in found:
        if isinstance(answer, Exception) and _UNASKED.search(str(answer)):
            raise ToolError(f"the size of what it reads is not known: {backend.translated().translate(answer)}")
    # A key that is not there, or that this user may not touch, has no size.
    sizes = {probe: _size(probe, answer) for probe, answer in zip(probes, found, strict=True)}
    return _Sum(sizes).add_up(commands, answers)


def _too_many() -> ToolError:
    return ToolError(f"a call may name at most {MOST_PROBES} keys or fields whose sizes must be asked for: do it in parts")


async def _check_paths(backend: ScopedRedis, commands: Sequence[Planned]) -> None:
    """Raise ToolError for JSON paths that find many places of big documents (MOST_BYTES), and many paths of one (MOST_WALKED).
    Even to ask for the sizes of places goes over them, and a path to many is answered with a number for each."""
    wide: Counter[bytes] = Counter()
    paths: defaultdict[bytes, set[bytes]] = defaultdict(set)
    for command in commands:
        if command.name.startswith("json."):
            for path, key in product(_paths(command), command.keys):
                wide[key] += finds_many(path)
                paths[key].add(path)
    asked = [key for key in paths if wide[key] or len(paths[key]) > 1]
    if len(asked) > MOST_PROBES:
        raise _too_many()
    sizes = await backend.read_many([memory_usage(key) for key in asked])
    told = {key: _size(("MEMORY",), size) for key, size in zip(asked, sizes, strict=True)}
    going = Counter({key: wide[key] * size for key, size in told.items()})
    _check("go through", going, MOST_BYTES, " for paths to many places: name one place")
    walked = Counter({key: (len(paths[key]) - 1) * size for key, size in told.items()})
    _check("go through", walked, MOST_WALKED, " to tell the sizes of many places: ask for fewer")


class _Sum:
    """What commands read together."""

    def __init__(self, sizes: dict[Probe, int]) -> None:
        self._sizes = sizes
        self._added: defaultdict[bytes, int] = defaultdict(int)
        self._reading: Counter[bytes] = Counter()
        self._working: defaultdict[int, Counter[bytes]] = defaultdict(Counter)
        self._weight = 0
        self._steps = 0
        self._estimated = False

    def add_up(self, commands: Sequence[Planned], answers: Sequence[_Answer]) -> Weight:
        naming = [command.name for command in commands if command.name in _NAMING]
        big = any(self._size(key) > SMALL_KEY for c in commands if c.name in _NAMING for key in c.keys)
        if len(naming) > (most := 1 if big else MOST_NAMING):
            shown = naming[0].replace("|", " ").upper()
            raise ToolError(f"a call may have at most {most} commands like {shown}, whose answers can be long: do it in parts")
        self._estimated = bool(naming)
        grown: dict[bytes, int] = {}
        freed = Counter[bytes]()
        for command, answer in zip(commands, answers, strict=True):
            if command.name == "lcs":
                one, other = (self._sizes["STRLEN", key] + self._added[key] for key in command.keys)
                self._step("LCS of strings this long", one * other)
            if command.name in _SKETCHES:
                rows = self._sizes[_SKETCHES[command.name], command.keys[0]]
                self._step(f"{command.name.upper()} of so many words in so many rows", rows * (len(command.words) - 2))
            if matched := _matched(command):
                self._step("MATCH with such patterns", matched * MOST_COMPARED // (MORE_MATCHED * MOST_MATCHED))
            for probe in answer.strings:
                key = probe[2] if probe[0] == "JSON.DEBUG" else probe[1]
                size = min(self._sizes[probe] + self._added[key], answer.most or MOST_STORED)
                self._read(key, size, len(answer.strings) - 1)
            for key in answer.keys:
                size, elements = self._part(key, answer)
                if answer.length == "XLEN":
                    self._read(key, size, elements, COPIES_OF_STREAM)
                    self._reading[key] += max(elements * ENTRY_BYTES - size, 0)
                else:
                    self._read(key, size, elements)
            if command.name in _WORKING:
                which, most = _WORKING[command.name]
                for key in command.keys[which]:
                    self._working[most][key] += self._size(key)
            for key in _freed(command):
                freed[key] += self._size(key) if command.name not in _REMOVING else self._share(key, command)
            if command.name in _MULTIPLYING:
                key, path = command.keys[0], command.words[2]
                places = self._sizes[_json_type(command)]
                if finds_many(path):
                    places += self._added[key] // 2  # of what the call writes before
                grown[key] = grown.get(key, 0) + max(places - 1, 0) * sum(map(len, command.words[3:]))
            if reserved := _reserved(command):
                grown[command.keys[0]] = grown.get(command.keys[0], 0) + reserved
            if reach := _reach(command):
                key = command.keys[0]
                longer = max(reach - self._sizes["STRLEN", key], 0)
                grown[key] = max(grown.get(key, 0), longer)
                self._added[key] += longer
            if not command.reads:
                self._change(command)
        _check("read", self._reading, MOST_BYTES, ": ask for less; redis_read reads in pages")
        for most, working in self._working.items():
            _check("go over", working, most, ": do it in parts")
        _check("free", freed, MOST_FREED, ": UNLINK the key first; remove elements in parts")
        _check("lengthen keys by", Counter(grown), MOST_GROWN, ": take smaller numbers, or a path to fewer places")
        return Weight(self._weight, self._estimated)

    def _size(self, key: bytes) -> int:
        return self._sizes.get(memory_usage(key), 0) + self._added[key]

    def _part(self, key: bytes, answer: _Answer) -> tuple[int, int]:
        """Bytes and elements of a key that an answer may have."""
        whole = self._size(key)
        length = self._sizes.get((answer.length, key), 0) if answer.length else 1
        self._estimated |= length > SAMPLES or whole > SMALL_KEY
        if answer.elements is None:
            return whole, length
        # Elements are of different sizes: those asked for may be bigger than the others.
        return min(whole, 2 * answer.elements * whole // max(length, 1)), min(answer.elements, max(length, 1))

    def _share(self, key: bytes, command: Planned) -> int:
        """Bytes of a sorted set that a command removes."""
        length, removed = self._sizes["ZCARD", key], self._sizes[_removed(command)]
        if command.name == "zremrangebyrank":
            start, end = (rank + length if rank < 0 else rank for rank in (_number(word) or 0 for word in command.words[2:4]))
            removed = min(end, length - 1) - max(start, 0) + 1
        return self._size(key) * max(removed, 0) // max(length, 1)

    def _read(self, key: bytes, size: int, elements: int, copies: int = COPIES) -> None:
        self._reading[key] += size
        self._weight += copies * size + 2 * OBJECT_BYTES * elements

    def _change(self, command: Planned) -> None:
        """Count what a writing command adds to the keys that it names."""
        if command.name in _WORKING or command.name in _MOVING:
            self._added[command.keys[-1 if command.name in ("copy", *_MOVING) else 0]] += sum(map(self._size, set(command.keys)))
        sent = sum(map(len, command.words))
        for key in set(command.keys):
            self._added[key] += sent

    def _step(self, shown: str, steps: int) -> None:
        self._steps += steps
        if self._steps > MOST_COMPARED:
            raise ToolError(
                f"{shown} keeps Redis busy: in a call, the products of the compared lengths may add up to {MOST_COMPARED}"
            )
        # Few calls that take Redis long are let in at once.
        self._estimated |= self._steps > MOST_COMPARED // 8


def _check(what: str, sizes: Counter[bytes], most: int, instead: str) -> None:
    total = sizes.total()
    if total > most:
        biggest = max(sizes, key=lambda key: sizes[key])
        raise ToolError(
            f"this would {what} {total} bytes, most of them from {show_name(biggest)!r}, and a call may {what} {most}{instead}"
        )


def _answer(command: Planned) -> _Answer:
    """Return what decides how long the answer is."""
    name, words, keys = command.name, command.words, command.keys
    if name in ("json.get", "json.mget", "json.objkeys", "json.resp"):
        return _Answer([("JSON.DEBUG", "MEMORY", key, path) for key in keys for path in _paths(command) or (b"$",)])
    if name in _STRINGS or (name == "set" and b"GET" in (word.upper() for word in words[3:])):
        return _Answer([("STRLEN", key) for key in keys])
    if name in _FIELDS:
        return _Answer([("HSTRLEN", words[1], field) for field in words[2:]])
    if name in ("getrange", "substr"):
        start, end = (_number(word) for word in words[2:4])
        within = start is not None and end is not None and (start >= 0) == (end >= 0)
        return _Answer([("STRLEN", words[1])], most=max(end - start + 1, 1) if within else None)  # type: ignore[operator]
    if name == "lcs" or name in _SMALL or name in _WORKING or name in _NAMING:
        return _Answer()
    length = "ZCARD" if name.startswith(("geo", "bz")) else _LENGTHS.get(name[0], "") if "." not in name else ""
    elements = _elements(command)
    if not command.reads and elements is None and name not in ("xread", "xreadgroup", "sort", "json.arrpop"):
        return _Answer()
    return _Answer(keys=keys, length=length, elements=elements)


def _elements(command: Planned) -> int | None:
    """Return how many elements of each key a command answers at most; None: all."""
    name, words = command.name, command.words
    if name in _ONE:
        return 1
    if name in _RANDOM | _POPPING:
        return _number(words[2]) if len(words) > 2 else 1
    if name == "xclaim":
        return len(words)
    if name == "xinfo|stream":
        return None if len(words) > 3 else 2
    if name in _RANGES and len(words) <= 5 and all(word.upper() == b"WITHSCORES" for word in words[4:]):
        start, end = (_number(word) for word in words[2:4])
        return max(end - start + 1, 0) if start is not None and end is not None and (start >= 0) == (end >= 0) else None
    if name in _COUNTED:
        if name in ("xrange", "xrevrange") and words[2] == words[3] and b"-" in words[2][1:]:
            return 1
        count = _count(command)
        if name == "vsim":
            return None if _is_exhaustive(words) else max(count or 10, *_options(words, b"EF", b"FILTER-EF"))
        # SCANs answer what else is in the same place of the table.
        return _COUNTED[name] if count is None else count + (10 if name in _SCANS else 0)
    return None


def _count(command: Planned) -> int | None:
    """Return the greatest COUNT among the options of a command; None where there is none."""
    words = command.words
    if command.name in ("xread", "xreadgroup"):
        before = next((at for at, word in enumerate(words) if at and word.upper() == b"STREAMS"), len(words))
        words = words[:before]
    else:
        words = words[_OPTIONS_FROM.get(command.name, 2) :]
    given = [_number(value) for word, value in pairwise(words) if word.upper() == b"COUNT"]
    if command.name in _UNBOUNDED and 0 in given:
        return None
    return max((number for number in given if number is not None), default=None)


def _patterns(command: Planned) -> list[bytes]:
    """Return the patterns of a SCAN; Redis takes the last."""
    if command.name not in _SCANS:
        return []
    options = command.words[2 if command.name == "scan" else 3 :]
    return [value for option, value in zip(options[::2], options[1::2], strict=False) if option.upper() == b"MATCH"]


def _matched(command: Planned) -> int:
    """Return how much of MOST_MATCHED a SCAN takes."""
    count = _count(command)
    return (10 if count is None else count) * max(map(compared, _patterns(command)), default=0)


def _options(words: Sequence[bytes], *names: bytes) -> list[int]:
    """Return the numbers behind options of VSIM, and 0."""
    return [0, *(_number(value) or 0 for word, value in pairwise(words) if word.upper() in names)]


def _is_exhaustive(words: Sequence[bytes]) -> bool:
    """Return whether VSIM looks at all elements, or at as many as it takes."""
    upper = [word.upper() for word in words]
    return b"TRUTH" in upper or any(word == b"FILTER-EF" and not (_number(value) or 0) for word, value in pairwise(upper))


def _reach(command: Planned) -> int:
    """Return the least length, in bytes, to which a command extends a string; 0 if it sends all bytes itself."""
    words = command.words
    if command.name == "setrange":
        return (_number(words[2]) or 0) + len(words[3])
    if command.name == "setbit":
        return (_number(words[2]) or 0) // 8 + 1
    if command.name == "bitfield":
        reach = 0
        for word, kind, offset in zip(words[2:], words[3:], words[4:], strict=False):
            if word.upper() in (b"SET", b"INCRBY"):
                bits = _number(kind[1:]) or 64
                at = (_number(offset[1:]) or 0) * bits if offset.startswith(b"#") else _number(offset) or 0
                reach = max(reach, (at + bits) // 8 + 1)
        return reach
    return 0


def _freed(command: Planned) -> Sequence[bytes]:
    """Return the keys whose values a command frees, whole or in part."""
    words = command.words
    if command.name in _EXPIRING:
        now = time.time() * _EXPIRING[command.name] if command.name.endswith("at") else 0
        return command.keys if (_number(words[2]) or 0) <= now else ()
    if command.name == "copy" and len(words) < 4:
        return ()
    return command.keys[_FREEING[command.name]] if command.name in _FREEING else ()


def _removed(command: Planned) -> Probe:
    """Return the command that tells how many elements one of _REMOVING removes, or may remove."""
    limits = () if command.name == "zremrangebyrank" else command.words[2:4]
    return (_REMOVING[command.name], command.keys[0], *limits)


def _paths(command: Planned) -> Sequence[bytes]:
    """Return the paths that a JSON command names, in their places."""
    words = command.words
    if command.name == "json.get":
        return [word for word in words[2:] if word.upper() != b"NOESCAPE"]
    if command.name == "json.mget":
        return words[-1:]
    return words[2::3] if command.name == "json.mset" else words[2:3]


def _json_type(command: Planned) -> Probe:
    """Return the command that tells how many places a path finds."""
    return ("JSON.TYPE", command.keys[0], *command.words[2:3])


def check_json_path(path: bytes) -> None:
    """Raise ToolError for a JSON path that can find the same part of a document many times: its work and its answer have no
    bound."""
    if len(path) > LONGEST_PATTERN or path.count(b"..") > 1 or path.count(b",") > MOST_COMMAS:
        raise ToolError(f"a JSON path may have at most {LONGEST_PATTERN} bytes, one '..', and {MOST_COMMAS} commas")
    plain = _QUOTED.sub(lambda found: b"" if found.lastindex else b"$", path)
    if b"?" in path and b"$" in plain[1:]:
        raise ToolError("a condition in a JSON path may not read from $ for each element: use @")


def finds_many(path: bytes) -> bool:
    """Return whether a JSON path may find more than one place."""
    return any(sign in path for sign in _MANY_PLACES)


def _reserved(command: Planned) -> int:
    """Estimate the bytes that a command sets aside for a filter or a sketch, whatever is sent; 0 for other commands."""
    words = command.words
    if b"ITEMS" in (upper := [word.upper() for word in words]):
        words = words[: upper.index(b"ITEMS")]

    def at(index: int) -> float:
        return _real(words[index]) if index < len(words) else 0.0

    def option(name: bytes) -> float:
        return max((_real(value) for word, value in pairwise(words) if word.upper() == name), default=0.0)

    bytes_ = 0.0
    match command.name:
        case "bf.reserve":
            bytes_ = at(3) * _bloom_bytes(at(2))
        case "bf.insert":
            bytes_ = option(b"CAPACITY") * _bloom_bytes(option(b"ERROR") or 0.01)
        case "cf.insert" | "cf.insertnx" | "cf.reserve":
            bytes_ = 2 * (at(2) if command.name == "cf.reserve" else option(b"CAPACITY"))
        case "cms.initbydim":
            bytes_ = 4 * at(2) * at(3)
        case "cms.initbyprob":
            bytes_ = 8 / max(at(2), 1e-30) * math.log2(1 / min(max(at(3), 1e-300), 1))
        case "tdigest.create" | "tdigest.merge":
            bytes_ = 100 * option(b"COMPRESSION")
        case "topk.reserve":
            bytes_ = 100 * at(2) + 16 * at(3) * at(4)
    # The next part of a filter that is full is so many times as big: twice, as nobody has to ask for, is allowed for.
    return int(min(bytes_ * max(option(b"EXPANSION") / 2, 1), MOST_NUMBER))


def _bloom_bytes(error: float) -> float:
    """Return the bytes of a Bloom filter for each entry: 1.44 bits for each halving of the rate of errors."""
    return 0.18 * math.log2(1 / min(max(error, 1e-300), 1))


def _real(text: bytes) -> float:
    """Read a number in the words of a command, MOST_NUMBER at the most; 0 where it is not one, which Redis refuses itself."""
    try:
        number = float(text)
    except ValueError:
        return 0.0
    return min(number, MOST_NUMBER) if number > 0 else 0.0


def check_arguments(command: Planned) -> None:
    """Raise ToolError for counts and patterns that are out of bounds."""
    words = command.words
    count = _count(command) if command.name in _COUNTED else None
    if command.name in _RANDOM | _POPPING and len(words) > 2:
        count = _number(words[2])
    if command.name == "xpending" and len(words) > 5:
        count = _number(words[7 if words[3].upper() == b"IDLE" and len(words) > 7 else 5])
    if command.name.startswith("json."):
        for path in _paths(command):
            check_json_path(path)
        if command.name == "json.get" and _FORMATTING & {word.upper() for word in words[2:]}:
            raise ToolError("leave out INDENT, NEWLINE and SPACE: JSON comes without them")
    if count is not None and not 0 <= count <= MOST_COUNT:
        raise ToolError(f"give a count from 0 to {MOST_COUNT}")
    for pattern in _patterns(command):
        check_glob(pattern)
        if (10 if count is None else count) > (most := MORE_MATCHED * matched_at_once(pattern)):
            raise ToolError(f"with this pattern, give a COUNT of up to {most}: comparing it with names takes Redis long")
    if command.name == "ft.spellcheck":
        distances = {value for word, value in pairwise(words) if word.upper() == b"DISTANCE"}
        if len(_WORD.findall(words[2])) > MOST_SPELLED or distances - {b"1"}:
            raise ToolError(f"give up to {MOST_SPELLED} words, and leave out DISTANCE")
    if command.name == "ft.dropindex" and b"DD" in (word.upper() for word in words[2:]):
        raise ToolError(
            "leave out DD, which blocks Redis while it removes all documents: redis_delete_matching removes keys in parts"
        )
    if command.name == "memory|usage" and len(words) > 4 and not 1 <= (_number(words[4]) or 0) <= SAMPLES:
        raise ToolError(f"SAMPLES may be from 1 to {SAMPLES}")
    if command.name in ("ts.range", "ts.revrange") and not count:
        raise ToolError(f"give a COUNT, of up to {MOST_COUNT}")
    if command.name in ("ts.range", "ts.revrange") and b"EMPTY" in (word.upper() for word in words):
        raise ToolError("leave out EMPTY: Redis makes all empty buckets of a gap before it counts them")


def _number(text: bytes) -> int | None:
    """Return a whole number as Redis takes it; None where it is not one, which Redis refuses itself."""
    try:
        return int(text) if len(text) <= 20 else None
    except ValueError:
        return None
