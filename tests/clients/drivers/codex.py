"""Drives Codex: `codex mcp add`, `codex mcp list`, and its app server, to which editors speak.

Its client is that of the Rust SDK. Arguments: Node.js and its program.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any

from tests.clients.drivers.driver import run

PROGRAM = sys.argv[1:]
NAME = "store"
"""The name that the user gives the server."""


class Codex:
    def __init__(self, case: dict[str, Any], home: str, stack: ExitStack) -> None:
        token = case.get("headers", {}).get("Authorization", "").removeprefix("Bearer ")
        self.case, self.home, self.stack = case, home, stack
        self.env = {
            "HOME": home, "PATH": "/usr/bin:/bin", "HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1",
            "TOKEN": token,
        }  # fmt: skip
        self.last = 0

    def codex(self, *words: str) -> str:
        command = [*PROGRAM, *words]
        return subprocess.run(command, env=self.env, cwd=self.home, capture_output=True, text=True, check=True).stdout

    def begin(self) -> None:
        # By default it gives a server 10 s to start.
        command = [*PROGRAM, "app-server", "--config", f"mcp_servers.{NAME}.startup_timeout_sec=120"]
        pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
        self.app = self.stack.enter_context(subprocess.Popen(command, env=self.env, cwd=self.home, **pipes))

    def send(self, **message: Any) -> None:
        assert self.app.stdin
        self.app.stdin.write(json.dumps(message) + "\n")
        self.app.stdin.flush()

    def until(self, **wanted: Any) -> dict[str, Any]:
        """Return the app server's next message that has these fields."""
        assert self.app.stdout
        for line in self.app.stdout:
            message: dict[str, Any] = json.loads(line)
            if message | wanted == message:
                return message
        raise RuntimeError("the app server has ended")

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        self.last += 1
        self.send(id=self.last, method=method, params=params)
        answer = self.until(id=self.last)
        if "error" in answer:
            raise RuntimeError(answer["error"]["message"])
        found: dict[str, Any] = answer["result"]
        return found

    async def connect(self) -> dict[str, Any]:
        case = self.case
        if "url" in case:
            token = ["--bearer-token-env-var", "TOKEN"] if self.env["TOKEN"] else []
            self.codex("mcp", "add", NAME, "--url", case["url"], *token)
        else:
            settings = [word for name, value in case["env"].items() for word in ("--env", f"{name}={value}")]
            self.codex("mcp", "add", NAME, *settings, "--", case["command"], *case["args"])
        assert NAME in self.codex("mcp", "list")
        self.begin()
        self.ask("initialize", clientInfo={"name": "driver", "version": "1"})
        self.send(method="initialized")
        self.thread = self.ask("thread/start")["thread"]["id"]
        begun: dict[str, Any] = {"status": "starting"}
        while begun["status"] == "starting":
            begun = self.until(method="mcpServer/startupStatus/updated")["params"]
        if begun["error"]:
            raise RuntimeError(begun["error"])
        self.status = self.ask("mcpServerStatus/list", threadId=self.thread)["data"][0]
        release = self.codex("--version").split()[1]
        return {"client": release, "protocol": None, "server": self.status["serverInfo"]["name"]}

    async def tools(self) -> list[str]:
        return list(self.status["tools"])

    async def call(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        found = self.ask("mcpServer/tool/call", server=NAME, threadId=self.thread, tool=tool, arguments=arguments)
        text = found["content"][0]["text"]
        return {"error": found["isError"], "text": text, "structured": found.get("structuredContent")}

    async def resources(self) -> list[str]:
        return [one["uri"] for one in self.status["resources"]]

    async def templates(self) -> list[str]:
        return [one["uriTemplate"] for one in self.status["resourceTemplates"]]

    async def resource(self, uri: str) -> str:
        found = self.ask("mcpServer/resource/read", server=NAME, threadId=self.thread, uri=uri)
        return str(found["contents"][0]["text"])


@asynccontextmanager
async def connect(case: dict[str, Any]) -> AsyncIterator[Codex]:
    with tempfile.TemporaryDirectory(dir=os.environ.get("TEST_TMPDIR")) as home, ExitStack() as stack:
        yield Codex(case, home, stack)  # the app server ends with its standard input


asyncio.run(run(connect))
