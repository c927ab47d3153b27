"""Settings of the connection to Elasticsearch: its nodes, the login, TLS, and a proxy."""

from __future__ import annotations

import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
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
    client_key_password: Secret
    proxy_url: str
    """Of an HTTP proxy, without a login; or nothing."""

    proxy_username: str
    proxy_password: Secret
    compress: bool
    index_patterns: tuple[str, ...]

    @classmethod
    def read(cls, env: Environment) -> ElasticsearchSettings:
        urls = _urls(env)
        settings = cls(
            urls=urls,
            api_key=env.secret("ES_API_KEY", "the API key, encoded as Elasticsearch gives it"),
            bearer_token=env.secret("ES_BEARER_TOKEN", "the token of a service account, or a JSON Web Token"),
            username=env.text("ES_USERNAME", "", "user, for basic authentication"),
            password=env.secret("ES_PASSWORD", "the user's password"),
            ca_file=env.certificates("ES_CA_FILE", "CA certificates for Elasticsearch, PEM; default: the system's"),
            ca_fingerprint=_fingerprint(env),
            client_certificate=env.certificates("ES_CLIENT_CERT_FILE", "client certificate for Elasticsearch, PEM"),
            client_key=env.file("ES_CLIENT_KEY_FILE", "its key, PEM"),
            client_key_password=env.secret("ES_CLIENT_KEY_PASSWORD", "the password of that key, if it is encrypted"),
            proxy_url=_proxy(env),
            proxy_username=env.text("ES_PROXY_USERNAME", "", "user at the proxy"),
            proxy_password=env.secret("ES_PROXY_PASSWORD", "the user's password at the proxy"),
            compress=_compress(env, urls),
            index_patterns=env.names(
                "MCP_INDEX_PATTERNS",
                "see and touch only indices and data streams with these names, comma-separated; * is a wildcard",
                restricts=True,
            ),
        )
        if wrong := [p for p in settings.index_patterns if re.search(r"""[?<>:"\\|/#\s]|^[-+_]|[A-Z]""", p)]:
            env.problems.append(f"MCP_INDEX_PATTERNS: {wrong[0]!r} is not the name of an index, with or without *")
        env.warnings += [
            f"MCP_INDEX_PATTERNS: {name!r} is one whole name: for all indices that begin with it, write '{name}*'"
            for name in settings.index_patterns
            if name.endswith(("-", ".", "_"))
        ]
        settings._check_tls(env)
        settings._check_login(env)
        settings._check_proxy(env)
        return settings

    def _check_tls(self, env: Environment) -> None:
        given = {
            "ES_CA_FILE": self.ca_file,
            "ES_CA_FINGERPRINT": self.ca_fingerprint,
            "ES_CLIENT_CERT_FILE": self.client_certificate,
        }
        if not any(url.startswith("https:") for url in self.urls):
            env.problems += [f"{name}: it has an effect only with ES_SCHEME=https" for name, value in given.items() if value]
        if self.ca_file and self.ca_fingerprint:
            env.problems.append("ES_CA_FINGERPRINT: set it or ES_CA_FILE, not both")
        if env.together("ES_CLIENT_CERT_FILE", self.client_certificate, "ES_CLIENT_KEY_FILE", self.client_key):
            try:
                load_client_certificate(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), self)
            except (OSError, ValueError) as error:
                env.problems.append(f"ES_CLIENT_KEY_FILE: {key_problem(error)}")
        if self.client_key_password and not self.client_key:
            env.problems.append("ES_CLIENT_KEY_PASSWORD: set ES_CLIENT_KEY_FILE as well")

    def _check_proxy(self, env: Environment) -> None:
        env.together("ES_PROXY_USERNAME", self.proxy_username, "ES_PROXY_PASSWORD", self.proxy_password)
        if self.proxy_username and not self.proxy_url:
            env.problems.append("ES_PROXY_USERNAME: it has an effect only with ES_PROXY_URL")
        if self.ca_fingerprint and self.proxy_url:
            # The certificate with the fingerprint is learnt over a direct connection.
            env.problems.append("ES_CA_FINGERPRINT: with ES_PROXY_URL, set ES_CA_FILE instead")

    def _check_login(self, env: Environment) -> None:
        for name, username in (("ES_USERNAME", self.username), ("ES_PROXY_USERNAME", self.proxy_username)):
            if ":" in username:
                env.problems.append(f"{name}: a user name can't have a colon (RFC 7617)")
        env.together("ES_USERNAME", self.username, "ES_PASSWORD", self.password)
        logins = {
            "ES_API_KEY": self.api_key,
            "ES_BEARER_TOKEN": self.bearer_token,
            "ES_USERNAME with ES_PASSWORD": self.password,
        }
        found = [name for name, value in logins.items() if value]
        if len(found) > 1:
            env.problems.append(f"{found[0]}: set it or {found[1]}, not both")


def load_client_certificate(context: ssl.SSLContext, settings: ElasticsearchSettings) -> None:
    """Make a context show the client's certificate, if there is one. Raise OSError (ssl.SSLError is one) if the files can't be
    read, do not belong together, or the password is wrong, and ValueError if that is missing, or not text."""
    if settings.client_certificate:

        def password() -> str:
            # Called for an encrypted key only. Without it, OpenSSL would ask on the terminal.
            if not settings.client_key_password:
                raise ValueError("the key is encrypted: set ES_CLIENT_KEY_PASSWORD or ES_CLIENT_KEY_PASSWORD_FILE")
            return settings.client_key_password.reveal()

        context.load_cert_chain(settings.client_certificate, settings.client_key, password)


