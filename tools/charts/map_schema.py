"""Write the schema of a chart's map of servers: that of the library charts, without what has to be there.

An entry of `mcpServers` is laid over the values of the library chart mcp-server and its mcp-sidecar, so it may leave out any of
them. Schemas of Helm can't refer to other files.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

NAME = "mcpServer"


def optional(schema: Any, definitions: dict[str, Any]) -> Any:
    """A copy of a schema with references resolved, whose objects with known keys may leave out any of them."""
    if isinstance(schema, list):
        return [optional(inner, definitions) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return optional(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    closed = set(schema.get("required", [])) == set(schema.get("properties", {})) - {"global", "common"}
    return {key: optional(inner, definitions) for key, inner in schema.items() if not (key == "required" and closed)}


def with_servers(folder: Path) -> dict[str, Any]:
    """The schema of the chart in a folder, with the definition of a server as its library charts have it."""
    parent: dict[str, Any]
    parent, server, container = (
        json.loads((folder / path / "values.schema.json").read_text())
        for path in (".", "charts/mcp-server", "charts/mcp-sidecar")
    )
    described = optional(server, server["$defs"])["properties"]
    described["server"] = {
        "type": "object", "additionalProperties": False,
        "properties": optional(container, container["$defs"])["properties"],
    }  # fmt: skip
    for properties in (described, described["server"]["properties"]):
        del properties["global"], properties["common"]
    definitions = {NAME: {"type": "object", "additionalProperties": False, "properties": described}}
    return {**parent, "$defs": {**parent["$defs"], **definitions}}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--chart", type=Path, required=True, help="the parent's Chart.yaml")
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    given.output.write_text(json.dumps(with_servers(given.chart.parent), indent=2) + "\n")


if __name__ == "__main__":
    main()
