"""OpenTelemetry: traces and metrics over OTLP/HTTP, off unless the environment names a receiver.

The MCP SDK makes a span of every message (https://modelcontextprotocol.io/specification, SEP-414 and OpenTelemetry's semantic
conventions for MCP); this module exports them, with names that the server knows, never with values of a client or a store.
OpenTelemetry's SDK is imported only if it is on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from servers.common.settings import Environment, SettingsError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from starlette.types import ASGIApp, Receive, Scope, Send

    from servers.common.server import Instance

FLUSH = 1.5
"""Seconds to send the remaining data at the end."""

LONGEST = 128
"""Characters of an attribute."""

ELASTICSEARCH = "elasticsearch-api"
"""The instrumentation scope of the spans that Elasticsearch's client makes. Their names are HTTP methods and parts of its API."""

ELASTICSEARCH_ATTRIBUTES = frozenset(
    {
        "db.system",
        "db.operation",
        "http.request.method",
        "server.address",
        "server.port",
        "db.elasticsearch.cluster.name",
    }
)
"""Attributes of these spans that are exported. The others hold names of indices, ids and queries."""


@dataclass(frozen=True)
class TelemetrySettings:
    """The exported signals. OpenTelemetry's libraries read headers, certificates and sampler from their own variables."""

    traces: bool
    metrics: bool

    @classmethod
    def read(cls, env: Environment) -> TelemetrySettings:
        disabled = env.flag("OTEL_SDK_DISABLED", False, "turn OpenTelemetry off, whatever else is set")
        base = _url(env, "OTEL_EXPORTER_OTLP_ENDPOINT", "OTLP endpoint, e.g. http://collector:4318; none: off")
        on = {}
        for signal in ("traces", "metrics"):
            name = f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT"
            own = _url(env, name, f"OTLP endpoint for {signal}, e.g. http://collector:4318/v1/{signal}")
            exporter = env.choice(
                f"OTEL_{signal.upper()}_EXPORTER",
                "otlp",
                ("otlp", "none"),
                f"exporter of {signal}, if there is an endpoint",
            )
            on[signal] = not disabled and exporter == "otlp" and bool(base or own)
        # What no other protocol's exporter is there for is said at start, not by a receiver that gets nothing.
        env.choice("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", ("http/json",), "protocol of OTLP")
        return cls(**on)


def _url(env: Environment, name: str, meaning: str) -> str:
    text = env.text(name, "", meaning)
    parts = urlsplit(text) if text.isascii() and "[" not in text else None
    if text and (parts is None or parts.scheme not in ("http", "https") or not parts.hostname):
        env.problems.append(f"{name}: it is not a URL such as http://collector:4318")
    elif parts and parts.username is not None:
        env.problems.append(f"{name}: it must hold no user or password: OTEL_EXPORTER_OTLP_HEADERS takes them")
    return text


