"""Every render holds to the Kubernetes API and to what the chart promises of its security."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from runfiles import Runfiles

from tests.charts.kubernetes_api import VERSIONS, Manifest, manifests, problems


def rendered() -> dict[str, list[Manifest]]:
    runfiles = Runfiles.Create()
    assert runfiles
    files = [Path(runfiles.Rlocation(name) or name) for name in os.environ["RENDERED"].split()]
    return {file.name.removesuffix("_rendered.yaml"): manifests(file.read_text()) for file in files}


RENDERED = rendered()
each = pytest.mark.parametrize("name", RENDERED)


def pods(found: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Kind and name of what makes pods, and the pods' spec."""
    for manifest in found:
        if manifest["kind"] in ("StatefulSet", "Deployment", "Pod"):
            spec = manifest["spec"]
            yield f"{manifest['kind']}/{manifest['metadata']['name']}", spec.get("template", {}).get("spec", spec)


def containers(found: list[Manifest]) -> Iterator[tuple[str, Manifest, Manifest]]:
    for what, pod in pods(found):
        for container in pod.get("initContainers", []) + pod["containers"]:
            yield f"{what}/{container['name']}", pod, container


def unique() -> dict[str, Manifest]:
    return {json.dumps(m, sort_keys=True): m for found in RENDERED.values() for m in found}


@pytest.mark.parametrize("version", VERSIONS)
def test_everything_is_valid_in_the_api_of(version: str) -> None:
    """Strictly: fields that the API does not know are refused."""
    assert len(RENDERED) > 15
    for manifest in unique().values():
        assert problems(manifest, version) == [], f"{manifest['kind']}/{manifest['metadata']['name']}"


def test_the_versions_reach_from_1_28_to_the_newest() -> None:
    assert VERSIONS[0].startswith("1.28")
    assert len(VERSIONS) >= 10, "the newest is that of the locked package"


@each
def test_names_are_given_once(name: str) -> None:
    names = [(m["kind"], m["metadata"]["name"]) for m in RENDERED[name]]
    assert len(names) == len(set(names))


REFERENCES = {
    "backendRefs": "Service", "configMap": "ConfigMap", "configMapKeyRef": "ConfigMap", "roleRef": "Role",
    "scaleTargetRef": "Deployment", "service": "Service", "serviceAccountName": "ServiceAccount", "serviceName": "Service",
    "subjects": "ServiceAccount",
}  # fmt: skip
"""Fields that name objects of a kind."""


def references(manifest: Any) -> Iterator[tuple[str, str]]:
    for key, value in manifest.items() if isinstance(manifest, dict) else ():
        for entry in value if isinstance(value, list) else [value]:
            if key in REFERENCES:
                yield REFERENCES[key], entry["name"] if isinstance(entry, dict) else entry
            yield from references(entry)


@each
def test_what_an_object_names_is_there(name: str) -> None:
    """A pod whose service account is not there never starts."""
    there = {(m["kind"], m["metadata"]["name"]) for m in RENDERED[name]}
    assert {found for manifest in RENDERED[name] for found in references(manifest)} <= there


@each
def test_claim_templates_are_as_the_api_gives_them_back(name: str) -> None:
    """Otherwise Argo CD shows a difference for ever."""
    for manifest in RENDERED[name]:
        for claim in manifest.get("spec", {}).get("volumeClaimTemplates", []):
            assert (claim["apiVersion"], claim["kind"]) == ("v1", "PersistentVolumeClaim")


@each
def test_selectors_select_the_pods_they_are_for(name: str) -> None:
    pods = [m["spec"]["template"]["metadata"]["labels"] for m in RENDERED[name] if "template" in m.get("spec", {})]
    for manifest in RENDERED[name]:
        spec = manifest.get("spec", {})
        if manifest["kind"] == "Service":
            selector = spec["selector"]
        elif manifest["kind"] in ("PodDisruptionBudget", "StatefulSet", "Deployment"):
            selector = spec["selector"]["matchLabels"]
        elif manifest["kind"] == "NetworkPolicy":
            selector = spec["podSelector"]["matchLabels"]
        else:
            continue
        assert sum(selector.items() <= pod.items() for pod in pods) == 1, manifest["metadata"]["name"]
        if "template" in spec:  # what can't change, so that an upgrade of an older release would be refused
            claims = [claim["metadata"]["labels"] for claim in spec.get("volumeClaimTemplates", [])]
            fixed = {f"app.kubernetes.io/{key}" for key in ("name", "instance", "component")}
            assert all(set(labels) <= fixed for labels in (selector, *claims))
        else:
            told = "a chart beside this one may have a redis as well"
            assert selector["app.kubernetes.io/part-of"] == "dox-asdlc", told


