"""elasticsearch-mcp-server, started from its wheel, in its SDK's fastest way: without sessions, answers in JSON."""

import os
import sys

# Into PYTHONPYCACHEPREFIX: an installed package has its bytecode, which this launcher forbids to write.
sys.dont_write_bytecode = False

os.environ |= {"FASTMCP_STATELESS_HTTP": "true", "FASTMCP_JSON_RESPONSE": "true", "FASTMCP_CHECK_FOR_UPDATES": "off"}

from src.server import elasticsearch_mcp_server  # type: ignore[import-not-found]  # noqa: E402

sys.argv[1:] = ["--transport", "streamable-http", "--host", "127.0.0.1", "--port", os.environ["PEER_PORT"]]
elasticsearch_mcp_server()
