"""Values that can't be meant are refused, in a message that names the key."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.charts.conftest import Chart, objects, output

SUBCHARTS = ("application", "elasticsearch", "mcp-server", "mcp-sidecar", "metrics", "redis")


@pytest.mark.parametrize(
    ("setting", "key"),
    [
        ("redsi.enabled=false", "redsi"),
        ("redis.mcpsidecar.enabled=true", "mcpsidecar"),
        ("redis.mcpSidecar.port=70000", "port"),
        ("elasticsearch.port=0", "port"),
        ("redis.mcpSidecar.image.pullPolicy=Sometimes", "pullPolicy"),
        ("redis.mcpSidecar.probes.type=exec", "type"),
        ("redis.mcpSidecar.probes.liveness.periodSeconds=0", "periodSeconds"),
        ("redis.mcpSidecar.image.digest=latest", "digest"),
        ("redis.mcpSidecar.resources.limits.memory=lots", "memory"),
        ("redis.mcpSidecar.extraEnv[0].value=x", "extraEnv"),
        ("redis.extraEnv[0].name=A,redis.extraEnv[0].value=x,redis.extraEnv[0].valueFrom.fieldRef.fieldPath=y", "extraEnv"),
        ("elasticsearch.heapSize=lots", "heapSize"),
        ("orchestrator.prometheus.path=metrics", "path"),
        ("metrics.vmagent.scrapeInterval=often", "scrapeInterval"),
        ("metrics.vmagent.tls.caKey=../ca", "caKey"),
        ("redis.persistence.size=big", "size"),
        ("monitoring.rules.kind=VMRule", "kind"),
        ("mcpServers.a.stor.kind=redis", "stor"),
        ("mcpServers.a.server.port=0", "port"),
        ("mcpServers.a.extraContainers[0].image=x", "name"),
        ("mcpServerDefaults.server.image.pullPolicy=always", "pullPolicy"),
        ("mcpServers.Aa.store.kind=redis", "Aa"),
        ("elasticsearch.nodeSets.hot.replicas=2", "roles"),
        ("elasticsearch.nodeSets.hot.roles={master}", "roles"),
        ("redis.livenessProbe.periodSeconds=5", "livenessProbe"),
        ("redis.podLabels.team=a b", "podLabels"),
        ("global.imageRegistry=https://reg.example", "imageRegistry"),
        ("redis.mcpSidecar.allowedHosts={https://mcp.example}", "allowedHosts"),
        ("redis.mcpSidecar.clusterDomain=cluster.local.", "clusterDomain"),
    ],
)
def test_a_wrong_value_is_refused_by_its_key(chart: Chart, setting: str, key: str) -> None:
    # Helm asks the schemas of what is installed.
    done = chart.template("orchestrator.enabled=true", "workers.enabled=true", "hitl-ui.enabled=true", setting)
    assert done.returncode != 0
    assert key in done.stderr.partition("schema")[2]
    assert done.stdout == ""


SIDECAR = "redis.mcpSidecar.enabled=true"
LOGIN = "global.elasticsearch.auth.existingSecret=x"
SERVER = ("mcpServers.a.store.kind=elasticsearch", "mcpServers.a.store.host=e")
TWO = (*SERVER, "mcpServers.b.store.kind=redis", "mcpServers.b.store.host=r")
ORCHESTRATOR = "orchestrator.enabled=true"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        # Ignored otherwise.
        ((SIDECAR, "redis.mcpSidecar.tls.clientCAKey=ca.crt"), "redis.mcpSidecar.tls.existingSecret"),
        ((SIDECAR, "redis.mcpSidecar.authToken.several=true"), "redis.mcpSidecar.authToken.existingSecret"),
        ((SIDECAR, "redis.mcpSidecar.authToken.existingSecretKey=k"), "redis.mcpSidecar.authToken.existingSecret"),
        ((SIDECAR, "redis.mcpSidecar.networkPolicy.from[0].podSelector.matchLabels.a=b"), "networkPolicy.enabled"),
        ((SIDECAR, "redis.mcpSidecar.networkPolicy.enabled=true"), "redis.mcpSidecar.networkPolicy.storeFrom"),
        (("global.redis.auth.existingSecretKey=k",), "global.redis.auth.existingSecret"),
        (("global.elasticsearch.auth.username=me",), "global.elasticsearch.auth.existingSecret"),
        (("metrics.vmagent.tls.caKey=k",), "metrics.vmagent.tls.existingSecret"),
        (("metrics.victoriaMetrics.enabled=false",), "metrics.vmagent.remoteWrite"),
        (("redis.serviceAccount.annotations.a=b",), "redis.serviceAccount.create"),
        ((ORCHESTRATOR, "orchestrator.stores.redis.auth.username=me"), "orchestrator.stores.redis.auth.existingSecret"),
        (("redis.acl.existingSecret=a",), "global.redis.auth"),
        (("global.redis.auth.existingSecret=s", "global.redis.auth.username=me"), "redis.acl.existingSecret"),
        (("global.redis.tls.enabled=true",), "global.redis.tls.existingSecret"),
        ((ORCHESTRATOR, "redis.enabled=false", "global.redis.host=r", "global.redis.tls.existingSecret=s"),
         "global.redis.tls.enabled"),
        (("elasticsearch.transportTls.existingSecret=s",), "global.elasticsearch.auth.existingSecret"),
        (("mcpServers.a.store.kind=redis", "mcpServers.a.store.host=h", "mcpServers.a.server.extraEnv[0].name=REDIS_URL"),
         "mcpServers.a.store.host"),
        ((SIDECAR, "redis.mcpSidecar.keyPrefixes={a}", "redis.mcpSidecar.extraEnv[0].name=MCP_KEY_PREFIXES"),
         "redis.mcpSidecar.keyPrefixes"),
        ((SIDECAR, "redis.mcpSidecar.allowWrites=true", "redis.mcpSidecar.extraEnv[0].name=MCP_ALLOW_WRITES"),
         "redis.mcpSidecar.allowWrites"),
        ((SIDECAR, "redis.mcpSidecar.authToken.existingSecret=s", "redis.mcpSidecar.extraEnv[0].name=MCP_AUTH_TOKEN_FILE"),
         "redis.mcpSidecar.authToken.existingSecret would be ignored: redis.mcpSidecar.extraEnv has MCP_AUTH_TOKEN_FILE"),
        ((SIDECAR, "redis.mcpSidecar.tls.existingSecret=s", "redis.mcpSidecar.extraEnv[0].name=MCP_TLS_KEY_FILE"),
         "redis.mcpSidecar.tls.existingSecret would be ignored: redis.mcpSidecar.extraEnv has MCP_TLS_KEY_FILE"),
        ((SIDECAR, "redis.mcpSidecar.tls.existingSecret=s", "redis.mcpSidecar.tls.clientCAKey=ca.crt",
          "redis.mcpSidecar.extraEnv[0].name=MCP_TLS_CLIENT_CA_FILE"), "redis.mcpSidecar.tls.clientCAKey"),
        (("redis.persistence.existingClaim=c", "redis.persistence.storageClass=fast"), "redis.persistence.storageClass"),
        ((LOGIN, "global.elasticsearch.auth.username=me"), "global.elasticsearch.auth.username"),
        ((LOGIN, r"elasticsearch.config.xpack\.security\.enabled=false"), "global.elasticsearch.auth.existingSecret"),
        (("mcpServers.a.store.kind=redis", "mcpServers.a.store.tls.enabled=true",
          "mcpServers.a.server.extraEnv[0].name=REDIS_URL"), "mcpServers.a.store.tls"),
        ((*SERVER, "mcpServers.a.store.auth.existingSecret=s", "mcpServers.a.store.auth.type=apiKey",
          "mcpServers.a.server.extraEnv[0].name=ES_API_KEY"), "mcpServers.a.store.auth"),
        (("mcpServers.a.store.kind=elasticsearch", "mcpServers.a.store.port=1",
          "mcpServers.a.server.extraEnv[0].name=ES_CLOUD_ID"), "mcpServers.a.store.port"),
        ((SIDECAR, "redis.mcpSidecar.prometheus.enabled=true", r"redis.podAnnotations.prometheus\.io/port=x"),
         "redis.podAnnotations"),
        # A password that all could read.
        (("metrics.vmagent.remoteWrite={https://me:secret@metrics.example/api}",), "vmagent.extraArgs"),
        # The chart has to know it by another name.
        (("redis.config=appendonly yes\nPort 7000",), "redis.port"),
        (("redis.config=requirepass secret",), "global.redis.auth.existingSecret"),
        (("elasticsearch.nodeSets.hot.roles={data}", r"elasticsearch.nodeSets.hot.config.node\.roles=master"),
         "elasticsearch.nodeSets.hot.roles"),
        ((SIDECAR, "redis.mcpSidecar.extraEnv[0].name=MCP_PORT"), "redis.mcpSidecar.port"),
        ((ORCHESTRATOR, "orchestrator.extraEnv[0].name=PORT"), "orchestrator.port"),
        ((r"elasticsearch.config.http\.port=1",), "elasticsearch.port"),
        (("elasticsearch.extraEnv[0].name=cluster.initial_master_nodes",), "cluster.initial_master_nodes"),
        ((SIDECAR, "redis.mcpSidecar.indexPatterns={a}"), "redis.mcpSidecar.indexPatterns"),
        ((SIDECAR, "redis.mcpSidecar.oauth.issuer=https://i"), "redis.mcpSidecar.oauth"),
        ((*SERVER, "mcpServers.a.server.keyPrefixes={a}"), "mcpServers.a.server.keyPrefixes"),
        ((*SERVER, "mcpServers.a.server.networkPolicy.storeFromAll=true"), "mcpServers.a.server.networkPolicy.enabled"),
        ((*SERVER, "mcpServers.a.server.enabled=false"), "mcpServers.a"),
        ((*SERVER, "mcpServers.a.store.auth.username=me"), "mcpServers.a.store.auth.existingSecret"),
        ((*SERVER, "mcpServers.a.store.auth.existingSecret=s"), "mcpServers.a.store.auth.username"),
        ((*SERVER, "mcpServers.a.store.tls.existingSecret=s"), "mcpServers.a.store.tls.enabled"),
        ((*SERVER, "mcpServers.a.ingress.host=h"), "mcpServers.a.ingress.enabled"),
        ((*SERVER, "mcpServers.a.ingress.enabled=true"), "mcpServers.a.ingress.host"),
        ((*SERVER, "mcpServers.a.httpRoute.enabled=true"), "mcpServers.a.httpRoute.parentRefs"),
        ((*SERVER, "mcpServers.a.replicas=2", "mcpServers.a.autoscaling.enabled=true"), "mcpServers.a.replicas"),
        (("mcpServers.a.store.kind=redis",), "mcpServers.a.store.host"),
        (("mcpServers.a.store.host=h",), "mcpServers.a.store.kind"),
        # Open to the world.
        ((*SERVER, "mcpServers.a.ingress.enabled=true", "mcpServers.a.ingress.host=h", "mcpServers.a.server.allowWrites=true",
          "mcpServers.a.server.extraEnv[0].name=MCP_AUTH_TOKEN"),  # no server has this setting
         "mcpServers.a"),
        ((*SERVER, "mcpServers.a.ingress.enabled=true", "mcpServers.a.ingress.host=h",
          "mcpServers.a.server.extraEnv[0].name=MCP_ALLOW_WRITES"), "mcpServers.a"),
        # Collisions.
        ((*TWO, "mcpServerDefaults.fullnameOverride=x"), "mcpServers.a.fullnameOverride and mcpServers.b.fullnameOverride"),
        ((*TWO, "mcpServerDefaults.ingress.enabled=true", "mcpServerDefaults.ingress.host=h"), "ingress.host"),
        ((*TWO, "mcpServerDefaults.httpRoute.enabled=true", "mcpServerDefaults.httpRoute.parentRefs[0].name=g",
          "mcpServers.a.httpRoute.hostnames={x,h}", "mcpServers.b.httpRoute.hostnames={h}"), "httpRoute.hostnames"),
        ((*TWO, "mcpServerDefaults.serviceAccount.create=true", "mcpServerDefaults.serviceAccount.name=s"), "mcpServers.b"),
        (("redis.serviceAccount.create=true", "redis.serviceAccount.name=vmagent"), "metrics.vmagent"),
        (("global.ipFamilies={IPv4,IPv6}", "global.ipFamilyPolicy=SingleStack"), "global.ipFamilyPolicy"),
        ((*SERVER, "mcpServers.a.fullnameOverride=redis"), "redis.fullnameOverride"),
        (("elasticsearch.nodeSets.hot.roles={data}", "redis.fullnameOverride=knowledge-store-hot"), "elasticsearch.nodeSets.hot"),
        ((SIDECAR, "redis.mcpSidecar.port=6379"), "redis.port"),
        ((*SERVER, "mcpServers.a.extraContainers[0].name=x", "mcpServers.a.extraContainers[0].ports[0].containerPort=9000",
          "mcpServers.a.extraContainers[0].ports[1].containerPort=2"),
         "mcpServers.a.extraContainers (x, 9000) and mcpServers.a.server.port are both 9000"),
        (("elasticsearch.transportPort=9399",), "elasticsearch.readinessPort"),
        (("redis.fullnameOverride=metrics-store",), "metrics.fullnameOverride"),
        (("metrics.vmagent.fullnameOverride=redis-headless",), "redis.fullnameOverride"),
        ((r"redis.podLabels.app\.kubernetes\.io/name=x",), "redis.podLabels"),
        ((*SERVER, r"mcpServers.a.podLabels.app\.kubernetes\.io/name=x"), "mcpServers.a.podLabels"),
        (("elasticsearch.nodeSets.hot.roles={data}", r"elasticsearch.nodeSets.hot.podLabels.app\.kubernetes\.io/name=x"),
         "elasticsearch.nodeSets.hot.podLabels"),
        ((SIDECAR, "redis.mcpSidecar.tls.existingSecret=s", "redis.extraVolumes[0].name=mcp-tls",
          "redis.extraVolumes[0].emptyDir.medium="), "redis.extraVolumes"),
        (("redis.extraEnv[0].name=A", "redis.extraEnv[1].name=A"), "redis.extraEnv"),
        (("redis.extraContainers[0].name=redis",), "redis.initContainers and extraContainers"),
        (("redis.extraVolumeMounts[0].name=a", "redis.extraVolumeMounts[0].mountPath=/data/"), "redis.extraVolumeMounts"),
        ((SIDECAR, "redis.mcpSidecar.extraVolumes[0].name=config", "redis.mcpSidecar.extraVolumes[0].emptyDir.medium="),
         "redis.mcpSidecar.extraVolumes"),
        ((SIDECAR, "redis.mcpSidecar.extraVolumes[0].name=data", "redis.mcpSidecar.extraVolumes[0].emptyDir.medium="),
         "redis.mcpSidecar.extraVolumes"),
        ((SIDECAR, "redis.mcpSidecar.extraVolumeMounts[0].name=data", "redis.mcpSidecar.extraVolumeMounts[0].mountPath=/x"),
         "redis.mcpSidecar.extraVolumeMounts"),
        # Data.
        ((LOGIN, "elasticsearch.replicas=3"), "elasticsearch.transportTls.existingSecret"),
        ((LOGIN, "elasticsearch.replicas=3", r"elasticsearch.config.xpack\.security\.transport\.ssl\.enabled=false"),
         "elasticsearch.transportTls.existingSecret"),
        ((LOGIN, "elasticsearch.nodeSets.hot.roles={data}"), "elasticsearch.transportTls.existingSecret"),
        (("elasticsearch.nodeSets.hot.roles={data}", r"elasticsearch.nodeSets.hot.config.node\.name=x"),
         "elasticsearch.nodeSets.hot.config"),
        (("elasticsearch.replicas=3", r"elasticsearch.config.discovery\.type=single-node"), "discovery.type"),
        (("elasticsearch.replicas=3", "elasticsearch.extraEnv[0].name=discovery.type",
          "elasticsearch.extraEnv[0].value=single-node"), "discovery.type"),
        ((r"elasticsearch.config.node\.roles={data}",), "elasticsearch.nodeSets"),
        (("elasticsearch.image.tag=7.17.29",), "elasticsearch.readinessPort=0"),
        (("elasticsearch.heapSize=2g",), "elasticsearch.heapSize"),
        (("elasticsearch.replicas=3", "elasticsearch.drainedTo=1"), "elasticsearch.drainedTo=3"),
        (("redis.resources.requests.memory=2Gi",), "redis.resources.requests.memory"),
        ((SIDECAR, "redis.mcpSidecar.resources.requests.cpu=0.2"), "redis.mcpSidecar.resources.requests.cpu"),
        (("elasticsearch.nodeSets.hot.roles={data}", "elasticsearch.nodeSets.hot.resources.limits.memory=1Gi"),
         "elasticsearch.nodeSets.hot.heapSize"),
        (("redis.persistence.existingClaim=c", "redis.persistence.enabled=false"), "redis.persistence.enabled"),
        (("elasticsearch.persistence.existingClaim=c", "elasticsearch.replicas=3"), "elasticsearch.persistence.existingClaim"),
        (("redis.extraVolumes[0].name=data", "redis.extraVolumes[0].emptyDir.medium="), "redis.extraVolumes"),
        # Stores that nobody knows.
        ((ORCHESTRATOR, "redis.enabled=false"), "global.redis.host"),
        (("redis.port=6380", "global.redis.port=6379"), "redis.port"),
        (("enabled=false",), "enabled=false"),
    ],
)  # fmt: skip
def test_what_can_not_work_together_is_refused_with_what_to_set(chart: Chart, settings: tuple[str, ...], said: str) -> None:
    done = chart.template(*settings)
    assert done.returncode != 0 and done.stdout == ""
    assert said in done.stderr.partition("execution error")[2]


@pytest.mark.parametrize(
    "settings",
    [
        (LOGIN, "elasticsearch.replicas=3", r"elasticsearch.config.xpack\.security\.transport\.ssl\.enabled=true"),
        (LOGIN, "elasticsearch.replicas=3", "elasticsearch.transportTls.existingSecret=s"),
        ("elasticsearch.nodeSets.hot=null",),
        (r"elasticsearch.config.discovery\.type=single-node",),
        ("elasticsearch.image.tag=7.17.29", "elasticsearch.readinessPort=0"),
        (r"elasticsearch.config.node\.roles={master,data}",),
        ("elasticsearch.extraEnv[0].name=node.roles", "elasticsearch.extraEnv[0].value=master",
         "elasticsearch.nodeSets.hot.roles={data}"),
        ("redis.resources.limits.cpu=0.5", "metrics.victoriaMetrics.retentionPeriod=3"),
        ("global.defaultStorageClass=fast", "global.env.name=production"),
        (*SERVER, "mcpServers.a.ingress.enabled=true", "mcpServers.a.ingress.host=h", "mcpServers.a.server.allowWrites=true",
         "mcpServers.a.server.extraEnv[0].name=MCP_AUTH_TOKEN_FILE"),
        (*TWO, "mcpServerDefaults.ingress.enabled=true", "mcpServers.a.ingress.host=x", "mcpServers.b.ingress.host=y"),
        (*SERVER, "mcpServers.a-mcp.store.kind=redis", "mcpServers.a-mcp.store.host=r"),
        (ORCHESTRATOR, "redis.enabled=false", "orchestrator.stores.redis.enabled=false"),
        ("redis.image.repository=localhost:5000/redis",),
    ],
)  # fmt: skip
def test_what_can_is_taken(chart: Chart, settings: tuple[str, ...]) -> None:
    output(chart.template(*settings))


CHANGED = {"16Mi": "17Mi", "/metrics": "/m", "ConfigMap": "PrometheusRule", "PodMonitor": "VMPodScrape", "": "x"}
FITTING = {"parentRefs": [{"name": "g"}], "hostnames": ["h"], "interval": "5s"}


def changed(key: str, value: Any) -> Any:
    if key in FITTING:
        return FITTING[key]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, list):
        return [{"podSelector": {}}]
    return {"a": "b"} if isinstance(value, dict) else CHANGED.get(value, "x")


def switched_off(values: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Paths of what is beside a switch `enabled` that is off."""
    for key, value in values.items() if isinstance(values, dict) else ():
        yield from switched_off(value, (*path, key))
        if key != "enabled" and values.get("enabled") is False and len(path) > 1:
            yield (*path, key)


