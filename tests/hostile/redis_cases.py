"""Hostile data for Redis, and what is asked of it."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import redis

from tests.hostile.attack import Case, Check

KIB, MIB = 1024, 1024 * 1024

STRINGS: dict[str, tuple[str, int]] = {
    "lcs:a": ("ab", 3800),
    "lcs:b": ("ba", 3800),
    "s:empty": ("", 0),
    "s:1": ("x", 1),
    "s:64k": ("x", 64 * KIB),
    "s:8m": ("x", 8 * MIB),
    "s:8m+1": ("x", 8 * MIB + 1),
    "s:60m": ("x", 60 * MIB),
    "s:nul": (r"\0", MIB),
    "s:control": (r"\1", MIB),
    "s:invisible": (r"\226\128\139", MIB),
    "s:latin": (r"\255", MIB),
    "s:half": (r"\237\160\128", MIB),
    "s:quote": ('"', MIB),
    "s:emoji": (r"\240\159\145\169\226\128\141", MIB),
    "s:token": ("eyJ-", MIB),
    "s:token2": ("eyJ.", MIB),
    "s:token3": ("a.eyJaaaaaaaaaaaaa.", MIB),
    "s:pem": ("-----BEGIN ", MIB),
    "s:cloud": ("AKIA", MIB),
    "s:sk": ("sk-", MIB),
    "s:deep": ("[", 1000),
    "s:deeper": ('{"a":', 100_000),
    "s:hll": ("HYLL", MIB),
    "hash-of-secrets:password": ("x", MIB),
}
"""Strings: what is repeated, as Lua writes it, and the bytes (of repetitions, not fewer)."""

FILL: dict[str, str] = {
    "s:512m": "redis.call('setrange', K, 536870911, 'x')",
    "s:ones": "redis.call('set', K, string.rep('\\255', 1048576))",
    "h:60m": "redis.call('hset', K, 'big', string.rep('x', 62914560), 'small', 'y')",
    "h:2m": "for i = 1, 40 do redis.call('hset', K, i, string.rep('x', 2097152)) end",
    "h:skewed": "for i = 1, 5000 do redis.call('hset', K, i, 'x') end redis.call('hset', K, 'big', string.rep('x', 62914560))",
    "h:long": "redis.call('hset', K, string.rep('n', 3145728), 'x')",
    "h:many": "for i = 1, 100000 do redis.call('hset', K, i, 'x') end",
    "h:names": "for i = 1, 100 do redis.call('hset', K, i .. string.rep('n', 65536), 'x') end",
    "h:token": "for i = 1, 20 do redis.call('hset', K, string.rep('eyJ-', 100) .. i, string.rep('eyJ-', 30000)) end",
    "l:2m": "for i = 1, 20 do redis.call('rpush', K, string.rep('x', 2097152)) end",
    "l:skewed": "for i = 1, 5000 do redis.call('rpush', K, 'x') end redis.call('rpush', K, string.rep('x', 62914560))",
    "l:first": "redis.call('rpush', K, string.rep('x', 62914560)) for i = 1, 5000 do redis.call('rpush', K, 'x') end",
    "l:many": "for i = 1, 100000 do redis.call('rpush', K, i) end",
    "l:64k": "for i = 1, 1000 do redis.call('rpush', K, string.rep('\\1', 65536)) end",
    "set:2m": "for i = 1, 20 do redis.call('sadd', K, i .. string.rep('x', 2097152)) end",
    "set:skewed": "for i = 1, 5000 do redis.call('sadd', K, i .. 'x') end redis.call('sadd', K, string.rep('x', 62914560))",
    "set:many": "for i = 1, 100000 do redis.call('sadd', K, i .. 'x') end",
    "set:million": "for i = 1, 1000000 do redis.call('sadd', K, i) end",
    "set:int": "for i = 1, 500 do redis.call('sadd', K, i) end",
    "z:2m": "for i = 1, 20 do redis.call('zadd', K, i, i .. string.rep('x', 2097152)) end",
    "z:same": "for i = 1, 2000 do redis.call('zadd', K, 0, i .. string.rep('x', 30000)) end",
    "z:skewed": "for i = 1, 5000 do redis.call('zadd', K, i, i .. 'x') end redis.call('zadd', K, 0, string.rep('x', 62914560))",
    "z:many": "for i = 1, 100000 do redis.call('zadd', K, 1, i) end",
    "geo": "for i = 1, 5000 do redis.call('geoadd', K, i % 180, i % 80, i) end",
    "x:2m": (
        "for i = 1, 20 do redis.call('xadd', K, i .. '-1', 'f', string.rep('x', 2097152)) end "
        "redis.call('xgroup', 'create', K, 'g', 0) redis.call('xreadgroup', 'group', 'g', 'c', 'count', 20, "
        "'streams', K, '>')"
    ),
    "x:skewed": (
        "for i = 1, 5000 do redis.call('xadd', K, i .. '-1', 'f', 'x') end redis.call('xadd', K, '5001-1', "
        "'f', string.rep('x', 62914560))"
    ),
    "x:fields": "local a = {} for i = 1, 7000 do a[i] = 'f' end for i = 1, 30 do redis.call('xadd', K, i .. '-1', unpack(a)) end",
    "x:shared": ("for i = 1, 150000 do redis.call('xadd', K, i .. '-1', string.rep('f', 1500), '1') end"),
    "x:groups": (
        "redis.call('xadd', K, '1-1', 'f', 'x') for i = 1, 3000 do redis.call('xgroup', 'create', K, i .. "
        "string.rep('g', 4096), 0) end"
    ),
    "x:more-groups": ("redis.call('xadd', K, '1-1', 'f', 'x') for i = 1, 20000 do redis.call('xgroup', 'create', K, i, 0) end"),
    "x:consumers": (
        "redis.call('xadd', K, '1-1', 'f', 'x') redis.call('xgroup', 'create', K, 'g', 0) for i = 1, 3000 do "
        "redis.call('xgroup', 'createconsumer', K, 'g', i .. string.rep('c', 4096)) end"
    ),
    "x:pending": (
        "redis.call('xgroup', 'create', K, 'g', 0, 'mkstream') for i = 1, 400 do redis.call('xadd', K, i .. "
        "'-1', 'f', 'x') redis.call('xreadgroup', 'group', 'g', i .. string.rep('c', 65536), 'streams', K, "
        "'>') end"
    ),
    "hll": "for i = 1, 5000 do redis.call('pfadd', K, i) end",
}
"""Keys and Lua that makes them; K is the key."""

NAMES = [
    b"1" * 400 + b"\nx", b"1" * 64 + b"\nx", b"0123456789abcdef" * 4000 + b"!", b"0" * 26 + b"\n", b":" * 1000,
    b"a:" * 500 + b"1" * 30 + b"\n", b"a" * 64 * KIB, b"n" * 3 * MIB, b"9" * 64 * KIB + b"\n", "\u200b".encode() * 1000,
    "\U000e0041".encode() * 1000, b"\xff" * 64 * KIB, b"eyJ-" * 1000, b"pass" * 1000, b"", b"base64:", b"*" * 200,
    b"\\" * 200,
]  # fmt: skip
"""Names of keys that hold a small string."""


def fill(port: int, *, names: int = 300) -> None:
    """Write it all, and `names` keys whose names have 64 KiB."""
    client = redis.Redis(port=port, socket_timeout=120)
    for key, (piece, length) in STRINGS.items():
        client.eval(
            f"local p = '{piece}' redis.call('set', KEYS[1], string.rep(p, math.ceil({length} / #p)))"
            if piece
            else "redis.call('set', KEYS[1], '')",
            1,
            key,
        )
    for key, code in FILL.items():
        client.eval("local K = KEYS[1] " + code, 1, key)
    for name in NAMES:
        client.set(name, "x")
    client.eval("for i = 1, tonumber(ARGV[1]) do redis.call('set', 'long:' .. i .. string.rep('n', 65536), 'x') end", 0, names)
    client.eval("for i = 1, 20 do for j = 1, 20 do redis.call('rpush', 'tokens:' .. i, string.rep('eyJ-', 2000)) end end", 0)
    client.eval("for i = 1, 30 do for j = 1, 20 do redis.call('rpush', 'lists:' .. i, string.rep('x', 2097152 / 20)) end end", 0)
    client.eval("for i = 1, 20 do redis.call('hset', 'hashes:' .. i, 'f', string.rep(i, 1048576), 'g', 'x') end", 0)
    # Reads of other clients leave long lines in these.
    client.config_set("slowlog-log-slower-than", 0)
    client.config_set("slowlog-max-len", 5000)
    client.config_set("latency-monitor-threshold", 1)
    pipeline = client.pipeline(transaction=False)
    for number in range(5000):
        pipeline.execute_command("EXISTS", *[f"{number}" + "a" * 200] * 40)
    pipeline.execute()
    client.config_set("slowlog-log-slower-than", 10_000)
    client.close()


def neighbour(port: int) -> Callable[[], object]:
    client = redis.Redis(port=port, socket_timeout=30)
    return lambda: client.get("s:1")


def _short(value: Any) -> bytes | None:
    """The beginning of a value that a result shows; None where it shows no text."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, Mapping) and "text" in value:
        return str(value["text"]).encode()
    return None


