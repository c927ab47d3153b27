"""What the servers may cost, in counts that no machine changes. Raise one only with a reason in the commit's message."""

from __future__ import annotations

KB = 1000

LISTING = {"redis": 17 * KB, "elasticsearch": 17 * KB}
"""Bytes of tools/list with all tools, as compact JSON: what a model reads before its first question."""

MODULES = {"redis": 535, "elasticsearch": 480}
"""Python modules imported by the time a server answers."""

NEVER_IMPORTED = {
    "argparse",
    "importlib.resources",
    "mcp.client",
    "mcp.server.mcpserver",
    "jsonschema",
    "cryptography.hazmat",
    "opentelemetry.metrics._internal",
    "opentelemetry.sdk",
    "pydantic.v1",
    "click",
    "h11",
    "httpcore2",
    "mcp.shared.auth",
    "mcp_types._wire_base",
    "multiprocessing",
    "prometheus_client.exposition",
    "python_multipart.decoders",
    "tempfile",
    "sse_starlette.sse",
}
"""Modules that only a client, the SDK's high-level server, a setting that is off or the first request of its kind needs."""

COMPILED = {"redis": 185, "elasticsearch": 220}
"""Texts that an image's server compiles while it starts: those of 2,000 that are not compiled ahead."""

LAYERS = {"base": 1_950 * KB, "python": 7_200 * KB, "wheels": 8_700 * KB, "code": 400 * KB}
"""Bytes of a layer of an image for amd64, packed."""

UNPACKED = 54_000 * KB
"""Bytes of an image unpacked."""

PYTHON_CALLS = {"2025-11-25": 190, "2026-07-28": 390}
"""Python functions entered for a call of a tool that does nothing, from the endpoint to its answer, by protocol."""

KEPT_BLOCKS = 100
"""Blocks of memory (sys.getallocatedblocks) that are more after a thousand calls: what is kept for good."""
