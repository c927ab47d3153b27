"""Which commands may be sent, and as whom: the whole command table, and ACL users."""

from collections.abc import Sequence
from typing import Any

import pytest
from mcp import Client
from redis import Redis
from redis.exceptions import ResponseError

from servers.common.protocol.tools import ToolError
from servers.common.settings import Environment
from servers.redis.policy.command_cost import Planned
from servers.redis.policy.command_policy import CommandSpec, describe, plan
from servers.redis.policy.key_scope import ScopedRedis
from servers.redis.settings import RedisSettings
from servers.redis.tests.conftest import Start, connected, error, ok
from tools.backends.redis import RedisServer

READING = """
    bitcount bitfield_ro bitpos dbsize dump exists expiretime geodist geohash geopos georadius_ro georadiusbymember_ro
    geosearch get getbit getrange hexists hget hgetall hkeys hlen hmget hrandfield hscan hstrlen hvals lcs lindex llen
    lpos lrange memory|usage mget object|encoding object|freq object|idletime object|refcount pexpiretime pfcount pttl
    randomkey scan scard sdiff sinter sintercard sismember smembers smismember srandmember sscan strlen substr sunion time
    touch ttl type xinfo|consumers xinfo|groups xinfo|stream xlen xpending xrange xrevrange zcard zcount zdiff zinter zintercard
    zlexcount zmscore zrandmember zrange zrangebylex zrangebyscore zrank zrevrange zrevrangebylex zrevrangebyscore zrevrank
    zscan zscore zunion
"""
"""All that redis_command may send to Redis 7.0. Whoever changes this list has looked at each command's documentation."""

WRITING = """
    append bitfield bitop blmove blmpop blpop brpop brpoplpush bzmpop bzpopmax bzpopmin copy decr decrby del expire expireat
    geoadd geosearchstore getdel getex getset hdel hincrby hincrbyfloat hmset hset hsetnx incr
    incrby incrbyfloat linsert lmove lmpop lpop lpush lpushx lrem lset ltrim mset msetnx persist pexpire pexpireat pfadd
    pfmerge psetex rename renamenx rpop rpoplpush rpush rpushx sadd sdiffstore set setbit setex setnx setrange sinterstore
    smove spop srem sunionstore unlink xack xadd xautoclaim xclaim xdel xgroup|create xgroup|createconsumer
    xgroup|delconsumer xgroup|destroy xgroup|setid xread xreadgroup xsetid xtrim zadd zdiffstore zincrby zinterstore zmpop
    zpopmax zpopmin zrangestore zrem zremrangebylex zremrangebyrank zremrangebyscore zunionstore
"""
"""What redis_transaction may send beside these."""


async def planned(server: RedisServer, *lines: str, writing: bool = False, prefixes: str = "*") -> list[Planned]:
    """Plan commands, a line each."""
    async with connected(server.port, MCP_KEY_PREFIXES=prefixes) as store:
        commands, _ = await plan(store, [[word.encode() for word in line.split()] for line in lines], writing=writing)
        return commands


async def test_every_command_is_allowed_or_refused_as_the_policy_says(redis_server: RedisServer) -> None:
    allowed: dict[bool, set[str]] = {False: set(), True: set()}
    async with connected(redis_server.port) as store:
        table = await store.read("COMMAND")
        names = [entry[0] for entry in table] + [sub[0] for entry in table for sub in entry[9]]
        assert len(names) > 350
        commands = await describe(store, [name.split(b"|") for name in names])
    for name, command in zip(names, commands, strict=True):
        for writing, found in allowed.items():
            try:
                command.refuse(writing=writing)
                found.add(name.decode())
            except ToolError as refusal:
                assert "is refused: " in str(refusal)
    assert allowed == {False: set(READING.split()), True: set((READING + WRITING).split())}


def test_what_may_be_sent_is_neither_dangerous_nor_administrative_by_redis_own_word(redis: Redis) -> None:
    for category in ("dangerous", "admin", "scripting", "connection", "pubsub"):
        members = {str(name, "ascii") for name in redis.execute_command("ACL", "CAT", category)}
        assert not members & set((READING + WRITING).split()), category
    writes = {str(name, "ascii") for name in redis.execute_command("ACL", "CAT", "write")}
    assert not writes & set(READING.split())
    assert set(WRITING.split()) - writes <= {"xread"}, "which only reads, and blocks where it may"


