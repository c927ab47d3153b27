"""What is found wrong, from answers that a single node can't be made to give."""

from typing import Any

from servers.elasticsearch.tools.allocation import in_words, past, watermarks
from servers.elasticsearch.tools.health import NodeLoad, health_findings
from servers.elasticsearch.tools.health_sections import few, hot_threads

GREEN: dict[str, Any] = {
    "status": "green", "number_of_data_nodes": 3, "unassigned_shards": 0, "initializing_shards": 0,
    "relocating_shards": 0, "number_of_pending_tasks": 0,
}  # fmt: skip


def test_nothing_is_wrong() -> None:
    assert health_findings(GREEN, {"indicators": {"disk": {"status": "green", "symptom": "fine"}}}, []) == []


def test_the_report_s_indicators_are_told_with_impact_and_action() -> None:
    disk = {
        "status": "yellow",
        "symptom": "1 node exceeds the high watermark.",
        "impacts": [{"description": "Shards can't move there."}],
        "diagnosis": [{"cause": "The disk is nearly full.", "action": "Add disk."}],
    }
    assert health_findings(GREEN, {"indicators": {"disk": disk}}, []) == [
        "disk: 1 node exceeds the high watermark. Shards can't move there. The disk is nearly full. Add disk."
    ]


def test_a_server_without_a_report_is_judged_by_its_numbers() -> None:
    node: NodeLoad = {
        "name": "n1", "heap_percent": 91, "cpu_percent": 97, "disk_free_percent": 4, "disk_free_bytes": 4, "disk_total_bytes": 100
    }  # fmt: skip
    red = GREEN | {"status": "red", "unassigned_shards": 2, "relocating_shards": 3, "number_of_pending_tasks": 100}
    found = health_findings(red, {}, [node], {"low": "85%", "high": "90%/2b", "flood_stage": "1b"})
    assert [line.split(":")[0] for line in found] == [
        "primary shards are missing", "3 shards are being built or moved", "100 changes wait for the master",
        "node n1 uses 91% of its heap", "the machine of node n1 uses 97% of its CPU",
        "node n1 has 4% of its disk free, past the low watermark of 85%",
    ]  # fmt: skip


def test_the_list_of_findings_is_bounded() -> None:
    nodes: list[NodeLoad] = [{"name": f"n{i}", "heap_percent": 99} for i in range(100)]
    found = health_findings(GREEN, {"indicators": {}}, nodes)
    assert len(found) == 21 and found[-1] == "and 80 more"


def test_a_list_that_is_cut_says_how_many_more_there_are() -> None:
    assert few(["a", "b"]) == ["a", "b"] and few(["a"] * 21) == ["a"] * 20 + ["and 1 more"]


def test_a_disk_is_past_a_watermark() -> None:
    gib = 1024**3
    for mark, total, free, expected in (
        ("90%", 100, 9, True), ("90%", 100, 11, False), ("0.9", 100, 9, True), ("0.9", 100, 11, False),
        ("10gb", 100 * gib, 9 * gib, True), ("10gb", 100 * gib, 11 * gib, False), ("500mb", 100 * gib, gib, False),
        ("90%/150GB", 10_000 * gib, 200 * gib, False), ("90%/150GB", 10_000 * gib, 100 * gib, True),
        ("90%/150GB", 100 * gib, 11 * gib, False),
    ):  # fmt: skip
        assert past(mark, total, free) is expected, (mark, total, free)


def test_the_watermarks_that_hold() -> None:
    def answer(**levels: Any) -> dict[str, Any]:
        return {name: {"cluster": {"routing": {"allocation": {"disk": disk}}}} for name, disk in levels.items()}

    # As GET _cluster/settings?include_defaults answers of 8.11.
    marks = {"low": "85%", "high": "90%", "flood_stage": "95%", "low.max_headroom": "200GB", "high.max_headroom": "-1"}
    defaults = {"threshold_enabled": "true", "watermark": marks}
    assert watermarks(answer(defaults=defaults)) == {"low": "85%/200GB", "high": "90%", "flood_stage": "95%"}
    low = {"watermark": {"low": "50gb"}}
    assert watermarks(answer(defaults=defaults, persistent=low))["low"] == "50gb/200GB"
    assert watermarks(answer(defaults=defaults, persistent={"threshold_enabled": "false"})) == {}
    assert watermarks({}) == {}


