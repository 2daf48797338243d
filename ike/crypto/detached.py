"""Ed25519 over whole documents (RFC 8032): signs them, and verifies a signature that is kept apart from them.

It reads no file and draws no dice: keys come as PEM, and a new one is made of 32 bytes that come in.
"""

from dataclasses import dataclass, field
from hashlib import sha256

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from ike.errors import ConfigError


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """A public key; `digest` is the SHA-256 of its 32 raw bytes, in hex."""

    _key: Ed25519PublicKey = field(repr=False)

    @property
    def digest(self) -> str:
        """Name the key."""
        return sha256(self._key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()

    @property
    def pem(self) -> bytes:
        """Write the key as a SubjectPublicKeyInfo."""
        return self._key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Tell whether this key made the signature over the message."""
        try:
            self._key.verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key; it never shows itself but in `pem`, for the file that keeps it."""

    _key: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def of(cls, seed: bytes) -> "SigningKey":
        """Make a key of 32 random bytes."""
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    @property
    def public(self) -> VerifyingKey:
        """Give the key that verifies what this one signs."""
        return VerifyingKey(self._key.public_key())

    @property
    def digest(self) -> str:
        """Name the key as its public half is named."""
        return self.public.digest

    @property
    def pem(self) -> bytes:
        """Write the key as PKCS #8, not encrypted."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def sign(self, message: bytes) -> bytes:
        """Sign a message; the signature has 64 bytes."""
        return self._key.sign(message)


def load_verifying_key(pem: bytes) -> VerifyingKey:
    """Read a public key; ConfigError says in one clause why it cannot be used."""
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError("it holds no public key in PEM") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError("its key is no Ed25519 key")
    return VerifyingKey(key)


def load_signing_key(pem: bytes) -> SigningKey:
    """Read a private key that is not encrypted; ConfigError says in one clause why it cannot be used."""
    try:
        key = load_pem_private_key(pem, None)
    except TypeError as error:
        raise ConfigError("its key is encrypted; decrypt it first") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError("it holds no private key in PEM") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError("its key is no Ed25519 key")
    return SigningKey(key)
