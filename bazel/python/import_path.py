"""Lets a child process import what this one imports."""

import os
import sys
from pathlib import Path


def import_path() -> str:
    """Return the PYTHONPATH for a child that runs `sys.executable`: the folders of `sys.path` but the interpreter's, absolute.

    A py_binary finds its imports without environment variables, so a child that it starts does not find them.
    """
    folders = (Path(folder).absolute() for folder in sys.path if folder)
    return os.pathsep.join(str(folder) for folder in folders if not folder.is_relative_to(sys.base_prefix))
