"""elasticsearch-mcp-server, started from its wheel, in its SDK's fastest way: without sessions, answers in JSON."""

import os
import sys

os.environ |= {"FASTMCP_STATELESS_HTTP": "true", "FASTMCP_JSON_RESPONSE": "true", "FASTMCP_CHECK_FOR_UPDATES": "off"}

from src.server import elasticsearch_mcp_server  # type: ignore[import-not-found]

sys.argv[1:] = ["--transport", "streamable-http", "--host", "127.0.0.1", "--port", os.environ["PEER_PORT"]]
elasticsearch_mcp_server()