LONG = "x" * 101


@pytest.mark.parametrize("prefixes", ["*", "app:"])
async def test_a_command_that_may_be_sent_has_its_name_and_keys(redis_server: RedisServer, prefixes: str) -> None:
    lines = {
        "GET app:a": ("get", [b"app:a"], True),
        f"get app:{LONG}": ("get", [f"app:{LONG}".encode()], True),
        "SET app:a v": ("set", [b"app:a"], False),
        "OBJECT encoding app:a": ("object|encoding", [b"app:a"], True),
        "MGET app:a app:b app:a": ("mget", [b"app:a", b"app:b", b"app:a"], True),
        "DUMP app:a": ("dump", [b"app:a"], True),
        "TIME": ("time", [], True),
    }
    found = await planned(redis_server, *lines, writing=True, prefixes=prefixes)
    assert [(one.name, list(one.keys), one.reads) for one in found] == list(lines.values())
    assert [b" ".join(one.words).decode() for one in found] == list(lines)


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["GET"], "^GET: wrong number of arguments; redis_command_docs"),
        (["TIME x"], "^TIME: wrong number of arguments"),
        (["MGET"], "^MGET: wrong number of arguments"),
        (["OBJECT nope"], "^OBJECT NOPE is refused: it reads no data$"),
        (["GET a", "GET"], "^command 2: GET: wrong number of arguments; redis_command_docs describes them; nothing was done$"),
        (["GET a", "SET a b"], "^command 2: SET is refused: it changes data; redis_transaction sends it.*; nothing was done$"),
        (["SET a b"], "^SET is refused: it changes data; redis_transaction sends it, where writes are allowed$"),
        (["NOPE a"], "^this Redis has no command 'NOPE'$"),
        (["N" * 60], f"^this Redis has no command '{'N' * 50}'$"),
        (["N" * 100], "^this Redis has no command"),
        ([LONG], "^the name of a command is not this long$"),
        (["KEYS *"], "^KEYS is refused: Redis counts it as dangerous; redis_scan finds keys$"),
        (["CONFIG GET x"], "^CONFIG GET is refused: .*redis_diagnose with topic config shows settings"),
        (["SLOWLOG GET"], "^SLOWLOG GET is refused: .*; redis_diagnose shows the slow log"),
        (["OBJECT " + LONG], "is refused"),
        (["BLPOP a 1"], "^BLPOP is refused: it blocks its connection$"),
        (["EVAL x 0"], "^EVAL is refused: scripts are never run here$"),
        (["SELECT 1"], "^SELECT is refused: this server stays in one database"),
        (["PUBLISH a b"], "redis_publish publishes"),
        (["ROLE"], "redis_info gives the state of Redis$"),
        (["SUBSCRIBE a"], "redis_pubsub"),
        (["MULTI"], "transaction"),
        (["AUTH x"], "connection"),
        (["PING"], "reads no data"),
        (["RESTORE a 0 b"], "COPY copies a key$"),
        (["BITFIELD a GET u8 0"], "BITFIELD_RO reads bits$"),
        (["ZUNION 3 a"], "^ZUNION: too few arguments$"),
    ],
)  # fmt: skip
async def test_a_command_that_may_not_be_sent(redis_server: RedisServer, lines: list[str], reason: str) -> None:
    with pytest.raises(ToolError, match=reason):
        await planned(redis_server, *lines)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("GET b", "'b' is outside of what this server may touch: keys that begin with 'app:'"),
        ("MGET app:a app", "'app' is outside"),
        ("SCAN 0", "^SCAN: it may reach any key, and this server may touch only keys that begin with 'app:'$"),
        ("DBSIZE", "^DBSIZE: it may reach any key"),
        ("XREAD COUNT STREAMS BLOCK 1 STREAMS app:x 0", "find different keys"),
    ],
)
async def test_a_command_that_may_touch_what_is_outside(redis_server: RedisServer, line: str, reason: str) -> None:
    with pytest.raises(ToolError, match=reason):
        await planned(redis_server, line, writing=True, prefixes="app:")


