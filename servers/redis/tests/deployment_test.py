"""Redis as it is deployed elsewhere: a cluster, behind sentinels, an older release, Valkey."""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from redis import Redis

from servers.common.backend import BackendError, deadline
from servers.common.protocol.tools import ToolError
from servers.redis.client import deployment
from servers.redis.client.deployment import COMMAND_CONNECTIONS
from servers.redis.tests.conftest import INCREASES, Start, connected, error, ok, pages, until
from tools.backends.process import free_port
from tools.backends.redis import RedisServer
from tools.backends.redis_cluster import Cluster, wait_until
from tools.backends.redis_wheels import SERVERS, other_redis
from tools.backends.sidecar import Sidecar


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sidecars")


# Other versions.


@pytest.fixture(scope="module", params=SERVERS)
def other(request: pytest.FixtureRequest, folder: Path) -> Iterator[tuple[Redis, Sidecar, str]]:
    version = request.param.replace("-", " ") + "."
    with other_redis(request.param) as server:
        env = {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(server.port), "MCP_ALLOW_WRITES": "true"}
        with Sidecar("servers.redis", env, folder) as sidecar:
            yield Redis("127.0.0.1", server.port), sidecar, version


async def test_every_tool_serves_another_redis_and_valkey(other: tuple[Redis, Sidecar, str]) -> None:
    redis, sidecar, version = other
    redis.mset({f"k:{i}": "x" for i in range(100)})
    redis.zadd("z", {"a": 1})
    redis.xadd("x", {"f": "v"}, id="1-0")
    redis.xgroup_create("x", "g", id="0")
    redis.xreadgroup("g", "c", {"x": ">"})
    async with Client(sidecar.url + "/mcp") as client:
        info = await ok(client, "redis_info")
        assert info["version"].lower().startswith(version), info["version"]
        assert len(await pages(client, "redis_scan", "keys", limit=30)) == 102
        assert (await ok(client, "redis_profile"))["sampled"] == 102
        assert (await ok(client, "redis_read", key="z", version=True))["members"] == [{"member": "a", "score": 1.0}]
        assert len((await ok(client, "redis_read_many", keys=["k:1", "z", "x"]))["keys"]) == 3
        assert [g["name"] for g in (await ok(client, "redis_stream", key="x"))["groups"]] == ["g"]
        assert len((await ok(client, "redis_stream", key="x", group="g"))["pending"]) == 1
        for topic in ("slowlog", "latency", "clients", "memory", "acl"):
            await ok(client, "redis_diagnose", topic=topic)
        assert (await ok(client, "redis_command", command=["ZSCORE", "z", "a"]))["reply"] == "1"
        for refused in (["KEYS", "*"], ["CONFIG", "GET", "*"], ["OBJECT", "HELP"], ["EVAL", "return 1", "0"]):
            await error(client, "redis_command", command=refused)
        assert (await ok(client, "redis_command_docs", command="GET"))["allowed"] == "yes"
        assert await ok(client, "redis_pubsub", listen=["c"], seconds=0.2) == {"messages": []}
        await ok(client, "redis_write", key="h", type="hash", value={"a": "b"}, ttl_s=60)
        done = await ok(client, "redis_transaction", commands=[["INCR", "n"], ["XACK", "x", "g", "1-0"]])
        assert done == {"replies": [1, 1]}
        await error(client, "redis_transaction", commands=[["FLUSHALL"]])
        dry = await ok(client, "redis_delete_matching", pattern="k:*")
        assert (await ok(client, "redis_delete_matching", pattern="k:*", confirm=dry["confirm"]))["deleted"] == 100


