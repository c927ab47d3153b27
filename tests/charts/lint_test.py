"""`helm lint` finds nothing in the chart, nor in each of its subcharts alone."""

import re

from tests.charts.conftest import Chart


def test_the_chart_and_each_subchart_pass_strictly(chart: Chart) -> None:
    done = chart.helm("lint", "--with-subcharts", "--strict", str(chart.folder))
    assert done.returncode == 0, done.stdout
    assert not re.search(r"\[(WARNING|ERROR)\]", done.stdout)
    for name in ("application", "common", "elasticsearch", "mcp-server", "mcp-sidecar", "metrics", "redis"):
        assert f"==> Linting {chart.folder}/charts/{name}\n" in done.stdout
