"""Programs that Bazel gives to tests and tools, an environment variable holds the runfiles path of each, and where they run."""

import os
from pathlib import Path

from runfiles import Runfiles


def enter_working_directory() -> None:
    """Go where the person is who called `bazel run`, which starts programs in their runfiles: relative paths in arguments and in
    variables such as KUBECONFIG then mean what they mean in the shell."""
    os.chdir(os.environ.get("BUILD_WORKING_DIRECTORY", "."))


def program(variable: str) -> Path:
    """Return the file that an environment variable names: `$(rlocationpath LABEL)`, or an absolute path.

    LookupError if the variable is not set, or there is no such file.
    """
    name = os.environ.get(variable)
    if not name:
        raise LookupError(f"{variable} is not set: the BUILD file's `env` gives it")
    path = name
    if not name.startswith("/"):
        runfiles = Runfiles.Create()
        path = (runfiles.Rlocation(name) if runfiles else None) or name
    if not Path(path).exists():
        raise LookupError(f"{variable}: there is no file {path}")
    return Path(path)
