"""Where Elasticsearch is, and who we are there."""

from __future__ import annotations

import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from servers.common.settings import Environment, Secret, check_host

SCHEMES = ("http", "https")


@dataclass(frozen=True)
class ElasticsearchSettings:
    """Settings of the connection to Elasticsearch."""

    urls: tuple[str, ...]
    """Of each node: scheme, host, port, and a path where a proxy asks for one; no slash at the end."""

    api_key: Secret
    bearer_token: Secret
    username: str
    password: Secret
    ca_file: Path | None
    ca_fingerprint: str
    """SHA-256 in lower case, without colons; or nothing."""

    client_certificate: Path | None
    client_key: Path | None
    compress: bool
    index_patterns: tuple[str, ...]

    @property
    def tls(self) -> bool:
        return any(url.startswith("https:") for url in self.urls)

    @classmethod
    def read(cls, env: Environment) -> ElasticsearchSettings:
        urls = _urls(env)
        settings = cls(
            urls=urls,
            api_key=env.secret("ES_API_KEY", "the API key, encoded as Elasticsearch gives it"),
            bearer_token=env.secret("ES_BEARER_TOKEN", "the token of a service account, or a JSON Web Token"),
            username=env.text("ES_USERNAME", "", "user, for basic authentication"),
            password=env.secret("ES_PASSWORD", "the user's password"),
            ca_file=env.certificates(
                "ES_CA_FILE", "certificates that sign Elasticsearch's, PEM; default: the system's"
            ),
            ca_fingerprint=_fingerprint(env),
            client_certificate=env.certificates("ES_CLIENT_CERT_FILE", "certificate to show to Elasticsearch, PEM"),
            client_key=env.file("ES_CLIENT_KEY_FILE", "its key, PEM, not encrypted"),
            compress=_compress(env, urls),
            index_patterns=env.names(
                "MCP_INDEX_PATTERNS",
                "see and touch only indices and data streams of these names, * allowed, comma-separated",
            ),
        )
        if wrong := [p for p in settings.index_patterns if re.search(r"""[?<>:"\\|/#\s]|^[-+_]|[A-Z]""", p)]:
            env.problems.append(f"MCP_INDEX_PATTERNS: {wrong[0]!r} is no name of an index, nor one with *")
        settings._check_tls(env)
        settings._check_login(env)
        return settings

    def _check_tls(self, env: Environment) -> None:
        given = {
            "ES_CA_FILE": self.ca_file,
            "ES_CA_FINGERPRINT": self.ca_fingerprint,
            "ES_CLIENT_CERT_FILE": self.client_certificate,
        }
        if not self.tls:
            env.problems += [
                f"{name}: it is of use only with ES_SCHEME=https" for name, value in given.items() if value
            ]
        if self.ca_file and self.ca_fingerprint:
            env.problems.append("ES_CA_FINGERPRINT: set it or ES_CA_FILE, not both")
        if bool(self.client_certificate) != bool(self.client_key):
            there, missing = "ES_CLIENT_CERT_FILE", "ES_CLIENT_KEY_FILE"
            if self.client_key:
                there, missing = missing, there
            env.problems.append(f"{there}: set {missing} as well")
        elif self.client_certificate and self.client_key:
            try:
                load_client_certificate(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), self)
            except (OSError, ValueError) as error:
                env.problems.append(f"ES_CLIENT_KEY_FILE: {key_problem(error)}")

    def _check_login(self, env: Environment) -> None:
        if bool(self.username) != bool(self.password):
            missing = "ES_PASSWORD or ES_PASSWORD_FILE" if self.username else "ES_USERNAME"
            env.problems.append(f"{'ES_USERNAME' if self.username else 'ES_PASSWORD'}: set {missing} as well")
        logins = {
            "ES_API_KEY": self.api_key,
            "ES_BEARER_TOKEN": self.bearer_token,
            "ES_USERNAME with ES_PASSWORD": self.password,
        }
        found = [name for name, value in logins.items() if value]
        if len(found) > 1:
            env.problems.append(f"{found[0]}: set it or {found[1]}, not both")


