"""Comments of a values.yaml become documentation, and a key without one is refused."""

from __future__ import annotations

import pytest

from tools.charts.values import MARK, ValuesError, documented, parent, table

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
PARENT = f"# Values.\n\n# Shared.\nglobal:\n  # Host.\n  host: store\n\n{MARK}, made. ---\n\nold: 1\n"


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


def test_the_parent_has_all_but_the_shared_settings() -> None:
    text = parent(PARENT, {"store": ("A store", SUBCHART)})
    assert text.startswith(PARENT.partition("old")[0])
    assert "old" not in text
    assert "\n# A store.\nstore:\n  # Install this chart.\n  enabled: true\n" in text
    assert text.count("global:") == 1
    assert parent(text, {"store": ("A store", SUBCHART)}) == text, "made again, it stays as it is"
    assert [v.path for v in documented(text)][:3] == ["global", "global.host", "store"]


def test_a_parent_without_the_mark_is_refused() -> None:
    with pytest.raises(ValuesError, match="has no line"):
        parent("a: 1\n", {})


def test_the_table_has_a_row_for_each_value() -> None:
    text = "\n".join(table(parent(PARENT, {"store": ("A store", SUBCHART)})))
    assert "## store\n\nA store." in text
    assert "| `image.tag` | `1\\|2` | Tag. |" in text
    assert "| `config` | `a: 1; b` | Lines. |" in text
    assert "`image` |" not in text
