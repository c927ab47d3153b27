"""es_health: the state of the cluster, and what is wrong with it in plain words."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.tools import Call, ToolError, tool
from servers.elasticsearch.backend import ElasticsearchBackend

MOST_NODES = 50
"""Nodes that are listed; the busiest first."""

HEAP_PERCENT = 85
"""Heap in use from which a node is said to be short of memory: Elasticsearch's parent breaker trips at 95."""

CPU_PERCENT = 90

MOST_FINDINGS = 20


class Node(TypedDict):
    name: str
    heap_percent: int
    cpu_percent: NotRequired[int]
    disk_free_bytes: NotRequired[int]
    disk_free_percent: NotRequired[int]


class Shards(TypedDict):
    active: int
    unassigned: int
    initializing: int
    relocating: int


class Health(TypedDict):
    cluster: str
    status: Annotated[str, Field(description="green; yellow: copies are missing; red: data is missing")]
    nodes: int
    data_nodes: int
    shards: Shards
    pending_tasks: int
    busiest: Annotated[list[Node], Field(description="nodes, fullest heap first")]
    findings: Annotated[list[str], Field(description="what is wrong, why, and what to do")]


@tool(title="Health of the cluster")
async def es_health(call: Call[ElasticsearchBackend]) -> Health:
    """Status, nodes, shards, heap and disk of this Elasticsearch cluster, and what is wrong with it in plain words."""
    health, report, stats = await asyncio.gather(
        call.backend.read("GET", "/_cluster/health"),
        _optional(call, "/_health_report"),
        _optional(
            call,
            "/_nodes/stats/jvm,fs,os",
            filter_path="nodes.*.name,nodes.*.jvm.mem.heap_used_percent,nodes.*.os.cpu.percent,nodes.*.fs.total",
        ),
    )
    nodes = sorted((_node(n) for n in stats.get("nodes", {}).values()), key=lambda n: -n["heap_percent"])
    return {
        "cluster": health["cluster_name"],
        "status": health["status"],
        "nodes": health["number_of_nodes"],
        "data_nodes": health["number_of_data_nodes"],
        "shards": {
            "active": health["active_shards"],
            "unassigned": health["unassigned_shards"],
            "initializing": health["initializing_shards"],
            "relocating": health["relocating_shards"],
        },
        "pending_tasks": health["number_of_pending_tasks"],
        "busiest": nodes[:MOST_NODES],
        "findings": findings(health, report, nodes),
    }


async def _optional(call: Call[ElasticsearchBackend], path: str, **params: str) -> Mapping[str, Any]:
    """What a user may be forbidden, and an older server may lack (_health_report is of 8.7)."""
    try:
        answer: Mapping[str, Any] = await call.backend.read("GET", path, params=params)
        return answer
    except ToolError:
        return {}


def _node(stats: Mapping[str, Any]) -> Node:
    node: Node = {
        "name": stats.get("name", "?"),
        "heap_percent": stats.get("jvm", {}).get("mem", {}).get("heap_used_percent", 0),
    }
    cpu = stats.get("os", {}).get("cpu", {}).get("percent", -1)
    if cpu >= 0:
        node["cpu_percent"] = cpu
    disk = stats.get("fs", {}).get("total", {})
    if disk.get("total_in_bytes"):
        node["disk_free_bytes"] = disk["available_in_bytes"]
        node["disk_free_percent"] = round(100 * disk["available_in_bytes"] / disk["total_in_bytes"])
    return node


def findings(health: Mapping[str, Any], report: Mapping[str, Any], nodes: list[Node]) -> list[str]:
    """What is wrong, a sentence or two each.

    Args:
        health: the answer of _cluster/health
        report: the answer of _health_report, or nothing
        nodes: from _nodes/stats
    """
    found = []
    lonely = health["number_of_data_nodes"] == 1 and health["status"] == "yellow" and health["unassigned_shards"]
    if lonely:
        # Elasticsearch's own report speaks of data tiers here, which leads astray.
        found.append(
            f"{health['unassigned_shards']} replica shards are unassigned: there is one data node, and a copy never lies beside "
            "its primary. No data is missing. Add a node, or set number_of_replicas to 0"
        )
    for name, indicator in report.get("indicators", {}).items():
        if indicator.get("status") in ("green", "unknown") or (lonely and name == "shards_availability"):
            continue
        words = [f"{name}: {indicator.get('symptom', '?')}"]
        words += [impact["description"] for impact in indicator.get("impacts", ())[:2]]
        words += [f"{d['cause']} {d['action']}" for d in indicator.get("diagnosis", ())[:2]]
        found.append(" ".join(words)[:1500])
    if not report and not lonely and health["status"] == "red":
        found.append("primary shards are missing: searches of their indices miss data, and writes to them fail")
    if not report and not lonely and health["status"] == "yellow":
        found.append("replica shards are missing: no data is lost, but one more failure may lose some")
    if health["initializing_shards"] or health["relocating_shards"]:
        moving = health["initializing_shards"] + health["relocating_shards"]
        found.append(f"{moving} shards are being built or moved: the cluster is recovering or rebalancing")
    if health["number_of_pending_tasks"] > 20:
        found.append(f"{health['number_of_pending_tasks']} changes wait for the master: it is overloaded")
    for node in nodes:
        if node["heap_percent"] >= HEAP_PERCENT:
            found.append(f"node {node['name']} uses {node['heap_percent']}% of its heap: requests may soon be refused")
        if node.get("cpu_percent", 0) >= CPU_PERCENT:
            found.append(
                f"the machine of node {node['name']} uses {node['cpu_percent']}% of its CPU: requests are slow"
            )
        if not report and node.get("disk_free_percent", 100) <= 10:
            found.append(
                f"node {node['name']} has {node['disk_free_percent']}% of its disk free: shards will be moved away"
            )
    if len(found) > MOST_FINDINGS:
        found[MOST_FINDINGS:] = [f"and {len(found) - MOST_FINDINGS} more"]
    return found
