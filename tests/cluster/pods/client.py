"""A client inside the cluster: sends constant traffic to a store or a sidecar through its Service, and counts.

Runs in a pod, on the standard library alone. Two clients make up a traffic: one keeps its connection, as applications do,
and one opens a new connection for each request, which is led by the Service as it is at that moment.
"""

import contextlib
import errno
import http.client
import itertools
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.cluster.pods.serve import serve

CONNECTING = 5.0
"""Seconds until a connection counts as failed: the other side's kernel makes it, however busy its process is."""

ANSWERING = 60.0
"""Seconds until an answer counts as failed. It is for what never answers: a busy machine may let any request wait."""


# A port may not come again while the node remembers it: a connection that was led to a pod that has gone stays in its
# connection tracking for two minutes (nf_conntrack_tcp_timeout_syn_sent), and another from the same port could follow it.
PORTS = itertools.cycle(range(10_000, 65_000))


def dial(host: str, port: int) -> socket.socket:
    while True:
        try:
            dialled = socket.create_connection((host, port), CONNECTING, ("", next(PORTS)))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:  # by a connection that was kept while all other ports had their turn
                raise
        else:
            dialled.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return dialled


class Connection(Protocol):
    """A connection that sends one request after another; what fails raises."""

    def ask(self) -> None: ...

    def close(self) -> None: ...


class RedisConnection:
    """SET and GET in turn, in the protocol of Redis (https://redis.io/docs/latest/develop/reference/protocol-spec/).

    Of several passwords, separated by commas, one must be taken, as with a client that knows the one before a rotation as well.
    """

    def __init__(self, host: str, port: int, password: str = "") -> None:
        self._socket = dial(host, port)
        self._socket.settimeout(ANSWERING)
        self._answers = self._socket.makefile("rb")
        if password:
            self._log_in(password.split(","))

    def _log_in(self, passwords: list[str]) -> None:
        try:
            self._command("AUTH", passwords[0])
        except OSError as error:
            if not passwords[1:] or not str(error).startswith("-WRONGPASS"):
                raise
            self._log_in(passwords[1:])

    def _command(self, *words: str) -> None:
        text = f"*{len(words)}\r\n" + "".join(f"${len(word.encode())}\r\n{word}\r\n" for word in words)
        self._socket.sendall(text.encode())
        answer = self._answers.readline()
        if answer.startswith(b"$") and int(answer[1:]) >= 0:
            answer += self._answers.read(int(answer[1:]) + 2)
        if not answer or answer.startswith(b"-"):
            raise OSError(answer.decode().strip() or "connection closed")

    def ask(self) -> None:
        self._command("SET", "e2e:traffic", "1")
        self._command("GET", "e2e:traffic")

    def close(self) -> None:
        self._answers.close()
        self._socket.close()


class Dialled(http.client.HTTPConnection):
    """Connects by `dial`, also when it does so again by itself; its timeout is that of an answer."""

    def connect(self) -> None:
        self.sock = dial(self.host, self.port)
        self.sock.settimeout(self.timeout)


class HttpConnection:
    """One HTTP request, again and again; an answer other than 2xx fails."""

    def __init__(self, host: str, port: int, method: str = "GET", path: str = "/", body: str = "") -> None:
        self._connection = Dialled(host, port, ANSWERING)
        self._connection.connect()
        self._request = (method, path, body or None)

    def ask(self) -> None:
        method, path, body = self._request
        self._connection.request(method, path, body, HEADERS if body else {})
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status // 100 != 2:
            raise OSError(f"status {answer.status}: {text[:200].decode(errors='replace')}")

    def close(self) -> None:
        self._connection.close()


class CallConnection(HttpConnection):
    """A tool call over MCP; a refusal for lack of room counts as served, for it is what the limit promises."""

    def __init__(self, host: str, port: int, tool: str, arguments: str = "{}") -> None:
        call = {"name": tool, "arguments": json.loads(arguments)}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
        super().__init__(host, port, "POST", "/mcp", json.dumps(message))


HEADERS = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}

