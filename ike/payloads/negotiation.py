"""What is negotiated and agreed: suites, public values, nonces, traffic, addresses; it never chooses among them."""

from dataclasses import dataclass
from ipaddress import IPv4Address
from struct import pack
from typing import ClassVar, Self

from ike.errors import MalformedError, PeerError
from ike.proposal import Proposal, decode_proposals, encode_proposals
from ike.registry import PayloadType
from ike.selectors import OtherSelector, Selector, decode_selectors, encode_selectors
from ike.wire import Reader


@dataclass(frozen=True, slots=True)
class SecurityAssociation:
    """Proposals to choose from, or the one chosen (RFC 7296 §3.3)."""

    type: ClassVar[int] = PayloadType.SA
    proposals: tuple[Proposal, ...]

    @classmethod
    def decode(cls, body: Reader) -> Self:
        """Read the body."""
        return cls(decode_proposals(body))

    def encode(self) -> bytes:
        """Write the body."""
        return encode_proposals(self.proposals)


@dataclass(frozen=True, slots=True)
class KeyExchange:
    """One side's public value for a key exchange (RFC 7296 §3.4).

    +-------+-------+-------+-------+-- ...
    | group number  |   reserved    | public value
    +-------+-------+-------+-------+-- ...
    """

    type: ClassVar[int] = PayloadType.KE
    group: int
    public: bytes

    @classmethod
    def decode(cls, body: Reader) -> Self:
        """Read the body; reserved bits are ignored (RFC 7296 §2.5)."""
        group = body.u16()
        body.take(2)
        return cls(group, body.rest())

    def encode(self) -> bytes:
        """Write the body."""
        return pack("!HH", self.group, 0) + self.public


@dataclass(frozen=True, slots=True)
class Nonce:
    """Fresh randomness of one side, 16 to 256 bytes (RFC 7296 §3.9)."""

    type: ClassVar[int] = PayloadType.NONCE
    data: bytes

    @classmethod
    def decode(cls, body: Reader) -> Self:
        """Read the body."""
        if body.remaining not in NONCE_SIZES:
            raise MalformedError(f"a nonce of {body.remaining} bytes")
        return cls(body.rest())

    def encode(self) -> bytes:
        """Write the body."""
        return self.data


@dataclass(frozen=True, slots=True)
class _TrafficSelectors:
    """Ranges of one side's traffic (RFC 7296 §3.13); selectors of unknown types are kept apart."""

    selectors: tuple[Selector, ...]
    others: tuple[OtherSelector, ...] = ()

    @classmethod
    def decode(cls, body: Reader) -> Self:
        """Read the body."""
        found = decode_selectors(body)
        return cls(
            tuple(one for one in found if isinstance(one, Selector)),
            tuple(one for one in found if isinstance(one, OtherSelector)),
        )

    def encode(self) -> bytes:
        """Write the body."""
        return encode_selectors((*self.selectors, *self.others))


@dataclass(frozen=True, slots=True)
class TsInitiator(_TrafficSelectors):
    """Traffic at the initiator's end (RFC 7296 §3.13)."""

    type: ClassVar[int] = PayloadType.TS_INITIATOR


@dataclass(frozen=True, slots=True)
class TsResponder(_TrafficSelectors):
    """Traffic at the responder's end (RFC 7296 §3.13)."""

    type: ClassVar[int] = PayloadType.TS_RESPONDER


@dataclass(frozen=True, slots=True)
class CfgValue:
    """One configuration attribute; empty data asks for a value (RFC 7296 §3.15.1)."""

    kind: int
    data: bytes = b""

    def ipv4(self) -> IPv4Address:
        """Read an IPv4 address."""
        if len(self.data) != 4:
            raise MalformedError(f"configuration attribute {self.kind} with {len(self.data)} bytes for an IPv4 address")
        return IPv4Address(self.data)


@dataclass(frozen=True, slots=True)
class Configuration:
    """Addresses and servers asked for or handed out (RFC 7296 §3.15).

    +------+----------+     +-+-----------+--------+-- ...
    | type | reserved |     |R| attribute | length | value      (repeated)
    +------+----------+     +-+-----------+--------+-- ...
    """

    type: ClassVar[int] = PayloadType.CP
    kind: int
    attributes: tuple[CfgValue, ...]

    @classmethod
    def decode(cls, body: Reader) -> Self:
        """Read the body; the reserved bit of an attribute is ignored."""
        kind = body.u8()
        body.take(3)
        attributes: list[CfgValue] = []
        while body.remaining:
            if len(attributes) == MAXIMUM_ATTRIBUTES:
                raise PeerError(f"more than {MAXIMUM_ATTRIBUTES} configuration attributes", code="limit.reached")
            attribute, length = body.u16() & ATTRIBUTE_MASK, body.u16()
            attributes.append(CfgValue(attribute, body.take(length)))
        return cls(kind, tuple(attributes))

    def encode(self) -> bytes:
        """Write the body."""
        attributes = (pack("!HH", one.kind, len(one.data)) + one.data for one in self.attributes)
        return pack("!B3x", self.kind) + b"".join(attributes)


# Fixed by RFC 7296 §3.9, §3.15.1
NONCE_SIZES = range(16, 257)
ATTRIBUTE_MASK = 0x7FFF

# Our choices
MAXIMUM_ATTRIBUTES = 256
