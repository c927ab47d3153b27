"""Both MCP servers out of their images, on real stores with data worth asking about."""
