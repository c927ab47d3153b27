"""A DNS for a cluster without one, such as a bare node: the program pods/dns.py, at the address that kubelets name."""

import contextlib
from collections.abc import Iterator
from typing import Any

from tests.cluster.helpers import CODE, RESTRICTED, code, pod
from tests.cluster.kube import Kube, Manifest, Pod, wait_until
from tests.cluster.pods.dns import PORT

NAME = "e2e-dns"
RBAC = "rbac.authorization.k8s.io/v1"


def named(version: str, kind: str, **fields: Any) -> Manifest:
    """Return an object of that name."""
    return {"apiVersion": version, "kind": kind, "metadata": {"name": NAME}, **fields}


def manifests(namespace: str, address: str) -> list[Manifest]:
    """Return what it takes, all under one name."""
    labels = {"app.kubernetes.io/name": NAME}
    rules = [
        {"apiGroups": [""], "resources": ["services"], "verbs": ["list"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list"]},
    ]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": NAME}
    server = pod("dns", RESTRICTED, serviceAccountName=NAME, automountServiceAccountToken=True, dnsPolicy="Default")
    server["metadata"] = {"name": NAME, "labels": labels}
    account = {"kind": "ServiceAccount", "name": NAME, "namespace": namespace}
    ports = [{"port": 53, "targetPort": PORT, "protocol": "UDP"}]
    return [
        code(),
        named("v1", "ServiceAccount"),
        named(RBAC, "ClusterRole", rules=rules),
        named(RBAC, "ClusterRoleBinding", roleRef=role, subjects=[account]),
        named("v1", "Service", spec={"clusterIP": address, "selector": labels, "ports": ports}),
        server,
    ]


@contextlib.contextmanager
def dns(kube: Kube, address: str) -> Iterator[None]:
    """Answers names as long as the block runs; does nothing where another Service has the address."""
    if any(s["spec"].get("clusterIP") == address and s["metadata"]["name"] != NAME for s in kube.items("services")):
        yield
        return
    try:
        kube.apply(*manifests(kube.namespace, address))
        wait_until("the DNS runs", lambda: (kube.pod(NAME) or Pod({"status": {}})).container_id("dns"))
        yield
    finally:
        kinds = "pod,service,serviceaccount,clusterrole,clusterrolebinding"
        kube.run("delete", kinds, NAME, "--ignore-not-found", "--wait=false")
        kube.run("delete", "configmap", CODE, "--ignore-not-found")
