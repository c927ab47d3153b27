"""The sidecar as a service: without its store, with a wrong login, over TLS, with wrong settings."""

import base64
from pathlib import Path

import pytest

from servers.elasticsearch.tests.conftest import CANARY, READING, Start, call, ready, told
from servers.elasticsearch.tests.fakes import ROOT, Answer, FakeNode, Guarded, Request, answering, failure, resolved
from tools.backends.elasticsearch import ElasticsearchNode as Node
from tools.backends.sidecar import message, refused


def test_writing_tools_are_hidden_and_refused_by_default(start: Start, es: Node) -> None:
    es.request("PUT", "/books/_doc/1?refresh=true", {"a": 1})
    sidecar = start()
    tools = sidecar.post(message("tools/list"))[1]["result"]["tools"]
    assert sorted(tool["name"] for tool in tools) == sorted(READING)
    for name, document in (("es_delete", {"id": "1"}), ("es_index", {"document": {}})):
        answer = sidecar.post(message("tools/call", name=name, arguments={"index": "books"} | document))[1]
        assert "MCP_ALLOW_WRITES" in answer["error"]["message"]
    assert es.request("GET", "/books/_count")["count"] == 1


REFUSED = "refuses our login: check ES_API_KEY, ES_BEARER_TOKEN, or ES_USERNAME and ES_PASSWORD (or their _FILE)"


@pytest.mark.parametrize("settings", [{"ES_API_KEY": CANARY}, {"ES_USERNAME": "elastic", "ES_PASSWORD": CANARY}, {}])
def test_a_wrong_login_is_one_clear_line_without_it(start: Start, settings: dict[str, str]) -> None:
    with FakeNode(Guarded("ApiKey right")) as fake:
        sidecar = start(ready=False, ES_PORT=str(fake.port), **settings)
        sidecar.wait_until(lambda: "refuses our login" in sidecar.get("/ready")[1])
        text = told(sidecar, "es_health")
        assert text == f"Elasticsearch at 127.0.0.1:{fake.port} {REFUSED}"
        assert [line["detail"] for line in sidecar.logs() if line["msg"] == "backend is away"] == [text]
        seen = sidecar.log.read_text() + sidecar.get("/metrics")[1] + sidecar.get("/health")[1]
        assert CANARY not in seen
        assert CANARY.encode() not in Path(f"/proc/{sidecar.pid}/cmdline").read_bytes()


@pytest.mark.parametrize(
    ("name", "value"),
    [("ES_API_KEY", f"id:{CANARY}"), ("ES_API_KEY", f"ApiKey {CANARY}"), ("ES_BEARER_TOKEN", f"Bearer {CANARY}")],
)
def test_a_token_that_is_not_as_elasticsearch_gave_it_is_told(start: Start, name: str, value: str) -> None:
    with FakeNode(lambda request: ROOT) as fake:
        sidecar = start(ready=False, ES_PORT=str(fake.port), **{name: value})
        reason = f"{name} has a character that is not allowed: give it as Elasticsearch gave it, encoded"
        sidecar.wait_until(lambda: reason in ready(sidecar))
        assert not fake.requests and CANARY not in sidecar.log.read_text() + ready(sidecar)


UNAUTHORIZED = failure(403, "security_exception", "is unauthorized")


@pytest.mark.parametrize(
    ("answer", "text", "status"),
    [
        (Answer(200, b"<html>hello</html>", "text/html"), "is not Elasticsearch", 503),
        (Answer(200, {"hello": "world"}), "is not Elasticsearch", 503),
        (Answer(200, ["hello"]), "is not Elasticsearch", 503),
        (Answer(502, b"<html>Bad Gateway</html>", "text/html"), "answers with HTTP status 502", 503),
        (Answer(301, b"", headers={"Location": "http://127.0.0.1:1/"}), "redirects to another address", 503),
        (UNAUTHORIZED, "Elasticsearch of unknown version", 200),
    ],
)
def test_what_answers_at_the_address_is_told(start: Start, answer: Answer, text: str, status: int) -> None:
    with FakeNode(lambda request: answer) as fake:
        sidecar = start(ready=False, ES_PORT=str(fake.port))
        sidecar.wait_until(lambda: text in ready(sidecar))
        assert sidecar.get("/ready")[0] == status


