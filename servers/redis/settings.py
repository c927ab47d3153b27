"""Where Redis is, and who we are there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from servers.common.settings import Environment, Secret


@dataclass(frozen=True)
class RedisSettings:
    """Settings of the Redis connection."""

    host: str
    port: int
    database: int
    username: str
    password: Secret
    tls: bool
    ca_file: Path | None

    @classmethod
    def read(cls, env: Environment) -> RedisSettings:
        settings = cls(
            host=env.text("REDIS_HOST", "localhost", "host of Redis"),
            port=env.port("REDIS_PORT", 6379, "port of Redis"),
            database=env.number("REDIS_DB", 0, "number of the database", least=0, most=1_000_000),
            username=env.text(
                "REDIS_USERNAME", "", "ACL user; without one Redis takes the password of its default user"
            ),
            password=env.secret("REDIS_PASSWORD", "the password"),
            tls=env.flag("REDIS_TLS", False, "connect with TLS"),
            ca_file=env.file("REDIS_CA_FILE", "certificates that sign Redis', PEM; default: the system's"),
        )
        if settings.ca_file and not settings.tls:
            env.problems.append("REDIS_CA_FILE: it is of use only with REDIS_TLS=true")
        if settings.username and not settings.password:
            env.problems.append("REDIS_USERNAME: set REDIS_PASSWORD or REDIS_PASSWORD_FILE as well")
        return settings
