"""The way to Elasticsearch: several nodes, one of which fails; what is sent again and what is not; compression."""

import base64
import gzip
import json
import signal
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from servers.elasticsearch.client.node import CONNECTIONS_PER_NODE
from servers.elasticsearch.tests.conftest import Start, call, ready, told
from servers.elasticsearch.tests.fakes import (
    NOTHING,
    ROOT,
    WRITTEN,
    Answer,
    Answers,
    FakeNode,
    Request,
    answering,
    failure,
    resolved,
)
from tools.backends.certificates import Authority
from tools.backends.elasticsearch import ElasticsearchNode as Node
from tools.backends.http_proxy import HttpProxy
from tools.backends.process import free_port
from tools.backends.tls_proxy import TlsProxy


def refusal(status: int, **headers: str) -> Answer:
    answer = failure(status, "es_rejected_execution_exception", "rejected execution of task")
    return answer._replace(headers={name.replace("_", "-"): value for name, value in headers.items()})


def searches(search: Answer | Callable[[Request], Answer], root: Answer = ROOT) -> Callable[[Request], Answer]:
    """Answers every _search with one answer, and all else as a node does."""
    return answering({"_search": search}, root, root)


PUT = {"index": "a", "id": "1", "document": {}, "create_index": True}


def count(fake: FakeNode, part: str, method: str = "") -> int:
    return sum(part in request.path and (not method or request.method == method) for request in fake.requests)


def hosts(*ports: int) -> str:
    return ",".join(f"127.0.0.1:{port}" for port in ports)


def requests_of_ours(node: Node) -> int:
    """Return how many requests a node has had from servers, by its own count."""
    (stats,) = node.request("GET", "/_nodes/_local/stats/http")["nodes"].values()
    return sum(c["request_count"] for c in stats["http"]["clients"] if c.get("x_opaque_id") == "mcp-elasticsearch")


def test_a_node_of_a_real_cluster_goes_and_comes_back(start: Start) -> None:
    transport = free_port()
    place = f"127.0.0.1:{transport}"
    common = {"discovery.type": "multi-node", "discovery.seed_hosts": [place]}
    master = common | {"transport.port": transport, "cluster.initial_master_nodes": [place]}
    with (
        Node(cluster="pair", settings=master) as first,
        # Not one that could be master, so that the cluster goes on without it.
        Node(cluster="pair", settings=common | {"node.roles": ["data"]}) as second,
    ):
        first.request("PUT", "/books", {"settings": {"number_of_shards": 1, "number_of_replicas": 1}})
        first.request("PUT", "/books/_doc/1?refresh=true", {"title": "A fox"})
        assert first.request("GET", "/_cluster/health/books?wait_for_status=green&timeout=60s")["number_of_nodes"] == 2
        sidecar = start(ES_HOSTS=hosts(first.port, second.port), MCP_ALLOW_WRITES="true")

        def search() -> None:
            answer = call(sidecar, "es_search", index="books", query={"match": {"title": "fox"}})
            assert answer["structuredContent"]["total"] == 1, answer

        before = [requests_of_ours(node) for node in (first, second)]
        for _ in range(6):
            search()
        assert all(requests_of_ours(n) - b >= 3 for n, b in zip((first, second), before, strict=True)), "by turns"

        second.signal(signal.SIGKILL)
        second.wait(20)
        for number in range(6):
            search()
            written = call(sidecar, "es_index", index="books", id=f"w{number}", document={"title": "A dog"})
            assert not written["isError"], written
        sidecar.wait_until(lambda: f"without 127.0.0.1:{second.port}" in ready(sidecar))
        assert sidecar.get("/ready")[0] == 200
        assert first.request("GET", "/books/_doc/w5")["_version"] == 1

        second.stop()
        second.start()
        sidecar.wait_until(lambda: "without" not in ready(sidecar))
        before_second = requests_of_ours(second)
        for _ in range(6):
            search()
        assert requests_of_ours(second) - before_second >= 3, "it has its turns again"


