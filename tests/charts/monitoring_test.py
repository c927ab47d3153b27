"""The dashboard and the alert rules: the tools that run them take them, and they ask for metrics that there are."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from servers.common.observability.metrics import Metrics
from tests.charts.conftest import Chart, objects
from tools.backends.runfiles import program

OF = 'namespace="n", pod="redis-0"'
SIDECAR = f'{OF}, container="mcp-sidecar"'
OWN_POD = f'{OF}, container="mcp-server"'
REFUSED = f'mcp_http_requests_rejected_total{{{OF}, reason="%s"}}'


def calls(outcome: str, tool: str = "redis_read") -> str:
    return f'mcp_tool_calls_total{{{OF}, tool="{tool}", outcome="{outcome}"}}'


QUIET: list[dict[str, str]] = [
    # Calls are answered, one fails now and then, and a client once had the wrong name.
    {
        f"up{{{SIDECAR}}}": "1x60",
        f"mcp_backend_up{{{SIDECAR}}}": "1 0 1x58",
        f"process_start_time_seconds{{{SIDECAR}}}": "100x20 200x40",
        calls("ok"): "0+60x60",
        calls("error"): "0+6x60",
        calls("timeout"): "0+1x60",
        calls("busy"): "0x60",
        REFUSED % "host": "0x30 1x30",
    },
    # A few calls that all fail are no sign of anything.
    {calls("error"): "0x20 1 2 3 4 5x40"},
    # Other containers' alerts are others' business.
    {
        'up{namespace="n", pod="workers-0", container="workers"}': "0x60",
        'process_start_time_seconds{namespace="n", pod="workers-0", container="workers"}': "0+60x60",
    },
]
"""Series, in promtool's notation, that no alert is about."""

FIRES: list[tuple[str, str, dict[str, str], int | None, int]] = [
    ("McpSidecarDown", f'severity="warning", {SIDECAR}', {f"up{{{SIDECAR}}}": "1x5 0x20"}, 9, 12),
    (
        "McpSidecarRestarts", f'severity="warning", {SIDECAR}',
        {f"process_start_time_seconds{{{SIDECAR}}}": "100x5 200x5 300x5 400x5"}, 14, 20,
    ),
    ("McpSidecarDown", f'severity="warning", {OWN_POD}', {f"up{{{OWN_POD}}}": "1x5 0x20"}, 9, 12),
    ("McpStoreAway", f'severity="critical", {SIDECAR}', {f"mcp_backend_up{{{SIDECAR}}}": "1x5 0x20"}, 9, 12),
    (
        "McpCallsTimeOut", f'severity="warning", {OF}',
        {calls("timeout", "redis_scan"): "0+10x60", calls("ok"): "0+90x60"}, None, 40,
    ),
    ("McpCallsFail", f'severity="info", {OF}', {calls("error"): "0+6x60", calls("ok"): "0+2x60"}, None, 40),
    ("McpSidecarBusy", f'severity="warning", {OF}', {calls("busy"): "0+5x60", calls("ok"): "0+500x60"}, None, 40),
    (
        "McpRequestsRefused", f'severity="warning", {OF}, reason="token"',
        {REFUSED % "token": "0+60x60", REFUSED % "host": "0+1x60"}, None, 40,
    ),
]  # fmt: skip
"""Alerts, their labels, the series that they fire for, a minute at which they do not yet, and one at which they do."""


def promtool_test(series: dict[str, str], firing: dict[int, list[str]]) -> dict[str, Any]:
    """Return a test of https://prometheus.io/docs/prometheus/2.42/configuration/unit_testing_rules/.

    `series` has values a minute apart; `firing` has the alerts that fire, by minute.
    """
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": 'ALERTS{alertstate="firing"}',
                "eval_time": f"{minute}m",
                "exp_samples": [{"labels": labels, "value": 1} for labels in alerts],
            }
            for minute, alerts in firing.items()
        ],
    }


NAMES = re.compile(r"\b(?:mcp|process)_[a-z_]+\b")
"""The names of metrics in an expression."""


def rendered(chart: Chart, *settings: str) -> dict[str, Any]:
    found = objects(chart.template("monitoring.dashboard.enabled=true", "monitoring.rules.enabled=true", *settings))
    return {name: manifest for (_, name), manifest in found.items() if name.startswith("dox-mcp-")}


@pytest.fixture
def both(chart: Chart) -> dict[str, Any]:
    return rendered(chart)


@pytest.fixture
def rules(both: dict[str, Any], tmp_path: Path) -> Path:
    file = tmp_path / "rules.yaml"
    file.write_text(both["dox-mcp-rules"]["data"]["mcp-sidecars.yaml"])
    return file