@pytest.mark.parametrize("section", ["global", "hitl-ui", "mcpServers", "monitoring", "redis"])
def test_what_is_set_of_a_section_that_is_off_is_refused(chart: Chart, section: str) -> None:
    def values_of(*path: str) -> Any:
        return yaml.safe_load(Path("charts/dox-asdlc", *path, "values.yaml").read_text())

    library = values_of("charts", "mcp-sidecar")
    library["enabled"] = True
    store = {"kind": "redis", "host": "h"}
    base: dict[str, Any] = {
        "global": {},
        "hitl-ui": {"enabled": True},
        "mcpServers": {"a": {"store": store, "server": {}}},
        "monitoring": {},
        "redis": {"mcpSidecar": {"enabled": True}},
    }
    defaults = {
        "global": values_of()["global"],
        "hitl-ui": {"prometheus": values_of("charts", "application")["prometheus"]},
        "mcpServers": {"a": values_of("charts", "mcp-server") | {"server": library}},
        "monitoring": values_of()["monitoring"],
        "redis": {"mcpSidecar": library},
    }
    paths = list(switched_off(defaults[section], (section,)))
    assert len(paths) >= 2
    for path in paths:
        value: Any = defaults
        for key in path:
            value = value[key]
        value = changed(path[-1], value)
        for key in reversed(path):
            value = {key: value}
        done = chart.template_values(merged(base, value))
        assert done.returncode != 0 and ".".join(path[:-1]) in done.stderr, path


