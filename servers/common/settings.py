"""Settings from the environment, with every mistake found at once and told in one line each."""

from __future__ import annotations

import dataclasses
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

LOG_LEVELS = ("debug", "info", "warning", "error")


class SettingsError(Exception):
    """Settings that can't be used; `problems` holds a line for each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


_revealed: dict[str, None] = {}
_MOST_REVEALED = 64


def remember(secret: str) -> str:
    """Notes a secret, or another form of one, so that `hide` knows it.

    Returns:
        the secret.
    """
    if len(secret) >= 6 and secret not in _revealed:  # shorter ones are in ordinary words
        _revealed[secret] = None
        if len(_revealed) > _MOST_REVEALED:
            del _revealed[next(iter(_revealed))]
    return secret


def hide(text: str) -> str:
    """The text without the secrets that were revealed lately: a store, or a proxy before it, may repeat what it was sent."""
    for secret in _revealed:
        if secret in text:
            text = text.replace(secret, "***")
    return text


class Secret:
    """A value that never shows itself: not in repr, str or a log. `reveal()` gives it to the client library."""

    __slots__ = ("_path", "_value")

    def __init__(self, value: str = "", path: Path | None = None) -> None:
        self._value = value
        self._path = path

    def reveal(self) -> str:
        """Return the value. A file is read each time, so that a rotated secret works at once.

        Raises:
            OSError: the file can't be read any more.
        """
        return remember(self._path.read_text("utf-8").strip() if self._path else self._value)

    def __bool__(self) -> bool:
        return bool(self._value or self._path)

    def __repr__(self) -> str:
        return "Secret(***)" if self else "Secret()"


def check_host(name: str) -> None:
    """Refuses the name of a host that no resolver can be asked for.

    Raises:
        ValueError: a part of it between two dots is empty or too long, or it is too long (RFC 1035, 2.3.4), or has characters
            that names can't have (RFC 3490).
    """
    try:
        # Names are ASCII nearly always, and the codec for others costs time to import.
        text = name if name.isascii() else name.encode("idna").decode()
    except UnicodeError:
        text = ""
    labels = text.removesuffix(".").split(".")
    if len(text) > 254 or not all(0 < len(label) < 64 for label in labels):
        raise ValueError(f"'{name[:80]}' is no host's name: it has 253 characters at most, and 1 to 63 between dots")


class Environment:
    """Reads settings from environment variables, collecting problems; each read variable is remembered for --help.

    A variable that is set but empty counts as not set: that is how charts leave one out.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self.problems: list[str] = []
        self.described: list[tuple[str, str, str]] = []  # name, default, meaning

    def _read(self, name: str, default: T, meaning: str, parse: Callable[[str], T], shown: str | None = None) -> T:
        self.described.append((name, str(default) if shown is None else shown, meaning))
        text = self._variables.get(name, "").strip()
        if not text:
            return default
        try:
            return parse(text)
        except ValueError as error:
            self.problems.append(f"{name}: {error}")
            return default

    def text(self, name: str, default: str, meaning: str) -> str:
        return self._read(name, default, meaning, str)

    def choice(self, name: str, default: str, choices: tuple[str, ...], meaning: str) -> str:
        def parse(text: str) -> str:
            if text.lower() not in choices:
                raise ValueError(f"'{text}' is not one of {', '.join(choices)}")
            return text.lower()

        return self._read(name, default, f"{meaning} ({', '.join(choices)})", parse)

    def flag(self, name: str, default: bool, meaning: str) -> bool:
        def parse(text: str) -> bool:
            if text.lower() in ("true", "1", "yes", "on"):
                return True
            if text.lower() in ("false", "0", "no", "off"):
                return False
            raise ValueError(f"'{text}' is neither true nor false")

        return self._read(name, default, meaning, parse, str(default).lower())

    def number(self, name: str, default: int, meaning: str, *, least: int, most: int) -> int:
        def parse(text: str) -> int:
            try:
                value = int(text)
            except ValueError:
                raise ValueError(f"'{text}' is not a whole number") from None
            if not least <= value <= most:
                raise ValueError(f"{value} is not between {least} and {most}")
            return value

        return self._read(name, default, meaning, parse)

    def host(self, name: str, default: str, meaning: str) -> str:
        """The name or address of a host; an address with a user and a password in it is refused without repeating it."""

        def parse(text: str) -> str:
            if any(character in "/@" or character.isspace() for character in text):
                raise ValueError("give the host's name alone: scheme, user and port have settings of their own")
            check_host(text)
            return text

        return self._read(name, default, meaning, parse)

    def port(self, name: str, default: int, meaning: str) -> int:
        return self.number(name, default, meaning, least=1, most=65535)

    def names(self, name: str, meaning: str) -> tuple[str, ...]:
        """A list separated by commas."""
        return self._read(name, (), meaning, lambda t: tuple(p.strip() for p in t.split(",") if p.strip()), "")

    def file(self, name: str, meaning: str) -> Path | None:
        """A file that can be read now."""

        def parse(text: str) -> Path:
            path = Path(text)
            try:
                path.open("rb").close()
            except OSError as error:
                raise ValueError(f"can't read '{text}': {error.strerror}") from None
            return path

        return self._read(name, None, meaning, parse, "")

    def certificates(self, name: str, meaning: str) -> Path | None:
        """A file that holds certificates in PEM."""
        path = self.file(name, meaning)
        if path:
            try:
                ssl.create_default_context(cafile=path)
            except (ssl.SSLError, OSError):
                self.problems.append(f"{name}: '{path}' holds no certificates in PEM")
        return path

    def secret(self, name: str, meaning: str) -> Secret:
        """NAME, or NAME_FILE: a file that holds it and may change while the server runs."""
        path = self.file(f"{name}_FILE", f"file with {meaning}, read again when it changes")
        value = self._read(name, Secret(), meaning, Secret, "")
        if path and value:
            self.problems.append(f"{name}: set it or {name}_FILE, not both")
        if path and not path.read_text("utf-8", errors="replace").strip():
            self.problems.append(f"{name}_FILE: '{path}' is empty")
        return Secret(path=path) if path else value

    def check(self) -> None:
        """Raises SettingsError when anything that was read is wrong."""
        if self.problems:
            raise SettingsError(self.problems)


