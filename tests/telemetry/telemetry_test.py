"""OpenTelemetry, from a client's call to a receiver of OTLP."""

import itertools
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from servers.elasticsearch.tests.fakes import NOTHING, ROOT, Answer, FakeNode, Request, failure
from tests.telemetry.receiver import Receiver, plain
from tools.backends.process import free_port
from tools.backends.redis import RedisServer
from tools.backends.sidecar import NEW, Sidecar, message, refused, who_asks

CANARY = "canary-5fd1c0e7"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        with Redis("127.0.0.1", server.port) as redis:
            redis.set(CANARY, CANARY)
        yield server


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def sidecar(redis_server: RedisServer, folder: Path, **env: str) -> Sidecar:
    return Sidecar("servers.redis", redis_server.address | env, folder)


def send(running: Sidecar, method: str, params: Any, *, new: bool, meta: Any = None, **headers: str) -> Any:
    """Sends a request in the newest protocol or an older one."""
    _meta: dict[str, Any] = dict(meta or {})
    sent = {"MCP-Protocol-Version": NEW if new else "2025-06-18"} | headers
    if new:
        _meta |= who_asks()
        sent |= {"Mcp-Method": method} | ({"Mcp-Name": params["name"]} if "name" in params else {})
    return running.post(message(method, **params, **({"_meta": _meta} if _meta else {})) | {"id": CANARY}, sent)


def read(key: str) -> dict[str, Any]:
    return {"name": "redis_read", "arguments": {"key": key}}


@pytest.mark.parametrize("new", [True, False], ids=["2026-07-28", "2025-06-18"])
def test_a_call_is_a_span_in_a_trace(redis_server: RedisServer, receiver: Receiver, tmp_path: Path, new: bool) -> None:
    with sidecar(redis_server, tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url) as running:
        send(running, "tools/call", read(CANARY), new=new, meta={"traceparent": TRACEPARENT, "tracestate": "a=b"})
        send(running, "tools/call", read(CANARY), new=new, traceparent=TRACEPARENT, tracestate="a=b")
        send(running, "tools/call", read("none"), new=new)
        send(running, "tools/call", read(CANARY), new=new, traceparent="00-" + "3" * 32 + "-" + "4" * 16 + "-01",
             meta={"traceparent": TRACEPARENT})  # fmt: skip
        running.signal(signal.SIGTERM)
        assert running.wait(60) == 0
    by_meta, by_header, alone, both = (span for span in receiver.spans if span.name == "tools/call redis_read")
    for span in (by_meta, by_header, both):
        assert _hex(span.trace_id) == TRACE and _hex(span.parent_span_id) == PARENT
    assert by_meta.trace_state == by_header.trace_state == "a=b"
    assert _hex(alone.trace_id) != TRACE and not alone.parent_span_id
    assert plain(by_meta) == {
        "mcp.method.name": "tools/call",
        "mcp.protocol.version": NEW if new else "2025-06-18",
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "redis_read",
    }
    assert plain(alone)["error.type"] == "tool_error"
    assert by_meta.kind == 2, "a server's"
    assert receiver.resources[0]["service.name"] == "mcp-redis" and receiver.resources[0]["service.version"]