def test_a_busy_node_is_passed_over_and_asked_again(start: Start) -> None:
    statuses = [200]
    with FakeNode(searches(lambda request: refusal(statuses[-1]))) as busy, FakeNode(searches(NOTHING)) as free:
        sidecar = start(ES_HOSTS=hosts(busy.port, free.port))
        for status in (429, 502, 503, 504):
            statuses.append(status)
            before = count(busy, "_search"), count(free, "_search")
            for _ in range(4):
                assert not call(sidecar, "es_search", index="a")["isError"]
            assert count(free, "_search") == before[1] + 4
            assert count(busy, "_search") <= before[0] + 2, "it has its turns at most"
        assert count(busy, "_search") > 0
    refusals = iter([refusal(429)] * 2)
    answers: Answers = {
        "/a/_search": lambda request: next(refusals, NOTHING),
        "/b/_search": refusal(429),
        "PUT": refusal(429),
    }
    with FakeNode(answering(answers)) as fake:
        sidecar = start(ES_PORT=str(fake.port), MCP_ALLOW_WRITES="true")
        assert not call(sidecar, "es_search", index="a")["isError"]
        assert "overloaded: try again" in told(sidecar, "es_search", index="b")
        assert count(fake, "/a/_search") == count(fake, "/b/_search") == 3
        assert "overloaded: try again" in told(sidecar, "es_index", **PUT)
        assert count(fake, "/_doc/") == 1, "it may have been done"


def test_a_read_leaves_a_node_that_hangs(start: Start) -> None:
    held = threading.Event()

    def hang(request: Request) -> Answer:
        held.wait()
        return NOTHING

    with FakeNode(searches(hang)) as hanging, FakeNode(searches(NOTHING)) as other:
        try:
            sidecar = start(ES_HOSTS=hosts(hanging.port, other.port))
            for number in range(2):
                assert not call(sidecar, "es_search", index="a")["isError"]
                assert count(other, "_search") == number + 1
            assert count(hanging, "_search") == 1
        finally:
            held.set()


def test_checks_never_wait_for_calls(start: Start) -> None:
    held = threading.Event()
    held.set()
    hanging = []

    def hang(request: Request) -> Answer:
        hanging.append(request)
        held.wait()
        return NOTHING

    with FakeNode(searches(hang)) as fake, ThreadPoolExecutor(CONNECTIONS_PER_NODE + 8) as threads:
        sidecar = start(ES_PORT=str(fake.port))
        call(sidecar, "es_search", index="a")  # until one answer came, few are asked for at once
        held.clear()
        hanging.clear()
        try:
            calls = [threads.submit(call, sidecar, "es_search", index="a") for _ in range(CONNECTIONS_PER_NODE + 8)]
            sidecar.wait_until(lambda: len(hanging) == CONNECTIONS_PER_NODE)
            checked = count(fake, "/") - count(fake, "_search")
            sidecar.wait_until(lambda: count(fake, "/") - count(fake, "_search") > checked + 1)
            assert sidecar.get("/ready")[0] == 200 and len(hanging) == CONNECTIONS_PER_NODE
        finally:
            held.set()
        assert not any(done.result()["isError"] for done in calls)


def test_retry_after_is_kept_and_not_waited_for_in_vain(start: Start) -> None:
    waits = iter(["1", "Wed, 21 Oct 2015 07:28:00 GMT"])
    with FakeNode(searches(lambda _: refusal(503, Retry_After=after) if (after := next(waits, "")) else NOTHING)) as fake:
        assert not call(start(ES_PORT=str(fake.port)), "es_search", index="a")["isError"]
        assert count(fake, "_search") == 3
    with FakeNode(searches(refusal(429, Retry_After="3600"))) as fake:
        # Longer than the call may take: it is told at once.
        assert "overloaded: try again in a while" in told(start(ES_PORT=str(fake.port)), "es_search", index="a")
        assert count(fake, "_search") == 1


def test_a_write_goes_past_a_dead_node_and_is_never_sent_twice(start: Start) -> None:
    with FakeNode(answering({"PUT": WRITTEN})) as fake:
        sidecar = start(ES_HOSTS=hosts(free_port(), fake.port), MCP_ALLOW_WRITES="true")
        for _ in range(2):
            assert not call(sidecar, "es_index", **PUT)["isError"]
        assert count(fake, "/a/_doc/1", "PUT") == 2
    for lost, said in (
        (Answer(0), "broke the connection"),
        (Answer(504, b"<html>", "text/html"), "HTTP status 504"),
        (failure(500, "some_exception", "broke"), "HTTP status 500 (Elasticsearch answered: broke)"),
        (failure(503, "process_cluster_event_timeout_exception", "late"), "HTTP status 503"),
    ):
        with FakeNode(answering({"PUT": lost})) as first, FakeNode(answering({"PUT": lost})) as second:
            sidecar = start(ES_HOSTS=hosts(first.port, second.port), MCP_ALLOW_WRITES="true")
            text = told(sidecar, "es_index", **PUT)
            assert said in text and "may have been done, and was not sent again" in text
            assert count(first, "/a/_doc/1", "PUT") + count(second, "/a/_doc/1", "PUT") == 1


