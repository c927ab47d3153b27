"""Asks the questions of a server, and counts what its answers cost."""

import argparse
import asyncio
import os
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp import Client
from mcp_types import TextContent

from servers.common.protocol.tools import size
from tests.scenarios.question import Question, Step, calls, holds
from tests.scenarios.stores import STORES, Store
from tools.backends.sidecar import Sidecar

HEAD = "| question | calls | bytes |"
"""Begins the table of a page; all from here on is made anew."""


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
        """Add up the bytes of these questions."""
        return sum(self.costs[question.ask].bytes for question in questions)

    def total(self, questions: Sequence[Question]) -> int:
        """Add up the bytes of the list of tools and of these questions."""
        return self.listing + self.answers(questions)


async def ask(client: Client, steps: Sequence[Step], *, structured: bool) -> Cost:
    """Make the calls of a question.

    Args:
        structured: whether results are the structured content, or the text as it is

    Raises:
        AssertionError: a call failed.
    """
    results: list[Any] = []
    count = 0
    for tool, arguments in calls(steps, results):
        answer = await client.call_tool(tool, arguments)
        text = "".join(part.text for part in answer.content if isinstance(part, TextContent))
        assert not answer.is_error, f"{tool}: {text}"
        results.append(answer.structured_content if structured else text)
        count += len(tool) + size(arguments) + len(text.encode())
    return Cost(len(results), count, results)


async def session(client: Client, questions: Sequence[Question], look: Callable[[str], Any], *, mine: bool) -> Session:
    """Ask all questions that a server can answer, in order, and check each answer.

    Args:
        look: asks the store itself

    Raises:
        AssertionError: an answer is not right; the message has all that are not.
    """
    tools = (await client.list_tools()).tools
    listing = size({"tools": [t.model_dump(by_alias=True, exclude_none=True, mode="json") for t in tools]})
    costs: dict[str, Cost] = {}
    wrong = []
    for question in questions:
        if not (steps := question.ours if mine else question.peer):
            continue
        try:
            cost = costs[question.ask] = await ask(client, steps, structured=mine)
            _check(question, cost.results, look, mine=mine)
        except AssertionError as error:
            wrong.append(f"{question.ask} {error}"[:2000])
    assert not wrong, "\n".join(wrong)
    return Session(len(tools), listing, costs)


def _check(question: Question, results: Sequence[Any], look: Callable[[str], Any], *, mine: bool) -> None:
    if mine:
        answers = (question.answer, results) if isinstance(question.answer, list) else (question.answer, results[-1])
        assert holds(*answers), f"{results}"
    else:
        said = "\n".join(results)
        assert not (missing := [part for part in question.says if part not in said]), f"{missing} not in {said}"
    for words, expected in question.store.items():
        found = look(words)
        assert holds(expected, found), f"the store says of {words}: {found}"


def report(store: Store, mine: Session, other: Session) -> str:
    """Show both side by side, in Markdown."""
    both = [question for question in store.questions if question.peer]
    lines = [
        f"{HEAD} {store.peer}: calls | bytes |",
        "|---|---|---|---|---|",
        f"| *list of tools ({mine.tools} and {other.tools})* | 1 | {mine.listing} | 1 | {other.listing} |",
    ]
    for question in store.questions:
        cost, peers = mine.costs[question.ask], other.costs.get(question.ask)
        theirs = f"{peers.calls} | {peers.bytes}" if peers else "| cannot"
        lines.append(f"| {question.ask} | {cost.calls} | {cost.bytes} | {theirs} |")
    rows = {f"the {len(both)} that both can answer": Session.answers, "these and the list": Session.total}
    ratios = []
    for name, bytes in rows.items():
        own, its = bytes(mine, both), bytes(other, both)
        ratios.append(f"{own / its:.2f}")
        lines.append(f"| **{name}** | | **{own}** | | **{its}** |")
    median = statistics.median(mine.costs[q.ask].bytes / other.costs[q.ask].bytes for q in both)
    lines += [
        "",
        f"Ours needs {ratios[0]} of its bytes for the questions, and {ratios[1]} with the list; {median:.2f} for the median "
        f"question. Of {len(store.questions)} questions, it cannot answer {len(store.questions) - len(both)}.",
    ]
    return "\n".join(lines) + "\n"


async def compare(store: Store, folder: Path) -> tuple[Session, Session]:
    """Ask both servers over one store, which is filled anew for each.

    Args:
        folder: for logs
    """
    with store.start() as (port, load, look):
        load()
        async with Client(store.parameters(port), mode="legacy") as client:
            other = await session(client, store.questions, look, mine=False)
        load()
        with Sidecar(store.server, store.settings(port) | {"MCP_ALLOW_WRITES": "true"}, folder) as sidecar:
            sidecar.wait_until_ready()
            async with Client(sidecar.url + "/mcp") as client:
                return await session(client, store.questions, look, mine=True), other


def main() -> None:
    """Write the tables of docs/benchmarks anew."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("store", choices=STORES, nargs="?", help="default: both")
    chosen = parser.parse_args().store
    for name in [chosen] if chosen else STORES:
        with tempfile.TemporaryDirectory() as folder:
            table = report(STORES[name], *asyncio.run(compare(STORES[name], Path(folder))))
        root = Path(os.environ.get("BUILD_WORKSPACE_DIRECTORY", "."))
        page = root / "docs/benchmarks" / f"{name}-questions.md"
        before, _, _ = page.read_text().partition(HEAD)
        page.write_text(before + table)
        print(f"{page}\n{table}")


if __name__ == "__main__":
    main()
