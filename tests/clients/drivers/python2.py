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

from tests.clients.drivers.driver import Named, run

MODERN = "2026-07-28"


class Driver(Named):
    async def connect(self) -> dict[str, Any]:
        server = self.client.server_info
        return {"client": version("mcp"), "protocol": self.client.protocol_version, "server": server and server.name}

    async def completion(self, uri: str, argument: str, value: str) -> Any:
        template = ResourceTemplateReference(uri=uri)
        return await self.ask("completion/complete", template, {"name": argument, "value": value})


@asynccontextmanager
async def connect(case: dict[str, Any]) -> AsyncIterator[Driver]:
    chosen = case.get("version", MODERN)
    if chosen != MODERN:  # it offers its newest version of before; a client of its time offers its own
        vars(mcp.client.session)["LATEST_HANDSHAKE_VERSION"] = chosen
    async with AsyncClient(headers=case.get("headers"), timeout=600) as http:
        server: Any
        if "url" in case:
            server = streamable_http_client(case["url"], http_client=http)
        else:
            server = StdioServerParameters(command=case["command"], args=case["args"], env=case["env"])
        async with Client(server, mode="auto" if chosen == MODERN else "legacy") as client:
            yield Driver(client)


asyncio.run(run(connect))
