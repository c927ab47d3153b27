"""The demo's three processes, on a real Redis and a real Elasticsearch."""

import json
import os
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tools.backends.certificates import Authority
from tools.backends.elasticsearch import ElasticsearchNode
from tools.backends.process import Process, free_port, ran
from tools.backends.redis import RedisServer


class Role(Process):
    def __init__(self, role: str, folder: Path, env: dict[str, str]) -> None:
        self.port = free_port()
        kept = {name: value for name, value in os.environ.items() if name.startswith("PYTHON")}
        command = [sys.executable, "-m", "examples.demo", role]
        super().__init__(role, command, folder / f"{role}.log", kept | env | {"PORT": str(self.port), "HOSTNAME": role})

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=600) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metric(self, name: str) -> float:
        found = re.search(rf"^{name} (\S+)$", self.get("/metrics")[1], re.M)
        return float(found[1]) if found else -1


Start = Callable[..., Role]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as stack:

        def start(role: str, **env: str) -> Role:
            process = Role(role, tmp_path, {"REDIS_HOST": "127.0.0.1", "ES_HOST": "127.0.0.1"} | env)
            stack.enter_context(process)
            process.wait_until(lambda: process.get("/health")[0] == 200)
            return process

        yield start


def test_jobs_flow_from_the_orchestrator_to_the_page(start: Start, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("redis")
    port, ports = free_port(), {"REDIS_PORT": str(free_port()), "ES_PORT": str(free_port())}
    tls = {"tls-port": ports["REDIS_PORT"], "tls-cert-file": certificate, "tls-key-file": key, "tls-ca-cert-file": authority.file}
    stores = ports | {"REDIS_TLS": "true", "REDIS_CA_FILE": str(authority.file)}
    orchestrator, worker, ui = (start(role, **stores) for role in ("orchestrator", "worker", "ui"))
    assert ui.get("/")[0] == 503, "without stores the page says so"
    with RedisServer(port, config=tls | {"tls-auth-clients": "no"}), ElasticsearchNode(int(ports["ES_PORT"])) as elasticsearch:
        # Both were away: they are taken up as they come.
        orchestrator.wait_until(lambda: orchestrator.metric("demo_jobs_queued_total") >= 2)
        worker.wait_until(lambda: worker.metric("demo_jobs_done_total") >= 2)
        assert worker.metric("demo_job_seconds_count") >= 2
        assert orchestrator.metric("process_cpu_seconds_total") > 0
        elasticsearch.request("POST", "/demo-results/_refresh")
        found = elasticsearch.request("POST", "/demo-results/_search", {"query": {"term": {"worker": "worker"}}})
        source = found["hits"]["hits"][0]["_source"]
        assert source["words"] > 0
        status, text = ui.get("/")
        assert status == 200
        assert source["document"] in text
        assert ui.get("/metrics")[0] == 404
        assert json.loads(ui.get("/health")[1]) == {"status": "ok", "role": "ui"}


def test_a_wrong_setting_is_told_in_a_line() -> None:
    kept = {name: value for name, value in os.environ.items() if name.startswith("PYTHON")}
    done = ran(sys.executable, "-m", "examples.demo", "worker", env=kept | {"REDIS_PORT": "x", "PORT": "99999"})
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "demo: PORT: 99999 is not between 1 and 65535",
        "demo: REDIS_PORT: 'x' is not a whole number",
    ]
