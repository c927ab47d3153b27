"""What a glob costs Redis, which compares it with a name from each of the name's bytes on."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from servers.redis.format import globs


@pytest.mark.parametrize(
    ("glob", "expected"),
    [
        (b"", 0), (b"user:*", 0), (b"aaaaaaaa", 0), (b"*a", 1), (b"*abcdef", 1), (b"a*aaaa", 4), (b"*aaaab", 4),
        (b"*abcabcabx", 3), (b"*xaaaa", 1), (b"*ab*aaa*b", 3), (rb"*\*\*\*x", 3), (rb"*\?\[a", 1), (b"*a?c", 3),
        (b"*[abc]d", 6), (b"*\\", 1), (b"*550e8400-e29b-41d4-a716-446655440000", 2),
    ],
)  # fmt: skip
def test_what_repeats_itself_is_compared_again(glob: bytes, expected: int) -> None:
    assert globs.compared(glob) == expected


def steps(part: bytes, name: bytes) -> int:
    """Return how many bytes are compared, from each place of a name on up to the first that differs."""
    total = 0
    for start in range(len(name)):
        for at, byte in enumerate(part):
            total += 1
            if start + at == len(name) or name[start + at] != byte:
                break
    return total


@given(st.text("ab", min_size=1, max_size=12), st.text("ab", min_size=1, max_size=200))
@example("aaaaaaab", "a" * 200)
@example("abababab", "ab" * 100)
def test_no_name_takes_more_than_it_is_said(part: str, name: str) -> None:
    """Of a place where bytes agree, one more is compared, and shorter agreements are between the longest."""
    assert steps(part.encode(), name.encode()) <= 3 * globs.compared(b"*" + part.encode()) * len(name) + len(part)


def test_fewer_names_are_compared_at_once_where_each_takes_longer() -> None:
    assert globs.matched_at_once(b"*" + b"a" * 32) == globs.MOST_MATCHED // 32
    assert globs.matched_at_once(b"*a") == globs.MOST_MATCHED
    assert globs.matched_at_once(b"a*") > 10**9
