"""bazel run //tests/benchmark: measures our servers and their peers side by side, and writes docs/benchmarks."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from servers.common import VERSION
from tests.benchmark import measure, report
from tests.benchmark.limits import available
from tests.benchmark.subjects import naive, subjects
from tools.backends.elasticsearch import ElasticsearchNode
from tools.backends.redis import RedisServer
from tools.backends.runfiles import program
from tools.images.layout import Image

PARTS = ("starts", "memory", "calls", "bare", "listing", "scan", "cost", "images", "builds")


def machine(kind: str) -> dict[str, Any]:
    """What the numbers were made on; no name or place of it."""
    processor = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "memory_gib": round(pages / 1024**3),
        "kernel": platform.release().split("-")[0],
        "versions": {
            "mcp/redis and mcp/elasticsearch": VERSION,
            "redis-mcp-server": "0.5.1",
            "elasticsearch-mcp-server": "2.1.6",
            "Redis": "7.0.15",
            "Elasticsearch": "8.11.4",
        },
        "date": datetime.now(UTC).date().isoformat(),
        "run": kind,
        "cgroups": available(),
        "load": round(os.getloadavg()[0], 1),
    }


def builds(workspace: Path) -> list[dict[str, Any]]:
    """Wall seconds of building both images: nothing changed, a line of ours changed, and the actions from nothing."""
    targets = ["//servers/redis:image", "//servers/elasticsearch:image"]
    source = workspace / "servers/common/__init__.py"

    def build(*options: str) -> float:
        began = time.monotonic()
        command = ["./bazelw", "build", "--noshow_progress", *options, *targets]
        subprocess.run(command, cwd=workspace, check=True, capture_output=True)
        return round(time.monotonic() - began, 2)

    build()
    rows = [{"build": "nothing changed", "seconds": build()}]
    text = source.read_text()
    try:
        source.write_text(f"{text}\n# {time.time_ns()}\n")
        rows.append({"build": "a line of servers/common changed", "seconds": build()})
    finally:
        source.write_text(text)
    build()
    subprocess.run(["./bazelw", "shutdown"], cwd=workspace, check=True, capture_output=True)
    rows.append({"build": "warm: Bazel just started, outputs there", "seconds": build()})
    with tempfile.TemporaryDirectory() as empty:
        fresh = [f"--output_base={empty}/base"]
        command = ["./bazelw", *fresh, "build", "--disk_cache=", "--noshow_progress", *targets]
        began = time.monotonic()
        done = subprocess.run(command, cwd=workspace, check=False, capture_output=True)
        if done.returncode == 0:
            rows.append(
                {"build": "cold: no outputs, no cache of actions", "seconds": round(time.monotonic() - began, 1)}
            )
        subprocess.run(["./bazelw", *fresh, "shutdown"], cwd=workspace, check=False, capture_output=True)
        subprocess.run(["chmod", "-R", "u+w", empty], check=False, capture_output=True)
    return rows


def run(parts: list[str], sizes: measure.Sizes, keep: Callable[[str, list[measure.Row]], None]) -> None:
    """Measures the parts, in order, and hands over the rows of each as soon as they are there."""
    layouts = {f"mcp/{store}": Image(program(f"{store.upper()}_IMAGE")) for store in ("redis", "elasticsearch")}
    if "images" in parts:
        keep("images", measure.images(layouts))
    if not set(parts) - {"images", "builds"}:
        return
    with tempfile.TemporaryDirectory(prefix="benchmark.") as temporary:
        folder = Path(temporary)
        both = subjects(folder)
        with RedisServer(config={"enable-debug-command": "local"}) as redis, ElasticsearchNode() as elasticsearch:
            measure.fill_redis(redis, 0)
            measure.fill_elasticsearch(elasticsearch)
            ports = {"redis": redis.port, "elasticsearch": elasticsearch.port}
            for part in (part for part in PARTS if part in parts):
                for store, pair in both.items():
                    if part in ("calls", "bare") and store == "redis":
                        measure.fill_redis(redis, sizes.keys // 10)
                    if part in ("starts", "memory", "calls"):
                        print(f"benchmark: {part}: {store}", flush=True)
                        # To compare with, what a server on the same SDK takes that does nothing.
                        asked = [*pair, naive(folder)] if part == "starts" and store == "redis" else pair
                        keep(part, getattr(measure, part)(asked, ports[store], folder, sizes))
                    elif part == "bare":
                        keep(part, measure.bare(store, ports[store], sizes))
                    elif part == "listing":
                        keep(part, measure.listing(pair, ports[store], folder))
            if "scan" in parts:
                print("benchmark: scan", flush=True)
                measure.fill_redis(redis, sizes.keys)
                keep("scan", measure.scan(both["redis"], redis.port, folder, sizes.keys))
            if "cost" in parts:
                print("benchmark: cost", flush=True)
                keep("cost", measure.cost(both["redis"][0], redis, folder, sizes))


def main() -> None:
    # So that what was started is ended.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    parser = argparse.ArgumentParser(prog="benchmark", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="a minute or two, to see that all of it works; writes only with --output"
    )
    parser.add_argument(
        "--short", action="store_true", help="every part in minutes, where the machine is wanted by others"
    )
    parser.add_argument("--parts", default=",".join(PARTS), help=f"comma-separated, of {', '.join(PARTS)}")
    parser.add_argument(
        "--output", type=Path, help="folder; default: docs/benchmarks of the workspace. Other parts' results stay"
    )
    arguments = parser.parse_args()
    parts = arguments.parts.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no such parts: {', '.join(sorted(unknown))}")
    kind = "quick" if arguments.quick else "short" if arguments.short else "full"
    sizes = {"quick": measure.QUICK, "short": measure.SHORT, "full": measure.FULL}[kind]
    workspace = Path(os.environ.get("BUILD_WORKSPACE_DIRECTORY", "."))
    output = arguments.output or (None if arguments.quick else workspace / "docs/benchmarks")
    results: dict[str, Any] = {}
    if output:
        output.mkdir(parents=True, exist_ok=True)
        file = output / "results.json"
        if file.exists() and set(parts) != set(PARTS):
            results = json.loads(file.read_text())
    begun: set[str] = set()

    def keep(part: str, rows: list[measure.Row]) -> None:
        """Puts rows in the place of those of an earlier run; on disk at once, for a later part may fail."""
        results[part] = results[part] + rows if part in begun else rows
        begun.add(part)
        results["machine"] = machine(kind)
        if output:
            file.write_text(json.dumps(results, indent=1) + "\n")
            (output / "measured.md").write_text("\n".join(report.sections(results)) + "\n")

    run(parts, sizes, keep)
    if "builds" in parts:
        keep("builds", builds(workspace))
    print("\n".join(report.sections(results)))
    if output:
        report.charts(results, output)


if __name__ == "__main__":
    main()
