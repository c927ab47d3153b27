"""Estimate what comparing a name with a glob costs Redis (stringmatchlen in its util.c), which can't be interrupted."""

import re
import sys
from collections.abc import Sequence
from functools import lru_cache

from servers.common.protocol.tools import ToolError

LONGEST_PATTERN = 1000
"""Bytes of a glob. Redis before 7.0.16 and 6.2.16 can be crashed by long ones (CVE-2024-31228)."""

MOST_COMPARED_BYTES = 40
"""Bytes that Redis may compare at each place of a name, enough for a UUID of question marks: at the most it compares a name of
3 MiB in two thirds of a second."""

MOST_MATCHED = 1024
"""Names in one step of a SCAN, times the bytes of a glob that Redis compares at each place of each name: with names of 64 KiB
this takes it an eighth of a second."""

_TOKEN = re.compile(rb"\\.|.", re.DOTALL)
"""A byte, with the backslash before it that makes it plain."""


def check_glob(glob: bytes) -> None:
    """Raise ToolError for a glob that is too long, or that takes Redis too long to compare with a long name."""
    if len(glob) > LONGEST_PATTERN:
        raise ToolError(f"a glob may have at most {LONGEST_PATTERN} bytes")
    if compared(glob) > MOST_COMPARED_BYTES:
        raise ToolError(
            f"after a * in a glob, a text that repeats itself, or has ? or [...], may have at most {MOST_COMPARED_BYTES} bytes: "
            "put a * in its place"
        )


def literal(text: bytes) -> bytes:
    """Return the glob that matches a text alone."""
    return re.sub(rb"([*?\[\]^\\-])", rb"\\\1", text)


def matched_at_once(glob: bytes) -> int:
    """Return how many names Redis may compare with a glob in one step."""
    longest = compared(glob)
    return max(MOST_MATCHED // longest, 1) if longest else sys.maxsize


@lru_cache(maxsize=128)  # each step of a SCAN asks for the same
def compared(glob: bytes) -> int:
    """Return how many bytes of a glob Redis compares at each place of the worst name, on the average.

    Redis tries what stands behind a * at each place of a name. Plain text matches at most as many bytes as it is longer than its
    shortest period. A ? or [...] matches anywhere.
    """
    return max(map(_compared, _parts(glob)), default=0)


def _parts(glob: bytes) -> list[list[bytes]]:
    """Return the parts of a glob behind its stars, as tokens."""
    parts: list[list[bytes]] = [[]]
    for token in _TOKEN.findall(glob):
        if token == b"*":
            parts.append([])
        else:
            parts[-1].append(token)
    return parts[1:]


def _compared(part: Sequence[bytes]) -> int:
    if b"?" in part or b"[" in part:
        return sum(map(len, part))
    # The shortest period of each beginning, as of Knuth, Morris and Pratt (https://doi.org/10.1137/0206024).
    plain = [token[-1:] for token in part]
    most, borders, border = min(len(plain), 1), [0], 0
    for length in range(2, len(plain) + 1):
        byte = plain[length - 1]
        while border and byte != plain[border]:
            border = borders[border - 1]
        border += byte == plain[border]
        borders.append(border)
        most = max(most, -(-length // (length - border)))
    return most
