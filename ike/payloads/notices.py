"""What one end tells the other: notifications, deletions, vendor ids, and the unknown; it never acts on them."""

from dataclasses import dataclass
from struct import pack
from typing import ClassVar, Self

from ike.errors import MalformedError
from ike.registry import PayloadType, ProtocolId
from ike.wire import Reader


@dataclass(frozen=True, slots=True)
class Notify:
    """An error or a status, perhaps about one SA (RFC 7296 §3.10).

    +----------+----------+-----------------+-----+-- ...
    | protocol | SPI size |   notify type   | SPI | data
    +----------+----------+-----------------+-----+-- ...
    """

    type: ClassVar[int] = PayloadType.NOTIFY
    kind: int
    data: bytes = b""
    protocol: int = 0
    spi: bytes = b""

    @classmethod
    def decode(cls, body: Reader) -> Self:
        """Read the body."""
        protocol, spi_size, kind = body.u8(), body.u8(), body.u16()
        if spi_size not in NOTIFY_SPI_SIZES.get(protocol, ANY_SPI_SIZE):
            raise MalformedError(f"a notification for protocol {protocol} with an SPI of {spi_size} bytes")
        spi = body.take(spi_size)
        return cls(kind, body.rest(), protocol, spi)

    def encode(self) -> bytes:
        """Write the body."""
        return pack("!BBH", self.protocol, len(self.spi), self.kind) + self.spi + self.data


@dataclass(frozen=True, slots=True)
class Delete:
    """SAs the sender has deleted; for the IKE SA itself without SPIs (RFC 7296 §3.11).

    +----------+----------+-----------------+-- ...
    | protocol | SPI size | number of SPIs  | SPIs
    +----------+----------+-----------------+-- ...
    """

    type: ClassVar[int] = PayloadType.DELETE
    protocol: int
    spis: tuple[bytes, ...] = ()

    @classmethod
    def decode(cls, body: Reader) -> Self:
        """Read the body; sizes and count must fit each other and the protocol."""
        protocol, size, count = body.u8(), body.u8(), body.u16()
        wanted = DELETE_SPI_SIZE.get(protocol, size)
        if (count and size != wanted) or size * count != body.remaining or (count and not size):
            raise MalformedError(f"a deletion for protocol {protocol} of {count} SPIs of {size} bytes")
        return cls(protocol, tuple(body.take(size) for _ in range(count)))

    def encode(self) -> bytes:
        """Write the body."""
        size = len(self.spis[0]) if self.spis else DELETE_SPI_SIZE.get(self.protocol, 0)
        return pack("!BBH", self.protocol, size, len(self.spis)) + b"".join(self.spis)


@dataclass(frozen=True, slots=True)
class VendorId:
    """A mark of the implementation; untrusted text or a hash (RFC 7296 §3.12)."""

    type: ClassVar[int] = PayloadType.VENDOR_ID
    data: bytes

    @classmethod
    def decode(cls, body: Reader) -> Self:
        """Read the body."""
        return cls(body.rest())

    def encode(self) -> bytes:
        """Write the body."""
        return self.data


@dataclass(frozen=True, slots=True)
class Unknown:
    """A payload of a type we do not know; a critical one refuses its whole message (RFC 7296 §2.5)."""

    type: int
    critical: bool
    body: bytes

    def encode(self) -> bytes:
        """Write the body as it came."""
        return self.body


# Fixed by RFC 7296 §3.10, §3.11
DELETE_SPI_SIZE: dict[int, int] = {ProtocolId.IKE: 0, ProtocolId.AH: 4, ProtocolId.ESP: 4}

# Our choices: some senders leave out the SPI, some put the IKE SPI where none belongs
NOTIFY_SPI_SIZES: dict[int, tuple[int, ...]] = {ProtocolId.IKE: (0, 8), ProtocolId.AH: (0, 4), ProtocolId.ESP: (0, 4)}
ANY_SPI_SIZE = (0, 4, 8)
