"""Trust over TLS: by a file of authorities' certificates, or by the fingerprint of one certificate."""

import asyncio
import hashlib
import ssl
from typing import Any
from urllib.parse import urlsplit

from servers.common.backend import BackendError
from servers.common.http.tls import file_stamp
from servers.elasticsearch.settings import ElasticsearchSettings, key_problem, load_client_certificate


class Trust:
    """Makes TLS contexts from the settings' files, which may be replaced while the server runs."""

    def __init__(self, settings: ElasticsearchSettings) -> None:
        self._settings = settings
        self._made_of: tuple[Any, ...] | None = None
        self._context: ssl.SSLContext | None = None
        self._anchor: bytes | None = None
        self._lock = asyncio.Lock()

    async def context(self, url: str, timeout: float) -> ssl.SSLContext:
        """Return the context of what the files hold now. It is the same object as long as they do not change.

        The node at the URL is asked for its certificates if they are known by a fingerprint. Raise OSError (TimeoutError after so
        many seconds) if it can't be reached, and BackendError if no certificate has the fingerprint or the files can't be used.
        """
        async with self._lock:
            try:
                stamp = file_stamp(self._settings.ca_file, self._settings.client_certificate, self._settings.client_key)
            except OSError:
                stamp = None  # a file is gone: the new context's error names it
            if self._context is None or stamp != self._made_of:
                self._context, self._made_of = await self._new_context(url, timeout), stamp
            return self._context

    async def _new_context(self, url: str, timeout: float) -> ssl.SSLContext:
        context = await self._by_fingerprint(url, timeout) if self._settings.ca_fingerprint else self._by_authority()
        context.set_alpn_protocols(["http/1.1"])
        try:
            load_client_certificate(context, self._settings)
        except (OSError, ValueError) as error:
            raise BackendError(f"ES_CLIENT_CERT_FILE or ES_CLIENT_KEY_FILE: {key_problem(error)}") from None
        return context

    def _by_authority(self) -> ssl.SSLContext:
        file = self._settings.ca_file
        try:
            return ssl.create_default_context(cafile=file)
        except ssl.SSLError:
            raise BackendError(f"ES_CA_FILE: '{file}' no longer holds certificates in PEM") from None
        except OSError as error:
            raise BackendError(f"ES_CA_FILE: '{file}' can no longer be read: {error.strerror}") from None

    async def _by_fingerprint(self, url: str, timeout: float) -> ssl.SSLContext:
        """Return a context that trusts the certificate with the fingerprint, and whatever it signed.

        Elasticsearch prints the fingerprint of the authority that it makes at its first start, and sends that authority's
        certificate along with its own. Finding it among the certificates of a handshake proves nothing, because anybody may send
        it. So a first connection, over which nothing is sent, only learns the certificate. Each later connection is verified
        against it. Names are not compared, as in Elasticsearch's own clients: the authority signs for the cluster's nodes alone,
        and these do not know by which names they are reached.
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
            "ES_CA_FINGERPRINT: check it, and any proxy in between"
        )


def _shown(connection: Any) -> list[bytes]:
    """Return the certificates that the other side sent, DER, its own first."""
    if hasattr(connection, "get_unverified_chain"):
        return list(connection.get_unverified_chain())
    # Python has no public way to them before 3.13.
    return [ssl.PEM_cert_to_DER_cert(c.public_bytes()) for c in connection._sslobj.get_unverified_chain()]
