"""A server under attack, from its image: in a control group with the chart's limits, beside an honest client of the store.

What is asked is in `redis_cases` and `elasticsearch_cases`. What is seen: whether the server was killed, ended or failed a probe,
what each answer was, how much memory it took, and the most CPU time in which its event loop served nobody else.
"""

import http.client
import json
import random
import re
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self
from urllib.error import HTTPError

from tests.benchmark.limits import MIB, Group, available
from tools.backends.process import Process
from tools.backends.sidecar import HEADERS, message

CPUS, MEMORY = 0.1, 128 * MIB
"""What the chart requests of CPU and limits of memory; the harshest that a kubelet makes of it."""

PROBE_TIMEOUT = 5
"""Seconds, as in the chart."""

PROBE_PERIOD = 2
"""Seconds; the chart's is 10, and this finds more."""

UNHEALTHY = 20
"""Seconds of failing probes after which the kubelet acts: the third in a row, as in the chart."""

LONGEST_ANSWER = 600
"""Seconds after which no answer will come. How long one takes is a figure: MCP_CALL_TIMEOUT_SECONDS bounds the call itself."""

METER = """
import asyncio, runpy, selectors, sys, time
class Meter(selectors.DefaultSelector):
    began = None
    def select(self, timeout=None):
        if self.began is not None and (used := time.thread_time() - self.began) > 0.05:
            print(f"turn {used:.3f}", file=sys.stderr, flush=True)
        found = super().select(timeout)
        self.began = time.thread_time()
        return found
class Policy(asyncio.DefaultEventLoopPolicy):
    def new_event_loop(self):
        return asyncio.SelectorEventLoop(Meter())
asyncio.set_event_loop_policy(Policy())
runpy.run_module("MODULE", run_name="__main__", alter_sys=True)
"""
"""Runs a server on an event loop whose selector (asyncio documents both) tells the CPU seconds of turns over 50 ms."""

FAULT = re.compile(r"the server has an internal error|can't be reached|does not answer|broke the connection|refuses our login")
"""What no answer may say here: the store is well, and nothing may fail inside."""

BUSY = re.compile(r"are under way|use all of this server's memory|try again in")
LATE = re.compile(r"no answer within")

Check = Callable[[Mapping[str, Any]], str | None]
"""Tells what is wrong with a result; None if nothing is."""


@dataclass(frozen=True)
class Case:
    tool: str
    arguments: Mapping[str, Any]
    check: Check | None = None
    crowd: bool = True
    """Whether a crowd may repeat it; not what changes data."""

    @property
    def name(self) -> str:
        said = json.dumps(self.arguments)
        return f"{self.tool} {said if len(said) < 110 else said[:80] + '...' + said[-27:]}"


@dataclass
class Report:
    outcomes: dict[int, Counter[str]] = field(default_factory=dict)
    """By number of clients: ok, refused, busy, late, and faults."""
    faults: Counter[str] = field(default_factory=Counter)
    turns: dict[str, float] = field(default_factory=dict)
    """By case asked alone, or by number of clients: CPU seconds of the longest turn of the event loop."""
    seconds: dict[str, float] = field(default_factory=dict)
    """By case asked alone, or by number of clients: wall seconds of the slowest answer."""
    peaks: dict[str, float] = field(default_factory=dict)
    """By case, or by number of clients: MiB at the most, as seen every 20 ms."""
    probes: dict[str, list[float]] = field(default_factory=dict)
    """By path: wall seconds of each probe's answer."""
    failed_probes: list[str] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)
    """Probes that had failed for UNHEALTHY seconds."""
    killed: int = 0
    """How often the kernel killed for memory."""
    exit_code: int | None = None
    """None: it ran to the end."""
    said: str = ""
    """The end of the server's log."""
    failed_neighbours: list[str] = field(default_factory=list)
    tripped: int = 0
    """Requests of the other client that Elasticsearch refused to protect its heap (429), as its clients try again."""
    neighbour: dict[str, list[float]] = field(default_factory=dict)
    """By idle or loaded: wall seconds of another client's requests to the store."""


