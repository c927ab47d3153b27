"""The keys that this server may see, and the values that listings hide."""

import re
from collections.abc import Iterable

from servers.common.protocol.tools import ToolError
from servers.redis.client.backend import RedisBackend
from servers.redis.format.globs import check_glob, literal
from servers.redis.format.key_encoding import LONGEST_NAME, encode, parse_key, show_key, show_name
from servers.redis.settings import SECRET, RedisSettings

SECRET_VALUE = re.compile(
    rb"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----"
    rb"|(?<![\w-])(?=[\w-]*?\beyJ)[\w-]{13,}+\.[\w-]{10,}+\.[\w-]{10}"
    rb"|\bAKIA[0-9A-Z]{16}\b"
    rb"|\bsk-[\w-]{20}"
)
"""Values that are recognisable as secrets: private keys, JSON Web Tokens, access keys of cloud services.

A token starts where no other of its characters precedes it, and its repetitions are possessive: the search takes linear time.
"""


_TEXTS = re.compile(rb'"((?:[^"\\]|\\.)*+)(?:"(\s*+:)?)?', re.DOTALL)
"""Texts in JSON, the last of which may be cut. The name of a member has a colon behind it."""


class KeyScope:
    """The prefixes of MCP_KEY_PREFIXES; without any, all keys."""

    def __init__(self, prefixes: Iterable[str]) -> None:
        self.prefixes = tuple(parse_key(prefix) for prefix in prefixes)

    def __bool__(self) -> bool:
        return bool(self.prefixes)

    def has(self, name: bytes) -> bool:
        return not self.prefixes or name.startswith(self.prefixes)

    def key(self, text: str) -> bytes:
        """Read a key's name from an argument. Raise ToolError if it is outside of the prefixes, too long, or not valid base64."""
        name = parse_key(text)
        if len(name) > LONGEST_NAME:
            raise ToolError(f"a name of {len(name)} bytes is too long: names may have {LONGEST_NAME} bytes")
        self.check([name])
        return name

    def check(self, names: Iterable[bytes]) -> None:
        """Raise ToolError for a name outside of the prefixes."""
        for name in names:
            if not self.has(name):
                raise ToolError(f"{show_name(name)!r} is outside of what this server may touch: keys that begin with {self.said}")

    @property
    def said(self) -> str:
        return " or ".join(repr(show_key(prefix)) for prefix in self.prefixes)

    def pattern(self, pattern: str) -> bytes:
        """Make the pattern for SCAN: that of the one prefix where all keys are asked for, so that Redis leaves out others. Errors
        are those of check_glob."""
        if pattern == "*" and len(self.prefixes) == 1:
            return literal(self.prefixes[0]) + b"*"
        encoded = encode(pattern)
        check_glob(encoded)
        return encoded


class ValueMask:
    """Which values are left out of listings. A value that is asked for by its own name is shown."""

    def __init__(self, pattern: str = SECRET) -> None:
        self._names = re.compile(pattern)

    def hides(self, *names: bytes, value: bytes = b"") -> bool:
        """Return whether a value looks like a secret: by the names that lead to it, by those of members of JSON in it, or by
        itself."""
        start = value[:4096]
        members = [name for name, colon in _TEXTS.findall(start) if colon]
        given = filter(None, (*names, *members))  # an empty name is not what ^$ is for
        return any(self._names.search(name[:LONGEST_NAME].decode("utf-8", "replace")) for name in given) or bool(
            SECRET_VALUE.search(start)
        )


class ScopedRedis(RedisBackend):
    """The Redis backend with what its settings allow: the keys in scope, and the values that listings mask."""

    def __init__(self, settings: RedisSettings) -> None:
        super().__init__(settings)
        self.scope = KeyScope(settings.key_prefixes)
        self.mask = ValueMask(settings.mask)