@pytest.fixture
def dashboard(both: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(both["dox-mcp-dashboard"]["data"]["mcp-sidecars.json"])
    return found


def run(tool: str, *words: str | Path, folder: Path) -> str:
    """Return what a tool printed; fails with it where the tool does."""
    command = [str(program(tool)), *map(str, words)]
    done = subprocess.run(command, cwd=folder, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def expressions(dashboard: dict[str, Any]) -> Iterator[str]:
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield target["expr"]


def exported() -> set[str]:
    """The names of a sidecar's metrics."""
    names: set[str] = set()
    for family in Metrics("mcp-redis", "0").registry.collect():
        suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
        names |= {family.name + suffix for suffix in suffixes}
    return names


def test_vmalert_and_promtool_take_the_rules(rules: Path) -> None:
    run("VMALERT", "-dryRun", f"-rule={rules}", folder=rules.parent)
    assert "7 rules found" in run("PROMTOOL", "check", "rules", rules, folder=rules.parent)


def test_each_rule_fires_when_it_has_to(rules: Path) -> None:
    tests = [promtool_test(series, {10: [], 55: []}) for series in QUIET]
    for alert, labels, series, quiet, minute in FIRES:
        fires = {minute: [f'ALERTS{{alertname="{alert}", alertstate="firing", {labels}}}']}
        tests.append(promtool_test(series, ({quiet: []} if quiet else {}) | fires))
    cases = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": tests}
    (rules.parent / "cases.yaml").write_text(yaml.safe_dump(cases))
    run("PROMTOOL", "test", "rules", "cases.yaml", folder=rules.parent)
    named = {rule["alert"] for group in yaml.safe_load(rules.read_text())["groups"] for rule in group["rules"]}
    assert named == {alert for alert, *_ in FIRES}


def test_a_rule_that_is_wrong_would_be_seen(rules: Path) -> None:
    rules.write_text(rules.read_text().replace("sum by (namespace, pod) (rate(", "sum by (namespace, pod (rate("))
    for tool, *words in (("VMALERT", "-dryRun", f"-rule={rules}"), ("PROMTOOL", "check", "rules", str(rules))):
        with pytest.raises(AssertionError):
            run(tool, *words, folder=rules.parent)


def test_the_operators_object_has_the_same_rules(chart: Chart, rules: Path) -> None:
    found = rendered(chart, "monitoring.rules.kind=PrometheusRule", "monitoring.rules.labels.release=prometheus")
    rule = found["dox-mcp-rules"]
    assert (rule["apiVersion"], rule["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
    assert rule["metadata"]["labels"]["release"] == "prometheus"
    assert rule["spec"] == yaml.safe_load(rules.read_text())


def test_grafanas_sidecar_finds_the_dashboard(both: dict[str, Any]) -> None:
    """By its label, as Grafana's chart has it by default: sidecar.dashboards.label is grafana_dashboard."""
    assert both["dox-mcp-dashboard"]["metadata"]["labels"]["grafana_dashboard"] == "1"


def test_every_expression_of_the_dashboard_can_be_evaluated(dashboard: dict[str, Any], tmp_path: Path) -> None:
    """As recording rules, once Grafana has filled in its variables."""
    values = {"$__rate_interval": "1m", "$namespace": ".*", "$pod": ".*"}
    recorded = []
    for number, expression in enumerate(expressions(dashboard)):
        for variable, value in values.items():
            expression = expression.replace(variable, value)
        assert "$" not in expression
        recorded.append({"record": f"panel:{number}", "expr": expression})
    file = tmp_path / "dashboard.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recorded}]}))
    run("PROMTOOL", "check", "rules", file, folder=tmp_path)
    run("VMALERT", "-dryRun", f"-rule={file}", folder=tmp_path)


def test_they_ask_for_metrics_that_there_are(dashboard: dict[str, Any], rules: Path) -> None:
    asked = {name for text in (*expressions(dashboard), rules.read_text()) for name in NAMES.findall(text)}
    assert asked <= exported()
    # What every sidecar has of its own is shown.
    assert {name for name in exported() if name.startswith("mcp_") and not name.endswith(("_sum", "_count"))} <= (
        asked | {"mcp_build_info"}
    )


def test_the_panels_do_not_overlap(dashboard: dict[str, Any]) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_neither_is_made_by_default(chart: Chart) -> None:
    assert "dox-mcp-" not in chart.template("redis.mcpSidecar.enabled=true").stdout.replace("dox-mcp-sidecar", "")