@pytest.mark.parametrize(
    ("name", "flags", "reading", "writing"),
    [
        ("get", "readonly", "", ""),
        ("object|encoding", "readonly", "", ""),
        ("object|surprise", "readonly", "it reads no data", "it reads no data"),
        ("xinfo", "readonly", "it reads no data", "it reads no data"),
        ("new", "readonly", "", ""),
        ("new", "readonly module", "it belongs to a module", "it belongs to a module"),
        ("new.get", "readonly", "it belongs to a module", "it belongs to a module"),
        ("json.get", "readonly module", "", ""),
        ("set", "write", "it changes data; redis_transaction sends it", ""),
        ("getex", "readonly write", "it changes data", ""),
        ("blpop", "write blocking", "it blocks its connection", ""),
        ("blpop", "write blocking admin", "it blocks its connection", "it is for administrators"),
        ("new", "", "^NEW is refused: it reads no data$", "it reads no data"),
        ("time", "", "", ""),
    ],
)
def test_a_command_is_judged_by_its_name_and_flags(name: str, flags: str, reading: str, writing: str) -> None:
    command = CommandSpec(name, -1, frozenset(flags.split()), True)
    for reason, within in ((reading, False), (writing, True)):
        if reason:
            with pytest.raises(ToolError, match=reason):
                command.refuse(writing=within)
        else:
            command.refuse(writing=within)


class DescribedRedis(ScopedRedis):
    """A Redis whose descriptions of commands are given, in the format of COMMAND INFO, and the keys that it finds."""

    def __init__(self, infos: list[Any], keys: Any = (), prefixes: str = "") -> None:
        env = {"REDIS_HOST": "127.0.0.1", "MCP_KEY_PREFIXES": prefixes}
        super().__init__(RedisSettings.read(Environment(env)))
        self.infos, self.keys = infos, keys

    async def read(self, *command: Any, **at: Any) -> Any:
        assert command[:2] == ("COMMAND", "INFO")
        return self.infos

    async def read_many(self, commands: Sequence[Any]) -> list[Any]:
        return [self.keys if command[0] == "COMMAND" else 0 for command in commands]


async def test_the_keys_that_redis_finds(redis_server: RedisServer) -> None:
    assert [one.keys for one in await planned(redis_server, "GET a", "DUMP b", "DBSIZE")] == [(b"a",), (b"b",), ()]
    new = [b"new", 2, [b"readonly"], 1, 1, 1, [b"@read"]]
    ((command,), _) = await plan(DescribedRedis([new, None], [b"k"]), [[b"NEW", b"k"]], writing=False)
    assert command.keys == (b"k",)
    keyless: tuple[Any, ...] = (ResponseError("The command has no key arguments"), [])
    for answer in keyless:
        with pytest.raises(ToolError, match=r"^NEW: this server does not know what it reads$"):
            await plan(DescribedRedis([new, None], answer), [[b"NEW", b"k"]], writing=False)
    with pytest.raises(ToolError, match=r"^NEW: .*Invalid arguments"):
        await plan(DescribedRedis([new, None], ResponseError("Invalid arguments")), [[b"NEW", b"k"]], writing=False)
    with pytest.raises(ToolError, match=r"^NEW: this server does not know which keys it touches$"):
        await plan(DescribedRedis([new, None], [b"app:k"], "app:"), [[b"NEW", b"app:k"]], writing=False)
    mget = [b"mget", -2, [b"readonly"], 1, -1, 1, [b"@read"]]
    words = [b"MGET", b"app:a", b"app:b"]
    ((command,), _) = await plan(DescribedRedis([mget, None], words[:0:-1], "app:"), [words], writing=False)
    assert command.keys == (b"app:a", b"app:b"), "our own, in their order"
    with pytest.raises(ToolError, match="find different keys"):
        await plan(DescribedRedis([mget, None], words[2:], "app:"), [words], writing=False)


