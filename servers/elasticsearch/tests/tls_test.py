"""Whom the server trusts and who it is to Elasticsearch, with secrets and certificates that are replaced while it runs. The
nodes have no TLS and no logins of their own: a proxy gives them TLS, and a fake asks for the login.
"""

import base64
import ssl
from pathlib import Path

import pytest

from servers.elasticsearch.tests.conftest import CANARY, Start, call, ready, told
from servers.elasticsearch.tests.fakes import NOTHING, FakeNode, Guarded
from tools.backends.certificates import Authority, encrypted, fingerprint
from tools.backends.elasticsearch import ElasticsearchNode as Node
from tools.backends.sidecar import refused
from tools.backends.tls_proxy import TlsProxy


def server_context(file: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    return context


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("name", "login"),
    [("ES_API_KEY_FILE", "ApiKey {}"), ("ES_BEARER_TOKEN_FILE", "Bearer {}"), ("ES_PASSWORD_FILE", "")],
)
def test_a_rotated_login_is_taken_up(start: Start, tmp_path: Path, name: str, login: str) -> None:
    guard = Guarded(login.format("old") if login else basic("jörg", "old"))
    (tmp_path / name).write_text("old\n")
    with FakeNode(lambda r: NOTHING if (a := guard(r)).status == 200 and "_search" in r.path else a) as fake:
        user = {} if login else {"ES_USERNAME": "jörg"}
        sidecar = start(ES_PORT=str(fake.port), **user, **{name: str(tmp_path / name)})
        assert not call(sidecar, "es_search", index="a")["isError"]
        guard.login = login.format("new") if login else basic("jörg", "pä:ss")
        assert "refuses our login" in told(sidecar, "es_search", index="a")
        (tmp_path / name).write_text("new" if login else "pä:ss")
        assert not call(sidecar, "es_search", index="a")["isError"]
        if login:
            (tmp_path / name).write_text(f"{CANARY}\nsecond line")
            said = told(sidecar, "es_search", index="a")
            assert "a character that is not allowed" in said and CANARY not in said
        (tmp_path / name).unlink()
        assert "can't be read: No such file" in told(sidecar, "es_search", index="a")
        assert CANARY not in sidecar.log.read_text()


def test_a_ca_that_is_replaced_is_taken_up_and_the_old_one_dropped(start: Start, node: Node, tmp_path: Path) -> None:
    old, new = Authority(tmp_path / "old"), Authority(tmp_path / "new")
    trusted = tmp_path / "ca.pem"
    trusted.write_bytes(old.file.read_bytes())
    old_files, new_files = old.issue("node"), new.issue("node")
    context = server_context(*old_files)
    with TlsProxy(node.port, context) as proxy, TlsProxy(node.port, server_context(*old_files)) as left_behind:
        sidecar = start(ES_PORT=str(proxy.port), ES_SCHEME="https", ES_CA_FILE=str(trusted))
        both = f"https://127.0.0.1:{left_behind.port},https://127.0.0.1:{proxy.port}"
        second = start(ES_HOSTS=both, ES_CA_FILE=str(trusted))
        context.load_cert_chain(*new_files)
        trusted.write_bytes(new.file.read_bytes())
        assert not call(sidecar, "es_health")["isError"]
        second.wait_until(lambda: f"without 127.0.0.1:{left_behind.port}" in ready(second))
        trusted.write_text("no certificate")
        assert told(sidecar, "es_health") == f"ES_CA_FILE: '{trusted}' no longer holds certificates in PEM"
        trusted.write_bytes(new.file.read_bytes())
        assert not call(sidecar, "es_health")["isError"]
        without = start(ready=False, ES_PORT=str(proxy.port), ES_SCHEME="https")
        without.wait_until(lambda: "a certificate that this server does not trust (self-signed" in ready(without))
    plain = start(ready=False, ES_SCHEME="https")
    plain.wait_until(lambda: "does not complete the TLS handshake" in ready(plain) and "ES_SCHEME" in ready(plain))


