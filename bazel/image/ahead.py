"""ahead.py OUTPUT: compiles what libraries compile while they are imported, for servers/common/compiled.py.

noted.py finds out what that is, in a process of its own. Here it is compiled, in order, so that the bytes depend on the texts
alone.
"""

from __future__ import annotations

import marshal
import os
import subprocess
import sys
from pathlib import Path
from re import _compiler  # type: ignore[attr-defined]
from typing import Any

_sre = _compiler._sre


class Arguments:
    """In place of _sre for `re`'s compiler: gives what a pattern would be made of."""

    def compile(self, *arguments: Any) -> tuple[Any, ...]:
        return arguments

    def __getattr__(self, name: str) -> Any:
        return getattr(_sre, name)


def pattern(text: str | bytes, flags: int) -> tuple[Any, ...]:
    """What `_sre.compile` takes beside the text, as objects that can be marshalled."""
    _, flags, code, groups, names, numbers = _compiler.compile(text, flags)
    return int(flags), [int(word) for word in code], groups, dict(names), numbers


def main(output: str) -> None:
    command = [sys.executable, "-P", str(Path(__file__).with_name("noted.py"))]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    codes, patterns = marshal.loads(subprocess.run(command, env=env, stdout=subprocess.PIPE, check=True).stdout)
    _compiler._sre = Arguments()
    compiled = (
        sys.hexversion,
        {(mode, text): compile(text, "<string>", mode, dont_inherit=True) for mode, text in codes},
        {(text, flags): pattern(text, flags) for text, flags in patterns},
    )
    Path(output).write_bytes(marshal.dumps(compiled))


if __name__ == "__main__":
    main(*sys.argv[1:])
