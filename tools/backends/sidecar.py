"""A sidecar of ours, run by this Python from its module."""

import json
import os
import ssl
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bazel.python.import_path import import_path
from tools.backends.process import Process, free_port, ran

Identity = tuple[Path, Path]
"""A client's certificate and its key."""


HEADERS = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
"""Of a POST to /mcp."""

NEW = "2026-07-28"
"""The stateless version of the protocol."""


def who_asks(version: str = NEW) -> dict[str, Any]:
    """Return what a request of the stateless protocol has as `_meta`."""
    about = {"protocolVersion": version, "clientInfo": {"name": "test", "version": "1"}, "clientCapabilities": {}}
    return {f"io.modelcontextprotocol/{name}": value for name, value in about.items()}


def message(method: str, **params: Any) -> dict[str, Any]:
    """A JSON-RPC request."""
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def refused(module: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a server with settings that end it at once, and with no others."""
    kept = {name: value for name, value in os.environ.items() if name.startswith("PYTHON")}
    return ran(sys.executable, "-m", module, env=kept | env, timeout=600)


class Sidecar(Process):
    """`python -m MODULE` on a loopback port, with no settings but those given."""

    def __init__(
        self,
        module: str,
        env: Mapping[str, str],
        folder: Path | None = None,
        port: int | None = None,
        authority: Path | None = None,
        *,
        ready: bool = True,
    ) -> None:
        """Run servers.redis or servers.elasticsearch on a port, or any, with its settings in `env`. Its log goes to a folder.

        `authority` gave it the certificate that its settings name, and it is asked over HTTPS. Its start ends when its store
        serves; without `ready`, when it answers.
        """
        self.authority = authority
        self._ready = ready
        self.port = port or free_port()
        kept = {k: v for k, v in os.environ.items() if k.startswith("PYTHON") or k in ("PATH", "HOME", "RUNFILES_DIR")}
        super().__init__(
            module,
            [sys.executable, "-m", module],
            Path(folder or tempfile.mkdtemp(prefix="sidecar.")) / f"{module}-{self.port}.log",
            kept | {"PYTHONPATH": import_path(), "MCP_HOST": "127.0.0.1", "MCP_PORT": str(self.port)} | dict(env),
        )

    @property
    def url(self) -> str:
        return f"{'https' if self.authority else 'http'}://127.0.0.1:{self.port}"

    def start(self) -> None:
        super().start()
        self.wait_until(lambda: self.get("/ready" if self._ready else "/health")[0] == 200)

    def wait_until_ready(self) -> None:
        """Waits until its store serves."""
        self.wait_until(lambda: self.get("/ready")[0] == 200)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Status and body of a GET; status 0 when nobody answers."""
        return self._send(urllib.request.Request(self.url + path, headers=dict(headers or {})))

    def post(self, message: Any, headers: Mapping[str, str] | None = None, identity: Identity | None = None) -> tuple[int, Any]:
        """Status and JSON of a POST of a JSON-RPC message to /mcp."""
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        status, text = self._send(urllib.request.Request(self.url + "/mcp", body, HEADERS | dict(headers or {})), identity)
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        status, answer = self.post(message("tools/call", name=tool, arguments=arguments))
        assert status == 200, (status, answer)
        return dict(answer["result"])

    def _send(self, request: urllib.request.Request, identity: Identity | None = None) -> tuple[int, str]:
        context = ssl.create_default_context(cafile=self.authority) if self.authority else None
        if context and identity:
            context.load_cert_chain(*identity)
        try:
            with urllib.request.urlopen(request, timeout=600, context=context) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def logs(self) -> list[dict[str, Any]]:
        """Its log, an object for each line that is one."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
