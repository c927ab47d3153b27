"""Asks the questions of a server, and counts what its answers cost."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp import Client
from mcp_types import TextContent

from servers.common.protocol.tools import size
from tests.scenarios.question import Question, Step
from tests.scenarios.stores import STORES, Store
from tools.backends.sidecar import Sidecar


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

    def answers(self, questions: Sequence[Question]) -> int:
        """Bytes of these questions."""
        return sum(self.costs[question.text].bytes for question in questions)

    def total(self, questions: Sequence[Question]) -> int:
        """Bytes of the list of tools and of these questions."""
        return self.listing + self.answers(questions)


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


async def session(client: Client, questions: Sequence[Question], *, mine: bool) -> Session:
    """All questions that a server can answer, in order."""
    tools = (await client.list_tools()).tools
    listing = size({"tools": [t.model_dump(by_alias=True, exclude_none=True, mode="json") for t in tools]})
    costs = {}
    for question in questions:
        if steps := question.ours if mine else question.peer:
            costs[question.text] = await ask(client, steps, structured=mine)
    return Session(len(tools), listing, costs)


def report(store: Store, mine: Session, other: Session) -> str:
    """Both side by side, in Markdown."""
    both = [question for question in store.questions if question.peer]
    lines = [
        f"| question | calls | bytes | {store.peer}: calls | bytes |",
        "|---|---|---|---|---|",
        f"| *list of tools ({mine.tools} and {other.tools})* | 1 | {mine.listing} | 1 | {other.listing} |",
    ]
    for question in store.questions:
        cost, peers = mine.costs[question.text], other.costs.get(question.text)
        theirs = f"{peers.calls} | {peers.bytes}" if peers else "| can't"
        lines.append(f"| {question.text} | {cost.calls} | {cost.bytes} | {theirs} |")
    rows = {f"the {len(both)} that both can answer": Session.answers, "these and the list": Session.total}
    ratios = []
    for name, bytes in rows.items():
        own, its = bytes(mine, both), bytes(other, both)
        ratios.append(f"{own / its:.2f}")
        lines.append(f"| **{name}** | | **{own}** | | **{its}** |")
    lines += [
        "",
        f"Ours need {ratios[0]} of its bytes for the questions, and {ratios[1]} with the list; "
        f"{len(store.questions) - len(both)} questions only ours can answer.",
    ]
    return "\n".join(lines)


async def compare(store: Store, folder: Path) -> tuple[Session, Session]:
    """Both servers, each over a store of its own with the same data."""
    with store.start() as port:
        env = store.settings(port) | {"MCP_ALLOW_WRITES": "true"}
        with Sidecar(store.server, env, folder) as sidecar:
            sidecar.wait_until_ready()
            async with Client(sidecar.url + "/mcp") as client:
                mine = await session(client, store.questions, mine=True)
    with store.start() as port:
        async with Client(store.parameters(port), mode="legacy") as client:
            return mine, await session(client, store.questions, mine=False)


def main() -> None:
    """Prints the report of a store."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("store", choices=STORES)
    store = STORES[parser.parse_args().store]
    with tempfile.TemporaryDirectory() as folder:
        mine, other = asyncio.run(compare(store, Path(folder)))
    print(report(store, mine, other))


if __name__ == "__main__":
    main()