def load_client_certificate(context: ssl.SSLContext, settings: ElasticsearchSettings) -> None:
    """Makes a context show the client's certificate, where there is one.

    Raises:
        OSError: (ssl.SSLError among them) they can't be read, or do not belong together.
        ValueError: the key is encrypted.
    """
    if settings.client_certificate:

        def ask() -> str:
            # Without this, OpenSSL would ask on the terminal.
            raise ValueError("the key is encrypted")

        context.load_cert_chain(settings.client_certificate, settings.client_key, ask)


def key_problem(error: Exception) -> str:
    """What is wrong with a client's certificate or key, in words without any of their content."""
    if isinstance(error, ssl.SSLError):
        mismatch = error.reason == "KEY_VALUES_MISMATCH"
        return "the key is not that of ES_CLIENT_CERT_FILE" if mismatch else "the file holds no key in PEM"
    return str(error.strerror) if isinstance(error, OSError) else str(error)


def _urls(env: Environment) -> tuple[str, ...]:
    scheme = env.choice("ES_SCHEME", "http", SCHEMES, "how to talk to Elasticsearch")
    host = env.host("ES_HOST", "localhost", "host of Elasticsearch").strip("[]")
    port = env.port("ES_PORT", 9200, "port of Elasticsearch")
    several = env.names("ES_HOSTS", "nodes of one cluster in place of ES_HOST: URLs, or host and port, comma-separated")
    found = []
    for entry in several:
        try:
            found.append(_url(entry, scheme, port))
        except ValueError as error:
            env.problems.append(f"ES_HOSTS: {error}")
    if several:
        return tuple(dict.fromkeys(found))
    if not re.fullmatch(r"[\w.:-]+", host):
        env.problems.append("ES_HOST: this is no host's name; ES_HOSTS takes several")
        host = "localhost"
    return (f"{scheme}://{_bracketed(host)}:{port}",)


def _url(entry: str, scheme: str, port: int) -> str:
    """The URL of an entry of ES_HOSTS.

    Raises:
        ValueError: it is none.
    """
    if "@" in entry:
        # Not shown, for what is before it may be a password.
        raise ValueError("a host has a login in it: give that as ES_USERNAME and ES_PASSWORD")
    if "://" not in entry and entry.count(":") > 1 and "[" not in entry:
        raise ValueError(f"'{entry}': put an IPv6 address in brackets, as [::1]:9200")
    try:
        parts = urlsplit(entry if "://" in entry else f"{scheme}://{entry}")
        host, said = parts.hostname, parts.port
    except ValueError:
        host = said = None
        parts = urlsplit("")
    if parts.scheme not in SCHEMES or not host or parts.query or parts.fragment or re.search(r"[\s%\\]", entry):
        raise ValueError(f"'{entry}' is neither host:port nor a URL as https://es.example:9200")
    if said is None and "://" in entry:
        # Elasticsearch's clients differ in what they take then.
        raise ValueError(f"'{entry}' has no port: name it, as in https://es.example:9200")
    check_host(host)
    return f"{parts.scheme}://{_bracketed(host)}:{said or port}{parts.path.rstrip('/')}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _fingerprint(env: Environment) -> str:
    name = "ES_CA_FINGERPRINT"
    text = env.text(name, "", "SHA-256 of the certificate that signs Elasticsearch's, as its first start prints it")
    digits = text.replace(":", "").lower()
    if text and not re.fullmatch("[0-9a-f]{64}", digits):
        env.problems.append(f"{name}: a SHA-256 fingerprint has 64 hexadecimal digits, with or without colons")
        return ""
    return digits


def _compress(env: Environment, urls: Sequence[str]) -> bool:
    said = env.choice(
        "ES_HTTP_COMPRESS", "auto", ("auto", "true", "false"), "gzip answers and large requests; auto: not on loopback"
    )
    return not all(_on_loopback(url) for url in urls) if said == "auto" else said == "true"


def _on_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
