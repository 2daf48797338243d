"""One box with fixed keys for each kind of cipher that protects IKE messages."""

from ike.crypto import Box, box_for, encryption_key_size, integrity_key_size
from ike.proposal import parse
from ike.registry import TransformType

SUITES = (
    "aes256gcm16-prfsha384-ecp384",
    "chacha20poly1305-prfsha256-x25519",
    "aes128-sha256-modp2048",
    "aes256-sha512-ecp521",
)


def box_of(suite: str, key: bytes = b"\x5e") -> Box:
    """Make the box of a suite, its keys being one byte repeated."""
    chosen = parse(suite)
    cipher = chosen.of(TransformType.ENCR)[0]
    integrity = next(iter(chosen.of(TransformType.INTEG)), None)
    return box_for(cipher, integrity, key * encryption_key_size(cipher), key * integrity_key_size(integrity))


BOXES = {suite: box_of(suite) for suite in SUITES}