class Telemetry:
    """Traces and metrics of one server, from its start to `close`."""

    def __init__(self, settings: TelemetrySettings, service: str, version: str, tools: Iterable[str]) -> None:
        """Begin, with something that is on. `service` is the name unless OTEL_SERVICE_NAME is set; only the names in `tools` are
        exported."""
        from opentelemetry import metrics, propagate, trace
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        # The default reads baggage too, which has no use here, and fails where a client's is no text.
        propagate.set_global_textmap(TraceContextTextMapPropagator())
        named = "service.name" in OTELResourceDetector().detect().attributes
        resource = Resource.create({"service.version": version} | ({} if named else {"service.name": service}))
        self._tools = frozenset(tools)
        self._close: list[Any] = []
        if settings.traces:
            traces = self._traces(resource)
            trace.set_tracer_provider(traces)
            self._close.append(traces.shutdown)
        if settings.metrics:
            meters = self._metrics(resource)
            metrics.set_meter_provider(meters)
            self._close.append(meters.shutdown)
        self._meter = metrics.get_meter("mcp-sidecar", version)
        self._duration = self._meter.create_histogram(
            "mcp.server.operation.duration",
            unit="s",
            description="Duration of an MCP message as the server sees it.",
            explicit_bucket_boundaries_advisory=[0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300],
        )

    def _traces(self, resource: Any) -> Any:
        from opentelemetry.exporter.otlp.json.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace import SpanLimits, TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult

        told = self.told

        class Told(OTLPSpanExporter):
            """Exports spans without what comes from clients."""

            def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
                return super().export([told(span) for span in spans])

        provider = TracerProvider(resource=resource, shutdown_on_exit=False, span_limits=SpanLimits(max_attribute_length=LONGEST))
        provider.add_span_processor(BatchSpanProcessor(Told()))
        return provider

    def _metrics(self, resource: Any) -> Any:
        from opentelemetry.exporter.otlp.json.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

        reader = PeriodicExportingMetricReader(OTLPMetricExporter())
        return MeterProvider(metric_readers=[reader], resource=resource, shutdown_on_exit=False)

    def told(self, span: ReadableSpan) -> ReadableSpan:
        """Return a span without the words of a client: unknown methods and tools, messages of errors, exceptions."""
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.trace import Status

        attributes = dict(span.attributes or {})
        name: object = span.name
        if span.instrumentation_scope and span.instrumentation_scope.name == ELASTICSEARCH:
            attributes = {key: value for key, value in attributes.items() if key in ELASTICSEARCH_ATTRIBUTES}
        else:
            attributes.pop("jsonrpc.request.id", None)
            attributes.pop("gen_ai.prompt.name", None)
            attributes |= {"mcp.method.name": known_method(attributes.get("mcp.method.name"))}
            name = attributes["mcp.method.name"]
            if tool := attributes.pop("gen_ai.tool.name", None):
                attributes["gen_ai.tool.name"] = tool if tool in self._tools else OTHER
                name = f"{name} {attributes['gen_ai.tool.name']}"
        return ReadableSpan(
            name=str(name),
            context=span.context,
            parent=span.parent,
            resource=span.resource,
            attributes=attributes,
            links=span.links,
            kind=span.kind,
            status=Status(span.status.status_code),
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=span.instrumentation_scope,
        )

    def observe(self, instance: Instance[Any]) -> None:
        """Export gauges, which are read at each export."""
        from opentelemetry.metrics import CallbackOptions, Observation

        counted = instance.metrics.registry.get_sample_value

        def up(options: CallbackOptions) -> list[Observation]:
            return [Observation(int(instance.monitor.up))]

        def under_way(options: CallbackOptions) -> list[Observation]:
            return [Observation(int(counted("mcp_tool_calls_under_way") or 0))]

        self._meter.create_observable_gauge("mcp.sidecar.backend.up", [up], "1", "1 while the store serves, else 0.")
        self._meter.create_observable_gauge("mcp.sidecar.calls.under_way", [under_way], "{call}", "Tool calls under way.")

    async def __call__(self, ctx: Any, call_next: Any) -> Any:
        """The MCP SDK's middleware that measures each message."""
        attributes: dict[str, Any] = {"mcp.method.name": known_method(ctx.method)}
        if ctx.method == "tools/call":
            tool = (ctx.params or {}).get("name")
            attributes["gen_ai.tool.name"] = tool if isinstance(tool, str) and tool in self._tools else OTHER
        began = time.perf_counter()
        try:
            result = await call_next(ctx)
            # What a handler gave, or what is made of it for the wire.
            if result.get("isError") if isinstance(result, dict) else getattr(result, "is_error", False):
                attributes["error.type"] = "tool_error"
            return result
        except BaseException as error:
            code = getattr(getattr(error, "error", None), "code", None)
            attributes["error.type"] = type(error).__name__ if code is None else str(code)
            raise
        finally:
            self._duration.record(time.perf_counter() - began, attributes)

    def close(self) -> None:
        """Send what is left, for at most FLUSH seconds: a receiver that is away must not keep a process from ending."""
        threads = [threading.Thread(target=close, daemon=True) for close in self._close]
        end = time.monotonic() + FLUSH
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(end - time.monotonic(), 0))


@contextmanager
def exported(settings: TelemetrySettings, instance: Instance[Any]) -> Iterator[None]:
    """Export a server's traces and metrics inside this context. Raise SettingsError if OpenTelemetry refuses its settings."""
    if not settings.traces and not settings.metrics:
        yield
        return
    from starlette.middleware import Middleware

    from servers.common import VERSION

    tools = (tool.definition.name for tool in instance.sidecar.tools)
    try:
        telemetry = Telemetry(settings, instance.sidecar.name, VERSION, tools)
    except ValueError as error:
        raise SettingsError([f"a setting OTEL_... can't be used: {' '.join(str(error).split())}"]) from None
    telemetry.observe(instance)
    instance.middleware.append(telemetry)
    instance.http_middleware.append(Middleware(TraceContext))
    try:
        yield
    finally:
        telemetry.close()


OTHER = "_OTHER"
"""In place of a name that is not known (the word of OpenTelemetry's conventions)."""


def known_method(method: object) -> str:
    """Return a method of MCP, or OTHER."""
    from mcp_types.methods import SPEC_CLIENT_METHODS, SPEC_CLIENT_NOTIFICATION_METHODS

    known = method in SPEC_CLIENT_METHODS or method in SPEC_CLIENT_NOTIFICATION_METHODS
    return str(method) if known else OTHER


class TraceContext:
    """ASGI middleware: spans of a request continue the trace that its headers name (W3C Trace Context)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        from opentelemetry import context, propagate
        from starlette.datastructures import Headers

        token = context.attach(propagate.extract(Headers(scope=scope)))
        try:
            await self._app(scope, receive, send)
        finally:
            context.detach(token)
