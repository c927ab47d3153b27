"""Bearer tokens kept in a file: one that may do all, or several with a name and scopes each."""

import hashlib
import hmac
import logging
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import unquote

from servers.common.http.principal import READ, SCOPES, WRITE, CredentialRefused, Logins, Principal, StoreLogin
from servers.common.settings import Secret

logger = logging.getLogger(__name__)

MOST_TOKENS = 1000
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})", re.IGNORECASE)
_SCOPES = {"read": READ, "write": WRITE}


class TokensError(ValueError):
    """A file of tokens that can't be used; the message names the line and holds nothing of a token."""


@dataclass(frozen=True)
class Token:
    """A token as it is kept here: by its hash, so that comparing takes the same time whatever its length."""

    name: str
    scopes: frozenset[str]
    digest: bytes
    login: StoreLogin | None = None


def _can_be_sent(token: str) -> bool:
    """Return whether a header can have a token, and a server reads it as the client wrote it."""
    return token.isascii() and token.isprintable()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def single(text: str) -> list[Token]:
    """Return the one token that is all of a file's content, for everything that the server allows, or raise TokensError."""
    token = text.strip()
    if not token:
        raise TokensError("is empty")
    if not _can_be_sent(token):
        raise TokensError("is not one line of ASCII: it has to hold one token alone")
    return [Token("token", frozenset(SCOPES), _digest(token))]


def several(text: str, *, logins: Logins = "") -> list[Token]:
    """Return the tokens of a file, or raise TokensError. Each line has a name, scopes, the token or its hash, and maybe a login.

        # name      scopes      token, or sha256: and the hash of it in hexadecimal
        dashboard   read        4cTgm0nJ2m3v...
        operator    read,write  sha256:9f86d081884c7d65...
        billing     read        Zr8sQmW1x0aP...             billing:s3cret%20password

    A server that can use no `logins` refuses them, for they may allow less than its own.
    """
    found: list[Token] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) not in ((3, 4) if logins else (3,)):
            raise TokensError(f"line {number} is not NAME SCOPES TOKEN{f' [{logins}]' if logins else ''}")
        name, scopes, token = words[:3]
        if not _NAME.fullmatch(name) or name in (t.name for t in found):
            raise TokensError(f"line {number}: a name must be unique, and have at most 64 letters, digits, '.', '_' and '-'")
        if not set(scopes.split(",")) <= set(_SCOPES):
            raise TokensError(f"line {number}: scopes must be read, write, or read,write")
        match = _DIGEST.fullmatch(token)
        if not match and token.lower().startswith("sha256:"):
            raise TokensError(f"line {number}: a SHA-256 has 64 hexadecimal digits")
        if len(token) < 16 or not _can_be_sent(token):
            raise TokensError(f"line {number}: the token is shorter than 16 characters, or is not ASCII")
        digest = bytes.fromhex(match[1]) if match else _digest(token)
        if digest in (t.digest for t in found):
            raise TokensError(f"line {number}: another line has the same token")
        login = _login(words[3], number, logins) if len(words) == 4 else None
        found.append(Token(name, frozenset(_SCOPES[s] for s in scopes.split(",")), digest, login))
    if not found:
        raise TokensError("has no token")
    if len(found) > MOST_TOKENS:
        raise TokensError(f"has more than {MOST_TOKENS} tokens")
    return found


def _login(text: str, number: int, logins: Logins) -> StoreLogin:
    """Return the login of a line, written as in a URL (RFC 3986, 3.2.1). An API key has no colon and stands as it is."""
    if ":" not in text and "API_KEY" in logins and text.isascii() and text.isprintable():
        return StoreLogin("", Secret(text))
    try:
        user, password = (unquote(part, errors="strict") for part in text.split(":", 1))
    except ValueError:
        user = password = ""
    if ":" in user and "API_KEY" in logins:
        raise TokensError(f"line {number}: a user name can't have a colon (RFC 7617)")
    if not user or not password:
        raise TokensError(f"line {number}: a login at the store is {logins}, with special characters as %3A")
    return StoreLogin(user, Secret(password))


class TokenFile:
    """The tokens of a file as it is now: it is read at each request, so that a rotated secret works at once."""

    def __init__(self, path: Path, many: bool, logins: Logins = "") -> None:
        self._path = path
        self._parse = partial(several, logins=logins) if many else single
        self._text: str | None = None
        self._tokens: list[Token] = []
        self._problem: str | None = None

    def load(self) -> list[Token]:
        """Return the file's tokens. A file that can't be read is an OSError; unusable content is a TokensError."""
        try:
            text = self._path.read_text("utf-8-sig")
        except UnicodeDecodeError:
            raise TokensError("is not UTF-8") from None
        if text != self._text:
            self._tokens, self._text = self._parse(text), text
        return self._tokens

    async def authenticate(self, token: str) -> Principal:
        """Return the caller that a token belongs to; see Authenticator."""
        try:
            tokens = self.load()
        except (OSError, TokensError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            if reason != self._problem:  # once: clients must not fill the log
                logger.error("the token file can't be used", extra={"path": str(self._path), "reason": reason})
            self._problem = reason
            raise CredentialRefused("this server can't read its token file", 503) from None
        self._problem = None
        given = _digest(token)
        # All are compared, each in constant time: the time taken tells nothing of a token, nor of which one it was.
        found = [known for known in tokens if hmac.compare_digest(known.digest, given)]
        if not found:
            raise CredentialRefused("the bearer token is wrong")
        return Principal(found[0].name, found[0].scopes, found[0].login)
