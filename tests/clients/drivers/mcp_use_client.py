"""Drives mcp-use's client."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from mcp_use import MCPClient
from mcp_use.logging import Logger

from tests.clients.drivers.driver import Named, run


class Driver(Named):
    async def connect(self) -> dict[str, Any]:
        return {"client": version("mcp-use"), "protocol": None, "server": None}


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