async def test_prefixes_hold_on_another_redis_and_valkey(other: tuple[Redis, Sidecar, str], start: Start) -> None:
    """Without the subcommands' descriptions and key specs of Redis 7, too."""
    redis, _, _ = other
    redis.mset({"app:1": "1", "secret:1": "s"})
    port = str(redis.connection_pool.connection_kwargs["port"])
    sidecar = start(REDIS_PORT=port, MCP_ALLOW_WRITES="true", MCP_KEY_PREFIXES="app:")
    async with Client(sidecar.url + "/mcp") as client:
        for command in (
            ["GET", "secret:1"],
            ["OBJECT", "ENCODING", "secret:1"],
            ["MEMORY", "USAGE", "secret:1"],
            ["XINFO", "STREAM", "secret:1"],
            ["SCAN", "0"],
            ["RANDOMKEY"],
        ):
            await error(client, "redis_command", command=command)
        assert await ok(client, "redis_command", command=["GET", "app:1"]) == {"reply": "1"}
        assert await ok(client, "redis_command", command=["OBJECT", "ENCODING", "app:1"]) == {"reply": "int"}
        assert len((await ok(client, "redis_command", command=["TIME"]))["reply"]) == 2
        await error(client, "redis_transaction", commands=[["COPY", "secret:1", "app:2"]])
        await error(client, "redis_transaction", commands=[["XGROUP", "CREATE", "secret:x", "g", "$", "MKSTREAM"]])
        assert not redis.exists("app:2", "secret:x")


async def test_fields_of_a_hash_expire(other: tuple[Redis, Sidecar, str]) -> None:
    """A field's TTL is set, told, kept by a write that gives none, and ended; a server without them says so."""
    redis, sidecar, version = other

    async def ttls(client: Client) -> dict[str, int | None]:
        return {field["field"]: field.get("ttl_s") for field in (await ok(client, "redis_read", key="h:ttl"))["fields"]}

    async with Client(sidecar.url + "/mcp") as client:
        if version == "redis 6.2.":
            refusal = await error(client, "redis_write", key="h:ttl", type="hash", value={"a": "1"}, field_ttl_s=9)
            assert "no command HEXPIRE, so nothing was done" in refusal and not redis.exists("h:ttl")
            await ok(client, "redis_write", key="h:ttl", type="hash", value={"a": "1"})
            assert await ttls(client) == {"a": None}
            return
        await ok(client, "redis_write", key="h:ttl", type="hash", value={"a": "1", "c": "1"}, field_ttl_s=5000)
        await ok(client, "redis_write", key="h:ttl", type="hash", value={"a": "2", "b": "2"})
        told = await ttls(client)
        assert told["b"] is None and (told["a"] or 0) > 4000 and (told["c"] or 0) > 4000
        assert redis.hget("h:ttl", "a") == b"2"
        await ok(client, "redis_write", key="h:ttl", type="hash", value={"a": "3"}, field_ttl_s=0)
        assert (await ttls(client))["a"] is None
        redis.hset("h:ttl", b"\xff", "1")
        redis.execute_command("HEXPIRE", "h:ttl", 5000, "FIELDS", 1, b"\xff")
        fields = (await ok(client, "redis_read", key="h:ttl"))["fields"]
        assert [row["ttl_s"] for row in fields if row["field"] == {"base64": "/w=="}] > [4000]
        redis.hset("big:ttl", "big", "x" * 5_000_000, mapping={i: str(i) for i in range(1000)})
        redis.execute_command("HEXPIRE", "big:ttl", 5000, "FIELDS", 1000, *range(1000))
        page = await ok(client, "redis_read", key="big:ttl", limit=1000)
        assert len(page["fields"]) > 500 and min(row["ttl_s"] for row in page["fields"]) > 4000 and page["cursor"]
        assert "for hashes" in await error(client, "redis_write", key="s", value="x", field_ttl_s=9)


