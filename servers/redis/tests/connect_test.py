"""The ways to connect to Redis: by URL, over a Unix socket, with client certificates, with the login of a token."""

import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from redis import Redis

from servers.common.backend import BackendError
from servers.common.settings import Environment
from servers.redis.settings import RedisSettings, RedisUrl
from servers.redis.tests.conftest import Start, connected, ok
from tools.backends.certificates import Authority, encrypted
from tools.backends.process import free_port
from tools.backends.redis import RedisServer
from tools.backends.sidecar import message

CANARY = "p@ss/w?rd#%"
ENCODED = "p%40ss%2Fw%3Frd%23%25"


def read(**env: str) -> tuple[RedisSettings, list[str]]:
    environment = Environment(env)
    return RedisSettings.read(environment), environment.problems


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("redis://", (False, "localhost", 6379, "", None, "", "")),
        ("redis://h", (False, "h", 6379, "", None, "", "")),
        ("rediss://h:1/2", (True, "h", 1, "", 2, "", "")),
        (f"redis://us%3Aer:{ENCODED}@[::1]:7/0", (False, "::1", 7, "", 0, "us:er", CANARY)),
        (f"redis://:{ENCODED}@h?db=3", (False, "h", 6379, "", 3, "", CANARY)),
        (f"unix://u:{ENCODED}@/run/r%20s.sock?db=4", (False, "localhost", 6379, "/run/r s.sock", 4, "u", CANARY)),
        (f"unix:///r.sock?username=u&password={ENCODED}", (False, "localhost", 6379, "/r.sock", None, "u", CANARY)),
    ],
)
def test_a_url_is_taken_apart(text: str, parts: tuple[Any, ...]) -> None:
    url = RedisUrl.parse(text)
    assert (url.tls, url.host, url.port, url.path, url.database, url.username, url.password) == parts


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("canary", "begin with redis://"),
        ("http://canary:canary@h", "begin with redis://"),
        ("canary:canary@h:6379", "begin with redis://"),
        ("redis:canary", "begin with redis://"),
        ("redis://:can/ary@h:1", "host or port"),
        ("redis://:can#ary@h:1", "host or port"),
        ("redis://:canary@h#x", "#"),
        ("redis://:canary@h:70000", "host or port"),
        ("redis://:canary@h:0", "host or port"),
        ("redis://:canary@canary..canary", "host or port"),
        ("redis://:can ary@h", "space"),
        ("redis://:canary\n@h", "space"),
        ("redis://:%ffcanary@h", "UTF-8"),
        ("redis://:canary@h/canary", "database"),
        ("redis://:canary@h/99999999", "database"),
        ("redis://:canary@h/1?ssl_cert_reqs=canary", "options"),
        ("unix://canary/path", "unix:///path"),
        ("unix://", "unix:///path"),
        ("redis://canary@h", "REDIS_USERNAME: set"),
    ],
)
def test_a_url_that_can_not_be_used_is_told_in_one_line_without_it(text: str, said: str) -> None:
    _, problems = read(REDIS_URL=text)
    assert len(problems) == 1 and said in problems[0]
    assert "canary" not in problems[0]


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"REDIS_HOST": "h", "REDIS_PORT": "1", "REDIS_TLS": "true"}, "REDIS_HOST, REDIS_PORT, REDIS_TLS"),
        ({"REDIS_DB": "1"}, "REDIS_DB"),
        ({"REDIS_USERNAME": "u", "REDIS_PASSWORD": "p"}, "REDIS_USERNAME, REDIS_PASSWORD"),
        ({"REDIS_MODE": "sentinel", "REDIS_SENTINELS": "h:1"}, "REDIS_SENTINELS"),
    ],
)
def test_what_a_url_says_is_not_said_twice(env: dict[str, str], said: str) -> None:
    _, problems = read(REDIS_URL="redis://u:canary@h/0", **env)
    assert len(problems) == 1 and said in problems[0] and problems[0].startswith("REDIS_URL: ")


def test_a_url_leaves_to_other_settings_what_it_does_not_say() -> None:
    settings, problems = read(REDIS_URL="redis://h", REDIS_DB="3", REDIS_USERNAME="u", REDIS_PASSWORD="p")
    assert not problems
    assert (settings.database, settings.username, settings.password.reveal()) == (3, "u", "p")


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("REDIS_DB", ["", " "], "it is set but empty"),
        ("MCP_KEY_PREFIXES", ["", " "], "it is set but empty"),
        ("MCP_KEY_PREFIXES", [",", " , ", "app:,"], "a prefix is empty"),
        ("MCP_KEY_PREFIXES", ["base64:?"], "not base64"),
    ],
)
def test_a_restriction_that_names_nothing_stops_the_start(name: str, values: list[str], said: str) -> None:
    for value in values:
        (problem,) = read(**{name: value})[1]
        assert problem.startswith(f"{name}: {said}")
    assert read(MCP_KEY_PREFIXES="*")[0].key_prefixes == read()[0].key_prefixes == ()


