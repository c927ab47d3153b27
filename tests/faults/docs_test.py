"""The documents say what the tests and the server have."""

import re
from pathlib import Path

from servers.common.http.auth_settings import AuthSettings
from servers.common.observability.metrics import Metrics
from servers.common.settings import CommonSettings, Environment
from servers.elasticsearch.server import SIDECAR as ELASTICSEARCH
from servers.redis.server import SIDECAR as REDIS
from tests.faults.cases import table

DOCS = Path("docs")


def test_the_table_of_faults_is_that_of_the_tests() -> None:
    assert table() + "\n" in (DOCS / "faults.md").read_text()


def test_every_metric_is_documented_with_its_labels() -> None:
    metrics = Metrics("test", "1")
    for counted in (metrics.calls, metrics.seconds, metrics.rejected):
        counted.labels(*("x" for _ in counted._labelnames))  # so that it has a sample
    served = {}
    for family in metrics.registry.collect():
        if family.name.startswith("mcp_"):
            name = family.name + ("_total" if family.type == "counter" else "")
            served[name] = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
    section = (DOCS / "operations.md").read_text().partition("\n## Metrics\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(mcp_\w+)(?:\{([\w,]+)\})?` \|", section, re.MULTILINE)
    assert {name: sorted(labels.split(",")) if labels else [] for name, labels in rows} == served


def test_every_setting_is_documented() -> None:
    env = Environment({})
    for read in (CommonSettings.read, AuthSettings.read, REDIS.settings, ELASTICSEARCH.settings):
        read(env)
    section = (DOCS / "operations.md").read_text().partition("\n## Settings\n")[2].partition("\n## ")[0]
    names = {name for name, _, _ in env.described}
    assert len(names) > 60
    rows = re.findall(r"^\| (`[A-Z].*?) \|", section, re.MULTILINE)
    # Read apart from the others, before them.
    assert set(re.findall(r"`([A-Z_]+)`", "".join(rows))) == names | {"MCP_LAZY_IMPORTS"}
