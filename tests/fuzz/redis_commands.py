"""Fuzz the policy of commands under MCP_KEY_PREFIXES: what passes it is sent, and nothing outside the prefixes may change or be
read, whatever the store's own parser says of the command's keys.
"""

import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from redis import Redis

from servers.common.protocol.tools import ToolError
from servers.common.settings import Environment
from servers.redis.policy.command_policy import plan
from servers.redis.policy.key_scope import ScopedRedis
from servers.redis.settings import RedisSettings
from tests.fuzz.target import Broken
from tools.backends.redis import RedisServer
from tools.backends.redis_cluster import Cluster
from tools.backends.redis_wheels import SERVERS, other_redis

CLUSTER = "cluster"

STORES = ("redis-7", *SERVERS, CLUSTER)

TYPES = ("string", "hash", "list", "set", "zset", "stream", "geo", "hll", "vectors", "json", "bloom", "cms", "tdigest")
INSIDE, OUTSIDE = "app:{t}", "secret:{t}"
"""Prefixes; all keys are in one slot of a cluster."""

CANARY = b"canary-7b1e"
"""In every value outside."""

EVERY = 50
"""Commands after which the store is filled anew."""

TEMPLATES = """
    APPEND string x | BITCOUNT string | BITFIELD string SET u8 0 1 | BITOP OR string string hll | BITPOS string 1
    BLMOVE list list LEFT RIGHT 1 | BLMPOP 1 1 list LEFT | BLPOP list 1 | BRPOPLPUSH list list 1 | BZPOPMIN zset 1
    COPY string new | COPY hash new REPLACE | DECR number | DEL string | EXISTS string | EXPIRE string 100 | GEOADD geo 1 1 m
    GEODIST geo a b | GEOPOS geo a | GEORADIUS geo 13 38 99 km STORE new | GEORADIUSBYMEMBER geo a 99 km STOREDIST new
    GEOSEARCH geo FROMMEMBER a BYRADIUS 9 km | GEOSEARCHSTORE new geo FROMMEMBER a BYRADIUS 9 km STOREDIST
    GET string | GETDEL string | GETEX string EX 9 | GETRANGE string 0 9 | GETSET string x | HDEL hash f | HGETALL hash
    HINCRBY hash n 1 | HMGET hash f g | HRANDFIELD hash 2 | HSCAN hash 0 MATCH f COUNT 9 | HSET hash f v | INCRBYFLOAT number 1.5
    LCS string hll LEN | LINSERT list BEFORE a b | LMOVE list new LEFT RIGHT | LMPOP 2 list new LEFT COUNT 2 | LPOP list 1
    LPOS list a RANK 1 | LPUSH list a | LRANGE list 0 9 | LREM list 0 a | LSET list 0 a | LTRIM list 0 1 | MEMORY USAGE string
    MGET string number | MIGRATE 127.0.0.1 1 string 0 1 | MOVE string 1 | MSET string a new b | MSETNX new a |
    OBJECT ENCODING string |
    PERSIST string | PFADD hll a | PFCOUNT hll | PFMERGE new hll | RENAME string new | RENAMENX string new
    RPOPLPUSH list new | SADD set a | SCAN 0 | SDIFF set new | SDIFFSTORE new set | SET string v GET | SETEX string 9 v
    SETRANGE string 2 x | SINTER set set | SINTERCARD 1 set LIMIT 2 | SMOVE set new a | SORT list BY nosort GET string STORE new
    SORT_RO set ALPHA | SPOP set 1 | SRANDMEMBER set 2 | SUBSTR string 0 2 | SUNION set set | SUNIONSTORE new set | TOUCH string
    TTL string | TYPE string | UNLINK string | XACK stream g 1-1 | XADD stream MAXLEN ~ 9 * f v | XAUTOCLAIM stream g c 0 0
    XCLAIM stream g c 0 1-1 | XDEL stream 1-1 | XGROUP CREATE stream g2 0 MKSTREAM | XGROUP DESTROY stream g | XINFO STREAM stream
    XLEN stream | XPENDING stream g - + 9 | XRANGE stream - + | XREAD COUNT 1 STREAMS stream 0 | XREVRANGE stream + -
    XREADGROUP GROUP g c COUNT 1 NOACK STREAMS stream > | XSETID stream 9-9 | XTRIM stream MAXLEN 1 | ZADD zset GT 1 a
    ZCOUNT zset 0 9 | ZDIFF 1 zset | ZDIFFSTORE new 1 zset | ZINCRBY zset 1 a | ZINTER 1 zset WEIGHTS 2 AGGREGATE MAX
    ZINTERSTORE new 1 zset WEIGHTS 2 | ZMPOP 1 zset MIN | ZMSCORE zset a b | ZPOPMAX zset 1 | ZRANGE zset 0 9 REV LIMIT 0 1
    ZRANGESTORE new zset 0 9 | ZRANK zset a | ZREM zset a | ZREMRANGEBYRANK zset 0 1 | ZSCAN zset 0 | ZUNION 1 zset
    HEXPIRE hash 100 FIELDS 1 f | HGETDEL hash FIELDS 1 f | HGETEX hash EX 9 FIELDS 1 f | HPERSIST hash FIELDS 1 f
    HSETEX hash EX 9 FIELDS 1 f v | HTTL hash FIELDS 1 f | VADD vectors VALUES 2 1 2 a SETATTR {} | VCARD vectors
    VEMB vectors a | VGETATTR vectors a | VINFO vectors | VLINKS vectors a | VRANDMEMBER vectors 2 | VREM vectors a
    VSETATTR vectors a {} | VSIM vectors ELE a WITHSCORES COUNT 2 | VSIM vectors VALUES 2 1 2 FILTER .a
    BF.ADD bloom a | BF.INSERT bloom CAPACITY 9 ITEMS a | CF.ADD new a | CMS.MERGE cms 1 cms WEIGHTS 1 | CMS.INCRBY cms a 1
    JSON.GET json $.a | JSON.MGET json json $.a | JSON.MERGE json $.a 2 | JSON.MSET json $ 1 new $ 2 | JSON.SET json $.a 1
    JSON.NUMINCRBY json $.a 1 | TDIGEST.ADD tdigest 1 | TDIGEST.MERGE tdigest 1 tdigest COMPRESSION 99 OVERRIDE
    TOPK.RESERVE new 9 | BF.LOADCHUNK bloom 1 x | BF.SCANDUMP bloom 0 | JSON.DEBUG MEMORY json | JSON.DEL json $.a
    ZUNIONSTORE new 2 zset set WEIGHTS 1 2 AGGREGATE MIN | DUMP string | RESTORE new 0 x | RANDOMKEY | DBSIZE | TIME | KEYS *
"""
"""Commands on keys inside, which are changed at random. Names of types, `new` and `number` stand for keys."""

