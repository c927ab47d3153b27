"""Where Elasticsearch is, and who we are there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from servers.common.settings import Environment, Secret


@dataclass(frozen=True)
class ElasticsearchSettings:
    """Settings of the connection to Elasticsearch."""

    scheme: str
    host: str
    port: int
    api_key: Secret
    username: str
    password: Secret
    ca_file: Path | None
    index_patterns: tuple[str, ...]

    @classmethod
    def read(cls, env: Environment) -> ElasticsearchSettings:
        settings = cls(
            scheme=env.choice("ES_SCHEME", "http", ("http", "https"), "how to talk to Elasticsearch"),
            host=env.host("ES_HOST", "localhost", "host of Elasticsearch"),
            port=env.port("ES_PORT", 9200, "port of Elasticsearch"),
            api_key=env.secret("ES_API_KEY", "the API key, encoded as Elasticsearch gives it"),
            username=env.text("ES_USERNAME", "", "user, for basic authentication"),
            password=env.secret("ES_PASSWORD", "the user's password"),
            ca_file=env.certificates(
                "ES_CA_FILE", "certificates that sign Elasticsearch's, PEM; default: the system's"
            ),
            index_patterns=env.names(
                "MCP_INDEX_PATTERNS",
                "see and touch only indices and data streams of these names, * allowed, comma-separated",
            ),
        )
        if wrong := [p for p in settings.index_patterns if re.search(r"""[?<>:"\\|/#\s]|^[-+_]|[A-Z]""", p)]:
            env.problems.append(f"MCP_INDEX_PATTERNS: {wrong[0]!r} is no name of an index, nor one with *")
        if settings.ca_file and settings.scheme != "https":
            env.problems.append("ES_CA_FILE: it is of use only with ES_SCHEME=https")
        if bool(settings.username) != bool(settings.password):
            missing = "ES_PASSWORD or ES_PASSWORD_FILE" if settings.username else "ES_USERNAME"
            env.problems.append(f"{'ES_USERNAME' if settings.username else 'ES_PASSWORD'}: set {missing} as well")
        if settings.api_key and settings.password:
            env.problems.append("ES_API_KEY: set it or ES_USERNAME with ES_PASSWORD, not both")
        return settings
