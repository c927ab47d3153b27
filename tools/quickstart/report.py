"""What the quickstart prints when all is up: a table, and how to connect."""

import json

from tools.quickstart.ports import Ports


def table(rows: list[tuple[str, ...]]) -> str:
    """Rows as text, columns aligned; the first row is the head."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def services(ports: Ports) -> str:
    return table(
        [
            ("SERVICE", "URL", "STATE"),
            ("mcp/redis", f"http://localhost:{ports.redis_mcp}/mcp", "up"),
            ("mcp/elasticsearch", f"http://localhost:{ports.elasticsearch_mcp}/mcp", "up"),
            ("Redis", f"redis://localhost:{ports.redis}", "up"),
            ("Elasticsearch", f"http://localhost:{ports.elasticsearch}", "up"),
        ]
    )


def how_to_connect(ports: Ports) -> str:
    """The lines for Claude Code, and the JSON for other clients."""
    urls = {
        "dox-redis": f"http://localhost:{ports.redis_mcp}/mcp",
        "dox-elasticsearch": f"http://localhost:{ports.elasticsearch_mcp}/mcp",
    }
    commands = "\n".join(f"  claude mcp add --transport http {name} {url}" for name, url in urls.items())
    config = json.dumps({"mcpServers": {name: {"type": "http", "url": url} for name, url in urls.items()}}, indent=2)
    indented = "\n".join("  " + line for line in config.splitlines())
    return f"Connect Claude Code:\n\n{commands}\n\nOther clients:\n\n{indented}\n"
