"""The failure table: however a sidecar is sick, its store serves on, and what is wrong can be seen.

Each fault is made real on both stores at once, under constant traffic through their Services.
"""

import time
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest

from tests.cluster.faults import FAULTS, Fault, Scene, nothing, sick_code
from tests.cluster.helpers import Client, Count, Node
from tests.cluster.kube import Kube, Pod, wait_until
from tests.cluster.release import BRISK, ONLY_STORES, SIDECAR, STORES, Release, Store, Values, merge


@dataclass
class Seen:
    before: Pod
    during: Pod
    after: Pod | None = None
    store_ports: dict[str, list[str]] = field(default_factory=dict)
    followed: bool = False
    """Whether the sidecar's Service had an endpoint exactly while the pod was ready."""
    connected: str = ""
    problem: str = ""


@dataclass
class Outbreak:
    """A fault on both stores, and what came of it."""

    fault: Fault
    counts: dict[str, Count] = field(default_factory=dict)
    seen: dict[str, Seen] = field(default_factory=dict)


@pytest.fixture(scope="module")
def applied(kube: Kube) -> list[Values]:
    """The values that the release was given, the newest last."""
    kube.apply(sick_code())
    return [{"nothing": "yet"}]


@pytest.fixture(scope="module", params=FAULTS, ids=lambda fault: fault.name)
def outbreak(
    request: pytest.FixtureRequest, applied: list[Values], release: Release, kube: Kube, client: Client, node: Node
) -> Outbreak:
    fault: Fault = request.param
    if applied[-1] != fault.values:
        release.upgrade(merge(ONLY_STORES, BRISK, fault.values))
        applied.append(fault.values)
    if fault.strike is not nothing:
        # A kubelet waits longer from restart to restart of a container: each fault gets pods without any.
        release.renew_pods(restarts_of=SIDECAR)
    scenes = [Scene(kube, node, client, store) for store in STORES]
    for store in STORES:
        if fault.strike is nothing:
            release.wait_for_store(store)
        else:
            release.wait(store, "2/2")
    result = Outbreak(fault)
    with ExitStack() as stack:
        for store in STORES:
            result.counts[store.chart] = stack.enter_context(client.to_store(store))
        for scene in scenes:
            result.seen[scene.store.chart] = Seen(scene.pod, scene.pod)
            fault.strike(scene)
        for scene in scenes:
            watch(scene, fault, result.seen[scene.store.chart])
        time.sleep(fault.watch)
        for scene in scenes:
            fault.heal(scene)
        if fault.recovers:
            for store in STORES:
                result.seen[store.chart].after = release.wait(store, "2/2")
    return result


def watch(scene: Scene, fault: Fault, seen: Seen) -> None:
    """Waits until the fault shows, and writes down what is seen then."""
    last: list[Pod] = []

    def shows() -> bool:
        last[:] = [scene.pod]
        return fault.shows(scene, last[0])

    try:
        wait_until(f"{fault.name} shows", shows, lambda: str(last[0]), pause=0.2)
    except TimeoutError as error:
        seen.problem = str(error)
    seen.during = last[0]
    store = scene.store
    seen.store_ports = scene.kube.addresses(store.service)
    seen.connected = scene.client.connect(store.service, 9000)

    def agree() -> bool:
        """Ask again for both: the pod may have recovered, and the controllers follow a moment later."""
        ready, ports = scene.pod.ready, scene.kube.addresses(store.sidecar_service)
        return (ready == "2/2") == bool(ports.get("mcp"))

    try:
        wait_until("its Service follows its readiness", agree)
        seen.followed = True
    except TimeoutError:
        seen.followed = False


def test_the_store_serves_every_request(outbreak: Outbreak, store: Store) -> None:
    count = outbreak.counts[store.chart]
    assert count.requests >= 100
    assert count.failures == 0, count


def test_it_is_seen(outbreak: Outbreak, store: Store) -> None:
    assert outbreak.seen[store.chart].problem == ""


def test_the_stores_port_stays_published(outbreak: Outbreak, store: Store) -> None:
    seen = outbreak.seen[store.chart]
    assert seen.store_ports[store.port_name] == [seen.during.manifest["status"]["podIP"]]


def test_the_sidecars_service_follows_its_readiness(outbreak: Outbreak, store: Store) -> None:
    assert outbreak.seen[store.chart].followed


def test_port_9000_of_the_stores_service(outbreak: Outbreak, store: Store) -> None:
    seen = outbreak.seen[store.chart]
    assert outbreak.fault.port in ("", seen.connected)


def test_the_store_is_not_restarted(outbreak: Outbreak, store: Store) -> None:
    seen = outbreak.seen[store.chart]
    last = seen.after or seen.during
    assert last.uid == seen.before.uid
    assert last.restarts(store.container) == seen.before.restarts(store.container)


def test_it_recovers_alone(outbreak: Outbreak, store: Store) -> None:
    if not outbreak.fault.recovers:
        pytest.skip("it takes new values")
    after = outbreak.seen[store.chart].after
    assert after
    assert after.ready == "2/2"
    assert after.is_ready(SIDECAR)
