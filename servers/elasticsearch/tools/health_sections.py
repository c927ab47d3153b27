"""What es_health tells of when it is asked for: tasks, hot threads, lifecycle management, snapshots; a line each."""

import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Literal

from servers.common.protocol.tools import Call, ToolError
from servers.elasticsearch.client.backend import path
from servers.elasticsearch.policy.index_names import within
from servers.elasticsearch.policy.index_scope import ScopedElasticsearch

MOST = 20
"""Lines of a section, or names in a list."""

About = Literal["tasks", "pending_tasks", "hot_threads", "ilm", "snapshots", "pipelines"]

Lines = AsyncIterator[str]

HIDDEN = frozenset({"hot_threads", "pipelines"})
"""Sections that would show indices outside MCP_INDEX_PATTERNS."""


def few(names: Sequence[str]) -> list[str]:
    """Return the first names or lines, and how many more there are."""
    return [*names[:MOST], *([f"and {len(names) - MOST} more"] if len(names) > MOST else [])]


async def optional(call: Call[ScopedElasticsearch], path: str, **params: str) -> Mapping[str, Any]:
    """Read what a user may be forbidden, and a server may lack (_health_report is of 8.7, ILM and SLM of x-pack)."""
    try:
        answer = await call.backend.read("GET", path, params=params)
    except ToolError:
        return {}
    return answer if isinstance(answer, dict) else {}


async def _tasks(call: Call[ScopedElasticsearch]) -> Lines:
    answer = await call.backend.read("GET", "/_tasks", params={"detailed": "true", "group_by": "parents"})
    tasks = sorted(answer["tasks"].values(), key=lambda task: -task["running_time_in_nanos"])
    for task in [t for t in tasks if not t["action"].startswith("cluster:monitor/") and t["type"] != "persistent"]:
        # What it is doing may name any index.
        what = "" if call.backend.scope else " ".join(str(task.get("description", "")).split())[:300]
        state = ", is being cancelled" if task.get("cancelled") else "" if task["cancellable"] else ", can't be cancelled"
        words = f"{task['running_time_in_nanos'] / 1e9:.1f} s: {task['action']}, {task['node']}:{task['id']}{state}"
        status = task.get("status")
        if isinstance(status, dict) and isinstance(total := status.get("total"), int):  # of reindex and the like
            done = sum(status.get(key, 0) for key in ("created", "updated", "deleted", "version_conflicts"))
            words += f", {done} of {total} documents"
        yield f"{words}: {what}" if what else words


async def _pending(call: Call[ScopedElasticsearch]) -> Lines:
    for task in (await call.backend.read("GET", "/_cluster/pending_tasks"))["tasks"]:
        what = "a change" if call.backend.scope else str(task["source"])[:300]
        doing = "is under way" if task.get("executing") else "waits"
        yield f"{what} {doing} for {task['time_in_queue_millis'] / 1000:.1f} s ({task['priority']})"


async def _hot_threads(call: Call[ScopedElasticsearch]) -> Lines:
    text = await call.backend.read("GET", "/_nodes/hot_threads", params={"threads": "3"})
    for line in hot_threads(text if isinstance(text, str) else ""):
        yield line


def hot_threads(text: str) -> list[str]:
    """Return a line per thread: node, share of CPU, kind of thread, and its place, innermost call of Elasticsearch first
    (https://www.elastic.co/guide/en/elasticsearch/reference/8.11/cluster-nodes-hot-threads.html).
    """
    found: list[str] = []
    node, calls = "?", 0
    for line in text.splitlines():
        if name := re.match(r"::: \{([^}]*)\}", line):
            node = name[1]
        elif thread := re.match(r"\s+([\d.]+)% .*(?:cpu|wait|block|mem).* usage by thread '([^']*)'", line):
            found.append(f"{node}: {float(thread[1]):.0f}% {re.sub(r'^(elastic|open)search', '', thread[2])}")
            calls = 0
        elif found and calls < 3 and (place := re.match(r"\s+(?:\S+/)?(org\.(?:\w+search|apache\.lucene)\.\S+)\(", line)):
            found[-1] += f"{' in' if not calls else ' <-'} {'.'.join(place[1].split('.')[-2:])}"
            calls += 1
    return found


