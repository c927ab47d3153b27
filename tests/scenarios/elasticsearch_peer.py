"""elasticsearch-mcp-server, started from its wheel."""

from src.server import elasticsearch_mcp_server  # type: ignore[import-not-found]

elasticsearch_mcp_server()
