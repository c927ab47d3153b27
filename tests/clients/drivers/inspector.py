"""Drives the MCP Inspector's command line, which connects anew for each request. Arguments: Node.js and its program."""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.clients.drivers.driver import QUIET, Asking, run

OPTIONS = {
    "tools/call": ("--tool-name", "--tool-arg"),
    "resources/read": ("--uri",),
    "prompts/get": ("--prompt-name", "--prompt-args"),
}
"""Of methods, for their parameters."""


class Inspector(Asking):
    def __init__(self, case: dict[str, Any], home: str) -> None:
        self.case, self.home = case, home

    def inspector(self, *words: str) -> subprocess.CompletedProcess[str]:
        env = {"HOME": self.home, "PATH": "/usr/bin:/bin"}
        return subprocess.run([*sys.argv[1:], "--cli", *words], env=env, **QUIET)

    async def ask(self, method: str, *given: Any) -> dict[str, Any]:
        case, words = self.case, ["--method", method]
        for option, value in zip(OPTIONS.get(method, ()), given, strict=True):
            pairs = [f"{name}={_text(part)}" for name, part in value.items()] if isinstance(value, dict) else [value]
            words += [word for pair in pairs for word in (option, pair)]
        if "url" in case:
            headers = [word for name, value in case["headers"].items() for word in ("--header", f"{name}: {value}")]
            words = [case["url"], "--transport", "http", *headers, *words]
        else:
            settings = [word for name, value in case["env"].items() for word in ("-e", f"{name}={value}")]
            words = [*settings, *words, "--", case["command"], *case["args"]]
        done = self.inspector(*words)
        if not done.stdout.strip():
            last = done.stderr.strip().splitlines()[-1]
            raise RuntimeError(json.loads(last)["error"]["message"] if last.startswith("{") else last)
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    async def connect(self) -> dict[str, Any]:
        hello = await self.ask("initialize")
        release = self.inspector("--version").stdout.strip()
        return {"client": release, "protocol": hello["protocolVersion"], "server": hello["serverInfo"]["name"]}


def _text(value: Any) -> str:
    """Return an argument as a person types it: text as it is, another value as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


@asynccontextmanager
async def connect(case: dict[str, Any]) -> AsyncIterator[Inspector]:
    with tempfile.TemporaryDirectory(dir=os.environ.get("TEST_TMPDIR")) as home:
        yield Inspector(case, home)


asyncio.run(run(connect))