def merged(values: Any, over: Any) -> Any:
    """Values over values, as Helm lays files of them over each other."""
    if not (isinstance(values, dict) and isinstance(over, dict)):
        return over
    return values | {key: merged(values.get(key), value) for key, value in over.items()}


def test_what_the_user_sets_takes_the_place_of_the_charts_own(chart: Chart) -> None:
    found = objects(chart.template(
        SIDECAR, "redis.mcpSidecar.extraEnv[0].name=MCP_ALLOWED_HOSTS", "redis.mcpSidecar.extraEnv[0].value=mine",
        r"elasticsearch.config.cluster\.name=mine", "elasticsearch.extraEnv[0].name=ES_JAVA_OPTS",
        "elasticsearch.extraEnv[0].value=-Xmx2g",
    ))  # fmt: skip
    env = [
        (v["name"], v.get("value"))
        for (kind, _), m in found.items()
        if kind == "StatefulSet"
        for c in m["spec"]["template"]["spec"]["containers"]
        for v in c.get("env", [])
    ]
    for name, value in (("MCP_ALLOWED_HOSTS", "mine"), ("cluster.name", "mine"), ("ES_JAVA_OPTS", "-Xmx2g")):
        assert [v for n, v in env if n == name] == [value]


@pytest.mark.parametrize(
    ("settings", "there", "gone"),
    [
        (("redis.mcpSidecar.enabled=true", "redis.mcpSidecar.extraEnv[0].name=REDIS_URL"), "REDIS_URL",
         ("REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD")),
        (("mcpServers.a.store.kind=redis", "mcpServers.a.server.extraEnv[0].name=REDIS_URL_FILE"), "REDIS_URL_FILE",
         ("REDIS_HOST", "REDIS_PORT")),
        (("mcpServers.a.store.kind=elasticsearch", "mcpServers.a.server.extraEnv[0].name=ES_CLOUD_ID"), "ES_CLOUD_ID",
         ("ES_HOST",)),
    ],
)  # fmt: skip
def test_an_address_of_the_users_is_the_only_one(
    chart: Chart, settings: tuple[str, ...], there: str, gone: tuple[str, ...]
) -> None:
    """The servers refuse to start where two settings say the same."""
    text = output(chart.template("global.redis.auth.existingSecret=s", *settings))
    assert f"name: {there}\n" in text
    assert [name for name in gone if f"name: {name}\n" in text] == []


