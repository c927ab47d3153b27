"""Asks the questions of a server, and counts what its answers cost.

What the other server of a page costs was measured once, for the release that the page names: its columns are kept.
"""

import argparse
import asyncio
import os
import re
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
    """What the server cost: its list of tools once, in bytes, and each question."""

    tools: int
    listing: int
    costs: dict[str, Cost]


async def ask(client: Client, steps: Sequence[Step]) -> Cost:
    """Make the calls of a question. One that fails is an AssertionError."""
    results: list[Any] = []
    count = 0
    for tool, arguments in calls(steps, results):
        answer = await client.call_tool(tool, arguments)
        text = "".join(part.text for part in answer.content if isinstance(part, TextContent))
        assert not answer.is_error, f"{tool}: {text}"
        results.append(answer.structured_content)
        count += len(tool) + size(arguments) + len(text.encode())
    return Cost(len(results), count, results)


async def session(client: Client, questions: Sequence[Question], look: Callable[[str], Any]) -> Session:
    """Ask all questions in order. An AssertionError has all wrong answers; `look` asks the store itself."""
    tools = (await client.list_tools()).tools
    listing = size({"tools": [t.model_dump(by_alias=True, exclude_none=True, mode="json") for t in tools]})
    costs: dict[str, Cost] = {}
    wrong = []
    for question in questions:
        try:
            cost = costs[question.ask] = await ask(client, question.ours)
            results = cost.results if isinstance(question.answer, list) else cost.results[-1]
            assert holds(question.answer, results), f"{cost.results}"
            for words, expected in question.store.items():
                found = look(words)
                assert holds(expected, found), f"the store says of {words}: {found}"
        except AssertionError as error:
            wrong.append(f"{question.ask} {error}"[:2000])
    assert not wrong, "\n".join(wrong)
    return Session(len(tools), listing, costs)


def rows(page: str) -> dict[str, list[str]]:
    """Read the table of a page: calls and bytes of ours and of the other, by question."""
    lines = page[page.index(HEAD) :].splitlines()[2:]
    cells = [[cell.strip(" *") for cell in line.split("|")[1:-1]] for line in lines if line.startswith("| ")]
    return {name: row for name, *row in cells}


def report(page: str, mine: Session) -> str:
    """Show what the server costs, in Markdown, beside what the page says of the other one."""
    before = rows(page)
    listed = next(name for name in before if name.startswith("list of tools"))
    its_tools, its_listing = listed.removesuffix(")").rpartition(" ")[2], int(before[listed][3])
    lines = [
        *re.findall(rf"^{re.escape(HEAD)}.*\n.*", page, re.M),
        f"| *list of tools ({mine.tools} and {its_tools})* | 1 | {mine.listing} | 1 | {its_listing} |",
    ]
    both: list[tuple[int, int]] = []
    for name, cost in mine.costs.items():
        its_calls, its_bytes = before[name][2:] if name in before else ("", "not asked")
        if its_bytes.isdigit():
            both.append((cost.bytes, int(its_bytes)))
        lines.append(f"| {name} | {cost.calls} | {cost.bytes} | {its_calls} | {its_bytes} |".replace("|  |", "| |"))
    own, its = map(sum, zip(*both, strict=True))
    ratios = []
    for title, ours, others in (
        (f"the {len(both)} that both can answer", own, its),
        ("these and the list", own + mine.listing, its + its_listing),
    ):
        ratios.append(f"{ours / others:.2f}")
        lines.append(f"| **{title}** | | **{ours}** | | **{others}** |")
    median = statistics.median(one / other for one, other in both)
    lines += [
        "",
        f"Ours needs {ratios[0]} of its bytes for the questions, and {ratios[1]} with the list; {median:.2f} for the median "
        f"question. Of {len(mine.costs)} questions, it cannot answer {len(mine.costs) - len(both)}.",
    ]
    return "\n".join(lines) + "\n"


async def measure(store: Store, folder: Path) -> Session:
    """Ask the server over a store that is filled anew."""
    with store.start() as (port, load, look):
        load()
        with Sidecar(store.server, store.settings(port) | {"MCP_ALLOW_WRITES": "true"}, folder) as sidecar:
            async with Client(sidecar.url + "/mcp") as client:
                return await session(client, store.questions, look)


def main() -> None:
    """Write the tables of docs/benchmarks anew."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("store", choices=STORES, nargs="?", help="default: both")
    chosen = parser.parse_args().store
    for name in [chosen] if chosen else STORES:
        page = Path(os.environ.get("BUILD_WORKSPACE_DIRECTORY", "."), "docs/benchmarks", f"{name}-questions.md")
        text = page.read_text()
        with tempfile.TemporaryDirectory() as folder:
            table = report(text, asyncio.run(measure(STORES[name], Path(folder))))
        page.write_text(text.partition(HEAD)[0] + table)
        print(f"{page}\n{table}")


if __name__ == "__main__":
    main()
