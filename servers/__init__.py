"""The MCP sidecars."""
