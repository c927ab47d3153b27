"""Resources, prompts, completion, subscriptions, progress, and what happens when a client goes away."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from mcp import Client, MCPError
from mcp_types import PromptReference, ResourceTemplateReference, TextContent, TextResourceContents
from redis import Redis

from servers.redis.tests.conftest import Start, ok, until
from tools.backends.sidecar import Sidecar, message

SETTINGS = {"MCP_MAX_RESULT_BYTES": "16384"}

KEY = ResourceTemplateReference(uri="redis://key/{name}")


@pytest.fixture(params=["auto", "legacy"])
async def client(request: pytest.FixtureRequest, sidecar: Sidecar, redis: Redis) -> AsyncIterator[Client]:
    async with Client(sidecar.url + "/mcp", mode=request.param) as connected:
        yield connected


async def read(client: Client, uri: str) -> dict[str, object]:
    (contents,) = (await client.read_resource(uri)).contents
    assert isinstance(contents, TextResourceContents)
    assert contents.uri == uri and contents.mime_type == "application/json"
    return dict(json.loads(contents.text))


async def test_resources_are_listed_and_read(client: Client, redis: Redis) -> None:
    redis.hset("user:1/é", mapping={"name": "Ada"})
    listed = (await client.list_resources()).resources
    assert [r.uri for r in listed] == ["redis://info", "redis://keyspace"] and all(r.description for r in listed)
    (template,) = (await client.list_resource_templates()).resource_templates
    assert template.uri_template == KEY.uri
    assert str((await read(client, "redis://info"))["version"]).startswith("redis 7.")
    assert (await read(client, "redis://keyspace"))["keys"] == 1
    content = await read(client, "redis://key/user%3A1%2F%C3%A9")
    assert content["fields"] == [{"field": "name", "value": "Ada"}]


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("redis://nothing", "no resource"),
        ("redis://key", "no resource"),
        ("file:///etc/passwd", "no resource"),
        ("redis://key/missing", "there is no key 'missing'"),
        ("redis://key/", "there is no key ''"),
        ("redis://key/%FF", "give it as base64"),
        ("redis://key/base64:%", "not base64"),
        ("redis://key/" + "x" * 4097, "too long"),
    ],
)
async def test_a_resource_that_is_not_there_is_an_error(client: Client, redis: Redis, uri: str, reason: str) -> None:
    redis.set("\ufffd", "v")
    with pytest.raises(MCPError, match=reason) as caught:
        await client.read_resource(uri)
    assert caught.value.error.code == -32602


@pytest.mark.parametrize("name", [b"", b"\xff", b"base64:x", b"a b/c?d#e%2F", "é\u202e".encode(), b"x" * 4096])
async def test_keys_of_any_name_are_completed_and_read(client: Client, redis: Redis, name: bytes) -> None:
    redis.set(name, "v")
    (shown,) = (await client.complete(KEY, {"name": "name", "value": ""})).completion.values
    assert (await client.complete(KEY, {"name": "name", "value": shown})).completion.values == [shown]
    assert (await read(client, "redis://key/" + quote(shown, safe="")))["value"] == "v"


async def test_names_of_keys_are_completed(client: Client, redis: Redis) -> None:
    redis.mset({"user:1": "", "user:2": "", "us*r": "", "other": ""})

    async def complete(typed: str) -> list[str]:
        return list((await client.complete(KEY, {"name": "name", "value": typed})).completion.values)

    assert await complete("user:") == ["user:1", "user:2"]
    assert await complete("us*") == ["us*r"], "what was typed is no glob"
    assert await complete("nothing") == [] and await complete("u" * 5000) == []
    assert len(await complete("")) == 4
    redis.mset({f"many:{i}": "" for i in range(500)})
    completion = (await client.complete(KEY, {"name": "name", "value": "many:"})).completion
    assert len(completion.values) == 100 and completion.has_more
    prompt = PromptReference(name="diagnose_memory")
    assert (await client.complete(prompt, {"name": "pattern", "value": "x"})).completion.values == []
    with pytest.raises(MCPError, match="no resource template"):
        await client.complete(ResourceTemplateReference(uri="redis://x/{y}"), {"name": "y", "value": ""})


async def test_prompts_name_tools_that_are_there(client: Client) -> None:
    prompts = {prompt.name: prompt for prompt in (await client.list_prompts()).prompts}
    assert sorted(prompts) == ["design_data_model", "diagnose_memory", "explain_slow_log", "find_hot_or_big_keys"]
    for prompt in prompts.values():
        needed = {argument.name: "a shop" for argument in prompt.arguments or [] if argument.required}
        (message,) = (await client.get_prompt(prompt.name, needed)).messages
        assert message.role == "user" and isinstance(message.content, TextContent)
        named = {word.strip(".,;:") for word in message.content.text.split() if word.startswith("redis_")}
        listed = {tool.name for tool in (await client.list_tools()).tools}
        assert named and named <= listed


async def test_the_arguments_of_prompts(client: Client) -> None:
    assert "jobs:*" in str(await client.get_prompt("diagnose_memory", {"pattern": "jobs:*"}))
    assert "match" not in str(await client.get_prompt("diagnose_memory"))
    for name, arguments in (("no_such", {}), ("diagnose_memory", {"nonsense": "1"})):
        with pytest.raises(MCPError) as caught:
            await client.get_prompt(name, arguments)
        assert caught.value.error.code == -32602


async def test_progress_is_told_to_who_asks(client: Client, redis: Redis) -> None:
    with redis.pipeline() as pipeline:
        for i in range(20_000):
            pipeline.set(f"k:{i}", "")
        pipeline.execute()
    told: list[tuple[float, float | None, str | None]] = []

    async def tell(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, total, message))

    answer = await client.call_tool("redis_profile", {"sample": 5000}, progress_callback=tell)
    assert not answer.is_error and answer.structured_content and answer.structured_content["sampled"] == 5000
    assert answer.structured_content["keys"] == 20_000
    done = [part[0] for part in told]
    assert len(done) >= 5 and done == sorted(done) and done[-1] <= 5000
    assert told[0][1] == 5000 and "keys sampled" in str(told[0][2])


def test_a_client_that_goes_away_frees_its_call_and_its_connection(sidecar: Sidecar, redis: Redis) -> None:
    """The connection to Redis too, so that no work goes on that nobody waits for."""
    call = message("tools/call", name="redis_pubsub", arguments={"listen": ["quiet"], "seconds": 25})
    body = json.dumps(call).encode()
    with socket.create_connection(("127.0.0.1", sidecar.port)) as connection:
        connection.sendall(
            b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Accept: application/json, text/event-stream\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        sidecar.wait_until(lambda: redis.pubsub_channels() == [b"quiet"])
        assert "mcp_tool_calls_under_way 1.0" in sidecar.get("/metrics")[1]
    sidecar.wait_until(lambda: redis.pubsub_channels() == [])
    sidecar.wait_until(lambda: "mcp_tool_calls_under_way 0.0" in sidecar.get("/metrics")[1])
    sidecar.wait_until(lambda: 'outcome="cancelled",tool="redis_pubsub"' in sidecar.get("/metrics")[1])


async def test_subscribers_are_told_when_a_key_changes(sidecar: Sidecar, redis: Redis) -> None:
    redis.config_set("notify-keyspace-events", "KA")
    async with Client(sidecar.url + "/mcp") as client:
        uris = ["redis://key/a%3Ab", "redis://key/c"]
        async with client.listen(resource_subscriptions=[*uris, "redis://info"]) as changes:
            assert changes.honored.resource_subscriptions == uris, "only keys can be watched"
            redis.set("unwatched", "1")
            redis.set("a:b", "1")
            assert await next_uri(changes) == uris[0]
            redis.hset("c", "f", "1")
            assert await next_uri(changes) == uris[1]
            redis.delete("c")
            assert await next_uri(changes) == uris[1]
            assert (await ok(client, "redis_read", key="a:b"))["value"] == "1"
    await until(lambda: redis.pubsub_numsub("__keyspace@0__:c")[0][1] == 0)


class Listener:
    """A client that listens to changes of resources; the SDK's own tells of several alike once."""

    def __init__(self, sidecar: Sidecar, token: str, uris: list[str]) -> None:
        meta = {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        asked = message("subscriptions/listen", _meta=meta, notifications={"resourceSubscriptions": uris})
        headers = {
            "Authorization": f"Bearer {token}",
            "MCP-Protocol-Version": "2026-07-28",
            "Mcp-Method": "subscriptions/listen",
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
        }
        self._connection = HTTPConnection("127.0.0.1", sidecar.port, timeout=20)
        self._connection.request("POST", "/mcp", json.dumps(asked), headers)
        self._answer = self._connection.getresponse()
        self.honoured = self._next()["notifications"].get("resourceSubscriptions", [])

    def _next(self) -> dict[str, Any]:
        while not (line := self._answer.readline()).startswith(b"data:"):
            assert line
        return dict(json.loads(line.removeprefix(b"data:"))["params"])

    def told_until(self, uri: str) -> list[str]:
        told = [self._next()["uri"]]
        while told[-1] != uri:
            told.append(self._next()["uri"])
        return told

    def close(self) -> None:
        self._answer.close()
        self._connection.close()


def test_a_subscriber_is_told_once_of_what_its_own_user_may_read(start: Start, redis: Redis, tmp_path: Path) -> None:
    names = {name: f"{name}-0123456789abcdef" for name in ("own", "same", "part", "deaf")}
    tokens = tmp_path / "tokens"
    tokens.write_text(
        f"own read {names['own']}\nsame read {names['same']}\npart read {names['part']} part:part-secret\n"
        f"deaf read {names['deaf']} deaf:deaf-secret\n"
    )
    redis.config_set("notify-keyspace-events", "KA")
    for user, channels in (("part", "&*"), ("deaf", "resetchannels")):
        rights = ("reset", "on", f">{user}-secret", "~app:*", channels, "+@all", "-@dangerous")
        redis.execute_command("ACL", "SETUSER", user, *rights)
    secret, often, last = uris = ["redis://key/secret", "redis://key/app%3Aoften", "redis://key/app%3Alast"]
    sidecar = start(MCP_AUTH_TOKENS_FILE=str(tokens))
    with ExitStack() as stack:
        listeners = [stack.enter_context(closing(Listener(sidecar, token, uris))) for token in names.values()]
        own, same, part, deaf = listeners
        assert own.honoured == same.honoured == uris
        assert part.honoured == [often, last] and deaf.honoured == []
        for key in ("app:often", "secret", "app:often", "app:last"):
            redis.set(key, "1")
        assert own.told_until(last) == same.told_until(last) == [often, secret, often, last]
        assert part.told_until(last) == [often, often, last]


async def next_uri(changes: AsyncIterator[object]) -> str:
    event = await asyncio.wait_for(anext(changes), 5)
    return str(getattr(event, "uri", event))


@pytest.mark.parametrize(("events", "watched"), [("", False), ("KE", False), ("Kx", False), ("EA", False), ("Kg$lshzxet", True)])
async def test_what_redis_does_not_tell_of_is_not_promised(sidecar: Sidecar, redis: Redis, events: str, watched: bool) -> None:
    redis.config_set("notify-keyspace-events", events)
    async with (
        Client(sidecar.url + "/mcp") as client,
        client.listen(resource_subscriptions=["redis://key/a"]) as changes,
    ):
        assert bool(changes.honored.resource_subscriptions) is watched
