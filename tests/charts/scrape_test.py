"""What the chart has vmagent scrape, and how: by vmagent itself, from a sidecar."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.charts.conftest import Chart, objects
from tools.backends.certificates import Authority
from tools.backends.process import Process, free_port
from tools.backends.runfiles import program
from tools.backends.sidecar import Sidecar

SCRAPED = ("redis.mcpSidecar.enabled=true", "redis.mcpSidecar.prometheus.enabled=true")
TLS = (*SCRAPED, "redis.mcpSidecar.tls.existingSecret=mcp-tls", "redis.mcpSidecar.tls.clientCAKey=ca.crt")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def sidecar(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sidecar]:
    """It speaks HTTPS, and asks clients of /mcp for certificates."""
    certificate, key = authority.issue("sidecar")
    tls = {"CERT": certificate, "KEY": key, "CLIENT_CA": authority.file}
    env = {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(free_port())}
    env |= {f"MCP_TLS_{name}_FILE": str(file) for name, file in tls.items()}
    folder = tmp_path_factory.mktemp("sidecar")
    with Sidecar("servers.redis", env, folder, authority=authority.file, ready=False) as found:
        yield found


def scraped(chart: Chart, folder: Path, authority: Authority, port: int, *settings: str) -> dict[str, Any]:
    """Return vmagent's state of its one target: a sidecar with the annotations of the rendered pod.

    There is no cluster, so the target is configured statically.
    """
    rendered = objects(chart.template(*settings))
    annotations = rendered["StatefulSet", "redis"]["spec"]["template"]["metadata"]["annotations"]
    named = {
        f"__meta_kubernetes_pod_annotation_{name.translate(str.maketrans('./', '__'))}": value
        for name, value in annotations.items()
    }
    assert named["__meta_kubernetes_pod_annotation_prometheus_io_port"] == "9000"
    labels = named | {"__meta_kubernetes_pod_phase": "Running", "__meta_kubernetes_pod_container_port_number": "9000"}
    config = yaml.safe_load(rendered["ConfigMap", "vmagent"]["data"]["scrape.yaml"])
    (job,) = config["scrape_configs"]
    del job["kubernetes_sd_configs"]
    job["static_configs"] = [{"targets": [f"127.0.0.1:{port}"], "labels": labels}]
    if "ca_file" in job.get("tls_config", {}):
        pod = rendered["Deployment", "vmagent"]["spec"]["template"]["spec"]
        (volume,) = (v for v in pod["volumes"] if v["name"] == "tls")
        (mount,) = (m for m in pod["containers"][0]["volumeMounts"] if m["name"] == "tls")
        (item,) = volume["secret"]["items"]
        assert job["tls_config"]["ca_file"] == f"{mount['mountPath']}/{item['path']}"
        job["tls_config"]["ca_file"] = str(authority.file)
    config["global"]["scrape_interval"] = "1s"
    file = folder / "scrape.yaml"
    file.write_text(yaml.safe_dump(config))
    return target_of(file, folder)


def target_of(config: Path, folder: Path) -> dict[str, Any]:
    port = free_port()
    # Nobody takes what it scrapes: it keeps that in its folder.
    words = [
        f"-httpListenAddr=127.0.0.1:{port}", f"-promscrape.config={config}",
        f"-remoteWrite.url=http://127.0.0.1:{free_port()}/", f"-remoteWrite.tmpDataPath={folder / 'data'}",
    ]  # fmt: skip
    found: list[dict[str, Any]] = []

    def known() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/targets", timeout=600) as answer:
                found[:] = json.load(answer)["data"]["activeTargets"]
        except OSError:
            return False
        return bool(found) and bool(found[0]["lastError"] or found[0]["lastSamplesScraped"])

    with Process("vmagent", [str(program("VMAGENT")), *words], folder / "vmagent.log") as agent:
        agent.wait_until(known)
    return found[0]


@pytest.mark.parametrize(
    "settings",
    [("metrics.vmagent.tls.existingSecret=mcp-tls",), ("metrics.vmagent.tls.insecureSkipVerify=true",)],
    ids=["authority", "unverified"],
)  # fmt: skip
def test_a_sidecar_with_tls_is_scraped_without_a_certificate(
    chart: Chart, authority: Authority, sidecar: Sidecar, tmp_path: Path, settings: tuple[str, ...]
) -> None:
    target = scraped(chart, tmp_path, authority, sidecar.port, *TLS, *settings)
    assert target["scrapeUrl"].startswith("https://") and "/metrics" in target["scrapeUrl"]
    assert (target["health"], target["lastError"]) == ("up", "")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ((), "unknown authority"),
        (("metrics.vmagent.tls.existingSecret=mcp-tls", "metrics.vmagent.tls.serverName=mcp.example"), "mcp.example"),
    ],
    ids=["unknown authority", "another name"],
)
def test_certificates_are_verified_unless_told_otherwise(
    chart: Chart, authority: Authority, sidecar: Sidecar, tmp_path: Path, settings: tuple[str, ...], said: str
) -> None:
    target = scraped(chart, tmp_path, authority, sidecar.port, *TLS, *settings)
    assert target["health"] == "down" and said in target["lastError"]


def test_without_tls_a_sidecar_is_scraped_over_http(chart: Chart, authority: Authority, tmp_path: Path) -> None:
    env = {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(free_port())}
    with Sidecar("servers.redis", env, tmp_path, ready=False) as plain:
        target = scraped(chart, tmp_path, authority, plain.port, *SCRAPED)
    assert target["scrapeUrl"].startswith("http://") and target["health"] == "up"
