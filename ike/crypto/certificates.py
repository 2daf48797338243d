"""Reads one X.509 certificate into a value; never says whether it is to be trusted."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import TypeVar
from warnings import catch_warnings

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.utils import CryptographyDeprecationWarning

from ike.crypto.prf import sha1, sha256
from ike.crypto.signature import PublicKey, acceptable
from ike.errors import ConfigError, PeerError
from ike.identity import Identity
from ike.registry import IdType, NotifyType

Extension = TypeVar("Extension", bound=x509.ExtensionType)


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a certificate says. Times are seconds since 1970; `names` are its alternative names, in order."""

    der: bytes = field(repr=False)
    sha256: str
    key: PublicKey = field(repr=False)
    subject: Identity
    common_names: tuple[str, ...]
    names: tuple[Identity, ...]
    not_before: float
    not_after: float
    is_authority: bool
    may_sign: bool
    purposes: frozenset[str] | None  # None: no extended key usage, so every purpose
    signature_hash: str | None  # None: the scheme has its own

    @property
    def title(self) -> str:
        """How to call it in a sentence."""
        return self.subject.describe() or "without a subject"

    @property
    def key_hash(self) -> bytes:
        """SHA-1 of its SubjectPublicKeyInfo, by which CERTREQ names an authority (RFC 7296 §3.7)."""
        return sha1(self.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def decode(der: bytes) -> Certificate:
    """Read a certificate; anything unreadable or with an unacceptable key is one PeerError."""
    if len(der) > MAX_SIZE:
        raise CertificateError(f"a certificate has {len(der)} octets, more than {MAX_SIZE}")
    try:
        with catch_warnings(action="ignore", category=CryptographyDeprecationWarning):  # a serial number of 0
            return _decode(x509.load_der_x509_certificate(der))
    except UNREADABLE as error:
        raise CertificateError("a certificate cannot be read") from error


class CertificateError(PeerError):
    """The peer's certificate does not prove what it should (RFC 7296 §2.21.2 says how to tell the peer)."""

    code = "gateway.certificate.untrusted"

    def __init__(self, detail: str, *, code: str | None = None) -> None:
        super().__init__(detail, code=code, notify=NotifyType.AUTHENTICATION_FAILED)


def read_pem(pem: bytes) -> tuple[bytes, ...]:
    """Read every certificate of a PEM file as DER, in order; ConfigError if there is none."""
    try:
        found = x509.load_pem_x509_certificates(pem)
    except UNREADABLE as error:
        raise ConfigError("the certificate file is not readable PEM") from error
    return tuple(certificate.public_bytes(Encoding.DER) for certificate in found)


def _decode(found: x509.Certificate) -> Certificate:
    extensions = found.extensions
    constraints = _extension(extensions, x509.BasicConstraints)
    usage = _extension(extensions, x509.KeyUsage)
    purposes = _extension(extensions, x509.ExtendedKeyUsage)
    alternatives = _extension(extensions, x509.SubjectAlternativeName)
    der = found.public_bytes(Encoding.DER)
    return Certificate(
        der=der,
        sha256=sha256(der).hex(),
        key=_key(found),
        subject=Identity.dn(found.subject.public_bytes()),
        common_names=tuple(_common_names(found.subject)),
        names=tuple(_names(alternatives or ())),
        not_before=found.not_valid_before_utc.timestamp(),
        not_after=found.not_valid_after_utc.timestamp(),
        is_authority=constraints is not None and constraints.ca,
        may_sign=usage is None or usage.digital_signature,
        purposes=None if purposes is None else frozenset(purpose.dotted_string for purpose in purposes),
        signature_hash=found.signature_hash_algorithm.name if found.signature_hash_algorithm else None,
    )


def _extension(extensions: x509.Extensions, kind: type[Extension]) -> Extension | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _key(found: x509.Certificate) -> PublicKey:
    try:
        return acceptable(found.public_key())
    except ValueError as error:
        raise CertificateError(f"a certificate is not accepted: {error}") from error


def _common_names(subject: x509.Name) -> Iterator[str]:
    for attribute in subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME):
        if isinstance(attribute.value, str):
            yield attribute.value


def _names(alternatives: Iterable[x509.GeneralName]) -> Iterator[Identity]:
    """Turn alternative names into identities; kinds that IKE cannot ask for are left out (RFC 4945 §3.1)."""
    for name in alternatives:
        match name:
            case x509.DNSName():
                yield Identity(IdType.FQDN, name.value.encode())
            case x509.RFC822Name():
                yield Identity(IdType.RFC822_ADDR, name.value.encode())
            case x509.IPAddress(value=IPv4Address() | IPv6Address() as address):
                yield Identity.address(address)
            case x509.DirectoryName():
                yield Identity.dn(name.value.public_bytes())


# Our choices
MAX_SIZE = 64 * 1024
UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
