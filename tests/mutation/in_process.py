"""A pytest plugin: leaves out tests of another process, which mutmut can't follow into it."""

import pytest

ELSEWHERE = frozenset({"asked", "client", "cluster", "node", "sidecar", "start"})
"""Fixtures that start a sidecar or an Elasticsearch."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    kept = [item for item in items if ELSEWHERE.isdisjoint(getattr(item, "fixturenames", ()))]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept
