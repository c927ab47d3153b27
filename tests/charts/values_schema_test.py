"""Values that can't be meant are refused, in a message that names the key."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from tests.charts.conftest import Chart

SUBCHARTS = ("application", "elasticsearch", "metrics", "redis")


@pytest.mark.parametrize(
    ("setting", "key"),
    [
        ("redsi.enabled=false", "redsi"),
        ("redis.mcpsidecar.enabled=true", "mcpsidecar"),
        ("redis.mcpSidecar.enable=true", "enable"),
        ("elasticsearch.mcpSidecar.image.tags=1", "tags"),
        ("redis.mcpSidecar.port=http", "port"),
        ("redis.mcpSidecar.port=70000", "port"),
        ("elasticsearch.port=0", "port"),
        ("redis.mcpSidecar.image.pullPolicy=Sometimes", "pullPolicy"),
        ("workers.image.pullPolicy=always", "pullPolicy"),
        ("redis.mcpSidecar.probes.type=exec", "type"),
        ("redis.mcpSidecar.probes.liveness.periodSeconds=0", "periodSeconds"),
        ("redis.mcpSidecar.image.digest=latest", "digest"),
        ("redis.mcpSidecar.allowWrites=maybe", "allowWrites"),
        ("redis.mcpSidecar.resources.limits.memory=lots", "memory"),
        ("redis.mcpSidecar.extraEnv[0].value=x", "extraEnv"),
        ("elasticsearch.heapSize=lots", "heapSize"),
        ("orchestrator.prometheus.path=metrics", "path"),
        ("metrics.vmagent.scrapeInterval=often", "scrapeInterval"),
        ("metrics.vmagent.tls.insecureSkipVerify=maybe", "insecureSkipVerify"),
        ("metrics.vmagent.tls.caKey=../ca", "caKey"),
        ("global.redis.auth.existingsecret=x", "existingsecret"),
        ("global.redis.port=x", "port"),
        ("hitl-ui.prometheus.enabled=yes", "enabled"),
        ("redis.persistence.size=big", "size"),
        ("monitoring.rules.kind=VMRule", "kind"),
        ("monitoring.dashboards.enabled=true", "dashboards"),
    ],
)
def test_a_wrong_value_is_refused_by_its_key(chart: Chart, setting: str, key: str) -> None:
    done = chart.template(setting)
    assert done.returncode != 0
    assert key in done.stderr.partition("schema")[2]
    assert done.stdout == ""


def test_several_elasticsearch_nodes_with_a_login_need_tls_between_them(chart: Chart) -> None:
    login = "global.elasticsearch.auth.existingSecret=x"
    done = chart.template(login, "elasticsearch.replicas=3")
    assert done.returncode != 0
    assert "xpack.security.transport.ssl.enabled" in done.stderr
    tls = r"elasticsearch.config.xpack\.security\.transport\.ssl\.enabled=true"
    assert chart.template(login, "elasticsearch.replicas=3", tls).returncode == 0


@pytest.mark.parametrize(
    ("version", "accepted"), [("1.27.9", False), ("1.9.0", False), ("1.28.0", True), ("1.40.0", True)]
)
def test_an_old_kubernetes_is_refused(chart: Chart, version: str, accepted: bool) -> None:
    done = chart.helm("template", "dox", str(chart.folder), "--kube-version", version)
    assert (done.returncode == 0) is accepted
    assert accepted or f"needs Kubernetes 1.28 or later, and this is v{version}" in done.stderr


def properties(schema: dict[str, Any], path: str, definitions: dict[str, Any]) -> set[str]:
    """Dotted paths of the keys that a schema knows."""
    found = set()
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rsplit("/", 1)[1]]
    for name, inner in schema.get("properties", {}).items():
        found |= {path + name} | properties(inner, f"{path}{name}.", definitions)
    return found


def closed(schema: dict[str, Any], values: Any, path: str, definitions: dict[str, Any]) -> list[str]:
    """Paths of values that the schema does not describe."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rsplit("/", 1)[1]]
    if not isinstance(values, dict) or "properties" not in schema:
        return []
    open_ones = [] if schema.get("additionalProperties") is False else [path]
    unknown = [f"{path}{key}" for key in values if key not in schema["properties"]]
    return (
        open_ones
        + unknown
        + [
            found
            for key, value in values.items()
            if key in schema["properties"]
            for found in closed(schema["properties"][key], value, f"{path}{key}.", definitions)
        ]
    )


@pytest.mark.parametrize("name", ["", *SUBCHARTS])
def test_a_schema_knows_each_value_and_no_others(chart: Chart, name: str) -> None:
    folder = chart.folder / "charts" / name if name else chart.folder
    schema = json.loads((folder / "values.schema.json").read_text())
    values = yaml.safe_load((folder / "values.yaml").read_text())
    assert closed(schema, values, "", schema["$defs"]) == []
    libraries = {"common", "mcp-sidecar", "global"}
    known = {path for path in properties(schema, "", schema["$defs"]) if path.split(".")[0] not in libraries}

    def has(path: str) -> bool:
        value = values
        for key in path.split("."):
            if not isinstance(value, dict) or key not in value:
                return False
            value = value[key]
        return True

    assert {path for path in known if not has(path)} == set()


@pytest.mark.parametrize("name", SUBCHARTS)
def test_what_charts_share_is_the_same_in_all(chart: Chart, name: str) -> None:
    parent = yaml.safe_load((chart.folder / "values.yaml").read_text())["global"]
    own = yaml.safe_load((chart.folder / "charts" / name / "values.yaml").read_text()).get("global", {})
    for key, value in own.items():
        assert parent[key] == value