@pytest.mark.parametrize("own", [False, True])
def test_trust_by_fingerprint(start: Start, node: Node, tmp_path: Path, own: bool) -> None:
    authority = Authority(tmp_path / "ca")
    file, key = authority.issue("node")
    printed = fingerprint(file if own else authority.file)
    colons = ":".join(printed[at : at + 2] for at in range(0, 64, 2)).upper()
    with TlsProxy(node.port, server_context(file, key)) as proxy:
        for text in (printed, colons):
            sidecar = start(ES_PORT=str(proxy.port), ES_SCHEME="https", ES_CA_FINGERPRINT=text)
            assert not call(sidecar, "es_health")["isError"]
        sidecar = start(ready=False, ES_PORT=str(proxy.port), ES_SCHEME="https", ES_CA_FINGERPRINT="0" * 64)
        said = "shows 2 certificates, and none has the fingerprint of ES_CA_FINGERPRINT"
        sidecar.wait_until(lambda: said in ready(sidecar))


def test_showing_the_certificate_of_the_fingerprint_is_not_enough(start: Start, tmp_path: Path) -> None:
    right, evil = Authority(tmp_path / "right"), Authority(tmp_path / "evil")
    file, key = evil.issue("node")
    own = file.read_text().partition("-----END CERTIFICATE-----")
    file.write_text(own[0] + own[1] + "\n" + right.file.read_text())
    with FakeNode(Guarded(f"ApiKey {CANARY}"), server_context(file, key)) as fake:
        sidecar = start(
            ready=False, ES_PORT=str(fake.port), ES_SCHEME="https", ES_API_KEY=CANARY,
            ES_CA_FINGERPRINT=fingerprint(right.file),
        )  # fmt: skip
        sidecar.wait_until(lambda: "a certificate that this server does not trust" in ready(sidecar))
        assert "check ES_CA_FILE or ES_CA_FINGERPRINT" in told(sidecar, "es_health")
        assert not fake.requests, "who is not trusted is not told the key"


def asking_authority(folder: Path) -> tuple[Authority, ssl.SSLContext]:
    """Return an authority, and the context of a node that asks for its clients' certificates."""
    authority = Authority(folder / "ca")
    context = server_context(*authority.issue("node"))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.file)
    return authority, context


def test_a_client_certificate(start: Start, node: Node, tmp_path: Path) -> None:
    authority, context = asking_authority(tmp_path)
    file, key = authority.issue("client")
    with TlsProxy(node.port, context) as proxy:
        tls = {"ES_PORT": str(proxy.port), "ES_SCHEME": "https"}
        shown = {"ES_CLIENT_CERT_FILE": str(file), "ES_CLIENT_KEY_FILE": str(key)}
        for trust in ({"ES_CA_FILE": str(authority.file)}, {"ES_CA_FINGERPRINT": fingerprint(authority.file)}):
            assert not call(start(**tls, **shown, **trust), "es_health")["isError"]
    # In TLS 1.3 a refusal may come too late to be read before the end of the connection.
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with FakeNode(Guarded(""), context) as fake:
        sidecar = start(ready=False, ES_PORT=str(fake.port), ES_SCHEME="https", ES_CA_FILE=str(authority.file))
        sidecar.wait_until(lambda: "refuses the TLS connection" in ready(sidecar))
        assert "check ES_CLIENT_CERT_FILE" in ready(sidecar)
        assert not fake.requests


