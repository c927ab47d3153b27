"""Find the keys that a command names, by our own table.

The store's parser (COMMAND GETKEYS) is not trusted alone: Redis 7 and 8 report the first STORE of a GEORADIUS and execute the
last. What this table does not cover is refused wherever it matters which keys a command touches.
"""

from collections.abc import Callable, Sequence
from functools import partial

from servers.common.protocol.tools import ToolError
from servers.redis.format.replies import said

Words = Sequence[bytes]
"""A command's words, its name first."""

Finder = Callable[[Words], list[bytes]]
"""Finds the keys in a command's words. Raises ToolError or IndexError where they can't be found."""


def keys_in(name: str, words: Words) -> list[bytes] | None:
    """Return the keys that a command names, as often as it names them; None for a command that is not in the table.

    The name is lower-case, with its subcommand behind a |. Raise ToolError for words of a form that the table does not know.
    """
    finder = FINDERS.get(name)
    if finder is None:
        return None
    try:
        return [bytes(key) for key in finder(words)]
    except IndexError:
        raise ToolError("too few arguments") from None


def names(text: str) -> list[str]:
    """Read names that are separated by white space."""
    return text.split()


def _at(index: int, words: Words) -> list[bytes]:
    return [words[index]]


def _from(first: int, words: Words, *, step: int = 1, last: int | None = None) -> list[bytes]:
    keys = list(words[first:last:step])
    if not keys:
        raise IndexError
    return keys


def _counted(before: int, words: Words, *, step: int = 1, destination: bool = False) -> list[bytes]:
    """Find keys that follow their number, which is at the place `before`. Each key takes `step` words. If there is a
    `destination`, the first argument is a key, too."""
    text = words[before]
    if not text.isdigit() or len(text) > 6 or text.startswith(b"0"):
        raise ToolError(f"the number of keys has to be a number of at least 1, not {said(text[:40])!r}")
    keys = words[before + 1 : before + 1 + int(text) * step : step]
    if len(keys) != int(text):
        raise IndexError
    return [words[1], *keys] if destination else list(keys)


def _copied(words: Words) -> list[bytes]:
    """COPY source destination [REPLACE]. With DB it would leave the database that this server is for."""
    if any(word.upper() != b"REPLACE" for word in words[3:]):
        raise ToolError("COPY takes a source, a destination and REPLACE here: this server stays in one database")
    return [words[1], words[2]]


