"""The server that the conformance suite asks for: its tools, resources and prompts, on servers/common as the real ones are.

What the servers' own way can say (JSON, progress, errors) goes through it. The rest, which no server of ours says (images,
audio, log messages, requests for input), is answered here, behind the same guard, endpoint and limits: the suite then still
sees whether these carry it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any

import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.shared.exceptions import MCPError
from pydantic import Field
from typing_extensions import TypedDict

import servers.common.server
from servers.common.main import run
from servers.common.protocol.prompts import Prompt
from servers.common.protocol.resources import Changed, Resource, Resources, Template
from servers.common.protocol.tools import Call, ToolError, tool
from servers.common.server import Instance, Sidecar
from servers.common.startup import begin

Answer = types.CallToolResult | types.InputRequiredResult


class Nothing:
    """A store that is always there."""

    address = "nowhere"

    def __init__(self, settings: None) -> None:
        pass

    async def check(self) -> str:
        return "Nothing 1"

    async def close(self) -> None:
        pass


# Tools as the servers have them.


class Echo(TypedDict):
    done: bool


class Loud(TypedDict):
    region: str


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


# Answers that the servers do not have.


Raw = Callable[[Any, types.CallToolRequestParams], Awaitable[Answer]]
RAW: dict[str, Raw] = {}
RAW_TOOLS: list[types.Tool] = []


def raw(function: Raw, schema: dict[str, Any] | None = None) -> Raw:
    """Registers a tool that makes its whole answer itself."""
    name, schema = function.__name__, schema or {"type": "object", "properties": {}}
    RAW[name] = function
    RAW_TOOLS.append(types.Tool(name=name, description=function.__doc__, input_schema=schema))
    return function


PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
"""One red pixel, in base64."""

WAV = "UklGRiwAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQgAAACAgICAgICAgA=="
"""Eight silent samples, in base64."""


def said(*content: types.ContentBlock | str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=c) if isinstance(c, str) else c for c in content])


def embedded(uri: str, kind: str, text: str) -> types.EmbeddedResource:
    return types.EmbeddedResource(resource=types.TextResourceContents(uri=uri, mime_type=kind, text=text))


def fixed(name: str, description: str, *content: types.ContentBlock | str) -> None:
    """Registers a tool whose answer is always the same."""

    async def answer(ctx: Any, params: types.CallToolRequestParams) -> Answer:
        return said(*content)

    answer.__name__, answer.__doc__ = name, description
    raw(answer)


IMAGE = types.ImageContent(data=PNG, mime_type="image/png")
TEXT = embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")
MIXED = embedded("test://mixed-content-resource", "application/json", '{"test":"data","value":123}')

fixed("test_simple_text", "Says a sentence.", "This is a simple text response for testing.")
fixed("test_image_content", "Shows a pixel.", IMAGE)
fixed("test_audio_content", "Plays silence.", types.AudioContent(data=WAV, mime_type="audio/wav"))
fixed("test_embedded_resource", "Hands a resource over.", TEXT)
fixed("test_multiple_content_types", "Says, shows and hands over.", "Multiple content types test:", IMAGE, MIXED)


@raw
async def test_tool_with_logging(ctx: Any, params: types.CallToolRequestParams) -> Answer:
    """Logs to its client."""
    for text in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await ctx.session.send_log_message(level="info", data=text, related_request_id=ctx.request_id)
        await asyncio.sleep(0.05)
    return said("logged")


@raw
async def test_logging_tool(ctx: Any, params: types.CallToolRequestParams) -> Answer:
    """Logs to its client, if that asks for it."""
    return await test_tool_with_logging(ctx, params)


@raw
async def test_streaming_elicitation(ctx: Any, params: types.CallToolRequestParams) -> Answer:
    """Asks for input while it answers as a stream."""
    return types.InputRequiredResult(input_requests={"name": ask("What is your name?", name="string")})


@raw
async def test_missing_capability(ctx: Any, params: types.CallToolRequestParams) -> Answer:
    """Needs a client that samples."""
    if not (ctx.session.client_capabilities and ctx.session.client_capabilities.sampling):
        wanted = types.ClientCapabilities(sampling=types.SamplingCapability())
        data = types.MissingRequiredClientCapabilityErrorData(required_capabilities=wanted)
        code = types.MISSING_REQUIRED_CLIENT_CAPABILITY
        raise MCPError(code, "this tool needs sampling", data.model_dump(by_alias=True, mode="json", exclude_none=True))
    return said("ok")


SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


async def json_schema_2020_12_tool(ctx: Any, params: types.CallToolRequestParams) -> Answer:
    """Has a schema of every kind of keyword."""
    return said("ok")


raw(json_schema_2020_12_tool, SCHEMA)


# Answers that ask for input first (SEP-2322).


def ask(message: str, **fields: str) -> types.ElicitRequest:
    schema = {
        "type": "object",
        "properties": {name: {"type": kind} for name, kind in fields.items()},
        "required": [*fields],
    }
    return types.ElicitRequest(params=types.ElicitRequestFormParams(message=message, requested_schema=schema))


def sample(text: str, most: int) -> types.CreateMessageRequest:
    message = types.SamplingMessage(role="user", content=types.TextContent(text=text))
    return types.CreateMessageRequest(params=types.CreateMessageRequestParams(messages=[message], max_tokens=most))


def given(params: types.CallToolRequestParams, name: str, kind: type) -> Any:
    """The client's response of that name, where it is of that kind."""
    response = (params.input_responses or {}).get(name)
    return response if isinstance(response, kind) else None


