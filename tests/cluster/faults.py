"""Ways in which a sidecar can be sick, and what each is to look like from outside."""

import inspect
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.cluster.helpers import IMAGE, Client, Node
from tests.cluster.kube import Kube, Manifest, Pod, wait_until
from tests.cluster.pods import thief
from tests.cluster.release import SIDECAR, Store, Values, of_sidecars


@dataclass(frozen=True)
class Scene:
    """Where a fault strikes."""

    kube: Kube
    node: Node
    client: Client
    store: Store

    @property
    def pod(self) -> Pod:
        return self.kube.the_pod(self.store.pod)

    def signal(self, name: str) -> None:
        self.node.signal(self.pod.container_id(SIDECAR), name)


Sign = Callable[[Scene, Pod], bool]
"""Whether the fault shows."""


def nothing(scene: Scene) -> None:
    """Does nothing."""


def away(scene: Scene, pod: Pod) -> bool:
    """The sidecar's pod is not ready, and the store's container is."""
    return pod.ready == "1/2" and pod.is_ready(scene.store.container)


@dataclass(frozen=True)
class Fault:
    name: str
    values: Values = field(default_factory=dict)
    """Of both sidecars, given before the traffic starts."""
    strike: Callable[[Scene], None] = nothing
    """Makes it happen in a pod that is well, under traffic."""
    shows: Sign = away
    """What is to be seen while it lasts."""
    heal: Callable[[Scene], None] = nothing
    """Ends it, where it does not end by itself."""
    recovers: bool = False
    """The pod is 2/2 again after heal, without a new pod."""
    port: str = "refused"
    """What a connection to port 9000 of the store's Service meets while it lasts: "" for anything."""
    watch: float = 5.0
    """Seconds that the traffic goes on after it shows."""


def reason(*words: str) -> Sign:
    """The pod is 1/2, and the sidecar's state names one of these."""
    return lambda scene, pod: away(scene, pod) and bool(pod.reasons(SIDECAR) & set(words))


def restarted(exit_code: int) -> Sign:
    """The sidecar was started again, having ended with this code."""
    return lambda scene, pod: pod.restarts(SIDECAR) > 0 and exit_code in pod.exit_codes(SIDECAR)


def answers_nobody(scene: Scene, pod: Pod) -> bool:
    """The port takes connections and nothing comes back; TCP probes do not notice."""
    return pod.ready == "2/2" and scene.client.health(scene.store, wait=3)[0] == 0


def stop(scene: Scene) -> None:
    scene.signal("SIGSTOP")


def proceed(scene: Scene) -> None:
    scene.signal("SIGCONT")


def kill(scene: Scene) -> None:
    scene.signal("SIGKILL")


def steal_the_port(scene: Scene) -> None:
    """Another program of the pod waits for port 9000, and takes it when the sidecar is started again."""
    name = f"thief-{secrets.token_hex(2)}"
    scene.kube.run(
        "debug", scene.store.pod, f"--image={IMAGE}", "--image-pull-policy=IfNotPresent", "--profile=restricted",
        f"--container={name}", "--", "/usr/bin/python3.11", "-c", inspect.getsource(thief), "9000",
    )  # fmt: skip
    wait_until(
        f"{name} waits for the port",
        lambda: scene.pod.container_id(name) and "waiting" in scene.kube.run("logs", scene.store.pod, f"--container={name}"),
        lambda: scene.pod,
    )
    kill(scene)


def free_the_port(scene: Scene) -> None:
    pod = scene.pod
    for name in pod.ephemeral:
        if running := pod.container_id(name):
            scene.node.signal(running, "SIGKILL")


def wait_for_a_restart(scene: Scene) -> None:
    """By the kubelet, for liveness."""
    wait_until("it is started again", lambda: scene.pod.restarts(SIDECAR), lambda: scene.pod)


def hang(scene: Scene) -> None:
    """The sidecar's main thread, which runs its event loop, waits for ever."""
    scene.signal("SIGUSR1")


SICK = "e2e-sick"

_SICK_CODE = """
import os, signal, time

signal.signal(signal.SIGUSR1, lambda *_: time.sleep(3600))
eaten = b"x" * int(os.environ.get("E2E_EAT", "0"))
"""


def sick_code() -> Manifest:
    """A ConfigMap with what Python runs first in a sidecar that has it by `sick`: it hangs when SIGUSR1 comes, and takes E2E_EAT
    bytes of memory."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": SICK},
        "data": {"sitecustomize.py": _SICK_CODE},
    }


def sick(**variables: str) -> Values:
    """Values by which both sidecars run that code, with these environment variables."""
    return of_sidecars(
        extraVolumes=[{"name": SICK, "configMap": {"name": SICK}}],
        extraVolumeMounts=[{"name": SICK, "mountPath": "/sick"}],
        extraEnv=extra(PYTHONPATH="/sick", **variables),
    )


QUICK = {"initialDelaySeconds": 2, "periodSeconds": 2, "timeoutSeconds": 1, "failureThreshold": 2}
"""Times of probes that do not let a test wait, for readiness: one success is enough for it."""

SLOWER = {"initialDelaySeconds": 40, "periodSeconds": 5, "timeoutSeconds": 5, "failureThreshold": 3}
"""Times of liveness that let a sidecar start on a busy machine first."""


def extra(**variables: str) -> list[dict[str, str]]:
    """Environment variables as a chart's extraEnv."""
    return [{"name": name, "value": value} for name, value in variables.items()]


FAULTS = (
    # Those that strike a sidecar that is well; they share a pod.
    Fault("killed", strike=kill, shows=restarted(137), recovers=True, port=""),
    Fault("stopped", strike=stop, shows=answers_nobody, heal=proceed, recovers=True, port="open"),
    Fault("port_taken", strike=steal_the_port, shows=restarted(2), heal=free_the_port, recovers=True, port=""),
    # Those that come with values.
    Fault(
        "hung_event_loop",
        values=sick(MCP_WATCHDOG_SECONDS="10"),
        strike=hang,
        shows=restarted(1),
        recovers=True,
        port="",
    ),
    Fault(
        "health_fails_by_http",
        values=of_sidecars(probes={"type": "http", "readiness": QUICK, "liveness": SLOWER}),
        strike=stop,
        shows=away,
        heal=wait_for_a_restart,
        recovers=True,
        port="",
        watch=0,
    ),
    Fault("no_such_image", values=of_sidecars(image={"tag": "none"}), shows=reason("ErrImageNeverPull")),
    Fault("no_such_secret", values=of_sidecars(authToken={"existingSecret": "none"}), shows=reason("CrashLoopBackOff")),
    Fault("crash_loop", values=of_sidecars(extraEnv=extra(MCP_LOG_LEVEL="none")), shows=reason("CrashLoopBackOff")),
    # Twice what the chart allows: no limit is so low that a sidecar is sure to need more.
    Fault("out_of_memory", values=sick(E2E_EAT=str(256 * 2**20)), shows=reason("OOMKilled")),
    Fault(
        "probes_fail",
        values=of_sidecars(extraEnv=extra(MCP_HOST="127.0.0.1"), probes={"readiness": QUICK, "liveness": QUICK}),
        shows=lambda scene, pod: away(scene, pod) and pod.restarts(SIDECAR) >= 1,
    ),
)
