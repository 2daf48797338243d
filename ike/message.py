"""Whole IKE messages, clear and protected (RFC 7296 §3); it never decides whether a message is welcome."""

from collections.abc import Sequence

from ike.chain import HEADER_SIZE, Header, Message, decode_chain, decode_header, encode_chain, encode_header
from ike.crypto import Box, IntegrityError
from ike.fragment import open_message, seal_fragments
from ike.payloads import Payload
from ike.sealing import Envelope, seal_whole
from ike.wire import Reader

__all__ = [
    "Header",
    "Message",
    "decode",
    "decode_header",
    "encode",
    "open_sealed",
    "seal",
    "seal_fragments",
]


def encode(header: Header, payloads: Sequence[Payload]) -> bytes:
    """Write a clear message, as IKE_SA_INIT is."""
    first, chain = encode_chain(payloads)
    return encode_header(header, first, HEADER_SIZE + len(chain)) + chain


def decode(datagram: bytes) -> Message:
    """Read a clear message; nothing in it is proven."""
    header = decode_header(datagram)
    return Message(header, decode_chain(header.next_payload, Reader(memoryview(datagram)[HEADER_SIZE:])))


def seal(header: Header, payloads: Sequence[Payload], box: Box, iv: bytes) -> bytes:
    """Write a protected message into one datagram, however long."""
    first, content = encode_chain(payloads)
    return seal_whole(header, first, content, box, iv)


def open_sealed(datagram: bytes, box: Box) -> Message:
    """Read a protected message that is not fragmented.

    What is not proven to be the peer's raises `IntegrityError`; any other `PeerError` is the peer's own doing.
    """
    envelope = Envelope.decode(datagram, box)
    if envelope.fragmented:
        raise IntegrityError("a fragment where a whole message belongs")
    return open_message(envelope.header, envelope.first, envelope.open(box))
