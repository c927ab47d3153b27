"""The sidecar as a service: without its store, with a wrong login, over TLS, with wrong settings."""

from __future__ import annotations

import base64
import json
import os
import socket
import ssl
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

from servers.elasticsearch.tests.conftest import CANARY, Start, call, run, told
from servers.elasticsearch.tests.fake_elasticsearch import ROOT, FakeAnswer, FakeElasticsearch, FakeRequest, Guarded
from tools.backends.certificates import Authority
from tools.backends.elasticsearch import ElasticsearchNode
from tools.backends.process import free_port
from tools.backends.sidecar import message

READING = [
    "es_health",
    "es_indices",
    "es_mapping",
    "es_field",
    "es_search",
    "es_get",
    "es_explain",
    "es_analyze",
    "es_request",
]


def test_writing_tools_are_hidden_and_refused_by_default(start: Start, elasticsearch: ElasticsearchNode) -> None:
    elasticsearch.request("PUT", "/books/_doc/1?refresh=true", {"a": 1})
    sidecar = start()
    tools = sidecar.post(message("tools/list"))[1]["result"]["tools"]
    assert [tool["name"] for tool in tools] == READING
    for name, arguments in (
        ("es_delete", {"index": "books", "id": "1"}),
        ("es_index", {"index": "books", "document": {}}),
    ):
        answer = sidecar.post(message("tools/call", name=name, arguments=arguments))[1]
        assert "MCP_ALLOW_WRITES" in answer["error"]["message"]
    assert elasticsearch.request("GET", "/books/_count")["count"] == 1


def test_it_starts_without_elasticsearch_and_recovers_when_it_comes(start: Start) -> None:
    port = free_port()
    sidecar = start(ready=False, ES_PORT=str(port))
    assert sidecar.get("/health")[0] == 200
    sidecar.wait_until(lambda: "can't be reached" in sidecar.get("/ready")[1], 10)
    assert sidecar.get("/ready")[0] == 503
    assert told(sidecar, "es_health") == (
        f"Elasticsearch at 127.0.0.1:{port} can't be reached (Connection refused): "
        "try again, or check ES_HOST, ES_PORT and ES_SCHEME"
    )
    with ElasticsearchNode(port):
        sidecar.wait_until_ready(10)
        assert "Elasticsearch 8.11.4" in sidecar.get("/ready")[1]
        assert not call(sidecar, "es_health")["isError"]
        assert "mcp_backend_up 1.0" in sidecar.get("/metrics")[1]
    sidecar.wait_until(lambda: sidecar.get("/ready")[0] == 503, 10)
    assert sidecar.get("/health")[0] == 200
    with ElasticsearchNode(port):
        sidecar.wait_until_ready(10)
        assert not call(sidecar, "es_health")["isError"]


def test_a_read_goes_on_over_a_connection_that_died(start: Start) -> None:
    port = free_port()
    with ElasticsearchNode(port):
        sidecar = start(ES_PORT=str(port))
        assert not call(sidecar, "es_health")["isError"]
    with ElasticsearchNode(port):
        assert not call(sidecar, "es_health")["isError"], "the dead connection is replaced within the call"


REFUSED = "refuses our login: check ES_API_KEY, ES_BEARER_TOKEN, or ES_USERNAME and ES_PASSWORD (or their _FILE)"


@pytest.mark.parametrize("settings", [{"ES_API_KEY": CANARY}, {"ES_USERNAME": "elastic", "ES_PASSWORD": CANARY}, {}])
def test_a_wrong_login_is_one_clear_line_without_it(start: Start, settings: dict[str, str]) -> None:
    with FakeElasticsearch(Guarded("ApiKey right")) as fake:
        sidecar = start(ready=False, ES_PORT=str(fake.port), **settings)
        sidecar.wait_until(lambda: "refuses our login" in sidecar.get("/ready")[1], 10)
        text = told(sidecar, "es_health")
        assert text == f"Elasticsearch at 127.0.0.1:{fake.port} {REFUSED}"
        assert [line["detail"] for line in sidecar.logs() if line["msg"] == "backend is away"] == [text]
        seen = sidecar.log.read_text() + sidecar.get("/metrics")[1] + sidecar.get("/health")[1]
        assert CANARY not in seen
        assert CANARY.encode() not in Path(f"/proc/{sidecar.pid}/cmdline").read_bytes()


def test_basic_authentication(start: Start) -> None:
    with FakeElasticsearch(Guarded("Basic " + base64.b64encode("jörg:pä:ss".encode()).decode())) as fake:
        start(ES_PORT=str(fake.port), ES_USERNAME="jörg", ES_PASSWORD="pä:ss")
        assert {request.headers["x-opaque-id"] for request in fake.requests} == {"mcp-elasticsearch"}