OPTIONS = (
    "STORE", "STOREDIST", "GET", "BY", "LIMIT", "COUNT", "MATCH", "STREAMS", "GROUP", "KEYS", "DB", "REPLACE", "WEIGHTS",
    "AGGREGATE", "WITHSCORES", "ANY", "0", "1", "2", "3", "-1", "99", "1e3", "*", "$", ">", "-", "+", "x", "a", "NOACK", "BLOCK",
    "AUTH", "COPY", "FROMLONLAT", "BYRADIUS", "km", "ELE", "VALUES", "FIELDS", "$.a", "OVERRIDE", "ITEMS",
)  # fmt: skip


def made(seed: int, count: int) -> Iterator[list[str]]:
    """Make commands from a seed, always the same."""
    chance = random.Random(seed)
    templates = [part.split() for line in TEMPLATES.splitlines() for part in line.split("|") if part.strip()]
    keys = (*TYPES, "new", "number")
    inside = [f"{INSIDE}{key}" for key in keys]
    outside = [f"{OUTSIDE}{key}" for key in keys]
    for _ in range(count):
        words = [f"{INSIDE}{word}" if word in keys else word for word in chance.choice(templates)]
        for _ in range(chance.choice((0, 1, 1, 2, 3, 5))):
            at = chance.randrange(1, len(words) + 1)
            word = chance.choice((chance.choice(outside), chance.choice(outside), chance.choice(inside), chance.choice(OPTIONS)))
            match chance.randrange(5):
                case 0:
                    words.insert(at, word)
                case 1:
                    words[at : at + 1] = [word]
                case 2:
                    words[at:at] = [chance.choice(OPTIONS), word]
                case 3:
                    words[at:at] = words[at - 2 : at] if at > 2 else words[1:2]
                case 4:
                    del words[at : at + 1]
        yield words


