"""Drives Gemini CLI: `gemini mcp add`, `gemini mcp list`, and a session. Arguments: Node.js and its program."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.clients.drivers.agent import NAME, Agent, Model, drive


class Gemini(Model):
    """Speaks the Gemini API."""

    def answer(self, request: dict[str, Any]) -> Iterator[str]:
        said = [part for content in request["contents"] for part in content["parts"]]
        found = {part["functionResponse"]["id"]: part["functionResponse"] for part in said if "functionResponse" in part}
        parts: list[dict[str, Any]] = [{"text": "done"}]
        if not found:
            self.tools = [one["name"] for tool in request["tools"] for one in tool["functionDeclarations"]]
            self.asked = json.loads(said[-1]["text"]) if said[-1]["text"].startswith('"') else said[-1]["text"]
            calls = [{"id": step, "name": tool, "args": given} for step, (tool, given) in self.calls.items()]
            parts = [{"functionCall": call} for call in calls] or parts
        self.results |= found
        candidate = {"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}
        usage = {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}
        yield f"data: {json.dumps({'candidates': [candidate], 'usageMetadata': usage})}\r\n\r\n"


class GeminiCli(Agent):
    program = sys.argv[1:]
    prefix = f"mcp_{NAME}_"
    prompt_prefix = "/"
    model_type = Gemini
    resource_tools = (("list_mcp_resources", {"serverName": NAME}), ("read_mcp_resource", {}))

    def __init__(self, case: dict[str, Any], home: Path) -> None:
        super().__init__(case, home)
        settings = home / ".gemini/settings.json"
        settings.parent.mkdir()
        settings.write_text(json.dumps({"security": {"auth": {"selectedType": "gemini-api-key"}}}))

    def environment(self) -> dict[str, str]:
        return {
            "GEMINI_API_KEY": "none",
            "GEMINI_CLI_TRUST_WORKSPACE": "true",
            "GOOGLE_GEMINI_BASE_URL": self.model.url,
        }

    async def connect(self) -> dict[str, Any]:
        case = self.case
        add = ("mcp", "add", "--timeout", "120000", NAME)  # by default it gives a server 5 s to start
        if "url" in case:
            headers = [word for name, value in case["headers"].items() for word in ("--header", f"{name}: {value}")]
            self.start(*add, case["url"], "--transport", "http", *headers)
        else:
            # It refuses PYTHONPATH as a setting of a server, by which alone this one is found.
            settings = [f"{name}={value}" for name, value in case["env"].items()]
            self.start(*add, "/usr/bin/env", "--", *settings, case["command"], *case["args"])
        told = next(line for line in self.start("mcp", "list").splitlines() if f" {NAME}: " in line)
        if not told.endswith(" - Connected"):
            raise RuntimeError(told.rpartition(" - ")[2])
        return {"client": self.start("--version").split()[0], "protocol": None, "server": None}

    async def tools(self) -> list[str]:
        self.start("-p", self.prompted, "-m", "gemini-2.5-flash", "--approval-mode", "yolo")
        return self.of_server(self.model.tools)

    async def call(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        found = self.model.results[self.left.pop(0)]["response"]
        text = found.get("error") or found["output"].removeprefix("<untrusted_context>").removesuffix("</untrusted_context>")
        return {"error": "error" in found, "text": text, "structured": None}

    async def resources(self) -> list[str]:
        listed = self.model.results["resources"]["response"]["output"]
        return [line.split(" | ")[0].removeprefix(f"- {NAME}:") for line in listed.splitlines()[1:]]


drive(GeminiCli)
