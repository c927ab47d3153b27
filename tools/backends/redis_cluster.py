"""A real Redis Cluster."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from redis import Redis, RedisCluster
from redis.exceptions import RedisError

from tools.backends.process import PATIENCE, free_port
from tools.backends.redis import RedisServer

SLOTS = 16384


def wait_until(true: Callable[[], Any]) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            if true():
                return
        except RedisError:
            pass
        assert time.monotonic() < end, "it did not become true in time"
        time.sleep(0.1)


class Cluster:
    """Three masters on loopback, each with a third of the slots."""

    def __init__(self, stack: ExitStack) -> None:
        config = {"cluster-enabled": "yes", "cluster-node-timeout": 2000, "cluster-require-full-coverage": "no"}
        # The port of the bus is by default that of the server plus 10,000, which the kernel may have given to a client.
        buses = [free_port() for _ in range(3)]
        self.servers = [stack.enter_context(RedisServer(config=config | {"cluster-port": bus})) for bus in buses]
        self.nodes = [stack.enter_context(Redis("127.0.0.1", s.port, decode_responses=True)) for s in self.servers]
        for index, node in enumerate(self.nodes):
            node.execute_command("CLUSTER", "ADDSLOTSRANGE", index * 5461, SLOTS - 1 if index == 2 else index * 5461 + 5460)
            node.execute_command("CLUSTER", "SET-CONFIG-EPOCH", index + 1)
        for server, bus in zip(self.servers[1:], buses[1:], strict=True):
            self.nodes[0].execute_command("CLUSTER", "MEET", "127.0.0.1", server.port, bus)
        wait_until(lambda: all("cluster_state:ok" in self.info(n) and "cluster_size:3" in self.info(n) for n in self.nodes))
        self.ids = [str(node.execute_command("CLUSTER", "MYID")) for node in self.nodes]
        self.client = stack.enter_context(RedisCluster("127.0.0.1", self.servers[0].port))

    @staticmethod
    def info(node: Any) -> str:
        answer = node.execute_command("CLUSTER", "INFO")
        return answer if isinstance(answer, str) else "\n".join(f"{k}:{v}" for k, v in answer.items())

    def slot(self, key: str) -> int:
        return int(self.nodes[0].execute_command("CLUSTER", "KEYSLOT", key))

    def owner(self, key: str) -> int:
        return min(self.slot(key) // 5461, 2)

    def migrate(self, key: str, *, finish: bool = True) -> None:
        """Moves a key's slot to the next node as redis-cli does; without `finish` it stays between the two."""
        slot, source = self.slot(key), self.owner(key)
        target = (source + 1) % 3
        self.nodes[target].execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", self.ids[source])
        self.nodes[source].execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", self.ids[target])
        self.nodes[source].execute_command("MIGRATE", "127.0.0.1", self.servers[target].port, key, 0, 5000)
        if finish:
            for node in (target, source):
                self.nodes[node].execute_command("CLUSTER", "SETSLOT", slot, "NODE", self.ids[target])
