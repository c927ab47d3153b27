"""A server with the names that the conformance suite asks for, on servers/common as the real ones are.

It says what a server of ours can say: JSON, progress, errors, resources and prompts of text. What none of them says (images,
audio, log messages, the suite's own questions to a person) is in exceptions.toml.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.main import run
from servers.common.protocol.prompts import Prompt
from servers.common.protocol.resources import Changed, Resource, Resources, Template
from servers.common.protocol.tools import Call, ToolError, tool
from servers.common.server import Sidecar
from servers.common.startup import begin


class Nothing:
    """A store that is always there."""

    address = "nowhere"

    def __init__(self, settings: None) -> None:
        pass

    async def check(self) -> str:
        return "Nothing 1"

    async def close(self) -> None:
        pass


class Echo(TypedDict):
    done: bool


class Loud(TypedDict):
    region: str


@tool(title="Text")
async def test_simple_text(call: Call[Nothing]) -> Echo:
    """Says that it is done."""
    return {"done": True}


@tool(title="Progress")
async def test_tool_with_progress(call: Call[Nothing]) -> Echo:
    """Tells how far it is, three times."""
    for done in (0, 50, 100):
        await call.progress(done, 100, None)
        await asyncio.sleep(0.05)
    return {"done": True}


@tool(title="Error")
async def test_error_handling(call: Call[Nothing]) -> Echo:
    """Always fails."""
    raise ToolError("This tool intentionally returns an error for testing")


@tool(title="Custom header")
async def test_header_tool(
    call: Call[Nothing], *, region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})]
) -> Loud:
    """Takes an argument that clients mirror in a header."""
    return {"region": region}


STATIC = "test://static-text"


async def static(call: Call[Nothing]) -> Mapping[str, Any]:
    return {"text": "This is the content of the static text resource."}


async def data(call: Call[Nothing], name: str) -> Mapping[str, Any]:
    return {"id": name, "templateTest": True, "data": f"Data for ID: {name}"}


async def names(call: Call[Nothing], typed: str) -> Sequence[str]:
    return [name for name in ("123", "124") if name.startswith(typed)]


@asynccontextmanager
async def watch(backend: Nothing, uris: Sequence[str], changed: Changed) -> AsyncIterator[Sequence[str]]:
    """Watches all that there is; nothing ever changes."""
    yield [uri for uri in uris if uri == STATIC]


def prompt(name: str, text: str, arguments: dict[str, str]) -> Prompt:
    return Prompt(name, name, f"{name} of the suite.", [text], arguments, "test_simple_text")


ARGUMENTS = {"arg1": "First test argument", "arg2": "Second test argument"}

SIDECAR: Sidecar[None, Nothing] = Sidecar(
    name="mcp-fixture",
    title="Fixture",
    instructions="For the conformance suite.",
    settings=lambda env: None,
    connect=Nothing,
    tools=[test_simple_text, test_tool_with_progress, test_error_handling, test_header_tool],
    resources=Resources(
        fixed=[Resource(STATIC, "static-text", "Of the suite.", static)],
        templates=[Template("test://template/", "id", "template", "Of the suite.", data, names, "/data")],
        watch=watch,
    ),
    prompts=[
        prompt("test_simple_prompt", "This is a simple prompt for testing.", {}),
        prompt("test_prompt_with_arguments", "Prompt with arguments: arg1='{arg1}', arg2='{arg2}'", ARGUMENTS),
    ],
)

if __name__ == "__main__":
    begin()
    run(SIDECAR)
