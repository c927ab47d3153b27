"""Match names with globs, as shells do."""

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

from servers.common.protocol.tools import ToolError

LONGEST = 1000
"""Characters of globs that are given together. Python makes a regular expression of each, which takes 5 microseconds and 200
bytes a character, and keeps those of thousands."""


def matcher(globs: Sequence[str]) -> Callable[[str], bool]:
    """Return a function that tells whether a name matches one of some globs. Globs that are too long together are a ToolError."""
    if len(globs) + sum(map(len, globs)) > LONGEST:
        raise ToolError(f"patterns may have {LONGEST} characters in total: give shorter or fewer ones")
    return lambda name: any(fnmatchcase(name, glob) for glob in globs)
