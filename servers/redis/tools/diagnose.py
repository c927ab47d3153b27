"""redis_diagnose: slow commands, latency, clients, memory and rights, digested."""

import re
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.globs import matcher
from servers.common.protocol.tools import Call, Room, ToolError, tool
from servers.redis.format.replies import as_json, info, number, pairs, parts, said
from servers.redis.policy.command_keys import CONTAINERS, keys_in
from servers.redis.policy.key_scope import ScopedRedis

Topic = Literal["slowlog", "latency", "clients", "memory", "acl", "config", "commands"]


class Diagnosis(TypedDict):
    advice: Annotated[NotRequired[str], Field(description="from Redis itself")]
    summary: NotRequired[dict[str, Any]]
    rows: NotRequired[list[dict[str, Any]]]
    left_out: Annotated[NotRequired[int], Field(description="further rows")]


@tool(title="Diagnose")
async def redis_diagnose(
    call: Call[ScopedRedis],
    *,
    topic: Topic,
    limit: Annotated[int, Field(ge=1, le=500)] = 20,
    settings: Annotated[list[str] | None, Field(max_length=20, description="of config: names or globs")] = None,
) -> Diagnosis:
    """Find out why Redis is slow or full: slowlog (slowest first), latency events, clients, memory by use, acl (what this user may do), config (settings), commands (time per command)."""  # noqa: E501
    if settings and topic != "config":
        raise ToolError(f"settings are for topic config, and the topic is {topic}")
    diagnosis = await (_settings(call, settings or ["*"]) if topic == "config" else _TOPICS[topic](call))
    room = Room(call.max_bytes)
    rows = diagnosis.pop("rows", None)
    diagnosis = room.fit(diagnosis) or diagnosis
    if rows is not None:
        diagnosis["rows"] = room.kept(rows[:limit])
        if left_out := len(rows) - len(diagnosis["rows"]):
            diagnosis["left_out"] = left_out
    return diagnosis


async def _slowlog(call: Call[ScopedRedis]) -> Diagnosis:
    entries = [entry for server in await call.backend.each("SLOWLOG", "GET", 1000) for entry in server]
    await _name(call, [entry[3] for entry in entries])
    if call.backend.scope:
        # The commands of others, and who they are, are nothing for a server that may see a part of Redis.
        scope = call.backend.scope
        entries = [[*entry[:4], b"", b""] for entry in entries if any(map(scope.has, _keys(entry[3])[:1]))]
    threshold = await _config(call, "slowlog-log-slower-than")
    rows = [
        {
            "command": _command(entry[3]),
            "key": next((said(k)[:100] for k in _keys(entry[3])[:1] if not call.backend.mask.hides(k)), ""),
            "microseconds": entry[2],
            "at": entry[1],
            "client": said(entry[5] or entry[4])[:100],
        }
        for entry in sorted(entries, key=lambda e: -e[2])
    ]
    by_command = Counter(row["command"] for row in rows)
    return {
        "summary": {
            "logged": len(entries),
            "threshold_microseconds": threshold,
            "commands": dict(by_command.most_common(10)),
        },
        "rows": rows,
    }


async def _name(call: Call[ScopedRedis], commands: list[list[bytes]]) -> None:
    """Give commands their own names again: one that the configuration renames may be a secret. Where this user may not ask for
    names, they stay."""
    known: dict[bytes, bytes] = {}
    if typed := list({words[0].lower() for words in commands}):
        with suppress(ToolError):
            infos = await call.backend.read("COMMAND", "INFO", *typed)
            known = {word: info[0] for word, info in zip(typed, infos, strict=True) if info}
    for words in commands:
        words[0] = known.get(words[0].lower(), words[0])


def _command(words: list[Any]) -> str:
    return said(words[0]).upper()[:50]


def _keys(words: list[bytes]) -> list[bytes]:
    """Return the keys of a command of the slow log; none if they are not known. Other arguments are values."""
    name = _command(words).lower()
    if name in CONTAINERS:
        name += f"|{said(words[1]).lower()}"
    try:
        return keys_in(name, words) or []
    except ToolError:
        return []


async def _latency(call: Call[ScopedRedis]) -> Diagnosis:
    rows = [
        {"event": said(event), "at": at, "latest_ms": latest, "worst_ms": worst}
        for server in await call.backend.each("LATENCY", "LATEST")
        for event, at, latest, worst, *_ in server
    ]
    return {
        "advice": _joined(await call.backend.each("LATENCY", "DOCTOR")),
        "summary": {"threshold_ms": await _config(call, "latency-monitor-threshold")},
        "rows": sorted(rows, key=lambda row: -row["worst_ms"]),
    }


