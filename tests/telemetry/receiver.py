"""A receiver of OTLP/HTTP, as a collector is one: it decodes what comes by the protocol's own messages."""

import gzip
from collections.abc import Mapping
from typing import Any

from opentelemetry.proto_json.collector.metrics.v1.metrics_service import ExportMetricsServiceRequest
from opentelemetry.proto_json.collector.trace.v1.trace_service import ExportTraceServiceRequest

from tools.backends.http_server import Handler, LocalServer


def plain(holder: Any) -> dict[str, Any]:
    """The attributes of a resource, a span or a point as a mapping."""
    found = {}
    for attribute in holder.attributes:
        value = attribute.value
        kinds = ("string_value", "bool_value", "int_value", "double_value")
        found[attribute.key] = next(v for kind in kinds if (v := getattr(value, kind)) is not None)
    return found


class Receiver(LocalServer):
    """Listens on a loopback port. Use it with `with`."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.headers: list[Mapping[str, str]] = []
        self.spans: list[Any] = []
        self.resources: list[dict[str, Any]] = []
        self.metrics: dict[str, Any] = {}
        """The newest of each name."""

        receiver = self

        class Receives(Handler):
            def do_POST(self) -> None:
                body = self.body()
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                receiver.receive(self.path, dict(self.headers), body)
                self.respond(b"{}")

        super().__init__(Receives)

    def receive(self, path: str, headers: Mapping[str, str], body: bytes) -> None:
        self.bodies.append(body)
        self.headers.append(headers)
        if path == "/v1/traces":
            for spans in ExportTraceServiceRequest.from_json(body).resource_spans:
                self.resources.append(plain(spans.resource))
                self.spans += [span for scope in spans.scope_spans for span in scope.spans]
        else:
            assert path == "/v1/metrics", path
            for metrics in ExportMetricsServiceRequest.from_json(body).resource_metrics:
                self.resources.append(plain(metrics.resource))
                found = (metric for scope in metrics.scope_metrics for metric in scope.metrics)
                self.metrics |= {str(metric.name): metric for metric in found}
