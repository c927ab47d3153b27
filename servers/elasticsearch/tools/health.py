"""es_health: the state of the cluster, and what is wrong with it in plain words."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.protocol.tools import Call, Room, ToolError, size, tool
from servers.elasticsearch.client.backend import path
from servers.elasticsearch.client.errors import UNAVAILABLE, ElasticsearchError
from servers.elasticsearch.policy.index_names import NothingInside, within
from servers.elasticsearch.policy.index_scope import ScopedElasticsearch
from servers.elasticsearch.tools.allocation import past, unassigned, watermarks
from servers.elasticsearch.tools.health_sections import HIDDEN, SECTIONS, About, few, optional
from servers.elasticsearch.tools.indices import summaries

MOST_NODES = 50
"""Nodes that are listed; the busiest first."""

HEAP_PERCENT = 85
"""Heap in use from which a node is said to be short of memory: Elasticsearch's parent breaker trips at 95."""

CPU_PERCENT = 90


class NodeLoad(TypedDict):
    name: str
    heap_percent: int
    cpu_percent: NotRequired[int]
    disk_free_bytes: NotRequired[int]
    disk_total_bytes: NotRequired[int]
    disk_free_percent: NotRequired[int]


class Shards(TypedDict):
    active: int
    unassigned: int
    initializing: int
    relocating: int


class Health(TypedDict):
    cluster: NotRequired[str]
    status: Annotated[str, Field(description="yellow: replicas are missing; red: data is missing")]
    nodes: NotRequired[int]
    data_nodes: NotRequired[int]
    shards: NotRequired[Shards]
    pending_tasks: NotRequired[int]
    watermarks: NotRequired[dict[str, str]]
    """Disk in use from which shards are not put there, are moved away, and indices are only read; with the most that is left
    free."""
    busiest: NotRequired[list[NodeLoad]]
    """Fullest heap first."""
    findings: Annotated[list[str], Field(description="what is wrong, and what to do")]
    unassigned: NotRequired[list[str]]
    """Why shards are nowhere."""
    about: NotRequired[dict[str, list[str]]]


@tool(title="Cluster health")
async def es_health(
    call: Call[ScopedElasticsearch],
    *,
    about: list[About] = [],  # noqa: B006
) -> Health:
    """Report the cluster's state and what is wrong: shards, heap, CPU, disk."""
    limits = ""
    if call.backend.scope:
        try:
            limits = path(await within(call.backend, "*", "all"))
        except NothingInside:
            limits = path("*,-*")  # no index: without any, the whole cluster would be told
    try:
        health = await call.backend.read("GET", "/_cluster/health" + limits)
    except ElasticsearchError as error:
        if error.status not in UNAVAILABLE:
            raise
        answer = await _seen(call, error)
        return answer | {"about": await _told(call, answer, about)} if about else answer
    report, stats, settings = await asyncio.gather(
        optional(call, "/_health_report"),
        optional(
            call,
            "/_nodes/stats/jvm,fs,os",
            filter_path="nodes.*.name,nodes.*.jvm.mem.heap_used_percent,nodes.*.os.cpu.percent,nodes.*.fs.total",
        ),
        optional(call, "/_cluster/settings", include_defaults="true", filter_path="*.cluster.routing.allocation.disk"),
    )
    nodes = sorted((_node(n) for n in stats.get("nodes", {}).values()), key=lambda n: -n["heap_percent"])
    marks = watermarks(settings)
    answer = {
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
        "findings": health_findings(health, report, nodes, marks, impacts=not call.backend.scope),
    }
    if marks:
        answer["watermarks"] = marks
    if health["unassigned_shards"] and (limits or not call.backend.scope):
        with suppress(ToolError):  # a user may be forbidden to ask
            answer["unassigned"] = await unassigned(call, limits or "/*")
    if about:
        answer["about"] = await _told(call, answer, about)
    return answer


