"""What registries and desktop clients take: server.json and MCP bundles, made from the servers' code and wheels."""
