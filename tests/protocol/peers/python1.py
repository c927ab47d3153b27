"""The Python SDK's client, version 1, in each version of the protocol that it speaks.

Standard input: a list of cases; standard output: a list of what each saw.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from typing import Any

import mcp.types
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamablehttp_client


async def see(case: dict[str, Any]) -> dict[str, Any]:
    # It offers its newest version; a client of its time offers its own.
    mcp.types.LATEST_PROTOCOL_VERSION = case["version"]
    async with AsyncExitStack() as stack:
        if "url" in case:
            read, write, _ = await stack.enter_async_context(streamablehttp_client(case["url"]))
        else:
            parameters = StdioServerParameters(command=case["command"], args=case["args"], env=case["env"])
            read, write = await stack.enter_async_context(stdio_client(parameters))
        session = await stack.enter_async_context(ClientSession(read, write))
        hello = await session.initialize()
        result = await session.call_tool(case["tool"], {})
        wrong = await session.call_tool(case["wrong"], {})
        return {
            "version": hello.protocolVersion,
            "server": hello.serverInfo.name,
            "tools": [tool.name for tool in (await session.list_tools()).tools],
            "prompts": [prompt.name for prompt in (await session.list_prompts()).prompts],
            "failed": result.isError,
            "same": json.loads(result.content[0].text) == result.structuredContent,
            "refused": wrong.isError,
        }


async def main() -> None:
    print(json.dumps([await see(case) for case in json.load(sys.stdin)]))


asyncio.run(main())