def test_https_and_oauth_that_variables_turn_on_are_known(chart: Chart) -> None:
    variables = ["MCP_TLS_CERT_FILE", "MCP_TLS_KEY_FILE", "MCP_OAUTH_ISSUER", "MCP_OAUTH_RESOURCE", "MCP_OAUTH_JWKS_FILE"]
    extra = [{"name": name, "value": "x"} for name in variables]
    server = {"extraEnv": extra, "probes": {"type": "http"}, "prometheus": {"enabled": True}}
    route = {"enabled": True, "parentRefs": [{"name": "g"}]}
    a = {"store": {"kind": "redis", "host": "h"}, "server": server, "ingress": {"enabled": True, "host": "h"}, "httpRoute": route}
    found = objects(chart.template_values({"mcpServers": {"a": a}}))
    pod = found["Deployment", "mcp-a"]["spec"]["template"]
    assert pod["spec"]["containers"][0]["livenessProbe"]["httpGet"]["scheme"] == "HTTPS"
    assert pod["metadata"]["annotations"]["prometheus.io/scheme"] == "https"
    assert found["Pod", "mcp-test"]["spec"]["containers"][0]["command"][3:] == ["https://mcp-a:9000/ready"]
    (ingress,), (rule,) = (found[kind, "mcp-a"]["spec"]["rules"] for kind in ("Ingress", "HTTPRoute"))
    paths = ["/mcp", "/.well-known/oauth-protected-resource"]
    assert [entry["path"] for entry in ingress["http"]["paths"]] == paths
    assert [match["path"]["value"] for match in rule["matches"]] == paths


