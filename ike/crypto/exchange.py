"""Key exchange: one ephemeral private value per attempt, made from the dice; never reuses or shows one.

Every public value of a peer is checked before any arithmetic on a secret (RFC 6989 §2).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ike.crypto import modp
from ike.errors import ConfigError, PeerError
from ike.registry import Group

Dice = Callable[[int], bytes]


class KeyAgreement(Protocol):
    """Our half of a key exchange."""

    @property
    def public(self) -> bytes:
        """Our public value as it goes into the KE payload."""

    def shared(self, peer_public: bytes) -> bytes:
        """Compute g^ir, or refuse the peer's public value with PeerError."""


def generate(group: int, dice: Dice) -> KeyAgreement:
    """Make our half for a group number (RFC 3526, RFC 5903, RFC 8031)."""
    if group in modp.PRIMES:
        return FiniteField(group, dice)
    if group in CURVES:
        return Curve(group, dice)
    if group == Group.CURVE25519:
        return Montgomery(dice)
    raise ConfigError(f"key exchange group {group} is not supported")


class FiniteField:
    """Groups 14, 15 and 16 (RFC 3526).

    `pow` is not constant in time; the exponent serves one exchange only and is gone after it. The
    library's own finite-field code is being removed.
    """

    __slots__ = ("_exponent", "_prime", "_size", "public")

    def __init__(self, group: int, dice: Dice) -> None:
        self._prime = modp.PRIMES[group]
        self._size = modp.size(group)
        self._exponent = int.from_bytes(dice(modp.EXPONENT_SIZES[group])) | 1 << (8 * modp.EXPONENT_SIZES[group] - 1)
        self.public = pow(modp.GENERATOR, self._exponent, self._prime).to_bytes(self._size)

    def shared(self, peer_public: bytes) -> bytes:
        """Compute g^ir padded to the prime's length (RFC 7296 §2.14)."""
        _check_size(peer_public, self._size)
        peer = int.from_bytes(peer_public)
        if not 1 < peer < self._prime - 1:
            raise PeerError("the key exchange value is outside its group")
        return pow(peer, self._exponent, self._prime).to_bytes(self._size)


class Curve:
    """Groups 19, 20 and 21: x||y out, the x coordinate alone shared (RFC 5903 §7)."""

    __slots__ = ("_coordinate", "_curve", "_private", "public")

    def __init__(self, group: int, dice: Dice) -> None:
        self._curve = CURVES[group].curve
        self._coordinate = CURVES[group].coordinate
        self._private = ec.derive_private_key(_scalar(CURVES[group], dice), self._curve)
        point = self._private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.public = point[1:]

    def shared(self, peer_public: bytes) -> bytes:
        """Compute the shared x coordinate; a point that is not on the curve is refused."""
        _check_size(peer_public, 2 * self._coordinate)
        try:
            peer = ec.EllipticCurvePublicKey.from_encoded_point(self._curve, UNCOMPRESSED + peer_public)
            return self._private.exchange(ec.ECDH(), peer)
        except ValueError as error:
            raise PeerError("the key exchange value is not a point of the curve") from error


class Montgomery:
    """Group 31, Curve25519 (RFC 8031)."""

    __slots__ = ("_private", "public")

    def __init__(self, dice: Dice) -> None:
        self._private = x25519.X25519PrivateKey.from_private_bytes(dice(X25519_SIZE))
        self.public = self._private.public_key().public_bytes_raw()

    def shared(self, peer_public: bytes) -> bytes:
        """Compute the shared value; one that comes out all zero is refused (RFC 8031 §2.3)."""
        _check_size(peer_public, X25519_SIZE)
        try:
            return self._private.exchange(x25519.X25519PublicKey.from_public_bytes(peer_public))
        except ValueError as error:
            raise PeerError("the key exchange value has a small order") from error


def _check_size(peer_public: bytes, size: int) -> None:
    if len(peer_public) != size:
        raise PeerError(f"the key exchange value has {len(peer_public)} octets where its group needs {size}")


def _scalar(shape: "Shape", dice: Dice) -> int:
    order = shape.curve.group_order
    spare = 8 * shape.coordinate - order.bit_length()
    for _ in range(SCALAR_TRIES):
        candidate = int.from_bytes(dice(shape.coordinate)) >> spare
        if 0 < candidate < order:
            return candidate
    raise ConfigError("the random source keeps giving unusable numbers")


@dataclass(frozen=True, slots=True)
class Shape:
    """What a prime curve fixes: `coordinate` is in octets."""

    curve: ec.EllipticCurve
    coordinate: int


# Fixed by RFC 5903 §3 and RFC 8031 §2
CURVES: dict[int, Shape] = {
    Group.ECP_256: Shape(ec.SECP256R1(), 32),
    Group.ECP_384: Shape(ec.SECP384R1(), 48),
    Group.ECP_521: Shape(ec.SECP521R1(), 66),
}
UNCOMPRESSED = b"\x04"
X25519_SIZE = 32

# Our choice: a fair random source fails one try in 2^32 at the most
SCALAR_TRIES = 16