async def test_vector_sets_are_written_read_and_searched(other: tuple[Redis, Sidecar, str]) -> None:
    redis, sidecar, version = other
    async with Client(sidecar.url + "/mcp") as client:
        wanted: dict[str, Any] = {"key": "vectors", "type": "vectorset"}
        if version != "redis 8.":
            assert "no type vectorset" in await error(client, "redis_write", **wanted, value={"a": [1, 0]})
            assert "no command 'VSIM'" in await error(client, "redis_command", command=["VSIM", "vectors", "ELE", "a"])
            return
        written = await ok(client, "redis_write", **wanted, value={"a": [1, 0], "b": "[1, 0.25]", "[c]": [0, 1]})
        assert written == wanted | {"created": True, "length": 3}
        refusal = await error(client, "redis_write", **wanted, value={"d": [1, 0, 0]})
        assert "nothing was written" in refusal and "dimension" in refusal
        assert "up to 1e+15" in await error(client, "redis_write", **wanted, value={"d": [1e308, 1]})
        redis.execute_command("VADD", "not numbers", "VALUES", 2, "inf", "1", "a")
        assert (await ok(client, "redis_read", key="not numbers", field="a"))["about"]["vector"] == ["nan", "nan"]
        redis.delete("not numbers")
        assert "one length" in await error(client, "redis_write", **wanted, value={"d": [1], "e": [1, 2]})
        whole = await ok(client, "redis_read", key="vectors")
        assert sorted(whole["items"]) == ["[c]", "a", "b"]
        assert whole["length"] == 3 and whole["about"]["vector-dim"] == 2
        for number in range(500):
            redis.execute_command("VADD", "many", "VALUES", 2, 1, number, f"element {number}")
        items = await pages(client, "redis_read", "items", key="many", limit=70)
        assert len(items) == 500 and len(set(items)) == 500
        assert "start without a cursor" in await error(client, "redis_read", key="many", cursor="7")
        redis.delete("many")
        near = await ok(client, "redis_read", key="vectors", field="a", limit=2)
        assert [row["member"] for row in near["members"]] == ["a", "b"] and near["about"]["vector"] == [1, 0]
        assert near["members"][0]["score"] == 1
        assert (await ok(client, "redis_read", key="vectors", field="[0,2]"))["members"][0]["member"] == "[c]"
        encoded = "base64:" + base64.b64encode(b"[c]").decode()
        assert (await ok(client, "redis_read", key="vectors", field=encoded))["members"][0]["member"] == "[c]"
        assert "no element" in await error(client, "redis_read", key="vectors", field="nosuch")
        for wrong in ("[1,", "[" * 5000, "[]", "[1e999]", '["x"]'):
            assert "array of numbers" in await error(client, "redis_read", key="vectors", field=wrong)
        assert "dimension" in await error(client, "redis_read", key="vectors", field="[1]")
        command = ["VSIM", "vectors", "VALUES", "2", "0", "1", "COUNT", "1"]
        assert await ok(client, "redis_command", command=command) == {"reply": ["[c]"]}
        assert (await ok(client, "redis_read_many", keys=["vectors"]))["keys"][0]["type"] == "vectorset"
        assert [key["key"] for key in (await ok(client, "redis_scan", type="vectorset"))["keys"]] == ["vectors"]


# A cluster of three masters.


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with ExitStack() as stack:
        yield Cluster(stack)


@pytest.fixture(scope="module")
def cluster_sidecar(cluster: Cluster, folder: Path) -> Iterator[Sidecar]:
    env = cluster.servers[0].address | {"REDIS_MODE": "cluster", "MCP_ALLOW_WRITES": "true"}
    with Sidecar("servers.redis", env, folder) as sidecar:
        yield sidecar


@pytest.fixture
async def client(cluster: Cluster, cluster_sidecar: Sidecar) -> AsyncIterator[Client]:
    for node in cluster.nodes:
        node.flushall()
    async with Client(cluster_sidecar.url + "/mcp") as connected:
        yield connected


async def test_questions_without_a_key_are_of_the_whole_cluster_or_refused(client: Client, cluster: Cluster) -> None:
    assert (await ok(client, "redis_command", command=["RANDOMKEY"]))["reply"] is None
    names = [f"k:{i}" for i in range(60)]
    for name in names:
        cluster.client.set(name, name)
    assert (await ok(client, "redis_command", command=["DBSIZE"]))["reply"] == 60
    assert (await ok(client, "redis_command", command=["RANDOMKEY"]))["reply"] in names
    assert len((await ok(client, "redis_command", command=["TIME"]))["reply"]) == 2
    assert "use redis_scan" in await error(client, "redis_command", command=["SCAN", "0"])


