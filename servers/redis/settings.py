"""Settings of the connection to Redis: address, login and TLS."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from servers.common.http.tls import EncryptedKey, no_password
from servers.common.protocol.tools import ToolError
from servers.common.settings import Environment, Secret, check_host
from servers.redis.format.key_encoding import parse_key

SECRET = (
    r"(?i)(^|[^a-z]|(?-i:[a-z](?=[A-Z])))(passw(or)?d|passphrase|secret|token|api[-_]?key|credentials?|private[-_]?key|auth)"
    r"([^a-z]|$|(?-i:(?<=[a-z])(?=[A-Z])))"
)
"""Names of keys and fields that by default are taken to hold secrets: user_token, accessToken, but not tokenizer."""

MODES = ("standalone", "sentinel", "cluster")

MOST_DATABASE = 1_000_000

ALL_KEYS = "*"


@dataclass(frozen=True)
class RedisUrl:
    """An address as Redis' clients take it (https://redis.io/docs/latest/develop/clients/redis-py/connect/).

    redis://USER:PASSWORD@HOST:PORT/DATABASE, rediss:// with TLS, or unix://USER:PASSWORD@/PATH?db=DATABASE, with percent-encoded
    parts (RFC 3986).
    """

    tls: bool
    host: str
    port: int
    path: str
    """Of a Unix socket; or nothing."""

    database: int | None
    username: str
    password: str

    @classmethod
    def parse(cls, text: str) -> RedisUrl:
        """Parse a URL, or raise ValueError. The message repeats no part of it, for any may be of a password."""
        if re.search(r"[\s\x00-\x1f\x7f]", text):
            raise ValueError("it contains a space or a control character: write a space as %20")
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            raise ValueError(f"its host or port can't be read; {_ENCODE}") from None
        if parts.scheme not in ("redis", "rediss", "unix") or not text[len(parts.scheme) :].startswith("://"):
            raise ValueError("it has to begin with redis://, rediss:// or unix://")
        if "#" in text:
            raise ValueError(f"it contains a #; {_ENCODE}")
        options = dict(parse_qsl(parts.query, keep_blank_values=True, errors="strict"))
        if options.keys() - {"db", "username", "password"}:
            raise ValueError("only the options db, username and password may follow the ?: others have settings")
        unix = parts.scheme == "unix"
        if unix and (parts.hostname or not parts.path.strip("/")):
            raise ValueError("a Unix socket is written unix:///path/to/redis.sock")
        database = options.get("db", "" if unix else parts.path.strip("/"))
        if database and not (database.isascii() and database.isdigit() and int(database) <= MOST_DATABASE):
            raise ValueError(f"its database is not a number; {_ENCODE}")
        return cls(
            tls=parts.scheme == "rediss",
            host=_url_host(parts),
            port=6379 if port is None else port,
            path=_decoded(parts.path) if unix else "",
            database=int(database) if database else None,
            username=options.get("username") or _decoded(parts.username),
            password=options.get("password") or _decoded(parts.password),
        )


_ENCODE = "write special characters of the user and the password as %2F"


def _decoded(part: str | None) -> str:
    return unquote(part or "", errors="strict")


def _url_host(parts: SplitResult) -> str:
    try:
        host = _decoded(parts.hostname) or "localhost"
        check_host(host)
    except ValueError:
        host = ""
    if not host or re.search(r"[\s/@?]", host) or parts.port == 0:
        raise ValueError(f"its host or port can't be used; {_ENCODE}")
    return host


@dataclass(frozen=True)
class ClientTls:
    """Settings of TLS connections. The files may be replaced while the server runs."""

    ca_file: Path | None
    """None: the system's authorities."""

    certificate: Path | None
    key: Path | None

    def context(self) -> ssl.SSLContext:
        """Return a context of the files as they are now; OSError (ssl.SSLError is one) if a file can't be read or used."""
        context = ssl.create_default_context(cafile=self.ca_file)
        if self.certificate:
            context.load_cert_chain(self.certificate, self.key, no_password)
        return context