class Target(Protocol):
    port: int

    @property
    def running(self) -> bool:
        """Return whether it runs."""

    @property
    def exit_code(self) -> int | None:
        """Return with what it ended; None while it runs."""

    def memory(self) -> float:
        """Return MiB in use."""

    def longest_turn(self) -> float:
        """Return CPU seconds of the longest turn of the event loop since the last look; 0 where it is not seen."""


class Server(Process):
    """A server of ours, metered, and limited where control groups can be made."""

    def __init__(self, store: str, command: Sequence[str], env: Mapping[str, str], port: int, folder: Path) -> None:
        self.port = port
        self._group = Group(f"hostile-{store}-{port}", None, MEMORY) if available() else None
        self._limited = ExitStack()
        self._read = 0
        if self._group:
            command = self._group.command([shutil.which(command[0]) or command[0], *command[1:]])
        super().__init__(f"mcp-{store}", command, folder / f"{store}-{port}.log", env)

    def __enter__(self) -> Self:
        if self._group:
            self._limited.enter_context(self._group)
        super().__enter__()
        self.wait_until(lambda: get(self.port, "/ready")[0] == 200)
        return self

    def __exit__(self, *details: Any) -> None:
        super().__exit__(*details)
        self._limited.close()

    def limit_cpus(self) -> None:
        """From now on the server has no more CPU than the chart gives it."""
        if self._group:
            self._group.limit_cpus(CPUS)

    def memory(self) -> float:
        """Return MiB in use: the working set of the control group, else the resident set."""
        if self._group:
            return self._group.memory()
        return self.status("VmRSS")

    def killed(self) -> int:
        """Return how often the kernel killed for memory in the control group."""
        return self._group.killed() if self._group else 0

    def longest_turn(self) -> float:
        """Return CPU seconds of the longest turn of the event loop since the last look; 0 for less than 50 ms."""
        with self.log.open("rb") as log:
            log.seek(self._read)
            text = log.read()
        self._read += len(text)
        return max((float(found) for found in re.findall(rb"^turn ([\d.]+)$", text, re.M)), default=0.0)


