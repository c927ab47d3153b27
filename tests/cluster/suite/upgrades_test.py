"""Upgrades: a store is away once, while its pod is replaced, and never for the sidecar's sake.

That is seen in what happened and in which order, and not in how long it took. The seconds are printed, beside those of a
restart without any sidecar.
"""

import json
import secrets
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import pytest

from tests.cluster.faults import Scene, extra, reason
from tests.cluster.helpers import Client, Count, Node
from tests.cluster.kube import Kube, KubeError, Pod, wait_until
from tests.cluster.login import Login
from tests.cluster.release import ONLY_STORES, SIDECAR, STORES, Release, Store, Values, merge, of_sidecars
from tests.cluster.watch import watch_pods

OFF = merge(ONLY_STORES, of_sidecars(enabled=False))

KILLED = 137
"""Exit code of a container that did not end when it was told to."""


@dataclass
class Course:
    """What a change did to one store."""

    store: Store
    states: list[Pod] = field(default_factory=list)
    """Those of its pods, in their order."""
    count: Count = field(default_factory=Count)
    """Of the traffic from before the change until after it."""
    asked: float = 0.0
    """When the change was asked for: the client's clock."""
    leads: float = 0.0
    """When the client had seen that the Service leads to the new pod, whose store was ready: the client's clock."""

    @property
    def pods(self) -> list[str]:
        return list(dict.fromkeys(pod.uid for pod in self.states))

    @property
    def told_to_leave(self) -> float:
        """When the first pod was deleted: the API server's clock."""
        return next(pod.told_to_leave for pod in self.states if pod.told_to_leave is not None)

    def exit_codes(self, container: str) -> set[int]:
        """With which a container of the first pod ended."""
        return {code for pod in self.states if pod.uid == self.pods[0] for code in pod.exit_codes(container)}


Change = dict[str, Course]
"""By the stores' charts."""


class Make(Protocol):
    """Makes a change under traffic to both stores, and waits until their pods are as wanted."""

    def __call__(self, name: str, change: Callable[[], object], ready: str, passwords: str = "") -> Change:
        """Make a change, until the stores' pods show `ready` (as 2/2). Redis may ask for one of the passwords, between commas."""


@pytest.fixture(scope="module")
def make(release: Release, kube: Kube, client: Client, table: list[str]) -> Make:
    def make(name: str, change: Callable[[], object], ready: str, passwords: str = "") -> Change:
        made = {store.chart: Course(store) for store in STORES}
        with ExitStack() as stack:
            history = stack.enter_context(watch_pods(kube))
            history.catch_up(*(store.pod for store in STORES))
            for course in made.values():
                login = {"password": passwords} if passwords and course.store.kind == "redis" else {}
                course.count = stack.enter_context(client.to_store(course.store, **login))
            asked = client.now()
            change()
            for course in made.values():
                release.wait_for_store(course.store)
                client.wait_for(course.store)
                course.leads = client.now()
            for store in STORES:
                release.wait(store, ready)
            history.catch_up(*(store.pod for store in STORES))
            for course in made.values():
                course.asked = asked
                course.states = history.of(course.store.pod)
        for course in made.values():
            count = course.count
            table.append(
                f"{name}, {course.store}: away {count.outage:.1f} s, {count.failures} of {count.requests} requests failed"
            )
            table.extend(f"  {number} x {why}" for why, number in count.reasons.items())
        return made

    return make


@pytest.fixture(scope="module")
def without(release: Release, make: Make, kube: Kube) -> Change:
    """Measure the stores' own restart without any sidecar."""
    release.apply(OFF, "1/1")
    return make("restart without sidecars", lambda: restart(kube), "1/1")


def restart(kube: Kube) -> None:
    kube.run("rollout", "restart", *(f"statefulset/{store.service}" for store in STORES))


def check_replaced(change: Change, *, was_ready: bool = True) -> None:
    """Check that each store's pod was replaced once, and was away only from when the old one had to go until the new one served.

    `was_ready` is whether the pods were ready before. Without sidecars a Service leaves a pod that is not, and it is changed
    a moment before the StatefulSet is.
    """
    for store in STORES:
        course = change[store.chart]
        assert len(course.pods) == 2, course.pods
        check_no_restart(course)
        assert KILLED not in course.exit_codes(SIDECAR), "a sidecar that does not end keeps the next pod waiting"
        if course.count.first_failed is not None and course.count.last_begun is not None:
            assert course.count.first_failed >= (course.told_to_leave if was_ready else course.asked), course.count
            assert course.count.last_begun <= course.leads, course.count


def check_untouched(change: Change) -> None:
    for store in STORES:
        course = change[store.chart]
        assert len(course.pods) == 1, course.pods
        check_no_restart(course)
        assert course.count.failures == 0, course.count