@dataclasses.dataclass(frozen=True)
class CommonSettings:
    """What every sidecar can be told. Sizes are bytes, times seconds."""

    host: str
    port: int
    allow_writes: bool
    allowed_hosts: tuple[str, ...]
    allowed_origins: tuple[str, ...]
    log_level: str
    max_result_bytes: int
    max_request_bytes: int
    max_concurrent_calls: int
    call_timeout: int
    watchdog: int
    memory_budget: int
    """0: derived from the limit of the process's control group."""

    @classmethod
    def read(cls, env: Environment) -> CommonSettings:
        return cls(
            host=env.host("MCP_HOST", "0.0.0.0", "address to listen on"),  # a pod's probes come to its own address
            port=env.port("MCP_PORT", 9000, "port to listen on"),
            allow_writes=env.flag("MCP_ALLOW_WRITES", False, "list and allow the tools that change data"),
            allowed_hosts=env.names(
                "MCP_ALLOWED_HOSTS",
                "further names in Host that are answered beside localhost, comma-separated; * for all",
            ),
            allowed_origins=env.names(
                "MCP_ALLOWED_ORIGINS",
                "further browser origins that are answered beside localhost, comma-separated; * for all",
            ),
            log_level=env.choice("MCP_LOG_LEVEL", "info", LOG_LEVELS, "least severe log level"),
            max_result_bytes=env.number(
                "MCP_MAX_RESULT_BYTES", 65_536, "longest result of a tool, as JSON", least=1024, most=64 * 1024 * 1024
            ),
            max_request_bytes=env.number(
                "MCP_MAX_REQUEST_BYTES", 1_048_576, "longest request body", least=1024, most=64 * 1024 * 1024
            ),
            max_concurrent_calls=env.number(
                "MCP_MAX_CONCURRENT_CALLS", 64, "tool calls at once; one more is refused", least=1, most=10_000
            ),
            call_timeout=env.number("MCP_CALL_TIMEOUT_SECONDS", 30, "longest time of a tool call", least=1, most=3600),
            watchdog=env.number(
                "MCP_WATCHDOG_SECONDS",
                30,
                "end the process when its event loop hangs this long; 0 never",
                least=0,
                most=3600,
            ),
            memory_budget=env.number(
                "MCP_MEMORY_BUDGET_BYTES",
                0,
                "memory for the store's answers, over all calls; 0: three sixteenths of the container's limit",
                least=0,
                most=64 * 1024**3,
            ),
        )
