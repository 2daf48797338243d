"""One box with fixed keys for each kind of cipher that protects IKE messages."""

from collections.abc import Sequence

from ike.crypto import Box, box_for, encryption_key_size, integrity_key_size
from ike.fragment import Collector, seal_fragments
from ike.message import Header, Message
from ike.payloads import Payload
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


def sealed(header: Header, payloads: Sequence[Payload], box: Box) -> bytes:
    """Seal a message into one datagram, with an IV of zeros."""
    (datagram,) = seal_fragments(header, payloads, box, 65_535, bytes)
    return datagram


def opened(datagram: bytes, box: Box) -> Message:
    """Open a message that came in one datagram."""
    _, message = Collector().add(datagram, box)
    assert message is not None
    return message


BOXES = {suite: box_of(suite) for suite in SUITES}
