"""Redis, its probe and its sidecar, run by what the chart renders for their pod: a password, or ACL users over TLS.

Of that only what is of the pod is replaced: folders and ports.
"""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.charts.conftest import Chart, objects
from tools.backends.certificates import Authority
from tools.backends.process import Process, free_port
from tools.backends.runfiles import program
from tools.backends.sidecar import Sidecar

PASSWORD = 'a "b" \\c $d \'e'
USER = "app'$(id)"
USERS = f"user default off\nuser {USER} on >{PASSWORD.replace(' ', '_')} ~* &* +@all\nuser reader on >r ~* +get +ping\n"
TLS = ("global.redis.tls.enabled=true", "global.redis.tls.existingSecret=redis-tls")
ACL = ("redis.acl.existingSecret=users", f"global.redis.auth.username={USER}")


class Pod:
    """The pod of the StatefulSet, on this machine."""

    def __init__(self, chart: Chart, root: Path, *settings: str, password: str, users: str = USERS) -> None:
        self.port = free_port()
        given = (*settings, f"redis.port={self.port}", "global.redis.auth.existingSecret=login")
        listen = ("redis.mcpSidecar.enabled=true", "redis.config=bind 127.0.0.1\nappendonly yes")
        rendered = objects(chart.template(*given, *listen))
        pod = rendered["StatefulSet", "redis"]["spec"]["template"]["spec"]
        self._containers = {container["name"]: container for container in pod["containers"]}
        self._root, self._password = root, password
        self.authority = Authority(root)
        for folder in ("data", "run/redis", "run/secrets/redis-tls", "run/secrets/redis-acl", "run/secrets/mcp-store"):
            (root / folder).mkdir(parents=True)
        certificate, key = self.authority.issue("redis", "localhost", "redis")
        certificates = {"tls.crt": certificate, "tls.key": key, "ca.crt": self.authority.file}
        for name, file in certificates.items():
            (root / "run/secrets/redis-tls" / name).write_bytes(file.read_bytes())
        (root / "run/secrets/mcp-store/ca.crt").write_bytes(self.authority.file.read_bytes())
        (root / "run/secrets/redis-acl/users.acl").write_text(users)
        (root / "etc").mkdir()
        config = rendered["ConfigMap", "redis"]["data"]["redis.conf"]
        (root / "etc/redis.conf").write_text(self.here(config).replace("dir /data", f"dir {root}/data"))

    def here(self, text: str) -> str:
        return text.replace("/etc/redis/", f"{self._root}/etc/").replace("/run/", f"{self._root}/run/")

    def _env(self, container: str) -> dict[str, str]:
        listed: list[dict[str, Any]] = self._containers[container]["env"]
        return {v["name"]: self.here(v["value"]) if "value" in v else self._password for v in listed}

    def redis(self) -> Process:
        programs = {program(name).parent for name in ("REDIS_SERVER", "REDIS_CLI")}
        # The images' entry point: that of Redis 8 adds the modules to the server's arguments.
        entrypoint = self._root / "docker-entrypoint.sh"
        entrypoint.write_text('#!/bin/sh\necho "entry point of: $*"\nexec "$@"\n')
        entrypoint.chmod(0o755)
        path = ":".join([str(self._root), *map(str, programs), os.environ["PATH"]])
        self._shell = {**self._env("redis"), "PATH": path}
        *shell, script = self._containers["redis"]["command"]
        return Process("redis", [*shell, self.here(script)], self._root / "log", self._shell)

    def is_ready(self) -> bool:
        return not subprocess.run(
            self._containers["redis"]["readinessProbe"]["exec"]["command"], env=self._shell, check=False
        ).returncode

    def cli(self, *words: str) -> str:
        command = [str(program("REDIS_CLI")), "-p", str(self.port), *words]
        return subprocess.run(command, text=True, capture_output=True, check=False).stdout.strip()

    def sidecar(self, folder: Path) -> Sidecar:
        own = self._env("mcp-sidecar")
        del own["MCP_PORT"]
        return Sidecar("servers.redis", own, folder)


@pytest.mark.parametrize("end", ["", "\n"], ids=["", "newline"])
def test_a_password_of_any_characters(chart: Chart, tmp_path: Path, end: str) -> None:
    """Also with a newline at its end, as a Secret has it that is made of a file."""
    pod = Pod(chart, tmp_path / "pod", password=PASSWORD + end)
    with pod.redis() as redis:
        redis.wait_until(pod.is_ready)
        assert "entry point of: redis-server" in redis.log.read_text()
        assert pod.cli("ping").startswith("NOAUTH")
        with pod.sidecar(tmp_path):
            pass  # it gets ready


def test_acl_users_over_tls(chart: Chart, tmp_path: Path) -> None:
    pod = Pod(chart, tmp_path / "pod", *ACL, *TLS, password=PASSWORD.replace(" ", "_"))
    tls = ("--tls", "--cacert", str(pod.authority.file), "-h", "localhost")
    with pod.redis() as redis:
        redis.wait_until(pod.is_ready)
        assert pod.cli("ping") == "", "nobody comes without TLS"
        assert pod.cli(*tls, "ping").startswith("NOAUTH")
        assert pod.cli(*tls, "--user", "reader", "--pass", "r", "set", "a", "1").startswith("NOPERM")
        with pod.sidecar(tmp_path):
            pass  # it gets ready


def test_an_empty_password_is_refused(chart: Chart, tmp_path: Path) -> None:
    pod = Pod(chart, tmp_path / "pod", password="")
    with pod.redis() as redis:
        redis.wait_until(lambda: not redis.running)
        assert "global.redis.auth has an empty password" in redis.log.read_text()


@pytest.mark.parametrize("users", ["user app on >b ~* +@all\n", "# user default off\n"])
def test_a_users_file_that_leaves_the_default_user_open_is_refused(chart: Chart, tmp_path: Path, users: str) -> None:
    pod = Pod(chart, tmp_path / "pod", *ACL, password="b", users=users)
    with pod.redis() as redis:
        redis.wait_until(lambda: not redis.running)
        assert "user default off" in redis.log.read_text()
