"""One request to one node, on the wire: what is an answer, what is sent again, and which node is next."""

import asyncio
import gzip
import json
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from elastic_transport import BaseNode, HttpHeaders, NodeConfig

from servers.common.memory_budget import MemoryBudget, parsed_size
from servers.common.protocol.tools import from_json
from servers.common.settings import Environment
from servers.elasticsearch.client import node as wire
from servers.elasticsearch.client.errors import AnswerLost, AnswerTooLong, NodeFailure, NotConnected
from servers.elasticsearch.client.tls import Trust
from servers.elasticsearch.settings import ElasticsearchSettings
from tools.backends.process import free_port

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\n\r\n"


def read_settings(**env: str) -> ElasticsearchSettings:
    found = Environment(env)
    settings = ElasticsearchSettings.read(found)
    found.check()
    return settings


class RawServer:
    """A server on loopback that answers each request with the same bytes, as wrong as they may be."""

    def __init__(self, *answers: bytes, close: bool = False) -> None:
        """
        Args:
            answers: to the requests in their order; the last one to all that follow
            close: the connection, after each answer
        """
        self._answers, self._close = list(answers), close
        self.port = 0
        self.connections = 0
        self.requests: list[bytes] = []
        self.gone = 0
        """Connections that their clients have closed."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                if found := [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]:
                    head += await reader.readexactly(int(found[0].split(b":")[1]))
                self.requests.append(head)
                writer.write(self._answers[min(len(self.requests), len(self._answers)) - 1])
                if self._close:
                    await writer.drain()
                    break
        except (asyncio.IncompleteReadError, OSError):
            self.gone += 1
        writer.close()


@asynccontextmanager
async def asking(server: RawServer) -> AsyncIterator[wire.BoundedNode]:
    """Give the node that the server is."""
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listening:
        server.port = listening.sockets[0].getsockname()[1]
        made = node(server.port)
        yield made
        await made.close()


def node(port: int, host: str = "127.0.0.1") -> wire.BoundedNode:
    class Node(wire.BoundedNode):
        settings = read_settings(ES_HOST=host, ES_PORT=str(port))
        trust = Trust(settings)

    return Node(wire.node_config(Node.settings.urls[0], Node.settings))


async def ask(node: wire.BoundedNode, method: str = "GET", body: bytes | None = None) -> Any:
    wire.arriving.set(wire.AnswerMemory(MemoryBudget(64 * 1024 * 1024)))
    return await node.perform_request(method, "/a", body=body, headers=HttpHeaders({"accept": "application/json"}))


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110  # what it waits for has no event
            await asyncio.sleep(0.01)


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def with_gzip(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


@pytest.mark.parametrize(
    ("sent", "status", "content", "kept"),
    [
        (OK, 200, b"{}", True),
        (CHUNKED + chunked(b"a" * 20, b"b", b"c" * 300), 200, b"a" * 20 + b"b" + b"c" * 300, True),
        (b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", 404, b"", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 200, b"{}", True),
        (OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), 200, b"{}", False),
        (b"HTTP/1.0 200 OK\r\n\r\n{}", 200, b"{}", False),
        (with_gzip(gzip.compress(b"{}")), 200, b"{}", True),
        (with_gzip(b""), 200, b"", True),
    ],
)
async def test_an_answer_and_if_its_connection_is_kept(sent: bytes, status: int, content: bytes, kept: bool) -> None:
    server = RawServer(sent, close=not kept)
    async with asking(server) as node:
        for _ in range(2):
            meta, body = await ask(node)
            assert (meta.status, bytes(body)) == (status, content)
        assert server.connections == (1 if kept else 2)


async def test_a_header_that_comes_several_times_is_a_list() -> None:
    sent = OK.replace(b"\r\n\r\n", b'\r\nWarning: 299 a "b"\r\nWarning: 299 a "c"\r\n\r\n')
    async with asking(RawServer(sent)) as node:
        assert (await ask(node))[0].headers["warning"] == '299 a "b", 299 a "c"'


@pytest.mark.parametrize(
    ("sent", "failure", "said"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n", AnswerLost, "is not HTTP"),
        (OK.replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\n\r\n"), AnswerLost, "is not HTTP"),
        (CHUNKED + b"xyz\r\n", AnswerLost, None),
        (b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 70_000 + b"\r\n\r\n", AnswerLost, "is not HTTP"),
        (b"", AnswerLost, "broke the connection before its answer was complete"),
        (b"HTTP/1.1 200", AnswerLost, None),
        (OK[:-1], AnswerLost, "broke the connection"),
        (OK.replace(b": 2", b": 2000000"), AnswerLost, "broke the connection"),
        (CHUNKED + b"5\r\n{}", AnswerLost, "broke the connection"),
        (OK.replace(b": 2", b": %d" % (wire.MAX_ANSWER_BYTES + 1)), AnswerTooLong, "more than 8388608 bytes"),
        (CHUNKED + chunked(*[b"a" * 65536] * (wire.MAX_ANSWER_BYTES // 65536 + 1)), AnswerTooLong, "too long"),
        (b"HTTP/1.0 200 OK\r\n\r\n" + b"a" * (wire.MAX_ANSWER_BYTES + 1), AnswerTooLong, "too long"),
        (
            b"HTTP/1.1 500 a\r\nContent-Length: %d\r\n\r\n%b" % (wire.MAX_ERROR_BYTES + 1, b"a" * (wire.MAX_ERROR_BYTES + 1)),
            AnswerTooLong,
            "more than 1048576",
        ),
        (with_gzip(gzip.compress(b" " * (wire.MAX_ANSWER_BYTES + 1))), AnswerTooLong, "too long"),
        (with_gzip(b"{} is not gzip"), AnswerLost, "invalid gzip"),
        (with_gzip(gzip.compress(bytes(range(256)) * 9)[:-20]), AnswerLost, "ended its gzip answer too early"),
        (with_gzip(gzip.compress(b"{}") + b"{}"), AnswerLost, "after the end of its gzip"),
        (OK.replace(b"\r\n\r\n", b"\r\nContent-Encoding: br\r\n\r\n"), AnswerLost, "encoding 'br', which was not"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_what_is_no_answer_is_an_error_and_is_asked_for_once(
    method: str, sent: bytes, failure: type[Exception], said: str | None
) -> None:
    server = RawServer(sent, close=True)
    async with asking(server) as node:
        with pytest.raises(failure, match=said):
            await ask(node, method, b"{}" if method == "PUT" else None)
        assert len(server.requests) == 1


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
async def test_a_request_over_a_kept_connection_that_breaks_is_not_sent_again(method: str) -> None:
    async def breaks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in (OK, b""):
            await reader.readuntil(b"\r\n\r\n")
            seen.append(1)
            writer.write(answer)
        # Closed with this, a connection is reset: socket(7).
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.close()

    seen: list[int] = []
    async with await asyncio.start_server(breaks, "127.0.0.1", 0) as listening:
        asked = node(listening.sockets[0].getsockname()[1])
        assert (await ask(asked))[1] == b"{}"
        with pytest.raises(AnswerLost):
            await ask(asked, method)
        assert len(seen) == 2
        await asked.close()


async def test_a_call_that_is_cancelled_closes_its_connection() -> None:
    server = RawServer(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{")
    async with asking(server) as node:
        for number in range(wire.CONNECTIONS_PER_NODE + 1):
            call = asyncio.create_task(ask(node))
            await until(lambda number=number: len(server.requests) == number + 1)  # type: ignore[misc]
            call.cancel()
            with suppress(asyncio.CancelledError):
                await call
            await until(lambda number=number: server.gone == number + 1)  # type: ignore[misc]


async def test_more_calls_than_connections_wait_for_one() -> None:
    held = asyncio.Event()
    open_now = most = 0

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        with suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                await held.wait()
                writer.write(OK)
        open_now -= 1
        writer.close()

    async with await asyncio.start_server(hold, "127.0.0.1", 0) as listening:
        asked = node(listening.sockets[0].getsockname()[1])
        calls = [asyncio.create_task(ask(asked)) for _ in range(wire.CONNECTIONS_PER_NODE * 2)]
        await until(lambda: open_now == wire.CONNECTIONS_PER_NODE)
        held.set()
        assert {bytes(body) for _, body in await asyncio.gather(*calls)} == {b"{}"}
        assert most == wire.CONNECTIONS_PER_NODE
        await asked.close()


async def test_redirects_are_not_followed_and_cookies_are_ignored() -> None:
    there = RawServer(OK)
    async with asking(there):
        location = b"Location: http://127.0.0.1:%d/b\r\nSet-Cookie: a=b; Path=/\r\n" % there.port
        here = RawServer(b"HTTP/1.1 302 Found\r\n" + location + b"Content-Length: 0\r\n\r\n")
        async with asking(here) as node:
            for _ in range(2):
                assert (await ask(node))[0].status == 302
            assert not there.requests and len(here.requests) == 2
            assert b"cookie" not in here.requests[1].lower()


async def test_the_environment_names_no_proxy_and_no_login(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    elsewhere, here = RawServer(OK), RawServer(OK)
    (tmp_path / "netrc").write_text("default login ada password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    async with asking(elsewhere):
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{elsewhere.port}")
        async with asking(here) as node:
            await ask(node)
    assert not elsewhere.requests and b"authorization" not in here.requests[0].lower()


async def test_what_cant_be_connected_to_was_sent_nothing() -> None:
    for host, port, why in (
        ("127.0.0.1", free_port(), r"\(Connection refused\)"),
        ("no-such-host.invalid", 9200, ""),
        ("127.1", 9200, ""),
    ):
        asked = node(port, host)
        with pytest.raises(NotConnected, match=f"Elasticsearch at {host}:{port} can't be reached {why}"):
            await ask(asked)
        await asked.close()


@pytest.mark.parametrize(
    ("url", "host", "base", "named"),
    [
        ("http://127.0.0.1:9200", "127.0.0.1", "http://127.0.0.1:9200", "127.0.0.1:9200"),
        ("https://es.example:443/a/b", "es.example", "https://es.example:443/a/b", "es.example:443"),
        ("http://[::1]:9200", "::1", "http://[::1]:9200", "[::1]:9200"),
        (
            "http://bücher.example:80/ü",
            "xn--bcher-kva.example",
            "http://xn--bcher-kva.example:80/%C3%BC",
            "xn--bcher-kva.example:80",
        ),
    ],
)
def test_what_the_url_of_a_node_says(url: str, host: str, base: str, named: str) -> None:
    settings = read_settings(ES_HOSTS=url)
    config = wire.node_config(settings.urls[0], settings)
    assert (config.host, BaseNode(config).base_url, wire.address(config)) == (host, base, named)


def pool_of(*hosts: str) -> wire.CheckedNodePool:
    configs = [NodeConfig("http", host, 1) for host in hosts]
    return wire.CheckedNodePool(configs, BaseNode, randomize_nodes=False)


def order(pool: wire.CheckedNodePool, most: int = 3) -> str:
    """Return the hosts in the order in which one request would try them, at most so many."""
    token = wire.tried.set([])
    try:
        return "".join(pool.get().host for _ in range(most))
    finally:
        wire.tried.reset(token)


def test_nodes_are_taken_by_turns_and_a_request_tries_each_once() -> None:
    pool = pool_of("a", "b", "c")
    assert "".join(order(pool, 1) for _ in range(6)) == "abcabc"
    assert {"".join(sorted(order(pool))) for _ in range(4)} == {"abc"}


def test_a_node_that_failed_comes_last_until_it_is_found_well() -> None:
    pool = pool_of("a", "b", "c")
    a, b, c = pool.all()
    pool.mark_dead(a)
    assert {order(pool)[-1] for _ in range(6)} == {"a"}
    assert {order(pool, 1) for _ in range(6)} == {"b", "c"}
    pool.mark_live(a)
    assert {order(pool, 1) for _ in range(3)} == {"a", "b", "c"}
    for node in (a, b, c):
        pool.mark_dead(node)
    assert "".join(sorted(order(pool))) == "abc", "where none serves, all are asked"


def test_a_failure_is_told_with_its_node_and_what_to_do() -> None:
    assert str(NodeFailure("a:1", "hangs", "try again")) == "Elasticsearch at a:1 hangs: try again"


def taken(value: Any) -> int:
    """Bytes of a value and of what is in it, with what the garbage collector adds to containers."""
    if isinstance(value, dict):
        return sys.getsizeof(value) + 16 + sum(taken(k) + taken(v) for k, v in value.items())
    if isinstance(value, list):
        return sys.getsizeof(value) + 16 + sum(map(taken, value))
    return sys.getsizeof(value)


@pytest.mark.parametrize(
    "value",
    [
        [{"a": {}}] * 5000, [[]] * 5000, [[1000]] * 5000, [0.5] * 5000, [10**20] * 5000, ["ab"] * 5000, ["é"] * 5000,
        ["x" * 100 + "😀"] * 5000, {f"k{i}": i for i in range(5000)}, {f"k{i}": {"v": str(i)} for i in range(5000)},
        {f"ключ{i}": "😀" * 20 for i in range(5000)}, json.loads('{"a":' * 150 + "1" + "}" * 150),
    ],
    ids=lambda value: json.dumps(value)[:20],
)  # fmt: skip
@pytest.mark.parametrize("ascii", [False, True])
def test_the_memory_of_json_is_estimated_from_above(value: Any, ascii: bool) -> None:
    content = json.dumps(value, ensure_ascii=ascii, separators=(",", ":")).encode()
    assert taken(from_json(content)) <= parsed_size(content) <= 80 * len(content) + 4096


def test_a_url_without_a_port_has_that_of_its_scheme() -> None:
    urls = read_settings(ES_HOSTS="https://es.example,http://es.example/p/,es.example,https://[::1]").urls
    assert urls == ("https://es.example:443", "http://es.example:80/p", "http://es.example:9200", "https://[::1]:443")