@each
def test_services_ports_lead_to_ports_of_containers(name: str) -> None:
    for manifest in RENDERED[name]:
        if manifest["kind"] == "Service":
            (pod,) = (
                m["spec"]["template"]
                for m in RENDERED[name]
                if "template" in m.get("spec", {})
                and manifest["spec"]["selector"].items() <= m["spec"]["template"]["metadata"]["labels"].items()
            )
            named = {p["name"] for c in pod["spec"]["containers"] for p in c.get("ports", [])}
            assert {port["targetPort"] for port in manifest["spec"]["ports"]} <= named


@each
def test_services_are_of_the_cluster_only(name: str) -> None:
    for manifest in RENDERED[name]:
        assert manifest["kind"] not in ("Ingress", "HTTPRoute") or name == "mcp_servers"
        if manifest["kind"] == "Service":
            assert manifest["spec"]["type"] == "ClusterIP"
            assert not {"externalIPs", "loadBalancerIP", "externalName"} & manifest["spec"].keys()
            assert not any("nodePort" in port for port in manifest["spec"]["ports"])


@each
def test_no_secret_is_in_a_manifest(name: str) -> None:
    for manifest in RENDERED[name]:
        assert manifest["kind"] != "Secret"
    for what, _, container in containers(RENDERED[name]):
        for variable in container.get("env", []):
            if re.search("PASSWORD|TOKEN|API_KEY|(?<!O)AUTH", variable["name"]):
                assert "secretKeyRef" in variable.get("valueFrom", {}) or variable["name"].endswith("_FILE"), what
        words = " ".join(container.get("command", []) + container.get("args", []))
        assert "$(REDIS_PASSWORD)" not in words
        assert "--requirepass" not in words, "the command line is for all to read"


@each
def test_every_container_has_requests_and_limits(name: str) -> None:
    for what, _, container in containers(RENDERED[name]):
        for kind in ("requests", "limits"):
            assert {"cpu", "memory"} <= container["resources"][kind].keys(), what


