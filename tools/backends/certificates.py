"""Certificates for tests of TLS, by trustme."""

import hashlib
import ssl
from pathlib import Path

import trustme
from cryptography.hazmat.primitives import serialization


class Authority:
    """A certificate authority, whose own certificate is `file`, PEM."""

    def __init__(self, folder: Path, name: str = "Test authority") -> None:
        """Make the authority's files. `name` is the organizational unit of its subject; two authorities may have the same."""
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._ca = trustme.CA(organization_unit_name=name)
        self.file = folder / "authority.pem"
        self._ca.cert_pem.write_to_path(self.file)

    def issue(self, name: str, *hosts: str) -> tuple[Path, Path]:
        """Issue a certificate for 127.0.0.1, or these hosts in its place. Return its file and its key's, PEM.

        The authority's certificate follows in the file, as Elasticsearch sends both. `name` is the common name.
        """
        issued = self._ca.issue_cert(*(hosts or ("127.0.0.1",)), common_name=name)
        certificate, key = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        certificate.write_bytes(b"".join(pem.bytes() for pem in (*issued.cert_chain_pems, self._ca.cert_pem)))
        issued.private_key_pem.write_to_path(key)
        return certificate, key


def encrypted(key: Path, password: str) -> Path:
    """Write a key in PEM again, encrypted with a password. Return the new file."""
    loaded = serialization.load_pem_private_key(key.read_bytes(), None)
    file = key.with_suffix(".encrypted")
    file.write_bytes(
        loaded.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(password.encode()),
        )
    )
    return file


def fingerprint(file: Path) -> str:
    """The SHA-256 of the first certificate in a PEM file, as Elasticsearch prints it: hexadecimal digits."""
    first, end, _ = file.read_text().partition("-----END CERTIFICATE-----")
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(first + end)).hexdigest()