def test_what_is_too_long_for_a_proxy_was_not_done(start: Start) -> None:
    with FakeNode(answering({"_bulk": Answer(413, b"<html>Too Large", "text/html"), "_resolve": resolved("a")})) as fake:
        sidecar = start(ES_PORT=str(fake.port), MCP_ALLOW_WRITES="true")
        text = told(sidecar, "es_bulk", index="a", operations=[{"document": {}}])
    assert "proxy in between (HTTP status 413): send less; none of these operations was done" in text


def test_examples_that_can_not_be_read_are_not_told_as_none(start: Start) -> None:
    counted = {"doc_count": 1, "there": {"doc_count": 1}, "ignored": {"doc_count": 0}}
    first = Answer(200, {"hits": {"hits": []}, "aggregations": {"sample": counted}})
    refused = failure(403, "security_exception", "no right to read it")
    answers: Answers = {
        "_field_caps": Answer(200, {"fields": {"t": {"text": {"searchable": True, "aggregatable": False}}}}),
        "_search": lambda request: first if b'"aggs"' in request.body else refused,
    }
    with FakeNode(answering(answers)) as fake:
        assert "no right to read it" in told(start(ES_PORT=str(fake.port)), "es_field", index="a", field="t")


def test_when_all_nodes_are_away_each_is_told(start: Start) -> None:
    ports = [free_port(), free_port()]
    sidecar = start(ready=False, ES_HOSTS=hosts(*ports))
    refused = " can't be reached (Connection refused)"
    assert told(sidecar, "es_health") in {
        f"no Elasticsearch node is available: 127.0.0.1:{one}{refused}; 127.0.0.1:{two}{refused}: try again, or check ES_HOSTS"
        for one, two in (ports, ports[::-1])
    }
    assert sidecar.get("/ready")[0] == 503
    alone = start(ready=False, ES_PORT=str(ports[0]))
    advice = ": try again, or check ES_HOST, ES_PORT and ES_SCHEME"
    assert told(alone, "es_health") == f"Elasticsearch at 127.0.0.1:{ports[0]}{refused}{advice}"


def test_nodes_of_different_clusters_are_not_mixed(start: Start) -> None:
    roots = [Answer(200, ROOT.body | {"cluster_uuid": name}) for name in ("one", "two")]
    with FakeNode(searches(NOTHING, roots[0])) as one, FakeNode(searches(NOTHING, roots[1])) as two:
        sidecar = start(ready=False, ES_HOSTS=hosts(one.port, two.port))
        sidecar.wait_until(lambda: "different clusters" in ready(sidecar))
        assert "different clusters" in told(sidecar, "es_search", index="a")
        assert count(one, "_search") + count(two, "_search") == 0


def test_a_path_before_elasticsearchs_own(start: Start) -> None:
    with FakeNode(searches(NOTHING)) as fake:
        sidecar = start(ES_HOSTS=f"http://127.0.0.1:{fake.port}/es/")
        assert not call(sidecar, "es_search", index="a")["isError"]
        assert {request.path.partition("?")[0] for request in fake.requests} >= {"/es/", "/es/a/_search"}


def test_compression_with_a_real_node(start: Start, es: Node) -> None:
    sidecar = start(ES_HTTP_COMPRESS="true", MCP_ALLOW_WRITES="true")
    text = "a quick fox " * 2000
    written = call(sidecar, "es_index", index="books", id="1", document={"text": text}, create_index=True, refresh=True)
    assert not written["isError"], written
    assert es.request("GET", "/books/_doc/1")["_source"] == {"text": text}
    assert call(sidecar, "es_get", index="books", id="1")["structuredContent"]["source"] == {"text": text}


@pytest.mark.parametrize("wanted", ["true", "false", "auto"])
def test_what_is_compressed(start: Start, wanted: str) -> None:
    packed = Answer(200, gzip.compress(json.dumps(NOTHING.body).encode()), headers={"Content-Encoding": "gzip"})
    answers = searches(lambda request: packed if "gzip" in request.headers["accept-encoding"] else NOTHING)
    with FakeNode(lambda request: WRITTEN if request.method == "PUT" else answers(request)) as fake:
        sidecar = start(ES_PORT=str(fake.port), ES_HTTP_COMPRESS=wanted, MCP_ALLOW_WRITES="true")
        for document in ({"n": 1}, {"text": "x" * 10_000}):
            assert not call(sidecar, "es_index", **PUT | {"document": document})["isError"]
        assert call(sidecar, "es_search", index="a")["structuredContent"]["total"] == 0
        small, large = [r for r in fake.requests if r.method == "PUT"]
        assert "content-encoding" not in small.headers
        if wanted == "true":
            assert large.headers["content-encoding"] == "gzip" and len(large.body) < 1000
            large = large._replace(body=gzip.decompress(large.body))
        else:  # auto: the node is on loopback
            assert "content-encoding" not in large.headers
            assert {request.headers["accept-encoding"] for request in fake.requests} == {"identity"}
        assert json.loads(large.body) == {"text": "x" * 10_000}


