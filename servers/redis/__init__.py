"""The MCP sidecar of Redis."""