def test_an_api_key_file_is_read_again(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("old\n")
    with FakeElasticsearch(Guarded("ApiKey new")) as fake:
        sidecar = start(ready=False, ES_PORT=str(fake.port), ES_API_KEY_FILE=str(file))
        sidecar.wait_until(lambda: "refuses our login" in sidecar.get("/ready")[1], 10)
        file.write_text("new\n")
        sidecar.wait_until_ready(10)
        file.unlink()
        sidecar.wait_until(lambda: "can't be read: No such file" in sidecar.get("/ready")[1], 10)


def test_a_key_that_is_none_is_refused_unseen(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{CANARY}\nsecond line")
    sidecar = start(ready=False, ES_API_KEY_FILE=str(file))
    sidecar.wait_until(lambda: "a character that is not allowed" in sidecar.get("/ready")[1], 10)
    assert CANARY not in sidecar.log.read_text() + sidecar.get("/ready")[1] + told(sidecar, "es_health")


def test_what_the_user_may_not_do_is_said(start: Start) -> None:
    def answer(request: FakeRequest) -> FakeAnswer:
        if request.path == "/":
            return ROOT
        reason = "action [indices:data/read/search] is unauthorized for user [reader] on indices [secret]"
        error = {"type": "security_exception", "reason": reason}
        return FakeAnswer(403, {"error": error | {"root_cause": [error]}, "status": 403})

    with FakeElasticsearch(answer) as fake:
        sidecar = start(ES_PORT=str(fake.port))
        assert told(sidecar, "es_search", index="secret").startswith(
            "Elasticsearch does not allow this user to do it: action [indices:data/read/search] is unauthorized"
        )


def test_who_may_not_ask_for_the_version_is_still_served(start: Start) -> None:
    error = {"type": "security_exception", "reason": "action [cluster:monitor/main] is unauthorized"}
    with FakeElasticsearch(lambda request: FakeAnswer(403, {"error": error, "status": 403})) as fake:
        assert "Elasticsearch of unknown version" in start(ES_PORT=str(fake.port)).get("/ready")[1]


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (FakeAnswer(200, b"<html>hello</html>", "text/html"), "is not Elasticsearch"),
        (FakeAnswer(200, {"hello": "world"}), "is not Elasticsearch"),
        (FakeAnswer(200, ["hello"]), "is not Elasticsearch"),
        (FakeAnswer(502, b"<html>Bad Gateway</html>", "text/html"), "answers with HTTP status 502"),
    ],
)
def test_another_server_at_the_address_is_told(start: Start, answer: FakeAnswer, text: str) -> None:
    with FakeElasticsearch(lambda request: answer) as fake:
        sidecar = start(ready=False, ES_PORT=str(fake.port))
        sidecar.wait_until(lambda: text in sidecar.get("/ready")[1], 10)
        assert sidecar.get("/ready")[0] == 503


def test_a_read_that_is_refused_for_a_while_is_sent_again_and_a_write_is_not(start: Start) -> None:
    cause = {"type": "es_rejected_execution_exception", "reason": "rejected execution of task"}
    busy = FakeAnswer(429, {"error": cause | {"root_cause": [cause]}, "status": 429})
    refusals = {"/a/_search": 2, "/b/_search": 99}

    def answer(request: FakeRequest) -> FakeAnswer:
        place = request.path.partition("?")[0]
        if request.method == "PUT":
            return busy
        if refusals.get(place, 0) > 0:
            refusals[place] -= 1
            return busy
        if place.endswith("/_search"):
            return FakeAnswer(200, {"hits": {"total": {"value": 0, "relation": "eq"}, "hits": []}, "_shards": {}})
        return ROOT

    with FakeElasticsearch(answer) as fake:
        sidecar = start(ES_PORT=str(fake.port), MCP_ALLOW_WRITES="true")
        assert call(sidecar, "es_search", index="a")["structuredContent"]["total"] == 0
        assert "overloaded: try again" in told(sidecar, "es_search", index="b")
        assert 99 - refusals["/b/_search"] == 3
        fake.requests.clear()
        assert "overloaded: try again" in told(sidecar, "es_index", index="a", id="1", document={}, create_index=True)
        assert [r.method for r in fake.requests if "/_doc/" in r.path] == ["PUT"], "it may have been done"


def test_an_answer_without_end_is_given_up(start: Start) -> None:
    body = b'{"hits":"' + b"x" * 40 * 1024 * 1024 + b'"}'
    with FakeElasticsearch(lambda request: ROOT if request.path == "/" else FakeAnswer(200, body)) as fake:
        sidecar = start(ES_PORT=str(fake.port))
        assert "more than 8388608 bytes" in told(sidecar, "es_search", index="a")
        assert sidecar.get("/ready")[0] == 200


