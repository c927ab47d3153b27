"""What is found wrong, from answers that a single node can't be made to give."""

from __future__ import annotations

from typing import Any

from servers.elasticsearch.health import Node, findings

GREEN: dict[str, Any] = {
    "status": "green",
    "number_of_data_nodes": 3,
    "unassigned_shards": 0,
    "initializing_shards": 0,
    "relocating_shards": 0,
    "number_of_pending_tasks": 0,
}


def test_nothing_is_wrong() -> None:
    assert findings(GREEN, {"indicators": {"disk": {"status": "green", "symptom": "fine"}}}, []) == []


def test_the_report_s_indicators_are_told_with_impact_and_action() -> None:
    disk = {
        "status": "yellow",
        "symptom": "1 node exceeds the high watermark.",
        "impacts": [{"description": "Shards can't move there."}],
        "diagnosis": [{"cause": "The disk is nearly full.", "action": "Add disk."}],
    }
    assert findings(GREEN, {"indicators": {"disk": disk}}, []) == [
        "disk: 1 node exceeds the high watermark. Shards can't move there. The disk is nearly full. Add disk."
    ]


def test_a_server_without_a_report_is_judged_by_its_numbers() -> None:
    node: Node = {"name": "n1", "heap_percent": 91, "cpu_percent": 97, "disk_free_percent": 4}
    red = GREEN | {"status": "red", "unassigned_shards": 2, "relocating_shards": 3, "number_of_pending_tasks": 100}
    found = findings(red, {}, [node])
    assert [line.split(":")[0] for line in found] == [
        "primary shards are missing",
        "3 shards are being built or moved",
        "100 changes wait for the master",
        "node n1 uses 91% of its heap",
        "the machine of node n1 uses 97% of its CPU",
        "node n1 has 4% of its disk free",
    ]


def test_the_list_of_findings_is_bounded() -> None:
    nodes: list[Node] = [{"name": f"n{i}", "heap_percent": 99} for i in range(100)]
    found = findings(GREEN, {"indicators": {}}, nodes)
    assert len(found) == 21 and found[-1] == "and 80 more"
