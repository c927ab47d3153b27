"""Lets a child process import what this one imports."""

import os
import sys
from pathlib import Path


def import_path() -> str:
    """Give the PYTHONPATH for a child that runs `sys.executable`.

    A py_binary finds its imports without environment variables, so a child that it starts does not find them.

    Returns:
        The absolute folders of `sys.path`, without those of the interpreter itself.
    """
    folders = (Path(folder).absolute() for folder in sys.path if folder)
    return os.pathsep.join(str(folder) for folder in folders if not folder.is_relative_to(sys.base_prefix))
