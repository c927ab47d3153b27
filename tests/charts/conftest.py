"""The chart's sources, and Helm to render them."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.backends.runfiles import program


class Chart:
    """A copy of the chart's sources that a test may change."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "dox-asdlc"
        shutil.copytree("charts/dox-asdlc", self.folder, symlinks=False)
        self._env = os.environ | {f"HELM_{name}_HOME": str(folder / name) for name in ("CACHE", "CONFIG", "DATA")}

    def helm(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([program("HELM"), *words], env=self._env, text=True, capture_output=True, check=False)

    def template(self, *settings: str) -> subprocess.CompletedProcess[str]:
        """`helm template` with --set for each setting."""
        words = [word for setting in settings for word in ("--set", setting)]
        return self.helm("template", "dox", str(self.folder), "--namespace", "dox-asdlc", *words)

    def template_values(self, values: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        """`helm template` with a file of values."""
        file = self.folder.parent / "values.yaml"
        file.write_text(yaml.safe_dump(values))
        return self.helm("template", "dox", str(self.folder), "--namespace", "dox-asdlc", "--values", str(file))


def output(done: subprocess.CompletedProcess[str]) -> str:
    """Return what Helm wrote, if it succeeded."""
    assert done.returncode == 0, done.stderr
    return done.stdout


def objects(done: subprocess.CompletedProcess[str]) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the objects that Helm rendered, by kind and name."""
    return {(m["kind"], m["metadata"]["name"]): m for m in yaml.safe_load_all(output(done)) if m}


@pytest.fixture
def chart(tmp_path: Path) -> Chart:
    return Chart(tmp_path)
