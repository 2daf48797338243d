"""Asking and answering inside one protected IKE SA (RFC 7296 §2.1); it never interprets a payload."""

from collections.abc import Sequence
from dataclasses import replace

from ike.config import Dice, Instant
from ike.effects import Effects, Transmit
from ike.fragment import seal_fragments
from ike.message import Header, Message
from ike.payloads import Notify, Payload
from ike.registry import ExchangeType, NotifyType, ProtocolId
from ike.sealing import Envelope
from ike.state import IkeSa, Task
from ike.window import Place, Schedule


def ask(
    sa: IkeSa,
    exchange: ExchangeType,
    payloads: Sequence[Payload],
    task: Task | None,
    schedule: Schedule,
    now: Instant,
    dice: Dice,
) -> tuple[IkeSa, Effects]:
    """Send a request; the window must be free."""
    header = Header(sa.spi_i, sa.spi_r, exchange, sa.window.ours, initiator=sa.initiator, response=False)
    datagrams = _seal(sa, header, payloads, dice)
    window = sa.window.asking(exchange, datagrams, schedule, now.boot)
    return replace(sa, window=window, task=task), _transmit(sa, datagrams)


def answer(sa: IkeSa, request: Header, payloads: Sequence[Payload], dice: Dice) -> tuple[IkeSa, Effects]:
    """Send the one answer a request gets, and keep it for the case that the request comes again."""
    header = replace(request, initiator=sa.initiator, response=True)
    datagrams = _seal(sa, header, payloads, dice)
    return replace(sa, window=sa.window.answering(datagrams)), _transmit(sa, datagrams)


def refuse(
    sa: IkeSa, request: Header, why: NotifyType, dice: Dice, *, data: bytes = b"", spi: bytes = b""
) -> tuple[IkeSa, Effects]:
    """Answer a request with an error; `spi` names the Child SA it is about."""
    protocol = ProtocolId.ESP if spi else 0
    return answer(sa, request, (Notify(why, data, protocol, spi),), dice)


def repeat(sa: IkeSa) -> Effects:
    """Send the last answer once more, byte for byte."""
    return _transmit(sa, sa.window.answer)


def settle(sa: IkeSa) -> IkeSa:
    """Close our request: it was answered."""
    return replace(sa, window=sa.window.settled(), task=None)


def resend(sa: IkeSa, now: Instant) -> tuple[IkeSa, Effects] | None:
    """Send our request again when it is due, or say with None that the tries are used up."""
    pending = sa.window.pending
    if pending is None or now.boot < pending.due:
        return sa, ()
    again = pending.again(now.boot)
    if again is None:
        return None
    return replace(sa, window=replace(sa.window, pending=again)), _transmit(sa, again.datagrams)


def hear(sa: IkeSa, header: Header, datagram: bytes) -> tuple[IkeSa, Place, Message | None]:
    """Open a datagram of this SA if its place in the window allows; None while fragments are missing.

    A repeated request is recognised and not read again. Whatever the sender could not have sealed
    raises PeerError and changes nothing.
    """
    place = sa.window.place(header.message_id, header.response)
    if place is Place.STRANGE or header.initiator == sa.initiator or not _belongs(sa, header):
        return sa, Place.STRANGE, None
    if place is Place.REPEATED:
        return sa, place if _asks_again(sa, datagram) else Place.STRANGE, None
    collector = sa.window.answers if header.response else sa.window.requests
    collector, message = collector.add(datagram, sa.inward)
    return replace(sa, window=sa.window.collecting(collector, header.response)), place, message


def _asks_again(sa: IkeSa, datagram: bytes) -> bool:
    """Tell whether a repeated request wants its answer again: of fragments only the first does (RFC 7383 §2.6.1)."""
    envelope = Envelope.decode(datagram, sa.inward)
    envelope.open(sa.inward)
    return envelope.number == 1


def _belongs(sa: IkeSa, header: Header) -> bool:
    pending = sa.window.pending
    if header.response and pending is not None and pending.exchange != header.exchange:
        return False
    return (header.spi_i, header.spi_r) == (sa.spi_i, sa.spi_r)


def _seal(sa: IkeSa, header: Header, payloads: Sequence[Payload], dice: Dice) -> tuple[bytes, ...]:
    size = UNFRAGMENTED if sa.fragment_size is None else sa.fragment_size
    return seal_fragments(header, payloads, sa.outward, size, dice)


def _transmit(sa: IkeSa, datagrams: tuple[bytes, ...]) -> Effects:
    return tuple(Transmit(datagram, sa.peer) for datagram in datagrams)


# Fixed by RFC 768: what a UDP datagram can carry behind the non-ESP marker
UNFRAGMENTED = 65_503