async def _clients(call: Call[ScopedRedis]) -> Diagnosis:
    texts = [said(server) for server in await call.backend.each("CLIENT", "LIST")]
    clients = [_client(line) for text in texts for line in text.splitlines()]
    if call.backend.scope:
        # Who else uses Redis is nothing for a server that may see a part of it: these are its own connections.
        own = _origin(_client(said(await call.backend.read("CLIENT", "INFO"))))
        clients = [client for client in clients if _origin(client) == own]
    rows = [
        {
            "address": client.get("addr", ""),
            "name": client.get("name", "")[:100],
            "user": client.get("user", ""),
            "last_command": client.get("cmd", ""),
            "age_s": int(client.get("age", 0)),
            "idle_s": int(client.get("idle", 0)),
            "memory_bytes": int(client.get("tot-mem") or client.get("omem") or 0),
            "flags": client.get("flags", ""),
        }
        for client in clients
    ]
    return {
        "summary": {
            "clients": len(rows),
            "by_name": dict(Counter(row["name"] or "-" for row in rows).most_common(10)),
            "by_command": dict(Counter(row["last_command"] for row in rows).most_common(10)),
            "max": await _config(call, "maxclients"),
        },
        "rows": sorted(rows, key=lambda row: -row["memory_bytes"]),
    }


def _client(line: str) -> dict[str, str]:
    """Return the fields of a line of CLIENT LIST."""
    return dict(part.partition("=")[::2] for part in line.strip().split(" "))


def _origin(client: dict[str, str]) -> tuple[str, str, str]:
    """Return the host, name and user that all connections of one server have."""
    return client.get("addr", "").rpartition(":")[0], client.get("name", ""), client.get("user", "")


async def _memory(call: Call[ScopedRedis]) -> Diagnosis:
    hidden = {"keys.count"} if call.backend.scope else ()
    servers = [
        {
            name.replace(".", "_"): as_json(value)
            for name, value in pairs(stats).items()
            if not isinstance(value, list) and name not in hidden
        }
        for stats in await call.backend.each("MEMORY", "STATS")
    ]
    summary = servers[0] if len(servers) == 1 else {f"server_{index}": kept for index, kept in enumerate(servers)}
    return {"advice": _joined(await call.backend.each("MEMORY", "DOCTOR")), "summary": summary}


def _joined(replies: list[Any]) -> str:
    """Join the servers' replies, each reply once."""
    return "\n".join(dict.fromkeys(said(reply).strip() for reply in replies))


async def _acl(call: Call[ScopedRedis]) -> Diagnosis:
    user = said(await call.backend.read("ACL", "WHOAMI"))
    summary: dict[str, Any] = {"user": user}
    try:
        rights = pairs(await call.backend.read("ACL", "GETUSER", user))
        summary |= {name: as_json(rights[name]) for name in ("flags", "commands", "keys", "channels") if name in rights}
    except ToolError:
        summary["rights"] = "this user may not read its own rights"
    return {"summary": summary}


async def _config(call: Call[ScopedRedis], name: str) -> Any:
    """Return a setting of the server's; None where this user may not ask."""
    try:
        found = await call.backend.read("CONFIG", "GET", name)
    except ToolError:
        return None
    return int(found[1]) if found and found[1].lstrip(b"-").isdigit() else None


SECRET_SETTINGS = re.compile("pass|secret|auth|key|user|token")
"""Names of settings that may hold secrets."""


async def _settings(call: Call[ScopedRedis], patterns: list[str]) -> Diagnosis:
    """CONFIG GET; what may be a secret is masked. A setting that differs between the servers of a cluster has a value for each.
    Raise ToolError for a pattern that no setting matches."""
    matcher(patterns)  # all together have to be short
    matches = {pattern: matcher([pattern]) for pattern in patterns}
    servers = [pairs(reply) for reply in await call.backend.each("CONFIG", "GET", "*")]
    found = {name: [server.get(name, b"") for server in servers] for server in servers for name in server}
    chosen = {pattern: set(filter(match, found)) for pattern, match in matches.items()}
    if missing := [pattern[:100] for pattern, names in chosen.items() if not names]:
        raise ToolError(f"this Redis has no setting {', '.join(map(repr, missing))}: topic config without settings has all")
    return {
        "rows": [
            {"name": name} | _value(["(masked)" if v and SECRET_SETTINGS.search(name) else said(v)[:200] for v in values])
            for name, values in sorted(found.items())
            if any(name in names for names in chosen.values())
        ]
    }


def _value(values: list[str]) -> dict[str, Any]:
    return {"value": values[0]} if len(set(values)) == 1 else {"values": values}


async def _commands(call: Call[ScopedRedis]) -> Diagnosis:
    """INFO commandstats, summed over the servers, those that took most time first."""
    totals: dict[str, Counter[str]] = {}
    for reply in await call.backend.each("INFO", "commandstats"):
        for name, text in info(reply).items():
            fields = parts(text)
            totals.setdefault(name.removeprefix("cmdstat_").upper(), Counter()).update(
                {field: number(fields, field) for field in ("calls", "usec", "failed_calls", "rejected_calls")}
            )
    rows: list[dict[str, Any]] = [
        {
            "command": name,
            "calls": total["calls"],
            "microseconds": total["usec"],
            "per_call": round(total["usec"] / max(total["calls"], 1), 2),
            "failed": total["failed_calls"] + total["rejected_calls"],
        }
        for name, total in totals.items()
    ]
    return {"rows": sorted(rows, key=lambda row: -row["microseconds"])}


_TOPICS: dict[str, Callable[[Call[ScopedRedis]], Awaitable[Diagnosis]]] = {
    "slowlog": _slowlog,
    "latency": _latency,
    "clients": _clients,
    "memory": _memory,
    "acl": _acl,
    "commands": _commands,
}
