"""Comments of a values.yaml become documentation, and a key without one is refused."""

from pathlib import Path

import pytest
import yaml

from tools.charts.values import ValuesError, documented, table

SUBCHART = """\
# Values of the chart store.

# Install this chart.
enabled: true

# Image of
# the container.
image:
  # Repository.
  repository: store
  # Tag.
  tag: "1|2"

# CPU and memory.
resources:
  limits:
    cpu: 1

# Lines.
config: |
  a: 1
  b

# Settings that several charts share.
global:
  # Host.
  host: store
"""
PARENT = """\
# Values.

# Shared.
global:
  # Host.
  host: store

# The store.
store:
  # Install it.
  enabled: true

# One.
one:
  # Port.
  port: 1

# Two.
two:
  # Port.
  port: 2
"""


def test_keys_with_their_comments_and_defaults() -> None:
    found = {value.path: value for value in documented(SUBCHART)}
    assert list(found) == [
        "enabled", "image", "image.repository", "image.tag", "resources", "config", "global", "global.host",
    ]  # fmt: skip
    assert found["image"].section
    assert found["image"].comment == "Image of the container."
    assert found["resources"].default == {"limits": {"cpu": 1}}
    assert found["config"].default == "a: 1\nb\n"


@pytest.mark.parametrize("line", ["  # Tag.\n", "# Lines.\n", "# Install this chart.\n"])
def test_a_key_without_a_comment_is_refused(line: str) -> None:
    with pytest.raises(ValuesError, match="has no comment"):
        documented(SUBCHART.replace(line, "", 1))


def test_the_table_has_a_row_for_each_value_of_each_subchart(tmp_path: Path) -> None:
    dependencies = [
        {"name": "store", "condition": "store.enabled"},
        {"name": "app", "alias": "one", "condition": "one.enabled"},
        {"name": "app", "alias": "two", "condition": "two.enabled"},
        {"name": "library"},
    ]
    files = {
        "Chart.yaml": yaml.safe_dump({"name": "all", "description": "All", "dependencies": dependencies}),
        "values.yaml": PARENT,
        "charts/store/Chart.yaml": yaml.safe_dump({"dependencies": [{"name": "sidecar", "alias": "helper"}]}),
        "charts/store/values.yaml": SUBCHART + "\n# The helper.\nhelper:\n  # Image.\n  image: a\n",
        "charts/sidecar/Chart.yaml": "{}",
        "charts/sidecar/values.yaml": "# Image.\nimage: b\n\n# Port.\nport: 9\n",
        "charts/app/Chart.yaml": "{}",
        "charts/app/values.yaml": "# Values.\n\n# Port.\nport: 0\n\n# Arguments.\nargs: []\n",
        "charts/common/values.yaml": "# Labels.\nlabels: {}\n# Taints.\ntaints: []\n",
    }
    files["charts/sidecar/values.schema.json"] = '{"properties": {}}'
    files["charts/app/values.schema.json"] = '{"properties": {"labels": {}}}'
    files["charts/store/values.schema.json"] = '{"properties": {"labels": {}, "taints": {}}}'
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    text = "\n".join(table(tmp_path))
    assert text.count("global") == 1
    assert "| `host` | `store` | Host. |" in text
    assert "## store\n\nThe store.\n\n| key" in text
    assert "| `image.tag` | `1\\|2` | Tag. |" in text
    assert "| `config` | `a: 1; b` | Lines. |" in text
    assert "`image` | `{" not in text
    assert "## one, two\n\nOne.\n\nTwo.\n" in text
    assert "| `port` | one: `1`, two: `2` | Port. |" in text
    assert "| `args` | `[]` | Arguments. |" in text
    assert "\n## Also in store, one, two\n" in text
    assert "| `labels` | `{}` | Labels. |\n| `taints` | `[]` | Taints. Not in `one`, `two`. |" in text
    assert (
        "## store.helper\n\n| key | default | meaning |\n|---|---|---|\n| `image` | `a` | Image. |\n| `port` | `9` | Port. |"
        in text
    )
