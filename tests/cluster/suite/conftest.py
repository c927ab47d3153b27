"""The cluster under test: its context, its images, a namespace of the suite's own, and the release in it."""

import contextlib
import secrets
import shlex
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.cluster.dns import dns
from tests.cluster.helpers import Client, Node
from tests.cluster.kube import Kube, namespace
from tests.cluster.login import Login
from tests.cluster.release import STORES, Release, needs
from tools.backends.process import ran
from tools.backends.runfiles import program

ARCHIVES = ("REDIS_TAR", "ELASTICSEARCH_TAR", "DEMO_TAR")
STAND_INS = ("STAND_IN_REDIS", "STAND_IN_ELASTICSEARCH", "STAND_IN_VICTORIA_METRICS", "STAND_IN_VMAGENT")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("cluster")
    group.addoption("--context", help="kubectl's context of the cluster; default: the current one")
    group.addoption("--loader", help="a command that loads an image archive, its last argument, into the node; "
                    "default: the images are there")  # fmt: skip
    group.addoption("--stand-ins", action="store_true", help="also load stand-ins for the public images")
    group.addoption("--dns", help="give the cluster a DNS at this address of its Services, where it has none")
    group.addoption("--soak", type=float, default=120, help="seconds of the load test; default: %(default)g")
    group.addoption("--keep", action="store_true", help="leave the namespaces as they are at the end")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "store" in metafunc.fixturenames:
        metafunc.parametrize("store", STORES, ids=str)


@pytest.fixture(scope="session")
def images(request: pytest.FixtureRequest) -> None:
    """Our images, in the node."""
    loader = request.config.getoption("--loader")
    if not loader:
        return
    for name in ARCHIVES + (STAND_INS if request.config.getoption("--stand-ins") else ()):
        archive = program(name).resolve()
        subprocess.run([*shlex.split(loader), str(archive)], check=True, stdout=sys.stderr)


@pytest.fixture(scope="session")
def kube(request: pytest.FixtureRequest, images: None) -> Iterator[Kube]:
    """A namespace of the suite's own, in which pods must hold to the restricted Pod Security Standard."""
    context = request.config.getoption("--context")
    if not context:
        context = ran("kubectl", "config", "current-context", check=True).stdout.strip()
    kube = Kube(context, f"dox-e2e-{secrets.token_hex(3)}")
    labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    with contextlib.ExitStack() as stack:
        if address := request.config.getoption("--dns"):
            stack.enter_context(dns(kube.of("kube-system"), address))
        yield stack.enter_context(namespace(kube, labels, request.config.getoption("--keep")))


@pytest.fixture(scope="session")
def node(request: pytest.FixtureRequest, kube: Kube) -> Iterator[Node]:
    """An eye and a hand on the node, in a second namespace, for it is privileged."""
    privileged = {"pod-security.kubernetes.io/enforce": "privileged"}
    with namespace(kube.of(f"{kube.namespace}-node"), privileged, request.config.getoption("--keep")) as own:
        yield Node(own)


@pytest.fixture(scope="session")
def second_namespace(request: pytest.FixtureRequest, kube: Kube) -> Iterator[Kube]:
    """For another release."""
    with namespace(kube.of(f"{kube.namespace}-second"), {}, request.config.getoption("--keep")) as own:
        yield own


@pytest.fixture(scope="session")
def client(kube: Kube) -> Client:
    return Client(kube)


@pytest.fixture(scope="session")
def release(kube: Kube) -> Release:
    """The release; not installed yet."""
    return Release(kube, needs(kube))


@pytest.fixture(scope="session")
def login(kube: Kube) -> Login:
    return Login(kube)


@pytest.fixture(scope="session")
def table(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """Lines of measurements, printed at the end."""
    lines: list[str] = []
    yield lines
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print("\n" + "\n".join(lines))
