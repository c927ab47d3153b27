"""The other way round: the store dies or refuses the login; the sidecar stays up, reports it, and recovers."""

import pytest

from tests.cluster.faults import Scene, kill
from tests.cluster.helpers import Client, Node
from tests.cluster.kube import Kube, wait_until
from tests.cluster.login import Login
from tests.cluster.release import BRISK, ONLY_STORES, SIDECAR, STORES, Release, Store, merge

REDIS = STORES[0]


@pytest.fixture(scope="module", autouse=True)
def installed(release: Release, kube: Kube) -> None:
    """Without restarts yet, so that kubelets do not wait with the next ones."""
    release.apply(merge(ONLY_STORES, BRISK), "2/2")
    release.renew_pods(restarts_of=SIDECAR)
    for store in STORES:
        release.wait(store, "2/2")


def up(client: Client, store: Store) -> bool:
    status, said = client.health(store, "/ready")
    return status == 200 and said["backend"]["state"] == "up"


def test_the_sidecar_outlives_its_store(release: Release, kube: Kube, node: Node, client: Client, store: Store) -> None:
    before = kube.the_pod(store.pod)

    def running() -> str:
        return kube.the_pod(store.pod).container_id(store.container)

    killed: list[str] = []

    def kill_again() -> None:
        """The kubelet waits longer each time before it starts it, and so long the store is away."""
        if (container := running()) and container not in killed:
            node.signal(container, "SIGKILL")
            killed.append(container)

    def says_so() -> bool:
        kill_again()
        health, said = client.health(store)
        return health == 200 and said["backend"]["state"] == "away" and client.health(store, "/ready")[0] == 503

    wait_until("the sidecar says that its store is away", says_so, lambda: client.health(store))
    wait_until("it is up again", lambda: up(client, store), lambda: client.health(store))
    wait_until("its restarts are told", lambda: kube.the_pod(store.pod).restarts(store.container) >= len(killed))
    after = release.wait(store, "2/2")
    assert killed
    assert after.uid == before.uid
    assert after.restarts(SIDECAR) == before.restarts(SIDECAR)


@pytest.fixture(scope="module")
def with_login(release: Release, login: Login, installed: None) -> Login:
    release.upgrade(merge(ONLY_STORES, BRISK, login.values))
    release.wait(REDIS, "2/2")
    return login


def test_a_wrong_password_is_told_and_the_store_serves_on(
    release: Release, kube: Kube, node: Node, client: Client, with_login: Login
) -> None:
    """The Secret has a new password already, and Redis the one before: a sidecar that starts then is refused."""
    scene = Scene(kube, node, client, REDIS)
    assert up(client, REDIS)
    before = with_login.rotate()
    with client.to_store(REDIS, password=before) as count:
        kill(scene)
        wait_until("it is started again", lambda: scene.pod.restarts(SIDECAR) >= 1)
        pod = release.wait(REDIS, "2/2")
        wait_until("it is refused", lambda: client.health(REDIS, "/ready")[0] == 503)
        status, said = client.health(REDIS)
    assert count.requests >= 100
    assert count.failures == 0, count
    assert status == 200
    assert "password" in said["backend"]["detail"] or "login" in said["backend"]["detail"]
    text = str(said) + kube.run("logs", REDIS.pod, "--container", SIDECAR)
    assert before not in text and with_login.password not in text
    assert pod.restarts(REDIS.container) == 0


def test_a_rollout_takes_up_the_new_password(release: Release, kube: Kube, client: Client, with_login: Login) -> None:
    """As docs/operations.md says; the restart is the only time that Redis is away."""
    kube.run("rollout", "restart", "statefulset/redis")
    release.wait(REDIS, "2/2")
    with client.to_store(REDIS, password=with_login.password) as count:
        wait_until("the sidecar is let in", lambda: up(client, REDIS), lambda: client.health(REDIS))
    assert count.failures == 0, count
