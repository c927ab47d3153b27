"""A registry, through crane and helm: they know the logins of docker's configuration, and every kind of registry."""

import base64
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tools.backends.process import ran
from tools.release.errors import ReleaseError

_NAME = re.compile(r"[a-zA-Z0-9.-]+(?::\d+)?(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*")


class Registry:
    """A registry, or a path in one, that we push to. Credentials are never on a command line."""

    def __init__(self, name: str, crane: Path, helm: Path, plain_http: bool, env: Mapping[str, str]) -> None:
        """Name a registry by host, port and path, such as registry.example:5000/team. `env` is the programs'; Helm is 3 or 4."""
        host = name.split("/")[0]
        if not _NAME.fullmatch(name) or not ("." in host or ":" in host or host == "localhost"):
            raise ReleaseError(f"--registry is '{name}': give a host and perhaps a path, such as registry.example/team")
        self.name = name
        # As crane does by itself: a registry on this machine has no certificate.
        plain_http = plain_http or host.split(":")[0] in ("localhost", "127.0.0.1")
        self._crane, self._flags = crane, ["--insecure"] if plain_http else []
        self._helm, self._helm_flags = helm, ["--plain-http"] if plain_http else []
        self._env = dict(env)

    @property
    def host(self) -> str:
        return self.name.split("/")[0]

    def _told(self, output: str) -> ReleaseError:
        """Return what a client said, in one line that says what to do."""
        lines = output.strip().splitlines() or ["no reason given"]
        last = re.sub(r"^(Error: )+|\x1b\[\S+m", "", lines[-1])
        if re.search(r"UNAUTHORIZED|DENIED|\b40[13]\b|basic credential not found|[Uu]nauthorized", output):
            return ReleaseError(
                f"{self.host} does not let us in: log in with docker or podman (DOCKER_CONFIG names the folder of config.json), "
                "or set REGISTRY_USERNAME and REGISTRY_PASSWORD"
            )
        if re.search(r"connection refused|no such host|i/o timeout|network is unreachable|server misbehaving|EOF$", output):
            return ReleaseError(f"{self.host} can't be reached: {last.rsplit(': ', 2)[-2]}: {last.rsplit(': ', 1)[-1]}")
        if "server gave HTTP response to HTTPS client" in output:
            return ReleaseError(f"{self.host} speaks plain HTTP: add --plain-http if that is what you want")
        return ReleaseError(f"{self.host}: {last}")

    def crane(self, *arguments: str) -> str:
        """Return the output of a crane command, or raise ReleaseError."""
        done = ran(self._crane, *arguments, *self._flags, env=self._env)
        if done.returncode:
            raise self._told(done.stderr)
        return done.stdout

    def digest(self, reference: str) -> str | None:
        """Return the digest of a REPOSITORY:TAG or REPOSITORY@DIGEST below the registry's name, or None if it does not exist."""
        done = ran(self._crane, "digest", f"{self.name}/{reference}", *self._flags, env=self._env)
        if done.returncode == 0:
            return done.stdout.strip()
        if re.search(r"MANIFEST_UNKNOWN|NAME_UNKNOWN|\b404\b", done.stderr):
            return None
        raise self._told(done.stderr)

    def manifest(self, reference: str) -> bytes:
        return self.crane("manifest", f"{self.name}/{reference}").encode()

    def push(self, layout: Path, repository: str, digest: str) -> bool:
        """Pushes a layout by its digest; False where the repository has it already."""
        reference = f"{repository}@{digest}"
        if self.digest(reference) == digest:
            return False
        self.crane("push", str(layout.resolve()), f"{self.name}/{reference}")
        return True

    def tag(self, repository: str, digest: str, tag: str) -> bool:
        """Gives a tag to a digest; False where it has it already."""
        if self.digest(f"{repository}:{tag}") == digest:
            return False
        self.crane("tag", f"{self.name}/{repository}@{digest}", tag)
        return True

    def push_chart(self, package: Path, folder: str) -> None:
        """Pushes a chart below a folder of the registry. Helm takes the package's time of change into the manifest."""
        done = ran(self._helm, "push", package, f"oci://{self.name}/{folder}", *self._helm_flags, env=self._env)
        if done.returncode:
            raise self._told(done.stderr)


@contextmanager
def credentials(registry: str, environ: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """The environment of crane and helm.

    REGISTRY_USERNAME and REGISTRY_PASSWORD go into a configuration file that only we can read, for as long as it takes;
    without them docker's own configuration is used, by helm as well.
    """
    env = {name: value for name, value in environ.items() if name != "REGISTRY_PASSWORD"}
    username, password = environ.get("REGISTRY_USERNAME"), environ.get("REGISTRY_PASSWORD")
    if bool(username) != bool(password):
        raise ReleaseError("set both REGISTRY_USERNAME and REGISTRY_PASSWORD, or neither")
    with tempfile.TemporaryDirectory(prefix="release.") as folder:
        if username:
            config = Path(folder, "config.json")
            config.touch(0o600)
            auth = base64.b64encode(f"{username}:{password}".encode()).decode()
            config.write_text(json.dumps({"auths": {registry.split("/")[0]: {"auth": auth}}}))
            env["DOCKER_CONFIG"] = folder
            env["HELM_REGISTRY_CONFIG"] = str(config)
        else:
            docker = Path(env.get("DOCKER_CONFIG") or Path(env.get("HOME", "/nonexistent"), ".docker"), "config.json")
            if docker.exists():
                env.setdefault("HELM_REGISTRY_CONFIG", str(docker))
        # Helm may write caches; nothing of ours is in them.
        for name in ("CACHE", "CONFIG", "DATA"):
            env.setdefault(f"HELM_{name}_HOME", os.path.join(folder, name.lower()))  # noqa: PTH118
        yield env
