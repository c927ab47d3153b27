"""The stores, the data and the servers, started one after the other and ended in the reverse order."""

import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from tools.backends.elasticsearch import ElasticsearchNode
from tools.backends.process import Process, StartError, answers
from tools.backends.redis import RedisServer
from tools.backends.runfiles import program
from tools.dataset.load import load_elasticsearch, load_redis
from tools.images.container import Container
from tools.images.layout import Image
from tools.quickstart.ports import Ports

Tell = Callable[[str], None]


class Stack(ExitStack):
    """Everything that the quickstart runs; it is ended at the end of the `with` block."""

    def __init__(self, ports: Ports, allow_writes: bool, tell: Tell) -> None:
        """Listen on 127.0.0.1. `allow_writes`: the servers have the tools that change data. `tell` gets a line of progress."""
        super().__init__()
        self.ports = ports
        self._writes = allow_writes
        self._tell = tell
        self.processes: list[Process] = []

    def start(self) -> None:
        """Start everything and wait until both servers are ready. StartError if one does not; the `with` block ends the rest."""
        folder = Path(tempfile.mkdtemp(prefix="quickstart."))
        self.callback(shutil.rmtree, folder, ignore_errors=True)
        self._tell(f"starting Redis on port {self.ports.redis}")
        self._add(RedisServer(self.ports.redis))
        self._tell(f"starting Elasticsearch on port {self.ports.elasticsearch} (about ten seconds)")
        self._add(ElasticsearchNode(self.ports.elasticsearch))
        self._tell("loading the data set: packages of Debian 12, and orders and logs of a shop")
        keys, documents = load_redis(self.ports.redis), load_elasticsearch(self.ports.elasticsearch)
        self._tell(f"loaded {keys} keys into Redis, {documents} documents into Elasticsearch")
        redis = {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(self.ports.redis)}
        elasticsearch = {"ES_HOST": "127.0.0.1", "ES_PORT": str(self.ports.elasticsearch)}
        self._serve("redis", self.ports.redis_mcp, redis, folder)
        self._serve("elasticsearch", self.ports.elasticsearch_mcp, elasticsearch, folder)
        for process, port in zip(self.processes[-2:], (self.ports.redis_mcp, self.ports.elasticsearch_mcp), strict=True):
            process.wait_until(lambda port=port: answers(f"http://127.0.0.1:{port}/ready"))  # type: ignore[misc]

    def _add(self, process: Process) -> None:
        self.processes.append(self.enter_context(process))

    def _serve(self, name: str, port: int, settings: dict[str, str], folder: Path) -> None:
        self._tell(f"starting mcp/{name} from its image on port {port}")
        root = folder / name
        root.mkdir()
        image = Image(program(f"{name.upper()}_IMAGE"))
        image.unpack(root)
        env = settings | {"MCP_HOST": "127.0.0.1", "MCP_PORT": str(port), "MCP_ALLOW_WRITES": str(self._writes).lower()}
        self._add(Container(f"mcp/{name}", image, root, env, folder / f"{name}.log"))

    def watch(self) -> None:
        """Wait until a process ends: a StartError with its last lines."""
        while True:
            for process in self.processes:
                if not process.running:
                    raise StartError(f"{process.name} ended with exit code {process.exit_code}:\n{process.tail()}")
            time.sleep(0.5)
