"""What is imported and built late is the same as what would have been imported and built at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter

from servers.common import lean

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
LEAN = "from servers.common import lean; lean.import_sdk()\n"


def run(code: str) -> Any:
    """The JSON that a Python of its own prints: what it has imported is nobody else's."""
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_all_messages_have_the_same_schemas() -> None:
    plain, late = run(SCHEMAS), run(LEAN + SCHEMAS)
    assert len(plain) > 500
    assert late == plain


@pytest.mark.parametrize(
    ("version", "imported"),
    [
        ("2025-06-18", ["mcp_types._v2025_11_25"]),
        ("2025-11-25", ["mcp_types._v2025_11_25"]),
        ("2026-07-28", ["mcp_types._v2026_07_28"]),
    ],
)
def test_a_request_imports_the_models_of_its_version_only(version: str, imported: list[str]) -> None:
    meta = {"io.modelcontextprotocol/protocolVersion": version, "io.modelcontextprotocol/clientCapabilities": {}}
    params = {"_meta": meta} if version > "2026" else {}
    code = f"""
import json, sys
from mcp_types import methods
def imported():
    return [name for name in lean.LATER if name in sys.modules and "__getattr__" not in vars(sys.modules[name])]
before = imported()
methods.validate_client_request("tools/list", {version!r}, {params!r})
result = {{"tools": [], "resultType": "complete", "ttlMs": 0, "cacheScope": "public"}}
methods.serialize_server_result("tools/list", {version!r}, result)
print(json.dumps([before, imported()]))
"""
    assert run(LEAN + code) == [[], imported]


def test_each_module_can_be_used_after_all() -> None:
    code = """
import importlib, json, sys
found = {}
for name in (*lean.PACKAGES, *lean.LATER):
    module = importlib.import_module(name)
    try:
        module.nothing_has_this_name.nor_this
    except AttributeError as error:
        found[name] = str(error)
print(json.dumps([found, [name for name in found if "__getattr__" in vars(sys.modules[name])]]))
"""
    found, left = run(LEAN + code)
    assert found == {
        name: f"module {name!r} has no attribute 'nothing_has_this_name'" for name in (*lean.PACKAGES, *lean.LATER)
    }
    assert not left


def test_a_stand_in_is_used_as_its_class() -> None:
    class Point(BaseModel):
        x: int

    later: Any = lean.Later(lambda: Point)
    either: Any = TypeAdapter(later | None)
    assert later.model_validate({"x": 1}) == later(x=1) == Point(x=1)
    assert isinstance(Point(x=1), later)
    assert either.json_schema() == TypeAdapter(Point | None).json_schema()
    assert either.validate_python({"x": 1}) == Point(x=1)
