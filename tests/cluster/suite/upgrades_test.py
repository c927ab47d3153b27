"""Upgrades: a store is away for as long as its own restart takes, once, and never for the sidecar's sake."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest

from tests.cluster.faults import Scene, extra, reason
from tests.cluster.helpers import Client, Count, Node
from tests.cluster.kube import Kube, KubeError, Pod, wait_until
from tests.cluster.release import ONLY_STORES, STORES, Release, Store, Values, merge, of_sidecars

OFF = merge(ONLY_STORES, of_sidecars(enabled=False))
SLACK = 10.0
"""Seconds that a restart may take longer than the one it is measured against, on a small machine."""


@dataclass
class Change:
    """What a change of the release cost."""

    before: dict[str, Pod] = field(default_factory=dict)
    after: dict[str, Pod] = field(default_factory=dict)
    counts: dict[str, Count] = field(default_factory=dict)
    settled: dict[str, Count] = field(default_factory=dict)

    def replaced(self, store: Store) -> bool:
        return self.before[store.chart].uid != self.after[store.chart].uid


Make = Callable[[str, Callable[[], object], str], Change]


@pytest.fixture(scope="module")
def make(release: Release, kube: Kube, client: Client, table: list[str]) -> Make:
    """Makes a change under traffic to both stores, and waits until their pods are as wanted."""

    def make(name: str, change: Callable[[], object], ready: str) -> Change:
        made = Change()
        with ExitStack() as stack:
            for store in STORES:
                made.before[store.chart] = kube.the_pod(store.pod)
                made.counts[store.chart] = stack.enter_context(client.to_store(store))
            time.sleep(1)
            change()
            time.sleep(3)
            for store in STORES:
                made.after[store.chart] = release.wait(store, ready)
            for store in STORES:
                client.wait_for(store)
        with ExitStack() as stack:
            for store in STORES:
                made.settled[store.chart] = stack.enter_context(client.to_store(store))
            time.sleep(3)
        for store in STORES:
            count = made.counts[store.chart]
            table.append(
                f"{name}, {store}: away {count.outage:.1f} s, {count.failures} of {count.requests} requests failed"
            )
        return made

    return make


@pytest.fixture(scope="module")
def without(release: Release, make: Make, kube: Kube) -> Change:
    """What the stores' own restart costs without any sidecar; every change is measured against it."""
    release.apply(OFF, "1/1")
    return make(
        "restart without sidecars",
        lambda: kube.run("rollout", "restart", *(f"statefulset/{store.service}" for store in STORES)),
        "1/1",
    )


def check(change: Change, without: Change, *, replaced: bool = True) -> None:
    """A change replaced each store's pod once, or not at all, and cost no more than that."""
    for store in STORES:
        count, after = change.counts[store.chart], change.after[store.chart]
        assert change.replaced(store) == replaced
        assert after.restarts(store.container) == 0
        assert change.settled[store.chart].failures == 0, change.settled[store.chart]
        if replaced:
            assert count.outage <= without.counts[store.chart].outage + SLACK, count
        else:
            assert count.failures == 0, count


def revisions(kube: Kube) -> list[str]:
    return [kube.get("statefulset", store.service)["status"]["updateRevision"] for store in STORES]


def test_on_and_off_again(release: Release, make: Make, kube: Kube, without: Change) -> None:
    """Off, the stores' pods are of the very revision that they had before the sidecars came."""
    release.apply(OFF, "1/1")  # takes back what the restart annotated
    before = revisions(kube)
    check(make("sidecars on", lambda: release.upgrade(ONLY_STORES), "2/2"), without)
    check(make("the same values again", lambda: release.upgrade(ONLY_STORES), "2/2"), without, replaced=False)
    check(make("sidecars off", lambda: release.helm("rollback", "e2e", before_last(release)), "1/1"), without)
    assert revisions(kube) == before


def before_last(release: Release) -> str:
    """The release's revision before the last two."""
    history = json.loads(release.helm("history", "e2e", "--output", "json"))
    return str(history[-3]["revision"])


def test_a_new_image_or_setting(release: Release, make: Make, without: Change) -> None:
    release.apply(ONLY_STORES, "2/2")
    # The same image by another name: to the cluster it is another.
    other: Values = {
        store.chart: {"mcpSidecar": {"image": {"repository": f"docker.io/mcp/{store.chart}"}}} for store in STORES
    }
    check(make("another image", lambda: release.upgrade(merge(ONLY_STORES, other)), "2/2"), without)


def test_a_drain_takes_the_pod_once(make: Make, kube: Kube, without: Change) -> None:
    """By the Eviction API, as kubectl drain does: the PodDisruptionBudget admits one pod at a time."""
    check(make("eviction", lambda: evict(kube, *STORES), "2/2"), without)


def evict(kube: Kube, *stores: Store) -> None:
    """Asks for the stores' pods to be taken away, as a drain does."""
    for store in stores:
        eviction = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": store.pod, "namespace": kube.namespace},
        }
        path = f"/api/v1/namespaces/{kube.namespace}/pods/{store.pod}/eviction"
        kube.run("create", "--raw", path, "--filename", "-", stdin=json.dumps(eviction))


@pytest.fixture(scope="module")
def broken(release: Release, kube: Kube, node: Node, client: Client) -> None:
    """Sidecars that can't start."""
    release.upgrade(merge(ONLY_STORES, of_sidecars(extraEnv=extra(MCP_LOG_LEVEL="none"))))
    crashes = reason("CrashLoopBackOff")
    for store in STORES:
        release.wait_for_store(store)
    scenes = [Scene(kube, node, client, store) for store in STORES]
    wait_until("both crash", lambda: all(crashes(scene, scene.pod) for scene in scenes), 60)


def test_a_pod_with_a_sick_sidecar_can_be_drained(kube: Kube, release: Release, broken: None, store: Store) -> None:
    before = kube.the_pod(store.pod).uid
    try:
        evict(kube, store)
    except KubeError as error:
        pytest.fail(str(error))
    release.wait_for_store(store)
    wait_until("there is a new pod", lambda: kube.the_pod(store.pod).uid != before, 60)


def test_a_sick_sidecar_can_be_turned_off(release: Release, make: Make, broken: None, without: Change) -> None:
    """Without a hand that deletes the pod: a StatefulSet that waits for its pod to be ready would wait for ever."""
    check(make("broken sidecars off", lambda: release.upgrade(OFF), "1/1"), without)