def violations(pod: Manifest, container: Manifest) -> list[str]:
    """Return what keeps a container from the restricted Pod Security Standard
    (https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted)."""
    own, of_pod = container.get("securityContext", {}), pod.get("securityContext", {})

    def effective(key: str) -> Any:
        return own.get(key, of_pod.get(key))

    capabilities = own.get("capabilities", {})
    rules = {
        "host namespaces": not any(pod.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")),
        "privileged": not own.get("privileged"),
        "allowPrivilegeEscalation": own.get("allowPrivilegeEscalation") is False,
        "drop ALL": capabilities.get("drop") == ["ALL"],
        "add": set(capabilities.get("add", [])) <= {"NET_BIND_SERVICE"},
        "runAsNonRoot": effective("runAsNonRoot") is True,
        "runAsUser": effective("runAsUser") != 0,
        "seccompProfile": (effective("seccompProfile") or {}).get("type") in ("RuntimeDefault", "Localhost"),
        "hostPort": not any("hostPort" in port for port in container.get("ports", [])),
        "volumes": all(
            set(v) - {"name"} <= {"configMap", "emptyDir", "secret", "persistentVolumeClaim", "projected", "downwardAPI"}
            for v in pod.get("volumes", [])
        ),
    }
    return [rule for rule, holds in rules.items() if not holds]


@each
def test_containers_hold_to_the_restricted_standard(name: str) -> None:
    for what, pod, container in containers(RENDERED[name]):
        assert violations(pod, container) == [], what


@each
def test_a_sidecar_alone_holds_to_the_restricted_standard(name: str) -> None:
    """By its own security context, whatever is done to the pod's."""
    for what, pod, container in containers(RENDERED[name]):
        if container["name"] in ("mcp-sidecar", "mcp-server"):
            assert violations(pod | {"securityContext": {}}, container) == [], what
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True
            assert context["runAsUser"] == 1000


@each
def test_pods_share_no_processes_and_only_vmagent_has_a_token(name: str) -> None:
    for what, pod in pods(RENDERED[name]):
        assert not pod.get("shareProcessNamespace"), what
        assert pod["automountServiceAccountToken"] is (what == "Deployment/vmagent"), what


@each
def test_volumes_are_mounted_and_mounts_have_volumes(name: str) -> None:
    claims = {
        m["metadata"]["name"]: {c["metadata"]["name"] for c in m["spec"].get("volumeClaimTemplates", [])}
        for m in RENDERED[name]
        if m["kind"] == "StatefulSet"
    }
    for what, pod in pods(RENDERED[name]):
        volumes = {v["name"] for v in pod.get("volumes") or []} | claims.get(what.partition("/")[2], set())
        assert {m["name"] for c in pod["containers"] for m in c.get("volumeMounts", [])} == volumes, what


@each
def test_what_a_sidecar_lacks_keeps_no_store_from_starting(name: str) -> None:
    """The kubelet starts no container of a pod before all volumes are there, but for optional ones."""
    for what, pod in pods(RENDERED[name]):
        others = {m["name"] for c in pod["containers"] if c["name"] != "mcp-sidecar" for m in c.get("volumeMounts", [])}
        for volume in pod.get("volumes") or []:
            if source := volume.get("secret") or volume.get("configMap"):
                assert source.get("optional", False) is (volume["name"] not in others), what


def sidecar(name: str, store: str) -> Manifest:
    (found,) = (c for what, _, c in containers(RENDERED[name]) if what == f"StatefulSet/{store}/mcp-sidecar")
    return found


STORES = {"redis": "mcp/redis", "knowledge-store": "mcp/elasticsearch"}


@pytest.mark.parametrize("store", STORES)
def test_the_sidecar_is_as_asked_for(store: str) -> None:
    container = sidecar("sidecars", store)
    assert container["image"] == STORES[store] + ":latest"
    assert container["imagePullPolicy"] == "IfNotPresent"
    assert container["ports"] == [{"name": "mcp", "containerPort": 9000, "protocol": "TCP"}]
    assert container["resources"] == {
        "requests": {"cpu": "50m", "memory": "64Mi"},
        "limits": {"cpu": "100m", "memory": "128Mi"},
    }
    readiness, liveness = container["readinessProbe"], container["livenessProbe"]
    assert readiness["tcpSocket"] == liveness["tcpSocket"] == {"port": 9000}
    assert (readiness["initialDelaySeconds"], readiness["periodSeconds"]) == (5, 10)
    assert (liveness["initialDelaySeconds"], liveness["periodSeconds"]) == (15, 20)
    assert "volumeMounts" not in container
    env = {v["name"]: v.get("value") for v in container["env"]}
    assert env["MCP_ALLOW_WRITES"] == "false"
    http = sidecar("http_probes", store)
    assert http["readinessProbe"]["httpGet"] == http["livenessProbe"]["httpGet"] == {"path": "/health", "port": 9000}
    assert sidecar("sidecars_everything", store)["image"].startswith(STORES[store] + "@sha256:")


@pytest.mark.parametrize("store", STORES)
def test_the_sidecars_failure_never_takes_the_store_out_of_its_service(store: str) -> None:
    services = {m["metadata"]["name"]: m["spec"] for m in RENDERED["sidecars"] if m["kind"] == "Service"}
    assert services[store]["publishNotReadyAddresses"] is True
    mcp = {"name": "mcp", "port": 9000, "targetPort": "mcp", "protocol": "TCP"}
    assert mcp in services[store]["ports"]
    assert services[f"{store}-mcp"]["ports"] == [mcp]
    assert "publishNotReadyAddresses" not in services[f"{store}-mcp"], "a sidecar that is not ready gets nothing"
    off = {m["metadata"]["name"]: m["spec"] for m in RENDERED["defaults"] if m["kind"] == "Service"}
    assert "publishNotReadyAddresses" not in off[store]


def test_redis_and_its_sidecar_take_the_password_from_one_secret() -> None:
    pod = next(pod for what, pod in pods(RENDERED["passwords_applications"]) if what == "StatefulSet/redis")
    references = [
        v["valueFrom"]["secretKeyRef"]
        for c in pod["containers"]
        for v in c.get("env", [])
        if "secretKeyRef" in v.get("valueFrom", {})
    ]
    assert references == [{"name": "redis-login", "key": "redis-password"}] * 2


def test_minikube_never_pulls_our_images() -> None:
    found = {c["image"]: c["imagePullPolicy"] for _, _, c in containers(RENDERED["minikube"]) if c["image"].startswith("mcp/")}
    assert found == dict.fromkeys(["mcp/redis:latest", "mcp/elasticsearch:latest", "mcp/demo:latest"], "Never")
