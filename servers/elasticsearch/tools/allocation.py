"""Why shards are not assigned, and how full disks may become, in plain words."""

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from servers.common.protocol.tools import Call, ToolError
from servers.elasticsearch.client.backend import path
from servers.elasticsearch.policy.index_scope import ScopedElasticsearch
from servers.elasticsearch.tools.index_admin import merged

MOST_EXPLAINED = 3
"""Unassigned shards that are explained, each of another index."""

_DECIDERS = {
    "awareness": "copies must be spread over zones, and one zone has no room: add a node there",
    "data_tier": "its tier has no node: add one with that role, or change index.routing.allocation.include._tier_preference",
    "disk_threshold": "the disk is over the watermark: free some, or add a node",
    "enable": "allocation is switched off by cluster.routing.allocation.enable or index.routing.allocation.enable",
    "filter": "the filters of index.routing.allocation or cluster.routing.allocation exclude it: change the filters or the nodes",
    "max_retry": "it failed too often: fix the cause, then POST /_cluster/reroute?retry_failed=true",
    "node_shutdown": "the node is about to be shut down",
    "node_version": "the node is older than the one with the primary: upgrade it",
    "replica_after_primary_active": "its primary is not active yet",
    "same_shard": "a copy of it is there already: add a node, or lower number_of_replicas",
    "shards_limit": "total_shards_per_node is reached: raise it, or add a node",
    "throttling": "it waits for other recoveries",
}
"""What those who decide about a shard mean, and what to do."""

_STATES = {
    "allocation_delayed": "a node has left, and Elasticsearch waits for it: index.unassigned.node_left.delayed_timeout",
    "awaiting_info": "Elasticsearch is still looking for its copies: wait",
    "no_valid_shard_copy": "no node has a copy of its data: bring back the node that had it, or restore a snapshot",
    "throttled": "it waits for other recoveries: wait",
    "yes": "it is about to be assigned: wait",
}


async def unassigned(call: Call[ScopedElasticsearch], limits: str) -> list[str]:
    """Return a sentence for some shards that are not assigned; of primaries first. `limits` is the path
    of the indices to search."""
    names = []
    for health in ("red", "yellow"):
        params = {"health": health, "h": "index", "format": "json", "expand_wildcards": "all"}
        rows = await call.backend.read("GET", "/_cat/indices" + limits, params=params)
        names += [row["index"] for row in rows]
    if not names:
        return []
    shards = await call.backend.read(
        "GET",
        path("_cat", "shards", ",".join(names[:MOST_EXPLAINED])),
        params={"h": "index,shard,prirep,state", "format": "json"},
    )
    first: dict[str, Mapping[str, Any]] = {}
    for row in sorted(shards, key=lambda row: (row["prirep"] != "p", int(row["shard"]))):
        if row["state"] == "UNASSIGNED":
            first.setdefault(row["index"], row)
    found = list(await asyncio.gather(*(_explained(call, first[name]) for name in names if name in first)))
    if len(names) > len(found):
        found.append(f"and shards of {len(names) - len(found)} more indices")
    return found


async def _explained(call: Call[ScopedElasticsearch], row: Mapping[str, Any]) -> str:
    body = {"index": row["index"], "shard": int(row["shard"]), "primary": row["prirep"] == "p"}
    try:
        return in_words(await call.backend.read("POST", "/_cluster/allocation/explain", body=body))
    except ToolError as error:  # it was assigned meanwhile
        return f"{row['index']} shard {row['shard']}: {str(error)[:200]}"


def in_words(answer: Mapping[str, Any]) -> str:
    """Put the answer of _cluster/allocation/explain into words
    (https://www.elastic.co/guide/en/elasticsearch/reference/8.11/cluster-allocation-explain.html).
    """
    kind = "primary" if answer.get("primary") else "replica"
    info = answer.get("unassigned_info", {})
    words = f"{answer.get('index')} shard {answer.get('shard')} ({kind}) has been unassigned since {str(info.get('at'))[:19]}"
    words += f" ({info.get('reason')})"
    if info.get("details"):
        words += f", {' '.join(str(info['details']).split())[:300]}"
    reasons = list(_reasons(answer.get("node_allocation_decisions", ())))
    if state := _STATES.get(str(answer.get("can_allocate"))):
        reasons.insert(0, state)
    return f"{words}: {'; '.join(reasons) or str(answer.get('allocate_explanation') or 'no reason is given')[:300]}"


def _reasons(nodes: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Each reason once, with the nodes that it is of, those of most nodes first."""
    refusing: dict[str, list[Mapping[str, Any]]] = {}
    for node in nodes:
        for decider in node.get("deciders", ()):
            if decider.get("decision") in ("NO", "THROTTLE"):
                refusing.setdefault(decider["decider"], []).append(decider)
    # That the primary comes first, as others say as well, is no reason where there is another.
    ranked = sorted(refusing.items(), key=lambda item: (item[0] in _SECONDARY, -len(item[1])))
    for name, said in ranked[:3]:
        if name in _SECONDARY and len(ranked) > len(_SECONDARY & refusing.keys()):
            continue
        example = " ".join(str(said[0].get("explanation", "")).split())
        yield f"on {len(said)} of {len(nodes)} nodes {_DECIDERS.get(name, name)} ({example[:200]})"


_SECONDARY = frozenset({"replica_after_primary_active", "throttling"})


def watermarks(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the disk watermarks of _cluster/settings, each with its maximal headroom, e.g. 85%/200GB. Empty where they are
    switched off or not known."""
    disk: dict[str, Any] = {}
    for level in ("defaults", "persistent", "transient"):
        part = settings.get(level, {}).get("cluster", {}).get("routing", {}).get("allocation", {}).get("disk", {})
        disk = merged(disk, part)
    if not disk or str(disk.get("threshold_enabled")) == "false":
        return {}
    marks = disk.get("watermark", {})
    found = {}
    for name in ("low", "high", "flood_stage"):
        if value := marks.get(name):
            headroom = str(marks.get(f"{name}.max_headroom", "-1"))
            found[name] = str(value) if headroom.startswith("-") else f"{value}/{headroom}"
    return found


def past(mark: str, total: int, free: int) -> bool:
    """Return whether a disk of so many bytes is past a watermark of `watermarks`. A mark is what is used, as 90% or 0.9, or free,
    as 10gb; with what is left free at the most behind a slash."""
    value, _, headroom = mark.partition("/")
    if value.endswith("%"):
        least = total * (1 - float(value[:-1]) / 100)
    elif re.fullmatch(r"[01](\.\d+)?", value):
        least = total * (1 - float(value))
    else:
        return free < _bytes(value)
    return free < (min(least, _bytes(headroom)) if headroom else least)


def _bytes(text: str) -> float:
    found = re.fullmatch(r"([\d.]+)\s*([kmgtp]?)b?", text.lower())
    return float(found[1]) * 1024 ** " kmgtp".index(found[2] or " ") if found else 0.0
