"""The login at Elasticsearch: the header Authorization, made for each request, so that a rotated secret is used at once."""

import base64
import re

import yarl

from servers.common.backend import BackendError
from servers.common.http.principal import StoreLogin
from servers.common.settings import Secret, remember
from servers.elasticsearch.settings import ElasticsearchSettings


def authorization(settings: ElasticsearchSettings, login: StoreLogin | None = None) -> dict[str, str]:
    """Return the header for a request, with a token's own login if it has one; an empty mapping if no login is set. Raise
    BackendError if a file with a secret can't be read now, or what it holds can't be sent."""
    if login is not None:
        if not login.username:
            return {"Authorization": "ApiKey " + login.password.reveal()}
        return {"Authorization": _basic(login.username, login.password)}
    try:
        if settings.api_key:
            return {"Authorization": "ApiKey " + _token("ES_API_KEY", settings.api_key)}
        if settings.bearer_token:
            return {"Authorization": "Bearer " + _token("ES_BEARER_TOKEN", settings.bearer_token)}
        if settings.password:
            return {"Authorization": _basic(settings.username, settings.password)}
    except OSError as error:
        raise BackendError(f"the file with the login for Elasticsearch can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BackendError("the file with the login for Elasticsearch is not text in UTF-8") from None
    return {}


def proxy(settings: ElasticsearchSettings) -> yarl.URL | None:
    """Return the URL of the HTTP proxy with its login; None if there is no proxy. Raise BackendError as `authorization` does."""
    if not settings.proxy_url:
        return None
    url = yarl.URL(settings.proxy_url)
    if not settings.proxy_password:
        return url
    try:
        password = settings.proxy_password.reveal()
        password.encode("latin-1")  # HTTP's own; aiohttp sends no other
    except OSError as error:
        raise BackendError(f"the file with the proxy's password can't be read: {error.strerror}") from None
    except UnicodeError:
        raise BackendError("ES_PROXY_PASSWORD has a character that is not in Latin-1") from None
    return url.with_user(settings.proxy_username).with_password(password)


def _basic(username: str, password: Secret) -> str:
    """Return a value of Authorization (RFC 7617), which is itself kept out of logs and errors."""
    return "Basic " + remember(base64.b64encode(f"{username}:{password.reveal()}".encode()).decode())


def _token(name: str, secret: Secret) -> str:
    value = secret.reveal()
    if not _TOKEN68.fullmatch(value):
        # Checked here, because the HTTP client's own error would show the secret.
        what = f"{name}_FILE is empty" if not value else f"{name} has a character that is not allowed"
        raise BackendError(f"{what}: give it as Elasticsearch gave it, encoded, and without a word in front")
    return value


_TOKEN68 = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""What may be behind the scheme in Authorization (RFC 9110, 11.2)."""
