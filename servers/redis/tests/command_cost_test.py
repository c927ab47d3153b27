"""What commands may cost, by the sizes that Redis tells of their keys.

That Redis tells these sizes, and what is refused then, is tested over a real one in tools_test, transaction_test and
search_test. Here the sizes are given, up to each limit and one beyond it, without so much data.
"""

import math
from collections.abc import Sequence
from typing import Any

import pytest

from servers.common.protocol.tools import ToolError
from servers.common.settings import Environment
from servers.redis.client.memory_guard import COPIES
from servers.redis.policy import command_cost as cost
from servers.redis.policy.command_keys import keys_in
from servers.redis.policy.key_scope import ScopedRedis
from servers.redis.settings import RedisSettings

READS = """
    bitcount cms.query digest geosearch get getrange hget hgetall hmget hrandfield hscan json.get json.mget json.resp json.type
    lcs lindex lrange memory|usage mget scan srandmember sscan strlen substr sunion ts.range vsim xinfo|stream xpending
    xrange xread xrevrange zrange zrevrange zscan zunion
"""


class SizedRedis(ScopedRedis):
    """A Redis that is asked nothing but sizes, which are given: by the words of the question."""

    def __init__(self, sizes: dict[str, Any]) -> None:
        super().__init__(RedisSettings.read(Environment({"REDIS_HOST": "127.0.0.1"})))
        self.sizes = sizes

    async def read_many(self, commands: Sequence[Any]) -> list[Any]:
        asked = [" ".join(w.decode() if isinstance(w, bytes) else str(w) for w in command) for command in commands]
        return [self.sizes.get(text.replace(f" SAMPLES {cost.SAMPLES}", "")) for text in asked]


def planned(line: str) -> cost.Planned:
    """Return a command: its name comes first, with its subcommand after a |."""
    name, *_ = line.split()
    words = [word.encode() for word in line.replace("|", " ").split()]
    return cost.Planned(name, tuple(words), tuple(keys_in(name, words) or ()), name in READS.split())


async def weighed(lines: str, **sizes: Any) -> cost.Weight:
    """Return what commands weigh, a line each. Sizes are those of keys; m_KEY is its memory, n_KEY its number of elements."""
    told: dict[str, Any] = {}
    for name, size in sizes.items():
        kind, _, key = name.rpartition("_")
        if kind == "m":
            told[f"MEMORY USAGE {key}"] = size
        elif kind == "n":
            told |= {f"{probe} {key}": size for probe in ["LLEN", "HLEN", "SCARD", "ZCARD", "XLEN", "VCARD"]}
        else:
            told[f"STRLEN {key}"] = size
    return await cost.check_cost(SizedRedis(told), [planned(line) for line in lines.splitlines()])


def weight(size: int, elements: int = 0, copies: int = COPIES) -> int:
    return copies * size + 2 * cost.OBJECT_BYTES * elements


