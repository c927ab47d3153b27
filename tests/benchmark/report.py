"""Results as Markdown tables."""

from collections.abc import Iterator, Sequence
from typing import Any

from tools.backends.sidecar import NEW

Row = dict[str, Any]

START_CPU = {"redis": 0.70, "elasticsearch": 0.85}
"""CPU to ready, of the bare server's, at most."""

WORKING_SET = {"redis": 46, "elasticsearch": 56}
"""MiB of the idle server's control group, at most."""

SMALL_READS = 3.0
"""Calls a second of small reads with NEW, of the peer's, at least. For other work more than the peer's is enough."""

OVER_STORE_MS = 2.0
"""Milliseconds that the p50 of one client's small read takes longer than asking the store directly, at most."""


START_COLUMNS = {
    "server": "server", "limits": "limits", "turns": "turns", "cpu_s": "CPU to ready, s", "cpu_of_bare": "of the bare server's",
    "ready_s": "ready, s", "rss_mib": "RSS, MiB", "working_mib": "working set, MiB",
}  # fmt: skip
MEMORY_COLUMNS = {"server": "server", "calls": "after calls", "rss_mib": "RSS, MiB", "working_mib": "working set, MiB"}
CALL_COLUMNS = {
    "server": "server", "protocol": "protocol", "work": "work", "clients": "clients", "per_s": "calls/s", "p50_ms": "p50, ms",
    "p99_ms": "p99, ms", "cpu_ms": "CPU a call, ms", "answer_bytes": "bytes of an answer", "of_peer": "of the peer's",
    "of_bare": "of the bare server's", "over_store_ms": "ms over the store",
}  # fmt: skip
"""Headings of the tables, by what is measured."""


def table(rows: Sequence[Row], columns: dict[str, str]) -> list[str]:
    """Return a Markdown table with a heading for each key in `columns`."""
    numbers = {key for key in columns if all(isinstance(row.get(key), (int, float, type(None))) for row in rows)}
    lines = [
        "| " + " | ".join(columns.values()) + " |",
        "|" + "|".join("---:" if k in numbers else "---" for k in columns) + "|",
    ]
    for row in rows:
        cells = ("" if row.get(key) is None else f"{row[key]:,}" if key in numbers else str(row[key]) for key in columns)
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def targets(results: dict[str, Any]) -> Iterator[Row]:
    """Return a row for each target that there are results of: what is aimed at, what was measured, and whether it is met."""

    def row(what: str, aim: str, measured: float, met: bool) -> Row:
        return {"what": f"{store}: {what}", "aim": aim, "measured": str(measured), "met": "met" if met else "missed"}

    def most(what: str, limit: float, measured: float) -> Row:
        return row(what, f"at most {limit}", measured, measured <= limit)

    for store in START_CPU:
        for start in results.get("starts", []):
            if (start["store"], start["kind"], start["limits"]) == (store, "ours", "none"):
                yield most("CPU to start, of the bare server's", START_CPU[store], start["cpu_of_bare"])
                if start["working_mib"] is not None:
                    yield most("idle working set, MiB", WORKING_SET[store], start["working_mib"])
        if ours := [c for c in results.get("calls", []) if (c["store"], c["kind"]) == (store, "ours")]:
            least = min(c["of_peer"] for c in ours)
            yield row("calls a second, of the peer's, the least of all rows", "more than 1", least, least > 1)
            small = [c for c in ours if c["work"] == "small read"]
            least = min(c["of_peer"] for c in small if c["protocol"] == NEW)
            yield row(f"the same for small reads with {NEW}", f"at least {SMALL_READS}", least, least >= SMALL_READS)
            over = max(c["over_store_ms"] for c in small if c["clients"] == 1)
            yield most("p50 of a small read, ms over asking the store", OVER_STORE_MS, over)


def sections(results: dict[str, Any]) -> Iterator[str]:
    """Return the report, a line each."""
    machine = results["machine"]
    yield "# Measured\n"
    yield "Made by `./bazelw run //tests/benchmark`; what the numbers mean is in [README.md](README.md). Do not edit.\n"
    yield (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB; Linux {machine['kernel']}; "
        f"{', '.join(f'{name} {version}' for name, version in machine['versions'].items())}; {machine['date']}"
        f"; a {machine['run']} run. Processes that wanted a core at the end, on average of a minute: "
        f"{machine['load']}. Limits and memory of control groups: "
        f"{'measured' if machine['cgroups'] else 'skipped, since none can be made here'}."
    )
    yield "\n## Targets\n"
    yield from table(list(targets(results)), {"what": "target", "aim": "aim", "measured": "measured", "met": ""})
    if rows := results.get("starts"):
        yield "\n## Start\n\nMedians of turns; the ratio is the median of each turn's. Memory two seconds after ready.\n"
        yield from table(rows, START_COLUMNS)
    if rows := results.get("memory"):
        yield "\n## Memory\n\nSmall reads by 8 clients.\n"
        yield from table(rows, MEMORY_COLUMNS)
    if rows := results.get("calls"):
        yield "\n## Calls\n"
        yield "Clients with one call under way each. Ratios of calls a second are medians of each round's, against the same"
        yield "protocol, and against the peer in the newest one that it speaks. The last column is p50 less the store's p50.\n"
        yield from table(rows, CALL_COLUMNS)
