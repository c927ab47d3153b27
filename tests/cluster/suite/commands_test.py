"""The repository's own commands: what `quickstart --reset` installs is there, and `rollback` takes the sidecars out of it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.kube import Kube, namespace
from tests.cluster.release import STORES, needs
from tools.backends.process import ran
from tools.backends.runfiles import program
from tools.kubernetes.release import NAMESPACE

Run = Callable[..., str]


@pytest.fixture(scope="module")
def commands(kube: Kube) -> Iterator[Kube]:
    """The namespace of the commands, which must not be there yet: it would be somebody's."""
    own = kube.of(NAMESPACE)
    with namespace(own, {}, keep=True):
        yield own
    own.run("delete", "namespace", NAMESPACE)


@pytest.fixture
def run(kube: Kube, tmp_path: Path) -> Run:
    """Runs a command with the cluster under test as kubectl's current one; returns what it prints."""
    config = tmp_path / "kubeconfig"
    config.write_text(kube.run("config", "view", "--minify", "--raw"))

    def run(variable: str, *words: str) -> str:
        done = ran(program(variable), *words, env=os.environ | {"KUBECONFIG": str(config)})
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def settings(values: dict[str, Any], path: str = "") -> Iterator[str]:
    """Values as --set takes them."""
    for key, value in values.items():
        name = path + key.replace(".", r"\.")
        if isinstance(value, dict):
            yield from settings(value, f"{name}.")
        else:
            yield f"{name}={str(value).lower()}"


def ready(kube: Kube) -> dict[str, str]:
    return {pod.name: pod.ready for pod in kube.pods() if not pod.leaving}


def test_the_quickstart_installs_and_rollback_takes_the_sidecars_out(
    request: pytest.FixtureRequest, commands: Kube, run: Run
) -> None:
    loader = request.config.getoption("--loader") or "true"  # the images are there
    given = [word for setting in settings(needs(commands)) for word in ("--set", setting)]
    said = run("QUICKSTART", "--reset", "--loader", loader, *given)
    assert "claude mcp add" in said
    found = ready(commands)
    assert {found[store.pod] for store in STORES} == {"2/2"}
    assert len(found) == 7 and all(len(set(count.split("/"))) == 1 for count in found.values())

    run("ROLLBACK")
    found = ready(commands)
    assert {found[store.pod] for store in STORES} == {"1/1"}
