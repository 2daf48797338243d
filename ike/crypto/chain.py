"""Judges a certificate chain against the policy's own anchors at an instant; never knows the system's authorities.

OpenSSL builds the path and judges signatures, validity, CA flags, path lengths and name constraints. We add
what it does not look at: key sizes, weak hashes, and what the leaf and its issuers may be used for.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache

from OpenSSL import crypto as openssl

from ike.crypto.certificates import Certificate, CertificateError, decode
from ike.errors import ConfigError, PeerError
from ike.identity import Identity


class Role(Enum):
    """Whose certificate is judged; a client's may also be for clientAuth."""

    GATEWAY = "gateway"
    CLIENT = "client"


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain that holds: the leaf, its issuers up to the anchor, and when the first of them expires."""

    leaf: Certificate
    issuers: tuple[Certificate, ...]
    valid_until: float


def read_bag(bag: Sequence[bytes]) -> tuple[Certificate, ...]:
    """Read what the peer sent, its own certificate first; what cannot be read beside it is passed over.

    By RFC 7296 §3.6 the peer's own comes first, but bundles come in any order: it is the first that is no authority's.
    """
    if not bag:
        raise CertificateError("no certificate came", code="gateway.certificate.missing")
    if len(bag) > MAX_CERTIFICATES or sum(map(len, bag)) > MAX_OCTETS:
        raise CertificateError(f"more than {MAX_CERTIFICATES} certificates or {MAX_OCTETS} octets of them came")
    readable = tuple(_readable(bag))
    leaf = next((certificate for certificate in readable if not certificate.is_authority), None) or decode(bag[0])
    return leaf, *(certificate for certificate in readable if certificate.der != leaf.der)


def verify_chain(
    leaf: Certificate,
    others: Sequence[Certificate],
    anchors: Sequence[bytes],
    wall: float,
    role: Role = Role.GATEWAY,
) -> Chain:
    """Accept the leaf for signing an AUTH now, or say in CertificateError why not; `others` come in any order."""
    trusted = read_anchors(anchors)
    helpful = () if leaf in trusted else others
    known = {certificate.der: certificate for certificate in (leaf, *helpful, *trusted)}
    issuers = tuple(known.get(der) or decode(der) for der in _build(leaf, helpful, trusted, wall)[1:])
    _check_hashes(leaf, issuers, frozenset(anchors))
    _check_usage(leaf, issuers, frozenset(anchors), role)
    return Chain(leaf, issuers, min(certificate.not_after for certificate in (leaf, *issuers)))


def read_anchors(anchors: Sequence[bytes]) -> tuple[Certificate, ...]:
    """Read the policy's trust anchors; ConfigError if there is none or one cannot be used."""
    if not anchors:
        raise ConfigError("no trust anchor is given")
    try:
        return _decoded(tuple(anchors))
    except PeerError as error:
        raise ConfigError(f"a trust anchor cannot be used: {error.detail}") from error


@lru_cache(maxsize=8)  # a policy's anchors are the same at every connect
def _decoded(anchors: tuple[bytes, ...]) -> tuple[Certificate, ...]:
    return tuple(decode(anchor) for anchor in anchors)


def _build(
    leaf: Certificate, others: Sequence[Certificate], anchors: Sequence[Certificate], wall: float
) -> list[bytes]:
    """Let OpenSSL find the path; an anchor may be an intermediate, or the leaf itself."""
    store = openssl.X509Store()
    store.set_time(datetime.fromtimestamp(wall, UTC))
    store.set_flags(openssl.X509StoreFlags.PARTIAL_CHAIN)
    try:
        for anchor in anchors:
            store.add_cert(_openssl(anchor))
        path = openssl.X509StoreContext(store, _openssl(leaf), [_openssl(other) for other in others])
        found = path.get_verified_chain()
    except openssl.X509StoreContextError as error:
        raise _refusal(error) from error
    except openssl.Error as error:
        raise CertificateError("a certificate cannot be read") from error
    return [openssl.dump_certificate(openssl.FILETYPE_ASN1, certificate) for certificate in found]


