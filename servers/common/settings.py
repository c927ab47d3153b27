"""Settings from the environment, with every mistake found at once and told in one line each."""

from __future__ import annotations

import dataclasses
import re
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from servers.common.text_escape import plain

T = TypeVar("T")

RESULT_BYTES = 32_768
"""Default limit of a result in bytes, below the limits of common clients."""


LONGEST_PROBLEM = 1000
"""Characters of a line that says what is wrong."""


class SettingsError(Exception):
    """Settings that can't be used; `problems` holds a line for each."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = [plain(problem, LONGEST_PROBLEM) for problem in problems]  # values of settings are in them
        super().__init__("; ".join(self.problems))


_revealed: dict[str, None] = {}
_MOST_REVEALED = 64


def remember(secret: str) -> str:
    """Note a secret, or another form of one, so that `hide` knows it, and return it."""
    if len(secret) >= 6 and secret not in _revealed:  # shorter ones are in ordinary words
        _revealed[secret] = None
        if len(_revealed) > _MOST_REVEALED:
            del _revealed[next(iter(_revealed))]
    return secret


def hide(text: str) -> str:
    """Remove recently revealed secrets from a text: a store, or a proxy before it, may repeat what it was sent."""
    for secret in _revealed:
        if secret in text:
            text = text.replace(secret, "***")
    return text


class Secret:
    """A value that never shows itself: not in repr, str or a log. `reveal()` gives it to the client library."""

    __slots__ = ("_part", "_path", "_value")

    def __init__(self, value: str = "", path: Path | None = None, part: Callable[[str], str] = str) -> None:
        self._value = value
        self._path = path
        self._part = part

    def reveal(self) -> str:
        """Return the value. A file is read each time, so that a rotated secret works at once. Raise OSError if it can't be read
        any more, and ValueError if it is not UTF-8, or lacks that part."""
        whole = remember(self._path.read_text("utf-8-sig").strip() if self._path else self._value)
        return remember(self._part(whole))

    def only(self, part: Callable[[str], str]) -> Secret:
        """Return a secret that is a part of this one, such as the password in a URL."""
        return Secret(self._value, self._path, part)

    def __bool__(self) -> bool:
        return bool(self._value or self._path)

    def __repr__(self) -> str:
        return "Secret(***)" if self else "Secret()"


def check_host(name: str) -> None:
    """Raise ValueError for an invalid host name: too long, or with a part between dots that is empty or too long (RFC 1035,
    2.3.4), or with characters that names can't have (RFC 3490)."""
    try:
        # Names are ASCII nearly always, and the codec for others costs time to import.
        text = name if name.isascii() else name.encode("idna").decode()
    except UnicodeError:
        text = ""
    labels = text.removesuffix(".").split(".")
    if len(text) > 254 or not all(0 < len(label) < 64 for label in labels):
        raise ValueError(f"'{name[:80]}' is not a host name: names have at most 253 characters, and 1 to 63 between dots")


_LINKS = tuple(
    (re.compile(name), re.compile(value))
    for name, value in (
        (r"[A-Z][A-Z0-9_]*_SERVICE_HOST", r"[0-9a-fA-F.:]+"),
        (r"[A-Z][A-Z0-9_]*_SERVICE_PORT(_[A-Z0-9_]+)?", r"\d+"),
        (r"[A-Z][A-Z0-9_]*_PORT(_\d+_(TCP|UDP|SCTP))?", r"(tcp|udp|sctp)://.+"),
        (r"[A-Z][A-Z0-9_]*_PORT_\d+_(TCP|UDP|SCTP)_(PROTO|PORT|ADDR)", r"[0-9a-zA-Z.:]+"),
    )
)
"""What the kubelet sets for each Service of a namespace, by name and value
(https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables)."""


