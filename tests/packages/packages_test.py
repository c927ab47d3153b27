"""Wheels and bundles as a laptop gets them: installed without our sources, and called as an MCP client over stdio."""

import ast
import email.parser
import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from mcp.client.stdio import StdioServerParameters

from servers.common import VERSION
from tests.packages.conftest import SERVERS, UV, Laptop, call, wheel
from tools.backends.process import ran
from tools.backends.runfiles import program
from tools.packages.describe import ASKED

DISTRIBUTIONS = {"jwt": "pyjwt", "opentelemetry": "opentelemetry_api"}
"""Modules that are not called as what they come in."""
UNIMPORTED = {"hiredis"}
"""Distributions that a library loads by itself where they are installed: redis-py parses replies with hiredis."""


@pytest.fixture(scope="module")
def both(laptop: Laptop) -> Path:
    """The Python of an environment that has both servers."""
    python = laptop.environment(laptop.folder / "both")
    laptop.install(python, *(f"dox-asdlc-mcp-{name}" for name in SERVERS))
    return python


def metadata(name: str) -> email.message.Message:
    with zipfile.ZipFile(wheel(name)) as archive:
        (member,) = (m for m in archive.namelist() if m.endswith(".dist-info/METADATA"))
        return email.parser.HeaderParser().parsestr(archive.read(member).decode())


def members(name: str) -> set[str]:
    with zipfile.ZipFile(wheel(name)) as archive:
        return {m for m in archive.namelist() if ".dist-info/" not in m}


@pytest.mark.parametrize("program_name", ["dox-asdlc-mcp-{}", "mcp-{}"])
@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.anyio
async def test_an_installed_program_serves_a_client_over_stdio(
    name: str, program_name: str, both: Path, stores: dict[str, dict[str, str]]
) -> None:
    command = str(both.parent / program_name.format(name))
    await call(name, StdioServerParameters(command=command, args=[], env=stores[name]))


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_alone_brings_what_it_needs_and_not_the_other(name: str, laptop: Laptop) -> None:
    python = laptop.environment(laptop.folder / f"only-{name}")
    laptop.install(python, f"dox-asdlc-mcp-{name}")
    installed = laptop.installed(python)
    (other,) = set(SERVERS) - {name}
    assert {f"dox-asdlc-mcp-{name}", "dox-asdlc-mcp-common", "mcp"} <= installed
    assert f"dox-asdlc-mcp-{other}" not in installed
    assert ("redis" in installed) == (name == "redis")
    done = ran(python.parent / f"mcp-{name}", "--version", check=True, env={})
    assert done.stdout == f"mcp-{name} {VERSION}\n"
    listed = ran(python.parent / f"mcp-{name}", "--help", check=True, env={})
    assert "[stdio]" in listed.stdout, "stdio is the default of a laptop"


def test_one_server_can_go_without_harm_to_the_other(laptop: Laptop) -> None:
    python = laptop.environment(laptop.folder / "going")
    laptop.install(python, *(f"dox-asdlc-mcp-{name}" for name in SERVERS))
    laptop.uv("pip", "uninstall", "--quiet", "--python", python, "dox-asdlc-mcp-redis")
    assert not (python.parent / "mcp-redis").exists()
    subprocess.run([python.parent / "mcp-elasticsearch", "--version"], check=True, capture_output=True, env={})


def test_no_file_belongs_to_two_wheels() -> None:
    common, redis, elasticsearch = (members(name) for name in ("common", *SERVERS))
    assert not common & redis and not common & elasticsearch and not redis & elasticsearch
    assert "servers/__init__.py" in common
    assert not [m for m in common | redis | elasticsearch if "test" in m or "fake" in m or not m.startswith("servers/")]


@pytest.mark.parametrize("name", ["common", *SERVERS])
def test_a_wheel_says_what_it_is_and_requires(name: str) -> None:
    said = metadata(name)
    assert (said["Name"], said["Version"]) == (f"dox-asdlc-mcp-{name}", VERSION)
    assert said["License"] == "Apache-2.0"
    assert said["Requires-Python"] == ">=3.11"
    assert said["Description-Content-Type"] == "text/markdown"
    with zipfile.ZipFile(wheel(name)) as archive:
        (license_file,) = (m for m in archive.namelist() if m.endswith(".dist-info/licenses/LICENSE"))
        assert b"Apache License" in archive.read(license_file)
    if name != "common":
        # The MCP registry looks for this line on the index's page before it takes the entry of a wheel.
        assert f"<!-- mcp-name: io.github.dox-asdlc/mcp-{name} -->" in said.get_payload()


