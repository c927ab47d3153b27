"""The Python SDK's client, version 2, in each version of the protocol.

Standard input: a list of cases; standard output: a list of what each saw.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import mcp.client.session
from mcp import Client, StdioServerParameters
from mcp_types import TextContent

MODERN = "2026-07-28"


async def see(case: dict[str, Any]) -> dict[str, Any]:
    # It offers its newest version of before; a client of its time offers its own.
    if case["version"] != MODERN:
        vars(mcp.client.session)["LATEST_HANDSHAKE_VERSION"] = case["version"]
    server: Any = case.get("url") or StdioServerParameters(command=case["command"], args=case["args"], env=case["env"])
    async with Client(server, mode="auto" if case["version"] == MODERN else "legacy") as client:
        result = await client.call_tool(case["tool"], {})
        wrong = await client.call_tool(case["wrong"], {})
        assert isinstance(result.content[0], TextContent)
        return {
            "version": client.protocol_version,
            "server": client.server_info.name if client.server_info else None,
            "tools": [tool.name for tool in (await client.list_tools()).tools],
            "prompts": [prompt.name for prompt in (await client.list_prompts()).prompts],
            "failed": result.is_error or False,
            "same": json.loads(result.content[0].text) == result.structured_content,
            "refused": wrong.is_error or False,
        }


async def main() -> None:
    print(json.dumps([await see(case) for case in json.load(sys.stdin)]))


asyncio.run(main())
