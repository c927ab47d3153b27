"""Imports the libraries as the servers do, and prints what is compiled from text meanwhile, marshalled.

A program of its own, which imports next to nothing before: what was imported then would not be noted.
"""

from __future__ import annotations

import importlib
import marshal
import sys
from typing import Any

from servers.common.compiled import Compiled

LIBRARIES = (
    "asyncio",
    "logging",
    "mcp.server.lowlevel",
    "mcp.server.streamable_http_manager",
    "opentelemetry.propagate",
    "opentelemetry.trace",
    "prometheus_client.metrics",
    "prometheus_client.process_collector",
    "prometheus_client.registry",
    "redis.asyncio",
    "redis.credentials",
    "starlette.applications",
    "uvicorn.config",
    "uvicorn.server",
    "uvicorn.protocols.http.httptools_impl",
    "anyio._backends._asyncio",
)
"""What servers/ import; tests/benchmark counts what is missing."""


class Noting(Compiled):
    """Knows nothing, so that it is asked for everything."""

    def _pattern(self, text: Any, flags: int = 0) -> Any:
        if isinstance(text, str | bytes):
            self.patterns[text, int(flags)] = ()
        return self._re_compile(text, flags)


def noted() -> tuple[list[tuple[str, str]], list[tuple[str | bytes, int]]]:
    """The keys of Codes and of Patterns (servers/common/compiled.py), sorted."""
    noting = Noting({}, {})
    noting.begin()
    from servers.common import lean

    lean.import_sdk()
    with lean.hidden(*lean.METRICS):
        for name in LIBRARIES:
            importlib.import_module(name)
    return sorted(noting.codes), sorted(noting.patterns, key=lambda key: (str(key[0]), key[1]))


if __name__ == "__main__":
    marshal.dump(noted(), sys.stdout.buffer)
