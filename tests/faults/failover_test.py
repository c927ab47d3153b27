"""The store fails over, moves or starts anew under calls that change it: each is done at most once, and none is left waiting."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from redis import Redis

from tools.backends.elasticsearch import ElasticsearchNode
from tools.backends.redis import RedisServer
from tools.backends.redis_cluster import Cluster, wait_until
from tools.backends.sidecar import Sidecar


class Load:
    """Calls that change the store, each with a name of its own, from several threads."""

    def __init__(self, sidecar: Sidecar, tool: str, arguments: Any) -> None:
        self._sidecar = sidecar
        self._tool = tool
        self._arguments = arguments
        self._stop = threading.Event()
        self.good: list[str] = []
        self.bad: dict[str, str] = {}

    @contextmanager
    def running(self, threads: int = 4) -> Iterator[None]:
        """Send calls one after the other inside this context; at its end all are answered."""
        workers = [threading.Thread(target=self._work, args=(number,)) for number in range(threads)]
        for worker in workers:
            worker.start()
        try:
            yield
        finally:
            self._stop.set()
            for worker in workers:
                worker.join(90)
            assert not any(worker.is_alive() for worker in workers), "a call was left waiting"

    def _work(self, number: int) -> None:
        turn = 0
        while not self._stop.is_set():
            turn += 1
            name = f"{number}.{turn}"
            result = self._sidecar.call(self._tool, **self._arguments(name))
            if result["isError"]:
                self.bad[name] = result["content"][0]["text"]
            else:
                self.good.append(name)

    def check(self, done: Counter[str], *, kept: bool = True) -> None:
        """Check that all is as the answers say. `done` counts what calls did; `kept`: the store keeps what it acknowledged."""
        assert not [name for name, times in done.items() if times > 1], "nothing is done twice"
        if kept:
            assert set(self.good) <= set(done), "what was answered was done"
        for name, text in self.bad.items():
            assert "internal error" not in text
            if name in done:
                assert "may have been done" in text, f"it was done, and the answer says: {text}"


def push(key: str) -> Any:
    return lambda name: {"commands": [["RPUSH", key, name]]}


def test_sentinels_promote_a_replica(tmp_path: Path) -> None:
    """Redis replicates without waiting, so that what was acknowledged just before may be lost: by Redis, not by the sidecar."""
    with ExitStack() as stack:
        master = stack.enter_context(RedisServer())
        replica = stack.enter_context(RedisServer(config={"replicaof": f"127.0.0.1 {master.port}"}))
        config = {
            "sentinel monitor mymaster": f"127.0.0.1 {master.port} 1",
            "sentinel down-after-milliseconds mymaster": 1000,
            "sentinel failover-timeout mymaster": 5000,
        }
        sentinel = stack.enter_context(RedisServer(config=config, sentinel=True))
        asked = stack.enter_context(Redis("127.0.0.1", sentinel.port, decode_responses=True))
        follower = stack.enter_context(Redis("127.0.0.1", replica.port, decode_responses=True))
        wait_until(lambda: asked.sentinel_masters()["mymaster"]["num-slaves"] == 1)
        env = {"REDIS_MODE": "sentinel", "REDIS_SENTINELS": f"127.0.0.1:{sentinel.port}", "MCP_ALLOW_WRITES": "true"}
        sidecar = stack.enter_context(Sidecar("servers.redis", env, tmp_path))
        load = Load(sidecar, "redis_transaction", push("done"))
        with load.running():
            wait_until(lambda: follower.llen("done") > 50)
            master.stop()
            wait_until(lambda: follower.info("replication")["role"] == "master")
            now = len(load.good)
            wait_until(lambda: len(load.good) > now + 50)
        load.check(Counter(follower.lrange("done", 0, -1)), kept=False)
        sidecar.wait_until_ready()


def test_a_slot_of_a_cluster_moves(tmp_path: Path) -> None:
    with ExitStack() as stack:
        cluster = Cluster(stack)
        env = cluster.servers[0].address | {"REDIS_MODE": "cluster", "MCP_ALLOW_WRITES": "true"}
        sidecar = stack.enter_context(Sidecar("servers.redis", env, tmp_path))
        cluster.client.rpush("moving", "first")
        load = Load(sidecar, "redis_transaction", push("moving"))
        with load.running():
            wait_until(lambda: len(load.good) > 50)
            cluster.migrate("moving")
            now = len(load.good)
            wait_until(lambda: len(load.good) > now + 50)
        (first, *done) = [name.decode() for name in cluster.client.lrange("moving", 0, -1)]
        assert first == "first"
        load.check(Counter(done))


def test_elasticsearch_starts_anew(tmp_path: Path) -> None:
    with ElasticsearchNode() as node:
        node.request("PUT", "/books", {"settings": {"number_of_shards": 1, "number_of_replicas": 0}})
        with Sidecar("servers.elasticsearch", node.address | {"MCP_ALLOW_WRITES": "true"}, tmp_path) as sidecar:
            load = Load(sidecar, "es_index", lambda name: {"index": "books", "document": {"name": name}})
            with load.running():
                sidecar.wait_until(lambda: len(load.good) > 50)
                node.stop()
                sidecar.wait_until(lambda: sidecar.get("/ready")[0] == 503)
                assert sidecar.get("/health")[0] == 200
                node.start()
                now = len(load.good)
                sidecar.wait_until(lambda: len(load.good) > now + 50)
            node.request("POST", "/books/_refresh")
            found = node.request("POST", "/books/_search", {"size": 10_000, "_source": ["name"]})["hits"]["hits"]
            load.check(Counter(hit["_source"]["name"] for hit in found))
            assert "can't be reached" in " ".join(load.bad.values())


def test_elasticsearch_takes_no_writes_when_its_disk_is_full(tmp_path: Path) -> None:
    """The block that Elasticsearch sets on every index at its flood stage, set by hand."""
    with ElasticsearchNode() as node:
        node.request("PUT", "/books", {"settings": {"number_of_shards": 1, "number_of_replicas": 0}})
        node.request("PUT", "/books/_settings", {"index.blocks.read_only_allow_delete": True})
        with Sidecar("servers.elasticsearch", node.address | {"MCP_ALLOW_WRITES": "true"}, tmp_path) as sidecar:
            for _ in range(5):
                answer = sidecar.call("es_index", index="books", document={})
                assert answer["isError"] and "full disk" in answer["content"][0]["text"], answer
            assert sidecar.get("/ready")[0] == 200
        assert node.request("GET", "/books/_count")["count"] == 0
