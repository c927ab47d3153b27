"""With the sidecars off, the stores render byte for byte as the chart that never had them.

That chart is made of this one: without the library of the sidecar, without the stores' files for it, and without each line
that includes a template of it.
"""

import json
import re
import shutil

import pytest
import yaml

from tests.charts.conftest import Chart, output
from tools.charts.differences import compare

PASSWORDS = ("global.redis.auth.existingSecret=a", "global.elasticsearch.auth.existingSecret=b")


def remove_sidecars(chart: Chart) -> int:
    """Takes the feature out of the chart; how many lines of templates had it."""
    for library in [path for name in ("mcp-server", "mcp-sidecar") for path in chart.folder.rglob(name)]:
        shutil.rmtree(library, ignore_errors=True)  # one may be in the other
    for name in ("NOTES.txt", "_clients.tpl", "mcp-servers.yaml", "mcp-test.yaml"):
        (chart.folder / "templates" / name).unlink()
    lines = 0
    for file in chart.folder.rglob("*"):
        if file.name in ("mcp-service.yaml", "mcp-networkpolicy.yaml"):
            file.unlink()
        elif file.name == "Chart.yaml":
            meta = yaml.safe_load(file.read_text())
            if "dependencies" in meta:
                meta["dependencies"] = [d for d in meta["dependencies"] if not d["name"].startswith("mcp-")]
                file.write_text(yaml.safe_dump(meta))
        elif file.name == "values.yaml":
            values = yaml.safe_load(file.read_text())
            for part in (values, *values.values()):
                if isinstance(part, dict):
                    part.pop("mcpSidecar", None)
            values.pop("mcpServerDefaults", None)
            file.write_text(yaml.safe_dump(values))
        elif file.name == "values.schema.json":
            schema = json.loads(file.read_text())
            schema["properties"].pop("mcpSidecar", None)
            if schema["properties"].pop("mcpServerDefaults", None):
                schema["required"].remove("mcpServerDefaults")
            file.write_text(json.dumps(schema))
        elif file.parent.name == "templates":
            text = file.read_text()
            kept = [line for line in text.splitlines(keepends=True) if '"dox-asdlc.mcp-sidecar.' not in line]
            lines += len(text.splitlines()) - len(kept)
            file.write_text("".join(kept))
    return lines


@pytest.mark.parametrize("settings", [(), PASSWORDS, ("elasticsearch.replicas=3",)])
def test_off_renders_as_without_the_feature(chart: Chart, settings: tuple[str, ...]) -> None:
    off = output(chart.template(*settings))
    assert not re.search("mcp", off, re.I)
    assert remove_sidecars(chart) == 12, "hooks of the feature in the stores' templates: six in each"
    assert output(chart.template(*settings)) == off


def test_on_changes_nothing_of_the_store_but_by_addition(chart: Chart) -> None:
    """The feature adds, and neither changes nor removes."""
    off, on = chart.template(), chart.template("redis.mcpSidecar.enabled=true", "elasticsearch.mcpSidecar.enabled=true")
    blocks = compare(off.stdout, on.stdout).split("\n\n")
    of_the_store = [block for block in blocks if not block.startswith("+ ")]
    assert any(block.startswith("  StatefulSet/redis\n") for block in of_the_store)
    lines = [line for block in of_the_store for line in block.splitlines()]
    assert [line for line in lines if line.startswith("-") or " -> " in line] == []


def test_a_sidecar_without_its_store_is_told(chart: Chart) -> None:
    done = chart.helm(
        "install", "dox", str(chart.folder), "--dry-run=client", "--set", "redis.mcpSidecar.enabled=true,redis.enabled=false"
    )
    assert "redis.mcpSidecar.enabled=true has no effect: redis.enabled is false" in output(done)
