"""Verifies signatures, and signs with a key from a file; never prints a private key.

RSA-PSS salts and ECDSA nonces are the library's own: the named exceptions to the dice.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ike.crypto.scheme import Family, SignatureScheme
from ike.errors import ConfigError, PeerError
from ike.registry import HashAlgorithm, NotifyType

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def verify(key: PublicKey, scheme: SignatureScheme, data: bytes, signature: bytes) -> None:
    """Refuse, with PeerError, a signature that the key did not make over the data."""
    try:
        fits = _verify(key, scheme, data, signature)
    except (InvalidSignature, ValueError, UnsupportedAlgorithm) as error:
        raise _refused("the signature is not by the certificate's key") from error
    if not fits:
        raise _refused(f"the certificate's key cannot make {scheme.family.value} signatures")


def _verify(key: PublicKey, scheme: SignatureScheme, data: bytes, signature: bytes) -> bool:
    match key, scheme.family:
        case ec.EllipticCurvePublicKey(), Family.ECDSA:
            key.verify(signature, data, ec.ECDSA(HASHES[scheme.hash]))
        case rsa.RSAPublicKey(), Family.RSA_PSS | Family.RSA_PKCS1:
            key.verify(signature, data, _padding(scheme), HASHES[scheme.hash])
        case ed25519.Ed25519PublicKey(), Family.ED25519:
            key.verify(signature, data)
        case _:
            return False
    return True


def curve_of(key: PublicKey) -> SignatureScheme | None:
    """Give the ECDSA scheme whose hash belongs to the key's curve (RFC 4754 §3), None for other keys."""
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return None
    return SignatureScheme((Family.ECDSA, CURVE_HASHES[key.curve.name]))


def raw_to_der(raw: bytes, coordinate: int) -> bytes:
    """Turn r||s of RFC 4754 §3 into the DER that verifying takes."""
    if len(raw) != 2 * coordinate:
        raise _refused(f"the signature has {len(raw)} octets, not {2 * coordinate}")
    return encode_dss_signature(int.from_bytes(raw[:coordinate]), int.from_bytes(raw[coordinate:]))


def raw_from_der(signature: bytes, coordinate: int) -> bytes:
    """Turn our own DER signature into r||s of RFC 4754 §3."""
    try:
        return b"".join(number.to_bytes(coordinate) for number in decode_dss_signature(signature))
    except (ValueError, OverflowError) as error:
        raise ConfigError("the signature that our key made is not an ECDSA one") from error


def acceptable(key: object) -> PublicKey:
    """Give back a public key that we accept in a certificate, or say in ValueError what is wrong with it."""
    match key:
        case ec.EllipticCurvePublicKey() if key.curve.name in CURVE_HASHES:
            return key
        case ed25519.Ed25519PublicKey():
            return key
        case rsa.RSAPublicKey():
            exponent = key.public_numbers().e
            if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
                raise ValueError(f"its RSA key has {key.key_size} bits, not {MIN_RSA_BITS} to {MAX_RSA_BITS}")
            if not MIN_RSA_EXPONENT <= exponent <= MAX_RSA_EXPONENT:
                raise ValueError("its RSA key has a strange exponent")
            return key
        case _:
            raise ValueError("its key is of a kind that is not accepted")


@dataclass(frozen=True, slots=True)
class FileKey:
    """A private key read from a file; it signs, and never shows itself."""

    _key: PrivateKey = field(repr=False)

    def schemes(self, accepted: Collection[int] | None = None) -> tuple[SignatureScheme, ...]:
        """List what this key can sign with, best first, within the peer's SIGNATURE_HASH_ALGORITHMS if given."""
        own = tuple(_own_schemes(self._key))
        return own if accepted is None else tuple(scheme for scheme in own if scheme.hash in accepted)

    def sign(self, scheme: SignatureScheme, data: bytes) -> bytes:
        """Sign; ECDSA signatures come as DER (RFC 7427 §3)."""
        match self._key, scheme.family:
            case ec.EllipticCurvePrivateKey() as key, Family.ECDSA:
                return key.sign(data, ec.ECDSA(HASHES[scheme.hash]))
            case rsa.RSAPrivateKey() as key, Family.RSA_PSS | Family.RSA_PKCS1:
                return key.sign(data, _padding(scheme), HASHES[scheme.hash])
            case ed25519.Ed25519PrivateKey() as key, Family.ED25519:
                return key.sign(data)
            case _:
                raise ConfigError(f"this key cannot make {scheme.family.value} signatures")

    def matches(self, public: PublicKey) -> bool:
        """Tell whether the public key of a certificate is this key's."""
        return self._key.public_key() == public


def load_private_key(pem: bytes, password: bytes | None = None) -> FileKey:
    """Read a private key in PEM; ConfigError says in one sentence why it cannot be used."""
    if b"-----BEGIN " not in pem:
        raise ConfigError("the private key is not a PEM file")
    try:
        key = load_pem_private_key(pem, password)
    except TypeError as error:
        wanted = (
            "is encrypted and needs a password" if password is None else "is not encrypted, yet a password is given"
        )
        raise ConfigError(f"the private key {wanted}") from error
    except UnsupportedAlgorithm as error:
        raise ConfigError("the private key is of a kind that is not supported") from error
    except ValueError as error:
        reason = "is damaged" if password is None else "is damaged or its password is wrong"
        raise ConfigError(f"the private key {reason}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
        raise ConfigError("the private key is of a kind that is not supported")
    try:
        acceptable(key.public_key())
    except ValueError as error:
        raise ConfigError(f"the private key cannot be used: {error}") from error
    return FileKey(key)


def _own_schemes(key: PrivateKey) -> list[SignatureScheme]:
    match key:
        case ec.EllipticCurvePrivateKey():
            ecdsa = (scheme for scheme in SignatureScheme if scheme.family is Family.ECDSA)
            return sorted(ecdsa, key=lambda scheme: scheme is not curve_of(key.public_key()))
        case rsa.RSAPrivateKey():
            return [scheme for scheme in SignatureScheme if scheme.family in (Family.RSA_PSS, Family.RSA_PKCS1)]
        case _:
            return [SignatureScheme.ED25519]


def _refused(detail: str) -> PeerError:
    return PeerError(detail, code="gateway.signature", notify=NotifyType.AUTHENTICATION_FAILED)


def _padding(scheme: SignatureScheme) -> padding.AsymmetricPadding:
    if scheme.family is Family.RSA_PKCS1:
        return padding.PKCS1v15()
    return padding.PSS(padding.MGF1(HASHES[scheme.hash]), padding.PSS.DIGEST_LENGTH)


# Our choices: a hash per curve as in RFC 4754 §3
HASHES: dict[int, hashes.HashAlgorithm] = {
    HashAlgorithm.SHA2_256: hashes.SHA256(),
    HashAlgorithm.SHA2_384: hashes.SHA384(),
    HashAlgorithm.SHA2_512: hashes.SHA512(),
}
CURVE_HASHES: dict[str, HashAlgorithm] = {
    ec.SECP256R1.name: HashAlgorithm.SHA2_256,
    ec.SECP384R1.name: HashAlgorithm.SHA2_384,
    ec.SECP521R1.name: HashAlgorithm.SHA2_512,
}
MIN_RSA_BITS, MAX_RSA_BITS = 2048, 8192
MIN_RSA_EXPONENT, MAX_RSA_EXPONENT = 65537, 2**64 - 1  # a longer one only makes verifying slow