async def test_a_setting_that_differs_between_servers_has_a_value_for_each(client: Client, cluster: Cluster) -> None:
    port, databases = (await ok(client, "redis_diagnose", topic="config", settings=["port", "databases"]))["rows"][::-1]
    assert databases == {"name": "databases", "value": "16"}
    assert sorted(port["values"]) == sorted(str(server.port) for server in cluster.servers)


async def test_the_keys_of_all_nodes_are_found_and_read(client: Client, cluster: Cluster) -> None:
    names = [f"k{i}" for i in range(900)]
    for name in names:
        cluster.client.set(name, name)
    assert all(node.dbsize() > 200 for node in cluster.nodes), "they are spread"
    assert sorted(k["key"] for k in await pages(client, "redis_scan", "keys", limit=70)) == sorted(names)
    profile = await ok(client, "redis_profile")
    assert profile["keys"] == profile["sampled"] == 900
    many = (await ok(client, "redis_read_many", keys=names[:50]))["keys"]
    assert [key["value"] for key in many] == names[:50]
    for name in names[:10]:
        assert (await ok(client, "redis_read", key=name))["value"] == name
        assert (await ok(client, "redis_command", command=["STRLEN", name]))["reply"] == len(name)
    info = await ok(client, "redis_info")
    assert sum(database["keys"] for database in info["databases"]) == 900
    assert {node["address"]: node["keys"] for node in info["nodes"]} == {
        f"127.0.0.1:{server.port}": node.dbsize() for server, node in zip(cluster.servers, cluster.nodes, strict=True)
    }
    assert (await ok(client, "redis_diagnose", topic="clients"))["summary"]["clients"] >= 3
    for topic in ("slowlog", "latency", "memory", "acl"):
        await ok(client, "redis_diagnose", topic=topic)


async def test_changes_reach_the_node_that_has_the_key(client: Client, cluster: Cluster) -> None:
    for i in range(30):
        await ok(client, "redis_write", key=f"w{i}", value=str(i))
    assert [cluster.client.get(f"w{i}") for i in range(30)] == [str(i).encode() for i in range(30)]
    done = await ok(client, "redis_transaction", commands=[["SET", "{u}a", "1"], ["RENAME", "{u}a", "{u}b"]])
    assert done == {"replies": ["OK", "OK"]} and cluster.client.get("{u}b") == b"1"
    refusal = await error(client, "redis_transaction", commands=[["SET", "a", "1"], ["SET", "b", "1"]])
    assert "hash tag" in refusal and "redis_delete deletes keys of any slots" in refusal
    assert "redis_read_many" in await error(client, "redis_command", command=["MGET", "a", "b"])
    assert not cluster.client.get("a") and not cluster.client.get("b")
    deleted = await ok(client, "redis_delete", keys=[f"w{i}" for i in range(10)] + ["gone"])
    assert deleted == {"deleted": 10, "missing": ["gone"]}
    dry = await ok(client, "redis_delete_matching", pattern="w*")
    assert dry["matched"] == 20
    assert await ok(client, "redis_delete_matching", pattern="w*", confirm=dry["confirm"]) == {"deleted": 20}


async def test_messages_pass_between_nodes(client: Client, cluster: Cluster) -> None:
    listening = asyncio.create_task(ok(client, "redis_pubsub", listen=["c"], seconds=20, limit=1))
    await until(lambda: any(node.pubsub_channels() for node in cluster.nodes))
    for node in cluster.nodes:
        node.publish("c", "m")
    assert await listening == {"messages": [{"channel": "c", "message": "m"}], "cut": True}


