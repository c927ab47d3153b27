"""The stores of the servers, each on a port that the test names."""

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from tools.backends.process import Process, accepts
from tools.backends.runfiles import program


class Store(NamedTuple):
    settings: Mapping[str, str]
    """What tells the server where it is."""
    tool: str
    """A tool of the server that needs no argument and asks the store."""
    process: Callable[[], AbstractContextManager[object]]


class Listening(Process):
    """A program that is ready when its port accepts connections."""

    def __init__(self, name: str, command: list[str], port: int, folder: Path) -> None:
        super().__init__(name, command, folder / f"{name}.log")
        self._port = port

    def start(self) -> None:
        super().start()
        self.wait_until(lambda: accepts(self._port))


def store(port: int, folder: Path, kind: str) -> Store:
    """Return a store on the loopback interface: redis, elasticsearch, victoria-metrics or vmagent."""
    listen = f"-httpListenAddr=127.0.0.1:{port}"

    def redis() -> AbstractContextManager[object]:
        from tools.backends.redis import RedisServer

        return RedisServer(port)

    def elasticsearch() -> AbstractContextManager[object]:
        from tools.backends.elasticsearch import ElasticsearchNode

        return ElasticsearchNode(port)

    def victoria_metrics() -> Process:
        # What was just written is found.
        options = [f"-storageDataPath={folder / 'storage'}", "-search.latencyOffset=0s"]
        return Listening("victoria-metrics", [str(program("VICTORIA_METRICS")), listen, *options], port, folder)

    def vmagent() -> Process:
        job = {"job_name": "self", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
        file = folder / "scrape.yaml"
        file.write_text(json.dumps({"scrape_configs": [job]}))  # JSON is YAML
        remote = [f"-remoteWrite.url=http://127.0.0.1:{port}/nowhere", f"-remoteWrite.tmpDataPath={folder / 'queue'}"]
        command = [str(program("VMAGENT")), listen, f"-promscrape.config={file}", *remote]
        return Listening("vmagent", command, port, folder)

    def settings(prefix: str) -> dict[str, str]:
        return {f"{prefix}_HOST": "127.0.0.1", f"{prefix}_PORT": str(port)}

    return {
        "redis": Store(settings("REDIS"), "redis_info", redis),
        "elasticsearch": Store(settings("ES"), "es_health", elasticsearch),
        "victoria-metrics": Store(settings("METRICS"), "metrics_names", victoria_metrics),
        "vmagent": Store(settings("VMAGENT"), "targets_summary", vmagent),
    }[kind]
