"""What a wheel of ours requires, from requirements.in and the lock."""

from __future__ import annotations

import pytest

from bazel.python.requires import requirement, versions

SOURCE = versions("# why\nmcp==2.3.0  # pinned\nredis\nElastic_Search>=8.11,<9 # why\n")
LOCK = versions(
    "# Made by a tool\nmcp==2.3.0 \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\nredis==8.1.0 \\\n"
    "    --hash=sha256:22\nuvicorn==0.54.0 \\\npyjwt[crypto]==2.15.1 \\\nelastic-search==8.19.0 \\\n"
)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("mcp", "mcp==2.3.0"),
        ("redis", "redis>=8.1.0,<9"),
        ("uvicorn", "uvicorn>=0.54.0,<1"),
        ("pyjwt", "pyjwt>=2.15.1,<3"),
        ("elastic_search", "elastic-search>=8.11,<9"),
    ],
)
def test_a_pin_holds_else_the_locked_version_is_the_least(name: str, wanted: str) -> None:
    assert requirement(name, SOURCE, LOCK) == wanted


def test_a_wheel_that_is_not_locked_is_refused_by_name() -> None:
    with pytest.raises(SystemExit, match="the lock has no wheel flask"):
        requirement("flask", SOURCE, LOCK)
