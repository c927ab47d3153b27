"""A real Redis."""

import json
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tools.backends.process import Process, free_port
from tools.backends.runfiles import program


class RedisServer(Process):
    """Redis on a loopback port, with nothing kept on disk after it ends."""

    def __init__(
        self,
        port: int | None = None,
        password: str = "",
        config: Mapping[str, Any] | None = None,
        *,
        executable: Path | None = None,
        modules: Sequence[Path] = (),
        sentinel: bool = False,
    ) -> None:
        """Listen on a port, or a free one; `password` is the default user's, `config` further directives of redis.conf.

        `executable` is the server in place of the one that REDIS_SERVER names, and `modules` are files that it loads. A
        `sentinel` watches other servers.
        """
        self.port = port or free_port()
        self.password = password
        self._folder = Path(tempfile.mkdtemp(prefix="redis."))
        directives: dict[str, Any] = {
            "bind": "127.0.0.1",
            "port": self.port,
            "dir": self._folder,
            **({} if sentinel else {"save": '""'}),
            "daemonize": "no",
            **({"requirepass": json.dumps(password)} if password else {}),
            **(config or {}),
        }
        # In a file, for a command line can be read by everybody.
        file = self._folder / "redis.conf"
        file.touch(0o600)
        lines = [*directives.items(), *(("loadmodule", module) for module in modules)]
        file.write_text("".join(f"{name} {value}\n" for name, value in lines))
        command = [str(executable or program("REDIS_SERVER")), str(file), *(["--sentinel"] if sentinel else [])]
        super().__init__("redis-server", command, self._folder / "log")

    def start(self) -> None:
        super().start()
        self.wait_until(self._answers)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False

    @property
    def address(self) -> dict[str, str]:
        """Settings of a sidecar that tell it where this is."""
        return {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(self.port)}

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Stop its process inside this context: it accepts connections and requests, and answers nothing."""
        self.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)

    def __exit__(self, *details: Any) -> None:
        super().__exit__(*details)
        shutil.rmtree(self._folder, ignore_errors=True)