@pytest.mark.parametrize(
    ("lines", "sizes", "expected"),
    [
        ("get k", {"k": 1000}, weight(1000)),
        ("get k", {}, 0),
        ("mget a b", {"a": 100, "b": 200}, weight(300, 2)),
        ("set k v get", {"k": 100}, weight(100)),
        ("set get v", {"get": 100}, 0),
        ("strlen k", {"k": 100}, 0),
        ("getrange k 0 9", {"k": 1000}, weight(10)),
        ("substr k -10 -1", {"k": 1000}, weight(10)),
        ("getrange k -5 1", {"k": 1000}, weight(1000)),
        ("getrange k 9 0", {"k": 1000}, weight(1)),
        ("getrange k 0 x", {"k": 1000}, weight(1000)),
        ("hgetall h", {"m_h": 1000, "n_h": 10}, weight(1000, 10)),
        ("lrange l 0 -1", {"m_l": 1000, "n_l": 10}, weight(1000, 10)),
        ("lrange l 0 4", {"m_l": 1000, "n_l": 100}, weight(100, 5)),
        ("lrange l -5 -1", {"m_l": 1000, "n_l": 100}, weight(100, 5)),
        ("lrange l 0 0", {"m_l": 1000, "n_l": 100}, weight(20, 1)),
        ("lrange l 5 0", {"m_l": 1000, "n_l": 100}, 0),
        ("lrange l x 0", {"m_l": 1000, "n_l": 100}, weight(1000, 100)),
        ("zrange z 0 4 withscores", {"m_z": 1000, "n_z": 100}, weight(100, 5)),
        ("zrange z 0 4 REV", {"m_z": 1000, "n_z": 100}, weight(1000, 100)),
        ("zrange z 0 4 WITHSCORES WITHSCORES", {"m_z": 1000, "n_z": 100}, weight(1000, 100)),
        ("lindex l 3", {"m_l": 1000, "n_l": 100}, weight(20, 1)),
        ("lindex l 3", {"m_l": 1000}, weight(1000, 1)),
        ("srandmember s", {"m_s": 1000, "n_s": 100}, weight(20, 1)),
        ("lpop l 5", {"m_l": 1000, "n_l": 100}, weight(100, 5)),
        ("sscan s 0", {"m_s": 1000, "n_s": 100}, weight(200, 10)),
        ("sscan s 0 count 5 COUNT 20", {"m_s": 1000, "n_s": 100}, weight(600, 30)),
        ("hscan h 0 MATCH COUNT", {"m_h": 1000, "n_h": 100}, weight(200, 10)),
        ("vsim v ELE e COUNT 5 FILTER-EF 7", {"m_v": 1000, "n_v": 100}, weight(140, 7)),
        ("lcs a b", {"a": 1000, "b": 1000, "m_a": 1000, "m_b": 1000}, 0),
        ("lmpop 1 l LEFT COUNT 5", {"m_l": 1000, "n_l": 100}, weight(100, 5)),
        ("lmpop 1 l LEFT", {"m_l": 1000, "n_l": 100}, weight(20, 1)),
        ("xrange x - +", {"m_x": 1000, "n_x": 10}, weight(1000, 10, cost.COPIES_OF_STREAM)),
        ("xrange x - + COUNT 1", {"m_x": 1000, "n_x": 10}, weight(200, 1, cost.COPIES_OF_STREAM)),
        ("xrange x COUNT 5 COUNT 1", {"m_x": 1000, "n_x": 10}, weight(200, 1, cost.COPIES_OF_STREAM)),
        ("xrange x 1-1 1-1", {"m_x": 1000, "n_x": 10}, weight(200, 1, cost.COPIES_OF_STREAM)),
        ("xrange x 1 1", {"m_x": 1000, "n_x": 10}, weight(1000, 10, cost.COPIES_OF_STREAM)),
        ("xrevrange x 1-1 1-1", {"m_x": 1000, "n_x": 10}, weight(200, 1, cost.COPIES_OF_STREAM)),
        ("xreadgroup GROUP g c STREAMS x >", {"m_x": 1000, "n_x": 10}, weight(1000, 10, cost.COPIES_OF_STREAM)),
        ("xrange x - -", {"m_x": 1000, "n_x": 10}, weight(1000, 10, cost.COPIES_OF_STREAM)),
        ("xread COUNT 1 STREAMS x 0", {"m_x": 1000, "n_x": 10}, weight(200, 1, cost.COPIES_OF_STREAM)),
        ("xread COUNT 0 STREAMS x 0", {"m_x": 1000, "n_x": 10}, weight(1000, 10, cost.COPIES_OF_STREAM)),
        ("xread STREAMS count 1", {"m_count": 1000, "n_count": 10}, weight(1000, 10, cost.COPIES_OF_STREAM)),
        ("xinfo|stream x", {"m_x": 1000, "n_x": 10}, weight(400, 2, cost.COPIES_OF_STREAM)),
        ("xinfo|stream x FULL", {"m_x": 1000, "n_x": 10}, weight(1000, 10, cost.COPIES_OF_STREAM)),
        ("xclaim x g c 0 1-1", {"m_x": 1000, "n_x": 100}, weight(120, 6, cost.COPIES_OF_STREAM)),
        ("xautoclaim x g c 0 COUNT COUNT 5", {"m_x": 1000, "n_x": 100}, weight(100, 5, cost.COPIES_OF_STREAM)),
        ("xautoclaim x g c 0 0", {"m_x": 1000, "n_x": 1000}, weight(200, 100, cost.COPIES_OF_STREAM)),
        ("ts.range t - + COUNT 5", {"m_t": 1000}, weight(1000, 1)),
        # What is written before is read after.
        ("append k xxx\nget k", {"k": 100}, weight(100 + 10)),
        ("mset k v k v\nget k", {"k": 100}, weight(100 + 8)),
        ("copy a b\nget b", {"m_a": 500}, weight(500 + 6)),
        ("copy a b\nget a", {"m_a": 500, "a": 400}, weight(400 + 6)),
        ("copy a b\nhgetall b", {"m_a": 500, "m_b": 100}, weight(100 + 600 + 6, 0)),
        ("rename a b\nget b", {"m_a": 500}, weight(500 + 10 - 2)),
        ("sunionstore a b c\nget a", {"m_a": 1, "m_b": 20, "m_c": 300}, weight(321 + 14)),
        ("setrange k 100 ab\nget k", {"k": 50}, weight(50 + 52 + 14)),
        ("setbit k 800 1\nget k", {"k": 1}, weight(1 + 100 + 11)),
        ("bitfield k SET u8 #9 1\nget k", {}, weight(11 + 17)),
        ("bitfield k SET u8 #9 1 INCRBY u16 800 1\nget k", {}, weight(103 + 30)),
        ("bitfield k SET u7 0 1\nget k", {}, weight(1 + 16)),
        ("bitfield k GET u8 #900\nget k", {}, weight(18)),
    ],
)  # fmt: skip
async def test_what_an_answer_weighs(lines: str, sizes: dict[str, Any], expected: int) -> None:
    assert await weighed(lines, **sizes) == cost.Weight(expected, False)


