"""What drivers in Python share: they read cases, do their steps in order, and print what the client saw.

Standard input is a line of JSON, a list of cases. A case says where the server is, and its steps: what to `do`, and with what.
Standard output is a line of JSON for each step, with what the client `saw`, or the words of the error that ended the case. What
it saw is a result as the protocol has it, or what an agent shows of it: the test reads both. The step `wait` reads a line before
it goes on: the server is restarted meanwhile.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

QUIET: dict[str, Any] = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "check": False}
"""How a program is run that asks nobody."""


def say(**line: Any) -> None:
    print(json.dumps(line), flush=True)


def words(error: BaseException) -> str:
    """Return what a person reads of an error: that of the first cause, where several are in a group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__


async def wait() -> str:
    return await asyncio.to_thread(sys.stdin.readline)


class Steps:
    """Steps that are made of calls of tools. A client has `call`, with a callback for progress."""

    call: Callable[..., Awaitable[Any]]

    async def progress(self, tool: str, arguments: dict[str, Any]) -> int:
        seen: list[float] = []

        async def note(done: float, total: float | None, message: str | None) -> None:
            seen.append(done)

        await self.call(tool, arguments, note)
        return len(seen)

    async def cancel(self, tool: str, arguments: dict[str, Any]) -> str:
        """Cancel a call that the server has begun."""
        begun = asyncio.Event()

        async def note(done: float, total: float | None, message: str | None) -> None:
            begun.set()

        call = asyncio.ensure_future(self.call(tool, arguments, note))
        await begun.wait()
        call.cancel()
        await asyncio.wait([call])
        return "cancelled" if call.cancelled() else "not cancelled"


class Asking(Steps):
    """Steps of clients that give results as JSON: `ask` takes the method of the protocol, and its parameters in their order."""

    ask: Callable[..., Awaitable[Any]]

    async def tools(self) -> Any:
        return await self.ask("tools/list")

    async def resources(self) -> Any:
        return await self.ask("resources/list")

    async def templates(self) -> Any:
        return await self.ask("resources/templates/list")

    async def prompts(self) -> Any:
        return await self.ask("prompts/list")

    async def resource(self, uri: str) -> Any:
        return await self.ask("resources/read", uri)

    async def prompt(self, name: str, arguments: dict[str, str]) -> Any:
        return await self.ask("prompts/get", name, arguments)

    async def call(self, tool: str, arguments: dict[str, Any], progress: Any = None) -> Any:
        return await self.ask("tools/call", tool, arguments, **({"progress_callback": progress} if progress else {}))


METHODS = {
    "tools/list": "list_tools", "tools/call": "call_tool", "resources/list": "list_resources", "resources/read": "read_resource",
    "resources/templates/list": "list_resource_templates", "prompts/list": "list_prompts", "prompts/get": "get_prompt",
    "completion/complete": "complete",
}  # fmt: skip


class Named(Asking):
    """Steps of clients whose methods have the names of the SDK for Python; some return what is listed, and no page."""

    def __init__(self, client: Any) -> None:
        self.client = client

    async def ask(self, method: str, *given: Any, **more: Any) -> Any:
        found = await getattr(self.client, METHODS[method])(*given, **more)
        if isinstance(found, list):
            return [one.model_dump(mode="json", by_alias=True) for one in found]
        return found.model_dump(mode="json", by_alias=True)


async def run(connect: Callable[[dict[str, Any]], AbstractAsyncContextManager[Any]]) -> None:
    """Run all cases. `connect` gives a client for a case, whose methods are named as the steps."""
    for number, case in enumerate(json.loads(await wait())):
        try:
            async with connect(case) as client:
                for step in case["steps"]:
                    step = dict(step)
                    name, do = step.pop("step"), step.pop("do")
                    say(case=number, step=name, saw=await (wait() if do == "wait" else getattr(client, do)(**step)))
        except Exception as error:
            say(case=number, error=words(error))
