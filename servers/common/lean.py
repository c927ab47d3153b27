"""Imports libraries without what a sidecar never runs, or not yet.

`import mcp.server.lowlevel` runs `mcp/__init__.py` and `mcp/server/__init__.py` first, which bring the SDK's client, an HTTP
client, its high-level server and cryptography; and the models of all protocol versions are made and built while they are
imported, though a client speaks one version and a server uses few of them. Here these packages are there without having run,
the names of modules that few servers use stand for what they name until it is used, and models are built when first used.
What it gains is in docs/benchmarks; that answers stay the same is a matter of tests/protocol, whose servers start so.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import typing
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pydantic
from pydantic import BaseModel, ConfigDict, TypeAdapter

if TYPE_CHECKING:
    # It brings half of importlib.resources, and no base of its own is asked for.
    from importlib.abc import Loader

PACKAGES = ("mcp", "mcp.server", "prometheus_client")
"""Packages whose `__init__.py` imports more than a sidecar uses: the client and the high-level server, servers for metrics."""

LATER = (
    # The models of a protocol version, used when a request of that version comes.
    "mcp_types._v2025_11_25",
    "mcp_types._v2026_07_28",
    # The SDK's authorization, in whose place are servers/common/guard.py and oauth.py.
    "mcp.server.auth.middleware.auth_context",
    "mcp.server.auth.middleware.bearer_auth",
    "mcp.server.auth.provider",
    "mcp.server.auth.routes",
    "mcp.server.auth.settings",
    # Answers as streams of events, requests of forms, and the sessions' way of the SDK.
    "mcp.shared.jsonrpc_dispatcher",
    "sse_starlette",
    "python_multipart",
    "python_multipart.multipart",
    "starlette.formparsers",
    # uvicorn's command line, and its settings for logs.
    "uvicorn",
    "configparser",
    "logging.config",
    # For pydantic's addresses of e-mail.
    "importlib.metadata",
    # Ways to deploy Redis of which a server uses one at most.
    "redis.asyncio.cluster",
    "redis.asyncio.keyspace_notifications",
    "redis.asyncio.sentinel",
    "redis.cluster",
    "redis.keyspace_notifications",
    "redis.sentinel",
    # Redis Enterprise's notes on its upkeep, and redis-py's own metrics.
    "redis.maint_notifications",
    "redis.asyncio.maint_notifications",
    "redis.observability.recorder",
    "redis.asyncio.observability.recorder",
)
"""Modules that are imported when something of them is used, not when it is named."""

METRICS = ("opentelemetry.metrics", "opentelemetry.sdk.metrics")
"""redis-py has metrics of its own, which nothing here asks for, and brings them where it finds these: see `hidden`."""


class Later:
    """Stands for a name of a module that has not run yet. The module runs as soon as what it names is used."""

    def __init__(self, load: Callable[[], Any]) -> None:
        """
        Args:
            load: gives what this stands for
        """
        self._load = load

    def __getattr__(self, name: str) -> Any:
        return getattr(self._load(), name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._load()(*args, **kwargs)

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, self._load())

    def __or__(self, other: Any) -> Any:
        return typing.Union[self, other]  # noqa: UP007  # the operator is what is defined here

    def __get_pydantic_core_schema__(self, source: Any, handler: pydantic.GetCoreSchemaHandler) -> Any:
        return handler.generate_schema(self._load())


class _TypeAdapter:
    """In place of pydantic's: makes the same, built when first used."""

    def __getitem__(self, type: Any) -> _TypeAdapter:
        return self

    def __call__(self, type: Any) -> TypeAdapter[Any]:
        return TypeAdapter(type, config=ConfigDict(defer_build=True))


class _Finder:
    """Finds the modules of PACKAGES and LATER, and has them run when they are needed."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in PACKAGES and name not in LATER:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec and spec.loader:
            spec.loader = _Loader(spec.loader, named_later=name in LATER)  # type: ignore[assignment]
        return spec


class _Loader:
    """Loads a module without running it: that is done when a name of it is asked for, or used."""

    running = 0
    """Modules that were left for later and are running now: what they import, they get at once."""

    def __init__(self, loader: Loader, named_later: bool) -> None:
        self._loader = loader
        self._named_later = named_later

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        stand_ins: dict[str, Later] = {}

        def run() -> None:
            if vars(module).pop("__getattr__", None):
                assert module.__spec__
                module.__spec__.loader = module.__loader__ = self._loader
                _Loader.running += 1
                try:
                    self._loader.exec_module(module)
                finally:
                    _Loader.running -= 1

        def load(name: str) -> Any:
            run()
            return getattr(module, name)

        def missing(name: str) -> Any:
            # PEP 562: called for a name that is not there.
            if name.startswith("__"):
                raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
            if self._named_later and not _Loader.running:
                return stand_ins.setdefault(name, Later(lambda: load(name)))
            submodule = f"{module.__name__}.{name}"
            if hasattr(module, "__path__") and importlib.util.find_spec(submodule):
                return importlib.import_module(submodule)
            return load(name)

        vars(module)["__getattr__"] = missing


def import_sdk() -> None:
    """Imports the protocol's models. From now on modules are imported, and models built, as this module has it."""
    if any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    sys.meta_path.insert(0, _Finder())
    # They would be looked for in the metadata of all packages; none is ours.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # Classes take over the settings of their bases while they are made.
    BaseModel.model_config["defer_build"] = True
    with _nothing_built():
        importlib.import_module("mcp_types")


@contextmanager
def _nothing_built() -> Iterator[None]:
    """The time in which what a library asks pydantic to build at once is left for its first use, too."""
    rebuild = vars(BaseModel)["model_rebuild"]
    BaseModel.model_rebuild = classmethod(lambda cls, **options: None)  # type: ignore[assignment]
    pydantic.TypeAdapter = _TypeAdapter()  # type: ignore[misc, assignment]
    try:
        yield
    finally:
        BaseModel.model_rebuild = rebuild  # type: ignore[method-assign]
        pydantic.TypeAdapter = TypeAdapter  # type: ignore[misc]


@contextmanager
def hidden(*names: str) -> Iterator[None]:
    """The time in which modules that are not imported yet can't be: a library that could use them does without."""
    absent = [name for name in names if name not in sys.modules]
    for name in absent:
        sys.modules[name] = None  # type: ignore[assignment]  # as the import system's reference has it
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]
