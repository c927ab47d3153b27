"""Drives the toolset of Google's Agent Development Kit, as an agent whose model is a script."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from google.adk.agents import LlmAgent
from google.adk.models import BaseLlm, LlmRequest, LlmResponse
from google.adk.runners import InMemoryRunner
from google.adk.tools.mcp_tool import McpToolset, StdioConnectionParams, StreamableHTTPConnectionParams
from google.genai import types
from mcp import StdioServerParameters

from tests.clients.drivers.driver import run


class Script(BaseLlm):
    """Asks for a tool, and says a word once it has its result."""

    asked: dict[str, Any] = {}
    found: dict[str, Any] = {}

    async def generate_content_async(self, llm_request: LlmRequest, stream: bool = False) -> AsyncIterator[LlmResponse]:
        last = llm_request.contents[-1].parts[-1]
        if last.function_response:
            self.found = last.function_response.response
            part = types.Part(text="done")
        else:
            part = types.Part(function_call=types.FunctionCall(**self.asked))
        yield LlmResponse(content=types.Content(role="model", parts=[part]))


class Adk:
    def __init__(self, server: Any) -> None:
        self.reports = 0
        self.toolset = McpToolset(connection_params=server, progress_callback=self.note)
        self.model = Script(model="script")
        self.runner = InMemoryRunner(LlmAgent(name="agent", model=self.model, tools=[self.toolset]))

    async def note(self, done: float, total: float | None, message: str | None) -> None:
        self.reports += 1

    async def connect(self) -> dict[str, Any]:
        self.listed = await self.toolset.get_tools()
        return {"client": version("google-adk"), "protocol": None, "server": None}

    async def tools(self) -> list[str]:
        return [tool.name for tool in self.listed]

    async def call(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        self.model.asked = {"name": tool, "args": arguments}
        await self.runner.run_debug("hello", quiet=True)
        found = self.model.found
        error = found.get("isError", "error" in found)
        text = found["content"][0]["text"] if "content" in found else found["error"]
        return {"error": error, "text": text, "structured": found.get("structuredContent")}

    async def progress(self, tool: str, arguments: dict[str, Any]) -> int:
        await self.call(tool, arguments)
        return self.reports

    async def resources(self) -> list[str]:
        names = await self.toolset.list_resources()
        return [(await self.toolset.get_resource_info(name))["uri"] for name in names]


@asynccontextmanager
async def connect(case: dict[str, Any]) -> AsyncIterator[Adk]:
    server: Any
    if "url" in case:
        server = StreamableHTTPConnectionParams(url=case["url"], headers=case["headers"])
    else:
        given = StdioServerParameters(command=case["command"], args=case["args"], env=case["env"])
        server = StdioConnectionParams(server_params=given, timeout=60)
    driven = Adk(server)
    try:
        yield driven
    finally:
        await driven.toolset.close()


asyncio.run(run(connect))