def key_problem(error: Exception) -> str:
    """Say what is wrong with a client's certificate or key, without any of their content."""
    if isinstance(error, ssl.SSLError):
        if error.reason == "KEY_VALUES_MISMATCH":
            return "the key is not that of ES_CLIENT_CERT_FILE"
        return "the file holds no key in PEM, or ES_CLIENT_KEY_PASSWORD is not its password"
    if isinstance(error, UnicodeDecodeError):
        return "ES_CLIENT_KEY_PASSWORD_FILE is not text in UTF-8"
    return str(error.strerror) if isinstance(error, OSError) else str(error)


def _urls(env: Environment) -> tuple[str, ...]:
    scheme = env.choice("ES_SCHEME", "http", SCHEMES, "protocol of Elasticsearch")
    host = env.host("ES_HOST", "localhost", "host of Elasticsearch").strip("[]")
    port = env.port("ES_PORT", 9200, "port of Elasticsearch")
    several = env.names("ES_HOSTS", "nodes of one cluster, instead of ES_HOST: URLs, or host and port, comma-separated")
    cloud_id = env.text("ES_CLOUD_ID", "", "deployment in Elastic Cloud, instead of ES_HOST, ES_PORT and ES_SCHEME")
    if cloud_id:
        if several or host not in ("localhost", "127.0.0.1"):
            env.problems.append(f"ES_CLOUD_ID: set it or {'ES_HOSTS' if several else 'ES_HOST'}, not both")
        return _cloud(env, cloud_id)
    found = []
    for entry in several:
        try:
            found.append(_url(entry, scheme, port))
        except ValueError as error:
            env.problems.append(f"ES_HOSTS: {error}")
    if several:
        return tuple(dict.fromkeys(found))
    if not (_ip(host) or re.fullmatch(r"[\w.-]+", host)):
        env.problems.append("ES_HOST: this is not a host name; ES_HOSTS takes several")
        host = "localhost"
    return (f"{scheme}://{_bracketed(host)}:{port}",)


def _cloud(env: Environment, cloud_id: str) -> tuple[str, ...]:
    """Return the one URL of a deployment in Elastic Cloud."""
    # Imported here, because most servers have no such setting.
    from elastic_transport.client_utils import parse_cloud_id

    try:
        found = parse_cloud_id(cloud_id).es_address
        if found is None:
            raise ValueError
        check_host(found[0])
        return (f"https://{found[0]}:{found[1]}",)
    except ValueError:
        env.problems.append("ES_CLOUD_ID: this is not a Cloud ID; Elastic Cloud shows it as name:letters-and-digits")
        return ("https://localhost:443",)


def _proxy(env: Environment) -> str:
    name = "ES_PROXY_URL"
    text = env.text(name, "", "HTTP proxy for Elasticsearch, e.g. http://proxy.example:3128")
    if not text:
        return ""
    if "@" in text:
        env.problems.append(f"{name}: it contains a login: set that as ES_PROXY_USERNAME and ES_PROXY_PASSWORD")
        return ""
    try:
        parts = urlsplit(text)
        check_host(parts.hostname or "")
        if parts.scheme in SCHEMES and parts.port and not re.search(r"[\s\\]", text) and text.endswith(f":{parts.port}"):
            return text
    except ValueError:
        pass
    env.problems.append(f"{name}: '{text[:200]}' is not the URL of an HTTP proxy, such as http://proxy.example:3128")
    return ""


def _url(entry: str, scheme: str, port: int) -> str:
    """Return the URL of an entry of ES_HOSTS, or raise ValueError."""
    if "@" in entry:
        # Not shown, for what is before it may be a password.
        raise ValueError("a host contains a login: set that as ES_USERNAME and ES_PASSWORD")
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
        port = {"http": 80, "https": 443}[parts.scheme]  # RFC 9110, 4.2
    check_host(host)
    return f"{parts.scheme}://{_bracketed(host)}:{said or port}{parts.path.rstrip('/')}"


def _ip(host: str) -> IPv4Address | IPv6Address | None:
    """Return an address; None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _fingerprint(env: Environment) -> str:
    name = "ES_CA_FINGERPRINT"
    text = env.text(name, "", "SHA-256 fingerprint of Elasticsearch's CA certificate, as its first start prints it")
    digits = text.replace(":", "").lower()
    if text and not re.fullmatch("[0-9a-f]{64}", digits):
        env.problems.append(f"{name}: a SHA-256 fingerprint has 64 hexadecimal digits, with or without colons")
        return ""
    return digits


def _compress(env: Environment, urls: Sequence[str]) -> bool:
    said = env.choice(
        "ES_HTTP_COMPRESS", "auto", ("auto", "true", "false"), "gzip answers and large requests; auto: not on loopback"
    )
    if said != "auto":
        return said == "true"
    hosts = [urlsplit(url).hostname or "" for url in urls]
    return not all(ip.is_loopback if (ip := _ip(host)) else host == "localhost" for host in hosts)
