"""A sidecar under the fuzzer, its store, and what must hold whatever is sent to it."""

import hashlib
import http.client
import json
import os
import signal
import socket
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

from redis import Redis

from servers.common.protocol.tools import Tool
from servers.elasticsearch.server import SIDECAR as ELASTICSEARCH
from servers.redis.server import SIDECAR as REDIS
from tests.fuzz import words
from tests.fuzz.arguments import Words
from tests.fuzz.requests import NO_ID, Post, Raw
from tools.backends.elasticsearch import ElasticsearchNode
from tools.backends.redis import RedisServer
from tools.backends.sidecar import Sidecar

PATIENCE = 600
"""Seconds without a byte after which a connection counts as hung."""

SECRETS_OF_A_BUG = (
    "Traceback (most recent call",
    "the server has an internal error",
    "Internal Server Error",
    '.py", line',
)
"""What an answer holds only when something is wrong in the server."""


class Broken(AssertionError):
    """An answer that must not be; the message says which rule it breaks."""


@dataclass(frozen=True)
class Holding:
    tasks: int
    objects: int
    files: int
    resident: int
    """Bytes of memory."""


def grown(before: Holding, after: Holding) -> list[str]:
    """Return what grew more than caches do: a leak of one thing an input would be thousands."""
    # files: the pool of connections
    bounds = Holding(tasks=2, objects=60_000, files=34, resident=48 * 1024 * 1024)
    return [
        f"{field.name}: {getattr(before, field.name)} grew to {getattr(after, field.name)}"
        for field in fields(Holding)
        if getattr(after, field.name) - getattr(before, field.name) > getattr(bounds, field.name)
    ]


