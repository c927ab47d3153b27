"""Faults between the sidecars and their stores: every call is answered, nothing is written twice, and the next call is right."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from tests.faults.cases import CASES, Case
from tests.faults.proxy import Proxy
from tools.backends.elasticsearch import ElasticsearchNode
from tools.backends.redis import RedisServer
from tools.backends.sidecar import Sidecar

UNSURE = "may have been done"


class Store(ABC):
    """A store behind a proxy, and a sidecar before it."""

    def __init__(self, stack: ExitStack, folder: Path, server: str, prefix: str, port: int, flood: bytes) -> None:
        self.proxy = stack.enter_context(Proxy(port, flood))
        env = {f"{prefix}_HOST": "127.0.0.1", f"{prefix}_PORT": str(self.proxy.port), "MCP_ALLOW_WRITES": "true"}
        self.sidecar = stack.enter_context(Sidecar(f"servers.{server}", env, folder))

    @abstractmethod
    def put(self, name: str) -> None:
        """Stores a value that is its own name, past the proxy."""

    @abstractmethod
    def read(self, name: str) -> tuple[bool, str]:
        """Reads it by a call: whether that was answered, and the value or the error."""

    @abstractmethod
    def write(self, name: str) -> tuple[bool, str]:
        """Changes something by a call that changes it again when it is repeated."""

    @abstractmethod
    def written(self, name: str) -> int:
        """Return how often it was changed."""

    @abstractmethod
    def marker(self, name: str) -> bytes:
        """Return what the request that reads or changes it holds, and no other."""

    def call(self, tool: str, **arguments: Any) -> tuple[bool, dict[str, Any] | str]:
        result = self.sidecar.call(tool, **arguments)
        if result["isError"]:
            return False, str(result["content"][0]["text"])
        return True, result["structuredContent"]


class RedisStore(Store):
    def __init__(self, stack: ExitStack, folder: Path) -> None:
        server = stack.enter_context(RedisServer())
        self._redis = stack.enter_context(Redis("127.0.0.1", server.port, decode_responses=True))
        super().__init__(stack, folder, "redis", "REDIS", server.port, b"$900000000\r\n")

    def put(self, name: str) -> None:
        self._redis.set(name, name)

    def read(self, name: str) -> tuple[bool, str]:
        good, said = self.call("redis_command", command=["GET", name])
        return good, said["reply"] if isinstance(said, dict) else said

    def write(self, name: str) -> tuple[bool, str]:
        good, said = self.call("redis_transaction", commands=[["INCR", f"{name}.count"]])
        return good, str(said)

    def written(self, name: str) -> int:
        return int(self._redis.get(f"{name}.count") or 0)

    def marker(self, name: str) -> bytes:
        # The command itself, and not where it is asked for its keys or where a key is watched.
        words = ("INCR", f"{name}.count") if name[0] == "w" else ("GET", name)
        return "".join(["*2\r\n", *(f"${len(word)}\r\n{word}\r\n" for word in words)]).encode()


class ElasticsearchStore(Store):
    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self._node = stack.enter_context(ElasticsearchNode())
        self._node.request("PUT", "/books", {"settings": {"number_of_shards": 1, "number_of_replicas": 0}})
        flood = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 900000000\r\n\r\n"
        super().__init__(stack, folder, "elasticsearch", "ES", self._node.port, flood)

    def put(self, name: str) -> None:
        self._node.request("PUT", f"/books/_doc/{name}?refresh=true", {"name": name})

    def read(self, name: str) -> tuple[bool, str]:
        good, said = self.call("es_get", index="books", id=name)
        return good, said["source"]["name"] if isinstance(said, dict) else said

    def write(self, name: str) -> tuple[bool, str]:
        good, said = self.call("es_index", index="books", id=name, document={"name": name})
        return good, str(said)

    def written(self, name: str) -> int:
        self._node.request("POST", "/books/_refresh")
        found = self._node.request("POST", "/books/_search", {"query": {"ids": {"values": [name]}}, "version": True})
        return sum(hit["_version"] for hit in found["hits"]["hits"])

    def marker(self, name: str) -> bytes:
        return f"/{name}".encode() if name[0] == "w" else f"/books/_doc/{name}".encode()


@pytest.fixture(scope="module", params=[RedisStore, ElasticsearchStore])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with ExitStack() as stack:
        running = request.param(stack, tmp_path_factory.mktemp("sidecar"))
        running.put("other")
        yield running


def name_of(kind: str, case: Case, number: int) -> str:
    return f"{kind}-{case.act.replace(' ', '-')}-{number}"


def check_after(store: Store) -> None:
    """The next call gets its own answer, and not what is left of the last."""
    store.proxy.arm(None, b"")
    assert store.read("other") == (True, "other")
    assert store.sidecar.get("/health")[0] == 200


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.act)
def test_a_read(store: Store, case: Case) -> None:
    for number in range(case.times):
        name = name_of("r", case, number)
        store.put(name)
        store.proxy.arm(case.act, store.marker(name))
        good, said = store.read(name)
        assert 1 <= store.proxy.seen <= 2, (store.proxy.seen, said)
        assert store.proxy.delivered <= case.reads_sent
        if case.read != "either":
            assert good == (case.read == "answered"), said
        assert not good or said == name
        assert "internal error" not in said and UNSURE not in said
        check_after(store)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.act)
def test_a_write(store: Store, case: Case) -> None:
    for number in range(case.times):
        name = name_of("w", case, number)
        store.proxy.arm(case.act, store.marker(name))
        good, said = store.write(name)
        assert store.proxy.seen == 1, "it is sent once, whatever happens"
        assert store.proxy.delivered == (case.act != "cut before")
        assert store.written(name) == store.proxy.delivered, "done as often as it came, and never twice"
        assert good == (case.write == "answered"), said
        assert "internal error" not in said
        assert (UNSURE in said) == (case.write == "told, unsure"), said
        check_after(store)


def test_the_log_names_no_failure_of_ours(store: Store) -> None:
    lines = [json.dumps(line) for line in store.sidecar.logs()]
    assert lines and not [line for line in lines if "a tool failed" in line or "Traceback" in line]
