"""The official MCP conformance suite (npm @modelcontextprotocol/conformance), as a function."""

import json
import re
import subprocess
from pathlib import Path

from tools.backends.runfiles import program

REVISIONS = ("2025-11-25", "2026-07-28")
"""Those for which the suite says what a server has to pass."""

Outcome = dict[str, dict[str, list[str]]]
"""Scenario to status (SUCCESS, FAILURE, WARNING, SKIPPED, INFO) to the checks that had it."""


def run(url: str, revision: str, folder: Path) -> Outcome:
    """Run all that one of REVISIONS requires of the server at an MCP endpoint, and what the suite reports beside.

    The suite's own results need an empty folder. If it does not come to its end, that is a RuntimeError.
    """
    suite = program("NODE_MODULES") / "@modelcontextprotocol/conformance/dist/index.js"
    command = [str(program("NODE")), str(suite), "server", "--url", url]
    command += ["--requirements", revision, "--output-dir", str(folder)]
    done = subprocess.run(command, text=True, capture_output=True, timeout=240, check=False, cwd=folder)
    if "=== SUMMARY ===" not in done.stdout:
        raise RuntimeError(f"the suite ended with {done.returncode}: {(done.stdout + done.stderr)[-2000:]}")
    outcome: Outcome = {}
    for file in sorted(folder.glob("*/checks.json")):
        match = re.fullmatch(r"server-(.+)-\d{4}-\d\d-\d\dT[\d-]+Z", file.parent.name)
        assert match, file
        found = outcome.setdefault(match[1], {})
        for check in json.loads(file.read_text()):
            found.setdefault(check["status"], []).append(check["id"])
    return outcome
