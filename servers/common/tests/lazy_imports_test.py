"""Libraries that are imported lazily are the same as libraries that are imported at once."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from servers.common import lazy_imports

SCHEMAS = """
import json, mcp_types, mcp_types.methods as methods
from pydantic import TypeAdapter

maps = [name for name in vars(methods) if name.startswith(("CLIENT_", "SERVER_", "MONOLITH_"))]
rows = {f"{name} {key}": TypeAdapter(row) for name in maps for key, row in getattr(methods, name).items()}
rows |= {name: value for name, value in vars(mcp_types).items() if isinstance(value, TypeAdapter)}
rows |= {
    name: TypeAdapter(value)
    for name, value in vars(mcp_types).items()
    if isinstance(value, type) and hasattr(value, "model_fields")
}
print(json.dumps({
    f"{name} {mode}": row.json_schema(mode=mode) for name, row in rows.items() for mode in ("validation", "serialization")
}))
"""
LAZY = "from servers.common import lazy_imports; lazy_imports.enable(metrics=False)\n"


def run(code: str) -> Any:
    """Run code in a new Python process, and return the JSON that it prints."""
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_all_messages_have_the_same_schemas() -> None:
    plain, lazy = run(SCHEMAS), run(LAZY + SCHEMAS)
    assert len(plain) > 500
    assert lazy == plain


def test_a_package_does_not_run_before_a_name_of_it_is_used() -> None:
    code = """
import json, sys
import mcp.server.lowlevel
def ran():
    return [name for name in lazy_imports.PACKAGES if type(sys.modules[name]) is not lazy_imports.LazyPackage]
before = ran()
client = "mcp.client" in sys.modules
from mcp import Client
from mcp.server import MCPServer, lowlevel
after = ran()
from mcp.client.client import Client as same
print(json.dumps([before, client, after, Client is same, lowlevel is mcp.server.lowlevel, MCPServer.__name__]))
"""
    assert run(LAZY + code) == [[], False, ["mcp", "mcp.server"], True, True, "MCPServer"]


def test_each_package_can_be_used_as_ever() -> None:
    code = """
import importlib, json
print(json.dumps({name: sorted(getattr(importlib.import_module(name), "__all__", ())) for name in {names}}))
""".replace("{names}", repr(list(lazy_imports.PACKAGES)))
    plain, lazy = run(code), run(LAZY + code)
    assert lazy == plain


def test_a_name_that_a_package_lacks_is_an_error() -> None:
    code = """
import importlib, json
found = {}
for name in lazy_imports.PACKAGES:
    try:
        importlib.import_module(name).nothing_has_this_name
    except AttributeError as error:
        found[name] = str(error)
print(json.dumps(found))
"""
    expected = {name: f"module {name!r} has no attribute 'nothing_has_this_name'" for name in lazy_imports.PACKAGES}
    assert run(LAZY + code) == expected


def test_names_come_from_the_modules_that_define_them() -> None:
    code = """
import importlib, json, sys
def used(package):
    return {name: getattr(importlib.import_module(package), name) for name in lazy_imports.PACKAGES[package]}
alone = {package: used(package) for package in lazy_imports.PACKAGES}
ran = [package for package in alone if type(sys.modules[package]) is not lazy_imports.LazyPackage]
sys.modules["mcp"].Client, sys.modules["redis.asyncio"].Sentinel, sys.modules["elasticsearch"].Elasticsearch
print(json.dumps([ran, [package for package in alone if used(package) != alone[package]]]))
"""
    assert run(LAZY + code) == [[], []]


def test_a_package_that_is_imported_already_stays() -> None:
    code = """
import json, mcp, sys
before = sys.modules["mcp"]
from servers.common import lazy_imports
lazy_imports.enable(metrics=False)
print(json.dumps([sys.modules["mcp"] is before, mcp.Client.__name__]))
"""
    assert run(code) == [True, "Client"]


@pytest.mark.parametrize("metrics", [False, True])
def test_the_metrics_sdk_can_be_imported_where_metrics_are_on(metrics: bool) -> None:
    code = f"""
import json
from servers.common import lazy_imports
lazy_imports.enable(metrics={metrics})
import redis.asyncio.client
try:
    from opentelemetry.sdk.metrics import MeterProvider
    print(json.dumps(MeterProvider.__name__))
except ModuleNotFoundError as error:
    print(json.dumps(error.name))
"""
    assert run(code) == ("MeterProvider" if metrics else "opentelemetry.sdk.metrics")