LENGTHS = {"string": "STRLEN", "hash": "HLEN", "list": "LLEN", "set": "SCARD", "zset": "ZCARD", "stream": "XLEN"}


def content(port: int, key: str) -> Check:
    """The check of what redis_read gives of a key: its length and the first elements are those that Redis gives to others."""

    def check(result: Mapping[str, Any]) -> str | None:
        with redis.Redis(port=port, socket_timeout=60) as client:
            kind = client.type(key).decode()
            length = client.execute_command(LENGTHS[kind], key)
            if result["type"] != kind or result.get("length") != length:
                return f"{result['type']} of {result.get('length')}, and it is {kind} of {length}"
            if kind == "string" and (shown := _short(result.get("value"))) is not None:
                if shown != client.getrange(key, 0, len(shown) - 1) and shown:
                    return "another value"
                if len(shown) < length and "cursor" not in result:
                    return "cut without a cursor"
            if kind == "list":
                for index, item in enumerate(result["items"][:5]):
                    if (shown := _short(item)) is not None and not client.lindex(key, index).startswith(shown):
                        return f"another element {index}"
            parts = next((result[p] for p in ("items", "fields", "members", "entries") if p in result), None)
            if parts is not None and len(parts) < length and "cursor" not in result:
                return f"{len(parts)} of {length} elements without a cursor"
        return None

    return check