def test_a_warning_reaches_the_caller_once(start: Start, es: Node) -> None:
    sidecar = start(MCP_ALLOW_WRITES="true")
    template = {"kind": "template", "definition": {"index_patterns": ["books"]}}
    try:
        es.request("PUT", "/_template/older", {"index_patterns": ["books*"]})
        answer = call(sidecar, "es_define", name="newer", **template)
    finally:
        es.request("DELETE", "/_template/older")
        es.request("DELETE", "/_index_template/newer")
    (warning,) = answer["structuredContent"]["warnings"]
    assert warning.startswith("index template [newer] has index patterns [books] matching patterns from existing older")
    assert json.loads(answer["content"][0]["text"])["warnings"] == [warning]
    assert "warnings" not in call(sidecar, "es_health")["structuredContent"]
    text = r'299 Elasticsearch-9.0.0-abc "No limit defined, adding default limit of \"1000\"", 299 a-1-b "\\"'
    with FakeNode(searches(NOTHING._replace(headers={"Warning": text}))) as fake:
        sidecar = start(ES_PORT=str(fake.port))
        answer = call(sidecar, "es_search", index="a")
        assert answer["structuredContent"]["warnings"] == ['No limit defined, adding default limit of "1000"', "\\"]
        assert "No limit" not in sidecar.log.read_text()


def test_a_proxy_that_removes_the_name_of_the_product_is_no_hindrance(start: Start) -> None:
    with FakeNode(answering({"PUT": WRITTEN}), product=False) as fake:
        assert not call(start(ES_PORT=str(fake.port), MCP_ALLOW_WRITES="true"), "es_index", **PUT)["isError"]
        (request,) = [request for request in fake.requests if request.method == "PUT"]
        assert request.headers["content-type"] == "application/vnd.elasticsearch+json; compatible-with=8"


@pytest.mark.parametrize("tls", [False, True])
def test_an_http_proxy(start: Start, node: Node, tmp_path: Path, tls: bool) -> None:
    authority = Authority(tmp_path / "ca")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("node"))
    password = tmp_path / "password"
    password.write_text("old")
    login = "Basic " + base64.b64encode(b"ada:new").decode()
    with HttpProxy(login) as proxy, TlsProxy(node.port, context) as behind:
        env = {"ES_PROXY_URL": f"http://127.0.0.1:{proxy.port}", "ES_PROXY_USERNAME": "ada"}
        env["ES_PROXY_PASSWORD_FILE"] = str(password)
        if tls:
            env |= {"ES_PORT": str(behind.port), "ES_SCHEME": "https", "ES_CA_FILE": str(authority.file)}
        sidecar = start(ready=False, **env)
        sidecar.wait_until(lambda: "407" in ready(sidecar))
        assert not proxy.served
        password.write_text("new")
        sidecar.wait_until_ready()
        assert not call(sidecar, "es_health")["isError"]
        place = f"127.0.0.1:{behind.port if tls else node.port}"
        assert ("CONNECT" if tls else "GET", place) in proxy.served and {where for _, where in proxy.served} == {place}


def test_opensearch_is_told_by_its_name(start: Start) -> None:
    # The root of OpenSearch 2.11.1, and the words with which it refuses a parameter that it does not know.
    root = {"version": {"distribution": "opensearch", "number": "2.11.1"}, "tagline": "The OpenSearch Project"}
    strange = failure(400, "illegal_argument_exception", "request [/a/_search] contains unrecognized parameter: [x]")
    with FakeNode(searches(strange, Answer(200, root)), product=False) as fake:
        sidecar = start(ES_PORT=str(fake.port))
        assert "OpenSearch 2.11.1" in ready(sidecar)
        text = told(sidecar, "es_search", index="a", where={"b": 1})
        assert "this cluster is OpenSearch 2.11.1, which lacks parts of Elasticsearch's API" in text
        assert count(fake, "_field_caps") == 0, "no field that may be nested"
        tools = sidecar.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})[1]["result"]["tools"]
        assert "es_query" not in [tool["name"] for tool in tools]
        assert count(fake, "_xpack") == 0
        told(sidecar, "es_field", index="a", field="b")
        assert count(fake, "_field_caps") > count(fake, "filters=") == 0, "a parameter that it refuses"
        sent = {(r.headers["accept"], r.headers.get("content-type", "application/json")) for r in fake.requests}
        assert sent == {("application/json", "application/json")}, "it knows no other"
