"""Where Redis is, and who we are there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from servers.common.protocol.tools import ToolError
from servers.common.settings import Environment, Secret, check_host
from servers.redis.format.key_encoding import parse_key

SECRET = r"(?i)(^|[^a-z])(passw(or)?d|passphrase|secret|token|api[-_]?key|credentials?|private[-_]?key|auth)([^a-z]|$)"
"""Names of keys and fields that by default are taken to hold secrets."""


MODES = ("standalone", "sentinel", "cluster")


@dataclass(frozen=True)
class RedisSettings:
    """Settings of the Redis connection."""

    mode: str
    host: str
    port: int
    database: int
    username: str
    password: Secret
    tls: bool
    ca_file: Path | None
    sentinels: tuple[tuple[str, int], ...]
    sentinel_master: str
    sentinel_password: Secret
    key_prefixes: tuple[str, ...]
    mask: str

    @classmethod
    def read(cls, env: Environment) -> RedisSettings:
        settings = cls(
            mode=env.choice("REDIS_MODE", "standalone", MODES, "how Redis is deployed"),
            host=env.host("REDIS_HOST", "localhost", "host of Redis; in a cluster of any of its nodes"),
            port=env.port("REDIS_PORT", 6379, "port of Redis"),
            database=env.number("REDIS_DB", 0, "number of the database", least=0, most=1_000_000),
            username=env.text(
                "REDIS_USERNAME", "", "ACL user; without one Redis takes the password of its default user"
            ),
            password=env.secret("REDIS_PASSWORD", "the password"),
            tls=env.flag("REDIS_TLS", False, "connect with TLS"),
            ca_file=env.certificates("REDIS_CA_FILE", "certificates that sign Redis', PEM; default: the system's"),
            sentinels=_addresses(
                env, "REDIS_SENTINELS", env.names("REDIS_SENTINELS", "sentinels as host:port, comma-separated")
            ),
            sentinel_master=env.text("REDIS_SENTINEL_MASTER", "mymaster", "name of the master that sentinels watch"),
            sentinel_password=env.secret("REDIS_SENTINEL_PASSWORD", "the password of sentinels"),
            key_prefixes=_prefixes(env),
            mask=env.text(
                "MCP_MASK_PATTERN", SECRET, "names of keys and fields whose values listings hide; ^$ for none"
            ),
        )
        try:
            re.compile(settings.mask)
        except re.error as error:
            env.problems.append(f"MCP_MASK_PATTERN: not a regular expression: {error}")
        if settings.ca_file and not settings.tls:
            env.problems.append("REDIS_CA_FILE: it is of use only with REDIS_TLS=true")
        if settings.username and not settings.password:
            env.problems.append("REDIS_USERNAME: set REDIS_PASSWORD or REDIS_PASSWORD_FILE as well")
        if settings.mode == "sentinel" and not settings.sentinels:
            env.problems.append("REDIS_SENTINELS: set it for REDIS_MODE=sentinel")
        if settings.mode == "cluster" and settings.database:
            env.problems.append("REDIS_DB: a cluster has only database 0")
        return settings


def _prefixes(env: Environment) -> tuple[str, ...]:
    """Read MCP_KEY_PREFIXES. A value that names no prefix never means all keys."""
    text = env.text("MCP_KEY_PREFIXES", "", "see and touch only keys that begin so, comma-separated")
    prefixes = tuple(part.strip() for part in text.split(",")) if text else ()
    for prefix in prefixes:
        try:
            if not parse_key(prefix):
                raise ToolError("a prefix is empty: name prefixes, or leave the setting out for all keys")
        except ToolError as error:
            env.problems.append(f"MCP_KEY_PREFIXES: {error}")
            return ()
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
