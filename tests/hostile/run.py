"""bazel run //tests/hostile -- redis elasticsearch: attack both servers at full length, and print or write what was seen."""

import argparse
import os
import re
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.benchmark.limits import available
from tests.hostile import elasticsearch_cases, redis_cases
from tests.hostile.attack import METER, UNHEALTHY, Attack, Case, Report, Server
from tools.backends.elasticsearch import ElasticsearchNode
from tools.backends.process import free_port
from tools.backends.redis import RedisServer
from tools.backends.runfiles import program
from tools.images.container import command_line
from tools.images.layout import Image

STORES = ("redis", "elasticsearch")

MOST_TRIPPED = 0.05
"""Share of another client's requests that Elasticsearch may refuse to protect its heap: a burst, not a node that serves none."""
FULL = (8, 64, 300)
"""Clients at once, after one alone."""


def attacked(
    store: str,
    image: Path,
    folder: Path,
    clients: Sequence[int],
    seconds: float,
    more: Mapping[str, int],
    only: str = "",
) -> Report:
    """Run the server of an image's OCI layout beside a store full of hostile data, and attack it.

    First one client asks each case once, with as much CPU as there is; then crowds of these sizes ask at random, with the
    chart's, `seconds` each. `more` are arguments of the store's `fill`; `only` is a regular expression for names of cases.
    """
    layout, root = Image(image), folder / store
    root.mkdir()
    layout.unpack(root)
    port, prefix = free_port(), "REDIS" if store == "redis" else "ES"
    env = {"MCP_HOST": "127.0.0.1", "MCP_PORT": str(port), "MCP_ALLOW_WRITES": "true", f"{prefix}_HOST": "127.0.0.1"}
    code = METER.replace("MODULE", f"servers.{store}")
    with ExitStack() as opened:
        cases: Sequence[Case]
        if store == "redis":
            redis = opened.enter_context(RedisServer())
            redis_cases.fill(redis.port, **more)
            cases, env["REDIS_PORT"] = redis_cases.cases(redis.port), str(redis.port)
            neighbour = redis_cases.neighbour(redis.port)
        else:
            # Elasticsearch asks its default collector to collect before it refuses requests.
            node = opened.enter_context(ElasticsearchNode(settings=elasticsearch_cases.SETTINGS, heap="1g", collector="G1"))
            elasticsearch_cases.fill(node, **more)
            cases, env["ES_PORT"] = elasticsearch_cases.cases(node), str(node.port)
            neighbour = elasticsearch_cases.neighbour(node)
        command, environment = command_line(layout, root, env, [layout.command[0], "-P", "-c", code])
        server = opened.enter_context(Server(store, command, environment, port, folder))
        attack = Attack(server, [case for case in cases if re.search(only, case.name)], neighbour)
        with attack.watched():
            time.sleep(2)
            attack.alone()
            server.limit_cpus()
            with attack.idle_streams(256):
                for many in clients:
                    if server.running:
                        attack.crowd(many, seconds)
        attack.report.killed, attack.report.exit_code = server.killed(), server.exit_code
        attack.report.said = server.tail(20)
        return attack.report


