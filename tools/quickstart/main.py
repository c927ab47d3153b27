"""bazel run //tools:quickstart"""

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import time
from typing import Any

from bazel.python.import_path import import_path
from tools.backends.process import StartError
from tools.backends.runfiles import enter_working_directory
from tools.kubernetes import release
from tools.kubernetes.cluster import Cluster, ClusterError
from tools.kubernetes.images import load
from tools.kubernetes.load_minikube import LOADER_HELP
from tools.quickstart import report, state
from tools.quickstart.ports import PortError, Ports, check
from tools.quickstart.stack import Stack

READY = "all services are up"
START_TIMEOUT = 180
"""Seconds until a quickstart in the background must be up."""

_BEGAN = time.monotonic()


def tell(text: str) -> None:
    print(f"[{time.monotonic() - _BEGAN:5.1f} s] {text}", flush=True)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="quickstart",
        description="Starts a Redis and an Elasticsearch with data worth asking about, and both MCP servers out of "
        "their images. Ctrl-C ends everything. Where kubectl's current context is a minikube or kind that answers, it "
        "deploys the chart there instead.",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--detach", action="store_true", help="go on in the background; --stop ends it")
    what.add_argument("--stop", action="store_true", help="end the quickstart in the background")
    what.add_argument("--reset", action="store_true", help="install the chart, or bring it back to what it was, in Kubernetes")
    what.add_argument("--local", action="store_true", help="run here, whatever kubectl's context is")
    what.add_argument("--check", action="store_true", help="start on free ports, call a tool of each server, stop")
    parser.add_argument("--port-base", type=int, default=9000, metavar="N", help="use the ports from N to N+3 (default: 9000)")
    parser.add_argument("--allow-writes", action="store_true", help="give the servers the tools that change data")
    parser.add_argument("--loader", metavar="COMMAND", help=f"in Kubernetes: {LOADER_HELP}")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="in Kubernetes: a value of the chart; repeatable",
    )
    given = parser.parse_args()
    if not 1 <= given.port_base <= 65532:
        parser.error(f"--port-base {given.port_base}: give a number from 1 to 65532")
    return given


def reachable() -> Cluster | None:
    """The minikube or kind of kubectl's current context, if it answers."""
    try:
        cluster = Cluster.current()
        if cluster.kind == "other":
            return None
        cluster.check()
    except ClusterError:
        return None
    return cluster


def deploy(cluster: Cluster, given: argparse.Namespace) -> None:
    """Load images, install the chart, and wait until both sidecars are ready. ClusterError if they do not get so."""
    cluster.check()
    load(cluster, given.loader, tell)
    tell(f"helm upgrade --install {release.RELEASE}, namespace {release.NAMESPACE}")
    writes = [f"{store}.mcpSidecar.allowWrites={str(given.allow_writes).lower()}" for store in release.STORES]
    release.install(cluster, [*writes, *given.set])
    release.wait(cluster, sys.stdout)
    print(f"\n{release.how_to_connect()}")


def foreground(given: argparse.Namespace) -> None:
    ports = Ports.from_base(given.port_base)
    check(ports)
    with Stack(ports, given.allow_writes, tell) as stack:
        stack.start()
        tell(READY)
        print(f"\n{report.services(ports)}\n\n{report.how_to_connect(ports)}", flush=True)
        if sys.stdout.isatty():
            print("Ctrl-C ends everything.", flush=True)
        stack.watch()


def detach(given: argparse.Namespace) -> None:
    base = given.port_base
    running = state.load(base)
    if running:
        sys.exit(f"quickstart: one is running already (pid {running.pid}): end it with --stop --port-base {base}")
    check(Ports.from_base(base))
    log = state.log_file(base)
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tools.quickstart.main", "--local", "--port-base", str(base)]
    command += ["--allow-writes"] if given.allow_writes else []
    env = os.environ | {"PYTHONPATH": import_path()}
    with log.open("wb") as output:
        child = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
    state.save(state.Running(child.pid, state.started_at(child.pid), base))
    shown = 0
    while READY not in (text := log.read_text()):
        print(text[shown:], end="", flush=True)
        shown = len(text)
        if child.poll() is not None or time.monotonic() - _BEGAN > START_TIMEOUT:
            child.terminate()
            state.forget(base)
            print(log.read_text()[shown:], end="", file=sys.stderr)
            sys.exit(1)
        time.sleep(0.1)
    time.sleep(0.2)
    print(log.read_text()[shown:], end="")
    print(
        f"It runs in the background (pid {child.pid}, log {log}); end it with:\n\n  ./bazelw run //tools:quickstart -- --stop",
        end="",
    )
    print("" if base == 9000 else f" --port-base {base}")


def stop(given: argparse.Namespace) -> None:
    running = state.load(given.port_base)
    if running is None:
        state.forget(given.port_base)
        sys.exit(f"quickstart: none is running in the background on ports from {given.port_base}")
    if not state.stop(running):
        sys.exit(f"quickstart: process {running.pid} has not ended within five minutes")
    print(f"quickstart: stopped (pid {running.pid})")


async def ask(url: str, tool: str, arguments: dict[str, Any]) -> str:
    """Return what a tool answers, as a client sees it. Its error is a StartError."""
    from mcp import Client
    from mcp_types import TextContent

    async with Client(url) as client:
        answer = await client.call_tool(tool, arguments)
    text = "".join(part.text for part in answer.content if isinstance(part, TextContent))
    if answer.is_error:
        raise StartError(f"{tool} at {url} answered: {text}")
    return text


def self_check(given: argparse.Namespace) -> None:
    ports = Ports.free()
    with Stack(ports, given.allow_writes, tell) as stack:
        stack.start()
        tell(READY)
        for name, port, tool, arguments in (
            ("mcp/redis", ports.redis_mcp, "redis_read", {"key": "package:nginx"}),
            ("mcp/elasticsearch", ports.elasticsearch_mcp, "es_health", {}),
        ):
            answer = asyncio.run(ask(f"http://127.0.0.1:{port}/mcp", tool, arguments))
            tell(f"{name} {tool}: {answer[:300]}")
        print(f"\n{report.services(ports)}\n")
    tell("stopped; both servers answered")


def main() -> None:
    enter_working_directory()
    given = options()
    # SIGTERM, too, leaves by the way on which everything is ended.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    try:
        if given.stop:
            stop(given)
        elif given.detach:
            detach(given)
        elif given.check:
            self_check(given)
        elif given.reset:
            deploy(Cluster.current(), given)
        elif not given.local and (cluster := reachable()):
            tell(f"kubectl's context {cluster.context} answers: deploying there (--local runs here)")
            deploy(cluster, given)
        else:
            foreground(given)
    except (ClusterError, PortError, StartError, LookupError) as error:
        sys.exit(f"quickstart: {error}")
    except KeyboardInterrupt:
        print("\nquickstart: stopped", flush=True)
        sys.exit(0 if os.isatty(0) else 130)


if __name__ == "__main__":
    main()
