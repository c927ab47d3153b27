"""Debian's docker-registry on the loopback interface."""

import hashlib
import json
import urllib.error
import urllib.request
from pathlib import Path

from tools.backends.process import Process, free_port
from tools.backends.runfiles import program

USERNAME, PASSWORD = "release", "not-a-secret"
_HTPASSWD = f"{USERNAME}:$2b$04$vdcHcyJlMT4UUB8vdybb.ue83FwwAgjfTyOqIQxytxa79HFRaz5Dq\n"  # bcrypt of PASSWORD


class DockerRegistry(Process):
    """A registry with its files in a folder. Use it with `with`."""

    def __init__(self, folder: Path, login: bool = False) -> None:
        """Make the registry's files in a folder. With `login`, only USERNAME with PASSWORD may enter."""
        self.port = free_port()
        address = f"127.0.0.1:{self.port}"
        self.storage = folder / "storage"
        self.storage.mkdir(parents=True)
        config = {
            "version": "0.1",
            "log": {"accesslog": {"disabled": True}, "level": "error"},
            "storage": {"filesystem": {"rootdirectory": str(self.storage)}},
            "http": {"addr": address},
        }
        if login:
            (folder / "htpasswd").write_text(_HTPASSWD)
            config["auth"] = {"htpasswd": {"realm": "registry", "path": str(folder / "htpasswd")}}
        file = folder / "config.yml"
        file.write_text(json.dumps(config))  # YAML has JSON in it
        super().__init__(address, [str(program("DOCKER_REGISTRY")), "serve", str(file)], folder / "log")

    def start(self) -> None:
        super().start()
        self.wait_until(self._answers)

    def _answers(self) -> bool:
        """Return whether it is this registry that listens: without a login it says 401, and still what it is."""
        try:
            with urllib.request.urlopen(f"http://{self.name}/v2/", timeout=5) as answer:
                return "Docker-Distribution-Api-Version" in answer.headers
        except urllib.error.HTTPError as error:
            return "Docker-Distribution-Api-Version" in error.headers
        except OSError:
            return False

    def content(self) -> dict[str, str]:
        """Digest of each file that it keeps, by path: all of its state."""
        return {
            str(file.relative_to(self.storage)): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in sorted(self.storage.rglob("*"))
            if file.is_file()
        }
