"""The Encrypted payload around a chain of payloads, whole or in fragments (RFC 7296 §3.14, RFC 7383 §2.5).

It takes the cipher as a box, and never believes a byte before the box has opened it.
"""

from dataclasses import dataclass
from struct import pack
from typing import Self

from ike.chain import HEADER_SIZE, PAYLOAD_HEADER_SIZE, Header, decode_header, encode_header
from ike.crypto import Box, IntegrityError
from ike.errors import MalformedError, PeerError
from ike.registry import PayloadType
from ike.wire import Reader


@dataclass(frozen=True, slots=True)
class Envelope:
    """A protected datagram taken apart but not yet proven to be the peer's.

    +--------------+----------+--------------+
    | next payload | reserved | length       |
    +--------------+----------+--------------+
    | number and total, SKF only             |
    +----------------------------------------+
    | IV | encrypted payloads, padding | ICV |
    +----------------------------------------+
    """

    header: Header
    first: int  # type of the first payload inside; in a fragment, of the whole message
    number: int  # 1 of 1 when the message is not fragmented
    total: int
    aad: bytes
    iv: bytes
    sealed: bytes

    @classmethod
    def decode(cls, datagram: bytes, box: Box) -> Self:
        """Take a datagram apart; one that does not fit the format could be anybody's: `IntegrityError`."""
        try:
            return cls._decode(datagram, box)
        except IntegrityError:
            raise
        except PeerError as error:
            raise IntegrityError(error.detail) from error

    @classmethod
    def _decode(cls, datagram: bytes, box: Box) -> Self:
        header = decode_header(datagram)
        if header.next_payload not in PREFIX_SIZE:
            raise IntegrityError("the message is not encrypted as a whole")
        reader = Reader(memoryview(datagram)[HEADER_SIZE:])
        first = reader.u8()
        reader.take(1)
        if reader.u16() != len(datagram) - HEADER_SIZE:
            raise IntegrityError("the encrypted payload does not end with its message")
        number, total = 1, 1
        if header.next_payload == PayloadType.SKF:
            number, total = reader.u16(), reader.u16()
        if not 1 <= number <= total:
            raise IntegrityError(f"fragment {number} of {total}")
        aad = datagram[: len(datagram) - reader.remaining]
        iv = reader.take(box.iv_size)
        if reader.remaining <= box.icv_size:
            raise IntegrityError(f"{reader.remaining} encrypted bytes are too few")
        return cls(header, first, number, total, aad, iv, reader.rest())

    def open(self, box: Box) -> bytes:
        """Check and decrypt the content; only from here on the peer answers for what it says."""
        plaintext = box.open(self.iv, self.aad, self.sealed)
        pad = plaintext[-1]
        if pad >= len(plaintext):
            raise MalformedError(f"{pad} bytes of padding in {len(plaintext)} bytes")
        return plaintext[: len(plaintext) - 1 - pad]

    @property
    def fragmented(self) -> bool:
        """Whether this is one fragment of a message."""
        return self.header.next_payload == PayloadType.SKF


def seal_whole(header: Header, first: int, content: bytes, box: Box, iv: bytes) -> bytes:
    """Write a message with one Encrypted payload (RFC 7296 §3.14)."""
    return _seal(header, PayloadType.SK, first, b"", content, box, iv)


def seal_fragment(header: Header, first: int, place: tuple[int, int], content: bytes, box: Box, iv: bytes) -> bytes:
    """Write fragment number `place[0]` of `place[1]`; only the first one names the first payload (RFC 7383 §2.5)."""
    number, _ = place
    shown = first if number == 1 else PayloadType.NONE
    return _seal(header, PayloadType.SKF, shown, pack("!HH", *place), content, box, iv)


def sealed_size(length: int, box: Box, kind: PayloadType) -> int:
    """Count the bytes of the whole message around `length` bytes of payloads."""
    inside = box.iv_size + length + box.pad(length) + PAD_LENGTH_SIZE + box.icv_size
    return HEADER_SIZE + PAYLOAD_HEADER_SIZE + PREFIX_SIZE[kind] + inside


def _seal(header: Header, kind: PayloadType, first: int, prefix: bytes, content: bytes, box: Box, iv: bytes) -> bytes:
    size = sealed_size(len(content), box, kind)
    pad = box.pad(len(content))
    aad = encode_header(header, kind, size) + pack("!BBH", first, 0, size - HEADER_SIZE) + prefix
    return aad + iv + box.seal(iv, aad, content + bytes(pad) + bytes((pad,)))


# Fixed by RFC 7296 §3.14 and RFC 7383 §2.5
PREFIX_SIZE: dict[int, int] = {PayloadType.SK: 0, PayloadType.SKF: 4}
PAD_LENGTH_SIZE = 1
