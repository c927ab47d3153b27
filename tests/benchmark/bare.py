"""A bare server on the SDK: its high-level server with one tool, no store, and plain imports."""

import os
import sys
from typing import Any

# Into PYTHONPYCACHEPREFIX: an installed package has its bytecode, which this launcher forbids to write.
sys.dont_write_bytecode = False

from mcp.server import MCPServer  # noqa: E402
from starlette.responses import PlainTextResponse  # noqa: E402

server = MCPServer("bare")


@server.tool()
def read(key: str) -> str:
    """Read a value."""
    return f"hello-small-value of {key}"


@server.custom_route("/health", methods=["GET"])  # type: ignore[untyped-decorator]
async def health(request: Any) -> PlainTextResponse:
    """Its own has none."""
    return PlainTextResponse("ok")


server.run("streamable-http", port=int(os.environ["PEER_PORT"]), json_response=True, stateless_http=True)
