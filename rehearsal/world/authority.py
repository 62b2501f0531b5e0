"""The certificate authority of a world: what its public trusts."""

import datetime as dt
import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Issued:
    """A certificate with its key, both PEM; the chain starts with the leaf."""

    chain: bytes
    key: bytes


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def self_signed(name: str, *, common_name: str = "") -> Issued:
    """Return a self-signed certificate, as Mailcow ships one ("snake oil").

    Args:
        name: The name it is for.
        common_name: Name of its subject, where it is another one.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_name(common_name or name))
        .issuer_name(_name(common_name or name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + 365 * _DAY)
        .add_extension(x509.SubjectAlternativeName([_alternative(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Issued(certificate.public_bytes(serialization.Encoding.PEM), _private(key))


class CertificateAuthority:
    """Issues certificates for the names of the rehearsed internet; kept in the world's folder."""

    def __init__(self, folder: Path) -> None:
        """Read the authority kept in `folder`, or make one there."""
        self.bundle = folder / "authority.pem"
        key_file = folder / "authority.key"
        if not key_file.exists():
            folder.mkdir(parents=True, exist_ok=True)
            self._make(key_file)
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            msg = f"{key_file} does not hold an elliptic-curve key"
            raise TypeError(msg)
        self._key = key
        self._certificate = x509.load_pem_x509_certificate(self.bundle.read_bytes())

    def _make(self, key_file: Path) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        now = dt.datetime.now(dt.UTC)
        usage = x509.KeyUsage(
            digital_signature=True, content_commitment=False, key_encipherment=False,
            data_encipherment=False, key_agreement=False, key_cert_sign=True, crl_sign=True,
            encipher_only=False, decipher_only=False,
        )  # fmt: skip
        certificate = (
            x509.CertificateBuilder()
            .subject_name(_name("Rehearsal authority"))
            .issuer_name(_name("Rehearsal authority"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _DAY)
            .not_valid_after(now + 3650 * _DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .sign(key, hashes.SHA256())
        )
        self.bundle.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        key_file.touch(mode=0o600)
        key_file.write_bytes(_private(key))

    def issue(self, names: Sequence[str], *, days: float = 90) -> Issued:
        """Issue a certificate for `names` (host names or addresses), valid for `days` days.

        A negative number gives one that has expired.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        now = dt.datetime.now(dt.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(_name(names[0]))
            .issuer_name(self._certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 120 * _DAY)
            .not_valid_after(now + days * _DAY)
            .add_extension(
                x509.SubjectAlternativeName([_alternative(name) for name in names]), critical=False
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        chain = certificate.public_bytes(serialization.Encoding.PEM) + self.bundle.read_bytes()
        return Issued(chain, _private(key))

    def server_context(self, names: Sequence[str], folder: Path) -> ssl.SSLContext:
        """Return a TLS context for a server that answers for `names`; its key lies in `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        issued = self.issue(names)
        chain, key = folder / f"{names[0]}.pem", folder / f"{names[0]}.key"
        chain.write_bytes(issued.chain)
        key.touch(mode=0o600)
        key.write_bytes(issued.key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, key)
        return context

    def client_context(self) -> ssl.SSLContext:
        """Return a TLS context that trusts this authority and nothing else."""
        return ssl.create_default_context(cafile=str(self.bundle))
