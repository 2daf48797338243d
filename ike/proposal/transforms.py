"""Proposals and their transforms as they stand in an SA payload (RFC 7296 §3.3); it knows numbers, no algorithm."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from struct import pack
from typing import Self, TypeVar

from ike.errors import MalformedError, PeerError
from ike.registry import AttributeType, ProtocolId, TransformType
from ike.wire import Reader

Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class Transform:
    """One algorithm of one type; equal only when every attribute is equal, so an unknown attribute never matches.

    +------+----------+-----------------+
    | last | reserved | length          |
    +------+----------+-----------------+
    | type | reserved | transform id    |   then attributes; only the key length of a cipher is known
    +------+----------+-----------------+
    """

    type: int
    id: int
    key_bits: int | None = None
    attributes: bytes = b""  # those we do not know, as they came

    @classmethod
    def decode(cls, body: Reader) -> Self:
        """Read what follows the length."""
        kind = body.u8()
        body.take(1)
        number = body.u16()
        key_bits, attributes = None, b""
        while body.remaining:
            attribute = _attribute(body)
            if kind == TransformType.ENCR and key_bits is None and attribute.startswith(KEY_LENGTH):
                key_bits = int.from_bytes(attribute[2:])
            else:
                attributes += attribute
        return cls(kind, number, key_bits, attributes)

    def encode(self, last: bool) -> bytes:
        """Write the substructure."""
        attributes = b"" if self.key_bits is None else KEY_LENGTH + pack("!H", self.key_bits)
        attributes += self.attributes
        return pack("!BxHBxH", 0 if last else 3, 8 + len(attributes), self.type, self.id) + attributes


@dataclass(frozen=True, slots=True)
class Proposal:
    """Transforms of which the peer takes one of each type.

    +--------+----------+----------+------------+
    | last   | reserved | length                |
    +--------+----------+----------+------------+
    | number | protocol | SPI size | transforms |   then the SPI, then the transforms
    +--------+----------+----------+------------+
    """

    number: int
    protocol: int
    spi: bytes
    transforms: tuple[Transform, ...]

    @classmethod
    def decode(cls, body: Reader) -> Self:
        """Read what follows the length."""
        number, protocol, spi_size, count = body.u8(), body.u8(), body.u8(), body.u8()
        if spi_size not in SPI_SIZES.get(protocol, (spi_size,)):
            raise MalformedError(f"a proposal for protocol {protocol} with an SPI of {spi_size} bytes")
        spi = body.take(spi_size)
        transforms = _substructures(body, more=3, decode=Transform.decode)
        if len(transforms) != count:
            raise MalformedError(f"a proposal announces {count} transforms and holds {len(transforms)}")
        return cls(number, protocol, spi, transforms)

    def encode(self, last: bool) -> bytes:
        """Write the substructure."""
        final = len(self.transforms) - 1
        transforms = b"".join(one.encode(last=i == final) for i, one in enumerate(self.transforms))
        length = 8 + len(self.spi) + len(transforms)
        head = pack("!BxHBBBB", 0 if last else 2, length, self.number, self.protocol, len(self.spi), final + 1)
        return head + self.spi + transforms

    def of(self, kind: int) -> tuple[Transform, ...]:
        """Give the transforms of one type, in order of preference."""
        return tuple(transform for transform in self.transforms if transform.type == kind)

    @property
    def kinds(self) -> tuple[int, ...]:
        """The transform types that occur, each once."""
        return tuple(dict.fromkeys(transform.type for transform in self.transforms))


def decode_proposals(body: Reader) -> tuple[Proposal, ...]:
    """Read the body of an SA payload; each proposal's number is one more than the last's (RFC 7296 §3.3.1)."""
    if body.remaining > MAXIMUM_SIZE:
        raise PeerError(f"a security association payload of {body.remaining} bytes", code="limit.reached")
    proposals = _substructures(body, more=2, decode=Proposal.decode)
    if not proposals:
        raise MalformedError("a security association payload without proposals")
    numbers = [proposal.number for proposal in proposals]
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        raise MalformedError(f"proposal numbers {numbers[:8]} do not count up by one")
    return proposals


def encode_proposals(proposals: Sequence[Proposal]) -> bytes:
    """Write the body of an SA payload."""
    final = len(proposals) - 1
    return b"".join(proposal.encode(last=i == final) for i, proposal in enumerate(proposals))


def with_spi(proposals: Iterable[Proposal], spi: bytes) -> tuple[Proposal, ...]:
    """Number the proposals from 1 and give each our SPI."""
    return tuple(replace(proposal, number=i, spi=spi) for i, proposal in enumerate(proposals, 1))


def with_group(proposals: Iterable[Proposal], *wanted: int) -> tuple[Proposal, ...]:
    """Ask for a fresh key exchange in one of these groups and no other, best first (RFC 7296 §1.3.1)."""
    asked = tuple(Transform(TransformType.KE, group) for group in wanted)
    return tuple(
        replace(proposal, transforms=(*(t for t in proposal.transforms if t.type != TransformType.KE), *asked))
        for proposal in proposals
    )


def without_group(proposals: Iterable[Proposal]) -> tuple[Proposal, ...]:
    """Ask for no key exchange, as the Child SA of IKE_AUTH must (RFC 7296 §1.2)."""
    return tuple(
        replace(proposal, transforms=tuple(t for t in proposal.transforms if t.type != TransformType.KE))
        for proposal in proposals
    )


def groups(proposals: Iterable[Proposal]) -> tuple[int, ...]:
    """Give the key exchange methods that occur, each once, in order of preference."""
    return tuple(dict.fromkeys(t.id for proposal in proposals for t in proposal.of(TransformType.KE)))


def _substructures(body: Reader, more: int, decode: Callable[[Reader], Part]) -> tuple[Part, ...]:
    """Read substructures that say `more` while another follows and 0 when none does (RFC 7296 §3.3.1)."""
    parts = []
    while body.remaining:
        mark = body.u8()
        body.take(1)
        length = body.u16()
        if mark not in (0, more) or length < HEADER_SIZE:
            raise MalformedError(f"a substructure of length {length} marked {mark}")
        parts.append(decode(body.sub(length - HEADER_SIZE)))
        if (mark == 0) != (body.remaining == 0):
            raise MalformedError(f"a substructure marked {mark} with {body.remaining} bytes behind it")
    return tuple(parts)


def _attribute(body: Reader) -> bytes:
    """Take one attribute whole: type and value, or type, length and value (RFC 7296 §3.3.5)."""
    kind = body.u16()
    if kind & SHORT_FORM:
        return pack("!H", kind) + body.take(2)
    length = body.u16()
    return pack("!HH", kind, length) + body.take(length)


# Fixed by RFC 7296 §3.3
HEADER_SIZE = 4
SHORT_FORM = 0x8000
KEY_LENGTH = pack("!H", SHORT_FORM | AttributeType.KEY_LENGTH)
SPI_SIZES: dict[int, tuple[int, ...]] = {ProtocolId.IKE: (0, 8), ProtocolId.AH: (4,), ProtocolId.ESP: (4,)}

# Our choices
MAXIMUM_SIZE = 16_384  # bytes of proposals
