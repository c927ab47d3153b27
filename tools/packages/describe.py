"""Describes a server to others: server.json of the MCP registry, manifest.json of an MCP bundle.

Names, versions, settings and their meanings come from the server's code.
server.json: https://github.com/modelcontextprotocol/registry/tree/main/docs/reference/server-json
manifest.json: https://github.com/anthropics/mcpb/blob/main/MANIFEST.md, version 0.4
"""

import importlib
from typing import Any, NamedTuple

from servers.common import VERSION
from servers.common.server import Sidecar
from servers.common.settings import CommonSettings, Environment

SOURCE = "https://github.com/dox-asdlc/mcp-sidecars"
AUTHOR = "The dox-asdlc authors"
NAMESPACE = "io.github.dox-asdlc"
SCHEMA = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"

PLATFORMS = ("darwin", "linux", "win32")
"""Where desktop clients run, as both Python and the bundles' manifests name it."""

HTTP_ONLY = {"MCP_HOST", "MCP_PORT", "MCP_ALLOWED_HOSTS", "MCP_ALLOWED_ORIGINS", "MCP_MAX_REQUEST_BYTES"}
"""Settings that mean nothing to a server on standard input and output."""

ASKED = {
    "servers.redis": (
        *("REDIS_HOST", "REDIS_PORT", "REDIS_USERNAME", "REDIS_PASSWORD", "REDIS_TLS"),
        *("MCP_KEY_PREFIXES", "MCP_ALLOW_WRITES"),
    ),
    "servers.elasticsearch": (
        *("ES_SCHEME", "ES_HOST", "ES_PORT", "ES_API_KEY", "ES_USERNAME", "ES_PASSWORD", "ES_CA_FILE"),
        "MCP_ALLOW_WRITES",
    ),
}
"""What a desktop client asks its user for; the rest keeps its default."""


class Setting(NamedTuple):
    """A setting as `--help` describes it."""

    name: str
    default: str
    meaning: str
    secret: bool
    """Whether a file may hold it instead, as NAME_FILE."""

    @property
    def kind(self) -> str:
        """Its type in a manifest: string, number, boolean or file."""
        if self.default in ("true", "false"):
            return "boolean"
        if self.name.endswith("_FILE"):
            return "file"
        return "number" if self.default.isdecimal() else "string"


class Described:
    """A server, by its package."""

    def __init__(self, package: str) -> None:
        self.package = package
        self.sidecar: Sidecar[Any, Any] = importlib.import_module(package + ".server").SIDECAR
        self.distribution = f"dox-asdlc-{self.sidecar.name}"
        env = Environment({})
        self.sidecar.settings(env)
        CommonSettings.read(env)
        names = {name for name, _, _ in env.described}
        known = {row[0]: Setting(*row, secret=f"{row[0]}_FILE" in names) for row in env.described}
        self.settings = {name: setting for name, setting in known.items() if name not in HTTP_ONLY}

    @property
    def summary(self) -> str:
        return f"{self.sidecar.title} for MCP clients: read-only unless you allow more, bounded in everything"

    def server_json(self) -> dict[str, Any]:
        """The entry of the MCP registry."""
        variables = []
        for setting in self.settings.values():
            variable: dict[str, Any] = {
                "name": setting.name,
                "description": setting.meaning,
                "isRequired": False,
                "isSecret": setting.secret,
                "format": {"file": "filepath"}.get(setting.kind, setting.kind),
            }
            if setting.default:
                variable["default"] = setting.default
            variables.append(variable)
        return {
            "$schema": SCHEMA,
            "name": f"{NAMESPACE}/{self.sidecar.name}",
            "title": self.sidecar.title,
            "description": self.summary,
            "version": VERSION,
            "repository": {"url": SOURCE, "source": "github", "subfolder": self.package.replace(".", "/")},
            "packages": [
                {
                    "registryType": "pypi",
                    "identifier": self.distribution,
                    "version": VERSION,
                    "runtimeHint": "uvx",
                    "transport": {"type": "stdio"},
                    "environmentVariables": variables,
                }
            ],
        }

    def manifest(self) -> dict[str, Any]:
        """The manifest of an MCP bundle, which uv runs."""
        asked = [self.settings[name] for name in ASKED[self.package]]
        return {
            "$schema": "https://raw.githubusercontent.com/anthropics/mcpb/main/schemas/mcpb-manifest-v0.4.schema.json",
            "manifest_version": "0.4",
            "name": self.distribution,
            "display_name": self.sidecar.title,
            "version": VERSION,
            "description": self.summary,
            "long_description": self.sidecar.instructions,
            "author": {"name": AUTHOR, "url": SOURCE},
            "repository": {"type": "git", "url": SOURCE},
            "license": "Apache-2.0",
            "keywords": [self.sidecar.title.lower(), "database", "mcp"],
            "server": {
                "type": "uv",
                "entry_point": f"{self.package.replace('.', '/')}/__main__.py",
                "mcp_config": {
                    "command": "uv",
                    "args": [
                        *("run", "--quiet", "--directory", "${__dirname}"),
                        *("python", "-m", self.package, "--transport", "stdio"),
                    ],
                    # Unset, a variable keeps its default: an empty one counts as not set.
                    "env": {s.name: f"${{user_config.{s.name.lower()}}}" for s in asked},
                },
            },
            "tools": [
                {"name": t.definition.name, "description": t.definition.title or ""} for t in self.sidecar.tools if not t.write
            ],
            # Those that change data are listed only where the user allows it.
            "tools_generated": True,
            "prompts_generated": bool(self.sidecar.prompts),
            "compatibility": {"platforms": list(PLATFORMS), "runtimes": {"python": ">=3.11"}},
            "user_config": {setting.name.lower(): _asked(setting) for setting in asked},
        }

    def pyproject(self, pins: list[str]) -> str:
        """Return pyproject.toml of a bundle: uv makes its environment from requirements that are each at one version."""
        lines = "".join(f'    "{pin}",\n' for pin in pins)
        platforms = ", ".join(f"\"sys_platform == '{platform}'\"" for platform in PLATFORMS)
        return (
            f'[project]\nname = "{self.distribution}-bundle"\nversion = "{VERSION}"\nrequires-python = ">=3.11"\n'
            f"dependencies = [\n{lines}]\n\n[tool.uv]\npackage = false\n"
            f"environments = [{platforms}]\n"
        )


def _asked(setting: Setting) -> dict[str, Any]:
    """Return how a desktop client asks for a setting."""
    default: Any = setting.default
    if setting.kind == "boolean":
        default = setting.default == "true"
    elif setting.kind == "number":
        default = int(setting.default)
    words = setting.name.removeprefix("MCP_").replace("_", " ").capitalize()
    for short, long in {"Es ": "Elasticsearch ", " api ": " API ", " ca ": " CA ", " tls": " TLS"}.items():
        words = words.replace(short, long)
    asked: dict[str, Any] = {
        "type": setting.kind,
        "title": words,
        "description": setting.meaning[0].upper() + setting.meaning[1:],
        "required": False,
        "default": default,
    }
    if setting.secret:
        asked["sensitive"] = True
    if setting.name.endswith("_PORT"):
        asked |= {"min": 1, "max": 65535}
    return asked
