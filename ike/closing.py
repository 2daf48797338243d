"""The end of a session: last words, their answer, and patience that runs out; nothing new begins here."""

from dataclasses import replace

from ike import succession, upkeep
from ike.config import Dice, Instant
from ike.effects import Effects
from ike.errors import PeerError
from ike.exchange import answer, ask, hear, refuse, repeat, resend, settle
from ike.grammar import complaint, deleted
from ike.message import Message, decode_header
from ike.payloads import Delete
from ike.registry import ExchangeType, NotifyType, ProtocolId
from ike.state import Closing, Leaving, RekeyingIke, State
from ike.window import Place


def on_datagram(state: Closing, datagram: bytes, now: Instant, dice: Dice) -> tuple[State, Effects]:
    """Hear the peer out."""
    sa, place, message = hear(state.sa, decode_header(datagram), datagram)
    if place is Place.STRANGE:
        return state, ()
    state = replace(state, sa=sa)
    match place, message:
        case Place.REPEATED, _:
            return state, repeat(sa)
        case _, None:
            return state, ()
        case Place.FRESH, _:
            return _on_request(state, message, dice)
        case _:
            return _on_answer(state, message, now, dice)


def on_tick(state: Closing, now: Instant) -> tuple[State, Effects]:
    """Send the last words again, until patience runs out."""
    resent = None if now.boot >= state.until else resend(state.sa, now)
    if resent is None:
        return upkeep.over(state)
    sa, effects = resent
    return replace(state, sa=sa), effects


def _on_request(state: Closing, message: Message, dice: Dice) -> tuple[State, Effects]:
    """Begin nothing; a peer that deletes the SA too has ended it."""
    if message.header.exchange != ExchangeType.INFORMATIONAL:
        sa, effects = refuse(state.sa, message.header, NotifyType.TEMPORARY_FAILURE, dice)
        return replace(state, sa=sa), effects
    sa, effects = answer(state.sa, message.header, (), dice)
    if deleted(message.payloads, ProtocolId.IKE) is None:
        return replace(state, sa=sa), effects
    closed, told = upkeep.over(state)
    return closed, (*effects, *told)


def _on_answer(state: Closing, message: Message, now: Instant, dice: Dice) -> tuple[State, Effects]:
    """End when the last words were heard; else it is time to say them."""
    task, state = state.sa.task, replace(state, sa=settle(state.sa))
    if isinstance(task, Leaving):
        return upkeep.over(state)
    if isinstance(task, RekeyingIke) and complaint(message.payloads) is None:
        return _leave_both(state, task, message, now, dice)
    return upkeep.say_last_words(state, now, dice)


def _leave_both(state: Closing, task: RekeyingIke, message: Message, now: Instant, dice: Dice) -> tuple[State, Effects]:
    """Delete the IKE SA that was just replaced, and wait for the deletion of its successor."""
    try:
        made = succession.successor(state.sa, task, message)
    except PeerError:
        return upkeep.say_last_words(state, now, dice)
    words, schedule = (Delete(ProtocolId.IKE),), state.terms.timers.schedule
    _, effects = ask(state.sa, ExchangeType.INFORMATIONAL, words, Leaving(), schedule, now, dice)
    closing, more = upkeep.say_last_words(replace(state, sa=made), now, dice)
    return closing, (*effects, *more)
