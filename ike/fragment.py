"""Messages that do not fit the path, cut and collected again (RFC 7383); it never keeps a byte that was not proven."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Self

from ike.chain import Header, Message, decode_chain, encode_chain
from ike.crypto import Box
from ike.errors import ConfigError, PeerError
from ike.payloads import Payload
from ike.registry import PayloadType
from ike.sealing import Envelope, seal_fragment, seal_whole, sealed_size
from ike.wire import Reader


def seal_fragments(
    header: Header, payloads: Sequence[Payload], box: Box, size: int, ivs: Callable[[int], bytes]
) -> tuple[bytes, ...]:
    """Seal a message into one datagram if it fits in `size` bytes, else into fragments that do.

    `size` counts the whole IKE message; `ivs` gives one fresh IV of the length asked for.
    """
    first, content = encode_chain(payloads)
    if sealed_size(len(content), box, PayloadType.SK) <= size:
        return (seal_whole(header, first, content, box, ivs(box.iv_size)),)
    room = _room(box, size)
    pieces = [content[start : start + room] for start in range(0, len(content), room)]
    if len(pieces) > MAXIMUM_FRAGMENTS:
        raise ConfigError(f"a message in {len(pieces)} fragments of {size} bytes", code="limit.reached")
    return tuple(
        seal_fragment(header, first, (number, len(pieces)), piece, box, ivs(box.iv_size))
        for number, piece in enumerate(pieces, 1)
    )


@dataclass(frozen=True, slots=True)
class Collector:
    """The proven fragments of one message so far; it survives retransmissions (RFC 7383 §2.6.1)."""

    header: Header | None = None
    total: int = 0
    first: int = PayloadType.NONE
    pieces: tuple[tuple[int, bytes], ...] = field(default=(), repr=False)  # in order of their numbers

    def add(self, datagram: bytes, box: Box) -> tuple[Self, Message | None]:
        """Take a protected datagram in; give the message once it is whole, and then an empty collector.

        A datagram that is not proven to be the peer's raises `IntegrityError`; any other
        `PeerError` is the peer's own doing. Either way nothing collected is lost.
        """
        envelope = Envelope.decode(datagram, box)
        if not envelope.fragmented:
            return type(self)(), open_message(envelope.header, envelope.first, envelope.open(box))
        if self._knows(envelope):
            return self, None
        grown = self._with(envelope, envelope.open(box))
        if len(grown.pieces) < grown.total:
            return grown, None
        content = b"".join(piece for _, piece in grown.pieces)
        return type(self)(), open_message(envelope.header, grown.first, content)

    def _knows(self, envelope: Envelope) -> bool:
        """Tell a repeated fragment, or one of a coarser cut that was given up (RFC 7383 §2.6)."""
        if envelope.header != self.header:
            return False
        repeated = any(number == envelope.number for number, _ in self.pieces)
        return envelope.total < self.total or (envelope.total == self.total and repeated)

    def _with(self, envelope: Envelope, content: bytes) -> Self:
        """Add a proven fragment; one of another message or of a finer cut starts anew (RFC 7383 §2.6)."""
        if envelope.total > MAXIMUM_FRAGMENTS:
            raise PeerError(f"a message in {envelope.total} fragments", code="limit.reached")
        same = (envelope.header, envelope.total) == (self.header, self.total)
        kept = self.pieces if same else ()
        if sum(len(piece) for _, piece in kept) + len(content) > MAXIMUM_CONTENT:
            raise PeerError(f"fragments of more than {MAXIMUM_CONTENT} bytes", code="limit.reached")
        first = envelope.first if envelope.number == 1 else self.first if same else PayloadType.NONE
        pieces = tuple(sorted((*kept, (envelope.number, content))))
        return type(self)(envelope.header, envelope.total, first, pieces)


def open_message(header: Header, first: int, content: bytes) -> Message:
    """Read the payloads of an opened message."""
    return Message(header, decode_chain(first, Reader(content)))


def _room(box: Box, size: int) -> int:
    """Find how many bytes of payloads one fragment can hold."""
    most = size - sealed_size(0, box, PayloadType.SKF) + box.pad(0)
    fitting = (room for room in range(most, 0, -1) if sealed_size(room, box, PayloadType.SKF) <= size)
    room = next(fitting, None)
    if room is None:
        raise ConfigError(f"{size} bytes are too few for a fragment")
    return room


# Our choices
MAXIMUM_FRAGMENTS = 32
MAXIMUM_CONTENT = 65_536