def check_no_restart(course: Course) -> None:
    restarts = {(pod.uid, pod.restarts(course.store.container)) for pod in course.states}
    assert restarts == {(uid, 0) for uid in course.pods}


def revisions(kube: Kube) -> list[str]:
    return [kube.get("statefulset", store.service)["status"]["updateRevision"] for store in STORES]


def test_a_restart_without_sidecars(without: Change) -> None:
    check_replaced(without)


def test_on_and_off_again(release: Release, make: Make, kube: Kube) -> None:
    """Off, the stores' pods are of the very revision that they had before the sidecars came."""
    release.apply(OFF, "1/1")  # takes back what the restart annotated
    before = revisions(kube)
    check_replaced(make("sidecars on", lambda: release.upgrade(ONLY_STORES), "2/2"))
    check_untouched(make("the same values again", lambda: release.upgrade(ONLY_STORES), "2/2"))
    check_replaced(make("sidecars off", lambda: release.helm("rollback", "e2e", before_last(release)), "1/1"))
    assert revisions(kube) == before


def before_last(release: Release) -> str:
    """The release's revision before the last two."""
    history = json.loads(release.helm("history", "e2e", "--output", "json"))
    return str(history[-3]["revision"])


def test_a_new_image_or_setting(release: Release, make: Make) -> None:
    release.apply(ONLY_STORES, "2/2")
    # The same image by another name: to the cluster it is another.
    other: Values = {store.chart: {"mcpSidecar": {"image": {"repository": f"docker.io/mcp/{store.chart}"}}} for store in STORES}
    check_replaced(make("another image", lambda: release.upgrade(merge(ONLY_STORES, other)), "2/2"))


def test_a_password_is_rotated(release: Release, make: Make, kube: Kube, login: Login) -> None:
    """Into the Secret first, and then a rollout, as docs/operations.md says: no client is refused that knows both."""
    release.apply(merge(ONLY_STORES, login.values), "2/2")
    before, after = login.password, secrets.token_hex(12)

    def rotate() -> None:
        login.rotate(after)
        restart(kube)

    check_replaced(make("password rotated", rotate, "2/2", f"{before},{after}"))


def test_a_drain_takes_the_pod_once(release: Release, make: Make, kube: Kube) -> None:
    """By the Eviction API, as kubectl drain does: the PodDisruptionBudget admits one pod at a time."""
    release.apply(ONLY_STORES, "2/2")
    check_replaced(make("eviction", lambda: evict(kube, *STORES), "2/2"))


def test_a_drain_waits_for_no_sidecar_that_still_starts(release: Release, make: Make, kube: Kube) -> None:
    """It imports for seconds, and listens to SIGTERM all the same, which the first process of a container does not by default."""
    kube.run("delete", "pod", *(store.pod for store in STORES), "--wait=false")
    for store in STORES:
        release.wait_for_store(store)
    check_replaced(make("eviction of a pod that starts", lambda: evict(kube, *STORES), "2/2"))


def evict(kube: Kube, *stores: Store) -> None:
    """Asks for the stores' pods to be taken away until that is admitted, as a drain does."""
    for store in stores:
        wait_until(f"{store.pod} may go", partial(admitted, kube, store))


def admitted(kube: Kube, store: Store) -> bool:
    """Asks for a store's pod to be taken away; false where its PodDisruptionBudget does not admit it yet."""
    about = {"name": store.pod, "namespace": kube.namespace}
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": about}
    path = f"/api/v1/namespaces/{kube.namespace}/pods/{store.pod}/eviction"
    try:
        kube.run("create", "--raw", path, "--filename", "-", stdin=json.dumps(eviction))
    except KubeError as error:
        if "disruption budget" not in str(error):
            raise
        return False
    return True


@pytest.fixture(scope="module")
def broken(release: Release, kube: Kube, node: Node, client: Client) -> None:
    """Sidecars that can't start."""
    release.upgrade(merge(ONLY_STORES, of_sidecars(extraEnv=extra(MCP_LOG_LEVEL="none"))))
    crashes = reason("CrashLoopBackOff")
    for store in STORES:
        release.wait_for_store(store)
    scenes = [Scene(kube, node, client, store) for store in STORES]
    wait_until("both crash", lambda: all(crashes(scene, scene.pod) for scene in scenes))


def test_a_pod_with_a_sick_sidecar_can_be_drained(kube: Kube, release: Release, broken: None, store: Store) -> None:
    before = kube.the_pod(store.pod).uid
    evict(kube, store)
    assert release.wait_for_store(store).uid != before


def test_a_sick_sidecar_can_be_turned_off(release: Release, make: Make, broken: None) -> None:
    """Without a hand that deletes the pod: a StatefulSet that waits for its pod to be ready would wait for ever."""
    check_replaced(make("broken sidecars off", lambda: release.upgrade(OFF), "1/1"), was_ready=False)
