"""What ends a search that takes long: its own timeout, the time of a call, and the client that goes away.

On a real Elasticsearch 8.11.4, which cancels the task of a search whose connection is closed.
"""

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from servers.elasticsearch.tests.conftest import Start, call, told
from tools.backends.elasticsearch import ElasticsearchNode as Node
from tools.backends.sidecar import message

SLOW: dict[str, Any] = {
    "index": "slow",
    "size": 0,
    "aggs": {"a": {"filters": {"filters": {
        str(i): {"regexp": {"k": f".*{i % 10}.*{i // 10 % 10}.*{i // 100}.*"}} for i in range(1500)
    }}}},
}  # fmt: skip
"""Thousands of automata over all terms, which takes many seconds."""


@pytest.fixture(scope="module")
def cluster(node: Node) -> Iterator[Node]:
    mapping = {"settings": {"number_of_replicas": 0}, "mappings": {"properties": {"k": {"type": "keyword"}}}}
    node.request("PUT", "/slow", mapping)
    lines = []
    for i in range(60_000):
        lines += ['{"index":{}}', json.dumps({"k": f"{i * 7919 % 1000003:x}-{i * 104729 % 999983:x}"})]
    assert not node.request("POST", "/slow/_bulk?refresh=true", "\n".join(lines) + "\n")["errors"]
    yield node
    node.request("DELETE", "/slow")


def searching(node: Node) -> bool:
    return bool(node.request("GET", "/_tasks?actions=indices:data/read/search*")["nodes"])


def completed(node: Node) -> int:
    """Searches of shards that came to their end."""
    return int(node.request("GET", "/slow/_stats/search")["_all"]["total"]["search"]["query_total"])


def test_a_search_that_takes_too_long_answers_with_what_it_has(start: Start, cluster: Node) -> None:
    result = call(start(MCP_MAX_RESULT_BYTES="65536"), "es_search", **SLOW, timeout_s=1)
    assert not result["isError"], result
    assert "ran out of time" in result["structuredContent"]["notes"][0]


def test_a_call_that_times_out_cancels_its_search(start: Start, cluster: Node) -> None:
    sidecar = start(MCP_CALL_TIMEOUT_SECONDS="3")
    before = completed(cluster)
    with ThreadPoolExecutor() as threads:
        answer = threads.submit(told, sidecar, "es_search", **SLOW, timeout_s=600)
        sidecar.wait_until(lambda: searching(cluster))
        assert answer.result().startswith("no answer within 3 s")
    sidecar.wait_until(lambda: not searching(cluster))
    assert completed(cluster) == before, "it did not come to its end"


def test_a_client_that_goes_away_cancels_its_search(start: Start, cluster: Node) -> None:
    sidecar = start()
    before = completed(cluster)
    body = json.dumps(message("tools/call", name="es_search", arguments=SLOW | {"timeout_s": 600})).encode()
    with socket.create_connection(("127.0.0.1", sidecar.port)) as connection:
        connection.sendall(
            b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Accept: application/json, text/event-stream\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        sidecar.wait_until(lambda: searching(cluster))
    sidecar.wait_until(lambda: not searching(cluster))
    assert completed(cluster) == before, "it did not come to its end"
    assert 'outcome="cancelled",tool="es_search"' in sidecar.get("/metrics")[1]
