"""What a sidecar counts, in Prometheus' text format."""

from prometheus_client.metrics import Counter, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import CollectorRegistry

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The metrics of one server; names in docs/operations.md."""

    def __init__(self, server: str, version: str) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        build = Gauge("mcp_build_info", "Always 1.", ["server", "version"], registry=self.registry)
        build.labels(server, version).set(1)
        self.calls = Counter(
            "mcp_tool_calls",
            "Tool calls by outcome: ok, error, timeout, cancelled, busy, forbidden.",
            ["tool", "outcome"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "mcp_tool_call_seconds", "Duration of tool calls.", ["tool"], buckets=_BUCKETS, registry=self.registry
        )
        self.under_way = Gauge("mcp_tool_calls_under_way", "Tool calls under way.", registry=self.registry)
        self.rejected = Counter(
            "mcp_http_requests_rejected",
            "Requests refused: host, origin, token, certificate, scope, rate, busy, length, slow.",
            ["reason"],
            registry=self.registry,
        )
        self.backend_up = Gauge("mcp_backend_up", "1 while the store serves, else 0.", registry=self.registry)

    def text(self) -> tuple[bytes, str]:
        """Return the metrics in Prometheus' text format, and its media type."""
        # Imported when first asked: it brings HTTP servers of the standard library.
        from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

        return generate_latest(self.registry), CONTENT_TYPE_LATEST
