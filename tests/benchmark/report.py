"""Results as Markdown tables and as charts."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tools.backends.runfiles import program

Row = dict[str, Any]

MIB = 1024 * 1024


def table(rows: Sequence[Row], columns: dict[str, str]) -> list[str]:
    """A Markdown table.

    Args:
        rows: what is in it
        columns: key in a row to heading
    """
    numbers = {key for key in columns if all(isinstance(row.get(key), (int, float, type(None))) for row in rows)}
    lines = [
        "| " + " | ".join(columns.values()) + " |",
        "|" + "|".join("---:" if k in numbers else "---" for k in columns) + "|",
    ]
    for row in rows:
        cells = (
            "" if row.get(key) is None else f"{row[key]:,}" if key in numbers else str(row[key]) for key in columns
        )
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def sections(results: dict[str, Any]) -> Iterator[str]:
    """The report, a line each."""
    machine = results["machine"]
    yield "# Measured\n"
    yield "Made by `./bazelw run //tests/benchmark`; what the numbers mean is in [README.md](README.md). Do not edit.\n"
    yield (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB; Linux {machine['kernel']}; "
        f"{', '.join(f'{name} {version}' for name, version in machine['versions'].items())}; {machine['date']}"
        f"; a {machine['run']} run. Processes that wanted a core at the end, on average of a minute: "
        f"{machine['load']}. Limits and memory of control groups: "
        f"{'measured' if machine['cgroups'] else 'skipped, for none can be made here'}."
    )
    if rows := results.get("starts"):
        yield "\n## Start\n\nMedians of runs taken in turn; memory two seconds after ready.\n"
        yield from table(
            rows,
            {
                "server": "server",
                "limits": "limits",
                "runs": "runs",
                "cpu_s": "CPU to ready, s",
                "ready_s": "ready, s",
                "rss_mib": "RSS, MiB",
                "cgroup_mib": "working set, MiB",
            },
        )
    if rows := results.get("memory"):
        yield "\n## Memory\n\nSmall reads by 8 clients.\n"
        yield from table(
            rows, {"server": "server", "calls": "after calls", "rss_mib": "RSS, MiB", "cgroup_mib": "working set, MiB"}
        )
    if rows := results.get("calls"):
        yield "\n## Calls\n\nClients with one call under way each, servers in turn in each cell.\n"
        yield from table(
            rows,
            {
                "server": "server",
                "work": "work",
                "clients": "clients",
                "per_s": "calls/s",
                "p50_ms": "p50, ms",
                "p99_ms": "p99, ms",
                "p999_ms": "p99.9, ms",
                "cpu_ms": "CPU a call, ms",
                "answer_bytes": "bytes of an answer",
            },
        )
        yield "\nOurs against the peer, and the store asked by the same clients past any server, which no server can exceed:\n"
        yield from table(
            list(ratios(rows, results.get("bare", []))),
            {
                "work": "work",
                "clients": "clients",
                "ratio": "calls/s, times",
                "most": "the store's own calls/s, times",
                "cpu": "CPU a call, times",
            },
        )
    if rows := results.get("bare"):
        yield "\n## The store asked directly\n\nThe same work past any server; `ours` is the p50 of one client through ours.\n"
        yield from table(
            list(direct(rows, results.get("calls", []))),
            {
                "store": "store",
                "work": "work",
                "clients": "clients",
                "per_s": "calls/s",
                "p50_ms": "p50, ms",
                "p99_ms": "p99, ms",
                "p999_ms": "p99.9, ms",
                "ours_ms": "ours, ms",
                "aim_ms": "twice and 1 ms",
            },
        )
    if rows := results.get("listing"):
        yield "\n## tools/list\n"
        yield from table(rows, {"server": "server", "tools": "tools", "bytes": "bytes"})
    if rows := results.get("scan"):
        yield "\n## Scan of all keys\n"
        yield from table(
            rows,
            {
                "server": "server",
                "keys": "keys",
                "seen": "names given",
                "calls": "calls",
                "seconds": "seconds",
                "cpu_s": "CPU, s",
                "rss_mib": "RSS after, MiB",
                "failure": "failure",
            },
        )
    if rows := results.get("cost"):
        yield "\n## Cost as work grows\n\nmcp/redis; one client for sizes, 8 for keys.\n"
        yield from table(
            rows,
            {
                "what": "what grows",
                "amount": "to",
                "per_s": "calls/s",
                "p50_ms": "p50, ms",
                "p99_ms": "p99, ms",
                "cpu_ms": "CPU a call, ms",
                "rss_mib": "RSS after, MiB",
            },
        )
    if rows := results.get("images"):
        yield "\n## Images\n\nBytes; a layer that both have is stored once.\n"
        yield from table(
            rows, {"image": "image", "layer": "layer", "packed": "packed", "unpacked": "unpacked", "digest": "digest"}
        )
        yield "\n"
        totals = {row["image"]: [0, 0] for row in rows}
        for row in rows:
            totals[row["image"]][0] += row["packed"]
            totals[row["image"]][1] += row["unpacked"]
        summed = [
            {"image": n, "packed": round(p / 1e6, 1), "unpacked": round(u / 1e6, 1)} for n, (p, u) in totals.items()
        ]
        yield from table(summed, {"image": "image", "packed": "packed, MB", "unpacked": "unpacked, MB"})
    if rows := results.get("builds"):
        yield "\n## Builds\n\nBoth images, wall seconds.\n"
        yield from table(rows, {"build": "build", "seconds": "seconds"})


def ratios(rows: Sequence[Row], bare: Sequence[Row]) -> Iterator[Row]:
    """Ours against the peer in each cell of the calls, and the store itself against the peer."""
    stores = {(row["store"], row["work"], row["clients"]): row["per_s"] for row in bare}
    for ours, peer in zip(rows[::2], rows[1::2], strict=True):
        store = ours["server"].removeprefix("mcp/")
        alone = stores.get((store, ours["work"], ours["clients"]))
        yield {
            "work": f"{store}: {ours['work']}",
            "clients": ours["clients"],
            "ratio": round(ours["per_s"] / peer["per_s"], 1),
            "most": alone and round(alone / peer["per_s"], 1),
            "cpu": round(ours["cpu_ms"] / max(peer["cpu_ms"], 0.001), 2),
        }


def direct(rows: Sequence[Row], calls: Sequence[Row]) -> Iterator[Row]:
    """What the store itself does, and beside the latency of one client ours, and what that is to stay within."""
    ours = {(row["server"], row["work"]): row["p50_ms"] for row in calls if row["clients"] == 1}
    for row in rows:
        aim = {
            "ours_ms": ours.get((f"mcp/{row['store']}", row["work"])),
            "aim_ms": round(2 * row["p50_ms"] + 1, 2),
        }
        yield row | (aim if row["clients"] == 1 else {})


def charts(results: dict[str, Any], folder: Path) -> None:
    """A PNG for the start, and one for the calls, of what there are results of."""
    # numpy needs the C++ library, which this Python comes without.
    ctypes.CDLL(str(program("LIBSTDCXX")))
    import matplotlib  # type: ignore[import-not-found]

    matplotlib.use("Agg")
    from matplotlib import pyplot

    def bars(ax: Any, labels: Sequence[str], values: Sequence[float], title: str) -> None:
        colors = ["#2563eb" if label.startswith("mcp/") else "#9ca3af" for label in labels]
        ax.barh(range(len(labels)), values, color=colors)
        ax.set_yticks(
            range(len(labels)), [label.replace("-mcp-server", "-\nmcp-server") for label in labels], fontsize=8
        )
        ax.invert_yaxis()
        ax.set_title(title, fontsize=9)
        for at, value in enumerate(values):
            ax.text(value, at, f" {value:g}", va="center", fontsize=8)
        ax.margins(x=0.2)
        ax.spines[["top", "right"]].set_visible(False)

    free = [row for row in results.get("starts", []) if row["limits"] == "none"]
    if free:
        figure, axes = pyplot.subplots(1, 2, figsize=(9, 2.6), layout="constrained")
        names = [row["server"] for row in free]
        bars(axes[0], names, [row["cpu_s"] for row in free], "CPU seconds to ready")
        bars(axes[1], names, [row["rss_mib"] for row in free], "MiB resident, idle")
        figure.savefig(folder / "start.png", dpi=110, metadata={"Software": None})
    if rows := results.get("calls"):
        kinds = list(dict.fromkeys(row["work"] for row in rows))
        figure, axes = pyplot.subplots(1, len(kinds), figsize=(4.4 * len(kinds), 2.8), layout="constrained")
        for ax, kind in zip(axes, kinds, strict=True):
            chosen = [row for row in rows if row["work"] == kind and row["clients"] == 8]
            bars(
                ax,
                [row["server"] for row in chosen],
                [row["per_s"] for row in chosen],
                f"{kind}, 8 clients: calls a second",
            )
        figure.savefig(folder / "calls.png", dpi=110, metadata={"Software": None})
