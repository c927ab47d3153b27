"""Imports the MCP SDK's server without what a sidecar never runs.

`import mcp.server.lowlevel` runs `mcp/__init__.py` and `mcp/server/__init__.py` first, which bring the SDK's client, an HTTP
client, its high-level server and cryptography; and the models of all protocol versions are built while they are imported,
though a server uses few of them. Here these packages are there without having run, and their models are built when first
used. What it gains is in docs/benchmarks; that answers stay the same is a matter of tests/protocol, whose servers start so.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import BaseModel

PACKAGES = ("mcp", "mcp.server")
"""Packages whose `__init__.py` imports more than a sidecar uses: the client and the high-level server."""


def import_sdk() -> None:
    """Imports the protocol's models and puts the packages in place. Does nothing for what is imported already."""
    for name in PACKAGES:
        if name not in sys.modules:
            _place(name)
    if "mcp_types" in sys.modules:
        return
    # Classes take over the settings of their bases while they are made (pydantic: `defer_build`).
    BaseModel.model_config["defer_build"] = True
    try:
        importlib.import_module("mcp_types.methods")
    finally:
        del BaseModel.model_config["defer_build"]


@contextmanager
def hidden(name: str) -> Iterator[None]:
    """The time in which a module that is not imported yet can't be: a library that could use it does without it."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # as the import system's reference has it
    try:
        yield
    finally:
        del sys.modules[name]


def _place(name: str) -> None:
    """Makes a package importable from without running its `__init__.py`; that runs as soon as something of it is asked for."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        return
    module = importlib.util.module_from_spec(spec)
    loader = spec.loader

    def run(attribute: str) -> Any:
        # PEP 562: called for a name that is not there.
        if attribute.startswith("__"):
            raise AttributeError(f"module {name!r} has no attribute {attribute!r}")
        del vars(module)["__getattr__"]
        loader.exec_module(module)
        return getattr(module, attribute)

    vars(module)["__getattr__"] = run
    sys.modules[name] = module
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)
