"""Certificates for tests of TLS."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


class Authority:
    """An authority of its own, whose certificate is `file`, PEM."""

    def __init__(self, folder: Path, name: str = "Test authority") -> None:
        """
        Args:
            folder: to write to; made where it is not there
            name: the common name; two may have the same
        """
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = _name(name)
        self.certificate = _signed(self._subject, self._key, self._subject, self._key, ca=True)
        self.file = folder / "authority.pem"
        self.file.write_bytes(_pem(self.certificate))

    def issue(self, name: str) -> tuple[Path, Path]:
        """A certificate for 127.0.0.1 and its key, PEM; the authority's follows in its file, as Elasticsearch sends both.

        Args:
            name: the common name
        """
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _signed(_name(name), key, self._subject, self._key, ca=False)
        return _write(self._folder / f"{name}.pem", _pem(certificate) + _pem(self.certificate), key)


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256, as Elasticsearch prints it: hexadecimal digits."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def self_signed(folder: Path, name: str) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, which is its own authority, and its key.

    Args:
        folder: to write to
        name: the common name

    Returns:
        the files of the certificate and of the key, PEM.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(name)
    return _write(folder / "ca.pem", _pem(_signed(subject, key, subject, key, ca=True)), key)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)])


def _signed(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    issuers: ec.EllipticCurvePrivateKey,
    *,
    ca: bool,
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), True)
        .sign(issuers, hashes.SHA256())
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write(file: Path, certificates: bytes, key: ec.EllipticCurvePrivateKey) -> tuple[Path, Path]:
    key_file = file.with_name("key.pem" if file.name == "ca.pem" else f"{file.stem}.key")
    file.write_bytes(certificates)
    private = serialization.PrivateFormat.PKCS8
    key_file.write_bytes(key.private_bytes(serialization.Encoding.PEM, private, serialization.NoEncryption()))
    return file, key_file
