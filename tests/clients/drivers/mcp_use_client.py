"""Drives mcp-use's client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from mcp_use import MCPClient
from mcp_use.client.session import MCPSession
from mcp_use.logging import Logger
from pydantic import AnyUrl

from tests.clients.drivers.driver import run


class Driver:
    def __init__(self, session: MCPSession) -> None:
        self.session = session

    async def connect(self) -> dict[str, Any]:
        return {"client": version("mcp-use"), "protocol": None, "server": None}

    async def tools(self) -> list[str]:
        return [tool.name for tool in await self.session.list_tools()]

    async def call(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        found = await self.session.call_tool(tool, arguments)
        text: Any = found.content[0]
        return {"error": found.isError, "text": text.text, "structured": found.structuredContent}

    async def resources(self) -> list[str]:
        return [str(one.uri) for one in await self.session.list_resources()]

    async def resource(self, uri: str) -> str:
        content: Any = (await self.session.read_resource(AnyUrl(uri))).contents[0]
        return str(content.text)

    async def prompts(self) -> list[str]:
        return [one.name for one in await self.session.list_prompts()]

    async def prompt(self, name: str, arguments: dict[str, str]) -> str:
        content: Any = (await self.session.get_prompt(name, arguments)).messages[0].content
        return str(content.text)


@asynccontextmanager
async def connect(case: dict[str, Any]) -> AsyncIterator[Driver]:
    server = {key: case[key] for key in ("url", "headers", "command", "args", "env") if key in case}
    client = MCPClient({"mcpServers": {"store": server}})
    try:
        yield Driver(await client.create_session("store"))
    finally:
        await client.close_all_sessions()


Logger.configure(log_to_console=False)  # standard output is for the steps
asyncio.run(run(connect))