@dataclass(frozen=True)
class RedisSettings:
    """Settings of the Redis connection."""

    mode: str
    host: str
    port: int
    socket: str
    """The path of a Unix socket, in place of host and port; or nothing."""

    database: int
    username: str
    password: Secret
    tls: ClientTls | None
    sentinels: tuple[tuple[str, int], ...]
    sentinel_master: str
    sentinel_username: str
    sentinel_password: Secret
    sentinel_tls: ClientTls | None
    key_prefixes: tuple[str, ...]
    mask: str

    @classmethod
    def read(cls, env: Environment) -> RedisSettings:
        whole = env.secret("REDIS_URL", "redis://, rediss:// or unix:// URL, instead of the settings of its parts")
        mode = env.choice("REDIS_MODE", "standalone", MODES, "how Redis is deployed")
        host = env.host("REDIS_HOST", "localhost", "host of Redis; in a cluster, of any node")
        port = env.port("REDIS_PORT", 6379, "port of Redis")
        database = env.number("REDIS_DB", 0, "number of the database", least=0, most=MOST_DATABASE, restricts=True)
        username = env.text("REDIS_USERNAME", "", "ACL user; default: Redis' default user")
        password = env.secret("REDIS_PASSWORD", "the password")
        encrypted = env.flag("REDIS_TLS", False, "connect with TLS")
        url = _url(env, whole, mode)
        if url:
            host, port, encrypted = url.host, url.port, url.tls
            database = database if url.database is None else url.database
            username = url.username or username
            if url.password:
                password = whole.only(lambda text: RedisUrl.parse(text).password)
        tls = _tls(env)
        sentinel_tls = env.flag("REDIS_SENTINEL_TLS", False, "connect to sentinels with TLS")
        if not encrypted and not sentinel_tls:
            env.problems += [
                f"{name}: it has an effect only with REDIS_TLS=true"
                for name in env.given("REDIS_CA_FILE", "REDIS_CLIENT_CERT_FILE", "REDIS_CLIENT_KEY_FILE")
            ]
        settings = cls(
            mode=mode,
            host=host,
            port=port,
            socket=url.path if url else "",
            database=database,
            username=username,
            password=password,
            tls=tls if encrypted else None,
            sentinels=_addresses(env, "REDIS_SENTINELS", env.names("REDIS_SENTINELS", "sentinels as host:port, comma-separated")),
            sentinel_master=env.text("REDIS_SENTINEL_MASTER", "mymaster", "name of the master that sentinels watch"),
            sentinel_username=env.text("REDIS_SENTINEL_USERNAME", "", "ACL user at the sentinels"),
            sentinel_password=env.secret("REDIS_SENTINEL_PASSWORD", "the password of sentinels"),
            sentinel_tls=tls if sentinel_tls else None,
            key_prefixes=_prefixes(env),
            mask=env.text(
                "MCP_MASK_PATTERN",
                SECRET,
                "names of keys and fields whose values listings hide, a regular expression; ^$: none",
            ),
        )
        try:
            re.compile(settings.mask)
        except re.error as error:
            env.problems.append(f"MCP_MASK_PATTERN: not a regular expression: {error}")
        for name, user, secret in (
            ("REDIS", settings.username, settings.password),
            ("REDIS_SENTINEL", settings.sentinel_username, settings.sentinel_password),
        ):
            if user and not secret:
                env.problems.append(f"{name}_USERNAME: set {name}_PASSWORD or {name}_PASSWORD_FILE as well")
        if settings.mode == "sentinel" and not settings.sentinels:
            env.problems.append("REDIS_SENTINELS: set it for REDIS_MODE=sentinel")
        if settings.mode != "sentinel":
            env.problems += [
                f"{name}: it has an effect only with REDIS_MODE=sentinel"
                for name, value in (
                    ("REDIS_SENTINEL_TLS", sentinel_tls),
                    ("REDIS_SENTINEL_USERNAME", settings.sentinel_username),
                )
                if value
            ]
        if settings.mode == "cluster" and settings.database:
            env.problems.append("REDIS_DB: a cluster has only database 0")
        return settings


