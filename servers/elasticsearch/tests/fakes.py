"""A stand-in for Elasticsearch's HTTP, for what the real one can't be made to do here: it has no security in these jars."""

import json
import ssl
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tools.backends.http_server import Handler, LocalServer


class Request(NamedTuple):
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Answer(NamedTuple):
    """An answer. A body that is not bytes is sent as JSON. Status 0 closes the connection without an answer."""

    status: int = 200
    body: Any = None
    content_type: str = "application/json"
    headers: Mapping[str, str] = {}


ROOT = Answer(200, {"version": {"number": "8.11.4"}, "tagline": "You Know, for Search"})

NOTHING = Answer(200, {"hits": {"total": {"value": 0, "relation": "eq"}, "hits": []}, "_shards": {}})
"""To a search."""

WRITTEN = Answer(201, {"_index": "a", "_id": "1", "result": "created", "_seq_no": 0, "_primary_term": 1})
"""To a document that is written."""


def failure(status: int, type: str, reason: str, **more: Any) -> Answer:
    """Return an error in Elasticsearch's own form."""
    cause = {"type": type, "reason": reason} | more
    return Answer(status, {"error": cause | {"root_cause": [cause]}, "status": status})


def resolved(*names: str) -> Answer:
    """Return what _resolve/index answers of indices without aliases."""
    return Answer(200, {"indices": [{"name": name} for name in names], "aliases": [], "data_streams": []})


Answers = Mapping[str, Answer | Callable[[Request], Answer]]
"""A part of a request's method and path, as `PUT /a`, to what is answered."""


def answering(parts: Answers, otherwise: Answer = ROOT, root: Answer = ROOT) -> Callable[[Request], Answer]:
    """Make a function that answers a request by the first of some parts that it has."""

    def answer(request: Request) -> Answer:
        if request.path == "/":
            return root
        asked = f"{request.method} {request.path}"
        said = next((said for part, said in parts.items() if part in asked), otherwise)
        return said if isinstance(said, Answer) else said(request)

    return answer


class Guarded:
    """Answers only to one login, as Elasticsearch's security does."""

    def __init__(self, login: str) -> None:
        self.login = login

    def __call__(self, request: Request) -> Answer:
        if request.headers.get("authorization") == self.login:
            return ROOT
        reason = f"unable to authenticate {request.headers.get('authorization')} for REST request [/]"
        return failure(401, "security_exception", reason)


class FakeNode(LocalServer):
    """An HTTP server on a loopback port that answers by a function; `requests` holds what was asked, names in lower case."""

    def __init__(self, answer: Callable[[Request], Answer], tls: ssl.SSLContext | None = None, *, product: bool = True) -> None:
        """
        Args:
            answer: gives the answer to a request
            tls: of the port, if it has TLS
            product: whether answers have the header X-Elastic-Product
        """
        self.requests: list[Request] = []
        fake = self

        class Answers(Handler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Request(self.command, self.path, headers, self.body())
                fake.requests.append(request)
                status, content, content_type, more = answer(request)
                if not status:
                    self.close_connection = True
                    return
                data = content if isinstance(content, bytes) else json.dumps(content).encode()
                named = {"X-Elastic-Product": "Elasticsearch"} if product else {}
                self.respond(data, status, {"Content-Type": content_type} | named | dict(more))

            do_GET = do_POST = do_PUT = do_DELETE = answer

        super().__init__(Answers, tls)

    def newest(self, endpoint: str) -> Request:
        """Return the newest request to an endpoint, by a part of its path: health checks ask, too."""
        return next(request for request in reversed(self.requests) if endpoint in request.path)