KINDS: dict[str, Callable[..., Connection]] = {"redis": RedisConnection, "http": HttpConnection, "call": CallConnection}


@dataclass
class Traffic:
    """Threads that send requests, and what came of them."""

    connect: Callable[[], Connection]
    interval: float
    running: bool = True
    requests: int = 0
    failures: list[tuple[float, float, str]] = field(default_factory=list)
    """Of each request that failed: when it was begun, when it failed, and why."""
    seconds: list[float] = field(default_factory=list)
    answered: float = field(default_factory=time.time)
    """When the last answer came."""
    failing: bool = False
    """Whether a request has failed since."""
    outage: float = 0.0
    threads: list[threading.Thread] = field(default_factory=list)

    def start(self, threads: int) -> None:
        for number in range(threads):
            thread = threading.Thread(target=self._send, args=(number % 2 == 0,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def _send(self, keep: bool) -> None:
        connection: Connection | None = None
        while self.running:
            begun = time.time()
            try:
                connection = connection or self.connect()
                connection.ask()
                again = keep
                if self.failing:
                    self.outage = max(self.outage, time.time() - self.answered)
                self.answered, self.failing = time.time(), False
            except (OSError, http.client.HTTPException, ValueError) as error:
                why = f"{'kept' if keep else 'new'} connection: {type(error).__name__}: {error}"
                self.failures.append((round(begun, 3), round(time.time(), 3), why))
                self.failing, again = True, False
            self.requests += 1
            self.seconds.append(time.time() - begun)
            if connection and not again:
                connection.close()
                connection = None
            time.sleep(self.interval)

    def report(self) -> dict[str, Any]:
        failures, times = list(self.failures), sorted(self.seconds)
        return {
            "requests": self.requests,
            "failures": len(failures),
            "first_failed": min((failed for _, failed, _ in failures), default=None),
            "last_begun": max((begun for begun, _, _ in failures), default=None),
            "examples": failures[:5] + failures[5:][-1:],
            "reasons": Counter(why for _, _, why in failures),
            "outage": round(self.outage, 2),
            "median": round(times[len(times) // 2], 4) if times else None,
            "longest": round(times[-1], 3) if times else None,
        }


TRAFFICS: dict[str, Traffic] = {}
NUMBERS = itertools.count()


def start(kind: str, host: str, port: str, threads: str = "2", interval: str = "0.02", **more: str) -> str:
    """Starts a traffic; its name."""
    connect = KINDS[kind]
    traffic = Traffic(lambda: connect(host, int(port), **more), float(interval))
    name = f"{kind}-{next(NUMBERS)}"
    TRAFFICS[name] = traffic
    traffic.start(int(threads))
    return name


def report(name: str) -> dict[str, Any]:
    return TRAFFICS[name].report()


def stop(name: str) -> dict[str, Any]:
    traffic = TRAFFICS.pop(name)
    traffic.running = False
    for thread in traffic.threads:
        thread.join(CONNECTING + ANSWERING)
    return traffic.report()


def now() -> float:
    """The clock by which requests are reported."""
    return time.time()


def connect(host: str, port: str, times: str = "1") -> str:
    """Return whether a port takes connections, so many one after another: open, refused, or what else happened."""
    try:
        for _ in range(int(times)):
            dial(host, int(port)).close()
    except ConnectionRefusedError:
        return "refused"
    except OSError as error:
        return f"{type(error).__name__}: {error}"
    return "open"


def send(host: str, port: str, method: str, path: str, body: str = "", wait: str = str(ANSWERING)) -> dict[str, Any]:
    """Status and body of a request; status 0 and the reason where nobody answers within so many seconds."""
    try:
        with contextlib.closing(Dialled(host, int(port), float(wait))) as opened:
            opened.request(method, path, body or None, HEADERS if body else {})
            answer = opened.getresponse()
            return {"status": answer.status, "body": answer.read().decode(errors="replace")}
    except (OSError, http.client.HTTPException) as error:
        return {"status": 0, "body": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    serve({"start": start, "report": report, "stop": stop, "now": now, "connect": connect, "send": send})