class Target(ABC):
    """A sidecar in front of a real store. Use it with `with`."""

    module: str
    tools: Mapping[str, Tool]
    words: Words

    def __init__(self, *, writes: bool) -> None:
        self.writes = writes
        self.sent = 0
        self._seen = 0  # lines of the log
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        try:
            folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="fuzz.")))
            self._told = folder / "told"
            env = self._start(self._stack) | {
                "MCP_ALLOW_WRITES": str(self.writes).lower(),
                "MCP_CALL_TIMEOUT_SECONDS": "10",
                "MCP_LOG_LEVEL": "warning",
            }
            self.sidecar = Sidecar(self.module, env, folder)
            self.sidecar.command[1:] = ["-m", "tests.fuzz.observed", self.module, str(self._told)]
            self._stack.enter_context(self.sidecar)
            self.fill()
            self._before = self.snapshot()
            self._connection = http.client.HTTPConnection("127.0.0.1", self.sidecar.port, timeout=PATIENCE)
            self._stack.callback(lambda: self._connection.close())
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *details: Any) -> None:
        self._stack.close()

    @abstractmethod
    def _start(self, stack: ExitStack) -> dict[str, str]:
        """Starts the store; gives the sidecar's settings for it."""

    @abstractmethod
    def fill(self) -> None:
        """Puts into the store what `words` speaks of, and nothing else."""

    @abstractmethod
    def snapshot(self) -> Any:
        """All that the store holds, and how it is set."""

    # What is sent, and what must hold.

    def check(self, sent: Post | Raw) -> None:
        """Send it, and raise Broken if the answer breaks a rule."""
        self.sent += 1
        if isinstance(sent, Post):
            check_answer(sent, *self._post(sent))
        else:
            self._check_raw(sent)

    def _post(self, sent: Post) -> tuple[int, Mapping[str, str], bytes]:
        for again in (True, False):
            try:
                headers = {name: value.encode("latin-1", "replace") for name, value in sent.headers.items()}
                self._connection.request("POST", "/mcp", sent.body, headers)
                answer = self._connection.getresponse()
                return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
            except ConnectionError as error:  # http.client.RemoteDisconnected is one
                # An earlier answer may have closed the connection meanwhile.
                self._connection.close()
                if not again:
                    raise Broken(f"no answer: {error}") from None
            except TimeoutError:
                self._connection.close()
                raise Broken("hung: no answer") from None
        raise AssertionError

    def _check_raw(self, sent: Raw) -> None:
        with socket.create_connection(("127.0.0.1", self.sidecar.port), timeout=PATIENCE) as connection:
            answer = bytearray()
            try:
                connection.sendall(sent.data)
                # What the sidecar waits for does not come: it must not wait for ever.
                connection.shutdown(socket.SHUT_WR)
                while data := connection.recv(65_536):
                    answer += data
            except TimeoutError:
                raise Broken("hung: the connection stays open") from None
            except OSError:
                pass  # closed on us while we were sending
        if answer:
            first = bytes(answer[:12])
            if not first.startswith(b"HTTP/1.1 ") or not first[9:12].isdigit():
                raise Broken(f"no HTTP: {first!r}")
            _check_status(int(first[9:12]), bytes(answer))

    def check_end(self) -> None:
        """Check what must hold after many inputs: it serves, and the store is as it was if writes are off."""
        status, body = self.sidecar.get("/health")
        if status != 200 or json.loads(body)["status"] != "ok":
            raise Broken(f"/health answers {status} {body[:200]}")
        if not self.sidecar.running:
            raise Broken(f"the process ended: {self.sidecar.tail()}")
        lines = self.sidecar.log.read_text().splitlines()
        failed = [line for line in lines[self._seen :] if "a tool failed" in line or "Traceback" in line]
        self._seen = len(lines)
        if failed:
            raise Broken(f"the log has {failed[0][:2000]}")
        if not self.writes and (after := self.snapshot()) != self._before:
            raise Broken(f"the store was changed: {self._before} {after}")

    def holding(self) -> Holding:
        """Return what the process holds while nobody is connected."""
        self._connection.close()
        self.sidecar.wait_until(lambda: "mcp_tool_calls_under_way 0.0" in self.sidecar.get("/metrics")[1])
        time.sleep(0.5)  # connections that were closed are seen so
        known = len(self._lines())
        self.sidecar.signal(signal.SIGUSR1)
        self.sidecar.wait_until(lambda: len(self._lines()) > known)
        told = json.loads(self._lines()[-1])
        process = Path(f"/proc/{self.sidecar.pid}")
        resident = int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return Holding(told["tasks"], told["objects"], len(list((process / "fd").iterdir())), resident)

    def _lines(self) -> list[str]:
        return self._told.read_text().splitlines() if self._told.exists() else []


def _check_status(status: int, body: bytes) -> None:
    text = body.decode("utf-8", "replace")
    for word in SECRETS_OF_A_BUG:
        if word in text:
            raise Broken(f"the answer says {word!r}: {text[max(text.index(word) - 300, 0) :][:900]}")
    if not 200 <= status < 500:
        raise Broken(f"HTTP status {status}: {text[:300]}")