@pytest.mark.parametrize("listen", [["__keyevent@0__:set", "c"], ["*"], ["__key*", "c"]], ids=str)
async def test_each_node_tells_of_its_own_keys_and_messages_are_heard_once(
    client: Client, cluster: Cluster, listen: list[str]
) -> None:
    names = [next(f"n{i}" for i in range(10_000) if cluster.owner(f"n{i}") == node) for node in range(3)]
    for node in cluster.nodes:
        node.config_set("notify-keyspace-events", "E$")
    listening = asyncio.create_task(ok(client, "redis_pubsub", listen=listen, seconds=25, limit=60))
    subscribed = ("pubsub_channels", "pubsub_numpat")
    await until(lambda: all(any(getattr(node, of)() for of in subscribed) for node in cluster.nodes))
    for name in names:
        cluster.client.set(name, "1")
    number = 0
    while not listening.done():
        number += 1
        cluster.nodes[number % 3].publish("c", number)
        await asyncio.sleep(0.01)
    heard = [message["message"] for message in (await listening)["messages"]]
    assert sorted(word for word in heard if word in names) == sorted(names)
    assert len(heard) == len(set(heard)) == 60


async def test_a_key_is_reached_while_its_slot_is_moving(client: Client, cluster: Cluster) -> None:
    """ASK: the key is there already, its slot not yet."""
    cluster.client.set("between", "1")

    async def read_often() -> None:
        # At once, so that there are many connections to each node: ASKING has to go over that of its command.
        answers = await asyncio.gather(*(ok(client, "redis_read", key="between") for _ in range(20)))
        assert [answer["value"] for answer in answers] == ["1"] * 20

    await read_often()
    cluster.migrate("between", finish=False)
    await read_often()
    assert (await ok(client, "redis_read_many", keys=["between"]))["keys"][0]["value"] == "1"
    assert "is moving" in await error(client, "redis_transaction", commands=[["INCR", "between"]])
    assert (await ok(client, "redis_delete", keys=["between"]))["deleted"] == 1


async def test_a_node_that_is_away_costs_only_its_keys(client: Client, cluster: Cluster) -> None:
    names = [next(f"n{i}" for i in range(10_000) if cluster.owner(f"n{i}") == node) for node in range(3)]
    for name in names:
        await ok(client, "redis_write", key=name, value=name)
    cluster.servers[2].stop()
    try:
        assert (await ok(client, "redis_read", key=names[0]))["value"] == names[0]
        assert (await ok(client, "redis_read", key=names[1]))["value"] == names[1]
        said = await error(client, "redis_read", key=names[2])
        assert said.startswith("a node of the cluster of") or "down" in said
        said = await error(client, "redis_delete", keys=names)
        assert said.startswith("2 of 3 keys were deleted"), said
        assert not cluster.nodes[0].exists(names[0]) and not cluster.nodes[1].exists(names[1])
        for tool, arguments in (
            ("redis_info", {}),
            ("redis_diagnose", {"topic": "clients"}),
            ("redis_command", {"command": ["DBSIZE"]}),
        ):
            told = await ok(client, tool, **arguments)
            assert told["warnings"][0].startswith(
                f"1 of 3 servers of the cluster did not answer (127.0.0.1:{cluster.servers[2].port}): a node of the cluster of"
            )
        for _ in range(3):
            assert await ok(client, "redis_pubsub", listen=["c"], seconds=0.1) == {"messages": []}
            heard = await ok(client, "redis_pubsub", listen=["*"], seconds=0.1)
            assert heard["messages"] == [] and heard["warnings"][0].startswith("1 of 3 servers of the cluster")
        assert (await ok(client, "redis_info"))["servers"] == 2
    finally:
        cluster.servers[2].start()
        wait_until(lambda: all("cluster_state:ok" in cluster.info(node) for node in cluster.nodes))
    assert "there is no key" in await error(client, "redis_read", key=names[2]), "it kept nothing on disk"


