"""INFORMATIONAL (RFC 7296 §1.4): whether the peer lives, what is deleted, and how a session ends; it makes no SA.

HDR, SK {[N,] [D,] ...}  -->  /  <--  HDR, SK {[N,] [D,] ...}
"""

from dataclasses import replace
from typing import Literal

from ike.association import CHILD_SPI_SIZE, LINGER, promote
from ike.config import Dice, Instant
from ike.effects import Down, Effects, Rekeyed, RemoveChild, UseChild
from ike.errors import IkeError, PeerError
from ike.exchange import answer, ask
from ike.grammar import deleted, notified
from ike.message import Message
from ike.payloads import Delete, Payload
from ike.registry import ExchangeType, NotifyType, ProtocolId
from ike.state import (
    Child,
    Closed,
    Closing,
    DeletingChild,
    Established,
    IkeSa,
    Leaving,
    Phase,
    Probing,
    RekeyingIke,
    State,
)


def probe(state: Established, now: Instant, dice: Dice) -> tuple[Established, Effects]:
    """Ask the peer whether it lives (RFC 7296 §2.4)."""
    sa, effects = ask(state.ike, ExchangeType.INFORMATIONAL, (), Probing(), state.terms.timers.probing, now, dice)
    return state.having(sa), effects


def delete_child(state: Established, child: Child, now: Instant, dice: Dice) -> tuple[Established, Effects]:
    """Tell the peer that a Child SA of ours is no more."""
    words, task = (_deletion((child.sa.spi_in,)),), DeletingChild(child.sa.spi_in)
    schedule = state.terms.timers.schedule
    sa, effects = ask(state.ike, ExchangeType.INFORMATIONAL, words, task, schedule, now, dice)
    return state.having(sa), effects


def on_request(state: Established, sa: IkeSa, message: Message, now: Instant, dice: Dice) -> tuple[State, Effects]:
    """Carry out deletions; anything else, known or not, gets an empty answer."""
    if deleted(message.payloads, ProtocolId.IKE) is not None:
        sa, effects = answer(sa, message.header, (), dice)
        return _on_ike_deleted(state.having(sa), sa, effects, now, dice)
    if notified(message.payloads, NotifyType.AUTHENTICATION_FAILED):
        _, effects = answer(sa, message.header, (), dice)
        error = PeerError("the peer does not accept our proof", code="auth.rejected")
        return Closed(), (*effects, *removals(state), Down(error, "peer"))
    named = deleted(message.payloads, ProtocolId.ESP) or ()
    state, gone, told = _retire(state, sa, named, now)
    words: tuple[Payload, ...] = (_deletion(gone),) if gone else ()
    sa, effects = answer(sa, message.header, words, dice)
    return state.having(sa), (*told, *effects)


def on_child_deleted(state: Established, task: DeletingChild, now: Instant) -> tuple[Established, Effects]:
    """Keep the inbound half of a deleted Child SA for what is still on the way."""
    child = state.inbound(task.spi)
    if child is None or child.phase is Phase.RETIRED:
        return state, ()
    return state.keeping(_retired(state, child, now)), ()


def forget(state: Established, now: Instant) -> tuple[Established, Effects]:
    """Drop what has lingered long enough; what the peer should have deleted by now is ours to delete."""
    others = tuple(sa for sa in state.others if not _is_due(sa, now))
    gone = tuple(child for child in state.children if _is_due(child, now) and child.phase is Phase.RETIRED)
    children = tuple(_doomed_if_due(child, now) for child in state.children if child not in gone)
    state, told = _send_on_newest(replace(state, others=others, children=children))
    return state, (*told, *(RemoveChild(child.sa.spi_in, child.sa.spi_out) for child in gone))


def end(
    state: Established, error: IkeError | None, by: Literal["us", "peer"], now: Instant, dice: Dice
) -> tuple[State, Effects]:
    """Stop the data plane at once and take leave of the peer, as soon as the window allows."""
    words = Delete(ProtocolId.IKE)
    closing = Closing(state.terms, state.ike, words, now.boot + state.terms.timers.farewell, error, by)
    closing, effects = say_last_words(closing, now, dice)
    return closing, (*removals(state), *effects)


def removals(state: Established) -> Effects:
    """Forget every Child SA."""
    return tuple(RemoveChild(child.sa.spi_in, child.sa.spi_out) for child in state.children)


def say_last_words(state: Closing, now: Instant, dice: Dice) -> tuple[Closing, Effects]:
    """Send what is left to say if no other request of ours is under way."""
    if state.last_words is None or state.sa.window.pending is not None:
        return state, ()
    words, schedule = (state.last_words,), state.terms.timers.schedule
    sa, effects = ask(state.sa, ExchangeType.INFORMATIONAL, words, Leaving(), schedule, now, dice)
    return replace(state, sa=sa, last_words=None), effects


def lost(state: Established) -> tuple[State, Effects]:
    """Give the peer up; there is nobody to take leave of."""
    error = PeerError("the gateway stopped answering", code="peer.lost")
    return Closed(), (*removals(state), Down(error, "us"))


def over(state: Closing) -> tuple[State, Effects]:
    """Say that it is over; nothing follows."""
    return Closed(), (Down(state.error, state.by),)


def _on_ike_deleted(state: Established, sa: IkeSa, effects: Effects, now: Instant, dice: Dice) -> tuple[State, Effects]:
    """The one in use: it is over. A replaced one: it lingers only to answer the same again."""
    if sa.name != state.ike.name:
        return state.having(replace(sa, until=now.boot + LINGER)), effects
    rival = sa.task.rival if isinstance(sa.task, RekeyingIke) else None
    if rival is not None:
        state, told = promote(state, rival.name, now, dice)
        return state, (*effects, *told)
    error = PeerError("the gateway ended the connection", code="peer.closed")
    return Closed(), (*effects, *removals(state), Down(error, "peer"))


def _retire(
    state: Established, sa: IkeSa, named: tuple[int, ...], now: Instant
) -> tuple[Established, tuple[int, ...], Effects]:
    """Retire what the peer deleted; also say which of our SPIs go with it, but not those we are deleting ourselves."""
    gone: list[int] = []
    for spi in named:
        child = state.outward(spi)
        if child is None or child.phase is Phase.RETIRED:
            continue
        if not (isinstance(sa.task, DeletingChild) and sa.task.spi == child.sa.spi_in):
            gone.append(child.sa.spi_in)
        state = state.keeping(_retired(state, child, now))
    state, told = _send_on_newest(state)
    return state, tuple(gone), told


def _is_due(one: IkeSa | Child, now: Instant) -> bool:
    return one.until is not None and one.until <= now.boot


def _doomed_if_due(child: Child, now: Instant) -> Child:
    return replace(child, phase=Phase.DOOMED, outbound=False, until=None) if _is_due(child, now) else child


def _send_on_newest(state: Established) -> tuple[Established, Effects]:
    newest = state.newest
    if newest is None or any(child.outbound and child.phase is not Phase.RETIRED for child in state.children):
        return state, ()
    children = tuple(replace(child, outbound=child is newest) for child in state.children)
    return replace(state, children=children), (UseChild(newest.sa.spi_out), Rekeyed("child"))


def _retired(state: Established, child: Child, now: Instant) -> Child:
    return replace(child, phase=Phase.RETIRED, until=now.boot + state.terms.timers.keep_old_inbound)


def _deletion(spis: tuple[int, ...]) -> Delete:
    return Delete(ProtocolId.ESP, tuple(spi.to_bytes(CHILD_SPI_SIZE) for spi in spis))
