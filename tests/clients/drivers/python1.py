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

from tests.clients.drivers.driver import Named, run


class Client(Named):
    async def connect(self) -> dict[str, Any]:
        hello = await self.client.initialize()
        return {"client": version("mcp"), "protocol": hello.protocolVersion, "server": hello.serverInfo.name}

    async def completion(self, uri: str, argument: str, value: str) -> Any:
        template = mcp.types.ResourceTemplateReference(type="ref/resource", uri=uri)
        return await self.ask("completion/complete", template, {"name": argument, "value": value})


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
