"""Functions over HTTP, for the suite's own pods: GET /NAME?ARGUMENT=VALUE answers with what NAME returns, as JSON."""

import json
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

PORT = 8080


def serve(functions: Mapping[str, Callable[..., Any]]) -> None:
    """Serves until the process is ended, `alive` as well. An exception is answered with 500 and its text."""
    functions = {"alive": lambda: True, **functions}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            try:
                answer, status = functions[url.path.strip("/")](**dict(parse_qsl(url.query))), 200
            except Exception as error:
                answer, status = f"{type(error).__name__}: {error}", 500
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing: an address is asked for every second."""

    ThreadingHTTPServer(("", PORT), Handler).serve_forever()