COMMANDS = """
    GET s:8m | GET s:60m | GET s:512m | GET s:deep | GET s:deeper | GET s:invisible | MGET 20x s:8m | MGET 128x s:64k
    SRANDMEMBER set:int -40000000 | SRANDMEMBER set:skewed -40000000 | SRANDMEMBER set:int -9223372036854775807
    SRANDMEMBER set:2m 20 | HRANDFIELD h:skewed -40000000 WITHVALUES | HRANDFIELD h:skewed 5001 WITHVALUES
    ZRANDMEMBER z:many -40000000 | SUNION 400x set:many | SINTER 400x set:many | SDIFF 400x set:many
    SINTERCARD 400 400x set:many | ZUNION 400 400x z:many | ZINTERCARD 400 400x z:many | PFCOUNT 900x hll
    LRANGE l:2m 0 -1 | LRANGE l:skewed 0 -1 | LRANGE l:many 0 -1 | LRANGE l:64k 0 -1 | LRANGE l:skewed -1 -1
    LINDEX l:skewed -1 | LINDEX l:first 0 | LPOS l:many 99999 | LPOS l:64k x COUNT 0 MAXLEN 0
    HGETALL h:60m | HGETALL h:2m | HGETALL h:skewed | HGETALL h:many | HGETALL h:names | HVALS h:60m | HVALS h:2m
    HVALS h:skewed | HVALS h:many | HVALS h:names | HKEYS h:60m | HKEYS h:2m | HKEYS h:skewed | HKEYS h:many | HKEYS h:names
    HGET h:60m big | HGET h:skewed big | HMGET h:60m 200x big | HMGET h:2m 200x 1,2,3,4
    HSCAN h:skewed 0 COUNT 10000 | HSCAN h:names 0 COUNT 10000 | HSCAN h:2m 0 COUNT 1000000000
    SSCAN set:skewed 0 COUNT 10000 | ZSCAN z:skewed 0 COUNT 10000 | SCAN 0 COUNT 10000 | SCAN 0 COUNT 1000000000
    SCAN 0 MATCH long:* COUNT 10000 | RANDOMKEY | SMEMBERS set:2m | SMEMBERS set:skewed | SMEMBERS set:many
    ZRANGE z:2m 0 -1 WITHSCORES | ZRANGE z:skewed 0 -1 WITHSCORES | ZRANGE z:many 0 -1 WITHSCORES
    ZRANGE z:same 0 -1 WITHSCORES | ZRANGE z:skewed 0 0 | ZRANGEBYLEX z:same - + | ZRANGEBYSCORE z:skewed -inf +inf LIMIT 0 1
    XRANGE x:2m - + | XRANGE x:skewed - + | XRANGE x:fields - + | XRANGE x:shared - + | XREVRANGE x:skewed + - COUNT 1
    XREAD COUNT 1 STREAMS x:skewed 5000-1 | XREAD BLOCK 60000 STREAMS x:2m $ | XINFO STREAM x:pending FULL COUNT 0
    XINFO STREAM x:skewed | XINFO STREAM x:2m FULL | XINFO GROUPS x:groups | XINFO GROUPS x:more-groups
    XINFO CONSUMERS x:consumers g | XPENDING x:pending g - + 10000 | XPENDING x:pending g
    DUMP s:60m | DUMP h:60m | DUMP l:skewed | DUMP s:1 | GETRANGE s:512m 0 -1 | GETRANGE s:512m 0 -2
    GETRANGE s:512m -100 -1 | GETRANGE s:512m -536870912 -1 | GETRANGE s:512m 0 65535 | GETRANGE s:512m 0 65536
    GETRANGE s:512m 0 100000000000000000 | SUBSTR s:512m 0 -1 | LCS s:8m s:8m | LCS s:64k s:64k | LCS s:64k s:1 IDX
    BITCOUNT s:512m | BITPOS s:512m 1 | BITFIELD_RO s:ones 300x GET,u63,0 | SORT_RO l:many LIMIT 0 10
    SORT_RO set:int BY nosort GET h:60m->big | SORT_RO set:int BY nosort 100x GET,s:8m | SORT_RO set:int BY * GET #
    SORT l:many BY s:* ALPHA | GEOSEARCH geo FROMLONLAT 0 0 BYRADIUS 40000 km WITHCOORD WITHDIST
    GEORADIUS_RO geo 0 0 40000 km | GEOHASH geo 900x 1 | OBJECT ENCODING s:512m | MEMORY USAGE h:skewed SAMPLES 0
    MEMORY USAGE l:many SAMPLES 1000000000 | EXISTS 998x s:1 | TOUCH 998x h:skewed
"""
"""Commands that redis_command may send: what it may not is refused by name. `3x a,b` stands for a b a b a b."""

