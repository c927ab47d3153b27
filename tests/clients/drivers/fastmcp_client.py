"""Drives FastMCP's client."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastmcp import Client
from fastmcp.client.transports import StdioTransport, StreamableHttpTransport
from mcp_types import ResourceTemplateReference

from tests.clients.drivers.driver import Named, run


class Driver(Named):
    async def connect(self) -> dict[str, Any]:
        server = self.client.server_info
        return {
            "client": version("fastmcp-slim"),
            "protocol": self.client.protocol_version,
            "server": server and server.name,
        }

    async def call(self, tool: str, arguments: dict[str, Any], progress: Any = None) -> dict[str, Any]:
        found = await self.client.call_tool(tool, arguments, progress_handler=progress, raise_on_error=False)
        return {"error": found.is_error, "text": found.content[0].text, "structured": found.structured_content}

    async def completion(self, uri: str, argument: str, value: str) -> list[str]:
        template = ResourceTemplateReference(uri=uri)
        return (await self.client.complete(template, {"name": argument, "value": value})).values


@asynccontextmanager
async def connect(case: dict[str, Any]) -> AsyncIterator[Driver]:
    server: Any
    if "url" in case:
        server = StreamableHttpTransport(case["url"], headers=case["headers"])
    else:
        server = StdioTransport(case["command"], case["args"], case["env"])
    async with Client(server) as client:
        yield Driver(client)


asyncio.run(run(connect))
