"""The pseudorandom functions of IKE and the plain hashes it names; never keeps a key longer than one call."""

import hashlib
import hmac
from dataclasses import dataclass

from ike.errors import ConfigError
from ike.proposal import Transform
from ike.registry import Prf as PrfId


@dataclass(frozen=True, slots=True)
class Prf:
    """One negotiated pseudorandom function (RFC 7296 §2.13); `size` is its key and output length."""

    hash_name: str
    size: int

    def __call__(self, key: bytes, data: bytes) -> bytes:
        """Compute prf(key, data)."""
        return hmac.digest(key, data, self.hash_name)

    def plus(self, key: bytes, seed: bytes, length: int) -> bytes:
        """Stretch to `length` octets: prf+(key, seed), whose block counter is one octet (RFC 7296 §2.13)."""
        if length > MAX_BLOCKS * self.size:
            raise ValueError(f"prf+ ends after {MAX_BLOCKS * self.size} octets, {length} were wanted")
        stream, block = b"", b""
        for counter in range(1, -(-length // self.size) + 1):
            block = self(key, block + seed + bytes([counter]))
            stream += block
        return stream[:length]


def prf(transform: Transform) -> Prf:
    """Look up the function a PRF transform names (RFC 4868)."""
    hash_name = HASHES.get(transform.id)
    if hash_name is None:
        raise ConfigError(f"pseudorandom function {transform.id} is not supported")
    return Prf(hash_name, hashlib.new(hash_name).digest_size)


def sha1(data: bytes) -> bytes:
    """Hash for NAT detection and CERTREQ, which fix SHA-1 by definition (RFC 7296 §2.23, §3.7)."""
    return hashlib.sha1(data, usedforsecurity=False).digest()


def sha256(data: bytes) -> bytes:
    """Hash for fingerprints."""
    return hashlib.sha256(data).digest()


# Fixed by RFC 7296 §2.13
MAX_BLOCKS = 255

# Our choices: SHA-2 only
HASHES: dict[int, str] = {
    PrfId.HMAC_SHA2_256: "sha256",
    PrfId.HMAC_SHA2_384: "sha384",
    PrfId.HMAC_SHA2_512: "sha512",
}
