"""Who may come in, and what they may do, as clients of a real server over a real Redis see it."""

import json
import signal
import socket
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tools.backends.certificates import Authority
from tools.backends.issuer import Issuer, public_jwk
from tools.backends.redis import RedisServer
from tools.backends.sidecar import HEADERS, NEW, Identity, Sidecar, message, who_asks

READER, WRITER = "reader-0123456789abcdef", "writer-0123456789abcdef"

Start = Callable[..., Sidecar]


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def start(redis: RedisServer, tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as stack:

        def start_sidecar(authority: Path | None = None, **env: str) -> Sidecar:
            settings = redis.address | {"MCP_ALLOW_WRITES": "true"} | env
            return stack.enter_context(Sidecar("servers.redis", settings, tmp_path, authority=authority))

        yield start_sidecar


def write(key: str = "k") -> dict[str, Any]:
    return message("tools/call", name="redis_delete", arguments={"keys": [key]})


def ask(url: str, body: Any = None, **headers: str) -> tuple[int, Any, Any]:
    """Status, headers and JSON of a request."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, HEADERS | {k.replace("_", "-"): v for k, v in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=600) as answer:
            return answer.status, answer.headers, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, error.headers, json.load(error)


def names(answer: Any) -> set[str]:
    return {tool["name"] for tool in answer["result"]["tools"]}


def test_several_tokens_with_scopes(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"dashboard read {READER}\noperator read,write {WRITER}\n")
    sidecar = start(MCP_AUTH_TOKENS_FILE=str(file))
    url = sidecar.url + "/mcp"

    status, headers, _ = ask(url, message("tools/list"))
    assert (status, headers["WWW-Authenticate"]) == (401, 'Bearer realm="mcp"')
    status, headers, _ = ask(url, message("tools/list"), Authorization="Bearer wrong")
    assert (status, headers["WWW-Authenticate"]) == (401, 'Bearer realm="mcp", error="invalid_token"')
    assert ask(url, message("tools/list"), Authorization=f"Basic {READER}")[0] == 401
    assert 'mcp_http_requests_rejected_total{reason="token"} 3.0' in sidecar.get("/metrics")[1]
    for path in ("/register", "/token", "/authorize", "/.well-known/oauth-authorization-server"):
        status, text = sidecar.get(path)
        assert status == 404 and "add the header 'Authorization: Bearer TOKEN'" in text

    reads = names(ask(url, message("tools/list"), Authorization=f"Bearer {READER}")[2])
    writes = names(ask(url, message("tools/list"), Authorization=f"bearer  {WRITER}")[2])
    assert "redis_delete" in writes - reads and "redis_read" in reads and reads < writes

    status, headers, answer = ask(url, write(), Authorization=f"Bearer {READER}")
    assert status == 403
    assert headers["WWW-Authenticate"] == 'Bearer realm="mcp", error="insufficient_scope", scope="mcp:write"'
    assert "redis_delete changes data" in answer["error"]["message"]
    streamed = write() | {"params": write()["params"] | {"_meta": {"progressToken": 1}}}
    for sent, accept in ((streamed, "*/*"), (write(), "text/event-stream")):
        status, text = sidecar.post(sent, {"Authorization": f"Bearer {READER}", "Accept": accept})
        assert status == 403 and "data: " in text and "redis_delete changes data" in text
    status, _, answer = ask(url, write(), Authorization=f"Bearer {WRITER}")
    assert status == 200 and answer["result"]["structuredContent"]
    # Of two requests in one connection each has its own caller.
    status, _, answer = ask(url, message("tools/call", name="redis_info"), Authorization=f"Bearer {READER}")
    assert status == 200

    file.write_text(f"dashboard write {READER}\n")
    assert ask(url, write(), Authorization=f"Bearer {READER}")[0] == 200
    assert ask(url, write(), Authorization=f"Bearer {WRITER}")[0] == 401

    calls = [entry for entry in sidecar.logs() if entry["msg"] == "call"]
    assert [(c["tool"], c["outcome"], c["caller"]) for c in calls] == [
        *[("redis_delete", "forbidden", "dashboard")] * 3,
        ("redis_delete", "ok", "operator"),
        ("redis_info", "ok", "dashboard"),
        ("redis_delete", "ok", "dashboard"),
    ]
    assert READER not in sidecar.log.read_text() and WRITER not in sidecar.log.read_text()


def test_scopes_hold_in_the_newest_protocol_as_well(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"dashboard read {READER}\n")
    sidecar = start(MCP_AUTH_TOKENS_FILE=str(file))
    more = {"Authorization": f"Bearer {READER}", "MCP_Protocol_Version": NEW}
    status, _, answer = ask(sidecar.url + "/mcp", message("tools/list", _meta=who_asks()), **more, Mcp_Method="tools/list")
    assert status == 200 and "redis_delete" not in names(answer)
    assert answer["result"].get("cacheScope", "private") == "private", "what one may see is not for all"
    call = write()
    call["params"]["_meta"] = who_asks()
    status, headers, _ = ask(sidecar.url + "/mcp", call, **more, Mcp_Method="tools/call", Mcp_Name="redis_delete")
    assert status == 403 and "insufficient_scope" in headers["WWW-Authenticate"]


def test_a_token_does_not_allow_what_the_server_does_not(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"operator write {WRITER}\n")
    sidecar = start(MCP_AUTH_TOKENS_FILE=str(file), MCP_ALLOW_WRITES="false")
    listed = names(ask(sidecar.url + "/mcp", message("tools/list"), Authorization=f"Bearer {WRITER}")[2])
    assert "redis_delete" not in listed
    _, _, answer = ask(sidecar.url + "/mcp", write(), Authorization=f"Bearer {WRITER}")
    assert "MCP_ALLOW_WRITES" in answer["error"]["message"]


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[Issuer]:
    with Issuer(tmp_path / "issuer") as found:
        yield found


def test_an_oauth_resource_server(start: Start, issuer: Issuer) -> None:
    sidecar = start(**issuer.settings())
    url = sidecar.url + "/mcp"
    status, headers, _ = ask(url, message("tools/list"), Host="mcp.example")
    assert status == 401
    challenge = 'Bearer realm="mcp", resource_metadata="https://mcp.example/.well-known/oauth-protected-resource/mcp"'
    assert headers["WWW-Authenticate"] == challenge
    for path in ("/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"):
        status, headers, answer = ask(sidecar.url + path, Origin="http://localhost:6274")
        assert status == 200 and answer["authorization_servers"] == [issuer.url]
        assert headers["Access-Control-Allow-Origin"] == "http://localhost:6274", "a client in a page reads it"
        assert answer["resource"] == "https://mcp.example/mcp"

    good = issuer.token(scope="mcp:read")
    assert "redis_delete" not in names(ask(url, message("tools/list"), Authorization=f"Bearer {good}")[2])
    status, headers, _ = ask(url, write(), Authorization=f"Bearer {good}")
    assert status == 403
    assert headers["WWW-Authenticate"] == challenge + ', error="insufficient_scope", scope="mcp:write"'
    assert ask(url, write(), Authorization=f"Bearer {issuer.token(scope='mcp:read mcp:write')}")[0] == 200
    status, headers, _ = ask(url, message("tools/list"), Authorization=f"Bearer {issuer.token(scope='openid')}")
    assert status == 403 and 'scope="mcp:read"' in headers["WWW-Authenticate"]
    status, headers, answer = ask(url, message("tools/list"), Authorization=f"Bearer {issuer.token(exp=1)}")
    assert status == 401 and 'error="invalid_token"' in headers["WWW-Authenticate"]
    assert "expired" in answer["error"]["message"]
    assert issuer.requests == 1

    # A token in the address is in logs and histories: it is not looked at (RFC 9700, 4.3.2).
    assert ask(url + "?access_token=" + good, message("tools/list"))[0] == 401
    log = sidecar.log.read_text()
    assert good not in log and good.split(".")[2] not in log
    assert [c["caller"] for c in sidecar.logs() if c["msg"] == "call"] == ["assistant", "assistant"]


def test_an_issuers_keys_from_a_file_that_changes(start: Start, issuer: Issuer, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps(issuer.keys))
    where = {"MCP_OAUTH_RESOURCE": "https://mcp.example/mcp", "MCP_OAUTH_JWKS_FILE": str(file)}
    sidecar = start(MCP_OAUTH_ISSUER=issuer.url, **where)
    url = sidecar.url + "/mcp"
    assert ask(url, message("ping"), Authorization=f"Bearer {issuer.token()}")[0] == 200
    key = rsa.generate_private_key(65537, 2048)
    other = issuer.token(key, kid="second")
    assert ask(url, message("ping"), Authorization=f"Bearer {other}")[0] == 401
    file.write_text(json.dumps({"keys": [public_jwk(key, kid="second")]}))
    # Keys are looked for again after a pause, at the next token that names one unknown.
    sidecar.wait_until(lambda: ask(url, message("ping"), Authorization=f"Bearer {other}")[0] == 200)


def ping(sidecar: Sidecar, identity: Identity | None = None) -> tuple[int, str]:
    status, answer = sidecar.post(message("tools/call", name="redis_info"), identity=identity)
    return status, json.dumps(answer)


def resume(
    sidecar: Sidecar, context: ssl.SSLContext, session: ssl.SSLSession | None = None
) -> tuple[bytes, ssl.SSLSession | None]:
    """Status line of GET /health, or nothing where there is no handshake, and the session for the next connection."""
    plain = socket.create_connection(("127.0.0.1", sidecar.port))
    with suppress(OSError), context.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return connection.makefile("rb").readline(), connection.session
    return b"", None


def test_tls_with_certificates_of_clients_and_their_rotation(start: Start, tmp_path: Path) -> None:
    first, second = Authority(tmp_path / "first", "First"), Authority(tmp_path / "second", "Second")
    certificate, key = first.issue("server")
    authorities = tmp_path / "authorities.pem"
    authorities.write_bytes(first.file.read_bytes())
    own = {"MCP_TLS_CERT_FILE": str(certificate), "MCP_TLS_KEY_FILE": str(key)}
    sidecar = start(first.file, MCP_TLS_CLIENT_CA_FILE=str(authorities), **own)
    assistant, stranger = first.issue("assistant"), second.issue("stranger")
    assert sidecar.get("/health")[0] == 200, "a probe has no certificate"
    status, text = ping(sidecar)
    assert status == 403 and "client certificate" in text
    assert ping(sidecar, assistant)[0] == 200
    assert ping(sidecar, stranger)[0] == 0, "no handshake with a certificate of another authority"
    assert sidecar.logs()[-1]["caller"] == "assistant"
    sessions = []
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = ssl.create_default_context(cafile=first.file)
        context.minimum_version = context.maximum_version = version
        context.load_cert_chain(*assistant)
        answer, session = resume(sidecar, context)
        assert b"200" in answer and session
        sessions.append((context, session))

    # The server's certificate and the clients' authority are both changed while it runs.
    renewed, renewed_key = second.issue("renewed")
    renewed_key.replace(key)
    renewed.replace(certificate)
    authorities.write_bytes(second.file.read_bytes())
    assert sidecar.get("/health")[0] == 0, "the old authority has not signed the new certificate"
    sidecar.authority = authorities
    sidecar.wait_until(lambda: sidecar.get("/health")[0] == 200)
    assert ping(sidecar, stranger)[0] == 200
    assert ping(sidecar, assistant)[0] == 0
    for context, session in sessions:
        context.load_verify_locations(second.file)
        assert resume(sidecar, context, session)[0] == b"", "a session is as old as the certificate that began it"

    # A rotation that went wrong leaves what was there.
    key.write_text("no key")
    assert ping(sidecar, stranger)[0] == 200
    assert any(entry["msg"] == "the new certificates can't be used" for entry in sidecar.logs())
    # Plain HTTP gets nothing.
    with socket.create_connection(("127.0.0.1", sidecar.port)) as plain:
        plain.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"HTTP" not in plain.recv(100)


def test_a_client_that_asks_too_often(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"dashboard read {READER}\noperator write {WRITER}\n")
    sidecar = start(MCP_AUTH_TOKENS_FILE=str(file), MCP_RATE_LIMIT_PER_MINUTE="2")
    url = sidecar.url + "/mcp"
    answers = [ask(url, message("ping"), Authorization=f"Bearer {READER}") for _ in range(5)]
    assert [status for status, _, _ in answers[:2]] == [200, 200] and answers[-1][0] == 429
    assert 1 <= int(answers[-1][1]["Retry-After"]) <= 30
    assert ask(url, message("ping"), Authorization=f"Bearer {WRITER}")[0] == 200, "another client has its own share"
    guesses = [ask(url, message("ping"), Authorization=f"Bearer guess-{n}")[0] for n in range(5)]
    assert guesses[:2] == [401, 401] and guesses[-1] == 429, "who guesses is held up as well"
    assert sidecar.get("/health")[0] == 200, "probes are not counted"
    assert 'mcp_http_requests_rejected_total{reason="rate"}' in sidecar.get("/metrics")[1]
    refused = [entry for entry in sidecar.logs() if entry["msg"] == "refused"]
    assert refused and {entry["address"] for entry in refused} == {"127.0.0.1"}


POST = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\n"
PING = json.dumps(message("ping")).encode()
JSON = POST + b"Content-Type: application/json\r\nAccept: application/json\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(PING)


def trickle(sidecar: Sidecar, data: bytes) -> socket.socket:
    """Return a connection on which no more than this has been sent."""
    connection = socket.create_connection(("127.0.0.1", sidecar.port))
    connection.sendall(data)
    return connection


def test_a_slow_body_is_refused_and_others_are_served(start: Start) -> None:
    sidecar = start(MCP_REQUEST_SECONDS="1")
    slow = [trickle(sidecar, JSON + b"Content-Length: 9\r\n\r\n{") for _ in range(50)]
    assert sidecar.get("/health")[0] == 200
    for connection in slow:
        answer = told(connection)
        assert answer.startswith(b"HTTP/1.1 408 ") and b"connection: close" in answer.lower()
        connection.close()
    assert 'mcp_http_requests_rejected_total{reason="slow"} 50.0' in sidecar.get("/metrics")[1]


def established(sidecar: Sidecar, client: int) -> bool:
    """Return whether the server's end of a connection from a client's port is there."""
    ends = [line.split()[1:4] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    wanted = [f"0100007F:{port:04X}" for port in (sidecar.port, client)]
    return [*wanted, "01"] in ends


def test_a_client_that_does_not_read_is_closed(start: Start, redis: RedisServer) -> None:
    sidecar = start(MCP_REQUEST_SECONDS="1", MCP_MAX_RESULT_BYTES="1000000")
    large = {"key": "large", "value": "x" * 300_000}  # more than the system takes for a client
    assert sidecar.post(message("tools/call", name="redis_write", arguments=large))[0] == 200
    body = json.dumps(message("tools/call", name="redis_read", arguments={"key": "large"})).encode()
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", sidecar.port))
        client = connection.getsockname()[1]
        for _ in range(8):
            connection.sendall(JSON + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert established(sidecar, client)
        sidecar.wait_until(lambda: not established(sidecar, client))
    assert sidecar.get("/health")[0] == 200


def test_more_requests_than_there_may_be(start: Start) -> None:
    sidecar = start(MCP_MAX_CONNECTIONS="8")
    begun = JSON + b"Content-Length: 9\r\n\r\n{"
    held = [trickle(sidecar, begun) for _ in range(8)]
    sidecar.wait_until(lambda: sidecar.post(message("ping"))[0] == 503)
    status, headers, answer = ask(sidecar.url + "/mcp", message("ping"))
    assert status == 503 and headers["Retry-After"] == "1" and "try again" in answer["error"]["message"]
    idle = [trickle(sidecar, b"") for _ in range(16)]
    assert sidecar.get("/health")[0] == 200, "probes are answered while /mcp is full"
    assert sidecar.get("/ready")[0] == 200
    assert 'mcp_http_requests_rejected_total{reason="busy"}' in sidecar.get("/metrics")[1]
    idle += [trickle(sidecar, b"") for _ in range(48)]
    sidecar.wait_until(lambda: sidecar.get("/health")[0] == 503)  # the bound of all connections
    for connection in held + idle:
        connection.close()
    sidecar.wait_until(lambda: sidecar.get("/health")[0] == 200)
    assert sidecar.post(message("ping"))[0] == 200


def test_clients_that_come_while_the_server_is_busy_need_not_come_again(start: Start) -> None:
    sidecar = start()
    sidecar.signal(signal.SIGSTOP)
    try:
        # The kernel drops what does not fit into the queue of a listening socket, and these would wait for a minute.
        waiting = [trickle(sidecar, b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n") for _ in range(300)]
    finally:
        sidecar.signal(signal.SIGCONT)
    assert {told(connection)[:12] for connection in waiting} == {b"HTTP/1.1 200"}


@pytest.mark.parametrize("sent", [b"", POST, POST + b"Content-Length: 99999999\r\n\r\n"], ids=["no", "half", "refused"])
def test_a_connection_without_a_whole_request_is_closed(redis: RedisServer, tmp_path: Path, sent: bytes) -> None:
    sidecar = Sidecar("servers.redis", redis.address, tmp_path)
    short = "import servers.common.main as main; main.KEEP_ALIVE = 1; from servers.common.startup import serve; serve('{}')"
    sidecar.command = [sys.executable, "-c", short.format("servers.redis.server")]
    with sidecar, trickle(sidecar, sent) as connection:

        def closed() -> bool:
            with suppress(ConnectionError):
                connection.sendall(sent and b"a")  # it goes on, a byte at a time
            return over(connection)

        sidecar.wait_until(closed)
        assert sidecar.get("/health")[0] == 200


def test_handshakes_that_never_end_stop_nobody(start: Start, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    certificate, key = authority.issue("server")
    sidecar = start(authority.file, MCP_TLS_CERT_FILE=str(certificate), MCP_TLS_KEY_FILE=str(key))
    begun = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"  # the first bytes of a ClientHello, and no more
    held = [trickle(sidecar, begun if n % 2 else b"") for n in range(100)]
    assert ping(sidecar)[0] == 200
    assert sidecar.get("/health")[0] == 200
    for connection in held:
        connection.close()
    assert sidecar.get("/health")[0] == 200
    assert [entry for entry in sidecar.logs() if entry["level"] in ("warning", "error")] == []


def over(connection: socket.socket) -> bool:
    """Return whether the other side has closed it."""
    connection.setblocking(False)
    try:
        return connection.recv(65536) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("line", [b"X-A: " + b"a" * 1000 + b"\r\n", b"a" * 1000], ids=["many", "one"])
def test_headers_that_are_too_long(start: Start, line: bytes) -> None:
    sidecar = start()
    with trickle(sidecar, b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-B: ") as connection:
        with suppress(ConnectionError):
            for _ in range(2000):
                connection.sendall(line)
        sidecar.wait_until(lambda: over(connection))
    assert sidecar.get("/health")[0] == 200
    with trickle(sidecar, b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-B: " + b"a" * 65536) as connection:
        answer = told(connection)
    assert answer.startswith(b"HTTP/1.1 400 ") and b"65536 bytes" in answer


def test_headers_that_are_just_short_enough(start: Start) -> None:
    sidecar = start()
    with socket.create_connection(("127.0.0.1", sidecar.port)) as connection:
        for _ in range(3):  # each request has its own bound
            connection.sendall(JSON + LENGTH + b"X-A: " + b"a" * 60_000 + b"\r\n\r\n" + PING)
            assert connection.recv(12) == b"HTTP/1.1 200"
            while b'"result":{}' not in connection.recv(65536):
                pass


def told(connection: socket.socket) -> bytes:
    """All that comes until the end."""
    connection.settimeout(60)
    return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(sent, id=name)
        for name, sent in {
            "two lengths": JSON + LENGTH + LENGTH + b"\r\n" + PING,
            "a length and chunks": JSON + LENGTH + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "a chunk that is too long": JSON + b"Transfer-Encoding: chunked\r\n\r\n4\r\n{}  !\r\n",
            "a folded line": JSON + b"A: b\r\n c\r\n\r\n",
            "a bare LF": b"GET / HTTP/1.1\nHost: localhost\n\n",
            "a space before the colon": JSON + b"Content-Length : 4\r\n\r\nbody",
            "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            "CONNECT": b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "two hosts": JSON + b"Host: localhost\r\n" + LENGTH + b"Connection: close\r\n\r\n" + PING,
        }.items()
    ],
)
def test_a_request_that_two_servers_could_read_differently_is_refused(start: Start, sent: bytes) -> None:
    sidecar = start()
    with trickle(sidecar, sent) as connection:
        answers = told(connection).split(b"HTTP/1.1 ")[1:]
    assert [answer[:3] for answer in answers] == [b"400"] and b"connection: close" in answers[0]
    # A client's mistakes must not fill the log.
    assert [entry for entry in sidecar.logs() if entry["logger"].startswith("uvicorn")] == []


def test_a_trailer_is_no_header_and_white_space_no_part_of_one(start: Start) -> None:
    sidecar = start()
    chunks = b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n%x\r\n%s\r\n" % (len(PING), PING)
    chunks += b"0\r\nHost: evil.example\r\n\r\n"
    for sent in (JSON + chunks, JSON.replace(b"localhost", b"localhost \t ") + chunks):
        with trickle(sidecar, sent) as connection:
            assert told(connection).startswith(b"HTTP/1.1 200 ")


def test_requests_that_are_sent_ahead_are_all_answered(start: Start) -> None:
    sidecar = start()
    ahead = (JSON + LENGTH + b"\r\n" + PING) * 99
    with trickle(sidecar, ahead + JSON + LENGTH + b"Connection: close\r\n\r\n" + PING) as connection:
        answers = told(connection).split(b"HTTP/1.1 ")[1:]
    assert [answer[:3] for answer in answers] == [b"200"] * 100


def test_a_wish_for_another_protocol_is_not_heard(start: Start) -> None:
    """As the HTTP client of Java has it in its first request (RFC 9110, 7.8)."""
    sidecar = start()
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
    with trickle(sidecar, JSON + upgrade + LENGTH + b"\r\n") as connection:
        time.sleep(0.1)  # so that the body comes by itself
        connection.sendall(PING + JSON + LENGTH + b"Connection: close\r\n\r\n" + PING)
        answers = told(connection).split(b"HTTP/1.1 ")[1:]
    assert [(answer[:3], b'"result":{}' in answer) for answer in answers] == [(b"200", True)] * 2