@pytest.mark.parametrize(
    ("lines", "sizes", "estimated"),
    [
        ("hgetall h", {"m_h": cost.SMALL_KEY, "n_h": cost.SAMPLES}, False),
        ("hgetall h", {"m_h": cost.SMALL_KEY + 1, "n_h": 1}, True),
        ("hgetall h", {"m_h": 1, "n_h": cost.SAMPLES + 1}, True),
        ("hgetall h\nhgetall i", {"m_h": 1, "n_h": cost.SAMPLES + 1}, True),
        ("scan 0", {}, True),
    ],
)
async def test_a_weight_that_may_be_more_is_an_estimate(lines: str, sizes: dict[str, Any], estimated: bool) -> None:
    assert (await weighed(lines, **sizes)).estimated is estimated


@pytest.mark.parametrize(
    ("lines", "sizes", "refusal"),
    [
        ("get k", {"k": cost.MOST_BYTES}, "this would read .* from 'k'"),
        ("get a\nget b", {"a": cost.MOST_BYTES // 2 - 1, "b": cost.MOST_BYTES // 2 + 1}, "this would read .* from 'b'"),
        ("get b\nget a\nget b", {"a": 2, "b": cost.MOST_BYTES // 2 - 1}, "this would read .* from 'b'"),
        ("copy k b", {"m_k": 4 * cost.MOST_BYTES}, "this would go over .* from 'k'"),
        ("sinterstore c a b", {"m_a": 1, "m_b": cost.MOST_BYTES - 2, "m_c": 1}, "this would go over .* from 'b'"),
        ("lcs k b", {"k": cost.MOST_COMPARED, "b": 1}, "LCS of strings this long"),
        ("lcs k b\nlcs k b", {"k": cost.MOST_COMPARED // 2, "b": 1}, "LCS of strings this long"),
        ("digest k", {"m_k": cost.MOST_STORED}, "this would go over .* from 'k'"),
        ("vsim v ELE e TRUTH", {"m_v": cost.MOST_BYTES}, "this would read .* from 'v'"),
        ("vsim v ELE e EF 50", {"m_v": cost.MOST_BYTES, "n_v": 100}, "this would read .* from 'v'"),
        ("json.type k $..*", {"m_k": cost.MOST_BYTES}, "this would go through .* from 'k'"),
        ("json.numincrby k $.* 1\njson.toggle k $[1:2]", {"m_k": cost.MOST_BYTES // 2}, "this would go through .* from 'k'"),
        ("json.mget k j $.*", {"m_k": cost.MOST_BYTES - 9, "m_j": 9}, "this would go through .* from 'k'"),
        ("del k", {"m_k": cost.MOST_FREED}, "this would free .* from 'k'"),
        ("del k\nset b x", {"m_k": cost.MOST_FREED - 9, "m_b": 9}, "this would free .* from 'k'"),
        ("del k\nset k x", {"m_k": cost.MOST_FREED // 2 - 2}, "this would free .* from 'k'"),
        ("rename a k", {"m_a": 9, "m_k": cost.MOST_FREED}, "this would free .* from 'k'"),
        ("copy a k REPLACE", {"m_k": cost.MOST_FREED}, "this would free .* from 'k'"),
        ("bitop and k a b", {"m_k": cost.MOST_FREED}, "this would free .* from 'k'"),
        ("zrangestore k a 0 1", {"m_k": cost.MOST_BYTES}, "this would go over .* from 'k'"),
        ("lrem k 0 x", {"m_k": 4 * cost.MOST_BYTES}, "this would go over .* from 'k'"),
        ("pfmerge d k", {"m_k": cost.MOST_STORED}, "this would go over .* from 'k'"),
        ("json.get k $.a\njson.get k .a", {"m_k": cost.MOST_WALKED}, "this would go through .* from 'k'"),
        ("json.get k $.a $.b $.c", {"m_k": cost.MOST_WALKED // 2}, "this would go through .* from 'k'"),
        ("mset a x k y", {"m_k": cost.MOST_FREED}, "this would free .* from 'k'"),
        ("expire k 0", {"m_k": cost.MOST_FREED}, "this would free .* from 'k'"),
        ("pexpireat k 1700000000000", {"m_k": cost.MOST_FREED}, "this would free .* from 'k'"),
    ],
)  # fmt: skip
async def test_a_size_that_is_one_too_many(lines: str, sizes: dict[str, Any], refusal: str) -> None:
    await weighed(lines, **sizes)
    name = max(sizes, key=lambda one: sizes[one])
    with pytest.raises(ToolError, match=refusal):
        await weighed(lines, **sizes | {name: sizes[name] + 1})


@pytest.mark.parametrize(
    "lines",
    [
        "unlink k", "copy a k", "rename k b", "renamenx k b", "expire k 1", "expireat k 99999999999", "ltrim k 0 9",
        "xtrim k MAXLEN 0",
    ],
)  # fmt: skip
async def test_what_is_freed_in_blocks_later_or_not_at_all_has_no_limit(lines: str) -> None:
    await weighed(lines, m_k=cost.MOST_STORED)


@pytest.mark.parametrize(
    ("line", "removed"),
    [
        ("zremrangebyrank z 0 9", 10),
        ("zremrangebyrank z 0 -1", 1000),
        ("zremrangebyrank z 0 -901", 100),
        ("zremrangebyrank z -5 -1", 5),
        ("zremrangebyrank z 990 2000", 10),
        ("zremrangebyrank z 9 0", 0),
        ("zremrangebyscore z -inf (5", 700),
        ("zremrangebylex z - [b", 30),
    ],
)
async def test_a_part_of_a_sorted_set_is_freed(line: str, removed: int) -> None:
    found = {"ZCARD z": 1000, "ZCOUNT z -inf (5": 700, "ZLEXCOUNT z - [b": 30}
    size = 1000 * cost.MOST_FREED // max(removed, 1)
    await cost.check_cost(SizedRedis(found | {"MEMORY USAGE z": size}), [planned(line)])
    if removed:
        with pytest.raises(ToolError, match="this would free"):
            await cost.check_cost(SizedRedis(found | {"MEMORY USAGE z": size + 1001}), [planned(line)])


async def test_an_entry_of_a_stream_may_be_longer_than_what_is_stored_of_it() -> None:
    small = {"m_x": 1000, "n_x": 10**6}
    assert (await weighed("xrange x - + COUNT 5000\nxrevrange x + - COUNT 5000", **small)).size > 0
    for lines in ("xrange x - + COUNT 5000\nxrevrange x + - COUNT 5011", "xrange x - +", "xread STREAMS x 0"):
        with pytest.raises(ToolError, match="this would read"):
            await weighed(lines, **small)


@pytest.mark.parametrize(
    ("line", "info"), [("cms.query k", "CMS.INFO k"), ("cms.incrby k", "CMS.INFO k"), ("topk.add k", "TOPK.INFO k")]
)
async def test_a_word_is_looked_up_in_each_row_of_a_sketch(line: str, info: str) -> None:
    sizes = {info: [b"width", 10**9, b"depth", cost.MOST_COMPARED // 8, b"count", 10**9]}
    await cost.check_cost(SizedRedis(sizes), [planned(line + " a b c d"), planned(line + " a b c d")])
    with pytest.raises(ToolError, match="so many words in so many rows"):
        await cost.check_cost(SizedRedis(sizes), [planned(line + " a b c d"), planned(line + " a b c d e")])


async def test_long_patterns_are_summed_over_a_call() -> None:
    part = "n" * 32
    lines = [f"sscan s 0 COUNT 64 MATCH *{part}", f"hscan h 0 COUNT 60 MATCH {part}*{part}", "zscan z 0 MATCH n*"]
    assert (await weighed("\n".join(lines))).estimated, "few such calls are let in at once"
    with pytest.raises(ToolError, match="MATCH with such patterns keeps Redis busy"):
        await weighed("\n".join([*lines, "zscan z 0 COUNT 129 MATCH *n"]))


async def test_only_so_many_keys_are_asked_about() -> None:
    def named(count: int) -> str:
        return "mget " + " ".join(f"k{n}" for n in range(count))

    await weighed(named(cost.MOST_PROBES))
    await weighed("\n".join(["exists" + " k" * 1000] * 20))
    for lines in (
        named(cost.MOST_PROBES + 1),
        named(10 * cost.MOST_PROBES),
        "sunion " + named(cost.MOST_PROBES // 2 + 1),
        "rename a b\n" + named(cost.MOST_PROBES - 1),
        "json." + named(cost.MOST_PROBES + 1) + " $.*",
    ):
        with pytest.raises(ToolError, match="do it in parts"):
            await weighed(lines)


@pytest.mark.parametrize(
    ("command", "most"),
    [
        ("setbit k {} 1", 8 * cost.MOST_GROWN - 1),
        ("setrange k {} x", cost.MOST_GROWN - 1),
        ("bitfield k INCRBY u8 {} 1", 8 * cost.MOST_GROWN - 9),
        ("bitfield k SET u8 #{} 1", cost.MOST_GROWN - 2),
        ("bf.reserve k 0.5 {}", math.ceil((cost.MOST_GROWN + 1) / 0.18) - 1),
        ("bf.insert k ERROR 0.25 CAPACITY {} ITEMS x", math.ceil((cost.MOST_GROWN + 1) / 0.36) - 1),
        (
            "bf.insert k CAPACITY {} ITEMS CAPACITY 99999999999",
            math.ceil((cost.MOST_GROWN + 1) / (0.18 * math.log2(100))) - 1,
        ),
        ("cf.reserve k {}", cost.MOST_GROWN // 2),
        ("cf.reserve k 1 EXPANSION {}", cost.MOST_GROWN),
        ("bf.reserve k 0.5 1000 EXPANSION {}", math.ceil((cost.MOST_GROWN + 1) / 90) - 1),
        ("cf.insert k CAPACITY {} ITEMS x", cost.MOST_GROWN // 2),
        ("cf.insertnx k CAPACITY {} ITEMS x", cost.MOST_GROWN // 2),
        ("cms.initbydim k {} 2", cost.MOST_GROWN // 8),
        ("tdigest.create k COMPRESSION {}", cost.MOST_GROWN // 100),
        ("topk.reserve k 0 {} 2 0.9", cost.MOST_GROWN // 32),
        ("topk.reserve k {} 0 0 0.9", cost.MOST_GROWN // 100),
    ],
)
async def test_what_is_set_aside_has_a_limit(command: str, most: int) -> None:
    await weighed(command.format(most))
    with pytest.raises(ToolError, match="this would lengthen keys by"):
        await weighed(command.format(most + 1))
    for nonsense in ("x", "-1", "1" * 400, "inf", "nan"):
        try:
            await weighed(command.format(nonsense))
        except ToolError as refusal:
            assert "lengthen keys by" in str(refusal)


async def test_a_sketch_of_wanted_errors_has_a_limit() -> None:
    await weighed("cms.initbyprob k 0.001 0.01")
    for tight in ("cms.initbyprob k 0.0000001 0.5", "cms.initbyprob k 0 0.01", "cms.initbyprob k 0.000001 0"):
        with pytest.raises(ToolError, match="this would lengthen keys by"):
            await weighed(tight)
    for fine in ("cms.initbyprob k 0.000001 1", "cf.insert k ITEMS x", "tdigest.create k", "bf.reserve k"):
        await weighed(fine)


async def test_growth_counts_the_longest_reach_of_a_key_and_all_keys() -> None:
    half = cost.MOST_GROWN // 2
    await weighed(f"setrange k {half} x\nsetrange k {half - 1} x\nsetrange l {half - 2} x")
    with pytest.raises(ToolError, match="lengthen keys by"):
        await weighed(f"setrange k {half} x\nsetrange l {half} x")
    assert (await weighed(f"setrange k {2 * half} x", k=half)).size == 0, "what is there is not made"


async def test_a_value_that_is_written_in_many_places() -> None:
    line = "json.set k $.a " + "v" * 1000
    most = cost.MOST_GROWN // 1000 + 1
    for places in (None, "integer", [], ["integer"] * most):
        await cost.check_cost(SizedRedis({"JSON.TYPE k $.a": places}), [planned(line)])
    with pytest.raises(ToolError, match="lengthen keys by"):
        await cost.check_cost(SizedRedis({"JSON.TYPE k $.a": ["integer"] * (most + 1)}), [planned(line)])


@pytest.mark.parametrize("path", ["$..a", "$.*", "$[1,2]", "$[?(@.a)]", "$[0:9]"])
async def test_what_a_call_has_written_may_be_found_in_many_places(path: str) -> None:
    before = "json.set k $ " + "x" * 2000
    await weighed(f"{before}\njson.set k $.a " + "v" * 100_000)
    await weighed(f"{before}\njson.set k {path} " + "v" * (cost.MOST_GROWN // 1005))
    with pytest.raises(ToolError, match="lengthen keys by"):
        await weighed(f"{before}\njson.set k {path} " + "v" * (cost.MOST_GROWN // 1005 + 1))


async def test_what_is_read_has_the_size_of_its_parts() -> None:
    sizes = {"JSON.DEBUG MEMORY k $.a": [100, None, 20], "JSON.DEBUG MEMORY k .b": 7, "JSON.DEBUG MEMORY k $": [9]}
    sizes |= {"JSON.DEBUG MEMORY j $.a": [1], "HSTRLEN h a": 20, "HSTRLEN h b": 30}
    for line, size in (
        ("json.get k $.a", weight(120)),
        ("json.get k NOESCAPE $.a .b", weight(127, 2)),
        ("json.get k", weight(9)),
        ("json.mget k j $.a", weight(121, 2)),
        ("json.resp k $.a", weight(120)),
        ("hmget h a b", weight(50, 2)),
        ("json.set k $.a 1\njson.get k $.a", weight(120 + 13)),
    ):
        found = await cost.check_cost(SizedRedis(sizes), [planned(one) for one in line.splitlines()])
        assert found.size == size, line


async def test_few_commands_of_a_call_answer_names() -> None:
    await weighed("\n".join(["scan 0"] * cost.MOST_NAMING))
    await weighed("\n".join(["xinfo|groups x"] * cost.MOST_NAMING), m_x=cost.SMALL_KEY)
    await weighed("xinfo|groups x", m_x=cost.SMALL_KEY + 1)
    with pytest.raises(ToolError, match="a call may have at most 1 commands like XINFO GROUPS"):
        await weighed("xinfo|groups x\nxinfo|groups x", m_x=cost.SMALL_KEY + 1)
    with pytest.raises(ToolError, match="a call may have at most 10 commands like SCAN"):
        await weighed("\n".join(["scan 0"] * (cost.MOST_NAMING + 1)))


@pytest.mark.parametrize(
    ("fine", "refused", "reason"),
    [
        ("srandmember s 10000", "srandmember s 10001", "count from 0 to 10000"),
        ("srandmember s 0", "srandmember s -1", "count from 0"),
        ("sscan s 0 COUNT 10000", "sscan s 0 COUNT 10001", "count from 0"),
        ("scan COUNT 10001", "scan 0 COUNT 10001", "count from 0"),
        ("zpopmin z 10000", "zpopmin z 10001", "count from 0"),
        ("lpop l x", "lpop l 10001", "count from 0"),
        ("xpending x g IDLE 99999 - + 5", "xpending x g IDLE 9 - + 10001", "count from 0"),
        ("ts.range t - + COUNT 1", "ts.range t - +", "give a COUNT"),
        ("sscan s 0 MATCH " + "a" * 1000, "sscan s 0 MATCH " + "a" * 1001, "a glob may have"),
        ("sscan s MATCH " + "a" * 1001, "scan 0 match " + "a" * 1001, "a glob may have"),
        ("scan 0 COUNT 5 MATCH a", "scan 0 COUNT 5 MATCH " + "a" * 1001, "a glob may have"),
        ("memory|usage k SAMPLES 10000", "memory|usage k SAMPLES 10001", "SAMPLES may be"),
        ("memory|usage k SAMPLES 1", "memory|usage k SAMPLES 0", "SAMPLES may be"),
        ("json.get k $", "json.get k INDENT x", "leave out INDENT"),
        ("json.get indent", "json.get k $ space", "leave out INDENT"),
        ("json.get k $..a", "json.get k $..a..b", "a JSON path may have"),
        ("json.arrappend k $ 1 2 ..a..b", "json.arrappend k $..a..b 1 2", "a JSON path may have"),
        ("json.set k $..a ..b..c", "json.set k $..a..b 1", "a JSON path may have"),
        ("json.mget ..a..b $", "json.mget k $..a..b", "a JSON path may have"),
        ("json.mset k $ ..a..b", "json.mset k $ 1 l ..a..b 1", "a JSON path may have"),
        ("json.type k $.a[?(@.b==1)]", "json.type k $.a[?(@==$.b[*])]", "may not read from"),
        ('json.type k $.a[?(@=="$")]', "json.set k $.a[?($.b[?(@>0)])] 1", "may not read from"),
        ("ts.range t - + COUNT 1 AGGREGATION sum 1", "ts.range t - + COUNT 1 AGGREGATION sum 1 empty", "leave out EMPTY"),
        ("vsim v ELE e COUNT 10000", "vsim v ELE e COUNT 10001", "count from 0"),
        ("sscan s 0 COUNT 128 MATCH *" + "n" * 32, "sscan s 0 COUNT 129 MATCH *" + "n" * 32, "give a COUNT of up to 128"),
        ("scan 0 COUNT 4096 MATCH aa*b*", "scan 0 COUNT 4096 MATCH aa*bb*", "give a COUNT of up to 2048"),
        ("scan 0 MATCH *:" + "?" * 36, "scan 0 COUNT 1000 MATCH *:" + "?" * 36, "give a COUNT of up to 108"),
        ("scan 0 COUNT 1 MATCH *" + "n" * 40, "scan 0 COUNT 1 MATCH *" + "n" * 41, "after a"),
        ("ft.spellcheck i " + ",".join("abcdefghij"), "ft.spellcheck i " + ",".join("abcdefghijk"), "give up to 10 words"),
        ("ft.spellcheck i a distance 1", "ft.spellcheck i a distance 2", "leave out DISTANCE"),
        ("ft.dropindex i", "ft.dropindex i dd", "leave out DD"),
    ],
)  # fmt: skip
def test_arguments_have_limits(fine: str, refused: str, reason: str) -> None:
    cost.check_arguments(planned(fine))
    with pytest.raises(ToolError, match=reason):
        cost.check_arguments(planned(refused))


def test_a_json_path_has_limits() -> None:
    for fine, refused in (("a" * 1000, "a" * 1001), ("$..a", "$..a..b"), ("$[1,2,3,4,5]", "$[1,2,3,4,5,6]")):
        cost.check_json_path(fine.encode())
        with pytest.raises(ToolError, match="a JSON path may have"):
            cost.check_json_path(refused.encode())