def test_every_wrong_setting_is_told_in_a_line(tmp_path: Path) -> None:
    empty, no_pem = tmp_path / "empty", tmp_path / "ca.pem"
    empty.touch()
    no_pem.write_text("no certificate")
    done = refused(
        "servers.elasticsearch",
        MCP_PORT="http", ES_PORT="70000", ES_HOST="http://es", ES_SCHEME="ftp", ES_PASSWORD=CANARY, ES_API_KEY=CANARY,
        ES_API_KEY_FILE=str(empty), ES_CA_FILE=str(no_pem),
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "mcp-elasticsearch: MCP_PORT: 'http' is not a whole number",
        "mcp-elasticsearch: ES_SCHEME: 'ftp' is not one of http, https",
        "mcp-elasticsearch: ES_HOST: give the host's name alone, unquoted: scheme, user and port have settings of their own",
        "mcp-elasticsearch: ES_PORT: 70000 is not between 1 and 65535",
        "mcp-elasticsearch: ES_API_KEY: set it or ES_API_KEY_FILE, not both",
        f"mcp-elasticsearch: ES_API_KEY_FILE: '{empty}' is empty",
        f"mcp-elasticsearch: ES_CA_FILE: '{no_pem}' holds no certificates in PEM",
        "mcp-elasticsearch: ES_CA_FILE: it has an effect only with ES_SCHEME=https",
        "mcp-elasticsearch: ES_PASSWORD: set ES_USERNAME as well",
        "mcp-elasticsearch: ES_API_KEY: set it or ES_USERNAME with ES_PASSWORD, not both",
    ]


KEY = "VnVhQ2ZHY0JDZGJrU1lhbmFyeTpjYW5hcnk="


def test_a_token_with_a_login_has_the_rights_of_that_login_alone(start: Start, tmp_path: Path) -> None:
    """The real node has no security."""
    own, keyed, user, wrong = (f"{name}-0123456789abcdef" for name in ("own", "keyed", "user", "wrong"))
    tokens = tmp_path / "tokens"
    tokens.write_text(
        f"own read {own}\nkeyed read {keyed} {KEY}\nuser read {user} re%40der:p%20w\nwrong read {wrong} {KEY[:-5]}\n"
    )
    logins = {
        "ApiKey b3duOmtleQ==": "own",
        f"ApiKey {KEY}": "keyed",
        "Basic " + base64.b64encode(b"re@der:p w").decode(): "user",
    }

    def answers(request: Request) -> Answer:
        name = logins.get(request.headers.get("authorization", ""))
        if name is None:
            return failure(401, "security_exception", f"unable {request.headers}")
        if request.path == "/" or name == "own":
            return ROOT
        return failure(403, "security_exception", f"unauthorized for {name}")

    with FakeNode(answers) as fake:
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
        sidecar.wait_until(lambda: sidecar.get("/ready")[0] == 200)
        written = sidecar.log.read_text()
        assert KEY not in written and "p w" not in written


SERVERLESS = Answer(410, {"error": "not available when running in serverless mode", "status": 410})


@pytest.mark.parametrize("refusal", [UNAUTHORIZED, SERVERLESS], ids=["partial rights", "serverless"])
def test_listings_and_health_tell_what_a_user_may_see(start: Start, refusal: Answer) -> None:
    """The real node has no security, and is not Serverless."""
    counted = {"aggregations": {"docs": {"buckets": [{"key": "logs-1", "doc_count": 5}]}}, "hits": {"hits": []}}
    caps = {"fields": {"a": {"keyword": {"type": "keyword"}}, "o": {"object": {"type": "object"}}}}
    parts = {"_search": Answer(200, counted | {"_shards": {}}), "_field_caps": Answer(200, caps)}
    with FakeNode(answering({"_resolve": resolved("logs-1")} | parts, refusal)) as fake:
        sidecar = start(ES_PORT=str(fake.port))
        listed = call(sidecar, "es_indices")["structuredContent"]
        assert listed["indices"] == [{"index": "logs-1", "docs": 5}]
        health = call(sidecar, "es_health", about=["tasks"])["structuredContent"]
        assert health["status"] == "unknown" and "1 indices" in health["findings"][0] and "tasks" in health["about"]
        if refusal is UNAUTHORIZED:
            (group,) = call(sidecar, "es_mapping", index="logs-1")["structuredContent"]["mappings"]
            assert group["fields"] == {"a": "keyword"}
