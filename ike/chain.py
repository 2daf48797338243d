"""The IKE header and the chain of payloads behind it (RFC 7296 §3.1, §3.2); it knows nothing of encryption."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from struct import pack

from ike.errors import ConfigError, MalformedError, PeerError
from ike.payloads import KNOWN, Payload, Unknown
from ike.registry import NotifyType, PayloadType, name_of
from ike.wire import Reader


@dataclass(frozen=True, slots=True)
class Header:
    """What every IKE datagram starts with.

    +-----------------------------------------------+
    | initiator's SPI, 8 bytes                      |
    +-----------------------------------------------+
    | responder's SPI, 8 bytes                      |
    +--------------+---------+----------+-----------+
    | next payload | version | exchange | flags     |
    +--------------+---------+----------+-----------+
    | message id                                    |
    +-----------------------------------------------+
    | length of the whole message                   |
    +-----------------------------------------------+
    """

    spi_i: bytes
    spi_r: bytes
    exchange: int
    message_id: int
    initiator: bool  # sent by the original initiator of the IKE SA
    response: bool
    next_payload: int = field(default=PayloadType.NONE, compare=False)  # as read: SK, SKF or the first clear payload


@dataclass(frozen=True, slots=True)
class Message:
    """A header and its payloads; those of unknown types are kept as `Unknown`."""

    header: Header
    payloads: tuple[Payload, ...]


def decode_header(datagram: bytes) -> Header:
    """Read the header of a datagram that is exactly one IKEv2 message; a higher minor version is fine."""
    reader = Reader(datagram)
    spi_i, spi_r = reader.take(8), reader.take(8)
    next_payload, version, exchange, flags = reader.u8(), reader.u8(), reader.u8(), reader.u8()
    message_id, length = reader.u32(), reader.u32()
    _check_version(version >> 4)
    if length != len(datagram) or length > MAXIMUM_SIZE:
        raise MalformedError(f"the message says it has {length} bytes and has {len(datagram)}")
    if spi_i == NO_SPI:
        raise MalformedError("the initiator's SPI is zero")
    return Header(
        spi_i,
        spi_r,
        exchange,
        message_id,
        initiator=bool(flags & FLAG_INITIATOR),
        response=bool(flags & FLAG_RESPONSE),
        next_payload=next_payload,
    )


def encode_header(header: Header, next_payload: int, length: int) -> bytes:
    """Write the header of a message whose whole length is `length`."""
    if length > MAXIMUM_SIZE:
        raise ConfigError(f"a message of {length} bytes where {MAXIMUM_SIZE} are the most", code="limit.reached")
    flags = FLAG_INITIATOR * header.initiator | FLAG_RESPONSE * header.response
    fields = (next_payload, VERSION, header.exchange, flags, header.message_id, length)
    return header.spi_i + header.spi_r + pack("!BBBBII", *fields)


def decode_chain(first: int, reader: Reader) -> tuple[Payload, ...]:
    """Walk the chain to its end, which must be the end of the bytes."""
    payloads: list[Payload] = []
    kind = first
    while kind != PayloadType.NONE:
        if len(payloads) == MAXIMUM_PAYLOADS:
            raise PeerError(f"more than {MAXIMUM_PAYLOADS} payloads in one message", code="limit.reached")
        following, flags, length = reader.u8(), reader.u8(), reader.u16()
        if length < PAYLOAD_HEADER_SIZE:
            raise MalformedError(f"payload length {length} is shorter than its header")
        payloads.append(_decode_payload(kind, flags, reader.sub(length - PAYLOAD_HEADER_SIZE)))
        kind = following
    reader.end()
    return tuple(payloads)


def encode_chain(payloads: Sequence[Payload]) -> tuple[int, bytes]:
    """Write the chain; give the type of its first payload and the bytes."""
    kinds = [*(payload.type for payload in payloads), int(PayloadType.NONE)]
    links = zip(payloads, kinds[1:], strict=True)
    return kinds[0], b"".join(_encode_payload(payload, following) for payload, following in links)


def _decode_payload(kind: int, flags: int, body: Reader) -> Payload:
    if kind in KNOWN:
        try:
            payload = KNOWN[kind].decode(body)
            body.end()
        except MalformedError as error:
            raise MalformedError(f"{name_of(PayloadType, kind)} payload: {error.detail}") from error
        return payload
    if kind in (PayloadType.SK, PayloadType.SKF):
        raise MalformedError("an encrypted payload among others")
    if flags & FLAG_CRITICAL:
        raise PeerError(
            f"payload type {kind} is critical and not understood",
            notify=NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD,
            notify_data=bytes((kind,)),
        )
    return Unknown(kind, False, body.rest())


def _encode_payload(payload: Payload, following: int) -> bytes:
    body = payload.encode()
    length = PAYLOAD_HEADER_SIZE + len(body)
    if length > MAXIMUM_SIZE:
        name = name_of(PayloadType, payload.type)
        raise ConfigError(f"a {name} payload of {length} bytes where {MAXIMUM_SIZE} fit", code="limit.reached")
    flags = FLAG_CRITICAL if isinstance(payload, Unknown) and payload.critical else 0
    return pack("!BBH", following, flags, length) + body


def _check_version(major: int) -> None:
    if major < MAJOR_VERSION:
        raise MalformedError(f"IKE version {major} is not spoken here")
    if major > MAJOR_VERSION:
        raise PeerError(f"IKE version {major} is not known", notify=NotifyType.INVALID_MAJOR_VERSION)


# Fixed by RFC 7296 §3.1, §3.2
HEADER_SIZE = 28
PAYLOAD_HEADER_SIZE = 4
MAJOR_VERSION = 2
VERSION = 0x20
FLAG_INITIATOR, FLAG_RESPONSE = 0x08, 0x20
FLAG_CRITICAL = 0x80
NO_SPI = bytes(8)

# Our choices
MAXIMUM_SIZE = 65_535
MAXIMUM_PAYLOADS = 64