def get(port: int, path: str) -> tuple[int, str]:
    """Return status and body of a GET; status 0 without an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PROBE_TIMEOUT)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return 0, repr(error)
    finally:
        connection.close()


def ask(connection: http.client.HTTPConnection, case: Case) -> tuple[str, str]:
    """Call a tool. Return the kind of outcome (ok, refused, busy, late or fault), and what was said."""
    body = json.dumps(message("tools/call", name=case.tool, arguments=case.arguments))
    try:
        connection.request("POST", "/mcp", body, HEADERS | {"MCP-Protocol-Version": "2025-06-18"})
        answer = connection.getresponse()
        text = answer.read().decode()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return "fault", f"no answer: {type(error).__name__}"
    if answer.status in (429, 503) and answer.getheader("Retry-After"):
        return "busy", text[:300]
    if answer.status == 413 or (answer.status == 400 and "recursion limit" in text):
        return "refused", text[:300]
    if answer.status != 200:
        return "fault", f"HTTP status {answer.status}: {text[:300]}"
    if answer.getheader("Content-Type", "").startswith("text/event-stream"):
        text = [line[5:] for line in text.splitlines() if line.startswith("data:")][-1]
    said = json.loads(text)
    if "error" in said:
        return "refused", str(said["error"].get("message"))
    result = said["result"]
    if result.get("isError"):
        text = result["content"][0]["text"]
        if FAULT.search(text):
            return "fault", text
        return "late" if LATE.search(text) else "busy" if BUSY.search(text) else "refused", text
    wrong = case.check(result["structuredContent"]) if case.check else None
    return ("fault", f"wrong: {wrong}") if wrong else ("ok", "")


class Attack:
    """The attack on one server; its `report` grows."""

    def __init__(self, server: Target, cases: Sequence[Case], neighbour: Callable[[], object]) -> None:
        """Attack a server while another client makes requests to its store; `neighbour` raises if one fails."""
        self.server, self.cases, self.report = server, cases, Report()
        self._neighbour = neighbour
        self._state = "idle"
        self._ended = threading.Event()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Probe the server, and ask the store as another client does, inside this context."""
        watchers = [threading.Thread(target=self._probe, args=(path,)) for path in ("/health", "/ready")]
        watchers.append(threading.Thread(target=self._beside))
        for watcher in watchers:
            watcher.start()
        try:
            yield
        finally:
            self._ended.set()
            for watcher in watchers:
                watcher.join()

    def _probe(self, path: str) -> None:
        failing: float | None = None
        while not self._ended.wait(PROBE_PERIOD):
            began = time.monotonic()
            status, body = get(self.server.port, path)
            self.report.probes.setdefault(path, []).append(time.monotonic() - began)
            if status == 200:
                failing = None
                continue
            self.report.failed_probes.append(f"{path} {status} {body[:200]} ({self._state})")
            failing = failing or began
            if time.monotonic() - failing > UNHEALTHY:
                self.report.given_up.append(self.report.failed_probes[-1])
                failing = None

    def _beside(self) -> None:
        while not self._ended.wait(0.02):
            state, began = self._state, time.monotonic()
            with suppress(OSError):  # it has ended
                self.report.peaks[state] = max(self.server.memory(), self.report.peaks.get(state, 0))
            try:
                self._neighbour()
            except Exception as error:  # whatever the store's client raises
                told = error.read(500) if isinstance(error, HTTPError) else error
                if isinstance(told, bytes) and b"circuit_breaking_exception" in told:
                    self.report.tripped += 1
                else:
                    self.report.failed_neighbours.append(f"{told!r} after {time.monotonic() - began:.0f} s ({state})")
            self.report.neighbour.setdefault("idle" if state == "idle" else "loaded", []).append(time.monotonic() - began)

    def alone(self, seconds: float = float("inf")) -> None:
        """Ask each case once, one after the other, for so many seconds at the most."""
        end = time.monotonic() + seconds
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=LONGEST_ANSWER)
        outcomes = self.report.outcomes.setdefault(1, Counter())
        self.server.longest_turn()
        for case in self.cases:
            if time.monotonic() > end:
                outcomes["not asked"] += 1
                continue
            self._state = case.name
            began = time.monotonic()
            kind, said = ask(connection, case)
            self.report.seconds[case.name] = time.monotonic() - began
            time.sleep(0.02)
            self.report.turns[case.name] = self.server.longest_turn()
            outcomes[kind] += 1
            if kind == "fault":
                self.report.faults[f"{case.name}: {said[:300]}"] += 1
            if not self.server.running:
                self.report.faults[f"ENDED {self.server.exit_code} by {case.name}"] += 1
                return
        self._state = "idle"
        connection.close()

    def crowd(self, clients: int, seconds: float, seed: int = 0) -> None:
        """Let clients ask cases at random, all at once, for so many seconds."""
        self._state = f"{clients} clients"
        end = time.monotonic() + seconds
        outcomes = self.report.outcomes.setdefault(clients, Counter())
        cases = [case for case in self.cases if case.crowd]
        lock = threading.Lock()
        self.server.longest_turn()

        def client(number: int) -> None:
            connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=LONGEST_ANSWER)
            chosen = random.Random(f"{seed} {clients} {number}")
            while time.monotonic() < end:
                case = chosen.choice(cases)
                began = time.monotonic()
                kind, said = ask(connection, case)
                with lock:
                    self.report.seconds[self._state] = max(time.monotonic() - began, self.report.seconds.get(self._state, 0))
                    outcomes[kind] += 1
                    if kind == "fault":
                        self.report.faults[f"{clients} clients: {case.name}: {said[:300]}"] += 1
                if kind == "busy":
                    time.sleep(1)
                elif kind == "fault":
                    time.sleep(0.2)
            connection.close()

        threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.report.turns[f"{clients} clients"] = self.server.longest_turn()
        if not self.server.running:
            self.report.faults[f"ENDED {self.server.exit_code} by {clients} clients"] += 1
        self._state = "idle"

    @contextmanager
    def idle_streams(self, many: int) -> Iterator[None]:
        """Hold GET streams open that nobody writes to."""
        with ExitStack() as opened:
            for _ in range(many):
                connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PROBE_TIMEOUT)
                opened.callback(connection.close)
                with suppress(OSError):
                    connection.connect()
                    connection.send(b"GET /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
            yield