def check_answer(sent: Post, status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Raises Broken unless it is valid JSON-RPC with the right id, and no failure of the server's own."""
    _check_status(status, body)
    kind = headers.get("content-type", "").partition(";")[0]
    if kind == "text/event-stream":
        found = [line[5:] for line in body.decode().split("\n") if line.startswith("data:") and line[5:].strip()]
        answers = [message for message in map(_parsed, found) if "method" not in message]
        if len(answers) != 1:
            raise Broken(f"a stream with {len(answers)} answers: {body[:300]!r}")
        (answer,) = answers
    elif not body:
        if sent.id is not NO_ID:
            raise Broken(f"HTTP status {status} without a message")
        return
    elif kind != "application/json" and sent.id is NO_ID and status >= 400:
        return  # refused for its headers
    elif body.startswith(b"[") and sent.id is NO_ID:
        for part in json.loads(body):
            check_answer(sent, status, headers, json.dumps(part).encode())
        return
    else:
        answer = _parsed(body.decode())
        if status >= 400 and "error" in answer and answer.get("id") is None:
            sent = replace(sent, id=NO_ID)  # refused before it was read as JSON-RPC: of Host, Origin, token, length
    if answer.get("jsonrpc") != "2.0" or ("result" in answer) == ("error" in answer):
        raise Broken(f"no JSON-RPC: {body[:300]!r}")
    if error := answer.get("error"):
        if not isinstance(error.get("code"), int) or not isinstance(error.get("message"), str):
            raise Broken(f"an error without code or message: {body[:300]!r}")
        if error["code"] == -32603:
            raise Broken(f"an internal error: {body[:300]!r}")
    if sent.id is not NO_ID and (answer.get("id") != sent.id or type(answer.get("id")) is not type(sent.id)):
        raise Broken(f"id {answer.get('id')!r} where {sent.id!r} was asked: {body[:300]!r}")


def _parsed(text: str) -> dict[str, Any]:
    def refuse(constant: str) -> None:
        raise Broken(f"no JSON: {constant}")

    try:
        value = json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise Broken(f"no JSON ({error}): {text[:300]!r}") from None
    if not isinstance(value, dict):
        raise Broken(f"no JSON-RPC: {text[:300]!r}")
    return value


class RedisTarget(Target):
    """The Redis sidecar. What the store holds is compared by Redis' own digest of it."""

    module = "servers.redis"
    tools = {tool.definition.name: tool for tool in REDIS.tools}
    words = words.redis_words()

    def _start(self, stack: ExitStack) -> dict[str, str]:
        config = {"enable-debug-command": "yes", "maxmemory": "200mb", "maxmemory-policy": "allkeys-random"}
        self._server = stack.enter_context(RedisServer(config=config))
        self._redis = stack.enter_context(Redis("127.0.0.1", self._server.port, decode_responses=True))
        return self._server.address

    def fill(self) -> None:
        words.fill_redis(self._redis)

    def snapshot(self) -> Any:
        redis = self._redis
        settings = _digest(repr(sorted(redis.config_get("*").items())))
        users = redis.execute_command("ACL", "LIST")
        return redis.execute_command("DEBUG", "DIGEST"), settings, users, redis.info("keyspace")["db0"]["keys"]


class ElasticsearchTarget(Target):
    """The Elasticsearch sidecar. What the store holds is compared by its metadata, its documents and its counts of writes."""

    module = "servers.elasticsearch"
    tools = {tool.definition.name: tool for tool in ELASTICSEARCH.tools}
    words = words.elasticsearch_words()

    def _start(self, stack: ExitStack) -> dict[str, str]:
        # Few shards are allowed, so that what is created stays little.
        self._node = stack.enter_context(ElasticsearchNode(settings={"cluster.max_shards_per_node": 40}))
        return self._node.address

    def fill(self) -> None:
        words.fill_elasticsearch(self._node)

    def snapshot(self) -> Any:
        state = self._node.request("GET", "/_cluster/state/metadata")["metadata"]
        for volatile in ("cluster_coordination", "index-graveyard"):
            state.pop(volatile, None)
        for index in state["indices"].values():
            # Renewed by the node itself.
            for volatile in ("version", "primary_terms", "in_sync_allocations", "routing_num_shards"):
                index.pop(volatile, None)
        statistics = self._node.request("GET", "/_stats/indexing,docs?filter_path=indices.*.primaries")["indices"]
        counts = {
            name: (shards["docs"], shards["indexing"]["index_total"], shards["indexing"]["delete_total"])
            for name, part in statistics.items()
            if (shards := part["primaries"])
        }
        found = self._node.request("POST", "/books,logs/_search?size=1000&seq_no_primary_term=true", {"sort": ["_doc"]})
        documents = sorted(json.dumps(hit, sort_keys=True) for hit in found["hits"]["hits"])
        return _digest(json.dumps(state, sort_keys=True)), counts, _digest("".join(documents))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


TARGETS: Mapping[str, type[Target]] = {"redis": RedisTarget, "elasticsearch": ElasticsearchTarget}
