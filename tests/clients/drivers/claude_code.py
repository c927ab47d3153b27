"""Drives Claude Code: `claude mcp add`, `claude mcp list`, and a session whose model is a script on loopback.

The model asks for the tools that the steps name, and keeps what Claude Code sends it: the tools, the prompt, the results.
So a test sees what a model would. Nothing else is reached: proxies lead nowhere.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.clients.drivers.driver import run

PROGRAM = sys.argv[1]
NAME = "store"
"""The name that the user gives the server."""


def of_server(names: list[str]) -> list[str]:
    """Return the names that come of the server, as it calls them."""
    return [name.removeprefix(f"mcp__{NAME}__") for name in names if name.startswith(f"mcp__{NAME}__")]


class Model(ThreadingHTTPServer):
    """Answers Anthropic's Messages API: first with calls of tools, and with a word once it has their results."""

    def __init__(self, calls: dict[str, tuple[str, dict[str, Any]]]) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.calls = calls
        self.tools: list[str] = []
        self.asked = ""
        self.results: dict[str, dict[str, Any]] = {}

    def answer(self, request: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        said = [part for message in request["messages"] for part in message["content"] if isinstance(part, dict)]
        found = {part["tool_use_id"]: part for part in said if part["type"] == "tool_result"}
        begins = bool(request.get("tools")) and not found
        if begins:
            self.tools = [tool["name"] for tool in request["tools"]]
            self.asked = "\n".join(part["text"] for part in said if part["type"] == "text")
        self.results |= found
        usage = {"input_tokens": 1, "output_tokens": 1}
        yield (
            "message_start",
            {
                "message": {"id": "m", "type": "message", "role": "assistant", "model": request["model"], "content": []}
                | {"stop_reason": None, "stop_sequence": None, "usage": usage}
            },
        )
        parts: list[tuple[dict[str, Any], dict[str, Any]]] = [
            (
                {"type": "tool_use", "id": step, "name": tool, "input": {}},
                {"type": "input_json_delta", "partial_json": json.dumps(given)},
            )
            for step, (tool, given) in (self.calls.items() if begins else ())
        ] or [({"type": "text", "text": ""}, {"type": "text_delta", "text": "done"})]
        for index, (block, delta) in enumerate(parts):
            yield "content_block_start", {"index": index, "content_block": block}
            yield "content_block_delta", {"index": index, "delta": delta}
            yield "content_block_stop", {"index": index}
        reason = "tool_use" if begins and self.calls else "end_turn"
        yield "message_delta", {"delta": {"stop_reason": reason, "stop_sequence": None}, "usage": {"output_tokens": 1}}
        yield "message_stop", {}


class Answer(BaseHTTPRequestHandler):
    server: Model

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        events = [
            f"event: {name}\ndata: {json.dumps({'type': name} | data)}\n\n"
            for name, data in self.server.answer(request)
        ]
        body = "".join(events).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


class ClaudeCode:
    def __init__(self, case: dict[str, Any], home: Path) -> None:
        self.case, self.home = case, home
        calls: dict[str, tuple[str, dict[str, Any]]] = {}
        self.prompted = "hello"
        for step in case["steps"]:
            if step["do"] == "call":
                calls[step["step"]] = f"mcp__{NAME}__{step['tool']}", step["arguments"]
            elif step["do"] == "resources":
                calls["resources"] = "ListMcpResourcesTool", {"server": NAME}
            elif step["do"] == "resource":
                calls["resource"] = "ReadMcpResourceTool", {"server": NAME, "uri": step["uri"]}
            elif step["do"] == "prompt":
                self.prompted = f"/mcp__{NAME}__{step['name']}"
        self.model = Model(calls)
        self.commands: list[str] = []
        self.left = [step["step"] for step in case["steps"] if step["do"] == "call"]

    def claude(self, *words: str) -> str:
        env = {
            "HOME": str(self.home),
            "PATH": "/usr/bin:/bin",
            "HTTPS_PROXY": "http://127.0.0.1:9",
            "NO_PROXY": "127.0.0.1",
            "ANTHROPIC_API_KEY": "none",
            "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{self.model.server_port}",
            "DISABLE_AUTOUPDATER": "1",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            # All tools are shown to the model, and not before the server is connected, however busy the machine is.
            "ENABLE_TOOL_SEARCH": "false",
            "MCP_CONNECTION_NONBLOCKING": "false",
            "MCP_TIMEOUT": "120000",
            "CLAUDE_CODE_MCP_STARTUP_WAIT_MS": "120000",
        }
        done = subprocess.run(
            [PROGRAM, *words],
            env=env,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"claude {words[0]}: {done.stdout} {done.stderr}")
        return done.stdout

    async def connect(self) -> dict[str, Any]:
        case = self.case
        if "url" in case:
            headers = [word for name, value in case["headers"].items() for word in ("--header", f"{name}: {value}")]
            self.claude("mcp", "add", "--transport", "http", NAME, case["url"], *headers)
        else:
            settings = [word for name, value in case["env"].items() for word in ("--env", f"{name}={value}")]
            self.claude("mcp", "add", NAME, *settings, "--", case["command"], *case["args"])
        told = next(line for line in self.claude("mcp", "list").splitlines() if line.startswith(NAME + ":"))
        if "✔ Connected" not in told:
            raise RuntimeError(told.rpartition(" - ")[2])
        return {"client": self.claude("--version").split()[0], "protocol": None, "server": None}

    async def tools(self) -> list[str]:
        words = ("--allowedTools", f"mcp__{NAME}", "--output-format", "stream-json", "--verbose")
        self.commands = json.loads(self.claude("-p", self.prompted, *words).splitlines()[0])["slash_commands"]
        return of_server(self.model.tools)

    async def call(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        found = self.model.results.pop(self.left.pop(0))
        return {"error": found.get("is_error", False), "text": found["content"], "structured": None}

    async def resources(self) -> list[str]:
        return [one["uri"] for one in json.loads(self.model.results["resources"]["content"])]

    async def resource(self, uri: str) -> str:
        text: str = json.loads(self.model.results["resource"]["content"])["contents"][0]["text"]
        return text

    async def prompts(self) -> list[str]:
        return of_server(self.commands)

    async def prompt(self, name: str, arguments: dict[str, str]) -> str:
        return self.model.asked


@asynccontextmanager
async def connect(case: dict[str, Any]) -> AsyncIterator[ClaudeCode]:
    with tempfile.TemporaryDirectory(dir=os.environ.get("TEST_TMPDIR")) as home:
        driven = ClaudeCode(case, Path(home))
        with driven.model as model:
            threading.Thread(target=model.serve_forever, daemon=True).start()
            yield driven
            model.shutdown()


asyncio.run(run(connect))
