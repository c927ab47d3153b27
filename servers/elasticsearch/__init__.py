"""The MCP sidecar of Elasticsearch."""