def _streams(options: dict[bytes, int], words: Words) -> list[bytes]:
    """XREAD and XREADGROUP: options, then STREAMS, then as many keys as ids. Options map to the number
    of words that follow each."""
    at = 1
    while (option := words[at].upper()) != b"STREAMS":
        if option not in options:
            raise ToolError(f"{said(option[:40])!r} is not a known option: put STREAMS last")
        at += 1 + options[option]
    rest = words[at + 1 :]
    if not rest or len(rest) % 2:
        raise ToolError("give as many ids as streams")
    return list(rest[: len(rest) // 2])


def _none(words: Words) -> list[bytes]:
    return []


FINDERS: dict[str, Finder] = {
    **dict.fromkeys(
        names("""
        append bitcount bitfield bitfield_ro bitpos decr decrby dump expire expireat expiretime geoadd geodist geohash geopos
        georadius_ro georadiusbymember_ro geosearch get getbit getdel getex getrange getset hdel hexists hexpire hexpireat
        hexpiretime hget hgetall hgetdel hgetex hincrby hincrbyfloat hkeys hlen hmget hmset hpersist hpexpire hpexpireat
        hpexpiretime hpttl hrandfield hscan hset hsetex hsetnx hstrlen httl hvals incr incrby incrbyfloat lindex linsert llen
        lpop lpos lpush lpushx lrange lrem lset ltrim persist pexpire pexpireat pexpiretime pfadd psetex pttl rpop rpush
        rpushx sadd scard set setbit setex setnx setrange sismember smembers smismember spop srandmember srem sscan strlen
        substr ttl type xack xackdel xadd xautoclaim xclaim xdel xdelex xlen xpending xrange xrevrange xsetid xtrim zadd zcard
        zcount zincrby zlexcount zmscore zpopmax zpopmin zrandmember zrange zrangebylex zrangebyscore zrank zrem
        zremrangebylex zremrangebyrank zremrangebyscore zrevrange zrevrangebylex zrevrangebyscore zrevrank zscan zscore
        delex delifeq digest
        vadd vcard vdim vemb vgetattr vinfo vismember vlinks vrandmember vrange vrem vsetattr vsim
        json.arrappend json.arrindex json.arrinsert json.arrlen json.arrpop json.arrtrim json.clear json.del json.forget
        json.get json.merge json.numincrby json.nummultby json.objkeys json.objlen json.resp json.set json.strappend
        json.strlen json.toggle json.type
        ts.add ts.alter ts.create ts.decrby ts.del ts.get ts.incrby ts.info ts.range ts.revrange
        bf.add bf.card bf.exists bf.info bf.insert bf.madd bf.mexists bf.reserve
        cf.add cf.addnx cf.count cf.del cf.exists cf.info cf.insert cf.insertnx cf.mexists cf.reserve
        cms.incrby cms.info cms.initbydim cms.initbyprob cms.query
        topk.add topk.count topk.incrby topk.info topk.list topk.query topk.reserve
        tdigest.add tdigest.byrank tdigest.byrevrank tdigest.cdf tdigest.create tdigest.info tdigest.max tdigest.min
        tdigest.quantile tdigest.rank tdigest.reset tdigest.revrank tdigest.trimmed_mean
        """),
        partial(_at, 1),
    ),
    **dict.fromkeys(
        names("""
        memory|usage object|encoding object|freq object|idletime object|refcount xgroup|create xgroup|createconsumer
        xgroup|delconsumer xgroup|destroy xgroup|setid xinfo|consumers xinfo|groups xinfo|stream
        """),
        partial(_at, 2),
    ),
    **dict.fromkeys(
        names("del exists mget pfcount pfmerge sdiff sdiffstore sinter sinterstore sunion sunionstore touch unlink"),
        partial(_from, 1),
    ),
    **dict.fromkeys(
        names("""
        blmove brpoplpush geosearchstore lcs lmove rename renamenx rpoplpush smove zrangestore ts.createrule ts.deleterule
        """),
        lambda words: [words[1], words[2]],
    ),
    **dict.fromkeys(names("blpop brpop bzpopmax bzpopmin json.mget"), partial(_from, 1, last=-1)),
    **dict.fromkeys(names("mset msetnx"), partial(_from, 1, step=2)),
    **dict.fromkeys(names("json.mset ts.madd"), partial(_from, 1, step=3)),
    **dict.fromkeys(names("lmpop sintercard zdiff zinter zintercard zmpop zunion"), partial(_counted, 1)),
    **dict.fromkeys(names("blmpop bzmpop"), partial(_counted, 2)),
    **dict.fromkeys(names("cms.merge tdigest.merge zdiffstore zinterstore zunionstore"), partial(_counted, 2, destination=True)),
    "msetex": partial(_counted, 1, step=2),
    "bitop": partial(_from, 2),
    "copy": _copied,
    "xread": partial(_streams, {b"COUNT": 1, b"BLOCK": 1}),
    "xreadgroup": partial(_streams, {b"GROUP": 2, b"COUNT": 1, b"BLOCK": 1, b"NOACK": 0}),
    **dict.fromkeys(names("dbsize randomkey scan time"), _none),
    **dict.fromkeys(
        names("""
        ft._list ft.aliasadd ft.aliasdel ft.aliasupdate ft.alter ft.dictadd ft.dictdel ft.dictdump ft.dropindex
        ft.explain ft.info ft.spellcheck ft.syndump ft.synupdate ft.tagvals
        """),
        _none,
    ),
    **dict.fromkeys(names("ft.sugadd ft.sugdel ft.sugget ft.suglen"), partial(_at, 1)),
}
"""The commands whose keys are known: of Redis 6.2 to 8, of Valkey 9, and of the modules of Redis Stack."""

CONTAINERS = frozenset(name.partition("|")[0] for name in FINDERS if "|" in name)
"""Commands with subcommands. Redis describes each subcommand from version 7 on."""
