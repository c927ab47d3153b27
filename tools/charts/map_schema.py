"""Write the schema of a chart's map of servers: that of the library charts, without what has to be there.

An entry of `mcpServers` is laid over the values of the library chart mcp-server and its mcp-sidecar, so it may leave out any of
them. Schemas of Helm can't refer to other files.
"""

import argparse
import json
from pathlib import Path
from typing import Any

NAME = "mcpServer"
WIDTH = 120


def optional(schema: Any, known: dict[str, Any], complete: bool = False) -> Any:
    """A copy of a schema whose objects may leave out any key, unless it is `complete`. The parent has what is `known`.

    Entries of lists are: Helm merges mappings alone.
    """
    if isinstance(schema, list):
        return [optional(inner, known, complete) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return {"$ref": f"#/$defs/{name}" if name in known else f"#/$defs/{NAME}/$defs/{name}"}
    return {
        key: {"$ref": f"#/$defs/pod/properties/{key}"}
        if inner == known["pod"]["properties"].get(key) and "$ref" not in inner
        else optional(inner, known, complete or key == "items")
        for key, inner in schema.items()
        if complete or key != "required"
    }


def with_servers(folder: Path) -> dict[str, Any]:
    """Return the schema of the chart in a folder, with the definition of a server as its library charts have it.

    ValueError if they mean different things by a name in `$defs`.
    """
    parent: dict[str, Any]
    parent, server, container = (
        json.loads((folder / path / "values.schema.json").read_text())
        for path in (".", "charts/mcp-server", "charts/mcp-sidecar")
    )
    definitions = server.pop("$defs") | container["$defs"]
    if differ := [name for name, meant in container.pop("$defs").items() if definitions[name] != meant]:
        raise ValueError(f"The $defs of mcp-server and mcp-sidecar differ in {differ}.")
    server["properties"]["server"] = container
    for schema in (server, container):
        del schema["$schema"], schema["properties"]["global"], schema["properties"]["common"]
    known = {name: meant for name, meant in parent["$defs"].items() if definitions.get(name, meant) == meant}
    own = {name: meant for name, meant in definitions.items() if name not in known}
    return {**parent, "$defs": {**parent["$defs"], NAME: {"$defs": optional(own, known), **optional(server, known)}}}


def written(value: Any, indent: int = 0, used: int = 0, named: bool | None = False) -> str:
    """Return JSON in lines of up to 120 characters: a line for each property that people write, and as many others as fit.

    The first line has `indent` spaces and `used` further characters around the value. `named`: its keys are names of properties
    or definitions, not words of JSON Schema; None where nobody writes it.
    """
    flat = json.dumps(value, ensure_ascii=False)
    if indent + used + len(flat) <= WIDTH or not isinstance(value, (dict, list)):
        return flat
    words = value.items() if isinstance(value, dict) else (("", inner) for inner in value)
    entries = [
        (
            f"{json.dumps(key)}: " * bool(key),
            inner,
            None if named is None or key == NAME else key in ("properties", "$defs"),
        )
        for key, inner in words
    ]
    one_a_line = named and any(inner for _, inner, _ in entries)
    if isinstance(value, dict) and not one_a_line:
        *before, (head, last, names) = entries
        start = "{" + "".join(f"{key}{json.dumps(inner, ensure_ascii=False)}, " for key, inner, _ in before) + head
        if last and isinstance(last, (dict, list)) and indent + used + len(start) < WIDTH:
            return start + written(last, indent, WIDTH, names) + "}"
    space = " " * (indent + 2)
    lines: list[str] = []
    for head, inner, names in entries:
        text = head + written(inner, indent + 2, len(head) + 1, names)
        if one_a_line or not lines or "\n" in text or len(space) + len(lines[-1]) + len(text) + 3 > WIDTH:
            lines.append(text)
        else:
            lines[-1] += f", {text}"
    return "\n".join((flat[0], ",\n".join(space + line for line in lines), " " * indent + flat[-1]))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--chart", type=Path, required=True, help="the parent's Chart.yaml")
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    given.output.write_text(written(with_servers(given.chart.parent)) + "\n")


if __name__ == "__main__":
    main()
