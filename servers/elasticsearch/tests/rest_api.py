"""The whole REST API, as Elasticsearch's own client for Python has it, and what of it the policy allows."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import elasticsearch

from servers.common.protocol.tools import ToolError
from servers.elasticsearch.policy.rest_policy import RestEndpoint, endpoint


class Described(NamedTuple):
    """A request as a client describes it: each part of its path that varies is written {name}."""

    method: str
    path: str
    parameters: frozenset[str]
    body: frozenset[str]


def described(folder: Path) -> set[Described]:
    """All requests of a client's modules."""
    found = set()
    for file in sorted(folder.glob("*.py")):
        for function in ast.walk(ast.parse(file.read_text())):
            if isinstance(function, ast.FunctionDef):
                nodes = list(ast.walk(function))
                paths = [p for node in nodes if (p := _assigned(node, "__path"))]
                methods = [m for node in nodes if (m := _assigned(node, "__method") or _sent(node))]
                keys = {name: frozenset(_keys(nodes, name)) for name in ("__query", "__body")}
                found |= {Described(m, p, keys["__query"], keys["__body"]) for m in methods for p in paths}
    return found


@cache
def surface() -> list[Described]:
    """Every request of the REST API: of 8.19 as the installed client has it, and what 9 has besides, if it may be sent."""
    found = described(Path(str(elasticsearch.__file__)).parent / "_sync/client")
    for line in (Path(__file__).parent / "endpoints_of_9.txt").read_text().splitlines():
        request, parameters, body = line.split("|")
        method, path = request.split()
        found.add(Described(method, path, frozenset(parameters.split()), frozenset(body.split())))
    return sorted(found)


def specification() -> set[tuple[str, str]]:
    return {(request.method, request.path) for request in surface()}


def _keys(nodes: list[ast.AST], name: str) -> Iterator[str]:
    for node in nodes:
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant) and ast.unparse(target.value) == name:
            yield str(target.slice.value)


def _assigned(node: ast.AST, name: str) -> str:
    if not isinstance(node, ast.Assign) or not any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
        return ""
    value = node.value
    if isinstance(value, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else "{" + re.findall(r"\w+", ast.unparse(part))[-1] + "}"
            for part in value.values
        )
    return str(value.value) if isinstance(value, ast.Constant) else ""


def _sent(node: ast.AST) -> str:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "perform_request":
        return str(node.args[0].value) if node.args and isinstance(node.args[0], ast.Constant) else ""
    return ""


def allowed(method: str, path: str) -> RestEndpoint | None:
    """Return what the policy makes of a request with a value for each part of its path; None if it is refused."""
    try:
        return endpoint(method, re.sub(r"\{(\w+)\}", r"some-\1", path))
    except ToolError as refusal:
        assert "is refused: " in str(refusal)
        return None


def allowed_where_limited(method: str, path: str) -> RestEndpoint | None:
    """Return what is sent where MCP_INDEX_PATTERNS limits the server; None if it is refused there."""
    found = allowed(method, path)
    try:
        return found and found.limited({})
    except ToolError as refusal:
        assert "MCP_INDEX_PATTERNS; use " in str(refusal)
        return None
