"""The policy of es_request over the whole REST API, as Elasticsearch's own client for Python has it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import elasticsearch
import pytest

from servers.common.protocol.tools import ToolError
from servers.elasticsearch.policy.rest_policy import RestEndpoint, check_parameters, endpoint

GOLDEN = Path(__file__).parent / "endpoints_allowed.txt"
LIMITED = Path(__file__).parent / "endpoints_limited.txt"


def specification() -> set[tuple[str, str]]:
    """Method and path of every request, each part that varies written {name}."""
    found = set()
    folder = Path(str(elasticsearch.__file__)).parent / "_sync/client"
    for file in sorted(folder.glob("*.py")):
        for function in ast.walk(ast.parse(file.read_text())):
            if isinstance(function, ast.FunctionDef):
                paths = [p for node in ast.walk(function) if (p := _assigned(node, "__path"))]
                methods = [m for node in ast.walk(function) if (m := _assigned(node, "__method") or _sent(node))]
                found |= {(method, path) for method in methods for path in paths}
    return found


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


def allowed(method: str, path: str) -> bool:
    try:
        endpoint(method, re.sub(r"\{(\w+)\}", r"some-\1", path))
    except ToolError as refusal:
        assert "is refused: " in str(refusal)
        return False
    return True


def test_every_request_is_allowed_or_refused_as_was_decided() -> None:
    """Whoever changes the golden file has looked at what each request does."""
    known = specification()
    assert len(known) > 600
    found = sorted(f"{method} {path}" for method, path in known if allowed(method, path))
    assert found == GOLDEN.read_text().splitlines()


def test_what_is_allowed_under_patterns_of_indices_is_about_those_or_about_none() -> None:
    """Whoever changes the golden file has looked at which indices an answer shows."""
    found = []
    for line in GOLDEN.read_text().splitlines():
        method, path = line.split(" ")
        try:
            limited = endpoint(method, re.sub(r"\{(\w+)\}", r"some-\1", path)).limited({})
        except ToolError as refusal:
            assert "MCP_INDEX_PATTERNS" in str(refusal) and "; use " in str(refusal)
            continue
        replaced = RestEndpoint(limited.pattern, limited.of("a,b")).indices
        assert replaced == ["a,b"] * len(limited.indices), "each of its indices is replaced"
        found.append(line)
    assert found == LIMITED.read_text().splitlines()


def test_nothing_that_changes_or_tells_secrets_is_allowed() -> None:
    for method, path in specification():
        if method in ("PUT", "DELETE", "PATCH") or re.match(r"/_(security|watcher|connector|ssl)\b", path):
            assert not allowed(method, path), (method, path)
    words = (
        "_bulk _close _open _delete _update _reindex _rollover _clear _flush _refresh _forcemerge _restore _start _stop"
    )
    for line in GOLDEN.read_text().splitlines():
        assert not set(line.split(" ")[1].split("/")) & set(words.split()), line


@pytest.mark.parametrize(
    ("method", "path", "reason"),
    [
        ("DELETE", "/books", "only GET and POST"),
        ("POST", "/books/_delete_by_query", "not known to read only"),
        ("POST", "/books/_doc", "not known to read only"),
        ("GET", "/_security/user", "may hold secrets"),
        ("GET", "/books/_search", "send it by POST"),
        ("POST", "/_scripts/painless/_execute", "scripts"),
        ("POST", "/_search/template", "templates are not run"),
        ("POST", "/_search/scroll", "not known"),
        ("POST", "/_query", "es_query"),
        ("GET", "/_cluster/state", "not known"),
        ("GET", "books", "not a path"),
        ("GET", "/books/../_security/user", "not a path"),
        ("GET", "/books/%2e%2e/_security/user", "not a path"),
        ("GET", "//_security/user", "not a path"),
        ("GET", "/_cat/indices?format=json", "not a path"),
        ("GET", "/books/_stats#x", "not a path"),
        ("GET", "/_nodes/_local/../../_security", "not a path"),
    ],
)
def test_what_is_refused_says_why(method: str, path: str, reason: str) -> None:
    with pytest.raises(ToolError, match=reason):
        endpoint(method, path)


def test_what_of_a_path_names_indices() -> None:
    assert endpoint("GET", "/logs-*,b/_stats/docs").indices == ["logs-*,b"]
    assert endpoint("GET", "/_cluster/state/metadata/books").indices == ["books"]
    assert endpoint("POST", "/_search").indices == []
    assert endpoint("GET", "/_all/_mapping").indices == ["_all"]


@pytest.mark.parametrize("name", ["scroll", "source", "refresh", "format"])
def test_parameters_that_are_refused(name: str) -> None:
    with pytest.raises(ToolError, match=f"parameter {name} is refused"):
        check_parameters({name: "1"})
