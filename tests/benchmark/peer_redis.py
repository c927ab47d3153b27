"""redis-mcp-server, started from its wheel.

Its command line serves standard input only; here its own server object is served over HTTP by its own SDK, in the
SDK's fastest way: without sessions, answers in JSON.
"""

import ctypes
import os
import sys
from typing import Any

# Into PYTHONPYCACHEPREFIX: an installed package has its bytecode, which this launcher forbids to write.
sys.dont_write_bytecode = False

from tools.backends.runfiles import program  # noqa: E402

# Its vectors need numpy, and that the C++ library, which this Python comes without.
ctypes.CDLL(str(program("LIBSTDCXX")))

from src.common.config import set_redis_config_from_cli  # type: ignore[import-not-found]  # noqa: E402
from src.common.server import mcp  # type: ignore[import-not-found]  # noqa: E402
from starlette.responses import PlainTextResponse  # noqa: E402


@mcp.custom_route("/health", methods=["GET"])  # type: ignore[untyped-decorator]
async def health(request: Any) -> PlainTextResponse:
    """Its own has none."""
    return PlainTextResponse("ok")


set_redis_config_from_cli({"host": "127.0.0.1", "port": int(os.environ["PEER_STORE"]), "db": 0})
mcp.settings.port = int(os.environ["PEER_PORT"])
mcp.settings.stateless_http = True
mcp.settings.json_response = True
mcp.settings.log_level = "WARNING"
mcp.run(transport="streamable-http")
