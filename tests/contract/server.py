"""A server's image as a process, and its answers."""

import json
import os
import signal
import stat
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tools.backends.http_server import Handler, LocalServer
from tools.backends.process import accepts, free_port
from tools.backends.sidecar import HEADERS, message
from tools.images.container import Container
from tools.images.layout import Image

SHELLS = {"sh", "bash", "dash", "ash", "zsh", "busybox", "ksh"}


def check_files(image: Image) -> None:
    """Assert that an image has no shell, and that its files are root's, and neither setuid nor writable by others."""
    for member in (member for layer in image.layers for member in layer.members):
        assert (member.uid, member.gid, member.mtime) == (0, 0, 0), member.name
        assert member.isfile() or member.isdir() or member.issym(), member.name
        assert Path(member.name).name not in SHELLS or member.isdir(), member.name
        if member.issym():
            continue
        assert not member.mode & (stat.S_ISUID | stat.S_ISGID), member.name
        assert not member.mode & (stat.S_IWGRP | stat.S_IWOTH) or member.name == "tmp", member.name


class Answer:
    """An HTTP answer, of any status."""

    def __init__(self, url: str, body: bytes | None, headers: Mapping[str, str], method: str | None) -> None:
        request = urllib.request.Request(url, body, dict(headers), method=method)
        try:
            with urllib.request.urlopen(request, timeout=600) as answer:
                self.status, self.headers, self.body = int(answer.status), answer.headers, answer.read().decode()
        except urllib.error.HTTPError as error:
            self.status, self.headers, self.body = error.code, error.headers, error.read().decode()

    @property
    def error(self) -> str:
        """The message of a JSON-RPC error."""
        answer = json.loads(self.body)
        assert answer["jsonrpc"] == "2.0" and answer["id"] in (None, 1) and isinstance(answer["error"]["code"], int)
        return str(answer["error"]["message"])


class Server(Container):
    """A server's image as a process."""

    def __init__(self, image: Image, root: Path, folder: Path, settings: Mapping[str, str]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        env = {"MCP_HOST": "127.0.0.1", "MCP_PORT": str(self.port)} | dict(settings)
        super().__init__("server", image, root, env, folder / f"{self.port}.log")

    def start(self) -> None:
        super().start()
        self.wait_until(lambda: self.status("/health") == 200)

    def signal(self, number: int) -> None:
        """Send a signal to the program itself: bubblewrap, which starts it, would end without it."""
        os.kill(self.processes()[-1], number)

    def ask(
        self, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None, method: str | None = None
    ) -> Answer:
        return Answer(self.url + path, body, HEADERS | dict(headers or {}), method)

    def status(self, path: str) -> int:
        """The status of an answer; 0 while nobody listens."""
        try:
            return self.ask(path).status
        except OSError:
            return 0


def told_to_end_during_a_call(image: Image, root: Path, folder: Path, kind: str, tool: str, data: Any) -> Answer:
    """Return the answer of a call that is under way when the server gets SIGTERM: its store answers afterwards, with `data`."""

    class Store(Handler):
        def do_GET(self) -> None:
            if server.running and not self.path.endswith(("/health", "query=1")):
                server.signal(signal.SIGTERM)
                server.wait_until(lambda: not accepts(server.port))
            self.respond(json.dumps({"status": "success", "data": data}).encode())

    with LocalServer(Store) as slow:
        server = Server(image, root, folder, {f"{kind}_HOST": "127.0.0.1", f"{kind}_PORT": str(slow.port)})
        with server:
            answer = server.ask("/mcp", json.dumps(message("tools/call", name=tool, arguments={})).encode())
            assert server.wait(60) == 0
            return answer