def test_a_prefix_that_is_written_as_a_glob_is_warned_of_at_the_start(start: Start) -> None:
    sidecar = start(MCP_KEY_PREFIXES="app:*,*,a*b")
    assert [line["msg"] for line in sidecar.logs() if line["level"] == "warning" and "MCP_KEY_PREFIXES" in line["msg"]] == [
        "MCP_KEY_PREFIXES: 'app:*' matches only names with that *: for all keys that begin with 'app:', write it without *",
        "MCP_KEY_PREFIXES: '*' matches only names with that *: for all keys, write * alone",
    ]


async def test_a_url_and_a_unix_socket_lead_to_redis_and_hide_the_password(start: Start, tmp_path: Path) -> None:
    # A socket's path has 107 bytes at most, and a test's folder may have more.
    with (
        tempfile.TemporaryDirectory(dir="/tmp") as folder,
        RedisServer(password=CANARY, config={"unixsocket": (socket := Path(folder) / "redis.sock")}) as server,
    ):
        urls = tmp_path / "url"
        urls.write_text("redis://:wrong-secret@h")
        for url in (f"redis://:{ENCODED}@127.0.0.1:{server.port}/1", f"unix://:{ENCODED}@{socket}?db=1"):
            urls.write_text(url + "\n")
            for env in ({"REDIS_URL": url}, {"REDIS_URL_FILE": str(urls)}):
                settings = Environment(env)
                found = RedisSettings.read(settings)
                assert not settings.problems and CANARY not in repr(found) and ENCODED not in repr(found)
        sidecar = start(REDIS_HOST="", REDIS_PORT="", REDIS_URL_FILE=str(urls))

        def fails() -> bool:
            return bool(sidecar.call("redis_command", command=["DBSIZE"])["isError"])

        assert not fails()
        # The password in the file of the URL is read again at each connect, as that of REDIS_PASSWORD_FILE is.
        with Redis(unix_socket_path=str(socket), password=CANARY) as redis:
            redis.config_set("requirepass", "second-secret")
            urls.write_text(f"unix://:second-secret@{socket}?db=1")
            redis.client_kill_filter(_type="normal", skipme=True)
        sidecar.wait_until(lambda: not fails())
        shown = sidecar.log.read_text() + sidecar.get("/ready")[1]
        assert CANARY not in shown and ENCODED not in shown and "second-secret" not in shown


def with_tls(authority: Authority, port: int) -> dict[str, Any]:
    """Return the directives of a Redis that serves TLS at a port, with a certificate of an authority."""
    certificate, key = authority.issue("server")
    files = {"tls-cert-file": certificate, "tls-key-file": key, "tls-ca-cert-file": authority.file}
    return {"tls-port": port, "tls-replication": "yes"} | files


async def test_who_does_not_know_the_authority_or_the_port_is_told_so(start: Start, tmp_path: Path) -> None:
    authority, port = Authority(tmp_path), free_port()
    with RedisServer(password="over-tls", config=with_tls(authority, port) | {"tls-auth-clients": "no"}) as server:
        tls = {"REDIS_PORT": str(port), "REDIS_TLS": "true", "REDIS_PASSWORD": "over-tls"}
        sidecar = start(**tls, REDIS_CA_FILE=str(authority.file))
        async with Client(sidecar.url + "/mcp") as client:
            clients = await ok(client, "redis_diagnose", topic="clients")
            assert clients["summary"]["by_name"]["mcp-redis"] >= 1
        strict = start(ready=False, **tls)
        strict.wait_until(lambda: "can't be reached" in strict.get("/ready")[1])
        assert "certificate" in strict.get("/ready")[1].lower(), "an unknown CA is refused, and named as the cause"
        plain = start(ready=False, REDIS_PORT=str(server.port), REDIS_TLS="true", REDIS_PASSWORD="over-tls")
        plain.wait_until(lambda: "did not answer" in plain.get("/ready")[1])


async def test_client_certificates_are_shown_and_rotated_ones_taken_up(tmp_path: Path) -> None:
    authority, other, port = Authority(tmp_path / "one"), Authority(tmp_path / "other"), free_port()
    with RedisServer(config=with_tls(authority, port)):
        shown, shown_key = tmp_path / "client.pem", tmp_path / "client.key"
        files = {"REDIS_CLIENT_CERT_FILE": str(shown), "REDIS_CLIENT_KEY_FILE": str(shown_key)}

        def show(by: Authority) -> None:
            for made, kept in zip(by.issue("client"), (shown, shown_key), strict=True):
                shutil.copy(made, kept)

        show(other)
        tls = {"REDIS_URL": f"rediss://127.0.0.1:{port}", "REDIS_CA_FILE": str(authority.file)}
        async with connected(port, REDIS_HOST="", REDIS_PORT="", **tls, **files) as backend:
            with pytest.raises(BackendError, match="can't be reached"):  # Redis may close before its alert is read
                await backend.read("PING")
            show(authority)
            assert await backend.read("PING") == b"PONG"
            # What can't be used does not harm: the last that could stay.
            shown_key.write_text("none")
            await backend.close()
            assert await backend.read("PING") == b"PONG"
    _, problems = read(REDIS_TLS="true", **files)
    assert problems == ["REDIS_CLIENT_KEY_FILE: the file holds no key in PEM"]
    _, problems = read(REDIS_TLS="true", REDIS_CLIENT_CERT_FILE=str(shown))
    assert problems == ["REDIS_CLIENT_CERT_FILE: set REDIS_CLIENT_KEY_FILE as well"]


