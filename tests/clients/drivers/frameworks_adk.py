"""Hands the tools of a server to an agent of Google's Agent Development Kit, which calls one; see frameworks.py."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from google.adk.agents import LlmAgent
from google.adk.models import BaseLlm, LlmRequest, LlmResponse
from google.adk.runners import InMemoryRunner
from google.adk.tools.mcp_tool import McpToolset, StreamableHTTPConnectionParams
from google.genai import types

from tests.clients.drivers.converters import Seen, run


async def adk(url: str, tool: str, arguments: dict[str, Any]) -> AsyncIterator[Seen]:
    seen = Seen("google-adk", "", {})

    class Model(BaseLlm):
        async def generate_content_async(self, request: LlmRequest, stream: bool = False) -> AsyncIterator[LlmResponse]:
            declared = [one for given in request.config.tools for one in given.function_declarations]
            seen.tools = {one.name: one.parameters_json_schema for one in declared}
            result = request.contents[-1].parts[-1].function_response
            seen.called = result and result.response
            part = types.Part(text="done") if result else types.Part.from_function_call(name=tool, args=arguments)
            usage = types.GenerateContentResponseUsageMetadata(prompt_token_count=1, candidates_token_count=1)
            yield LlmResponse(content=types.Content(role="model", parts=[part]), usage_metadata=usage)

    toolset = McpToolset(connection_params=StreamableHTTPConnectionParams(url=url))
    await InMemoryRunner(LlmAgent(name="agent", model=Model(model="script"), tools=[toolset])).run_debug("hi", quiet=True)
    await toolset.close()
    yield seen


asyncio.run(run([adk]))
