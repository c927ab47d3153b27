"""TLS of the HTTP endpoint: the server's certificate, and certificates that clients show (mutual TLS)."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

PEER_CERTIFICATE = "peer_certificate"
"""The key of the client's certificate in a request's state, as `ssl.SSLSocket.getpeercert()` returns it."""


def file_stamp(*files: Path | None) -> tuple[Any, ...]:
    """Return a value that changes when a file is written, or a link to it is replaced, as the kubelet does. A missing file:
    OSError."""
    return tuple((s.st_ino, s.st_mtime_ns, s.st_size) for s in (file.stat() for file in files if file))


class EncryptedKey(ssl.SSLError):
    """A private key can't be used without a password."""

    def __init__(self) -> None:
        super().__init__(ssl.SSL_ERROR_SSL, "the key is encrypted: give one without a password")


def no_password() -> str:
    """Raise EncryptedKey. Without this, OpenSSL would ask for the password on the terminal."""
    raise EncryptedKey


@dataclass(frozen=True)
class TlsFiles:
    """PEM files. They may be replaced while the server runs."""

    certificate: Path
    key: Path
    client_authorities: Path | None
    """Certificates that sign those of clients; None where clients need no certificate."""

    def context(self) -> ssl.SSLContext:
        """Return a context of the files as they are now; OSError (ssl.SSLError is one) if a file can't be read or used.

        A client may present no certificate, because probes have none. Access control refuses such a client at /mcp.
        """
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.certificate, self.key, no_password)
        if self.client_authorities:
            context.load_verify_locations(self.client_authorities)
            context.verify_mode = ssl.CERT_OPTIONAL
        return context


class NewestContext:
    """The TLS context of files that may be replaced. While new files are unusable, the old context stays."""

    def __init__(self, make: Callable[[], ssl.SSLContext], *files: Path | None) -> None:
        """Make contexts of files by a function, which raises OSError if one can't be read or used."""
        self._make, self._files = make, files
        self._stamp: tuple[Any, ...] | None = None
        self._context: ssl.SSLContext | None = None
        self._problem = ""

    def get(self) -> ssl.SSLContext:
        """Return the context of what the files hold now, the same object until they change. Raise OSError if they have been
        unusable since the first call."""
        try:
            stamp = file_stamp(*self._files)
            if self._context is None or stamp != self._stamp:
                self._context, self._stamp = self._make(), stamp
            self._problem = ""
        except OSError as error:
            # During a rotation the certificate and the key may not fit together. The next connection tries again.
            if self._context is None:
                raise
            if (reason := f"{type(error).__name__}: {error}") != self._problem:  # once: clients must not fill the log
                logger.error("the new certificates can't be used", extra={"reason": reason})
            self._problem = reason
        return self._context


class RotatingContext(ssl.SSLContext):
    """A TLS context whose connections use the files as they are when each begins. New files have a context of their own: it
    resumes no session of a client that the old files let in."""

    def __new__(cls, files: TlsFiles) -> RotatingContext:
        return super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)

    def __init__(self, files: TlsFiles) -> None:
        self._newest = NewestContext(files.context, files.certificate, files.key, files.client_authorities)
        self._used = self._newest.get()

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        """Begin a connection."""
        if (newest := self._newest.get()) is not self._used:
            self._used = newest
            logger.info("new certificates")
        return newest.wrap_bio(*args, **options)


def client_name(certificate: dict[str, Any]) -> str:
    """Return the name in a client's certificate, as `ssl.SSLSocket.getpeercert()` gives it: its first alternative name that is a
    URI (as in SPIFFE), else a DNS name, else the common name."""
    names: dict[str, str] = {}
    for kind, value in certificate.get("subjectAltName", ()):
        names.setdefault(kind, value)
    for part in certificate.get("subject", ()):
        for key, value in part:
            if key == "commonName":
                names.setdefault("CN", value)
    return names.get("URI") or names.get("DNS") or names.get("CN") or "unnamed"
