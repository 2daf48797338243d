"""Names of signature schemes: our own, and the octets that stand for them on the wire; never touches a key."""

from enum import Enum

from ike.errors import PeerError
from ike.registry import HashAlgorithm, NotifyType


class Family(Enum):
    """The kinds of signature; RSA has two paddings."""

    ECDSA = "ECDSA"
    RSA_PSS = "RSA-PSS"
    RSA_PKCS1 = "RSA PKCS#1 v1.5"
    ED25519 = "Ed25519"


class SignatureScheme(Enum):
    """What a signature is made with: the family, and the hash by its number in SIGNATURE_HASH_ALGORITHMS."""

    ECDSA_SHA256 = (Family.ECDSA, HashAlgorithm.SHA2_256)
    ECDSA_SHA384 = (Family.ECDSA, HashAlgorithm.SHA2_384)
    ECDSA_SHA512 = (Family.ECDSA, HashAlgorithm.SHA2_512)
    RSA_PSS_SHA256 = (Family.RSA_PSS, HashAlgorithm.SHA2_256)
    RSA_PSS_SHA384 = (Family.RSA_PSS, HashAlgorithm.SHA2_384)
    RSA_PSS_SHA512 = (Family.RSA_PSS, HashAlgorithm.SHA2_512)
    RSA_PKCS1_SHA256 = (Family.RSA_PKCS1, HashAlgorithm.SHA2_256)
    RSA_PKCS1_SHA384 = (Family.RSA_PKCS1, HashAlgorithm.SHA2_384)
    RSA_PKCS1_SHA512 = (Family.RSA_PKCS1, HashAlgorithm.SHA2_512)
    ED25519 = (Family.ED25519, HashAlgorithm.IDENTITY)

    @property
    def family(self) -> Family:
        """The kind of key and padding."""
        return self.value[0]

    @property
    def hash(self) -> HashAlgorithm:
        """The number in SIGNATURE_HASH_ALGORITHMS that allows this scheme (RFC 7427 §4, RFC 8420 §2)."""
        return self.value[1]

    @property
    def words(self) -> str:
        """The scheme for people and logs."""
        if self is SignatureScheme.ED25519:
            return self.family.value
        return f"{self.family.value} with SHA-{8 * DIGEST_SIZES[self.hash]}"

    @property
    def identifier(self) -> bytes:
        """The AlgorithmIdentifier we write (RFC 7427 §3)."""
        return IDENTIFIERS[self][0]

    @classmethod
    def of_identifier(cls, identifier: bytes) -> "SignatureScheme":
        """Read an AlgorithmIdentifier; only the exact octets of a known one are understood."""
        scheme = SCHEMES.get(identifier)
        if scheme is None:
            raise PeerError(
                "the signature is of a kind that is not accepted",
                code="gateway.signature",
                notify=NotifyType.AUTHENTICATION_FAILED,
            )
        return scheme


def der(tag: int, *parts: bytes) -> bytes:
    """Write one DER element of at most 127 octets, as all of ours are."""
    body = b"".join(parts)
    return bytes([tag, len(body)]) + body


def _spellings(scheme: SignatureScheme) -> tuple[bytes, ...]:
    """List the AlgorithmIdentifiers that mean a scheme, the one we write first (RFC 7427 Appendix A)."""
    match scheme.family:
        case Family.ECDSA:
            return (der(SEQUENCE, der(OID, ECDSA_WITH_SHA2 + LAST_ARCS[scheme.hash][0])),)
        case Family.RSA_PKCS1:
            kind = der(OID, PKCS1 + LAST_ARCS[scheme.hash][1])
            return der(SEQUENCE, kind, NULL), der(SEQUENCE, kind)
        case Family.RSA_PSS:
            return tuple(_pss(scheme.hash, *spelling) for spelling in PSS_SPELLINGS)
        case Family.ED25519:
            return (der(SEQUENCE, der(OID, ED25519_OID)),)


def _pss(hash_number: HashAlgorithm, null: bytes, mask_null: bytes, trailer: bytes) -> bytes:
    """Write RSASSA-PSS-params: hash, MGF1 of the same hash, salt as long as the hash (RFC 4055 §3.1)."""
    digest = der(OID, SHA2 + LAST_ARCS[hash_number][2])
    mask = der(SEQUENCE, der(OID, PKCS1 + MGF1_ARC), der(SEQUENCE, digest, mask_null))
    salt = der(INTEGER, bytes([DIGEST_SIZES[hash_number]]))
    parameters = (der(CONTEXT_0, der(SEQUENCE, digest, null)), der(CONTEXT_1, mask), der(CONTEXT_2, salt), trailer)
    return der(SEQUENCE, der(OID, PKCS1 + PSS_ARC), der(SEQUENCE, *parameters))


# Fixed by X.690, RFC 3279, RFC 4055, RFC 5758, RFC 8410
SEQUENCE, OID, INTEGER, NULL = 0x30, 0x06, 0x02, b"\x05\x00"
CONTEXT_0, CONTEXT_1, CONTEXT_2, CONTEXT_3 = 0xA0, 0xA1, 0xA2, 0xA3
ECDSA_WITH_SHA2 = bytes.fromhex("2a8648ce3d0403")
PKCS1 = bytes.fromhex("2a864886f70d0101")
SHA2 = bytes.fromhex("6086480165030402")
ED25519_OID = bytes.fromhex("2b6570")
PSS_ARC, MGF1_ARC = b"\x0a", b"\x08"
LAST_ARCS = {  # of ecdsa-with-SHA2, shaWithRSAEncryption, and the hash itself
    HashAlgorithm.SHA2_256: (b"\x02", b"\x0b", b"\x01"),
    HashAlgorithm.SHA2_384: (b"\x03", b"\x0c", b"\x02"),
    HashAlgorithm.SHA2_512: (b"\x04", b"\x0d", b"\x03"),
}
DIGEST_SIZES = {HashAlgorithm.SHA2_256: 32, HashAlgorithm.SHA2_384: 48, HashAlgorithm.SHA2_512: 64}
TRAILER = der(CONTEXT_3, der(INTEGER, b"\x01"))
PSS_SPELLINGS = tuple(  # NULL may be left out (RFC 4055 §2.1), the default trailer field may be spelt out
    (null, mask_null, trailer) for trailer in (b"", TRAILER) for null in (NULL, b"") for mask_null in (NULL, b"")
)
IDENTIFIERS = {scheme: _spellings(scheme) for scheme in SignatureScheme}
SCHEMES = {spelling: scheme for scheme, spellings in IDENTIFIERS.items() for spelling in spellings}
