"""redis_info: the state of the server, digested."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.protocol.tools import Call, Room, tool
from servers.redis.format.replies import info, number, parts
from servers.redis.policy.key_scope import ScopedRedis


class Memory(TypedDict):
    used_bytes: int
    peak_bytes: int
    max_bytes: Annotated[int, Field(description="0: no limit")]
    policy: str
    fragmentation: float


class Database(TypedDict):
    db: int
    keys: int
    expiring: int
    average_ttl_ms: int


class Node(TypedDict):
    address: str
    keys: NotRequired[int]
    used_bytes: int
    clients: int
    replicas: list[str]


class Info(TypedDict):
    version: str
    mode: str
    role: str
    servers: Annotated[NotRequired[int], Field(description="masters of the cluster; the numbers are sums over them")]
    uptime_seconds: int
    clients: int
    blocked_clients: int
    commands_per_second: int
    hit_ratio: NotRequired[float]
    evicted_keys: int
    memory: Memory
    persistence: str
    replicas: int
    databases: Annotated[NotRequired[list[Database]], Field(description="absent where prefixes limit this server")]
    nodes: NotRequired[list[Node]]
    findings: Annotated[list[str], Field(description="what looks wrong, and why")]


@tool(title="State of Redis")
async def redis_info(call: Call[ScopedRedis]) -> Info:
    """Report version, memory, clients, persistence, replication and key counts, and what looks wrong. Begin here."""
    by_address = {address: info(reply) for address, reply in (await call.backend.by_address("INFO")).items()}
    summary = _summary(by_address)
    if call.backend.clustered:
        rows = (_node(address, fields) for address, fields in by_address.items())
        summary["nodes"] = Room(call.max_bytes // 2).kept(rows, "nodes")
    if call.backend.scope:
        del summary["databases"]
        for node in summary.get("nodes", ()):
            del node["keys"]
    return summary


def _node(address: str, fields: Mapping[str, str]) -> Node:
    """Return a master of a cluster, from its fields of INFO."""
    replicas = (parts(value) for name, value in fields.items() if re.fullmatch(r"slave\d+", name))
    return {
        "address": address,
        "keys": sum(database["keys"] for database in _databases([fields])),
        "used_bytes": number(fields, "used_memory"),
        "clients": number(fields, "connected_clients"),
        "replicas": [f"{of.get('ip')}:{of.get('port')} {of.get('state')}" for of in replicas],
    }


def _summary(by_address: Mapping[str, Mapping[str, str]]) -> Info:
    """Return the state of a Redis, from the fields of INFO of each of its masters."""
    servers = list(by_address.values())
    first = servers[0]

    def total(name: str) -> int:
        return sum(number(fields, name) for fields in servers)

    hits, misses = total("keyspace_hits"), total("keyspace_misses")
    name, version = "redis", first.get("redis_version", "?")
    if "valkey_version" in first:
        name, version = "valkey", first["valkey_version"]
    digested: Info = {
        "version": f"{first.get('server_name', name)} {version}",
        "mode": first.get("redis_mode", first.get("server_mode", "standalone")),
        "role": first.get("role", "master"),
        "uptime_seconds": min(number(fields, "uptime_in_seconds") for fields in servers),
        "clients": total("connected_clients"),
        "blocked_clients": total("blocked_clients"),
        "commands_per_second": total("instantaneous_ops_per_sec"),
        "evicted_keys": total("evicted_keys"),
        "memory": {
            "used_bytes": total("used_memory"),
            "peak_bytes": total("used_memory_peak"),
            "max_bytes": total("maxmemory"),
            "policy": first.get("maxmemory_policy", "?"),
            "fragmentation": max(_real(fields, "mem_fragmentation_ratio") for fields in servers),
        },
        "persistence": _persistence(first),
        "replicas": total("connected_slaves"),
        "databases": _databases(servers),
        "findings": info_findings(first),
    }
    if hits + misses:
        digested["hit_ratio"] = round(hits / (hits + misses), 4)
    if len(servers) > 1:
        digested["servers"] = len(servers)
        digested["findings"] = [
            f"{address}: {finding}" for address, fields in by_address.items() for finding in info_findings(fields)
        ]
    return digested


def _databases(servers: Sequence[Mapping[str, str]]) -> list[Database]:
    found: dict[int, Database] = {}
    for fields in servers:
        for name, value in fields.items():
            if name.startswith("db") and name[2:].isdigit():
                of = parts(value)
                row = found.setdefault(int(name[2:]), {"db": int(name[2:]), "keys": 0, "expiring": 0, "average_ttl_ms": 0})
                row["keys"] += number(of, "keys")
                row["expiring"] += number(of, "expires")
                row["average_ttl_ms"] = max(row["average_ttl_ms"], number(of, "avg_ttl"))
    return [found[database] for database in sorted(found)]


def info_findings(fields: Mapping[str, str]) -> list[str]:
    """List what looks wrong in the fields of INFO, a sentence each."""
    found = []
    used, limit = number(fields, "used_memory"), number(fields, "maxmemory")
    policy = fields.get("maxmemory_policy")
    if limit and used > 0.9 * limit:
        then = "writes are refused" if policy == "noeviction" else f"keys are evicted ({policy})"
        found.append(f"memory is {used / limit:.0%} of maxmemory: {'' if used >= limit else 'when it is full, '}{then}")
    if not limit and number(fields, "total_system_memory") and used > 0.75 * number(fields, "total_system_memory"):
        found.append("memory has no limit (maxmemory 0) and is over 75% of the machine's: the system may kill Redis")
    if number(fields, "evicted_keys"):
        found.append(f"{fields['evicted_keys']} keys were evicted since the start: memory is too small for the data")
    if _real(fields, "mem_fragmentation_ratio") > 1.5 and used > 100_000_000:
        found.append(f"fragmentation is {fields['mem_fragmentation_ratio']}: much of the process's memory holds no data")
    if fields.get("rdb_last_bgsave_status") == "err":
        found.append("the last snapshot failed (rdb_last_bgsave_status err): by default Redis then refuses writes")
    if fields.get("aof_enabled") == "1" and fields.get("aof_last_write_status") == "err":
        found.append("the last write of the append-only file failed: the disk may be full")
    if fields.get("role") == "slave" and fields.get("master_link_status") == "down":
        found.append("this replica has lost its master: what it serves may be old")
    if number(fields, "rejected_connections"):
        found.append(f"{fields['rejected_connections']} connections were refused since the start: maxclients is reached at times")
    if number(fields, "blocked_clients") > 100:
        found.append(f"{fields['blocked_clients']} clients wait in blocking commands")
    if fields.get("loading") == "1":
        found.append("Redis is loading its data")
    return found


def _persistence(fields: Mapping[str, str]) -> str:
    aof = "append-only file" if fields.get("aof_enabled") == "1" else ""
    changes = number(fields, "rdb_changes_since_last_save")
    age = number(fields, "server_time_usec") // 1_000_000 - number(fields, "rdb_last_save_time")
    rdb = f"last snapshot {age} s ago, {changes} changes since" if 0 <= age < 10**9 else ""
    return "; ".join(filter(None, (aof, rdb))) or "none known"


def _real(fields: Mapping[str, str], name: str) -> float:
    try:
        return float(fields.get(name, 0))
    except ValueError:
        return 0.0