def _openssl(certificate: Certificate) -> openssl.X509:
    return openssl.load_certificate(openssl.FILETYPE_ASN1, certificate.der)


def _refusal(error: openssl.X509StoreContextError) -> CertificateError:
    number, depth, _ = error.errors
    cause, clause = CAUSES.get(number, NO_PATH)
    subject = Identity.dn(error.certificate.to_cryptography().subject.public_bytes()).describe()
    whose = "the certificate" if depth == 0 else "the issuing certificate"
    return CertificateError(f"{whose} {subject!r} {clause}", code=f"gateway.certificate.{cause}")


def _readable(bag: Sequence[bytes]) -> Iterator[Certificate]:
    for der in bag:
        with suppress(PeerError):
            yield decode(der)


def _check_hashes(leaf: Certificate, issuers: Sequence[Certificate], anchors: frozenset[bytes]) -> None:
    for certificate in (leaf, *issuers):
        if certificate.der not in anchors and certificate.signature_hash in WEAK_HASHES:
            raise CertificateError(f"the certificate {certificate.title!r} is signed with a weak hash")


def _check_usage(leaf: Certificate, issuers: Sequence[Certificate], anchors: frozenset[bytes], role: Role) -> None:
    """Hold to RFC 4945 §5.1.3: digitalSignature, and a purpose that speaks of IKE, if there are any."""
    if leaf.is_authority:
        raise _misused(leaf, "is a certificate authority's")
    if not leaf.may_sign:
        raise _misused(leaf, "is not for digital signatures")
    for certificate in (leaf, *issuers):
        purposes = certificate.purposes
        if purposes is not None and certificate.der not in anchors - {leaf.der} and not purposes & PURPOSES[role]:
            raise _misused(certificate, f"is not for a VPN {role.value}")


def _misused(certificate: Certificate, why: str) -> CertificateError:
    return CertificateError(f"the certificate {certificate.title!r} {why}", code="gateway.certificate.usage")


# Fixed by RFC 5280 §4.2.1.12, RFC 4945 §5.1.3.12
SERVER_AUTH, CLIENT_AUTH = "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"
IPSEC_IKE, IKE_INTERMEDIATE = "1.3.6.1.5.5.7.3.17", "1.3.6.1.5.5.8.2.2"
ANY_PURPOSE = "2.5.29.37.0"

# OpenSSL's X509_V_ERR_ numbers (X509_STORE_CTX_get_error)
CAUSES = {
    7: ("untrusted", "is not signed by the authority that it names"),
    9: ("not_yet_valid", "is not valid yet"),
    10: ("expired", "has expired"),
    25: ("usage", "stands deeper below an authority than that one allows"),
    32: ("usage", "may not sign certificates"),
    34: ("usage", "has a critical extension that is not understood"),
    47: ("usage", "bears a name that an authority above it may not certify"),
    48: ("usage", "bears a name that an authority above it may not certify"),
    51: ("usage", "stands below a name constraint that is not understood"),
    52: ("usage", "stands below a name constraint that is not understood"),
    53: ("usage", "stands below a name constraint that is not understood"),
    79: ("usage", "is not a certificate authority's"),
}
NO_PATH = ("untrusted", "does not lead to a trust anchor of the policy")

# Our choices
MAX_CERTIFICATES = 16
MAX_OCTETS = 64 * 1024
WEAK_HASHES = frozenset({"md5", "sha1", "sha224"})
PURPOSES = {
    Role.GATEWAY: frozenset({SERVER_AUTH, IPSEC_IKE, IKE_INTERMEDIATE, ANY_PURPOSE}),
    Role.CLIENT: frozenset({CLIENT_AUTH, SERVER_AUTH, IPSEC_IKE, IKE_INTERMEDIATE, ANY_PURPOSE}),
}
