"""Makes the certificate authorities, leaves and keys that tests need; never used outside tests.

root = Authority.create("Hospital Root")
middle = root.intermediate("Hospital Issuing")
gateway = middle.issue("gw.hospital.test")           # SAN guessed: address, e-mail or host name
gateway.der, gateway.pem, gateway.key_pem, gateway.chain
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, NoEncryption, PrivateFormat

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

CURVES: dict[str, type[ec.EllipticCurve]] = {
    "ecdsa-p256": ec.SECP256R1,
    "ecdsa-p384": ec.SECP384R1,
    "ecdsa-p521": ec.SECP521R1,
}
USAGES = {
    "serverAuth": "1.3.6.1.5.5.7.3.1",
    "clientAuth": "1.3.6.1.5.5.7.3.2",
    "emailProtection": "1.3.6.1.5.5.7.3.4",
    "ipsecIKE": "1.3.6.1.5.5.7.3.17",
    "ikeIntermediate": "1.3.6.1.5.5.8.2.2",
    "any": "2.5.29.37.0",
}
FROM = datetime(2025, 1, 1, tzinfo=UTC)
UNTIL = datetime(2040, 1, 1, tzinfo=UTC)
WALL = datetime(2026, 6, 1, tzinfo=UTC).timestamp()  # an instant inside the default validity


def new_key(kind: str) -> PrivateKey:
    """Make a private key: ecdsa-p256, ecdsa-p384, ecdsa-p521, ed25519 or rsa-BITS."""
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind.startswith("rsa-"):
        return rsa.generate_private_key(public_exponent=65537, key_size=int(kind.removeprefix("rsa-")))
    return ec.generate_private_key(CURVES[kind]())


def general_name(text: str | x509.GeneralName) -> x509.GeneralName:
    """Guess what kind of alternative name the text is: address, e-mail or host name."""
    if isinstance(text, x509.GeneralName):
        return text
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.RFC822Name(text) if "@" in text else x509.DNSName(text)


def common_name(text: str) -> x509.Name:
    """Name a subject by its CN alone."""
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


@dataclass(frozen=True)
class Issued:
    """A leaf with its key; `chain` holds the intermediates above it, nearest first, without the root."""

    certificate: x509.Certificate
    key: PrivateKey
    chain: tuple[bytes, ...]

    @cached_property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @cached_property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @cached_property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(serialization.Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def locked_key_pem(self, password: bytes) -> bytes:
        """Write the key encrypted with a password."""
        encryption = BestAvailableEncryption(password)
        return self.key.private_bytes(serialization.Encoding.PEM, PrivateFormat.PKCS8, encryption)


@dataclass(frozen=True)
class Authority:
    """A certificate authority: a root, or an intermediate below one."""

    certificate: x509.Certificate
    key: PrivateKey
    chain: tuple[bytes, ...] = ()  # itself and the intermediates above it; empty for a root

    @classmethod
    def create(
        cls, name: str, key: str | PrivateKey = "ecdsa-p384", not_before: datetime = FROM, not_after: datetime = UNTIL
    ) -> "Authority":
        """Make a self-signed root."""
        own = new_key(key) if isinstance(key, str) else key
        builder = _authority_builder(common_name(name), own, not_before, not_after, None, None)
        return cls(_sign(builder.issuer_name(common_name(name)), own), own)

    def intermediate(
        self,
        name: str,
        key: str | PrivateKey = "ecdsa-p384",
        not_before: datetime = FROM,
        not_after: datetime = UNTIL,
        path_length: int | None = None,
        permitted: Iterable[str] = (),
        is_ca: bool = True,
    ) -> "Authority":
        """Make an authority below this one; `permitted` names become critical name constraints."""
        own = new_key(key) if isinstance(key, str) else key
        names = [x509.DNSName(name) for name in permitted]
        limits = x509.NameConstraints(permitted_subtrees=names, excluded_subtrees=None) if names else None
        builder = _authority_builder(common_name(name), own, not_before, not_after, path_length, limits, is_ca)
        certificate = _sign(self._below(builder), self.key)
        return Authority(certificate, own, (certificate.public_bytes(serialization.Encoding.DER), *self.chain))

    def issue(
        self,
        *names: str | x509.GeneralName,
        eku: Iterable[str] = ("serverAuth",),
        not_before: datetime = FROM,
        not_after: datetime = UNTIL,
        key: str | PrivateKey = "ecdsa-p384",
        subject: str | x509.Name | None = None,
        key_usage: str | None = "digital_signature",
        is_ca: bool = False,
    ) -> Issued:
        """Issue a leaf for the names (first one is the subject's CN unless `subject` says otherwise).

        `eku=()` leaves extended key usage out, `key_usage=None` key usage.
        """
        own = new_key(key) if isinstance(key, str) else key
        shown = subject if subject is not None else str(getattr(names[0], "value", names[0]))
        holder = common_name(shown) if isinstance(shown, str) else shown
        builder = _builder(holder, own, not_before, not_after)
        builder = builder.add_extension(x509.BasicConstraints(is_ca, None), critical=True)
        if names:
            alternatives = x509.SubjectAlternativeName([general_name(name) for name in names])
            builder = builder.add_extension(alternatives, critical=False)
        if purposes := [x509.ObjectIdentifier(USAGES.get(name, name)) for name in eku]:
            builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        if key_usage is not None:
            builder = builder.add_extension(_key_usage(key_usage), critical=True)
        return Issued(_sign(self._below(builder), self.key), own, self.chain)

    @cached_property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @cached_property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def as_leaf(self) -> Issued:
        """Misuse the authority's own certificate as a leaf."""
        return Issued(self.certificate, self.key, self.chain[1:])

    def _below(self, builder: x509.CertificateBuilder) -> x509.CertificateBuilder:
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        return builder.issuer_name(self.certificate.subject).add_extension(identifier, critical=False)


def _builder(name: x509.Name, key: PrivateKey, not_before: datetime, not_after: datetime) -> x509.CertificateBuilder:
    public = key.public_key()
    builder = x509.CertificateBuilder().subject_name(name).public_key(public)
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(not_before).not_valid_after(not_after)
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)


def _authority_builder(
    name: x509.Name,
    key: PrivateKey,
    not_before: datetime,
    not_after: datetime,
    path_length: int | None,
    limits: x509.NameConstraints | None,
    is_ca: bool = True,
) -> x509.CertificateBuilder:
    builder = _builder(name, key, not_before, not_after)
    builder = builder.add_extension(x509.BasicConstraints(is_ca, path_length), critical=True)
    builder = builder.add_extension(_key_usage("key_cert_sign", "crl_sign"), critical=True)
    return builder if limits is None else builder.add_extension(limits, critical=True)


def _key_usage(*wanted: str) -> x509.KeyUsage:
    every = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: name in wanted for name in every})


def _sign(builder: x509.CertificateBuilder, signer: PrivateKey) -> x509.Certificate:
    if isinstance(signer, ed25519.Ed25519PrivateKey):
        return builder.sign(signer, None)
    return builder.sign(signer, hashes.SHA384() if isinstance(signer, ec.EllipticCurvePrivateKey) else hashes.SHA256())