def asking(name: str, key: str, request: types.InputRequest, kind: type, answered: Callable[[Any], str]) -> None:
    """Registers a tool that asks its client for one thing, and says something of the response."""

    async def answer(ctx: Any, params: types.CallToolRequestParams) -> Answer:
        response = given(params, key, kind)
        return said(answered(response)) if response else types.InputRequiredResult(input_requests={key: request})

    answer.__name__, answer.__doc__ = f"test_input_required_result_{name}", f"Asks for {key} first."
    raw(answer)


NAME, CAPITAL = ask("What is your name?", name="string"), sample("What is the capital of France?", 100)

asking("elicitation", "user_name", NAME, types.ElicitResult, lambda got: f"Hello, {(got.content or {}).get('name')}!")
asking("sampling", "capital_question", CAPITAL, types.CreateMessageResult, lambda got: str(got.content.text))
asking(
    "list_roots", "client_roots", types.ListRootsRequest(), types.ListRootsResult,
    lambda got: ", ".join(str(root.uri) for root in got.roots),
)  # fmt: skip


@raw
async def test_input_required_result_request_state(ctx: Any, params: types.CallToolRequestParams) -> Answer:
    """Asks to confirm, and keeps its state with the client."""
    if not given(params, "confirm", types.ElicitResult) or params.request_state != "asked":
        return types.InputRequiredResult(
            input_requests={"confirm": ask("Please confirm", ok="boolean")}, request_state="asked"
        )
    return said("state-ok")


@raw
async def test_input_required_result_tampered_state(ctx: Any, params: types.CallToolRequestParams) -> Answer:
    """As the one before; a state that was changed never comes here."""
    return await test_input_required_result_request_state(ctx, params)


@raw
async def test_input_required_result_multiple_inputs(ctx: Any, params: types.CallToolRequestParams) -> Answer:
    """Asks for three things at once."""
    wanted: dict[str, types.InputRequest] = {
        "user_name": NAME,
        "greeting": sample("Generate a greeting", 50),
        "client_roots": types.ListRootsRequest(),
    }
    if set(wanted) - set(params.input_responses or {}):
        return types.InputRequiredResult(input_requests=wanted, request_state="asked")
    return said("all given")


@raw
async def test_input_required_result_multi_round(ctx: Any, params: types.CallToolRequestParams) -> Answer:
    """Asks twice."""
    if params.request_state == "second" and given(params, "step2", types.ElicitResult):
        return said("both given")
    if params.request_state == "first" and given(params, "step1", types.ElicitResult):
        step2 = ask("Step 2: What is your favorite color?", color="string")
        return types.InputRequiredResult(input_requests={"step2": step2}, request_state="second")
    step1 = ask("Step 1: What is your name?", name="string")
    return types.InputRequiredResult(input_requests={"step1": step1}, request_state="first")


@raw
async def test_input_required_result_capabilities(ctx: Any, params: types.CallToolRequestParams) -> Answer:
    """Asks for what the client can do."""
    can = ctx.session.client_capabilities or types.ClientCapabilities()
    wanted: dict[str, Any] = {}
    if can.sampling:
        wanted["question"] = CAPITAL
    if can.elicitation:
        wanted["user_name"] = NAME
    return types.InputRequiredResult(input_requests=wanted) if wanted else said("nothing to ask")


# Resources and prompts.


async def static(call: Call[Nothing]) -> Mapping[str, Any]:
    raise AssertionError("answered by the fixture")


