"""Decides whether two identities are the same and whether a certificate carries one; it trusts nobody."""

import re
from collections.abc import Iterator

from cryptography import x509

from ike import distinguished
from ike.crypto.certificates import Certificate, CertificateError
from ike.distinguished import Attribute
from ike.errors import ConfigError, MalformedError
from ike.identity import Identity
from ike.registry import IdType


def match_identity(certificate: Certificate, wanted: Identity, allow_common_name: bool = False) -> None:
    """Refuse a certificate that does not carry the identity.

    Alternative names only, whole names only: a wildcard matches nothing. A DN is the subject. The common
    name counts for a host name if the policy allows it and the certificate has no alternative host name.
    """
    carried = list(_carried(certificate, allow_common_name))
    if any(same_identity(wanted, one) for one in carried):
        return
    shown = ", ".join(one.describe() for one in carried[:MAX_SHOWN])
    raise CertificateError(
        f"the certificate {certificate.title!r} is for {shown}, not for {wanted.describe()!r}", code="gateway.identity"
    )


def same_identity(one: Identity, other: Identity) -> bool:
    """Compare as each kind of identity wants it: host names without case, DNs without string types."""
    if one.kind != other.kind or not one.data:
        return False
    match one.kind:
        case IdType.FQDN:
            return one.data.lower() == other.data.lower()
        case IdType.RFC822_ADDR:
            return _mailbox(one.data) == _mailbox(other.data)
        case IdType.DER_ASN1_DN:
            return _same_name(one.data, other.data)
        case _:
            return one.data == other.data


def distinguished_name(text: str) -> Identity:
    """Read a DN as people and logs write it, "C=JP, O=Hospital, CN=gateway", in its encoded order."""
    try:
        name = x509.Name.from_rfc4514_string(SPACE_AFTER_COMMA.sub(",", text.strip()))
    except ValueError as error:
        raise ConfigError(f"{text!r} is not a distinguished name such as C=JP, O=Hospital, CN=gateway") from error
    if not name.rdns:
        raise ConfigError("a distinguished name needs at least one part")
    return Identity.dn(x509.Name(list(reversed(name.rdns))).public_bytes())


def _carried(certificate: Certificate, allow_common_name: bool) -> Iterator[Identity]:
    yield from (name for name in certificate.names if name.kind != IdType.FQDN or b"*" not in name.data)
    yield certificate.subject
    if allow_common_name and all(name.kind != IdType.FQDN for name in certificate.names):
        yield from (Identity(IdType.FQDN, name.encode()) for name in certificate.common_names if "*" not in name)


def _mailbox(address: bytes) -> tuple[bytes, bytes]:
    """Split an address; only its domain is free of case (RFC 5280 §7.5)."""
    local, _, domain = address.rpartition(b"@")
    return local, domain.lower()


def _same_name(one: bytes, other: bytes) -> bool:
    try:
        parts = _parts(one)
        return bool(parts) and parts == _parts(other)
    except MalformedError:
        return False


RelativeName = frozenset[tuple[bytes, str]]


def _parts(der: bytes) -> list[RelativeName]:
    """Take a DER name apart: (type, text) pairs, whatever string type carries the text (RFC 5280 §7.1)."""
    return [frozenset(map(_pair, relative)) for relative in distinguished.read(der)]


def _pair(attribute: Attribute) -> tuple[bytes, str]:
    if attribute.tag not in TEXT_CODECS:
        return attribute.kind, f"{attribute.tag:02x}:{attribute.value.hex()}"
    try:
        return attribute.kind, attribute.value.decode(TEXT_CODECS[attribute.tag])
    except UnicodeDecodeError as error:
        raise MalformedError("a name holds text that does not decode") from error


# Our choice
MAX_SHOWN = 4

# Fixed by X.690 and RFC 5280 §4.1.2.4
SPACE_AFTER_COMMA = re.compile(r"(?<!\\),\s+")
TEXT_CODECS = {0x0C: "utf-8", 0x13: "ascii", 0x16: "ascii", 0x14: "latin-1", 0x1E: "utf-16-be", 0x1C: "utf-32-be"}
