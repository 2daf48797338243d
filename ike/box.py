"""What an Encrypted payload needs from a cipher, as a protocol; it knows no cipher and no message."""

from typing import Protocol


class Box(Protocol):
    """Seals and opens in one direction of one IKE SA (RFC 7296 §3.14, RFC 5282)."""

    @property
    def iv_size(self) -> int:
        """Bytes of the explicit IV in front of the ciphertext."""

    @property
    def icv_size(self) -> int:
        """Bytes of the integrity check value behind the ciphertext."""

    def pad(self, length: int) -> int:
        """Count the pad bytes that belong between `length` plaintext bytes and the Pad Length byte."""

    def seal(self, iv: bytes, aad: bytes, plaintext: bytes) -> bytes:
        """Give ciphertext and ICV; `plaintext` already ends with its padding and Pad Length."""

    def open(self, iv: bytes, aad: bytes, sealed: bytes) -> bytes:
        """Give the plaintext with its padding, or raise `errors.IntegrityError`."""