CHANGES = """
    SETRANGE w:huge 536870911 x | SETBIT w:huge 4294967295 1 | APPEND w:5 x | SET s:8m+1 x GET | GETDEL s:60m | GETSET s:60m x
    GETEX s:60m | LPOP l:2m 20 | RPOP l:skewed | LMOVE l:first l:moved LEFT LEFT | RPOPLPUSH l:skewed l:moved
    SPOP set:skewed 5001 | ZPOPMIN z:skewed | ZPOPMAX z:many 100000 | ZMPOP 1 z:skewed MIN | LMPOP 1 l:first LEFT COUNT 5000
    XREADGROUP GROUP g c STREAMS x:2m 0 | XCLAIM x:2m g d 0 1-1 2-1 3-1 4-1 5-1 | XAUTOCLAIM x:2m g d 0 0 COUNT 100
    BITOP AND w:and s:512m s:512m | BITOP OR w:or 500x s:8m | SUNIONSTORE w:u 400x set:many | ZUNIONSTORE w:z 400 400x z:many
    PFMERGE w:p 900x hll | SORT l:many STORE w:sorted | SUNIONSTORE w:u set:million set:million | COPY s:512m w:copy
    COPY set:million w:copy | RESTORE w:r 0 xxxxxxxxxxxx | LTRIM l:many 0 1 | DEL s:512m | DEL set:million | SET set:million x
    RENAME s:1 set:million | EXPIRE set:million 0 | SINTERSTORE set:million set:int set:million | ZREMRANGEBYRANK z:many 0 -1
"""


