"""redis_info: the state of the server, digested."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.tools import Call, tool
from servers.redis.backend import RedisBackend


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


class Info(TypedDict):
    version: str
    mode: str
    role: str
    uptime_seconds: int
    clients: int
    blocked_clients: int
    commands_per_second: int
    hit_ratio: NotRequired[float]
    evicted_keys: int
    memory: Memory
    persistence: str
    replicas: int
    databases: list[Database]
    findings: Annotated[list[str], Field(description="what looks wrong, and why")]


@tool(title="State of Redis")
async def redis_info(call: Call[RedisBackend]) -> Info:
    """Version, memory, clients, persistence, replication and number of keys of this Redis, and what looks wrong. Begin here."""
    info = await call.backend.read("INFO")
    hits, misses = _int(info, "keyspace_hits"), _int(info, "keyspace_misses")
    digest: Info = {
        "version": f"{info.get('server_name', 'redis')} {info.get('redis_version', '?')}",
        "mode": str(info.get("redis_mode", "standalone")),
        "role": str(info.get("role", "master")),
        "uptime_seconds": _int(info, "uptime_in_seconds"),
        "clients": _int(info, "connected_clients"),
        "blocked_clients": _int(info, "blocked_clients"),
        "commands_per_second": _int(info, "instantaneous_ops_per_sec"),
        "evicted_keys": _int(info, "evicted_keys"),
        "memory": {
            "used_bytes": _int(info, "used_memory"),
            "peak_bytes": _int(info, "used_memory_peak"),
            "max_bytes": _int(info, "maxmemory"),
            "policy": str(info.get("maxmemory_policy", "?")),
            "fragmentation": float(info.get("mem_fragmentation_ratio", 0)),
        },
        "persistence": _persistence(info),
        "replicas": _int(info, "connected_slaves"),
        "databases": [
            {
                "db": int(name[2:]),
                "keys": _int(v, "keys"),
                "expiring": _int(v, "expires"),
                "average_ttl_ms": _int(v, "avg_ttl"),
            }
            for name, v in info.items()
            if name.startswith("db") and name[2:].isdigit() and isinstance(v, dict)
        ],
        "findings": findings(info),
    }
    if hits + misses:
        digest["hit_ratio"] = round(hits / (hits + misses), 4)
    return digest


def findings(info: dict[str, Any]) -> list[str]:
    """What looks wrong in the fields of INFO, a sentence each."""
    found = []
    used, limit = _int(info, "used_memory"), _int(info, "maxmemory")
    policy = info.get("maxmemory_policy")
    if limit and used > 0.9 * limit:
        then = "writes will be refused" if policy == "noeviction" else f"keys will be evicted ({policy})"
        found.append(f"memory is {used / limit:.0%} of maxmemory: when it is full, {then}")
    if not limit and _int(info, "total_system_memory") and used > 0.75 * _int(info, "total_system_memory"):
        found.append("memory has no limit (maxmemory 0) and is over 75% of the machine's: the system may kill Redis")
    if _int(info, "evicted_keys"):
        found.append(f"{info['evicted_keys']} keys were evicted since the start: memory is too small for the data")
    if float(info.get("mem_fragmentation_ratio", 1)) > 1.5 and used > 100_000_000:
        found.append(f"fragmentation is {info['mem_fragmentation_ratio']}: much of the process's memory holds no data")
    if info.get("rdb_last_bgsave_status") == "err":
        found.append("the last snapshot failed (rdb_last_bgsave_status err): by default Redis then refuses writes")
    if info.get("aof_enabled") == 1 and info.get("aof_last_write_status") == "err":
        found.append("the last write of the append-only file failed: the disk may be full")
    if info.get("role") == "slave" and info.get("master_link_status") == "down":
        found.append("this replica has lost its master: what it serves may be old")
    if _int(info, "rejected_connections"):
        found.append(
            f"{info['rejected_connections']} connections were refused since the start: maxclients is reached at times"
        )
    if _int(info, "blocked_clients") > 100:
        found.append(f"{info['blocked_clients']} clients wait in blocking commands")
    if info.get("loading") == 1:
        found.append("Redis is loading its data")
    return found


def _persistence(info: dict[str, Any]) -> str:
    aof = "append-only file" if info.get("aof_enabled") == 1 else ""
    changes = _int(info, "rdb_changes_since_last_save")
    age = _int(info, "server_time_usec") // 1_000_000 - _int(info, "rdb_last_save_time")
    rdb = f"last snapshot {age} s ago, {changes} changes since" if 0 <= age < 10**9 else ""
    return "; ".join(filter(None, (aof, rdb))) or "none known"


def _int(fields: dict[str, Any], name: str) -> int:
    try:
        return int(fields.get(name, 0))
    except (TypeError, ValueError):
        return 0
