"""Runs an image's process from its unpacked files, as a container engine would as far as this machine allows."""

import functools
import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tools.backends.process import Process, ran
from tools.images.layout import Image

UID = 1000


@functools.cache
def can_isolate() -> bool:
    """Return whether bubblewrap is here and may make namespaces."""
    if not shutil.which("bwrap"):
        return False
    command = ["bwrap", "--ro-bind", "/", "/", "--unshare-user", "--uid", str(UID), "--gid", str(UID), "true"]
    return ran(*command).returncode == 0


def command_line(
    image: Image, root: Path, env: Mapping[str, str], arguments: list[str] | None = None
) -> tuple[list[str], dict[str, str]]:
    """Return the command that starts the unpacked files of an image, with other arguments if given, and its environment.

    With bubblewrap: as UID 1000 in a user namespace, with the root read-only, /tmp of its own, and this machine's network.
    Without: in place, through the root's own loader; then as this user, and with what the root does not hold visible.
    """
    environment = image.environment | dict(env)
    command = arguments or image.command
    if can_isolate():
        isolated = ["bwrap", "--ro-bind", str(root), "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
        for name in ("resolv.conf", "hosts"):
            # An engine writes these into the container.
            if Path("/etc", name).exists():
                (root / "etc" / name).touch()
                isolated += ["--ro-bind", str(Path("/etc", name).resolve()), f"/etc/{name}"]
        if Path("/sys/fs/cgroup").exists():  # where the process finds its memory limit
            (root / "sys/fs/cgroup").mkdir(parents=True, exist_ok=True)
            isolated += ["--ro-bind", "/sys/fs/cgroup", "/sys/fs/cgroup"]
        isolated += ["--unshare-user", "--unshare-ipc", "--uid", str(UID), "--gid", str(UID), "--die-with-parent"]
        return [*isolated, "--", *command], environment
    triplet = f"{platform.machine()}-linux-gnu"
    (loader,) = (root / "lib" / triplet).glob("ld-linux-*.so.*")
    libraries = f"{root}/lib/{triplet}:{root}/usr/lib/{triplet}"
    # Its site-packages folder is named by an absolute path, which in place leads elsewhere.
    site = f"{root}/usr/local/lib/python3.11/dist-packages"
    in_place = [str(loader), "--library-path", libraries, f"{root}{command[0]}", *command[1:]]
    return in_place, environment | {"PYTHONPATH": site, "PYTHONNOUSERSITE": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def python(
    image: Image, root: Path, code: str, *options: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Python code with the image's interpreter and these options, as `command_line` has it, for ten minutes at most."""
    command, environment = command_line(image, root, env or {}, [image.command[0], "-P", *options, "-c", code])
    # bubblewrap itself is found on the PATH of this process.
    environment["PATH"] = os.environ["PATH"]
    return ran(*command, env=environment, timeout=600)


class Container(Process):
    """An image's process."""

    def __init__(self, name: str, image: Image, root: Path, env: Mapping[str, str], log: Path) -> None:
        command, environment = command_line(image, root, env)
        # bubblewrap itself is found on the PATH of this process.
        program = shutil.which(command[0]) or command[0]
        super().__init__(name, [program, *command[1:]], log, environment)
