"""Seals and opens the Encrypted payload, by AEAD or by CBC with HMAC; never invents an IV and never pads by itself."""

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from ike.errors import ConfigError, PeerError
from ike.proposal import Transform
from ike.registry import Encr, Integ


class IntegrityError(PeerError):
    """The sealed octets were not made with our key: damaged on the path, or forged."""


class Box(Protocol):
    """One direction's keys, as the Encrypted payload needs them (RFC 7296 §3.14, RFC 5282 §3)."""

    @property
    def iv_size(self) -> int:
        """Octets of the IV in front of the ciphertext."""

    @property
    def icv_size(self) -> int:
        """Octets of the integrity checksum behind it."""

    def pad(self, length: int) -> int:
        """Tell how many octets of padding `length` octets of payloads want, the pad length octet not counted."""

    def seal(self, iv: bytes, aad: bytes, plaintext: bytes) -> bytes:
        """Encrypt payloads, padding and pad length; return ciphertext||ICV."""

    def open(self, iv: bytes, aad: bytes, sealed: bytes) -> bytes:
        """Give back payloads, padding and pad length, or raise IntegrityError."""


def box_for(encr: Transform, integ: Transform | None, key_e: bytes, key_a: bytes) -> Box:
    """Make the box of a suite; `key_e` is SK_e (with its salt, if AEAD), `key_a` SK_a (empty, if AEAD)."""
    if len(key_e) != encryption_key_size(encr) or len(key_a) != integrity_key_size(integ):
        raise ConfigError("the derived keys do not have the lengths of their suite")
    if encr.id in AEADS:
        if integ is not None:
            raise ConfigError("an AEAD cipher takes no integrity transform")
        return AeadBox(AEADS[encr.id](key_e[:-SALT_SIZE]), key_e[-SALT_SIZE:])
    if integ is None:
        raise ConfigError("a CBC cipher without integrity is not supported")
    return CbcBox(algorithms.AES(key_e), key_a, *HMACS[integ.id])


def encryption_key_size(encr: Transform) -> int:
    """Tell how many octets of keying material the cipher takes, its salt included (RFC 5282 §7.1, RFC 7634 §3)."""
    sizes = KEY_BITS.get(encr.id)
    if sizes is None or encr.key_bits not in sizes:
        raise ConfigError(f"cipher {encr.id} with key length {encr.key_bits} is not supported")
    key = CHACHA_KEY_SIZE if encr.key_bits is None else encr.key_bits // 8
    return key + SALT_SIZE if encr.id in AEADS else key


def integrity_key_size(integ: Transform | None) -> int:
    """Tell how many octets of keying material the integrity transform takes (RFC 4868 §2.1.1)."""
    if integ is None:
        return 0
    if integ.id not in HMACS:
        raise ConfigError(f"integrity algorithm {integ.id} is not supported")
    return hashlib.new(HMACS[integ.id][0]).digest_size


@dataclass(frozen=True, slots=True)
class AeadBox:
    """AES-GCM-16 or ChaCha20-Poly1305: the nonce is salt||IV (RFC 5282 §4)."""

    cipher: AESGCM | ChaCha20Poly1305 = field(repr=False)
    salt: bytes = field(repr=False)
    iv_size: int = 8
    icv_size: int = 16

    def pad(self, length: int) -> int:  # noqa: ARG002 - the other kind of box needs it
        """Ask for none."""
        return 0

    def seal(self, iv: bytes, aad: bytes, plaintext: bytes) -> bytes:
        """Encrypt and authenticate."""
        if len(iv) != self.iv_size:
            raise ConfigError(f"an IV of {len(iv)} octets where {self.iv_size} belong")
        return self.cipher.encrypt(self.salt + iv, plaintext, aad)

    def open(self, iv: bytes, aad: bytes, sealed: bytes) -> bytes:
        """Verify and decrypt in one step."""
        if len(iv) != self.iv_size or len(sealed) < self.icv_size:
            raise IntegrityError("the encrypted payload is too short")
        try:
            return self.cipher.decrypt(self.salt + iv, sealed, aad)
        except InvalidTag as error:
            raise IntegrityError("the encrypted payload fails its integrity check") from error


@dataclass(frozen=True, slots=True)
class CbcBox:
    """AES-CBC under a truncated HMAC over aad||IV||ciphertext (RFC 7296 §3.14, RFC 3602, RFC 4868)."""

    cipher: algorithms.AES = field(repr=False)
    key_a: bytes = field(repr=False)
    hash_name: str
    icv_size: int
    iv_size: int = 16

    def pad(self, length: int) -> int:
        """Fill the last block, which ends with the pad length octet."""
        return -(length + 1) % BLOCK_SIZE

    def seal(self, iv: bytes, aad: bytes, plaintext: bytes) -> bytes:
        """Encrypt whole blocks, then authenticate."""
        if len(iv) != self.iv_size or len(plaintext) % BLOCK_SIZE:
            raise ConfigError("CBC takes an IV of one block and whole blocks of plaintext")
        encryptor = Cipher(self.cipher, modes.CBC(iv)).encryptor()
        ciphertext = encryptor.update(plaintext) + encryptor.finalize()
        return ciphertext + self._checksum(iv, aad, ciphertext)

    def open(self, iv: bytes, aad: bytes, sealed: bytes) -> bytes:
        """Verify first; decrypt only what is ours."""
        ciphertext, checksum = sealed[: -self.icv_size], sealed[-self.icv_size :]
        if len(iv) != self.iv_size or not ciphertext or len(ciphertext) % BLOCK_SIZE:
            raise IntegrityError("the encrypted payload is not made of whole blocks")
        if not hmac.compare_digest(checksum, self._checksum(iv, aad, ciphertext)):
            raise IntegrityError("the encrypted payload fails its integrity check")
        decryptor = Cipher(self.cipher, modes.CBC(iv)).decryptor()
        return decryptor.update(ciphertext) + decryptor.finalize()

    def _checksum(self, iv: bytes, aad: bytes, ciphertext: bytes) -> bytes:
        return hmac.digest(self.key_a, aad + iv + ciphertext, self.hash_name)[: self.icv_size]


# Fixed by RFC 5282 §4, RFC 7634 §2 (salt), RFC 3602 §2 (block), RFC 4868 §2.3 (truncation)
SALT_SIZE = 4
CHACHA_KEY_SIZE = 32
BLOCK_SIZE = 16
HMACS: dict[int, tuple[str, int]] = {
    Integ.HMAC_SHA2_256_128: ("sha256", 16),
    Integ.HMAC_SHA2_384_192: ("sha384", 24),
    Integ.HMAC_SHA2_512_256: ("sha512", 32),
}

# Our choices
AEADS: dict[int, type[AESGCM] | type[ChaCha20Poly1305]] = {
    Encr.AES_GCM_16: AESGCM,
    Encr.CHACHA20_POLY1305: ChaCha20Poly1305,
}
KEY_BITS: dict[int, tuple[int | None, ...]] = {
    Encr.AES_GCM_16: (128, 256),
    Encr.AES_CBC: (128, 256),
    Encr.CHACHA20_POLY1305: (None,),
}