@pytest.mark.parametrize("name", ["common", *SERVERS])
def test_a_wheel_requires_all_that_its_sources_import(name: str) -> None:
    required = {re.split(r"[\[<>=!~]", line)[0].replace("-", "_") for line in metadata(name).get_all("Requires-Dist", [])}
    imported = set()
    with zipfile.ZipFile(wheel(name)) as archive:
        for member in members(name):
            for node in ast.walk(ast.parse(archive.read(member))):
                if isinstance(node, ast.Import):
                    imported |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    imported.add(node.module.partition(".")[0])
    foreign = imported - set(sys.stdlib_module_names) - {"servers"}
    found = {DISTRIBUTIONS.get(module, module) for module in foreign}
    assert found == required - {"dox_asdlc_mcp_common"} - UNIMPORTED


def validated(manifest: Path) -> subprocess.CompletedProcess[str]:
    """Return what the format's own tool says of a manifest."""
    tool = program("NODE_MODULES") / "@anthropic-ai/mcpb/dist/cli/cli.js"
    command: list[str | Path] = [program("NODE"), tool, "validate", manifest]
    return ran(*command, env={"PATH": "/usr/bin:/bin"})


@pytest.mark.parametrize("name", SERVERS)
def test_a_bundles_manifest_is_valid(name: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(program(f"{name.upper()}_MCPB")) as archive:
        archive.extractall(tmp_path)
    file = tmp_path / "manifest.json"
    manifest = json.loads(file.read_text())
    done = validated(file)
    assert done.returncode == 0, done.stdout + done.stderr
    file.write_text(json.dumps(manifest | {"server": manifest["server"] | {"type": "perl"}}))
    assert validated(file).returncode != 0, "the tool refuses what is wrong, so that its yes means something"
    used = set(re.findall(r"\$\{user_config\.(\w+)\}", json.dumps(manifest["server"])))
    assert used == set(manifest["user_config"]) == {setting.lower() for setting in ASKED[f"servers.{name}"]}
    secret = {key for key, value in manifest["user_config"].items() if value.get("sensitive")}
    assert secret == {key for key in manifest["user_config"] if key.endswith(("password", "api_key"))} != set()


def filled(value: Any, variables: dict[str, str]) -> Any:
    """As a desktop client fills a manifest's placeholders."""
    if isinstance(value, list):
        return [filled(part, variables) for part in value]
    if isinstance(value, dict):
        return {key: filled(part, variables) for key, part in value.items()}
    return re.sub(r"\$\{([^}]+)\}", lambda match: variables[match[1]], value)


@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.anyio
async def test_a_bundle_runs_by_what_its_manifest_says(
    name: str, laptop: Laptop, stores: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    with zipfile.ZipFile(program(f"{name.upper()}_MCPB")) as archive:
        archive.extractall(tmp_path)
        manifest = json.loads(archive.read("manifest.json"))
    assert (tmp_path / manifest["server"]["entry_point"]).is_file()
    # uv resolves for all platforms and Pythons at once; the wheels here are those of one.
    project = tmp_path / "pyproject.toml"
    here = "environments = [\"sys_platform == 'linux' and python_full_version < '3.12'\"]"
    text, replaced = re.subn(r"^environments = .*$", here, project.read_text(), flags=re.M)
    assert replaced == 1
    project.write_text(text)
    laptop.environment(tmp_path / ".venv")
    given = {"true": "true", "false": "false"}
    variables = {
        f"user_config.{key}": given.get(str(asked["default"]).lower(), str(asked["default"]))
        for key, asked in manifest["user_config"].items()
    }
    variables |= {"__dirname": str(tmp_path)} | {f"user_config.{k.lower()}": v for k, v in stores[name].items()}
    started = filled(manifest["server"]["mcp_config"], variables)
    env = started["env"] | laptop.env | {"PATH": f"{UV.parent}:/usr/bin:/bin"}
    await call(name, StdioServerParameters(command=started["command"], args=started["args"], env=env))
    pins = tomllib.loads((tmp_path / "pyproject.toml").read_text())["project"]["dependencies"]
    assert pins and all("==" in pin for pin in pins)


SECRETS = {
    "redis": {"REDIS_URL", "REDIS_PASSWORD", "REDIS_SENTINEL_PASSWORD"},
    "elasticsearch": {"ES_API_KEY", "ES_BEARER_TOKEN", "ES_PASSWORD", "ES_CLIENT_KEY_PASSWORD", "ES_PROXY_PASSWORD"},
}


@pytest.mark.parametrize("name", SERVERS)
def test_the_registrys_entry_leads_to_the_wheel(name: str) -> None:
    entry = json.loads(program(f"{name.upper()}_SERVER_JSON").read_text())
    (package,) = entry["packages"]
    assert package["identifier"] == metadata(name)["Name"]
    assert package["version"] == entry["version"] == metadata(name)["Version"]
    assert entry["name"] == f"io.github.dox-asdlc/mcp-{name}"
    assert len(entry["description"]) <= 100
    described = {variable["name"]: variable for variable in package["environmentVariables"]}
    assert {v for v, d in described.items() if d["isSecret"]} == SECRETS[name]
    listed = ran(sys.executable, "-m", f"servers.{name}", "--help", check=True, env=dict(os.environ)).stdout
    assert not [variable for variable in described if f"  {variable} " not in listed]
