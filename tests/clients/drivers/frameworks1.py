"""Hands the tools of a server to libraries on release 1 of the MCP SDK, and calls one through each; see frameworks.py."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from autogen_core import CancellationToken
from autogen_ext.tools.mcp import StreamableHttpServerParams, mcp_server_tools
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_mcp_adapters.tools import load_mcp_tools
from mcp_use import MCPClient
from mcp_use.agents.adapters.langchain_adapter import LangChainAdapter
from mcpadapt.core import MCPAdapt
from mcpadapt.smolagents_adapter import SmolAgentsAdapter

from tests.clients.drivers.converters import Seen, run


async def autogen(url: str, tool: str, arguments: dict[str, Any]) -> AsyncIterator[Seen]:
    found = {one.name: one for one in await mcp_server_tools(StreamableHttpServerParams(url=url))}
    tools = {name: one.schema["parameters"] for name, one in found.items()}
    yield Seen("autogen-ext", "", tools, await found[tool].run_json(arguments, CancellationToken()))


async def langchain(url: str, tool: str, arguments: dict[str, Any]) -> AsyncIterator[Seen]:
    found = {one.name: one for one in await load_mcp_tools(None, connection={"transport": "streamable_http", "url": url})}
    tools = {name: convert_to_openai_tool(one)["function"]["parameters"] for name, one in found.items()}
    yield Seen("langchain-mcp-adapters", "", tools, await found[tool].ainvoke(arguments))


async def mcp_use(url: str, tool: str, arguments: dict[str, Any]) -> AsyncIterator[Seen]:
    client = MCPClient({"mcpServers": {"store": {"url": url}}})
    found = {one.name: one for one in await LangChainAdapter().create_tools(client)}
    tools = {name: convert_to_openai_tool(one)["function"]["parameters"] for name, one in found.items()}
    called = await found[tool].ainvoke(arguments)
    await client.close_all_sessions()
    yield Seen("mcp-use", "", tools, called)


async def smolagents(url: str, tool: str, arguments: dict[str, Any]) -> AsyncIterator[Seen]:
    def ask() -> Seen:
        with MCPAdapt({"url": url, "transport": "streamable-http"}, SmolAgentsAdapter()) as listed:
            found = {one.name: one for one in listed}
            tools = {name: {"properties": one.inputs} for name, one in found.items()}
            return Seen("mcpadapt", "smolagents", tools, found[tool](**arguments))

    yield await asyncio.to_thread(ask)


asyncio.run(run([autogen, langchain, mcp_use, smolagents]))