def figures(report: Report) -> list[tuple[str, str]]:
    """Return what a report's figures are called, and their values."""
    crowds = [str(n) + " clients" for n in report.outcomes if n > 1]
    alone = {name: turn for name, turn in report.turns.items() if name not in crowds}
    longest = max(alone, key=lambda name: alone[name])
    found = [("longest step of the loop, one client", f"{alone[longest]:.3f} s of CPU: {longest[:60]}")]
    for name in crowds:
        if name in report.turns:
            found.append((f"longest turn of the loop, {name}", f"{report.turns[name]:.3f} s of CPU"))
    peaks = {name: peak for name, peak in report.peaks.items() if name not in (*crowds, "idle")}
    highest = max(peaks, key=lambda name: peaks[name])
    found.append(("peak memory, one client", f"{peaks[highest]:.0f} MiB: {highest[:60]}"))
    found += [(f"peak memory, {name}", f"{report.peaks[name]:.0f} MiB") for name in crowds if name in report.peaks]
    for clients, outcomes in report.outcomes.items():
        counted = ", ".join(f"{n} {kind}" for kind, n in outcomes.most_common())
        found.append((f"answers, {clients} client{'s' if clients > 1 else ''}", counted))
    found += [(f"slowest answer, {name}", f"{report.seconds[name]:.1f} s") for name in crowds if name in report.seconds]
    for path, seconds in report.probes.items():
        failed = sum(probe.startswith(path) for probe in report.failed_probes)
        found.append((f"slowest {path}", f"{max(seconds):.2f} s of {len(seconds)}, of which {failed} failed"))
    for state, seconds in report.neighbour.items():
        ordered = sorted(seconds)
        middle, high, most = (1000 * ordered[at] for at in (len(ordered) // 2, len(ordered) * 99 // 100, -1))
        waits = f"p50 {middle:.1f} ms, p99 {high:.1f} ms, most {most:.0f} ms"
        found.append((f"another client of the store, {state}", waits))
    if report.tripped:
        found.append(("its requests that Elasticsearch refused to protect its heap (429)", str(report.tripped)))
    return found


def faults(report: Report) -> list[str]:
    """Return what must not be, worst first."""
    found = []
    if report.killed or report.exit_code is not None:
        found.append(f"killed {report.killed} times, exit code {report.exit_code}; its log ends in:\n{report.said}")
    found += [f"a probe failed for {UNHEALTHY} s: {probe}" for probe in report.given_up]
    found += [f"another client of the store: {failure}" for failure in report.failed_neighbours]
    if report.tripped > MOST_TRIPPED * sum(map(len, report.neighbour.values())):
        found.append(f"another client of the store: {report.tripped} requests refused to protect the heap (429)")
    return found + [f"{count} x {fault}" for fault, count in report.faults.most_common()]


def main() -> None:
    parser = argparse.ArgumentParser(prog="hostile", description=__doc__)
    parser.add_argument("stores", nargs="*", default=STORES, help=f"of {', '.join(STORES)}")
    parser.add_argument("--seconds", type=float, default=60, help="of each crowd")
    parser.add_argument("--clients", type=int, nargs="*", default=FULL, help="sizes of the crowds, after one alone")
    parser.add_argument("--indices", type=int, default=5000, help="of Elasticsearch, as many as get made in 10 minutes")
    parser.add_argument("--only", default="", help="a regular expression: cases whose names it does not match are left out")
    parser.add_argument("--write", action="store_true", help="the figures into docs/benchmarks/hostile.md of the workspace")
    arguments = parser.parse_args()
    if not available():
        print("no control groups can be made here: memory is the peak of the resident set, and CPU is not limited")
    lines, failed = [], False
    for store in arguments.stores:
        more = {"names": 1000} if store == "redis" else {"indices": arguments.indices, "seconds": 600}
        with tempfile.TemporaryDirectory(prefix="hostile.") as folder:
            image = program(f"{store.upper()}_IMAGE")
            report = attacked(store, image, Path(folder), arguments.clients, arguments.seconds, more, arguments.only)
        lines += [f"## mcp/{store}", "", "| | |", "|---|---|"]
        lines += [*(f"| {name} | {value} |" for name, value in figures(report)), ""]
        for probe in report.failed_probes:
            print(f"{store}: a failed probe: {probe}", file=sys.stderr)
        for fault in faults(report):
            failed = True
            print(f"{store}: {fault}", file=sys.stderr)
    print("\n".join(lines))
    if arguments.write:
        (Path(os.environ["BUILD_WORKSPACE_DIRECTORY"]) / "docs/benchmarks/hostile.md").write_text(
            "# Under attack\n\nWritten by `./bazelw run //tests/hostile -- --write`.\n\n" + "\n".join(lines)
        )
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