def _url(env: Environment, whole: Secret, mode: str) -> RedisUrl | None:
    """Return the parts of REDIS_URL, if it is set and can be used."""
    if not whole:
        return None
    try:
        url = RedisUrl.parse(whole.reveal())
    except UnicodeDecodeError:
        env.problems.append("REDIS_URL: it is not text in UTF-8")
        return None
    except OSError:
        return None  # which is a problem of REDIS_URL_FILE already
    except ValueError as error:
        env.problems.append(f"REDIS_URL: {error}")
        return None
    said = ["REDIS_HOST", "REDIS_PORT", "REDIS_TLS"]
    said += ["REDIS_DB"] if url.database is not None else []
    said += ["REDIS_USERNAME"] if url.username else []
    said += ["REDIS_PASSWORD", "REDIS_PASSWORD_FILE"] if url.password else []
    if both := env.given(*said):
        env.problems.append(f"REDIS_URL: it says the same as {', '.join(both)}: set one of them")
    if mode == "sentinel":
        env.problems.append("REDIS_URL: with REDIS_MODE=sentinel, set REDIS_SENTINELS instead")
    if mode == "cluster" and url.path:
        env.problems.append("REDIS_URL: the nodes of a cluster have no Unix sockets")
    return url


def _tls(env: Environment) -> ClientTls:
    tls = ClientTls(
        ca_file=env.certificates("REDIS_CA_FILE", "CA certificates for Redis, PEM; default: the system's"),
        certificate=env.certificates("REDIS_CLIENT_CERT_FILE", "client certificate for Redis and sentinels, PEM"),
        key=env.file("REDIS_CLIENT_KEY_FILE", "its key, PEM, not encrypted"),
    )
    if env.together("REDIS_CLIENT_CERT_FILE", tls.certificate, "REDIS_CLIENT_KEY_FILE", tls.key):
        try:
            tls.context()
        except EncryptedKey as error:
            env.problems.append(f"REDIS_CLIENT_KEY_FILE: {error}")
        except ssl.SSLError as error:
            mismatch = error.reason == "KEY_VALUES_MISMATCH"
            said = "the key is not that of REDIS_CLIENT_CERT_FILE" if mismatch else "the file holds no key in PEM"
            env.problems.append(f"REDIS_CLIENT_KEY_FILE: {said}")
        except OSError as error:
            env.problems.append(f"REDIS_CLIENT_KEY_FILE: {error}")
    return tls


def _prefixes(env: Environment) -> tuple[str, ...]:
    """Read MCP_KEY_PREFIXES. A value that names no prefix never means all keys."""
    text = env.text(
        "MCP_KEY_PREFIXES",
        ALL_KEYS,
        "see and touch only keys with these prefixes, comma-separated; *: all keys",
        restricts=True,
    )
    if text == ALL_KEYS:
        return ()
    prefixes = tuple(part.strip() for part in text.split(","))
    for prefix in prefixes:
        try:
            if not parse_key(prefix):
                raise ToolError("a prefix is empty: name prefixes, or leave out the setting for all keys")
        except ToolError as error:
            env.problems.append(f"MCP_KEY_PREFIXES: {error}")
            return ()
        if prefix.endswith("*"):
            start = prefix.rstrip("*")
            instead = f"for all keys that begin with {start!r}, write it without *" if start else "for all keys, write * alone"
            env.warnings.append(f"MCP_KEY_PREFIXES: {prefix!r} matches only names with that *: {instead}")
    return prefixes


def _addresses(env: Environment, name: str, texts: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    found = []
    for text in texts:
        host, _, port = text.rpartition(":")
        if "@" in text or "/" in text:
            env.problems.append(f"{name}: give host:port alone: users and passwords have settings of their own")
        elif not host or not port.isdigit() or not 0 < int(port) < 65536:
            env.problems.append(f"{name}: {text!r} is not host:port")
        else:
            host = host.strip("[]")
            try:
                check_host(host)
            except ValueError as error:
                env.problems.append(f"{name}: {error}")
            found.append((host, int(port)))
    return tuple(found)