@pytest.mark.parametrize("mode", ["standalone", "cluster"])
async def test_a_key_that_is_encrypted_is_refused(tmp_path: Path, mode: str) -> None:
    shown, key = Authority(tmp_path).issue("client")
    files = {"REDIS_CLIENT_CERT_FILE": str(shown), "REDIS_CLIENT_KEY_FILE": str(key)}
    async with connected(free_port(), REDIS_TLS="true", REDIS_MODE=mode, **files) as backend:
        encrypted(key, "canary").rename(key)
        with pytest.raises(BackendError, match="the key is encrypted: give one without a password"):
            await backend.check()
    _, problems = read(REDIS_TLS="true", **files)
    assert problems == ["REDIS_CLIENT_KEY_FILE: the key is encrypted: give one without a password"]


async def test_sentinels_with_tls_a_user_and_a_password_that_is_rotated(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    shown, shown_key = authority.issue("client")
    with ExitStack() as stack:
        port, watching = free_port(), free_port()
        stack.enter_context(RedisServer(config=with_tls(authority, port)))
        stack.enter_context(
            RedisServer(
                config=with_tls(authority, watching)
                | {"sentinel monitor mymaster": f"127.0.0.1 {port} 1"}
                | {"user reader": "on >first-secret ~* &* +@all", "user default": "off"},
                sentinel=True,
            )
        )
        password = tmp_path / "password"
        password.write_text("wrong-secret")
        env = {
            "REDIS_MODE": "sentinel", "REDIS_SENTINELS": f"127.0.0.1:{watching}", "REDIS_SENTINEL_TLS": "true",
            "REDIS_SENTINEL_USERNAME": "reader", "REDIS_SENTINEL_PASSWORD_FILE": str(password), "REDIS_TLS": "true",
            "REDIS_CA_FILE": str(authority.file), "REDIS_CLIENT_CERT_FILE": str(shown),
            "REDIS_CLIENT_KEY_FILE": str(shown_key),
        }  # fmt: skip
        async with connected(port, **env) as backend:
            with pytest.raises(BackendError, match="REDIS_SENTINEL"):
                await backend.write("INCR", b"n")
            password.write_text("first-secret")
            assert await backend.write("INCR", b"n") == 1


def test_a_token_with_a_login_has_the_rights_of_that_user_alone(start: Start, redis: Redis, tmp_path: Path) -> None:
    rights = "on >reader:p%ss ~app:* +@read +@connection +acl|whoami -@write"
    redis.execute_command("ACL", "SETUSER", "reader", *rights.split())
    tokens = tmp_path / "tokens"
    own, limited, wrong = "own-0123456789abcdef", "limited-0123456789ab", "wrong-0123456789abcd"
    tokens.write_text(
        f"own read,write {own}\nlimited read,write {limited} reader:reader%3Ap%25ss\nwrong read {wrong} reader:nope-secret\n"
    )
    redis.set("app:1", "a")
    redis.set("secret", "s")
    sidecar = start(MCP_AUTH_TOKENS_FILE=str(tokens), MCP_ALLOW_WRITES="true")

    def call(token: str, tool: str, **arguments: Any) -> tuple[bool, str]:
        asking = message("tools/call", name=tool, arguments=arguments)
        _, answer = sidecar.post(asking, {"Authorization": f"Bearer {token}"})
        return answer["result"]["isError"], answer["result"]["content"][0]["text"]

    for _ in range(2):  # over connections that others have used, too
        assert '"value":"s"' in call(own, "redis_read", key="secret")[1]
        assert '"value":"a"' in call(limited, "redis_read", key="app:1")[1]
        failed, said = call(limited, "redis_command", command=["GET", "secret"])
        assert failed and "does not allow" in said
        failed, said = call(limited, "redis_write", key="app:1", value="x")
        assert failed and redis.get("app:1") == b"a"
        failed, said = call(wrong, "redis_read", key="app:1")
        assert failed and "MCP_AUTH_TOKENS_FILE" in said
    assert call(limited, "redis_diagnose", topic="acl")[1].count("reader") == 1
    assert not call(own, "redis_write", key="app:1", value="b")[0]
    assert redis.get("app:1") == b"b"
    # The token has another user from the next call on.
    tokens.write_text(f"limited read,write {limited}\n")
    assert '"value":"s"' in call(limited, "redis_read", key="secret")[1]
    shown = sidecar.log.read_text()
    assert "p%ss" not in shown and "nope-secret" not in shown
