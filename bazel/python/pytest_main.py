"""Runs pytest as Bazel's test protocol asks: https://bazel.build/reference/test-encyclopedia"""

import importlib.util
import os
import sys
import zlib
from pathlib import Path

import pytest

from bazel.python.import_path import import_path


class Sharding:
    """Keeps the cases of this shard: each case goes to the shard that its name hashes to."""

    def __init__(self, index: int, total: int) -> None:
        self.index, self.total = index, total

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        kept = [item for item in items if zlib.crc32(item.nodeid.encode()) % self.total == self.index]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept


@pytest.fixture
def anyio_backend() -> str:
    """Asynchronous tests run on asyncio, as what they test does, and not on trio as well."""
    return "asyncio"


def main(files: list[str]) -> int:
    env = os.environ
    args = [
        "-p",
        "no:cacheprovider",
        "--import-mode=importlib",
        "--rootdir=.",
        "-c",
        "pyproject.toml",
        "-ra",
        "--tb=short",
    ]
    # Tests start programs of ours as `sys.executable -m MODULE`.
    env["PYTHONPATH"] = import_path()
    if "TEST_TMPDIR" in env:
        # Short: a Unix socket's path has 107 bytes at most.
        args.append(f"--basetemp={Path(env['TEST_TMPDIR'], 't')}")
        env["HOME"] = env["TEST_TMPDIR"]
    if "XML_OUTPUT_FILE" in env:
        args.append(f"--junitxml={env['XML_OUTPUT_FILE']}")
    if "TESTBRIDGE_TEST_ONLY" in env:
        args += ["-k", env["TESTBRIDGE_TEST_ONLY"]]
    if importlib.util.find_spec("hypothesis"):
        from hypothesis import settings

        # A test's outcome hangs on its inputs alone: the same examples each time. New ones are for tests/fuzz's long run.
        settings.load_profile("ci")
    plugins: list[object] = [sys.modules[__name__]]
    sharded = int(env.get("TEST_TOTAL_SHARDS", "0")) > 1
    if sharded:
        Path(env["TEST_SHARD_STATUS_FILE"]).touch()
        plugins.append(Sharding(int(env["TEST_SHARD_INDEX"]), int(env["TEST_TOTAL_SHARDS"])))
    status = int(pytest.main([*args, *files], plugins=plugins))
    if status == pytest.ExitCode.NO_TESTS_COLLECTED and sharded:
        return 0  # a shard may be empty; the others are not
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
