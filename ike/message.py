"""Clear IKE messages, as IKE_SA_INIT is (RFC 7296 §3); it never decides whether a message is welcome."""

from collections.abc import Sequence

from ike.chain import HEADER_SIZE, Header, Message, decode_chain, decode_header, encode_chain, encode_header
from ike.payloads import Payload
from ike.wire import Reader

__all__ = ["Header", "Message", "decode", "decode_header", "encode"]


def encode(header: Header, payloads: Sequence[Payload]) -> bytes:
    """Write a message."""
    first, chain = encode_chain(payloads)
    return encode_header(header, first, HEADER_SIZE + len(chain)) + chain


def decode(datagram: bytes) -> Message:
    """Read a message; nothing in it is proven."""
    header = decode_header(datagram)
    return Message(header, decode_chain(header.next_payload, Reader(memoryview(datagram)[HEADER_SIZE:])))
