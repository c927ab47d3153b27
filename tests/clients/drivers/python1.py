"""Drives the client of the Python SDK, release 1."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from typing import Any

import mcp.types
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamablehttp_client

from tests.clients.drivers.driver import Steps, run


class Client(Steps):
    def __init__(self, session: ClientSession) -> None:
        self.session = session

    async def connect(self) -> dict[str, Any]:
        hello = await self.session.initialize()
        return {"client": version("mcp"), "protocol": hello.protocolVersion, "server": hello.serverInfo.name}

    async def tools(self) -> list[str]:
        return [tool.name for tool in (await self.session.list_tools()).tools]

    async def call(self, tool: str, arguments: dict[str, Any], progress: Any = None) -> dict[str, Any]:
        found = await self.session.call_tool(tool, arguments, progress_callback=progress)
        return {"error": found.isError, "text": found.content[0].text, "structured": found.structuredContent}

    async def resources(self) -> list[str]:
        return [str(one.uri) for one in (await self.session.list_resources()).resources]

    async def templates(self) -> list[str]:
        return [one.uriTemplate for one in (await self.session.list_resource_templates()).resourceTemplates]

    async def resource(self, uri: Any) -> str:
        return (await self.session.read_resource(uri)).contents[0].text

    async def prompts(self) -> list[str]:
        return [one.name for one in (await self.session.list_prompts()).prompts]

    async def prompt(self, name: str, arguments: dict[str, str]) -> str:
        return (await self.session.get_prompt(name, arguments)).messages[0].content.text

    async def completion(self, uri: str, argument: str, value: str) -> list[str]:
        template = mcp.types.ResourceTemplateReference(type="ref/resource", uri=uri)
        found = await self.session.complete(template, {"name": argument, "value": value})
        return found.completion.values


@asynccontextmanager
async def connect(case: dict[str, Any]) -> AsyncIterator[Client]:
    if case.get("version"):  # it offers its newest version; a client of its time offers its own
        mcp.types.LATEST_PROTOCOL_VERSION = case["version"]
    async with AsyncExitStack() as stack:
        if "url" in case:
            read, write, _ = await stack.enter_async_context(streamablehttp_client(case["url"], case["headers"]))
        else:
            parameters = StdioServerParameters(command=case["command"], args=case["args"], env=case["env"])
            read, write = await stack.enter_async_context(stdio_client(parameters))
        yield Client(await stack.enter_async_context(ClientSession(read, write)))


asyncio.run(run(connect))