async def data(call: Call[Nothing], name: str) -> Mapping[str, Any]:
    return {"id": name, "templateTest": True, "data": f"Data for ID: {name}"}


async def names(call: Call[Nothing], typed: str) -> Sequence[str]:
    return [name for name in ("123", "124") if name.startswith(typed)]


@asynccontextmanager
async def watch(backend: Nothing, uris: Sequence[str], changed: Changed) -> AsyncIterator[Sequence[str]]:
    """Watches all that there is; nothing ever changes."""
    yield [uri for uri in uris if uri in STATIC]


STATIC: dict[str, types.TextResourceContents | types.BlobResourceContents] = {
    "test://static-text": types.TextResourceContents(
        uri="test://static-text", mime_type="text/plain", text="This is the content of the static text resource."
    ),
    "test://static-binary": types.BlobResourceContents(uri="test://static-binary", mime_type="image/png", blob=PNG),
}

PROMPTS: dict[str, Callable[[dict[str, str]], list[types.ContentBlock]]] = {
    "test_prompt_with_embedded_resource": lambda given: [
        embedded(given.get("resourceUri", ""), "text/plain", "Embedded resource content for testing."),
        types.TextContent(text="Please process the embedded resource above."),
    ],
    "test_prompt_with_image": lambda given: [
        IMAGE,
        types.TextContent(text="Please analyze the image above."),
    ],
}


class Fixture(Instance[Nothing]):
    """An instance that knows the answers which the servers do not have."""

    def server(self) -> Server[Any]:
        server = super().server()
        # A client's echo of a state is only believed when it is sealed.
        server.middleware.append(RequestStateBoundary(RequestStateSecurity.ephemeral(), default_audience="fixture"))
        return server

    async def _list_tools(self, ctx: Any, params: Any) -> types.ListToolsResult:
        listed = await super()._list_tools(ctx, params)
        return types.ListToolsResult(tools=listed.tools + RAW_TOOLS)

    async def _call_tool(self, ctx: Any, params: types.CallToolRequestParams) -> Any:
        if answer := RAW.get(params.name):
            return await self._counted(params.name, lambda: _passed(answer(ctx, params)))
        return await super()._call_tool(ctx, params)

    async def _read_resource(self, ctx: Any, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        if content := STATIC.get(str(params.uri)):
            return types.ReadResourceResult(contents=[content])
        return await super()._read_resource(ctx, params)

    async def _get_prompt(self, ctx: Any, params: types.GetPromptRequestParams) -> Any:
        if make := PROMPTS.get(params.name):
            messages = [types.PromptMessage(role="user", content=c) for c in make(params.arguments or {})]
            return types.GetPromptResult(messages=messages)
        if params.name == "test_input_required_result_prompt" and not params.input_responses:
            question = ask("What context should the prompt use?", context="string")
            return types.InputRequiredResult(input_requests={"user_context": question})
        return await super()._get_prompt(ctx, params)


async def _passed(answer: Awaitable[Answer]) -> Answer:
    return await answer


def prompt(name: str, text: str, arguments: dict[str, str] | None = None) -> Prompt:
    return Prompt(name, name, f"{name} of the suite.", [text], arguments or {}, "test_simple_text")


SIDECAR: Sidecar[None, Nothing] = Sidecar(
    name="mcp-fixture",
    title="Fixture",
    instructions="For the conformance suite.",
    settings=lambda env: None,
    connect=Nothing,
    tools=[test_tool_with_progress, test_error_handling, test_header_tool],
    resources=Resources(
        fixed=[Resource(uri, uri.rpartition("/")[2], "Of the suite.", static) for uri in STATIC],
        templates=[Template("test://template/", "id", "template", "Of the suite.", data, names, "/data")],
        watch=watch,
    ),
    prompts=[
        prompt("test_simple_prompt", "This is a simple prompt for testing."),
        prompt(
            "test_prompt_with_arguments",
            "Prompt with arguments: arg1='{arg1}', arg2='{arg2}'",
            {"arg1": "First test argument", "arg2": "Second test argument"},
        ),
        prompt("test_prompt_with_embedded_resource", "", {"resourceUri": "URI of the resource to embed"}),
        prompt("test_prompt_with_image", ""),
        prompt("test_input_required_result_prompt", "This prompt has its context."),
    ],
)

if __name__ == "__main__":
    servers.common.server.Instance = Fixture  # type: ignore[misc, assignment]
    begin()
    run(SIDECAR)
