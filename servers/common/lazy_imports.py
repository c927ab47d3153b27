"""Lazy imports: skip the parts of libraries that a server does not need, for a faster start and less memory.

`import mcp.server.lowlevel` runs `mcp/__init__.py` and `mcp/server/__init__.py` first. These import an MCP client, an HTTP
client and a high-level server. Here such a package is present without having run: its submodules can be imported, and its
`__init__` runs when code uses a name that only the `__init__` provides. Pydantic builds models when they are first used.
docs/benchmarks has the gains, and the patches that would make this file unnecessary. MCP_LAZY_IMPORTS=false turns it off.
"""

import contextlib
import importlib
import importlib.util
import os
import sys
from types import ModuleType
from typing import Any

PACKAGES: dict[str, dict[str, str]] = {
    "elasticsearch": {
        "ApiError": "elasticsearch.exceptions",
        "AsyncElasticsearch": "elasticsearch._async.client",
        "ElasticsearchWarning": "elasticsearch.exceptions",
    },
    "elasticsearch._sync.client": {},
    "mcp": {},
    "mcp.server": {},
    "prometheus_client": {},
    "redis": {},
    "redis.asyncio": {"Redis": "redis.asyncio.client"},
}
"""Packages whose `__init__` imports more than a server uses, and the modules that define the names which a server uses."""


class LazyPackage(ModuleType):
    """A package whose `__init__` has not run yet. It runs as soon as one of the names that it provides is used."""

    def __init__(self, name: str) -> None:
        """Raise ModuleNotFoundError where there is no package of this name, which is given with dots."""
        super().__init__(name)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        self.__spec__, self.__loader__, self.__file__ = spec, spec.loader, spec.origin
        self.__package__, self.__path__ = name, list(spec.submodule_search_locations or ())

    def __getattr__(self, name: str) -> Any:
        """Import the module that defines the name, or the submodule of this name, or else run `__init__` (PEP 562)."""
        if module := PACKAGES[self.__name__].get(name):
            return getattr(importlib.import_module(module), name)
        if importlib.util.find_spec(submodule := f"{self.__name__}.{name}"):
            return importlib.import_module(submodule)
        # The import system sets a package's submodules on it, but not those that are present already.
        submodules = (package.rpartition(".") for package in PACKAGES)
        vars(self).update({last: getattr(self, last) for parent, _, last in submodules if parent == self.__name__})
        assert self.__spec__ and self.__spec__.loader
        self.__class__ = ModuleType  # type: ignore[assignment]  # as importlib.util.LazyLoader does: now an ordinary module
        self.__spec__.loader.exec_module(self)
        return getattr(self, name)


def enable(metrics: bool) -> None:
    """Make later imports lazy, of what is not imported yet. `metrics` tells whether OpenTelemetry's SDK exports metrics."""
    # Pydantic would search the metadata of all installed packages for plugins.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from pydantic import BaseModel

    # Models inherit it: https://docs.pydantic.dev/latest/concepts/config/#configuration-inheritance
    BaseModel.model_config["defer_build"] = True
    # redis-py would import OpenTelemetry's metrics for its own. None: see https://docs.python.org/3/reference/import.html
    hidden = [] if metrics else ["opentelemetry.sdk.metrics"]
    for name in (*PACKAGES, *hidden):
        with contextlib.suppress(ModuleNotFoundError):  # each wheel brings the client of its own store only
            sys.modules.setdefault(name, None if name in hidden else LazyPackage(name))  # type: ignore[arg-type]
