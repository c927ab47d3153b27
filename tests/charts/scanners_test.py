"""kube-score and checkov find nothing in the chart that findings.yaml does not explain."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.charts.conftest import Chart, objects
from tools.backends.runfiles import program

LOGIN = {"existingSecret": "login"}
TLS = {"enabled": True, "existingSecret": "tls"}
SIDECAR = {"enabled": True, "tmp": {"enabled": True}, "tls": {"existingSecret": "tls"}, "authToken": LOGIN}
EVERYTHING: dict[str, Any] = {
    "global": {"redis": {"auth": LOGIN, "tls": TLS}, "elasticsearch": {"auth": LOGIN, "tls": TLS}},
    "redis": {
        "acl": LOGIN,
        "mcpSidecar": SIDECAR | {"networkPolicy": {"enabled": True, "storeFrom": [{"podSelector": {}}]}},
    },
    "elasticsearch": {
        "mcpSidecar": SIDECAR,
        "transportTls": LOGIN,
        "keystoreSecrets": ["keystore"],
        "nodeSets": {"hot": {"roles": ["data_hot"]}},
    },
    "mcpServers": {"a": {"store": {"kind": "redis", "host": "h"}}},
    "monitoring": {"dashboard": {"enabled": True}},
} | {name: {"enabled": True} for name in ("orchestrator", "workers", "hitl-ui")}

Findings = set[tuple[str, str]]
"""Names of checks, and of the objects that did not pass them."""


@pytest.fixture
def rendered(chart: Chart, tmp_path: Path) -> Path:
    found = objects(chart.template_values(EVERYTHING)).values()
    for manifest in found:
        manifest["metadata"]["namespace"] = "dox-asdlc"  # as Helm does
    file = tmp_path / "rendered.yaml"
    file.write_text(yaml.safe_dump_all(found))
    return file


def told(scanner: str, *words: str) -> Any:
    """The JSON that a scanner writes; its exit code says whether it found something."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return json.loads(subprocess.run([program(scanner), *words], env=own, text=True, stdout=subprocess.PIPE, check=False).stdout)


def kube_score(file: Path) -> Findings:
    return {
        (check["check"]["id"], found["object_meta"]["name"])
        for found in told("KUBE_SCORE", "score", "--output-format", "json", str(file))
        for check in found["checks"]
        if check["grade"] < 10 and not check["skipped"]
    }


def checkov(file: Path) -> Findings:
    failed = told("CHECKOV", "--file", str(file), "--framework", "kubernetes", "--skip-download", "--output", "json")
    # KIND.NAMESPACE.NAME, and for a pod of another object its labels after that.
    return {(check["check_id"], check["resource"].split(".")[2]) for check in failed["results"]["failed_checks"]}


@pytest.mark.parametrize("scanner", [kube_score, checkov])
def test_each_finding_is_explained(rendered: Path, scanner: Any) -> None:
    pods = {
        m["metadata"]["name"]
        for m in yaml.safe_load_all(rendered.read_text())
        if m["kind"] in ("Deployment", "Pod", "StatefulSet")
    }
    listed = yaml.safe_load(Path("tests/charts/findings.yaml").read_text())[scanner.__name__.replace("_", "-")]
    assert all(entry["why"] for entry in listed.values())
    explained = {(check, name) for check, entry in listed.items() for name in entry.get("objects", pods)}
    assert scanner(rendered) == explained
