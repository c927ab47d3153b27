"""What the cluster admits, and what is really in force in the containers."""

from typing import Any

import pytest

from tests.cluster.helpers import Client, Node, pod
from tests.cluster.kube import Kube, KubeError
from tests.cluster.release import ONLY_STORES, SIDECAR, STORES, Release, Store, Values, merge, of_sidecars

POLICIES: Values = merge(
    ONLY_STORES,
    of_sidecars(
        networkPolicy={
            "enabled": True,
            "storeFromAll": True,
            "from": [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "e2e-client"}}}],
        }
    ),
)

LOOK = """
import errno, json, os
def write(path):
    try:
        open(path, "w").close()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "written"
status = dict(line.split(":\\t", 1) for line in open("/proc/1/status").read().splitlines() if ":\\t" in line)
token = "/var/run/secrets/kubernetes.io/serviceaccount/token"
print(json.dumps({"uid": os.getuid(), "token": os.path.exists(token),
    "writes": {path: write(path) for path in ("/x", "/tmp/x", "/usr/x")},
    **{name: status[name] for name in ("CapEff", "CapBnd", "NoNewPrivs", "Seccomp")}}))
"""


@pytest.fixture(scope="module", autouse=True)
def installed(release: Release) -> None:
    release.apply(POLICIES, "2/2")


@pytest.fixture(scope="module")
def inside(kube: Kube) -> dict[str, dict[str, Any]]:
    """Check what the sidecars find out about themselves."""
    return {store.chart: kube.python(store.pod, SIDECAR, LOOK) for store in STORES}


@pytest.mark.parametrize(
    "values", [{}, ONLY_STORES, POLICIES, of_sidecars(enabled=False)], ids=["minikube", "stores", "policies", "off"]
)
def test_the_server_admits_it_in_a_dry_run(release: Release, values: Values) -> None:
    assert "STATUS:" in release.upgrade(values, "--dry-run=server")


def test_the_namespace_is_restricted(kube: Kube) -> None:
    """All pods of the suite's namespace, the stores' among them, hold to the restricted Pod Security Standard."""
    privileged = pod("node", {"privileged": True, "runAsUser": 0})
    with pytest.raises(KubeError, match='violates PodSecurity "restricted'):
        kube.create(privileged, "--dry-run=server")
    assert {store.pod for store in STORES} <= {pod.name for pod in kube.pods()}


def test_the_network_policy_is_there(kube: Kube, store: Store) -> None:
    spec = kube.get("networkpolicy", store.sidecar_service)["spec"]
    assert spec["policyTypes"] == ["Ingress"]
    assert len(spec["ingress"]) == 3, "the store for all, the sidecar for the client and for vmagent"


def test_chosen_peers_pass(client: Client, store: Store) -> None:
    assert client.connect(store.service, store.port) == "open"
    assert client.connect(store.sidecar_service, 9000) == "open"


def test_the_node_sees_one_process_of_user_1000(kube: Kube, node: Node, store: Store) -> None:
    (process,) = node.processes(kube.the_pod(store.pod).container_id(SIDECAR))
    assert set(process["uids"]) == {"1000"}
    assert f"servers.{store.chart}" in process["command"]


def test_nothing_can_be_written(inside: dict[str, dict[str, Any]], store: Store) -> None:
    assert inside[store.chart]["writes"] == {"/x": "EROFS", "/tmp/x": "EROFS", "/usr/x": "EROFS"}


def test_there_are_no_privileges(inside: dict[str, dict[str, Any]], store: Store) -> None:
    found = inside[store.chart]
    assert found["uid"] == 1000
    assert int(found["CapEff"], 16) == int(found["CapBnd"], 16) == 0
    assert found["NoNewPrivs"] == "1"
    assert found["Seccomp"] == "2", "a filter is in force"


def test_there_is_no_service_account_token(inside: dict[str, dict[str, Any]], store: Store) -> None:
    assert inside[store.chart]["token"] is False
