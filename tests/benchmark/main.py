"""bazel run //tests/benchmark: measure our servers, their peers and a bare server side by side, and write docs/benchmarks."""

import argparse
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from servers.common import VERSION
from tests.benchmark import measure, report
from tests.benchmark.limits import available
from tests.benchmark.subjects import subjects
from tools.backends.elasticsearch import ElasticsearchNode
from tools.backends.redis import RedisServer

PARTS = ("starts", "memory", "calls")


def machine(kind: str) -> dict[str, Any]:
    """Return what the numbers were made on, without the machine's name or place."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    processor = models[0].split(":", 1)[1].strip() if models else platform.machine()
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


def run(parts: Sequence[str], sizes: measure.Sizes, keep: Callable[[str, list[measure.Row]], None]) -> None:
    """Measure the parts of each store, and hand over the rows of each part as soon as they are there."""
    for store in ("redis", "elasticsearch"):
        with tempfile.TemporaryDirectory(prefix="benchmark.") as folder, ExitStack() as opened:
            if store == "redis":
                redis = opened.enter_context(RedisServer(config={"enable-debug-command": "local"}))
                measure.fill_redis(redis)
                port = redis.port
            else:
                node = opened.enter_context(ElasticsearchNode())
                measure.fill_elasticsearch(node)
                port = node.port
            servers = subjects(store, Path(folder))
            for part in parts:
                print(f"benchmark: {part}: {store}", flush=True)
                keep(part, getattr(measure, part)(servers, port, Path(folder), sizes))


def main() -> None:
    # So that what was started is ended.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    parser = argparse.ArgumentParser(prog="benchmark", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few minutes")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"comma-separated, of {', '.join(PARTS)}")
    arguments = parser.parse_args()
    parts = arguments.parts.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no such parts: {', '.join(sorted(unknown))}")
    page = Path(os.environ.get("BUILD_WORKSPACE_DIRECTORY", "."), "docs/benchmarks/measured.md")
    results: dict[str, Any] = {}

    def keep(part: str, rows: list[measure.Row]) -> None:
        """Keep rows; on disk at once, for a later part may fail."""
        results.setdefault(part, []).extend(rows)
        results["machine"] = machine("quick" if arguments.quick else "full")
        if not arguments.quick and set(parts) == set(PARTS):
            page.write_text("\n".join(report.sections(results)) + "\n")

    run(parts, measure.QUICK if arguments.quick else measure.FULL, keep)
    print("\n".join(report.sections(results)))


if __name__ == "__main__":
    main()
