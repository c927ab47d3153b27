"""Libraries that hand tools to models keep each tool's arguments, with their types and which are required, and call it."""

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tools.backends.elasticsearch import ElasticsearchNode
from tools.backends.process import ran
from tools.backends.redis import RedisServer
from tools.backends.runfiles import program
from tools.backends.sidecar import Sidecar, message

CALLS: dict[str, dict[str, Any]] = {
    "redis": {"tool": "redis_transaction", "arguments": {"commands": [["SET", "n", "1"], ["INCRBY", "n", "2"]]}},
    "elasticsearch": {
        "tool": "es_search",
        "arguments": {"index": "orders", "query": {"bool": {"filter": [{"range": {"n": {"gte": 2}}}]}}},
    },
}
"""A call of each server, with arguments in arguments."""

ANSWERS = {"redis": '"replies":["OK",3]', "elasticsearch": '"hits":[{"id":"2"'}

OWN = ("Failed to discover OAuth", "Failed to configure mTLS")
"""What libraries warn of with every server that needs no login, or without one at their maker's."""


@pytest.fixture(scope="module", params=CALLS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Sidecar]]:
    store: RedisServer | ElasticsearchNode = RedisServer() if request.param == "redis" else ElasticsearchNode()
    with store:
        if isinstance(store, ElasticsearchNode):
            for number in range(3):
                store.request("PUT", f"/orders/_doc/{number}?refresh=true", {"n": number})
        env = store.address | {"MCP_ALLOW_WRITES": "true"}
        with Sidecar(f"servers.{request.param}", env, tmp_path_factory.mktemp("server")) as running:
            yield request.param, running


def kinds(part: Mapping[str, Any], whole: Mapping[str, Any]) -> set[str]:
    """Return the types that a schema allows, in any of the libraries' spellings, without null."""
    if "$ref" in part:
        return kinds(whole["$defs"][part["$ref"].rpartition("/")[2]], whole)
    several = part.get("anyOf") or part.get("any_of") or part.get("allOf")
    if several:
        return set().union(*(kinds(one, whole) for one in several))
    if "type" not in part and "enum" in part:
        return {"string" if isinstance(value, str) else "number" for value in part["enum"]}
    named = part.get("type", [])
    return {one.lower() for one in ([named] if isinstance(named, str) else named)} - {"null"}


def test_every_tool_arrives_whole(server: tuple[str, Sidecar]) -> None:
    name, running = server
    listed = running.post(message("tools/list"))[1]["result"]["tools"]
    schemas = {tool["name"]: tool["inputSchema"] for tool in listed}
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    env |= {"MCP_USE_ANONYMIZED_TELEMETRY": "false", "OPENAI_AGENTS_DISABLE_TRACING": "1"}
    # NumPy takes the machine's, which may need a newer C library than our Python's.
    env["LD_PRELOAD"] = str(program("LIBSTDCXX"))
    asked = json.dumps({"url": running.url + "/mcp"} | CALLS[name]) + "\n"
    done = ran(program("DRIVER"), input=asked, env=env)
    assert done.returncode == 0, done.stderr[-3000:]
    for line in (line for line in done.stdout.splitlines() if line.startswith("{")):
        seen = json.loads(line)
        assert "error" not in seen, seen
        library = seen["library"]
        assert not [text for text in seen["said"] if not text.startswith(OWN)], library
        assert seen["tools"].keys() == schemas.keys(), (library, seen["mode"])
        for tool, converted in seen["tools"].items():
            where, schema = (library, seen["mode"], tool), schemas[tool]
            properties = converted.get("properties") or {}
            assert properties.keys() == schema["properties"].keys(), where
            for argument, part in schema["properties"].items():
                assert kinds(properties[argument], converted) == kinds(part, schema), (*where, argument)
            if library != "mcpadapt":  # smolagents marks what is optional in another way
                # OpenAI's strict mode makes all required, of those tools that it knows.
                strict = library == "openai-agents" and converted.get("additionalProperties") is False
                needed = schema["properties"] if strict else schema.get("required", [])
                assert set(converted.get("required") or []) == set(needed), where
        if seen["called"] is not None:
            called = json.dumps(seen["called"], separators=(",", ":")).replace("\\", "")
            assert ANSWERS[name] in called, (library, called)