async def _told(call: Call[ScopedElasticsearch], answer: Health, about: list[About]) -> dict[str, list[str]]:
    """The lines of sections, as far as they fit."""
    room = Room(call.max_bytes, 1024 + size(answer))
    told: dict[str, list[str]] = {}
    for name in dict.fromkeys(about):
        try:
            if call.backend.scope and name in HIDDEN:
                raise ToolError("refused: it would show indices outside MCP_INDEX_PATTERNS")
            lines = [line async for line in SECTIONS[name](call)]
        except ToolError as error:
            lines = [str(error)]
        told[name] = room.kept(few(lines), f"lines of {name}")
    return told


async def _seen(call: Call[ScopedElasticsearch], refusal: ElasticsearchError) -> Health:
    """Tell what a user's own indices show, where the user may not ask for the state of the cluster."""
    try:
        rows = await summaries(call, "*", "open,closed")
    except NothingInside:
        rows = []
    colours = {row["health"] for row in rows if "health" in row}
    worst = next((colour for colour in ("red", "yellow", "green") if colour in colours), "unknown")
    ill = [f"{row['index']} is {row['health']}" for row in rows if row.get("health", "green") != "green"]
    docs = sum(row.get("docs", 0) for row in rows)
    told = f"the state of the cluster can't be read here ({refusal}): these are the {len(rows)} indices that this user sees"
    return {"status": worst, "findings": [told, f"they have {docs} documents", *few(ill)]}


def _node(stats: Mapping[str, Any]) -> NodeLoad:
    node: NodeLoad = {
        "name": stats.get("name", "?"),
        "heap_percent": stats.get("jvm", {}).get("mem", {}).get("heap_used_percent", 0),
    }
    cpu = stats.get("os", {}).get("cpu", {}).get("percent", -1)
    if cpu >= 0:
        node["cpu_percent"] = cpu
    disk = stats.get("fs", {}).get("total", {})
    if disk.get("total_in_bytes"):
        node["disk_free_bytes"], node["disk_total_bytes"] = disk["available_in_bytes"], disk["total_in_bytes"]
        node["disk_free_percent"] = round(100 * disk["available_in_bytes"] / disk["total_in_bytes"])
    return node


def health_findings(
    health: Mapping[str, Any],
    report: Mapping[str, Any],
    nodes: list[NodeLoad],
    marks: Mapping[str, str] | None = None,
    impacts: bool = True,
) -> list[str]:
    """List what is wrong, a sentence or two each. The report, whose impacts name indices, may be empty."""
    found = []
    lonely = health["number_of_data_nodes"] == 1 and health["status"] == "yellow" and health["unassigned_shards"]
    if lonely:
        # Elasticsearch's own report speaks of data tiers here, which leads astray.
        found.append(
            f"{health['unassigned_shards']} replica shards are unassigned: there is one data node, and a copy is never on "
            "the node of its primary. No data is missing. Add a node, or set number_of_replicas to 0"
        )
    for name, indicator in report.get("indicators", {}).items():
        if indicator.get("status") in ("green", "unknown") or (lonely and name == "shards_availability"):
            continue
        words = [f"{name}: {indicator.get('symptom', '?')}"]
        if impacts:
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
            found.append(f"the machine of node {node['name']} uses {node['cpu_percent']}% of its CPU: requests are slow")
        if "disk_free_bytes" in node:
            found += _disk(node, marks or {})
    return few(found)


_PAST = {
    "flood_stage": "indices with a shard on it are read-only until there is room",
    "high": "Elasticsearch moves its shards away",
    "low": "it gets no new shards",
}


def _disk(node: NodeLoad, marks: Mapping[str, str]) -> list[str]:
    free, percent = node["disk_free_bytes"], node["disk_free_percent"]
    for name, effect in _PAST.items():
        if name in marks and past(marks[name], node["disk_total_bytes"], free):
            mark = f"{name.replace('_', ' ')} watermark of {marks[name].partition('/')[0]}"
            return [f"node {node['name']} has {percent}% of its disk free, past the {mark}: {effect}; free disk or add a node"]
    return []
