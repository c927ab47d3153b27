"""Settings from the environment: what is taken, and what is said of what is wrong."""

from collections.abc import Callable
from pathlib import Path

import pytest

from servers.common.http.auth_settings import AuthSettings
from servers.common.settings import CommonSettings, Environment, Secret, SettingsError


def problems(env: Environment) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        env.check()
    return raised.value.problems


def test_nothing_set_gives_the_defaults() -> None:
    env = Environment({})
    settings = CommonSettings.read(env)
    env.check()
    assert (settings.host, settings.port, settings.allow_writes) == ("0.0.0.0", 9000, False)
    assert settings.allowed_hosts == ()


def test_hosts_and_origins_that_match_nothing_are_warned_of() -> None:
    good = {
        "MCP_ALLOWED_HOSTS": "*,a.example,a:1,[::1]",
        "MCP_ALLOWED_ORIGINS": "*,null,https://a:1/,vscode-webview://1",
    }
    bad = {"MCP_ALLOWED_HOSTS": "*.example,https://a", "MCP_ALLOWED_ORIGINS": "a.example,https://*.a,https://a/b,\x1b"}
    for given, count in ((good, 0), (bad, 6)):
        env = Environment(given)
        CommonSettings.read(env)
        env.check()
        assert len(env.warnings) == count and "\x1b" not in "".join(env.warnings)


def test_set_but_empty_is_not_set() -> None:
    env = Environment({"MCP_PORT": "", "MCP_ALLOW_WRITES": " ", "MCP_ALLOWED_HOSTS": ""})
    assert CommonSettings.read(env).port == 9000
    env.check()


@pytest.mark.parametrize("text", ["", " "])
def test_a_restriction_that_is_empty_is_a_problem(text: str) -> None:
    names = {"MCP_AUTH_TOKEN_FILE", "MCP_AUTH_TOKENS_FILE", "MCP_OAUTH_ISSUER", "MCP_TLS_CLIENT_CA_FILE"}
    names |= {"MCP_TLS_CERT_FILE", "MCP_RATE_LIMIT_PER_MINUTE", "MCP_TOOLS", "MCP_TOOLS_EXCEPT", "MCP_CONFIRM"}
    env = Environment(dict.fromkeys(names, text))
    AuthSettings.read(env)
    CommonSettings.read(env)
    assert {problem.partition(":")[0] for problem in problems(env)} == names


LINKS = {
    "{0}_SERVICE_HOST": "10.96.0.7", "{0}_SERVICE_PORT": "6379", "{0}_SERVICE_PORT_HTTP_METRICS": "9121",
    "{0}_PORT": "tcp://10.96.0.7:6379", "{0}_PORT_6379_TCP": "tcp://10.96.0.7:6379", "{0}_PORT_6379_TCP_PROTO": "tcp",
    "{0}_PORT_6379_TCP_PORT": "6379", "{0}_PORT_6379_TCP_ADDR": "fd00::7", "{0}_PORT_53_UDP": "udp://10.96.0.7:53",
}  # fmt: skip


@pytest.mark.parametrize("service", ["MCP", "MCP_MAX_CONCURRENT", "REDIS", "MY_RELEASE_REDIS_MCP"])
def test_what_kubernetes_sets_for_services_is_ignored(service: str) -> None:
    env = Environment({name.format(service): value for name, value in LINKS.items()})
    assert CommonSettings.read(env).port == 9000
    env.check()
    assert env.unknown() == []


def test_settings_that_are_none_are_told_with_the_nearest_name_and_without_their_values() -> None:
    env = Environment(
        {"MCP_PROT": "canary", "mcp_log_level": "canary", "MCP_QQ": "canary", "MCP_SERVICE_HOST": "canary.example"}
        | {"OTHER_PORT": "1", "OTEL_SERVICE_NAME": "x", "MCP_X\n\x1b": "canary", "MCP_HOST": "127.0.0.1"}
    )
    CommonSettings.read(env)
    env.text("OTEL_EXPORTER_OTLP_ENDPOINT", "", "")
    env.check()
    lines = env.unknown()
    assert lines[0] == "MCP_PROT is not a setting of this server and has no effect: did you mean MCP_PORT?"
    assert {line.partition(" ")[0] for line in lines} == {
        "MCP_PROT", "mcp_log_level", "MCP_QQ", "MCP_SERVICE_HOST", r"MCP_X\x0a\x1b"
    }  # fmt: skip
    assert any(line.startswith("mcp_log_level") and line.endswith("MCP_LOG_LEVEL?") for line in lines)
    assert "canary" not in "".join(lines)


