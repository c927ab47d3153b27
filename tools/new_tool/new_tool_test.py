"""The skeleton of a new tool works as it is created, in a copy of the source tree."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from bazel.python.import_path import import_path
from tools.backends.process import ran
from tools.backends.runfiles import program
from tools.new_tool.main import LONGEST, Refused, create

SOURCE = Path("WORKSPACE").resolve().parent
"""The source tree: the runfiles hold a link to its WORKSPACE file."""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("bazel/python", "servers", "tools"):
        shutil.copytree(SOURCE / name, tmp_path / name)
    shutil.copy(SOURCE / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.parametrize(("server", "tool"), [("redis", "redis_idle"), ("elasticsearch", f"es_{'x' * LONGEST}")])
def test_the_new_test_passes(server: str, tool: str, tree: Path) -> None:
    module, test, *others = create(tree, server, tool)
    assert module.name == tool.partition("_")[2] + ".py"
    assert all(len(line) <= 130 for file in others for line in (tree / file).read_text().splitlines()), "as ruff allows"
    env = {k: v for k, v in os.environ.items() if not k.startswith(("TEST_", "XML_"))}
    # Runfiles are found from the files in the runfiles only, and the copy is elsewhere.
    env |= {name: str(program(name)) for name in ("ELASTICSEARCH_HOME", "ELASTICSEARCH_NODE", "REDIS_SERVER")}
    env["PYTHONPATH"] = os.pathsep.join([str(tree), import_path()])
    files = (test, f"servers/{server}/tests/tools_test.py")
    chosen = "it_answers or refused or test_the_list_of_tools"
    done = ran(sys.executable, "bazel/python/pytest_main.py", *files, "-k", chosen, cwd=tree, env=env)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "name",
    ["idle", "redis_", "redis_Idle", "es_idle", "redis_info", "redis_publish", "redis_../x", "redis_import", f"redis_{'x' * 41}"],
)
def test_a_name_that_does_not_fit_or_is_taken_is_refused(name: str, tree: Path) -> None:
    before = {path: path.read_bytes() for path in sorted(tree.rglob("*")) if path.is_file()}
    with pytest.raises(Refused):
        create(tree, "redis", name)
    assert {path: path.read_bytes() for path in sorted(tree.rglob("*")) if path.is_file()} == before
