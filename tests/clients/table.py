"""The clients, and the table of docs/clients.md."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.backends.runfiles import program

PAGE = Path("docs/clients.md")

OLD = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
ALL = (*OLD, "2026-07-28")

COLUMNS = {
    "tools": ("tools", "nested", "error", "large"),
    "resources": ("resources", "templates", "resource"),
    "prompts": ("prompts", "prompt"),
    "completion": ("completion",),
    "progress": ("progress",),
    "cancel": ("cancel", "cancelled"),
    "restart": ("restart",),
}
"""The columns of the table, and the steps of each."""


@dataclass(frozen=True)
class Client:
    """A client: what runs it, and what it can't do."""

    id: str
    name: str
    words: str
    """The driver's command: a word that begins in capitals begins with a variable that names a file or a folder."""
    versions: tuple[str | None, ...] = (None,)
    """The protocol's, the last by default; None where it does not say."""
    over: tuple[str, ...] = ("http", "stdio")
    without: str = ""
    """Steps it has nothing for."""
    hides_why: bool = False
    """Whether it does not show why it was refused."""

    package: str = ""
    """An npm package that stands between, and speaks HTTP for a client of stdio alone: its program."""
    nightly: bool = False

    @property
    def lacks(self) -> set[str]:
        return set(self.without.split())

    def place(self, url: str, headers: dict[str, str], folder: Path) -> dict[str, Any]:
        """Return where a driver finds a server: its address, or the command of what stands between."""
        if not self.package:
            return {"url": url, "headers": headers}
        given = [word for name, value in headers.items() for word in ("--header", f"{name}:{value}")]
        args = [str(program("CLIENT_MODULES") / self.package), url, "--transport", "http-only", *given]
        return {"command": str(program("NODE")), "args": args, "env": {"HOME": str(folder), "PATH": "/usr/bin:/bin"}}

    def command(self) -> list[str]:
        def place(word: str) -> str:
            variable, slash, rest = word.partition("/")
            return str(program(variable)) + slash + rest if variable.isupper() else word

        return [place(word) for word in self.words.split()]

    def row(self, release: str, refusal: str) -> str:
        """Return its row of the table."""
        if self.package:
            manifest = program("CLIENT_MODULES") / self.package.split("/")[0] / "package.json"
            release = json.loads(manifest.read_text())["version"]
        cells = [self.name, release, ", ".join(self.over)]
        for steps in COLUMNS.values():
            cells.append("yes" if not self.lacks & set(steps) else "no" if self.lacks >= set(steps) else "partly")
        return f"| {' | '.join(cells)} | {refusal} |"


def write(page: Path, client: Client, row: str) -> None:
    """Put a client's row into the page, in place of the one that it has, or as the last."""
    lines = page.read_text().splitlines()
    start = lines.index("| client | release | over | " + " | ".join(COLUMNS) + " | without a token its user reads |")
    end = lines.index("", start)
    at = next((n for n in range(start, end) if lines[n].startswith(f"| {client.name} |")), None)
    lines[slice(at, at + 1) if at else slice(end, end)] = [row]
    page.write_text("\n".join(lines) + "\n")


_CANCEL = "cancel cancelled"
_CALLS = "completion progress " + _CANCEL
_TYPESCRIPT = "NODE TYPESCRIPT NODE_MODULES"

ALL_CLIENTS = [
    Client("claude-code", "Claude Code", "CLAUDE_DRIVER CLAUDE", without=f"templates restart {_CALLS}"),
    Client("adk", "Agent Development Kit (google-adk)", "ADK", nightly=True,
           without=f"templates resource prompts prompt completion {_CANCEL}"),
    Client("codex", "Codex", "CODEX_DRIVER NODE CLIENT_MODULES/@openai/codex/bin/codex.js",
           without=f"prompts prompt {_CALLS}", hides_why=True, nightly=True),
    Client("fastmcp", "FastMCP", "FASTMCP", ("2026-07-28",), nightly=True),
    Client("gemini-cli", "Gemini CLI", "GEMINI_DRIVER NODE CLIENT_MODULES/@google/gemini-cli/bundle/gemini.js",
           without=f"templates resource prompts restart {_CALLS}", hides_why=True, nightly=True),
    Client("inspector", "MCP Inspector, command line",
           "INSPECTOR NODE CLIENT_MODULES/@modelcontextprotocol/inspector/clients/launcher/build/index.js", ("2025-11-25",),
           without=f"restart {_CALLS}", hides_why=True, nightly=True),
    Client("mcp-remote", "mcp-remote", f"{_TYPESCRIPT} 1", ("2025-11-25",), over=("http",), without="cancelled",
           package="mcp-remote/dist/proxy.js", nightly=True),
    Client("mcp-use", "mcp-use", "MCP_USE", without=f"templates {_CALLS}", hides_why=True, nightly=True),
    Client("go", "Go SDK", "GO", ALL, hides_why=True),
    Client("java", "Java SDK", "JAVA_DRIVER JAVA_JAR JAVA_SDK", OLD, without="cancelled", hides_why=True, nightly=True),
    Client("python-1", "Python SDK 1", "PYTHON1", OLD, without="cancelled", hides_why=True),
    Client("python-2", "Python SDK 2", "PYTHON2", ALL),
    Client("rust", "Rust SDK", "RUST", ALL, hides_why=True, nightly=True),
    Client("typescript-1", "TypeScript SDK 1", f"{_TYPESCRIPT} 1", OLD, without="cancelled"),
    Client("typescript-2", "TypeScript SDK 2", f"{_TYPESCRIPT} 2", ALL, hides_why=True),
]  # fmt: skip

CLIENTS = [client for client in ALL_CLIENTS if client.nightly == ("CLIENT_MODULES" in os.environ)]
"""Those of this tier."""