async def test_a_node_that_hangs_keeps_nobody_from_the_others(client: Client, cluster: Cluster) -> None:
    hung, *others = sorted(cluster.servers, key=lambda server: server.port)
    with hung.silent():
        heard = await ok(client, "redis_pubsub", listen=["*"], seconds=0.1)
        async with connected(others[0].port, REDIS_MODE="cluster") as backend:
            before = deadline.set(asyncio.get_running_loop().time() + 12)
            assert set(await backend.by_address("ECHO", "x")) == {f"127.0.0.1:{server.port}" for server in others}
            with pytest.raises(BackendError, match="did not answer in time"):
                await backend.scan(0, 0)
            deadline.reset(before)
    assert heard["messages"] == [] and "did not answer in time" in heard["warnings"][0]
    wait_until(lambda: all("cluster_state:ok" in cluster.info(node) for node in cluster.nodes))


@pytest.mark.parametrize("away", range(3))
async def test_what_names_no_key_is_asked_of_a_node_that_is_there(cluster: Cluster, away: int) -> None:
    async with connected(cluster.servers[(away + 1) % 3].port, REDIS_MODE="cluster") as backend:
        await backend.read("PING")
        cluster.servers[away].stop()
        try:
            for _ in range(6):
                assert (await backend.check()).startswith("Redis ")
                assert await backend.read("PING") == b"PONG"
                assert await asyncio.gather(*(backend.write("PUBLISH", b"%d" % i, b"m") for i in range(9))) == [0] * 9
            # One that starts meanwhile learns the cluster from the nodes that are there.
            async with connected(cluster.servers[(away + 1) % 3].port, REDIS_MODE="cluster") as fresh:
                assert (await fresh.check()).startswith("Redis ")
        finally:
            cluster.servers[away].start()
            wait_until(lambda: all("cluster_state:ok" in cluster.info(node) for node in cluster.nodes))


async def test_each_change_follows_a_slot_that_has_moved(cluster: Cluster) -> None:
    async with connected(cluster.servers[0].port, REDIS_MODE="cluster") as backend:
        for number, increase in enumerate(INCREASES):
            key = b"follow:%d" % number
            await backend.write("SET", key, 1)
            cluster.migrate(key.decode())
            for _ in range(3):
                await increase(backend, key)
            assert cluster.client.get(key) == b"4" == await backend.read("GET", key)


@contextmanager
def fourth_server(cluster: Cluster) -> Iterator[Redis]:
    """Another server that has joined a cluster, and has no slots."""
    config = {"cluster-enabled": "yes", "cluster-node-timeout": 2000, "cluster-port": (bus := free_port())}
    with RedisServer(config=config) as server, Redis("127.0.0.1", server.port, decode_responses=True) as redis:
        cluster.nodes[0].execute_command("CLUSTER", "MEET", "127.0.0.1", server.port, bus)
        wait_until(lambda: all("cluster_known_nodes:4" in cluster.info(node) for node in (*cluster.nodes, redis)))
        yield redis


