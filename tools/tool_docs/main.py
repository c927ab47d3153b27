"""Write the page of a server's tools, resources and prompts from its code."""

import argparse
import importlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from servers.common.protocol.tools import Tool, size
from servers.common.server import Sidecar


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", required=True, help="its package, as servers.redis")
    parser.add_argument("--output", required=True, type=Path)
    given = parser.parse_args(arguments)
    sidecar: Sidecar[Any, Any] = importlib.import_module(given.server + ".server").SIDECAR
    given.output.write_text("\n".join(page(sidecar)) + "\n")


def page(sidecar: Sidecar[Any, Any]) -> Iterator[str]:
    """Return the page of a server in Markdown, line by line."""
    tools = sidecar.tools
    length = size({"tools": [t.definition.model_dump(by_alias=True, exclude_none=True, mode="json") for t in tools]})
    yield from (f"# The tools of {sidecar.name}", "")
    yield "This page is generated from the code: `bazel run //tools:update_goldens` renews it."
    yield f"{len(tools)} tools take {length:,} bytes in `tools/list`; without the tools that change data, it is shorter."
    yield from ("", "The instructions that a client passes to its model:", "", f"> {sidecar.instructions}", "")
    yield from table(
        ("tool", "what it is for", "changes data"),
        [(f"[`{t.definition.name}`](#{t.definition.name})", t.definition.title, "yes" if t.write else "") for t in tools],
    )
    for tool in tools:
        yield from _tool(tool)
    if sidecar.resources:
        yield from ("", "## Resources", "")
        fixed = [(f"`{r.uri}`", r.description) for r in sidecar.resources.fixed]
        templates = [(f"`{t.uri_template}`", t.description) for t in sidecar.resources.templates]
        yield from table(("URI", "content"), fixed + templates)
    if sidecar.prompts:
        yield from ("", "## Prompts", "")
        yield from table(
            ("prompt", "what it does", "arguments"),
            [
                (f"`{p.name}`", p.description, "; ".join(f"`{name}`: {text}" for name, text in p.arguments.items()))
                for p in sidecar.prompts
            ],
        )
    yield from ("", "[Operations](operations.md#settings) lists the settings.")


def _tool(tool: Tool) -> Iterator[str]:
    definition = tool.definition
    yield from ("", f"## {definition.name}", "", definition.description or "")
    hints = definition.annotations
    if tool.write and hints:
        said = ["This tool changes data: it is listed only with `MCP_ALLOW_WRITES=true`."]
        if hints.destructive_hint:
            said.append("It may overwrite or delete.")
        yield from ("", " ".join(said))
    schema = definition.input_schema
    if schema.get("properties"):
        required = schema.get("required", [])
        yield ""
        yield from table(
            ("argument", "type", "default", "meaning"),
            [
                (f"`{name}`", kind(part), _default(part, name in required), part.get("description", ""))
                for name, part in schema["properties"].items()
            ],
        )
    fields = [
        f"`{name}` ({': '.join([kind(part), *filter(None, [part.get('description')])])})" for name, part in tool.results.items()
    ]
    yield from ("", f"Result: {', '.join(fields)}" if fields else "Result:")


def kind(schema: Mapping[str, Any]) -> str:
    """Describe a JSON Schema's type in a few words."""
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "anyOf" in schema:
        return " or ".join(kind(part) for part in schema["anyOf"])
    name = str(schema.get("type", "any"))
    if name == "array" and "items" in schema:
        items = kind(schema["items"])
        name = f"array of ({items})" if ", " in items else f"array of {items}"
    return ", ".join([name, *_bounds(schema)])


def _bounds(schema: Mapping[str, Any]) -> Iterator[str]:
    if "exclusiveMinimum" in schema:
        yield f"more than {schema['exclusiveMinimum']}"
    for least, most, unit in _RANGES:
        match schema.get(least), schema.get(most):
            case None, None:
                pass
            case low, None:
                yield f"at least {low}{unit}"
            case None, high:
                yield f"at most {high}{unit}"
            case low, high:
                yield f"{low} to {high}{unit}"


_RANGES = (
    ("minimum", "maximum", ""),
    ("minLength", "maxLength", " characters"),
    ("minItems", "maxItems", " items"),
    ("minProperties", "maxProperties", " entries"),
)


def _default(schema: Mapping[str, Any], required: bool) -> str:
    if required:
        return "required"
    default = schema.get("default")
    if isinstance(default, bool) or (default is None and schema.get("type") == "boolean"):
        return f"`{str(bool(default)).lower()}`"
    return f"`{default}`" if default not in (None, "") else ""


def table(head: Sequence[str], rows: Sequence[Sequence[str | None]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join((cell or "").replace("|", "\\|").replace("\n", " ") for cell in row) + " |"


if __name__ == "__main__":
    main()