def test_a_set_of_nodes_joins_the_first_one_and_never_forms_a_cluster(chart: Chart) -> None:
    sets = {"hot": {"roles": ["data_hot"], "persistence": {"size": "100Gi"}}}
    given = {"replicas": 3, "drainedTo": 3, "nodeSets": sets, "serviceAccount": {"create": True}}
    masters = {"config": {"node.roles": ["master"]}}
    found = objects(chart.template_values({"elasticsearch": given | masters}))
    spec = found["StatefulSet", "knowledge-store-hot"]["spec"]
    assert ("ServiceAccount", spec["template"]["spec"]["serviceAccountName"]) in found
    (container,) = spec["template"]["spec"]["containers"]
    env = {v["name"]: v.get("value") for v in container["env"]}
    assert env["node.roles"] == "data_hot" and env["discovery.seed_hosts"] == "knowledge-store-headless"
    assert env["cluster.name"] == "knowledge-store"
    assert "args" not in container and "INITIAL_MASTER_NODES" not in env and "POD_NAME" not in env
    assert spec["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] == "100Gi"
    first = found["StatefulSet", "knowledge-store"]["spec"]
    assert {"name": "node.roles", "value": "master"} in first["template"]["spec"]["containers"][0]["env"]
    labels = spec["template"]["metadata"]["labels"]
    budget = found["PodDisruptionBudget", "knowledge-store-hot"]["spec"]
    selected = [owner["selector"]["matchLabels"].items() <= labels.items() for owner in (first, spec, budget)]
    assert selected == [False, True, True]


POD: dict[str, Any] = {
    "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "mine", "whenUnsatisfiable": "DoNotSchedule"}],
    "initContainers": [{"name": "mine", "image": "mine:1"}],
}
CONTAINER: dict[str, Any] = {
    "envFrom": [{"secretRef": {"name": "mine"}}],
    "startupProbe": {"tcpSocket": {"port": 1}},
    "readinessProbe": {"tcpSocket": {"port": 2}},
    "livenessProbe": {"tcpSocket": {"port": 3}},
}
BESIDE = {"extraContainers": [{"name": "beside", "image": "mine:2"}], "updateStrategy": {"type": "Mine"}}
CLAIM = {"accessModes": ["ReadWriteOncePod"], "annotations": {"a": "b"}, "retentionPolicy": {"whenDeleted": "Delete"}}


@pytest.mark.parametrize("section", ["redis", "elasticsearch", "orchestrator", "metrics", "mcpServerDefaults"])
def test_what_teams_add_comes_into_the_pod(chart: Chart, section: str) -> None:
    """As it is, and beside what the chart has itself."""
    given: dict[str, Any] = {"enabled": True, "fullnameOverride": "mine"}
    if section != "metrics":
        given["serviceAccount"] = {"create": True, "annotations": {"role": "theirs"}}
    if section in ("redis", "elasticsearch", "orchestrator"):
        given |= POD | CONTAINER | {
            "extraVolumes": [{"name": "mine", "emptyDir": {}}],
            "extraVolumeMounts": [{"name": "mine", "mountPath": "/mine"}],
            **BESIDE,
        }  # fmt: skip
    if section == "mcpServerDefaults":
        del given["enabled"]
        given |= POD | {"store": {"kind": "redis", "host": "r"}} | BESIDE
    if section == "metrics":
        given |= {"vmagent": {"remoteWrite": ["https://metrics.example/api/v1/write"], "extraArgs": ["-loggerLevel=WARN"]}}
    if section in ("redis", "elasticsearch", "metrics"):
        given["persistence"] = CLAIM
    values = {section: given, "mcpServers": {"a": {}} if section == "mcpServerDefaults" else {}}
    found = objects(chart.template_values(values))
    (workload,) = (found[kind, "mine"] for kind in ("StatefulSet", "Deployment") if (kind, "mine") in found)
    pod, spec = workload["spec"]["template"]["spec"], workload["spec"]
    container = pod["containers"][0]
    if section != "metrics":
        assert found["ServiceAccount", "mine"]["metadata"]["annotations"] == {"role": "theirs"}
        assert pod["serviceAccountName"] == "mine"
    for key, value in given.items():
        if key in POD:
            assert pod[key] == value
        elif key in CONTAINER:
            assert container[key] == value
    if "extraVolumes" in given:
        assert given["extraVolumes"][0] in pod["volumes"] and given["extraVolumeMounts"][0] in container["volumeMounts"]
    if "extraContainers" in given:
        assert given["extraContainers"][0] in pod["containers"]
        assert spec.get("updateStrategy", spec.get("strategy")) == {"type": "Mine"}
    if section == "metrics":
        args = found["Deployment", "vmagent"]["spec"]["template"]["spec"]["containers"][0]["args"]
        assert {"-remoteWrite.url=https://metrics.example/api/v1/write", "-loggerLevel=WARN"} < {*args}
    if "persistence" in given:
        (claim,) = spec["volumeClaimTemplates"]
        assert claim["metadata"]["annotations"] == CLAIM["annotations"]
        assert claim["spec"]["accessModes"] == CLAIM["accessModes"]
        assert spec["persistentVolumeClaimRetentionPolicy"] == CLAIM["retentionPolicy"]
        values[section]["persistence"] = {"existingClaim": "theirs"}
        workload = objects(chart.template_values(values))["StatefulSet", "mine"]
        assert "volumeClaimTemplates" not in workload["spec"]
        claims = [v.get("persistentVolumeClaim") for v in workload["spec"]["template"]["spec"]["volumes"]]
        assert {"claimName": "theirs"} in claims


@pytest.mark.parametrize("alone", [False, True], ids=["sidecar", "own pods"])
def test_what_is_beside_a_server_stays_reachable_and_is_tested_where_it_runs(chart: Chart, alone: bool) -> None:
    policy = {"enabled": True, "from": [{"podSelector": {}}]} | ({} if alone else {"storeFromAll": True})
    pod = {"imagePullSecrets": [{"name": "mine"}], "nodeSelector": {"a": "b"}, "priorityClassName": "high"}
    beside = {"extraContainers": [{"name": "beside", "ports": [{"containerPort": 9121}]}]}
    server, projected = {"enabled": True}, {"name": "mine", "projected": {"sources": [{"secret": {"name": "s"}}]}}
    policed = {"enabled": True, "networkPolicy": policy, "extraVolumes": [projected]}
    values: dict[str, Any] = {
        "redis": {"mcpSidecar": policed, **beside},
        "elasticsearch": {"mcpSidecar": server, **pod},
    }
    if alone:
        store = {"store": {"kind": "redis", "host": "h"}}
        values = {"mcpServers": {"redis": store | {"server": policed} | beside, "b": store | pod}}
    values["global"] = {"imagePullSecrets": [{"name": "all"}]}
    found = objects(chart.template_values(values))
    rule = found["NetworkPolicy", "mcp-redis" if alone else "redis-mcp"]["spec"]["ingress"][0]
    assert {"port": 9121, "protocol": "TCP"} in rule["ports"]
    workload = found[("Deployment", "mcp-redis") if alone else ("StatefulSet", "redis")]
    (volume,) = (v for v in workload["spec"]["template"]["spec"]["volumes"] if v["name"] == "mine")
    assert ("optional" in volume["projected"]["sources"][0]["secret"]) is not alone, "a store starts without it"
    spec = found["Pod", "mcp-test"]["spec"]
    assert spec | pod | {"imagePullSecrets": [{"name": "all"}, {"name": "mine"}]} == spec


@pytest.mark.parametrize(
    ("settings", "bytes_"),
    [((), 805306368), (("redis.resources.limits.memory=1G",), 750000000),
     (("redis.resources.limits.memory=1.5Gi", "redis.maxmemoryPercent=50"), 805306368), (("redis.maxmemoryPercent=0",), None)],
)  # fmt: skip
def test_the_data_of_redis_takes_its_part_of_the_memory_limit(
    chart: Chart, settings: tuple[str, ...], bytes_: int | None
) -> None:
    config = objects(chart.template(*settings))["ConfigMap", "redis"]
    lines = [line for line in config["data"]["redis.conf"].splitlines() if line.startswith("maxmemory ")]
    assert lines == ([f"maxmemory {bytes_}"] if bytes_ else [])


def test_on_openshift_no_user_or_group_is_named(chart: Chart) -> None:
    everything = (SIDECAR, ORCHESTRATOR, "workers.enabled=true", "hitl-ui.enabled=true", *SERVER)
    words = ["template", "dox", str(chart.folder), "--set", ",".join(everything)]
    text = output(chart.helm(*words, "--values", str(chart.folder / "values-openshift.yaml")))
    numbers = re.compile("(runAsUser|runAsGroup|fsGroup): ")
    assert not numbers.search(text) and numbers.search(chart.helm(*words).stdout)
    assert text.count("runAsNonRoot: true") > 5


def test_two_renders_are_equal(chart: Chart) -> None:
    """No random value and no time: Argo CD and Flux see a change only where there is one."""
    settings = (
        SIDECAR,
        ORCHESTRATOR,
        *SERVER,
        "monitoring.dashboard.enabled=true",
        "global.redis.auth.existingSecret=s",
    )
    words = ["template", "dox", str(chart.folder), "--set", ",".join(settings)]
    assert output(chart.helm(*words)) == output(chart.helm(*words, "--is-upgrade"))


@pytest.mark.parametrize("on", [True, False])
def test_it_is_a_conditional_dependency_under_another_name(chart: Chart, on: bool) -> None:
    umbrella = chart.folder.parent / "umbrella"
    shutil.copytree(chart.folder, umbrella / "charts/dox-asdlc")
    dependency = {"name": "dox-asdlc", "version": "0.1.0", "alias": "platform", "condition": "platform.enabled"}
    about = {"apiVersion": "v2", "name": "umbrella", "version": "1.0.0", "dependencies": [dependency]}
    values = {
        "global": {"imageRegistry": "reg.example", "security": {"allowInsecureImages": True}},
        "platform": {
            "enabled": on,
            "redis": {"mcpSidecar": {"enabled": True}},
            "mcpServers": {"a": {"store": {"kind": "redis", "host": "h"}}},
        },
    }
    (umbrella / "Chart.yaml").write_text(yaml.safe_dump(about))
    (umbrella / "values.yaml").write_text(yaml.safe_dump(values))
    text = output(chart.helm("template", "dox", str(umbrella)))
    images = set(re.findall('image: "?([^"\n]*)', text))
    assert len(images) == (5 if on else 0) and all(image.startswith("reg.example/") for image in images)
    assert ("name: mcp-a" in text.replace('"', "")) is on


def test_a_version_of_the_chart_alone_restarts_nothing(chart: Chart) -> None:
    def templates() -> list[Any]:
        found = objects(chart.template(SIDECAR, ORCHESTRATOR)).values()
        return [m["spec"]["template"] for m in found if "template" in m.get("spec", {})]

    before = templates()
    for file in chart.folder.rglob("Chart.yaml"):
        file.write_text(file.read_text().replace("0.1.0", "0.2.0"))
    assert len(before) == 5 and templates() == before


def test_two_releases_in_a_namespace_share_no_name(chart: Chart) -> None:
    everything = (
        SIDECAR,
        ORCHESTRATOR,
        "workers.enabled=true",
        "hitl-ui.enabled=true",
        "elasticsearch.mcpSidecar.enabled=true",
    )
    a, b = (
        objects(chart.helm("template", *words, str(chart.folder), "--set", ",".join(everything))).keys()
        for words in (["a"], ["b", "--set", "global.namePrefix=b-"])
    )
    assert not a & b


def test_an_mcp_server_has_what_is_set_of_it_over_the_defaults(chart: Chart) -> None:
    """Also what is false, 0 or null."""
    found = objects(chart.template(
        *SERVER, "mcpServerDefaults.podDisruptionBudget.enabled=true", "mcpServers.a.podDisruptionBudget.enabled=false",
        "mcpServerDefaults.server.rateLimitPerMinute=600", "mcpServers.a.server.rateLimitPerMinute=0",
        "mcpServerDefaults.server.logLevel=debug", "mcpServers.a.podSecurityContext.runAsUser=null", "mcpServers.b=null",
    ))  # fmt: skip
    assert {kind for kind, name in found if name == "mcp-a"} == {"Deployment", "Service"}
    pod = found["Deployment", "mcp-a"]["spec"]["template"]["spec"]
    env = {v["name"]: v["value"] for v in pod["containers"][0]["env"]}
    assert env["MCP_LOG_LEVEL"] == "debug" and "MCP_RATE_LIMIT_PER_MINUTE" not in env
    assert "runAsUser" not in pod["securityContext"]


def test_metrics_go_to_a_store_of_theirs_alone(chart: Chart) -> None:
    text = output(chart.template("metrics.victoriaMetrics.enabled=false", "metrics.vmagent.remoteWrite={https://theirs}"))
    assert "victoria-metrics" not in text and "metrics-store" not in text
    assert text.count("-remoteWrite.url=") == text.count("-remoteWrite.url=https://theirs") == 1


@pytest.mark.parametrize(
    ("settings", "listens"),
    [
        (("global.ipFamilies={IPv6}",), True),
        (("global.ipFamilies={IPv4,IPv6}", "global.ipFamilyPolicy=RequireDualStack"), True),
        (("global.ipFamilyPolicy=PreferDualStack",), True),
        (("global.ipFamilies={IPv4}", "global.ipFamilyPolicy=SingleStack"), False),
    ],
)
def test_all_services_and_servers_follow_the_ip_families(chart: Chart, settings: tuple[str, ...], listens: bool) -> None:
    found = objects(chart.template(SIDECAR, ORCHESTRATOR, *SERVER, *settings)).values()
    services = [m["spec"] for m in found if m["kind"] == "Service"]
    assert len(services) > 8 and all({"ipFamilies", "ipFamilyPolicy"} & spec.keys() for spec in services)
    servers = [
        {v["name"]: v.get("value") for v in c["env"]}.get("MCP_HOST")
        for m in found
        if "template" in m.get("spec", {})
        for c in m["spec"]["template"]["spec"]["containers"]
        if c["name"].startswith("mcp-")
    ]
    assert servers == ["::" if listens else None] * 2


@pytest.mark.parametrize(("version", "accepted"), [("1.27.9", False), ("1.9.0", False), ("1.28.0", True), ("1.40.0", True)])
def test_an_old_kubernetes_is_refused(chart: Chart, version: str, accepted: bool) -> None:
    done = chart.helm("template", "dox", str(chart.folder), "--kube-version", version)
    assert (done.returncode == 0) is accepted
    assert accepted or f"needs Kubernetes 1.28 or later, and this is v{version}" in done.stderr


@pytest.mark.parametrize("name", SUBCHARTS)
def test_what_charts_share_is_the_same_in_all(chart: Chart, name: str) -> None:
    parent = yaml.safe_load((chart.folder / "values.yaml").read_text())["global"]
    own = yaml.safe_load((chart.folder / "charts" / name / "values.yaml").read_text()).get("global", {})
    for key, value in own.items():
        assert {name: parent[key][name] for name in value} == value
