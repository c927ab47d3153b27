"""The nightly tier: `bazel run //tests/fuzz:nightly -- --inputs 200000`.

A part of `--commands` goes to Redis of several versions, Valkey and a cluster: see redis_commands.py.
A quarter of the inputs goes to each of both servers, with writes and without. Every batch of 500 has its own seed, which is
printed when a rule is broken: `--server redis --writes off --first SEED --inputs 500` repeats it, with the smallest input
that breaks the rule.
"""

import argparse
import signal
import sys
import time
from collections import Counter
from functools import partial

import anyio

from tests.fuzz import redis_commands
from tests.fuzz.redis_commands import CLUSTER, STORES
from tests.fuzz.run import BATCH, batch, batches
from tests.fuzz.target import TARGETS, Broken, grown

WARM = 4
"""Batches after which what the process holds is the baseline of growth."""


def fuzz(server: str, writes: bool, first: int, inputs: int, most: int) -> tuple[int, int]:
    """Send inputs to one server. Return how many were sent, and how many rules were broken."""
    name = f"{server}, writes {'on' if writes else 'off'}"
    broken = 0
    began = time.monotonic()
    with TARGETS[server](writes=writes) as target:
        baseline = None
        for done, (number, count) in enumerate(batches(first, inputs)):
            try:
                batch(target, number, count, shrink=inputs <= BATCH)
            except Broken as error:
                broken += 1
                print(f"{name}: {error}", *getattr(error, "__notes__", []), sep="\n  ", flush=True)
                if broken >= most or not target.sidecar.running:
                    break
            if done == WARM:
                baseline = target.holding()
            if done % 20 == 0:
                print(f"{name}: {target.sent} of {inputs}, seed {number}, {time.monotonic() - began:.0f} s", flush=True)
        if baseline:
            after = target.holding()
            print(f"{name}: {baseline} -> {after}")
            for growth in grown(baseline, after):
                broken += 1
                print(f"{name}: {growth}")
    print(f"{name}: {target.sent} inputs, {broken} rules broken", flush=True)
    return target.sent, broken


def fuzz_commands(store: str, first: int, commands: int) -> int:
    """Send commands past the policy of MCP_KEY_PREFIXES, in batches with a seed each. Return how many rules were broken."""
    broken = 0
    tried: Counter[str] = Counter()
    with redis_commands.running(store) as (redis, port):
        for seed, count in batches(first, commands):
            try:
                tried += anyio.run(partial(redis_commands.fuzz, redis, port, seed, count, cluster=store == CLUSTER))
            except Broken as error:
                broken += 1
                print(f"{store}, seed {seed}: {error}", flush=True)
    print(f"{store}: {dict(tried)}, {broken} rules broken", flush=True)
    return broken


def main() -> None:
    parser = argparse.ArgumentParser(prog="nightly", description="Fuzzes the servers on real stores.")
    parser.add_argument("--inputs", type=int, default=200_000, help="together [200000]")
    parser.add_argument("--commands", type=int, default=100_000, help="of Redis under prefixes, together [100000]")
    parser.add_argument("--first", type=int, default=0, help="seed of the first batch: where to go on [0]")
    parser.add_argument("--server", choices=sorted(TARGETS), help="only this one")
    parser.add_argument("--writes", choices=("on", "off"), help="only so")
    parser.add_argument("--most", type=int, default=20, help="broken rules until a server is given up [20]")
    arguments = parser.parse_args()
    # So that what was started is ended.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    chosen = [
        (server, writes)
        for server in sorted(TARGETS)
        for writes in (False, True)
        if arguments.server in (None, server) and arguments.writes in (None, "on" if writes else "off")
    ]
    each = -(-arguments.inputs // len(chosen))
    results = [fuzz(server, writes, arguments.first, each, arguments.most) for server, writes in chosen]
    escapes = 0
    if arguments.commands and arguments.server in (None, "redis"):
        each = -(-arguments.commands // len(STORES))
        escapes = sum(fuzz_commands(store, arguments.first, each) for store in STORES)
    print(f"{sum(sent for sent, _ in results)} inputs, {sum(broken for _, broken in results) + escapes} rules broken")
    sys.exit(escapes > 0 or any(broken for _, broken in results))


if __name__ == "__main__":
    main()