async def test_keys_of_a_node_that_has_joined_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployment, "MAP_SECONDS", 0)
    with ExitStack() as stack:
        cluster = Cluster(stack)
        async with connected(cluster.servers[0].port, REDIS_MODE="cluster") as backend:
            assert len(await backend.each("DBSIZE")) == 3
            server, position, _ = await backend.scan(0, 0, "COUNT", 10)
            assert (await backend.scan(server, position, "COUNT", 10))[0] > 0
            fourth = stack.enter_context(fourth_server(cluster))
            slot, own = cluster.slot("k"), fourth.execute_command("CLUSTER MYID")
            # Who imports a slot gets the newest epoch with it. Otherwise gossip of the owner before takes the slot back.
            old = cluster.ids[cluster.owner("k")]
            wait_until(lambda: fourth.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", old))
            for node in (fourth, *cluster.nodes):
                wait_until(partial(node.execute_command, "CLUSTER", "SETSLOT", slot, "NODE", own))
            wait_until(lambda: fourth.set("k", "1"))
            assert sorted(await backend.each("DBSIZE")) == [0, 0, 0, 1]
            with pytest.raises(ToolError, match="the servers of this Redis have changed: start without a cursor"):
                await backend.scan(server, position, "COUNT", 10)
            found, server, position = [], 0, 0
            while server >= 0:
                server, position, names = await backend.scan(server, position, "COUNT", 10)
                found += names
            assert found == [b"k"]


async def test_a_map_that_can_not_be_made_anew_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections that have logged in are good after the password has changed, until its file follows."""
    monkeypatch.setattr(deployment, "MAP_SECONDS", 0)
    with ExitStack() as stack:
        cluster = Cluster(stack)
        async with connected(cluster.servers[0].port, REDIS_MODE="cluster") as backend:
            for _ in range(2):
                for key in (b"a", b"b", b"c"):  # one of each node
                    assert await backend.write("SET", key, "v") == b"OK"
                for node in cluster.nodes:
                    node.config_set("requirepass", "new")
            with pytest.raises(BackendError, match="refuses our login"), backend.translated():
                await (await backend.pubsubs())[0].subscribe("c")


async def test_a_master_that_hangs_is_left_when_its_replica_has_taken_over() -> None:
    with ExitStack() as stack:
        cluster = Cluster(stack)
        replica = stack.enter_context(fourth_server(cluster))
        hung = cluster.owner("k")
        replica.execute_command("CLUSTER", "REPLICATE", cluster.ids[hung])
        wait_until(lambda: replica.info("replication")["master_link_status"] == "up")
        async with connected(cluster.servers[(hung + 1) % 3].port, REDIS_MODE="cluster") as backend:
            assert await backend.write("SET", b"k", 1) == b"OK"
            wait_until(lambda: replica.dbsize() == 1)
            with cluster.servers[hung].silent():
                wait_until(lambda: replica.info("replication")["role"] == "master")
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.5):
                        await backend.read("GET", b"k")
                async with asyncio.timeout(20):
                    assert await backend.read("GET", b"k") == b"1"
                    assert sum(await backend.each("DBSIZE")) == 1


def test_a_single_sidecar_says_that_it_talks_to_a_cluster(cluster: Cluster, start: Start) -> None:
    name = next(f"n{i}" for i in range(10_000) if cluster.owner(f"n{i}") == 2)
    sidecar = start(REDIS_PORT=str(cluster.servers[0].port))
    assert "REDIS_MODE=cluster" in sidecar.call("redis_command", command=["GET", name])["content"][0]["text"]


async def test_a_cluster_without_slots_is_down() -> None:
    with RedisServer(config={"cluster-enabled": "yes", "cluster-port": free_port()}) as server:
        for mode in ("cluster", "standalone"):
            async with connected(server.port, REDIS_MODE=mode) as backend:
                for refused in (backend.read("GET", b"k"), backend.write("SET", b"k", b"v")):
                    with pytest.raises(BackendError, match=r"the cluster of .* is down: redis-cli --cluster check"):
                        await refused


# A master and a replica that sentinels watch.


@contextmanager
def watched_master() -> Iterator[tuple[RedisServer, Redis, dict[str, str]]]:
    """A master alone that one sentinel watches, a client of it, and the settings to connect to it."""
    with ExitStack() as stack:
        master = stack.enter_context(RedisServer())
        watch = {"sentinel monitor mymaster": f"127.0.0.1 {master.port} 1"}
        sentinel = stack.enter_context(RedisServer(config=watch, sentinel=True))
        redis = stack.enter_context(Redis("127.0.0.1", master.port))
        yield master, redis, {"REDIS_MODE": "sentinel", "REDIS_SENTINELS": f"127.0.0.1:{sentinel.port}"}


async def test_a_master_that_has_become_a_replica_has_done_nothing() -> None:
    with watched_master() as (master, redis, env):
        async with connected(master.port, **env) as backend:
            for increase in INCREASES:
                await increase(backend, b"n")
            redis.replicaof("127.0.0.1", free_port())
            for increase in INCREASES:
                with pytest.raises(BackendError, match="new master") as refused:
                    await increase(backend, b"n")
                # Of several commands, the first may have been done before Redis became a replica.
                assert refused.value.unknown == (increase.__name__ == "_increased_with_others")
            redis.replicaof("NO", "ONE")
            assert redis.get("n") == b"4"
            assert await backend.write("INCR", b"n") == 5


async def test_the_connections_to_a_master_of_sentinels_are_bounded() -> None:
    with watched_master() as (master, redis, env):
        async with connected(master.port, **env) as backend:
            redis.execute_command("CLIENT", "PAUSE", 3_600_000, "WRITE")
            writes = [asyncio.create_task(backend.write("INCR", b"n")) for _ in range(COMMAND_CONNECTIONS + 8)]
            await until(lambda: sum(c["cmd"] == "incr" for c in redis.client_list()) == COMMAND_CONNECTIONS)
            assert (await backend.check()).startswith("Redis ")
            redis.execute_command("CLIENT", "UNPAUSE")
            assert sorted(await asyncio.gather(*writes)) == list(range(1, COMMAND_CONNECTIONS + 9))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"REDIS_SENTINEL_MASTER": "other"}, "no sentinel knows a master 'other' that is up: check REDIS_SENTINEL_MASTER"),
        ({"REDIS_SENTINEL_PASSWORD": "canary"}, "a sentinel refuses our login: check REDIS_SENTINEL_PASSWORD"),
        ({"REDIS_SENTINEL_USERNAME": "canary", "REDIS_SENTINEL_PASSWORD": "right"}, "a sentinel refuses our login"),
        ({"REDIS_SENTINEL_PASSWORD": ""}, "a sentinel refuses our login"),
        ({"REDIS_PASSWORD": "canary"}, "refuses our login: check REDIS_PASSWORD"),
        ({"REDIS_SENTINELS": "127.0.0.1:1"}, "(Connect call failed ('127.0.0.1', 1)): try again, or check REDIS_SENTINELS"),
        ({"REDIS_SENTINELS": "canary.invalid:26379"}, "check REDIS_SENTINELS"),
    ],
    ids=str,
)  # fmt: skip
async def test_a_wrong_setting_of_sentinels_is_named(wrong: dict[str, str], told: str) -> None:
    with ExitStack() as stack:
        master = stack.enter_context(RedisServer())
        watch = {"sentinel monitor mymaster": f"127.0.0.1 {master.port} 1", "requirepass": "right"}
        sentinel = stack.enter_context(RedisServer(config=watch, sentinel=True))
        env = {"REDIS_MODE": "sentinel", "REDIS_SENTINELS": f"127.0.0.1:{sentinel.port}"}
        env |= {"REDIS_SENTINEL_PASSWORD": "right"} | wrong
        async with connected(master.port, **{name: value for name, value in env.items() if value}) as backend:
            for refusal in (backend.check(), backend.read("PING"), backend.write("SET", b"k", b"v")):
                with pytest.raises(BackendError) as refused:
                    await refusal
                said = str(refused.value).replace("sentinels canary.invalid", "")
                assert told in said and "canary" not in said and "Error" not in said, said
                assert not refused.value.unknown


async def test_a_sentinel_that_is_taken_for_redis_is_told_of() -> None:
    with RedisServer(sentinel=True) as sentinel:
        async with connected(sentinel.port) as backend:
            with pytest.raises(BackendError, match="it is a sentinel: set REDIS_MODE=sentinel"):
                await backend.check()


def test_sentinels_that_are_away_are_named(start: Start) -> None:
    port = free_port()
    sidecar = start(ready=False, REDIS_MODE="sentinel", REDIS_SENTINELS=f"127.0.0.1:{port}")
    sidecar.wait_until(lambda: f"127.0.0.1:{port}" in sidecar.get("/ready")[1])
    assert sidecar.get("/health")[0] == 200