def read(kind: str, text: str) -> tuple[object, list[str]]:
    """Return the value of a setting of some kind, and what is wrong with it."""
    env = Environment({"S": text})
    readers: dict[str, Callable[[], object]] = {
        "flag": lambda: env.flag("S", None, ""),  # type: ignore[arg-type]
        "port": lambda: env.port("S", 9000, ""),
        "host": lambda: env.host("S", "localhost", ""),
        "names": lambda: env.names("S", ""),
        "names that restrict": lambda: env.names("S", "", restricts=True),
    }
    return readers[kind](), env.problems


HOSTS = ["localhost", "es.shop.svc.", "10.0.0.1", "::1", "xn--bcher-kva.example", "bücher.example", "x" * 63]


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        *(("flag", text, True) for text in ("true", "1", "Yes", "ON")),
        *(("flag", text, False) for text in ("false", "0", "No", "off")),
        *(("host", text, text) for text in HOSTS),
        ("host", "[::1]", "::1"),
        ("names", " a, b ,,c", ("a", "b", "c")),
    ],
)
def test_what_is_taken(kind: str, text: str, value: object) -> None:
    assert read(kind, text) == (value, [])


NO_HOSTS = ["a..b", ".a", ".", "x" * 64, "ü" * 64, "ü..b", "\u2488.example", ".".join(["x" * 50] * 6)]
ALONE = "give the host's name alone, unquoted: scheme, user and port have settings of their own"
NO_HOST = "is not a host name: names have at most 253 characters, and 1 to 63 between dots"


@pytest.mark.parametrize(
    ("kind", "text", "default", "said"),
    [
        ("port", "x", 9000, "'x' is not a whole number"),
        ("port", "0", 9000, "0 is not between 1 and 65535"),
        ("port", "70000", 9000, "70000 is not between 1 and 65535"),
        ("names that restrict", " , ", (), "it names nothing: give it a value, or leave it out"),
        *(("host", text, "localhost", f"'{text[:80]}' {NO_HOST}") for text in NO_HOSTS),
        *(("host", text, "localhost", ALONE) for text in ("redis:6379", "redis://h", "u@h", "a b", '"h"', "h\x1b")),
    ],
)
def test_what_is_wrong_is_told_and_the_default_stays(kind: str, text: str, default: object, said: str) -> None:
    assert read(kind, text) == (default, [f"S: {said}"])


def test_a_secret_never_shows_itself() -> None:
    secret = Environment({"S": "canary"}).secret("S", "")
    assert secret.reveal() == "canary" and secret
    assert "canary" not in f"{secret!r} {secret}"
    assert not Secret()


def test_a_line_that_tells_a_problem_is_one_line_and_short() -> None:
    env = Environment({"S": "a\n\x1b[2J" + "x" * 5000})
    env.port("S", 1, "")
    (line,) = problems(env)
    assert line.startswith(r"S: 'a\x0a\x1b[2Jxxx") and len(line) < 1100


def test_a_secret_from_a_file_follows_the_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("\ufeffone\r\n", "utf-8")  # as editors of Windows write it
    secret = Environment({"S_FILE": str(file)}).secret("S", "")
    assert secret.reveal() == "one"
    file.write_text("two")
    assert secret.reveal() == "two"
    file.unlink()
    with pytest.raises(OSError, match="No such file"):
        secret.reveal()


def test_what_is_wrong_with_a_secret_file(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    env = Environment({"A_FILE": str(tmp_path / "none"), "B_FILE": str(tmp_path / "empty"), "C_FILE": str(tmp_path)})
    for name in "ABC":
        env.secret(name, "")
    assert problems(env) == [
        f"A_FILE: can't read '{tmp_path / 'none'}': No such file or directory",
        f"B_FILE: '{tmp_path / 'empty'}' is empty",
        f"C_FILE: can't read '{tmp_path}': Is a directory",
    ]


def test_every_setting_is_described() -> None:
    env = Environment({})
    CommonSettings.read(env)
    assert all(meaning for _, _, meaning in env.described)
    assert len({name for name, _, _ in env.described}) == len(env.described)
