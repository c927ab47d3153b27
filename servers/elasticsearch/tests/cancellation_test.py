"""What ends a search that takes long: its own timeout, the time of a call, and the client that goes away.

On a real Elasticsearch 8.11.4, which cancels the task of a search whose connection is closed.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from servers.elasticsearch.tests.conftest import Start
from tools.backends.elasticsearch import ElasticsearchNode

SLOW = {
    "index": "slow",
    "size": 0,
    "aggs": {"a": {"filters": {"filters": {
        str(i): {"regexp": {"k": f".*{i % 10}.*{i // 10 % 10}.*{i // 100}.*"}} for i in range(1500)
    }}}},
}  # fmt: skip
"""Thousands of automata over all terms, which takes many seconds."""


@pytest.fixture(scope="module")
def cluster(node: ElasticsearchNode) -> Iterator[ElasticsearchNode]:
    mapping = {"settings": {"number_of_replicas": 0}, "mappings": {"properties": {"k": {"type": "keyword"}}}}
    node.request("PUT", "/slow", mapping)
    lines = []
    for i in range(8000):
        lines += ['{"index":{}}', json.dumps({"k": f"{i * 7919 % 1000003:x}-{i * 104729 % 999983:x}"})]
    assert not node.request("POST", "/slow/_bulk?refresh=true", "\n".join(lines) + "\n")["errors"]
    yield node
    node.request("DELETE", "/slow")


def searching(node: ElasticsearchNode) -> bool:
    return bool(node.request("GET", "/_tasks?actions=indices:data/read/search*")["nodes"])


def completed(node: ElasticsearchNode) -> int:
    """Searches of shards that came to their end."""
    return int(node.request("GET", "/slow/_stats/search")["_all"]["total"]["search"]["query_total"])


def wait_until(true: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def message(**more: Any) -> dict[str, Any]:
    params = {"name": "es_search", "arguments": SLOW | more}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}


def test_a_search_that_takes_too_long_answers_with_what_it_has(start: Start, cluster: ElasticsearchNode) -> None:
    result = start(MCP_MAX_RESULT_BYTES="65536").post(message(timeout_s=1))[1]["result"]
    assert not result["isError"], result
    assert "ran out of time" in result["structuredContent"]["notes"][0]


def test_a_call_that_times_out_cancels_its_search(start: Start, cluster: ElasticsearchNode) -> None:
    sidecar = start(MCP_CALL_TIMEOUT_SECONDS="1")
    before, seen, answers = completed(cluster), False, []
    call = threading.Thread(target=lambda: answers.append(sidecar.post(message(timeout_s=600))))
    call.start()
    while call.is_alive():
        seen = seen or searching(cluster)
        time.sleep(0.05)
    assert seen and answers[0][1]["result"]["content"][0]["text"].startswith("no answer within 1 s")
    wait_until(lambda: not searching(cluster))
    assert completed(cluster) == before, "it did not come to its end"


def test_a_client_that_goes_away_cancels_its_search(start: Start, cluster: ElasticsearchNode) -> None:
    sidecar = start()
    before, body = completed(cluster), json.dumps(message(timeout_s=600)).encode()
    with socket.create_connection(("127.0.0.1", sidecar.port)) as connection:
        connection.sendall(
            b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Accept: application/json, text/event-stream\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        wait_until(lambda: searching(cluster))
    wait_until(lambda: not searching(cluster))
    assert completed(cluster) == before, "it did not come to its end"
    assert 'outcome="cancelled",tool="es_search"' in sidecar.get("/metrics")[1]