async def _ilm(call: Call[ScopedElasticsearch]) -> Lines:
    if mode := (await optional(call, "/_ilm/status")).get("operation_mode"):
        yield f"lifecycle management is {mode}"
    else:
        yield "this cluster has no lifecycle management, or this user may not see it"
        return
    where = path(await within(call.backend, "*", "all"), "_ilm", "explain")
    answer = await call.backend.read("GET", where, params={"only_errors": "true", "only_managed": "true"})
    for name, index in answer.get("indices", {}).items():
        reason = index.get("step_info", {}).get("reason") or index.get("step_info")
        yield (
            f"{name}: policy {index.get('policy')}, phase {index.get('phase')}, action {index.get('action')}: "
            f"{index.get('failed_step', index.get('step'))} failed, {str(reason)[:300]}"
        )


async def _snapshots(call: Call[ScopedElasticsearch]) -> Lines:
    repositories = list(await call.backend.read("GET", "/_snapshot"))
    if not repositories:
        yield "there is no snapshot repository, so there are no snapshots"
    params = {"size": "5", "sort": "start_time", "order": "desc", "index_names": "false", "ignore_unavailable": "true"}
    for repository in repositories[:5]:
        try:
            answer = await call.backend.read("GET", path("_snapshot", repository, "_all"), params=params)
        except ToolError as error:  # it can't be reached, or may not be read
            yield f"{repository}: {error}"
            continue
        for snapshot in answer.get("snapshots", ()):
            shards = snapshot.get("shards", {})
            yield (
                f"{repository}: {snapshot['snapshot']} {snapshot.get('state')}, {str(snapshot.get('start_time'))[:19]}, "
                f"{shards.get('successful', '?')} of {shards.get('total', '?')} shards"
            )
    if len(repositories) > 5:
        yield f"and {len(repositories) - 5} more repositories"
    for name, policy in (await optional(call, "/_slm/policy")).items():
        success, failed = policy.get("last_success", {}), policy.get("last_failure", {})
        words = f"policy {name}: last success {success.get('time_string') or success.get('time') or 'never'}"
        if failed.get("time", 0) > success.get("time", 0):
            words += f"; failed since, {'' if call.backend.scope else ' '.join(str(failed.get('details')).split())[:300]}"
        yield words.rstrip(", ")


async def _pipelines(call: Call[ScopedElasticsearch]) -> Lines:
    definitions = await call.backend.find("/_ingest/pipeline") or {}
    params = {"filter_path": "nodes.*.ingest.pipelines"}
    stats = await call.backend.read("GET", "/_nodes/stats/ingest", params=params)
    for line in pipelines(definitions, stats):
        yield line


def pipelines(definitions: Mapping[str, Any], stats: Mapping[str, Any]) -> list[str]:
    """Return a line per ingest pipeline: its processors, documents and failures; those that fail most first."""
    count: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    failing: dict[str, Counter[str]] = {}
    for node in stats.get("nodes", {}).values():
        for name, pipeline in node.get("ingest", {}).get("pipelines", {}).items():
            count[name] += pipeline.get("count", 0)
            failed[name] += pipeline.get("failed", 0)
            for processor in pipeline.get("processors", ()):
                for label, said in processor.items():
                    if number := said.get("stats", {}).get("failed", 0):
                        failing.setdefault(name, Counter())[label] += number
    lines = []
    for name, definition in sorted(definitions.items(), key=lambda item: (-failed[item[0]], -count[item[0]], item[0])):
        kinds = " > ".join(kind for processor in definition.get("processors", ()) for kind in processor)
        words = f"{name}: {kinds[:200] or 'no processor'}; {count[name]} documents, {failed[name]} failed"
        if name in failing:
            words += f" ({', '.join(f'{label} {number}' for label, number in failing[name].most_common(5))})"
        lines.append(words)
    return lines


SECTIONS: Mapping[About, Callable[[Call[ScopedElasticsearch]], Lines]] = {
    "tasks": _tasks,
    "pending_tasks": _pending,
    "hot_threads": _hot_threads,
    "ilm": _ilm,
    "snapshots": _snapshots,
    "pipelines": _pipelines,
}