def test_an_encrypted_client_key(start: Start, node: Node, tmp_path: Path) -> None:
    authority, context = asking_authority(tmp_path)
    file, key = authority.issue("client")
    password = tmp_path / "password"
    password.write_text(f"{CANARY}-1\n")
    secret = tmp_path / "key.pem"
    secret.write_bytes(encrypted(key, f"{CANARY}-1").read_bytes())
    env = {"ES_SCHEME": "https", "ES_CA_FILE": str(authority.file)}
    shown = {"ES_CLIENT_CERT_FILE": str(file), "ES_CLIENT_KEY_FILE": str(secret)}
    with TlsProxy(node.port, context) as proxy:
        more = {"ES_CLIENT_KEY_PASSWORD_FILE": str(password), "MCP_LOG_LEVEL": "debug"}
        sidecar = start(ES_PORT=str(proxy.port), **env, **shown, **more)
        assert not call(sidecar, "es_health")["isError"]
        password.write_text(f"{CANARY}-2")
        secret.write_bytes(encrypted(key, f"{CANARY}-2").read_bytes())
        assert not call(sidecar, "es_health")["isError"], "both were replaced"
        assert CANARY not in sidecar.log.read_text()
    wrong = "the file holds no key in PEM, or ES_CLIENT_KEY_PASSWORD is not its password"
    assert problems(**env, **shown, ES_CLIENT_KEY_PASSWORD=f"{CANARY}-1") == [f"ES_CLIENT_KEY_FILE: {wrong}"]
    assert problems(**env, **shown) == [
        "ES_CLIENT_KEY_FILE: the key is encrypted: set ES_CLIENT_KEY_PASSWORD or ES_CLIENT_KEY_PASSWORD_FILE"
    ]
    assert problems(ES_CLIENT_KEY_PASSWORD=CANARY) == ["ES_CLIENT_KEY_PASSWORD: set ES_CLIENT_KEY_FILE as well"]


PROXY = "http://proxy.example:3128"


def cloud_id(text: str) -> str:
    return "name:" + base64.b64encode(text.encode()).decode()


