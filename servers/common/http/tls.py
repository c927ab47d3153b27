"""TLS of the HTTP endpoint: the server's certificate, and certificates that clients show (mutual TLS)."""

from __future__ import annotations

import logging
import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

PEER_CERTIFICATE = "peer_certificate"
"""The key of the client's certificate in a request's state, as `ssl.SSLSocket.getpeercert()` returns it."""


@dataclass(frozen=True)
class TlsFiles:
    """PEM files. They may be replaced while the server runs."""

    certificate: Path
    key: Path
    client_authorities: Path | None
    """Certificates that sign those of clients; None where clients need no certificate."""

    def stamp(self) -> tuple[Any, ...]:
        """Return a value that changes with the files: when one is written, or a link to it is replaced, as the kubelet does."""
        paths = [path for path in (self.certificate, self.key, self.client_authorities) if path]
        return tuple((s.st_ino, s.st_mtime_ns, s.st_size) for s in map(os.stat, paths))

    def context(self) -> ssl.SSLContext:
        """Return a context of the files as they are now.

        A client may present no certificate, because probes have none. Access control refuses such a client at /mcp.

        Raises:
            OSError, ssl.SSLError: a file can't be read, or used.
        """
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.certificate, self.key)
        if self.client_authorities:
            context.load_verify_locations(self.client_authorities)
            context.verify_mode = ssl.CERT_OPTIONAL
        return context


class RotatingContext:
    """A TLS context whose connections use the files as they are when each begins. While new files are unusable, the old stay."""

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._stamp = files.stamp()
        self._newest = files.context()
        self.context = files.context()
        """For the listening socket."""
        self.context.sni_callback = self._choose

    def _choose(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        try:
            stamp = self._files.stamp()
            if stamp != self._stamp:
                self._newest, self._stamp = self._files.context(), stamp
                logger.info("new certificates")
        except (OSError, ssl.SSLError) as error:
            # During a rotation the certificate and the key may not fit together. The next connection tries again.
            logger.error("the new certificates can't be used", extra={"reason": type(error).__name__})
        connection.context = self._newest


def client_name(certificate: dict[str, Any]) -> str:
    """Return the name in a client's certificate: its first alternative name that is a URI (as in SPIFFE), else a DNS name, else
    the common name.

    Args:
        certificate: as `ssl.SSLSocket.getpeercert()` gives it
    """
    names: dict[str, str] = {}
    for kind, value in certificate.get("subjectAltName", ()):
        names.setdefault(kind, value)
    for part in certificate.get("subject", ()):
        for key, value in part:
            if key == "commonName":
                names.setdefault("CN", value)
    return names.get("URI") or names.get("DNS") or names.get("CN") or "unnamed"
