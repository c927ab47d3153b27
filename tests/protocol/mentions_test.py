"""No text of a server can tell of a tool that is not listed: each clause that names one can be left out."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from servers.common.protocol.mentions import Mentions
from servers.elasticsearch.server import SIDECAR as ELASTICSEARCH
from servers.redis.server import SIDECAR as REDIS

NONE = Mentions([tool.name for sidecar in (ELASTICSEARCH, REDIS) for tool in sidecar.tools], lambda name: False)


def text_of(node: ast.expr) -> str:
    """Return a text of the source, with an x for each value in it; empty for what is none."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part) if isinstance(part, ast.Constant) else "x" for part in node.values)
    return ""


def texts() -> Iterator[tuple[str, str]]:
    """Yields texts that name tools, and where they are; instructions, descriptions and prompts apart."""
    for file in sorted(Path("servers").rglob("*.py")):
        if "tests" in file.parts or file.name in ("server.py", "prompts.py"):
            continue
        parts: set[ast.expr] = set()
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts |= set(node.values)
            if isinstance(node, ast.Expr) or (isinstance(node, ast.keyword) and node.arg == "description"):
                parts.add(node.value)
            if isinstance(node, ast.expr) and node not in parts and NONE.unlisted(text := text_of(node)):
                yield f"{file}:{node.lineno}", text


@pytest.mark.parametrize(("place", "text"), [pytest.param(*found, id=found[0]) for found in texts()])
def test_what_names_a_tool_can_be_left_out(place: str, text: str) -> None:
    """The texts of tables stand behind others."""
    told = NONE.told(text if NONE.told(text) != text else f"it is refused: {text}")
    assert not NONE.unlisted(told), f"{place}: put the tool's name behind ; or : in {text!r}"


def test_descriptions_can_leave_other_tools_out() -> None:
    for tool in (*ELASTICSEARCH.tools, *REDIS.tools):
        schema = tool.input_schema["properties"].values()
        texts = [tool.definition.description or "", *(part.get("description", "") for part in schema)]
        assert not [text for text in texts if NONE.unlisted(NONE.told(text))], tool.name


def test_instructions_can_leave_all_tools_out() -> None:
    for sidecar in (ELASTICSEARCH, REDIS):
        assert not NONE.unlisted(NONE.told(sidecar.instructions))
        for prompt in sidecar.prompts:
            for step in prompt.steps:
                assert prompt.tool in step or not NONE.unlisted(NONE.steps(step)), (prompt.name, step)