def test_a_cloud_id_leads_to_its_deployment(start: Start, node: Node, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    with TlsProxy(node.port, server_context(*authority.issue("node"))) as proxy:
        # Its second part is put before the first: 127.0.0.1.
        sidecar = start(ES_CLOUD_ID=cloud_id(f"0.0.1:{proxy.port}$127$kibana"), ES_CA_FILE=str(authority.file))
        assert not call(sidecar, "es_health")["isError"]
    no_id = "ES_CLOUD_ID: this is not a Cloud ID; Elastic Cloud shows it as name:letters-and-digits"
    for text in ("name", f"name:{CANARY}", cloud_id(CANARY), cloud_id("$a$b"), cloud_id("a..b$c$")):
        assert problems(ES_CLOUD_ID=text) == [no_id]
    good = cloud_id("europe.example$deployment$")
    assert problems(ES_CLOUD_ID=good, ES_HOSTS="a:1") == ["ES_CLOUD_ID: set it or ES_HOSTS, not both"]
    assert problems(ES_CLOUD_ID=good, ES_HOST="es.example") == ["ES_CLOUD_ID: set it or ES_HOST, not both"]


@pytest.mark.parametrize(
    ("env", "problem"),
    [
        ({"ES_PROXY_URL": f"http://ada:{CANARY}@proxy.example:3128"},
         "ES_PROXY_URL: it contains a login: set that as ES_PROXY_USERNAME and ES_PROXY_PASSWORD"),
        ({"ES_PROXY_URL": "ftp://proxy.example:21"},
         "ES_PROXY_URL: 'ftp://proxy.example:21' is not the URL of an HTTP proxy, such as http://proxy.example:3128"),
        ({"ES_PROXY_URL": PROXY, "ES_PROXY_PASSWORD": CANARY}, "ES_PROXY_PASSWORD: set ES_PROXY_USERNAME as well"),
        ({"ES_PROXY_USERNAME": "ada", "ES_PROXY_PASSWORD": CANARY},
         "ES_PROXY_USERNAME: it has an effect only with ES_PROXY_URL"),
        ({"ES_PROXY_URL": PROXY, "ES_SCHEME": "https", "ES_CA_FINGERPRINT": "0" * 64},
         "ES_CA_FINGERPRINT: with ES_PROXY_URL, set ES_CA_FILE instead"),
    ],
)  # fmt: skip
def test_a_wrong_proxy_is_told(env: dict[str, str], problem: str) -> None:
    assert problems(**env) == [problem]


def problems(**env: str) -> list[str]:
    done = refused("servers.elasticsearch", **env)
    assert done.returncode == 2
    assert CANARY not in done.stderr
    return [line.removeprefix("mcp-elasticsearch: ") for line in done.stderr.splitlines()]


def test_wrong_hosts_are_told() -> None:
    no_host = "is neither host:port nor a URL as https://es.example:9200"
    assert problems(ES_HOSTS=f"https://ada:{CANARY}@es:9200,ftp://es:1,es:99999,http://es:1?a,fe80::1") == [
        "ES_HOSTS: a host contains a login: set that as ES_USERNAME and ES_PASSWORD",
        f"ES_HOSTS: 'ftp://es:1' {no_host}",
        f"ES_HOSTS: 'es:99999' {no_host}",
        f"ES_HOSTS: 'http://es:1?a' {no_host}",
        "ES_HOSTS: 'fe80::1': put an IPv6 address in brackets, as [::1]:9200",
    ]
    for several in ("es:9201:9200", "es,es2"):
        assert problems(ES_HOST=several) == ["ES_HOST: this is not a host name; ES_HOSTS takes several"]
    long, no_name = "x" * 64, "is not a host name: names have at most 253 characters, and 1 to 63 between dots"
    assert problems(ES_HOST="a..b") == [f"ES_HOST: 'a..b' {no_name}"]
    assert problems(ES_HOSTS=f"{long}.example:9200,http://ü..b:9200,es.:9200") == [
        f"ES_HOSTS: '{long}.example' {no_name}",
        f"ES_HOSTS: 'ü..b' {no_name}",
    ]


def test_wrong_logins_and_tls_are_told(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    (one, one_key), (_, other_key) = authority.issue("one"), authority.issue("other")
    https = {"ES_SCHEME": "https"}
    assert problems(ES_CA_FINGERPRINT="b9:4d", ES_API_KEY=CANARY, ES_BEARER_TOKEN=CANARY, ES_USERNAME="ada") == [
        "ES_CA_FINGERPRINT: a SHA-256 fingerprint has 64 hexadecimal digits, with or without colons",
        "ES_USERNAME: set ES_PASSWORD or ES_PASSWORD_FILE as well",
        "ES_API_KEY: set it or ES_BEARER_TOKEN, not both",
    ]
    proxy = {"ES_PROXY_URL": PROXY, "ES_PROXY_USERNAME": "a:b", "ES_PROXY_PASSWORD": CANARY}
    assert problems(ES_USERNAME="ada:x", ES_PASSWORD=CANARY, **proxy) == [
        f"{name}: a user name can't have a colon (RFC 7617)" for name in ("ES_USERNAME", "ES_PROXY_USERNAME")
    ]
    assert problems(ES_CA_FINGERPRINT="0" * 64, ES_CLIENT_CERT_FILE=str(one), ES_HTTP_COMPRESS="gzip") == [
        "ES_HTTP_COMPRESS: 'gzip' is not one of auto, true, false",
        "ES_CA_FINGERPRINT: it has an effect only with ES_SCHEME=https",
        "ES_CLIENT_CERT_FILE: it has an effect only with ES_SCHEME=https",
        "ES_CLIENT_CERT_FILE: set ES_CLIENT_KEY_FILE as well",
    ]
    assert problems(**https, ES_CA_FINGERPRINT="0" * 64, ES_CA_FILE=str(one), ES_CLIENT_KEY_FILE=str(one_key)) == [
        "ES_CA_FINGERPRINT: set it or ES_CA_FILE, not both",
        "ES_CLIENT_KEY_FILE: set ES_CLIENT_CERT_FILE as well",
    ]
    for key, said in (
        (other_key, "the key is not that of ES_CLIENT_CERT_FILE"),
        (one, "the file holds no key in PEM, or ES_CLIENT_KEY_PASSWORD is not its password"),
    ):
        found = problems(**https, ES_CLIENT_CERT_FILE=str(one), ES_CLIENT_KEY_FILE=str(key))
        assert found == [f"ES_CLIENT_KEY_FILE: {said}"]
