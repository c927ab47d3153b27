"""What a wheel of ours requires: compatible releases of what is locked."""

import pytest

from bazel.python.requires import locked, requirement

LOCK = locked(
    "# Made by a tool\nmcp==2.3.0 \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\nredis==8.1.0 \\\n"
    "    --hash=sha256:22\nuvicorn==0.54.0 \\\npyjwt[crypto]==2.15.1 \\\nElastic_Search[async]==8.19.3 \\\n"
    "idna==3.20\nopentelemetry-api==0.66b1\ncertifi==2026.10.19.post1\n"
)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("mcp", "mcp~=2.3.0"),
        ("redis", "redis~=8.1.0"),
        ("uvicorn", "uvicorn~=0.54.0"),
        ("pyjwt", "pyjwt[crypto]~=2.15.1"),
        ("elastic.search", "elastic-search[async]~=8.19.3"),
        ("idna", "idna~=3.20.0"),
        ("opentelemetry_api", "opentelemetry-api~=0.66.0b1"),
        ("certifi", "certifi~=2026.10.19.post1"),
    ],
)
def test_a_requirement_is_the_compatible_release_of_the_locked_version(name: str, wanted: str) -> None:
    assert requirement(name, LOCK) == wanted


def test_a_wheel_that_is_not_locked_is_refused_by_name() -> None:
    with pytest.raises(SystemExit, match="the lock has no wheel flask"):
        requirement("flask", LOCK)