def fill(redis: Redis) -> None:
    """Fill the database with keys of each type, inside and outside."""
    redis.flushall()
    for prefix, value in ((INSIDE, b"inside"), (OUTSIDE, CANARY)):
        redis.set(f"{prefix}string", value)
        redis.hset(f"{prefix}hash", mapping={"f": value, "n": 1})
        redis.rpush(f"{prefix}list", "a", value)
        redis.sadd(f"{prefix}set", "a", value)
        redis.execute_command("ZADD", f"{prefix}zset", 1, "a", 2, value)
        redis.xadd(f"{prefix}stream", {"f": value}, id="1-1")
        redis.xgroup_create(f"{prefix}stream", "g", id="0")
        redis.geoadd(f"{prefix}geo", (13.36, 38.11, "a", 13.5, 38.2, value))
        redis.pfadd(f"{prefix}hll", value)
        redis.set(f"{prefix}number", 1)
        # Where the store has them; a name outside without such a value is a key less that may be hit.
        pipeline = redis.pipeline(transaction=False)
        pipeline.execute_command("VADD", f"{prefix}vectors", "VALUES", 2, 1, 2, value)
        pipeline.execute_command("JSON.SET", f"{prefix}json", "$", json.dumps({"a": value.decode()}))
        pipeline.execute_command("BF.ADD", f"{prefix}bloom", value)
        pipeline.execute_command("CMS.INITBYDIM", f"{prefix}cms", 9, 2)
        pipeline.execute_command("TDIGEST.CREATE", f"{prefix}tdigest")
        pipeline.execute(raise_on_error=False)


def outside(redis: Redis) -> list[object]:
    """Everything that no command may change: what keys outside hold, and how many keys there are beside those inside."""
    names = sorted(name for name in redis.scan_iter(count=1000) if not name.startswith(INSIDE.encode()))
    databases = [name for name in redis.info("keyspace") if name != "db0"]
    return [names, databases, *(redis.dump(name) for name in names)]


async def fuzz(redis: Redis, port: int, seed: int, count: int, *, cluster: bool = False) -> Counter[str]:
    """Empty a store on loopback (in a cluster, the node that has the keys), and send it a seed's commands that pass the policy.

    Return how many were made, have passed and were done. A key outside that was changed, or whose content was answered, is
    Broken.
    """
    env = {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(port), "MCP_KEY_PREFIXES": "app:"}
    backend = ScopedRedis(RedisSettings.read(Environment(env | ({"REDIS_MODE": "cluster"} if cluster else {}))))
    tried: Counter[str] = Counter()
    try:
        before: list[object] = []
        for words in made(seed, count):
            if tried["made"] % EVERY == 0:
                fill(redis)
                before = outside(redis)
            tried["made"] += 1
            sent = [word.encode() for word in words]
            try:
                (planned,), _ = await plan(backend, [sent], writing=True)
            except ToolError:
                continue
            tried["passed"] += 1
            answers = await _send(backend, sent, planned.keys)
            tried["done"] += not any(isinstance(answer, Exception) for answer in answers)
            check(redis, words, answers, before)
    finally:
        await backend.close()
    return tried


async def _send(backend: ScopedRedis, words: list[bytes], keys: Sequence[bytes]) -> list[object]:
    try:
        return await backend.multi([tuple(words)], keys[0] if keys else b"app:{t}")
    except ToolError as error:
        return [error]


def check(redis: Redis, words: list[str], answers: list[object], before: list[object]) -> None:
    """Raise Broken unless what is outside is as it was, and no answer holds some of it."""
    if CANARY in repr(answers).encode():
        raise Broken(f"{words} answered what a key outside the prefixes holds")
    if outside(redis) != before:
        raise Broken(f"{words} changed a key outside the prefixes")


@contextmanager
def running(store: str) -> Iterator[tuple[Redis, int]]:
    """Run one of STORES. Yield a client of the node that has the keys, and a port of the store."""
    with ExitStack() as stack:
        if store == CLUSTER:
            cluster = Cluster(stack)
            owner = cluster.servers[cluster.owner(INSIDE)]
            yield stack.enter_context(Redis("127.0.0.1", owner.port)), cluster.servers[0].port
            return
        server = stack.enter_context(
            other_redis(store, ["bloom", "json"] if store == "redis-8" else []) if store in SERVERS else RedisServer()
        )
        yield stack.enter_context(Redis("127.0.0.1", server.port)), server.port
