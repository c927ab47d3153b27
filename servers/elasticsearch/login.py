"""Who we are for Elasticsearch: the header Authorization, made anew for each request, so that a rotated secret is taken up."""

from __future__ import annotations

import base64

from servers.common.backend import BackendError
from servers.common.settings import Secret, remember
from servers.elasticsearch.settings import ElasticsearchSettings


def authorization(settings: ElasticsearchSettings) -> dict[str, str]:
    """The header for a request; none where no login is set.

    Raises:
        BackendError: a file with a secret can't be read now, or what it holds can't be sent.
    """
    try:
        if settings.api_key:
            return {"Authorization": "ApiKey " + _token("ES_API_KEY", settings.api_key)}
        if settings.bearer_token:
            return {"Authorization": "Bearer " + _token("ES_BEARER_TOKEN", settings.bearer_token)}
        if settings.password:
            pair = f"{settings.username}:{settings.password.reveal()}"
            return {"Authorization": "Basic " + remember(base64.b64encode(pair.encode()).decode())}
    except OSError as error:
        raise BackendError(f"the file with the login for Elasticsearch can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BackendError("the file with the login for Elasticsearch is not text in UTF-8") from None
    return {}


def _token(name: str, secret: Secret) -> str:
    value = secret.reveal()
    if not value or not value.isascii() or not value.isprintable():
        # Said here, for the HTTP client's own error would show it.
        what = f"{name}_FILE is empty" if not value else f"{name} has a character that none has"
        raise BackendError(f"{what}: give it as Elasticsearch gave it")
    return value