def test_giving_up_closes_the_connection_so_that_elasticsearch_stops(start: Start) -> None:
    # Elasticsearch cancels a search when the connection that asked for it is closed.
    closed = threading.Event()

    def serve(connection: socket.socket) -> None:
        with connection:
            while data := connection.recv(65536):
                if data.startswith(b"GET / "):
                    body = json.dumps(ROOT.body).encode()
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
                elif data.startswith(b"POST /a/_search"):
                    while connection.recv(65536):
                        pass  # no answer, until the other side closes
                    closed.set()
                    return

    def accept(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, args=(listener,), daemon=True).start()
        sidecar = start(ES_PORT=str(listener.getsockname()[1]), MCP_CALL_TIMEOUT_SECONDS="1")
        assert told(sidecar, "es_search", index="a").startswith("no answer within 1 s")
        assert closed.wait(20)


def test_a_host_that_is_none_is_told(start: Start) -> None:
    sidecar = start(ready=False, ES_HOST="no-such-host.invalid")
    sidecar.wait_until(
        lambda: "no-such-host.invalid" in sidecar.get("/ready")[1] and "not known" in sidecar.get("/ready")[1], 10
    )


def test_tls_with_a_ca_of_its_own(start: Start, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    file, key = authority.issue("elasticsearch")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    with FakeElasticsearch(Guarded(f"ApiKey {CANARY}"), context) as fake:
        settings = {"ES_PORT": str(fake.port), "ES_SCHEME": "https", "ES_API_KEY": CANARY}
        start(**settings, ES_CA_FILE=str(authority.file))
        served = len(fake.requests)
        assert served
        sidecar = start(ready=False, **settings)
        sidecar.wait_until(lambda: "a certificate that we do not trust (self-signed" in sidecar.get("/ready")[1], 10)
        assert "check ES_CA_FILE" in sidecar.get("/ready")[1]


def test_tls_with_a_server_that_has_none(start: Start, node: ElasticsearchNode) -> None:
    sidecar = start(ready=False, ES_SCHEME="https")
    sidecar.wait_until(lambda: "ES_SCHEME" in sidecar.get("/ready")[1], 10)


def test_every_wrong_setting_is_told_in_a_line(tmp_path: Path) -> None:
    empty, no_pem = tmp_path / "empty", tmp_path / "ca.pem"
    empty.touch()
    no_pem.write_text("no certificate")
    done = run(
        MCP_PORT="http", ES_PORT="70000", ES_HOST="http://es", ES_SCHEME="ftp", ES_PASSWORD=CANARY, ES_API_KEY=CANARY,
        ES_API_KEY_FILE=str(empty), ES_CA_FILE=str(no_pem),
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "mcp-elasticsearch: MCP_PORT: 'http' is not a whole number",
        "mcp-elasticsearch: ES_SCHEME: 'ftp' is not one of http, https",
        "mcp-elasticsearch: ES_HOST: give the host's name alone: scheme, user and port have settings of their own",
        "mcp-elasticsearch: ES_PORT: 70000 is not between 1 and 65535",
        "mcp-elasticsearch: ES_API_KEY: set it or ES_API_KEY_FILE, not both",
        f"mcp-elasticsearch: ES_API_KEY_FILE: '{empty}' is empty",
        f"mcp-elasticsearch: ES_CA_FILE: '{no_pem}' holds no certificates in PEM",
        "mcp-elasticsearch: ES_CA_FILE: it has an effect only with ES_SCHEME=https",
        "mcp-elasticsearch: ES_PASSWORD: set ES_USERNAME as well",
        "mcp-elasticsearch: ES_API_KEY: set it or ES_USERNAME with ES_PASSWORD, not both",
    ]


def test_a_port_in_a_host_is_one_line() -> None:
    done = run(ES_HOST="es.example:9201")
    assert done.returncode == 2
    assert done.stderr == "mcp-elasticsearch: ES_HOST: it has a port: give that as ES_PORT\n"


def test_the_audit_has_no_values(start: Start, elasticsearch: ElasticsearchNode) -> None:
    elasticsearch.request("PUT", f"/{CANARY}/_doc/1?refresh=true", {CANARY: CANARY})
    sidecar = start()
    assert CANARY in json.dumps(call(sidecar, "es_search", index=CANARY, query={"match": {CANARY: CANARY}}))
    assert CANARY in told(sidecar, "es_search", index=CANARY, query={CANARY: {}})
    assert CANARY not in sidecar.log.read_text()
    entries = [line for line in sidecar.logs() if line["logger"] == "servers.audit"]
    assert [(e["tool"], e["outcome"]) for e in entries] == [("es_search", "ok"), ("es_search", "error")]


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_stdio(elasticsearch: ElasticsearchNode, mode: Any) -> None:
    elasticsearch.request("PUT", "/books/_doc/1?refresh=true", {"a": 1})
    env = {k: v for k, v in os.environ.items() if k.startswith("PYTHON")}
    env |= {"ES_PORT": str(elasticsearch.port), "ES_HOST": "127.0.0.1"}
    command = ["-m", "servers.elasticsearch", "--transport", "stdio"]
    async with Client(StdioServerParameters(command=sys.executable, args=command, env=env), mode=mode) as client:
        answer = await client.call_tool("es_get", {"index": "books", "id": "1"})
        assert answer.structured_content and answer.structured_content["source"] == {"a": 1}


KEY = "VnVhQ2ZHY0JDZGJrU1lhbmFyeTpjYW5hcnk="


def test_a_token_with_a_login_has_the_rights_of_that_login_alone(start: Start, tmp_path: Path) -> None:
    """The real node has no security."""
    own, keyed, user, wrong = (f"{name}-0123456789abcdef" for name in ("own", "keyed", "user", "wrong"))
    tokens = tmp_path / "tokens"
    tokens.write_text(
        f"own read {own}\nkeyed read {keyed} {KEY}\nuser read {user} re%3Aader:p%20w\nwrong read {wrong} {KEY[:-5]}\n"
    )
    logins = {
        "ApiKey b3duOmtleQ==": "own",
        f"ApiKey {KEY}": "keyed",
        "Basic " + base64.b64encode(b"re:ader:p w").decode(): "user",
    }

    def answers(request: FakeRequest) -> FakeAnswer:
        name = logins.get(request.headers.get("authorization", ""))
        if name is None:
            return FakeAnswer(401, {"error": {"type": "security_exception", "reason": f"unable {request.headers}"}})
        if request.path == "/" or name == "own":
            return ROOT
        return FakeAnswer(403, {"error": {"type": "security_exception", "reason": f"unauthorized for {name}"}})

    with FakeElasticsearch(answers) as fake:
        sidecar = start(
            ES_PORT=str(fake.port), ES_API_KEY="b3duOmtleQ==", MCP_AUTH_TOKENS_FILE=str(tokens), MCP_ALLOW_WRITES="true"
        )

        def asked(token: str) -> str:
            asking = message("tools/call", name="es_request", arguments={"path": "/_cat/nodes"})
            _, answer = sidecar.post(asking, {"Authorization": f"Bearer {token}"})
            return str(answer["result"]["content"][0]["text"])

        for _ in range(2):  # over connections that others have used, too
            assert "You Know" in asked(own)
            assert "unauthorized for keyed" in asked(keyed)
            assert "unauthorized for user" in asked(user)
            said = asked(wrong)
            assert "MCP_AUTH_TOKENS_FILE" in said and KEY[:-5] not in said
        sidecar.wait_until(lambda: sidecar.get("/ready")[0] == 200, 10)
        written = sidecar.log.read_text()
        assert KEY not in written and "p w" not in written


FORBIDDEN = FakeAnswer(403, {"error": {"type": "security_exception", "reason": "is unauthorized"}, "status": 403})
SERVERLESS = FakeAnswer(410, {"error": "not available when running in serverless mode", "status": 410})


@pytest.mark.parametrize("refusal", [FORBIDDEN, SERVERLESS], ids=["partial rights", "serverless"])
def test_listings_and_health_tell_what_a_user_may_see(start: Start, refusal: FakeAnswer) -> None:
    """The real node has no security, and is not Serverless."""
    resolved = {"indices": [{"name": "logs-1", "attributes": ["open"]}], "aliases": [], "data_streams": []}
    buckets = {"buckets": [{"key": "logs-1", "doc_count": 5}]}
    caps = {"fields": {"a": {"keyword": {"type": "keyword"}}, "o": {"object": {"type": "object"}}}}

    def answers(request: FakeRequest) -> FakeAnswer:
        if request.path == "/":
            return ROOT
        if "_resolve" in request.path:
            return FakeAnswer(200, resolved)
        if "_search" in request.path:
            return FakeAnswer(200, {"aggregations": {"docs": buckets}, "hits": {"hits": []}, "_shards": {}})
        if "_field_caps" in request.path:
            return FakeAnswer(200, caps)
        return refusal

    with FakeElasticsearch(answers) as fake:
        sidecar = start(ES_PORT=str(fake.port))
        listed = call(sidecar, "es_indices")["structuredContent"]
        assert listed["indices"] == [{"index": "logs-1", "docs": 5}]
        health = call(sidecar, "es_health", about=["tasks"])["structuredContent"]
        assert health["status"] == "unknown" and "1 indices" in health["findings"][0] and "tasks" in health["about"]
        if refusal is FORBIDDEN:
            (group,) = call(sidecar, "es_mapping", index="logs-1")["structuredContent"]["mappings"]
            assert group["fields"] == {"a": "keyword"}
