"""A certificate authority, and servers with certificates that it signed."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Authority:
    """A certificate authority of the tests."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test CA")])
        self._certificate = self._signed(self._name, self._key.public_key(), None, days=9)
        self.trusted = ssl.create_default_context(
            cadata=self._certificate.public_bytes(serialization.Encoding.PEM).decode()
        )

    def server(self, *names: str, days: int = 9, own: bool = False) -> ssl.SSLContext:
        """The TLS of a server with a certificate for these names. `own`: signed by itself."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        signed = self._signed(subject, key.public_key(), names, days=days, key=key if own else None)
        file = self._folder / f"{names[0]}-{days}-{own}.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + signed.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _signed(
        self,
        subject: x509.Name,
        public: ec.EllipticCurvePublicKey,
        names: Sequence[str] | None,
        *,
        days: int,
        key: ec.EllipticCurvePrivateKey | None = None,
    ) -> x509.Certificate:
        ends = datetime.now(UTC) + timedelta(days=days)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name if key is None else subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(ends - timedelta(days=20))
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(ca=names is None, path_length=None), critical=True)
        )
        if names is not None:
            alternatives = [_name_of(each) for each in names]
            builder = builder.add_extension(
                x509.SubjectAlternativeName(alternatives), critical=False
            )
        return builder.sign(key or self._key, hashes.SHA256())


def _name_of(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
