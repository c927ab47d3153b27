"""What drivers of agents share: a program that a person starts, and a script on loopback that plays its model.

The model asks for the tools that the steps name, and keeps what the agent sends it: the tools, the prompt, the results.
So a test sees what a model would. Nothing else is reached: proxies lead nowhere.
"""

import asyncio
import json
import os
import subprocess
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.clients.drivers.driver import QUIET, run

NAME = "store"
"""The name that the user gives the server."""


class Model(ThreadingHTTPServer):
    """Answers the requests of an API: first with calls of tools, and with a word once it has their results."""

    def __init__(self, calls: dict[str, tuple[str, dict[str, Any]]]) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.calls = calls
        self.tools: list[str] = []
        self.asked = ""
        self.results: dict[str, Any] = {}

    def answer(self, request: dict[str, Any]) -> Iterator[str]:
        """Return the events that answer a request."""
        raise NotImplementedError

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    server: Model

    def do_POST(self) -> None:
        body = "".join(self.server.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Agent:
    """An agent's program, run as a person runs it: it adds the server, lists it, and has one session with the model."""

    program: list[str]
    prefix: str
    """What a model sees before the name of a tool."""
    model_type: type[Model]
    resource_tools: tuple[tuple[str, dict[str, Any]], tuple[str, dict[str, Any]]]
    """The tools that list and read resources, and what they are given beside the URI."""
    prompt_prefix: str

    def __init__(self, case: dict[str, Any], home: Path) -> None:
        self.case, self.home = case, home
        (home / "project").mkdir()
        calls: dict[str, tuple[str, dict[str, Any]]] = {}
        self.prompted = "hello"
        (lister, listed), (reader, read) = self.resource_tools
        for step in case["steps"]:
            if step["do"] == "call":
                calls[step["step"]] = self.prefix + step["tool"], step["arguments"]
            elif step["do"] == "resources":
                calls["resources"] = lister, listed
            elif step["do"] == "resource":
                calls["resource"] = reader, read | {"uri": step["uri"]}
            elif step["do"] == "prompt":
                self.prompted = self.prompt_prefix + step["name"]
        self.model = self.model_type(calls)
        self.left = [step["step"] for step in case["steps"] if step["do"] == "call"]

    def environment(self) -> dict[str, str]:
        """Return the variables of the program, beside those of each agent."""
        raise NotImplementedError

    def start(self, *words: str) -> str:
        """Run the program and return its standard output, then its standard error. Its failure is a RuntimeError."""
        lone = {"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}
        env = {"HOME": str(self.home), "PATH": "/usr/bin:/bin"} | lone | self.environment()
        done = subprocess.run([*self.program, *words], env=env, cwd=self.home / "project", **QUIET)
        if done.returncode:
            raise RuntimeError(f"{words[0]}: {done.stdout} {done.stderr}")
        return f"{done.stdout}{done.stderr}"

    def of_server(self, names: list[str]) -> list[str]:
        """Return the names that come of the server, as it calls them."""
        return [name.removeprefix(self.prefix) for name in names if name.startswith(self.prefix)]

    async def prompt(self, name: str, arguments: dict[str, str]) -> str:
        return self.model.asked


def drive(agent: type[Agent]) -> None:
    """Run all cases with an agent."""

    @asynccontextmanager
    async def connect(case: dict[str, Any]) -> AsyncIterator[Agent]:
        with tempfile.TemporaryDirectory(dir=os.environ.get("TEST_TMPDIR")) as home:
            driven = agent(case, Path(home))
            with driven.model as model:
                threading.Thread(target=model.serve_forever, daemon=True).start()
                yield driven
                model.shutdown()

    asyncio.run(run(connect))
