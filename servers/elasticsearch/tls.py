"""Whom we trust over TLS: by certificates of authorities, or by the fingerprint of one."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from typing import Any
from urllib.parse import urlsplit

from servers.common.backend import BackendError
from servers.elasticsearch.settings import ElasticsearchSettings, key_problem, load_client_certificate


class Trust:
    """Makes TLS contexts from the settings' files, which may be replaced while the server runs."""

    def __init__(self, settings: ElasticsearchSettings) -> None:
        self._settings = settings
        self._made_of: tuple[Any, ...] | None = None
        self._anchor: bytes | None = None

    def changed(self) -> bool:
        """Whether files are not those any more that the last context was made of."""
        return self._stamp() != self._made_of

    def _stamp(self) -> tuple[Any, ...]:
        files = (self._settings.ca_file, self._settings.client_certificate, self._settings.client_key)
        stamp = []
        for file in files:
            try:
                # By number too: a kubelet replaces files by links to others, which may be older.
                status = file.stat() if file else None
            except OSError:
                status = None
            stamp.append(status and (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size))
        return tuple(stamp)

    async def context(self, url: str, timeout: float) -> ssl.SSLContext:
        """A context of what the files hold now.

        Args:
            url: of a node, which is asked for its certificates where they are known by a fingerprint
            timeout: seconds for that

        Raises:
            BackendError: the files can't be used, or no certificate has the fingerprint.
            OSError: the node can't be reached.
        """
        stamp = self._stamp()
        context = await self._by_fingerprint(url, timeout) if self._settings.ca_fingerprint else self._by_authority()
        context.set_alpn_protocols(["http/1.1"])
        try:
            load_client_certificate(context, self._settings)
        except (OSError, ValueError) as error:
            raise BackendError(f"ES_CLIENT_CERT_FILE or ES_CLIENT_KEY_FILE: {key_problem(error)}") from None
        self._made_of = stamp
        return context

    def _by_authority(self) -> ssl.SSLContext:
        file = self._settings.ca_file
        try:
            return ssl.create_default_context(cafile=file)
        except ssl.SSLError:
            raise BackendError(f"ES_CA_FILE: '{file}' holds no certificates in PEM any more") from None
        except OSError as error:
            raise BackendError(f"ES_CA_FILE: '{file}' can't be read any more: {error.strerror}") from None

    async def _by_fingerprint(self, url: str, timeout: float) -> ssl.SSLContext:
        """A context that trusts the one certificate that has the fingerprint, and whatever it signed.

        Elasticsearch prints the fingerprint of the authority that it makes at its first start, and sends that
        authority's certificate along with its own. To look for it among the certificates of a handshake is not enough,
        though: everybody may send it. So the certificate is learnt from a first connection, over which nothing is sent, and
        each one from then on is verified against it. Names are not compared, nor do Elasticsearch's own clients then: the
        authority signs for nothing but the cluster's nodes, and these do not know by which names they are reached.
        """
        if self._anchor is None:
            self._anchor = await self._learn(url, timeout)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # it may be the node's own certificate
        context.load_verify_locations(cadata=self._anchor)
        return context

    async def _learn(self, url: str, timeout: float) -> bytes:
        place = urlsplit(url)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        # A node may ask for the client's certificate before it shows who it is; that is no secret.
        load_client_certificate(context, self._settings)
        async with asyncio.timeout(timeout):
            _, writer = await asyncio.open_connection(place.hostname, place.port, ssl=context)
        shown = _shown(writer.get_extra_info("ssl_object"))
        writer.transport.abort()
        for certificate in shown:
            if hashlib.sha256(certificate).hexdigest() == self._settings.ca_fingerprint:
                return certificate
        raise BackendError(
            f"Elasticsearch at {place.netloc} shows {len(shown)} certificates, and none has the fingerprint of "
            "ES_CA_FINGERPRINT: check it, and what is between"
        )


def _shown(connection: Any) -> list[bytes]:
    """The certificates that the other side sent, DER, its own first."""
    if hasattr(connection, "get_unverified_chain"):
        return list(connection.get_unverified_chain())
    # Public from Python 3.13 on; there since 3.10.
    return [ssl.PEM_cert_to_DER_cert(c.public_bytes()) for c in connection._sslobj.get_unverified_chain()]
