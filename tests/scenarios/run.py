"""Asks the questions of a server, and counts what its answers cost."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp import Client, StdioServerParameters
from mcp_types import TextContent

from servers.common.tools import size
from tests.scenarios.questions import QUESTIONS, Question, Step
from tools.backends.redis import RedisServer
from tools.backends.runfiles import program
from tools.backends.sidecar import Sidecar
from tools.dataset.load import load_redis


@dataclass(frozen=True)
class Cost:
    """Of a question: calls, and the bytes of their arguments and of the text that came back."""

    calls: int
    bytes: int
    results: Sequence[Any]


@dataclass(frozen=True)
class Session:
    """What a server cost: its list of tools once, in bytes, and each question that it can answer."""

    tools: int
    listing: int
    costs: dict[str, Cost]

    def total(self, questions: Sequence[Question]) -> int:
        """Bytes of the list of tools and of these questions."""
        return self.listing + sum(self.costs[question.text].bytes for question in questions)


@asynccontextmanager
async def ours(folder: Path) -> AsyncIterator[Client]:
    """Our sidecar over a Redis with the data set."""
    with RedisServer() as server:
        load_redis(server.port)
        env = {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(server.port), "MCP_ALLOW_WRITES": "true"}
        with Sidecar("servers.redis", env, folder) as sidecar:
            sidecar.wait_until_ready()
            async with Client(sidecar.url + "/mcp") as client:
                yield client


@asynccontextmanager
async def peer() -> AsyncIterator[Client]:
    """redis-mcp-server over a Redis with the data set."""
    with RedisServer() as server:
        load_redis(server.port)
        parameters = StdioServerParameters(
            command=str(program("PEER")),
            args=["--url", f"redis://127.0.0.1:{server.port}/0"],
            env={"LIBSTDCXX": str(program("LIBSTDCXX"))},
        )
        async with Client(parameters, mode="legacy") as client:
            yield client


async def ask(client: Client, steps: Sequence[Step], *, structured: bool) -> Cost:
    """Makes the calls of a question.

    Args:
        structured: whether results are the structured content, or the text as it is

    Raises:
        AssertionError: a call failed.
    """
    results: list[Any] = []
    count = 0
    for step in steps:
        tool, arguments = step(results) if callable(step) else step
        answer = await client.call_tool(tool, arguments)
        text = "".join(part.text for part in answer.content if isinstance(part, TextContent))
        assert not answer.is_error, f"{tool}: {text}"
        results.append(answer.structured_content if structured else text)
        count += len(tool) + size(arguments) + len(text.encode())
    return Cost(len(steps), count, results)


async def session(client: Client, *, mine: bool) -> Session:
    """All questions that a server can answer, in order."""
    tools = (await client.list_tools()).tools
    listing = size({"tools": [t.model_dump(by_alias=True, exclude_none=True, mode="json") for t in tools]})
    costs = {}
    for question in QUESTIONS:
        if steps := question.ours if mine else question.peer:
            costs[question.text] = await ask(client, steps, structured=mine)
    return Session(len(tools), listing, costs)


def report(mine: Session, other: Session) -> str:
    """Both side by side, in Markdown."""
    both = [question for question in QUESTIONS if question.peer]
    lines = [
        "| question | calls | bytes | redis-mcp-server: calls | bytes |",
        "|---|---|---|---|---|",
        f"| *list of tools ({mine.tools} and {other.tools})* | 1 | {mine.listing} | 1 | {other.listing} |",
    ]
    for question in QUESTIONS:
        cost, peers = mine.costs[question.text], other.costs.get(question.text)
        theirs = f"{peers.calls} | {peers.bytes}" if peers else "| can't"
        lines.append(f"| {question.text} | {cost.calls} | {cost.bytes} | {theirs} |")
    own, its = mine.total(both), other.total(both)
    lines.append(f"| **list and the {len(both)} that both can answer** | | **{own}** | | **{its}** |")
    lines += [
        "",
        f"Ours need {own / its:.2f} of its bytes; {len(QUESTIONS) - len(both)} questions only ours can answer.",
    ]
    return "\n".join(lines)


async def compare(folder: Path) -> tuple[Session, Session]:
    """Both servers, each over a Redis of its own with the same data."""
    async with ours(folder) as client:
        mine = await session(client, mine=True)
    async with peer() as client:
        return mine, await session(client, mine=False)


def main() -> None:
    """Prints the report."""
    with tempfile.TemporaryDirectory() as folder:
        mine, other = asyncio.run(compare(Path(folder)))
    print(report(mine, other))


if __name__ == "__main__":
    main()