async def test_an_acl_user_of_few_rights_is_served_what_it_may(start: Start, redis: Redis) -> None:
    rights = "on >reader-password ~app:* +@read +@connection +info +command|info -randomkey -memory"
    redis.execute_command("ACL", "SETUSER", "reader", *rights.split())
    redis.mset({"app:1": "1", "other": "2"})
    sidecar = start(REDIS_USERNAME="reader", REDIS_PASSWORD="reader-password", MCP_ALLOW_WRITES="true")
    async with Client(sidecar.url + "/mcp") as client:
        assert (await ok(client, "redis_info"))["role"] == "master"
        assert (await ok(client, "redis_read", key="app:1"))["value"] == "1"
        for tool, arguments in (
            ("redis_read", {"key": "other"}),
            ("redis_write", {"key": "app:2", "value": "x"}),
            ("redis_diagnose", {"topic": "slowlog"}),
            ("redis_command", {"command": ["RANDOMKEY"]}),
            ("redis_command", {"command": ["LRANGE", "app:list", "0", "-1"]}),  # whose size is not known
        ):
            said = await error(client, tool, **arguments)
            assert "not allow" in said or "no permissions" in said.lower(), (tool, said)
        redis.hset("app:h", "f", "v")
        redis.hset("other:h", "f", "v")
        tallied = await ok(client, "redis_tally", pattern="*", field="f")
        assert tallied["hashes"] == 1 and "NOPERM" in tallied["warnings"][0]
        keys = {key["key"]: key for key in (await ok(client, "redis_read_many", keys=["app:1", "other"]))["keys"]}
        assert keys["app:1"]["value"] == "1" and "2" not in str(keys["other"].get("value", ""))
    assert redis.get("app:2") is None


@pytest.mark.parametrize(
    ("rights", "reads"),
    [
        ("+@all -@dangerous", True),
        ("+@read", True),
        ("+@all -client -ping -info -command", True),
        ("+get +ping", False),
        ("-@all", False),
    ],
)
async def test_a_user_of_few_rights_is_ready(start: Start, redis: Redis, rights: str, reads: bool) -> None:
    redis.execute_command("ACL", "SETUSER", "plain", "reset", "on", ">plain-password", "~*", "&*", *rights.split())
    redis.set("k", "v")
    sidecar = start(REDIS_USERNAME="plain", REDIS_PASSWORD="plain-password")
    status, body = sidecar.get("/ready")
    assert status == 200 and "version unknown: INFO is" in body
    async with Client(sidecar.url + "/mcp") as client:
        if reads:
            assert (await ok(client, "redis_read", key="k"))["value"] == "v"
            assert (await ok(client, "redis_scan"))["keys"] == [{"key": "k", "type": "string"}]
            assert (await ok(client, "redis_read_many", keys=["k"]))["keys"][0]["value"] == "v"
        else:
            assert "NOPERM" in await error(client, "redis_read", key="k")
        assert "NOPERM" in await error(client, "redis_info")


async def test_commands_that_the_configuration_disables_or_renames(start: Start) -> None:
    names = {"CONFIG": "hidden-name", "UNLINK": '""', "MEMORY": '""', "INFO": '""'}
    config = {f"rename-command {name}": other for name, other in names.items()} | {"slowlog-log-slower-than": 0}
    with RedisServer(config=config) as server, Redis("127.0.0.1", server.port) as redis:
        redis.execute_command("hidden-name", "GET", "x")
        redis.rpush("list", "v")
        sidecar = start(REDIS_PORT=str(server.port), MCP_ALLOW_WRITES="true")
        assert "version unknown: INFO is" in sidecar.get("/ready")[1]
        async with Client(sidecar.url + "/mcp") as client:
            for tool, arguments, name in (
                ("redis_delete", {"keys": ["list"]}, "UNLINK"),
                ("redis_command", {"command": ["LRANGE", "list", "0", "-1"]}, "MEMORY"),
                ("redis_diagnose", {"topic": "config"}, "CONFIG"),
            ):
                refusal = await error(client, tool, **arguments)
                assert f"this Redis has no command {name}, so nothing was done" in refusal
            slow = await ok(client, "redis_diagnose", topic="slowlog", limit=500)
        assert "CONFIG" in slow["summary"]["commands"] and "hidden-name" not in str(slow).lower()
        assert ("RPUSH", "list") in {(row["command"], row["key"]) for row in slow["rows"]}


async def test_a_database_that_is_not_for_a_user_or_not_there_is_named_as_the_cause(start: Start, redis: Redis) -> None:
    redis.execute_command("ACL", "SETUSER", "plain", "reset", "on", ">plain-password", "~*", "+@read")
    sidecar = start(ready=False, REDIS_USERNAME="plain", REDIS_PASSWORD="plain-password", REDIS_DB="1")
    sidecar.wait_until(lambda: "'select'" in sidecar.get("/ready")[1])
    assert sidecar.get("/ready")[0] == 503
    absent = start(ready=False, REDIS_DB="99")
    absent.wait_until(lambda: "DB index is out of range" in absent.get("/ready")[1])