def test_a_trace_that_is_no_text_hinders_no_call(redis_server: RedisServer, tmp_path: Path) -> None:
    values: list[Any] = [5, True, None, [], {}, "\0"]
    with sidecar(redis_server, tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{free_port()}") as running:
        for name, value in itertools.product(("traceparent", "tracestate", "baggage"), values):
            meta = {"traceparent": TRACEPARENT, name: value}
            status, answer = send(running, "tools/call", read(CANARY), new=False, meta=meta)
            assert status == 200 and CANARY in answer["result"]["content"][0]["text"], answer


def _hex(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def test_metrics_are_counted_and_sent_at_the_end(redis_server: RedisServer, receiver: Receiver, tmp_path: Path) -> None:
    settings = {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": receiver.url + "/v1/metrics", "OTEL_SERVICE_NAME": "mine"}
    with sidecar(redis_server, tmp_path, **settings) as running:
        for key in (CANARY, CANARY, "none"):
            send(running, "tools/call", read(key), new=True)
        send(running, "tools/call", {"name": CANARY, "arguments": {}}, new=False)
        running.signal(signal.SIGTERM)
        assert running.wait(60) == 0
    assert not receiver.spans, "only metrics have a receiver"
    assert receiver.resources[0]["service.name"] == "mine"
    points = receiver.metrics["mcp.server.operation.duration"].histogram.data_points
    counts = {tuple(sorted(plain(point).items())): int(point.count) for point in points}
    call = ("mcp.method.name", "tools/call")
    assert counts == {
        (("gen_ai.tool.name", "redis_read"), call): 2,
        (("error.type", "tool_error"), ("gen_ai.tool.name", "redis_read"), call): 1,
        (("error.type", "-32602"), ("gen_ai.tool.name", "_OTHER"), call): 1,
    }
    (up,) = receiver.metrics["mcp.sidecar.backend.up"].gauge.data_points
    assert int(up.as_int) == 1


def test_nothing_of_clients_or_stores_is_told(redis_server: RedisServer, receiver: Receiver, tmp_path: Path) -> None:
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "OTEL_EXPORTER_OTLP_HEADERS": f"api-key={CANARY}"}
    with sidecar(redis_server, tmp_path, **settings) as running:
        for new in (True, False):
            send(running, "tools/call", read(CANARY), new=new)
            send(running, "tools/call", {"name": CANARY, "arguments": {CANARY: CANARY}}, new=new)
            send(running, "tools/call", {"name": "redis_read", "arguments": {CANARY: CANARY}}, new=new)
            send(running, "resources/read", {"uri": f"redis://{CANARY}"}, new=new)
            send(running, "prompts/get", {"name": CANARY}, new=new)
            send(running, CANARY, {CANARY: CANARY}, new=new)
        running.signal(signal.SIGTERM)
        assert running.wait(60) == 0
        assert CANARY not in running.log.read_text()
    assert len(receiver.spans) >= 9 and "mcp.server.operation.duration" in receiver.metrics
    assert all(headers["api-key"] == CANARY for headers in receiver.headers), "where it belongs"
    assert not [body for body in receiver.bodies if CANARY.encode() in body]


def test_the_spans_of_elasticsearchs_client_are_part_of_a_call(receiver: Receiver, tmp_path: Path) -> None:
    def answer(request: Request) -> Answer:
        if "missing" in request.path:
            return failure(404, "index_not_found_exception", f"no such index [{CANARY}]")
        return NOTHING if "_search" in request.path else ROOT

    with FakeNode(answer) as fake:
        settings = {
            "ES_HOST": "127.0.0.1",
            "ES_PORT": str(fake.port),
            "ES_API_KEY": CANARY,
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
            "OTEL_PYTHON_INSTRUMENTATION_ELASTICSEARCH_CAPTURE_SEARCH_QUERY": "raw",
        }
        with Sidecar("servers.elasticsearch", settings, tmp_path) as running:
            for index in (CANARY, f"{CANARY}-missing"):
                arguments = {"index": index, "query": {"term": {CANARY: CANARY}}}
                send(running, "tools/call", {"name": "es_search", "arguments": arguments}, new=True)
            running.signal(signal.SIGTERM)
            assert running.wait(60) == 0
            assert CANARY not in running.log.read_text()
        calls = {_hex(span.span_id) for span in receiver.spans if span.name == "tools/call es_search"}
        found = [span for span in receiver.spans if span.name == "search"]
        assert len(calls) == 2 and {_hex(span.parent_span_id) for span in found} == calls
        for span in found:
            assert plain(span) == {
                "db.system": "elasticsearch", "db.operation": "search", "http.request.method": "POST",
                "server.address": "127.0.0.1", "server.port": fake.port,
            }  # fmt: skip
    assert not [body for body in receiver.bodies if CANARY.encode() in body]


@pytest.mark.parametrize(
    "settings", [{}, {"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"}]
)
def test_off(redis_server: RedisServer, receiver: Receiver, tmp_path: Path, settings: dict[str, str]) -> None:
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url} if settings else {}
    with sidecar(redis_server, tmp_path, MCP_WATCHDOG_SECONDS="0", **endpoint, **settings) as running:
        send(running, "tools/call", read(CANARY), new=True)
        threads = list(Path(f"/proc/{running.pid}/task").iterdir())
        assert len(threads) == 1, "none that exports"
        running.signal(signal.SIGTERM)
        assert running.wait(60) == 0
    assert not receiver.bodies


def test_a_receiver_that_is_away_changes_no_answer(redis_server: RedisServer, tmp_path: Path) -> None:
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}", "OTEL_BSP_SCHEDULE_DELAY": "10"}
    with sidecar(redis_server, tmp_path, **settings) as running:
        for _ in range(20):
            status, answer = send(running, "tools/call", read(CANARY), new=True)
            assert status == 200 and answer["result"]["structuredContent"]["value"] == CANARY
        running.signal(signal.SIGTERM)
        assert running.wait(60) == 0
        assert "Traceback" not in running.log.read_text()


def test_wrong_settings_are_told_in_a_line() -> None:
    done = refused(
        "servers.redis",
        OTEL_EXPORTER_OTLP_ENDPOINT="collector:4318",
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"http://user:{CANARY}@collector:4318/v1/traces",
        OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
        OTEL_TRACES_EXPORTER="console",
        OTEL_SDK_DISABLED="maybe",
    )
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "mcp-redis: OTEL_SDK_DISABLED: 'maybe' is neither true nor false",
        "mcp-redis: OTEL_EXPORTER_OTLP_ENDPOINT: it is not a URL such as http://collector:4318",
        "mcp-redis: OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: it must hold no user or password: OTEL_EXPORTER_OTLP_HEADERS takes them",
        "mcp-redis: OTEL_TRACES_EXPORTER: 'console' is not one of otlp, none",
        "mcp-redis: OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' is not one of http/json",
    ]


@pytest.mark.parametrize(
    ("name", "words"),
    [("OTEL_BSP_SCHEDULE_DELAY", "must be positive"), ("OTEL_METRIC_EXPORT_INTERVAL", "larger than zero")],
)
def test_what_opentelemetry_itself_refuses_is_told_in_a_line(name: str, words: str) -> None:
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
    done = refused("servers.redis", **endpoint, **{name: "-5"}, MCP_HOST="127.0.0.1", MCP_PORT=str(free_port()))
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2 and line.startswith("mcp-redis: a setting OTEL_... can't be used: ") and words in line
