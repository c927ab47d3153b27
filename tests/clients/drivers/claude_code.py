"""Drives Claude Code: `claude mcp add`, `claude mcp list`, and a session. Argument: its program."""

import json
import sys
from collections.abc import Iterator
from typing import Any

from tests.clients.drivers.agent import NAME, Agent, Model, drive


class Messages(Model):
    """Speaks Anthropic's Messages API."""

    def answer(self, request: dict[str, Any]) -> Iterator[str]:
        for name, data in self.events(request):
            yield f"event: {name}\ndata: {json.dumps({'type': name} | data)}\n\n"

    def events(self, request: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
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


class ClaudeCode(Agent):
    program = sys.argv[1:]
    prefix = f"mcp__{NAME}__"
    prompt_prefix = f"/mcp__{NAME}__"
    model_type = Messages
    resource_tools = (("ListMcpResourcesTool", {"server": NAME}), ("ReadMcpResourceTool", {"server": NAME}))

    def environment(self) -> dict[str, str]:
        return {
            "ANTHROPIC_API_KEY": "none",
            "ANTHROPIC_BASE_URL": self.model.url,
            "DISABLE_AUTOUPDATER": "1",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            # All tools are shown to the model, and not before the server is connected, however busy the machine is.
            "ENABLE_TOOL_SEARCH": "false",
            "MCP_CONNECTION_NONBLOCKING": "false",
            "MCP_TIMEOUT": "120000",
            "CLAUDE_CODE_MCP_STARTUP_WAIT_MS": "120000",
        }

    async def connect(self) -> dict[str, Any]:
        case = self.case
        if "url" in case:
            headers = [word for name, value in case["headers"].items() for word in ("--header", f"{name}: {value}")]
            self.start("mcp", "add", "--transport", "http", NAME, case["url"], *headers)
        else:
            settings = [word for name, value in case["env"].items() for word in ("--env", f"{name}={value}")]
            self.start("mcp", "add", NAME, *settings, "--", case["command"], *case["args"])
        told = next(line for line in self.start("mcp", "list").splitlines() if line.startswith(NAME + ":"))
        if "✔ Connected" not in told:
            raise RuntimeError(told.rpartition(" - ")[2])
        return {"client": self.start("--version").split()[0], "protocol": None, "server": None}

    async def tools(self) -> list[str]:
        words = ("--allowedTools", f"mcp__{NAME}", "--output-format", "stream-json", "--verbose")
        self.commands = json.loads(self.start("-p", self.prompted, *words).splitlines()[0])["slash_commands"]
        return self.of_server(self.model.tools)

    async def call(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        found = self.model.results[self.left.pop(0)]
        return {"error": found.get("is_error", False), "text": found["content"], "structured": None}

    async def resources(self) -> list[str]:
        return [one["uri"] for one in json.loads(self.model.results["resources"]["content"])]

    async def resource(self, uri: str) -> str:
        text: str = json.loads(self.model.results["resource"]["content"])["contents"][0]["text"]
        return text

    async def prompts(self) -> list[str]:
        return self.of_server(self.commands)


drive(ClaudeCode)