EXPLANATION: dict[str, Any] = {
    "index": "books", "shard": 1, "primary": False,
    "unassigned_info": {"reason": "NODE_LEFT", "at": "2024-01-01T00:00:00.000Z", "details": "node_left [x]"},
    "can_allocate": "no",
    "node_allocation_decisions": [
        {"node_name": "a", "deciders": [{"decider": "same_shard", "decision": "NO", "explanation": "a copy is here"}]},
        {"node_name": "b", "deciders": [
            {"decider": "disk_threshold", "decision": "NO", "explanation": "the node is above the low watermark [85%]"},
            {"decider": "throttling", "decision": "NO", "explanation": "primary shard for this replica is not yet active"},
        ]},
        {"node_name": "c", "deciders": [
            {"decider": "disk_threshold", "decision": "NO", "explanation": "the node is above the low watermark [85%]"},
            {"decider": "enable", "decision": "YES", "explanation": "all allocations are allowed"},
        ]},
    ],
}  # fmt: skip
"""As the reference has it (cluster-allocation-explain.html), of more nodes than there are here."""


def test_why_a_shard_is_nowhere_in_words() -> None:
    said = in_words(EXPLANATION)
    assert said.startswith(
        "books shard 1 (replica) has been unassigned since 2024-01-01T00:00:00 (NODE_LEFT), node_left [x]: on 2 of 3"
    )
    assert said.index("the disk is over the watermark") < said.index("on 1 of 3 nodes a copy of it is there already")
    assert "waits for other recoveries" not in said and "enable" not in said
    lost = in_words(EXPLANATION | {"can_allocate": "no_valid_shard_copy", "primary": True})
    assert "(primary)" in lost and "no node has a copy of its data" in lost
    assert "no reason is given" in in_words({"index": "a", "shard": 0, "primary": True})
    unknown = [{"deciders": [{"decider": "new_one", "decision": "NO", "explanation": "why"}]}]
    assert "on 1 of 1 nodes new_one (why)" in in_words(EXPLANATION | {"node_allocation_decisions": unknown})
    only = [{"deciders": [{"decider": "throttling", "decision": "THROTTLE", "explanation": "too many"}]}]
    assert "it waits for other recoveries (too many)" in in_words(EXPLANATION | {"node_allocation_decisions": only})


HOT_THREADS = """\
::: {node-0}{rGxpE8nWTqy}{127.0.0.1}{127.0.0.1:9300}{cdfhilmrstw}{8.11.4}
   Hot threads at 2024-01-01T10:00:00.000Z, interval=500ms, busiestThreads=3, ignoreIdleThreads=true:

   85.3% [cpu=80.1%, other=5.2%] (426.4ms out of 500ms) cpu usage by thread 'elasticsearch[node-0][search][T#4]'
     10/10 snapshots sharing following 29 elements
       java.base@21.0.1/java.util.regex.Pattern.match(Pattern.java:1)
       app/org.apache.lucene.core@9.8.0/org.apache.lucene.util.automaton.Operations.det(Operations.java:751)
       app/org.elasticsearch.server@8.11.4/org.elasticsearch.index.query.WildcardQueryBuilder.doToQuery(WildcardQueryBuilder.java:2)
       app/org.elasticsearch.server@8.11.4/org.elasticsearch.search.SearchService.execute(SearchService.java:1)
       app/org.elasticsearch.server@8.11.4/org.elasticsearch.action.Further.run(Further.java:1)

::: {node-1}{abc}{127.0.0.1}{127.0.0.1:9301}{cdfhilmrstw}{8.11.4}
   Hot threads at 2024-01-01T10:00:00.000Z, interval=500ms, busiestThreads=3, ignoreIdleThreads=true:

   3.0% (15ms out of 500ms) cpu usage by thread 'elasticsearch[node-1][management][T#1]'
     unique snapshot
       java.base@21.0.1/java.lang.Thread.run(Thread.java:1)
"""
"""In the form of the reference (cluster-nodes-hot-threads.html); those of the Elasticsearch here are empty."""


def test_hot_threads_are_a_line_each() -> None:
    assert (
        hot_threads(HOT_THREADS)
        == hot_threads(HOT_THREADS.replace("elasticsearch", "opensearch"))
        == [
            "node-0: 85% [node-0][search][T#4] in Operations.det <- WildcardQueryBuilder.doToQuery <- SearchService.execute",
            "node-1: 3% [node-1][management][T#1]",
        ]
    )
    assert hot_threads("") == []