class Environment:
    """Reads settings from environment variables, collecting problems; each read variable is remembered for --help.

    A variable that is set but empty counts as not set, unless it restricts something: then it is a problem, for an empty value
    must not allow more than was meant. Variables that Kubernetes sets for Services are ignored, whatever their names.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = {
            name: value
            for name, value in variables.items()
            if not any(of_name.fullmatch(name) and of_value.fullmatch(value) for of_name, of_value in _LINKS)
        }
        self.problems: list[str] = []
        self.warnings: list[str] = []
        self.described: list[tuple[str, str, str]] = []  # name, default, meaning

    def given(self, *names: str) -> list[str]:
        """Return the variables that are set and not empty."""
        return [name for name in names if self._variables.get(name, "").strip()]

    def unknown(self) -> list[str]:
        """Return a line for each variable that looks like a setting but is not one. Call it after reading all settings."""
        known = {name for name, _, _ in self.described}
        prefixes = tuple({name.partition("_")[0] + "_" for name in known} - {"OTEL_"})  # libraries read others of these
        names = [name for name in sorted(self._variables) if name not in known and name.upper().startswith(prefixes)]
        if not names:
            return []
        from difflib import get_close_matches  # seldom needed

        lines = []
        for name in names:
            near = get_close_matches(name.upper(), known, 1)
            hint = f": did you mean {near[0]}?" if near else ""
            lines.append(f"{plain(name)} is not a setting of this server and has no effect{hint}")
        return lines

    def _read(
        self,
        name: str,
        default: T,
        meaning: str,
        parse: Callable[[str], T],
        shown: str | None = None,
        *,
        restricts: bool = False,
    ) -> T:
        """Read a variable, whose default --help shows as `shown`. If it `restricts`, the server allows more without it, so that
        an empty value is a problem."""
        self.described.append((name, str(default) if shown is None else shown, meaning))
        text = self._variables.get(name, "").strip()
        if not text:
            if restricts and name in self._variables:
                self.problems.append(f"{name}: it is set but empty: give it a value, or leave it out")
            return default
        try:
            return parse(text)
        except ValueError as error:
            self.problems.append(f"{name}: {error}")
            return default

    def text(self, name: str, default: str, meaning: str, *, restricts: bool = False) -> str:
        return self._read(name, default, meaning, str, restricts=restricts)

    def choice(self, name: str, default: str, choices: tuple[str, ...], meaning: str, *, restricts: bool = False) -> str:
        def parse(text: str) -> str:
            if text.lower() not in choices:
                raise ValueError(f"'{text}' is not one of {', '.join(choices)}")
            return text.lower()

        return self._read(name, default, f"{meaning} ({', '.join(choices)})", parse, restricts=restricts)

    def flag(self, name: str, default: bool, meaning: str) -> bool:
        def parse(text: str) -> bool:
            if text.lower() in ("true", "1", "yes", "on"):
                return True
            if text.lower() in ("false", "0", "no", "off"):
                return False
            raise ValueError(f"'{text}' is neither true nor false")

        return self._read(name, default, meaning, parse, str(default).lower())

    def number(self, name: str, default: int, meaning: str, *, least: int, most: int, restricts: bool = False) -> int:
        def parse(text: str) -> int:
            try:
                value = int(text)
            except ValueError:
                raise ValueError(f"'{text}' is not a whole number") from None
            if not least <= value <= most:
                raise ValueError(f"{value} is not between {least} and {most}")
            return value

        return self._read(name, default, meaning, parse, restricts=restricts)

    def host(self, name: str, default: str, meaning: str) -> str:
        """Return the name or address of a host; an address with a user and a password in it is refused without repeating it."""

        def parse(text: str) -> str:
            text = text.removeprefix("[").removesuffix("]")
            # An IPv6 address has two colons at the least.
            if text.count(":") == 1 or not re.fullmatch(r"[\w.:%,-]+", text):
                raise ValueError("give the host's name alone, unquoted: scheme, user and port have settings of their own")
            check_host(text)
            return text

        return self._read(name, default, meaning, parse)

    def port(self, name: str, default: int, meaning: str) -> int:
        return self.number(name, default, meaning, least=1, most=65535)

    def names(self, name: str, meaning: str, *, restricts: bool = False) -> tuple[str, ...]:
        """Read a comma-separated list. A list that restricts something must not be empty."""

        def parse(text: str) -> tuple[str, ...]:
            found = tuple(part.strip() for part in text.split(",") if part.strip())
            if restricts and not found:
                raise ValueError("it names nothing: give it a value, or leave it out")
            return found

        return self._read(name, (), meaning, parse, "", restricts=restricts)

    def file(self, name: str, meaning: str, *, restricts: bool = False) -> Path | None:
        """Return a file that can be read now."""

        def parse(text: str) -> Path:
            path = Path(text)
            try:
                path.open("rb").close()
            except OSError as error:
                # What is no path may be the secret itself, in place of the name of a file with it.
                shown = f"'{text}'" if path.is_absolute() else "the file that it names"
                raise ValueError(f"can't read {shown}: {error.strerror}") from None
            return path

        return self._read(name, None, meaning, parse, "", restricts=restricts)

    def certificates(self, name: str, meaning: str, *, restricts: bool = False) -> Path | None:
        """Return a file that holds certificates in PEM."""
        path = self.file(name, meaning, restricts=restricts)
        if path:
            try:
                ssl.create_default_context(cafile=path)
            except (ssl.SSLError, OSError):
                self.problems.append(f"{name}: '{path}' holds no certificates in PEM")
        return path

    def secret(self, name: str, meaning: str) -> Secret:
        """Read NAME, or NAME_FILE: a file that holds it and may change while the server runs."""
        path = self.file(f"{name}_FILE", f"file with {meaning}, read again when it changes")
        value = self._read(name, Secret(), meaning, Secret, "")
        if path and value:
            self.problems.append(f"{name}: set it or {name}_FILE, not both")
        if path and not path.read_text("utf-8-sig", errors="replace").strip():
            self.problems.append(f"{name}_FILE: '{path}' is empty")
        return Secret(path=path) if path else value

    def together(self, one: str, given: object, other: str, also: object) -> bool:
        """Return whether both of two settings are given, and note a problem if only one of them is."""
        if bool(given) != bool(also):
            there, missing = (one, other) if given else (other, one)
            or_file = f" or {missing}_FILE" if missing.endswith("PASSWORD") else ""
            self.problems.append(f"{there}: set {missing}{or_file} as well")
        return bool(given and also)

    def check(self) -> None:
        """Raise SettingsError when anything that was read is wrong."""
        if self.problems:
            raise SettingsError(self.problems)


@dataclasses.dataclass(frozen=True)
class CommonSettings:
    """Settings of every sidecar. Sizes are bytes, times seconds."""

    host: str
    port: int
    allow_writes: bool
    tools: tuple[str, ...]
    tools_except: tuple[str, ...]
    confirm: str
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
        settings = cls(
            host=env.host("MCP_HOST", "0.0.0.0", "address to listen on"),  # a pod's probes come to its own address
            port=env.port("MCP_PORT", 9000, "port to listen on"),
            allow_writes=env.flag("MCP_ALLOW_WRITES", False, "list and allow the tools that change data"),
            tools=env.names(
                "MCP_TOOLS",
                "tools to offer, comma-separated, * for any characters, e.g. redis_search*; default: all",
                restricts=True,
            ),
            tools_except=env.names("MCP_TOOLS_EXCEPT", "tools not to offer, written as in MCP_TOOLS", restricts=True),
            confirm=env.choice(
                "MCP_CONFIRM",
                "never",
                ("never", "possible", "always"),
                "ask the person before a destructive tool runs; possible: if the client can ask; always: refuse if it can't",
                restricts=True,
            ),
            allowed_hosts=env.names(
                "MCP_ALLOWED_HOSTS",
                "further host names to accept in Host besides localhost, comma-separated; * for all",
            ),
            allowed_origins=env.names(
                "MCP_ALLOWED_ORIGINS",
                "further browser origins to accept besides localhost, comma-separated; * for all",
            ),
            log_level=env.choice("MCP_LOG_LEVEL", "info", ("debug", "info", "warning", "error"), "least severe log level"),
            max_result_bytes=env.number(
                "MCP_MAX_RESULT_BYTES",
                RESULT_BYTES,
                "longest result of a tool, as JSON",
                least=1024,
                most=64 * 1024 * 1024,
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
                "end the process when its event loop hangs this long; 0: never",
                least=0,
                most=3600,
            ),
            memory_budget=env.number(
                "MCP_MEMORY_BUDGET_BYTES",
                0,
                "memory for the store's answers, for all calls together; 0: three sixteenths of the container's limit",
                least=0,
                most=64 * 1024**3,
            ),
        )
        for name, given, form, example in (
            ("MCP_ALLOWED_HOSTS", settings.allowed_hosts, r"\*|[\w.:\[\]-]+", "mcp.example"),
            ("MCP_ALLOWED_ORIGINS", settings.allowed_origins, r"\*|null|[\w.+-]+://[^/*]+/?", "https://app.example"),
        ):
            for value in given:
                if not re.fullmatch(form, value):
                    env.warnings.append(f"{name}: '{plain(value)}' matches nothing: write it as {example}, or * for all")
        return settings