def commands(text: str) -> Iterator[list[str]]:
    """Yield the words of commands that stand between | or on lines."""
    for command in re.split(r"[|\n]", text.strip()):
        words: list[str] = []
        times = 1
        for word in command.split():
            if repeated := re.fullmatch(r"(\d+)x", word):
                times = int(repeated[1])
            else:
                words += word.split(",") * times
                times = 1
        yield words


def cases(port: int) -> list[Case]:
    keys = [*STRINGS, *FILL]
    short = [name.decode("utf-8", "replace") for name in NAMES if len(name) <= 4096 and name and b"\xff" not in name]
    found = [
        Case("redis_info", {}),
        Case("redis_profile", {}),
        Case("redis_profile", {"separator": "1", "sample": 100_000}),
        Case("redis_profile", {"pattern": "*a*a*a*a*a*a*b", "separator": "\n"}),
        *(
            Case("redis_scan", {"limit": 1000, "pattern": p})
            for p in (
                "*",
                "long:*",
                "*" + "n" * 998 + "x",
                "*nnnn*nnnnx",
                "*" * 999 + "x",
                "*a" * 400 + "b",
                "[" + "a-" * 400,
                "?" * 1000,
            )
        ),
        *(Case("redis_scan", {"order": order, "limit": 1000}) for order in ("memory", "idle", "ttl")),
        Case("redis_scan", {"type": "hash", "cursor": "9" * 20 + "+999999"}),
        Case("redis_scan", {"cursor": "1" * 5000}),
        Case("redis_tally", {"pattern": "h:*", "field": "big"}),
        Case("redis_tally", {"pattern": "*", "field": "f", "where": {"g": "x"}}),
        Case("redis_tally", {"pattern": "*", "field": "f" * 100_000}),
        Case("redis_stream", {}),
        *(Case("redis_stream", {"key": k, "group": "g", "limit": 1000}) for k in ("x:2m", "x:consumers", "x:pending")),
        *(Case("redis_stream", {"key": k}) for k in ("x:groups", "x:more-groups", "x:skewed", "x:fields")),
        *(
            Case("redis_diagnose", {"topic": topic, "limit": 1000})
            for topic in ("slowlog", "latency", "clients", "memory", "acl", "config", "commands")
        ),
        Case("redis_pubsub", {}),
        Case("redis_pubsub", {"listen": ["*"], "seconds": 5}),
        Case("redis_pubsub", {"listen": [f"{n}*{'n' * 31}x" for n in range(50)], "seconds": 5}),
        Case("redis_scan", {"pattern": "*" + "n" * 31 + "x"}),
        Case("redis_scan", {"pattern": "*" + "n" * 900 + "x"}),
        Case("redis_indexes", {}),
        *(Case("redis_command_docs", {"command": c}) for c in ("SET", "x" * 100, "\u200b")),
    ]
    for key in keys:
        right = content(port, key)
        found += [
            Case("redis_read", {"key": key, "limit": 1000}, right),
            Case("redis_read", {"key": key, "version": True}, right),
        ]
        if key.startswith(("l", "z", "x")):
            found.append(Case("redis_read", {"key": key, "reverse": True, "limit": 1000}))
        if key.startswith("h:"):
            found.append(Case("redis_read", {"key": key, "field": "big"}))
        if key.startswith("s:"):
            found += [
                Case("redis_read", {"key": key, "cursor": "999999"}),
                Case("redis_read", {"key": key, "view": "bits", "limit": 1000}),
            ]
    found += [Case("redis_read", {"key": name}) for name in short]
    found += [
        Case("redis_read", {"key": "geo", "view": "geo", "limit": 1000}),
        Case("redis_read", {"key": "s:512m", "cursor": str(511 * MIB)}),
        Case("redis_read", {"key": "z:many", "start": "1", "end": "1", "limit": 1000}),
        Case("redis_read", {"key": "x" * MIB}),
        Case("redis_read_many", {"keys": keys}),
        Case("redis_read_many", {"keys": ["l:2m"] * 200}),
        Case("redis_read_many", {"keys": ["h:skewed", "l:first", "set:skewed", "z:skewed", "x:skewed"] * 40}),
        Case("redis_read_many", {"keys": [f"tokens:{n}" for n in range(1, 21)]}),
        Case("redis_read_many", {"keys": [f"lists:{n}" for n in range(1, 31)]}),
        Case("redis_read_many", {"keys": ["h:60m", "h:2m"] * 100, "fields": ["big", *map(str, range(1, 20))]}),
        Case("redis_read_many", {"keys": [f"hashes:{n}" for n in range(1, 21)], "fields": ["f"]}),
        Case("redis_read_many", {"keys": ["\x00" * 4096] * 200}),
        Case("redis_read_many", {"keys": ["s:token", "s:token2", "s:token3", "s:pem", "s:sk", "s:cloud"] * 33}),
        Case("redis_read_many", {"keys": short * 10}),
    ]
    found += [Case("redis_command", {"command": words}) for words in commands(COMMANDS)]
    for words in (
        *(["HSCAN", "h:long", "0", "MATCH", f"*{'n' * length}x", "COUNT", "1"] for length in (31, 900)),
        *(["ECHO", "x" * 500_000], ["X" * 500_000], ["TTL", "k" * 900_000]),
    ):
        found.append(Case("redis_command", {"command": words}))
    found += [
        Case("redis_command", {"commands": [["GET", "s:64k"]] * 200}),
        Case("redis_command", {"commands": [["HGETALL", "h:skewed"]] * 200}),
        Case("redis_command", {"commands": [["LCS", "lcs:a", "lcs:b"]] * 200}),
        Case("redis_command", {"commands": [["SUNION", *(f"{n:x}" for n in range(120_000))]]}),
        Case("redis_command", {"commands": [[None] * 130_000]}),
        Case("redis_diagnose", {"topic": "config", "settings": ["a*b?" * 50_000]}),
        Case("redis_command", {"commands": [["GETRANGE", "s:60m", "0", "65535"]] * 200}),
        Case("redis_command", {"commands": [["RANDOMKEY"]] * 200}),
        Case("redis_command", {"commands": [["SCAN", "0", "COUNT", "10000"]] * 200}),
        Case("redis_command", {"commands": [["GEOHASH", "geo", *map(str, range(900))]] * 100}),
        Case("redis_command", {"commands": [["XINFO", "GROUPS", "x:groups"]] * 200}),
        Case("redis_command", {"commands": [["XINFO", "GROUPS", "x:groups"]] * 10}),
        Case("redis_command", {"commands": [["XINFO", "CONSUMERS", "x:pending", "g"]] * 10}),
        Case("redis_command", {"commands": [["XPENDING", "x:pending", "g"]] * 10}),
        Case("redis_command", {"commands": [["SCAN", "0", "MATCH", "long:*", "COUNT", "10000"]] * 10}),
        Case("redis_command", {"commands": [["SMISMEMBER", "set:int", *map(str, range(900))]] * 100}),
        Case("redis_command", {"commands": [["BITFIELD_RO", "s:ones", *("GET", "u63", "0") * 300]] * 100}),
    ]
    writes: list[tuple[str, dict[str, Any]]] = [
        ("redis_write", {"key": "w:1", "type": "string", "value": "\u200b" * 300_000}),
        ("redis_write", {"key": "w:2", "type": "list", "value": ["x"] * 100_000}),
        ("redis_write", {"key": "w:3", "type": "hash", "value": {str(n): "x" for n in range(50_000)}}),
        ("redis_write", {"key": "w:4", "type": "string", "value": "x", "if_version": "x" * 100_000}),
        ("redis_write", {"key": "h:skewed", "type": "hash", "value": {"a": "b"}, "if_version": "x"}),
        ("redis_write", {"key": "s:512m", "type": "string", "value": "x", "replace": True, "if_version": "x"}),
        *(("redis_transaction", {"commands": [words]}) for words in commands(CHANGES)),
        ("redis_transaction", {"commands": [["SET", f"w:{n}", "x"] for n in range(1000)]}),
        ("redis_publish", {"channel": "c", "message": "\x00" * 150_000}),
        ("redis_delete", {"keys": ["h:skewed", *(f"lists:{n}" for n in range(1, 31))]}),
        ("redis_delete_matching", {"pattern": "*", "most": 100_000}),
        ("redis_delete_matching", {"pattern": "*a" * 400 + "b"}),
    ]
    return found + [Case(tool, arguments, crowd=False) for tool, arguments in writes]
