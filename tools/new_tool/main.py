"""bazel run //tools:new_tool -- --server redis NAME: create the skeleton of a tool, with a test that passes.

It writes `tools/NAME.py` and `tests/NAME_test.py` of the server, and adds the tool to `server.py` and to the list in
`tests/conftest.py`.
"""

import argparse
import keyword
import os
import re
import sys
from pathlib import Path
from typing import NamedTuple


class Server(NamedTuple):
    """What differs between the servers."""

    prefix: str
    """Begins the names of its tools."""
    tool: str
    """Module of a new tool; {tool} stands for its name."""
    test: str
    """Test of a new tool."""


SERVERS = {
    "redis": Server(
        "redis_",
        '''"""{tool}: describe it here in one line."""

from typing_extensions import TypedDict

from servers.common.protocol.tools import Call, tool
from servers.redis.policy.key_scope import ScopedRedis


class Answer(TypedDict):
    type: str


@tool(title="Describe a key")
async def {tool}(call: Call[ScopedRedis], *, key: str) -> Answer:
    """Return the type of a key. Models read this text: say what the tool does, and when to use it."""
    name = call.backend.scope.key(key)
    return {{"type": (await call.backend.read("TYPE", name)).decode()}}
''',
        '''"""{tool} against a real Redis."""

from mcp import Client
from redis import Redis

from servers.redis.tests.conftest import error, ok

SETTINGS = {{"MCP_KEY_PREFIXES": "app:"}}


async def test_it_answers(client: Client, redis: Redis) -> None:
    redis.rpush("app:list", 1)
    assert await ok(client, "{tool}", key="app:list") == {{"type": "list"}}


async def test_a_key_outside_the_prefixes_is_refused(client: Client, redis: Redis) -> None:
    redis.set("other", 1)
    assert "'app:'" in await error(client, "{tool}", key="other")
''',
    ),
    "elasticsearch": Server(
        "es_",
        '''"""{tool}: describe it here in one line."""

from __future__ import annotations

from typing_extensions import TypedDict

from servers.common.protocol.tools import Call, tool
from servers.elasticsearch.client.backend import path
from servers.elasticsearch.policy.index_names import IndexName, within
from servers.elasticsearch.policy.index_scope import ScopedElasticsearch


class Answer(TypedDict):
    documents: int


@tool(title="Count documents")
async def {tool}(call: Call[ScopedElasticsearch], *, index: IndexName) -> Answer:
    """Count the documents of an index. Models read this text: say what the tool does, and when to use it."""
    index = await within(call.backend, index)
    answer = await call.backend.read("GET", path(index, "_count"))
    return {{"documents": answer["count"]}}
''',
        '''"""{tool} against a real Elasticsearch."""

from collections.abc import AsyncIterator

import pytest
from mcp import Client

from servers.elasticsearch.tests.conftest import error, fill, ok
from tools.backends.elasticsearch import ElasticsearchNode as Node
from tools.backends.sidecar import Sidecar

SETTINGS = {{"MCP_INDEX_PATTERNS": "app-*"}}


@pytest.fixture
async def client(sidecar: Sidecar, es: Node) -> AsyncIterator[Client]:
    fill(es, "app-a", {{"1": {{"title": "a"}}}})
    fill(es, "other", {{"1": {{"title": "b"}}}})
    async with Client(sidecar.url + "/mcp") as connected:
        yield connected


async def test_it_answers(client: Client) -> None:
    assert await ok(client, "{tool}", index="app-a") == {{"documents": 1}}


async def test_an_index_outside_the_patterns_is_refused(client: Client) -> None:
    assert "app-*" in await error(client, "{tool}", index="other")
''',
    ),
}


LONGEST = 40
"""Characters of a name: the lines that import it fit, and clients refuse more than 64 with their own prefix."""


class Refused(Exception):
    """Nothing was created; the message says why."""


def insert(text: str, pattern: str, line: str, file: Path) -> str:
    """Return a file's text with a line inserted before the last match of a pattern, or raise Refused if nothing matches."""
    found = list(re.finditer(pattern, text, re.MULTILINE))
    if not found:
        raise Refused(f"{file} has no line like {pattern!r}: add the tool there yourself")
    return text[: found[-1].start()] + line + text[found[-1].start() :]


def create(tree: Path, server: str, tool: str) -> list[Path]:
    """Create a tool's module and test, and add it to the files that list tools.

    Return the files that were created or changed, relative to the tree. Refused: the name, such as redis_idle, does not fit or
    is taken, and nothing was changed.
    """
    kind = SERVERS[server]
    name = tool.removeprefix(kind.prefix)
    fits = re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) and len(name) <= LONGEST
    if not fits or name == tool or keyword.iskeyword(name):
        raise Refused(
            f"{tool!r}: a tool of {server} is called {kind.prefix}NAME, where NAME has at most {LONGEST} lower-case letters, "
            "digits and _, and is not a keyword of Python"
        )
    folder = Path("servers", server)
    module, test = folder / f"tools/{name}.py", folder / f"tests/{name}_test.py"
    entry, listing = folder / "server.py", folder / "tests/conftest.py"
    text = (tree / entry).read_text()
    taken = [str(file) for file in (module, test) if (tree / file).exists()]
    if taken or re.search(rf"\b{tool}\b", text):
        raise Refused(f"{tool} is taken: see {', '.join(taken or [str(entry)])}")
    text = insert(text, r"^    \],$", f"        {tool},\n", entry)
    text = insert(text, r"^SIDECAR = ", f"from servers.{server}.tools.{name} import {tool}\n", entry)
    imports = sorted(re.findall(r"^from servers\..*\n", text, re.MULTILINE))
    before, after = text[: text.index("from servers.")], text[text.rindex("\nSIDECAR = ") :]
    changed = {
        module: kind.tool.format(tool=tool),
        test: kind.test.format(tool=tool),
        entry: before + "".join(imports) + after,
        listing: insert((tree / listing).read_text(), r"(?<=^READING = \[)", f'"{tool}",\n           ', listing),
    }
    for file, content in changed.items():
        (tree / file).write_text(content)
    return list(changed)


def main() -> None:
    parser = argparse.ArgumentParser(prog="new_tool", description="Create the skeleton of a tool, with its test.")
    parser.add_argument("--server", required=True, choices=sorted(SERVERS))
    parser.add_argument("name", metavar="NAME", help="of the tool, such as redis_idle or es_shards")
    given = parser.parse_args()
    try:
        files = create(Path(os.environ.get("BUILD_WORKSPACE_DIRECTORY", ".")), given.server, given.name)
    except Refused as error:
        sys.exit(f"new_tool: {error}")
    for file in files:
        print(f"new_tool: {file}")
    print(f"new_tool: now run `./bazelw test //servers/{given.server}/tests:{Path(files[1]).stem}`; see CONTRIBUTING.md")


if __name__ == "__main__":
    main()
