"""Hands the tools of a server to libraries on release 2 of the MCP SDK, and calls one through each.

Standard input: {url, tool, arguments}; standard output: a line of JSON for each library, as converters.py says.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import boto3
from agents import Agent, RunContextWrapper
from agents.mcp import MCPServerStreamableHttp, MCPUtil
from agents.tool_context import ToolContext
from anthropic.lib.tools.mcp import async_mcp_tool
from botocore.stub import Stubber
from google.genai import types
from llama_index.tools.mcp import BasicMCPClient, McpToolSpec
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from pydantic_ai import Agent as PydanticAgent
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from strands.tools.mcp import MCPClient

from tests.clients.drivers.converters import Seen, run


async def openai_agents(url: str, tool: str, arguments: dict[str, Any]) -> AsyncIterator[Seen]:
    agent = Agent(name="agent")
    async with MCPServerStreamableHttp(params={"url": url}) as server:
        for strict in (False, True):
            found: list[Any] = await MCPUtil.get_function_tools(server, strict, RunContextWrapper(None), agent)
            text = json.dumps(arguments)
            context = ToolContext(None, tool_name=tool, tool_call_id="1", tool_arguments=text)
            called = await next(one for one in found if one.name == tool).on_invoke_tool(context, text)
            tools = {one.name: one.params_json_schema for one in found}
            yield Seen("openai-agents", "strict" if strict else "", tools, called)


async def anthropic_sdk(url: str, tool: str, arguments: dict[str, Any]) -> AsyncIterator[Seen]:
    async with Client(url) as client:
        listed = (await client.list_tools()).tools
        found = {one.name: async_mcp_tool(one, client.session) for one in listed}
        tools = {name: one.to_dict()["input_schema"] for name, one in found.items()}
        yield Seen("anthropic", "", tools, await found[tool].call(arguments))
        yield Seen("anthropic", "strict", {name: anthropic.transform_schema(one) for name, one in tools.items()})


async def google_genai(url: str, tool: str, arguments: dict[str, Any]) -> AsyncIterator[Seen]:
    async with Client(url) as client:
        tools = {}
        for one in (await client.list_tools()).tools:
            schema = types.Schema.from_json_schema(json_schema=types.JSONSchema.model_validate(one.input_schema))
            declared = types.FunctionDeclaration(name=one.name, description=one.description, parameters=schema)
            tools[one.name] = declared.model_dump(mode="json", exclude_none=True)["parameters"]
        yield Seen("google-genai", "", tools)


async def strands(url: str, tool: str, arguments: dict[str, Any]) -> AsyncIterator[Seen]:
    def ask() -> Seen:
        with MCPClient(lambda: streamable_http_client(url)) as client:
            found = {one.tool_name: one.tool_spec for one in client.list_tools_sync()}
            called: Any = client.call_tool_sync("1", tool, arguments)
            # Bedrock's own model of Converse checks what is sent to it.
            login = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
            bedrock = boto3.client("bedrock-runtime", region_name="us-east-1", **login)
            with Stubber(bedrock) as stub:
                end = {
                    "output": {"message": {"role": "assistant", "content": []}},
                    "stopReason": "end_turn",
                    "metrics": {"latencyMs": 1},
                }
                stub.add_response("converse", end | {"usage": dict.fromkeys(("inputTokens", "outputTokens", "totalTokens"), 1)})
                specs = [{key: spec[key] for key in ("name", "description", "inputSchema")} for spec in found.values()]
                bedrock.converse(modelId="model", toolConfig={"tools": [{"toolSpec": spec} for spec in specs]})
            tools = {name: spec["inputSchema"]["json"] for name, spec in found.items()}
            return Seen("strands-agents", "Bedrock Converse", tools, called["content"])

    yield await asyncio.to_thread(ask)


async def pydantic_ai(url: str, tool: str, arguments: dict[str, Any]) -> AsyncIterator[Seen]:
    tools: dict[str, Any] = {}
    returned: list[Any] = []

    def model(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        tools.update({one.name: one.parameters_json_schema for one in info.function_tools})
        returned.extend(part.content for part in messages[-1].parts if isinstance(part, ToolReturnPart))
        return ModelResponse(parts=[TextPart("done") if returned else ToolCallPart(tool, arguments)])

    await PydanticAgent(FunctionModel(model), toolsets=[MCPToolset(url)]).run("hello")
    yield Seen("pydantic-ai", "", tools, returned)


async def llama_index(url: str, tool: str, arguments: dict[str, Any]) -> AsyncIterator[Seen]:
    found = {one.metadata.name: one for one in await McpToolSpec(BasicMCPClient(url)).to_tool_list_async()}
    tools = {name: one.metadata.get_parameters_dict() for name, one in found.items()}
    yield Seen("llama-index-tools-mcp", "", tools, (await found[tool].acall(**arguments)).raw_output)


asyncio.run(run([openai_agents, anthropic_sdk, google_genai, strands, pydantic_ai, llama_index]))
