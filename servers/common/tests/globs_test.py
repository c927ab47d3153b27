"""Globs that are given to tools."""

import pytest

from servers.common.globs import LONGEST, matcher
from servers.common.protocol.tools import ToolError


def test_one_of_some_has_to_match() -> None:
    matches = matcher(["log*", "m?t[a-c]"])
    assert [name for name in ("log", "logs-1", "alog", "mita", "mitd") if matches(name)] == ["log", "logs-1", "mita"]


def test_how_long_they_may_be_together() -> None:
    assert matcher(["a" * (LONGEST - 1)])("a" * (LONGEST - 1))
    for globs in (["a*b?" * 1_000_000], ["a" * LONGEST], ["a"] * LONGEST):
        with pytest.raises(ToolError, match="characters in total"):
            matcher(globs)
