"""Drives the client of the Python SDK, release 2."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

import mcp.client.session
from httpx2 import AsyncClient
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp_types import ResourceTemplateReference

from tests.clients.drivers.driver import Steps, run

MODERN = "2026-07-28"


class Driver(Steps):
    def __init__(self, client: Client) -> None:
        self.client = client

    async def connect(self) -> dict[str, Any]:
        server = self.client.server_info
        return {"client": version("mcp"), "protocol": self.client.protocol_version, "server": server and server.name}

    async def tools(self) -> list[str]:
        return [tool.name for tool in (await self.client.list_tools()).tools]

    async def call(self, tool: str, arguments: dict[str, Any], progress: Any = None) -> dict[str, Any]:
        found = await self.client.call_tool(tool, arguments, progress_callback=progress)
        text: Any = found.content[0]
        return {"error": found.is_error or False, "text": text.text, "structured": found.structured_content}

    async def resources(self) -> list[str]:
        return [one.uri for one in (await self.client.list_resources()).resources]

    async def templates(self) -> list[str]:
        return [one.uri_template for one in (await self.client.list_resource_templates()).resource_templates]

    async def resource(self, uri: str) -> str:
        content: Any = (await self.client.read_resource(uri)).contents[0]
        return str(content.text)

    async def prompts(self) -> list[str]:
        return [one.name for one in (await self.client.list_prompts()).prompts]

    async def prompt(self, name: str, arguments: dict[str, str]) -> str:
        content: Any = (await self.client.get_prompt(name, arguments)).messages[0].content
        return str(content.text)

    async def completion(self, uri: str, argument: str, value: str) -> list[str]:
        template = ResourceTemplateReference(uri=uri)
        found = await self.client.complete(template, {"name": argument, "value": value})
        return found.completion.values


@asynccontextmanager
async def connect(case: dict[str, Any]) -> AsyncIterator[Driver]:
    chosen = case.get("version", MODERN)
    if chosen != MODERN:  # it offers its newest version of before; a client of its time offers its own
        vars(mcp.client.session)["LATEST_HANDSHAKE_VERSION"] = chosen
    async with AsyncClient(headers=case.get("headers"), timeout=60) as http:
        server: Any
        if "url" in case:
            server = streamable_http_client(case["url"], http_client=http)
        else:
            server = StdioServerParameters(command=case["command"], args=case["args"], env=case["env"])
        async with Client(server, mode="auto" if chosen == MODERN else "legacy") as client:
            yield Driver(client)


asyncio.run(run(connect))
