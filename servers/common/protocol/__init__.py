"""What MCP clients see: tools, schemas, resources, prompts and the endpoint."""
