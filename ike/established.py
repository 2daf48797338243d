"""An established session: whom a datagram is for, what is asked next, what is too old; it makes no SA itself."""

from dataclasses import replace

from ike import child, succession, upkeep
from ike.config import Config, Dice, Endpoint, Instant, ResponderConfig
from ike.crypto import IntegrityError
from ike.effects import (
    Close,
    Datagram,
    Effects,
    Event,
    Heard,
    Note,
    Probe,
    RekeyChild,
    RekeyIke,
    Tick,
)
from ike.errors import PeerError
from ike.exchange import hear, refuse, repeat, resend, settle
from ike.grammar import maybe
from ike.message import Header, Message, decode_header
from ike.payloads import SecurityAssociation
from ike.registry import ExchangeType, NotifyType, PayloadType, ProtocolId
from ike.state import (
    DeletingChild,
    Established,
    IkeSa,
    Leaving,
    Phase,
    Probing,
    RekeyingChild,
    RekeyingIke,
    State,
)
from ike.window import Place


def on_event(state: Established, event: Event, now: Instant, dice: Dice) -> tuple[State, Effects]:
    """Take in what happened while both ends are authenticated."""
    match event:
        case Datagram(datagram, source):
            return _on_datagram(state, datagram, source, now, dice)
        case Tick():
            return _tick(state, now, dice)
        case Heard():
            return _heard(state, now), ()
        case Probe():
            return replace(state, probe_at=now.boot), ()
        case RekeyIke():
            return replace(state, ike_rekey_at=now.boot), ()
        case RekeyChild() if state.newest is not None:
            return state.keeping(replace(state.newest, rekey_at=now.boot)), ()
        case Close():
            return upkeep.end(state, None, "us", now, dice)
        case _:
            return state, ()


def _on_datagram(
    state: Established, datagram: bytes, source: Endpoint, now: Instant, dice: Dice
) -> tuple[State, Effects]:
    header = decode_header(datagram)
    sa = state.by_name(header.spi_r if header.initiator else header.spi_i)
    if sa is None:
        return state, ()
    if header.next_payload not in PROTECTED:
        return _on_unprotected(state, header, now)
    try:
        sa, place, message = hear(sa, header, datagram)
    except IntegrityError:
        raise
    except PeerError as error:
        return _on_bad_content(state, sa, header, error, now, dice)
    if place is Place.STRANGE:
        return state, ()
    if isinstance(state.terms, ResponderConfig):
        sa = replace(sa, peer=source)  # a NAT may have given the client another port (RFC 7296 §2.23)
    match place, message:
        case Place.REPEATED, _:
            return state, repeat(sa)  # anybody can say it again: no sign of life
        case _, None:
            return state.having(sa), ()
        case Place.FRESH, _:
            return _on_request(_heard(state.having(sa), now), sa, message, now, dice)
        case _:
            return _on_answer(_heard(state.having(sa), now), sa, message, now, dice)


def _on_request(state: Established, sa: IkeSa, message: Message, now: Instant, dice: Dice) -> tuple[State, Effects]:
    try:
        match message.header.exchange:
            case ExchangeType.INFORMATIONAL:
                return upkeep.on_request(state, sa, message, now, dice)
            case ExchangeType.CREATE_CHILD_SA:
                return _on_create(state, sa, message, now, dice)
            case _:
                raise PeerError("a request of a kind that does not belong here", notify=NotifyType.INVALID_SYNTAX)
    except PeerError as error:
        return _on_bad_content(state, sa, message.header, error, now, dice)


def _on_create(state: Established, sa: IkeSa, message: Message, now: Instant, dice: Dice) -> tuple[State, Effects]:
    offered = maybe(message.payloads, SecurityAssociation)
    if offered is not None and offered.proposals[0].protocol == ProtocolId.IKE:
        return succession.on_request(state, sa, message, now, dice)
    if sa.name != state.ike.name or isinstance(sa.task, RekeyingIke):
        sa, effects = refuse(sa, message.header, NotifyType.TEMPORARY_FAILURE, dice)
        return state.having(sa), effects
    return child.on_request(state, sa, message, now, dice)


def _on_answer(state: Established, sa: IkeSa, message: Message, now: Instant, dice: Dice) -> tuple[State, Effects]:
    task, sa = sa.task, settle(sa)
    state = state.having(sa)
    try:
        match task:
            case RekeyingChild():
                return child.on_answer(state, sa, task, message, now, dice)
            case RekeyingIke():
                return succession.on_answer(state, sa, task, message, now, dice)
            case DeletingChild():
                return upkeep.on_child_deleted(state, task, now)
            case Leaving():
                return replace(state, others=tuple(other for other in state.others if other.name != sa.name)), ()
            case _:
                return state, ()
    except PeerError as error:
        return upkeep.end(state, error, "us", now, dice)


def _on_bad_content(
    state: Established, sa: IkeSa, header: Header, error: PeerError, now: Instant, dice: Dice
) -> tuple[State, Effects]:
    """Tell the peer what is wrong with its request; a wrong answer ends the session (RFC 7296 §2.21.3)."""
    if header.response:
        return upkeep.end(state, error, "us", now, dice)
    if sa.window.place(header.message_id, response=False) is not Place.FRESH:
        return state, ()
    why = NotifyType.INVALID_SYNTAX if error.notify is None else error.notify
    sa, effects = refuse(sa, header, why, dice, data=error.notify_data)
    return state.having(sa), (Note(error.code, error.detail), *effects)


def _heard(state: Established, now: Instant) -> Established:
    return replace(state, heard_at=now.boot, probe_at=now.boot + state.terms.timers.liveness)


def _on_unprotected(state: Established, header: Header, now: Instant) -> tuple[State, Effects]:
    """Let an unprotected message do no more than make us ask, and not too often (RFC 7296 §2.4)."""
    if header.exchange == ExchangeType.IKE_SA_INIT or now.boot < state.poked_at + POKE_PAUSE:
        return state, ()
    note = Note("peer.unprotected", "somebody sent a message without protection")
    return replace(state, poked_at=now.boot, probe_at=now.boot), (note,)


def pursue(state: Established, now: Instant, dice: Dice) -> tuple[State, Effects]:
    """Begin the most urgent thing that is due, if no request of ours is under way."""
    if state.newest is None and isinstance(state.terms, Config):
        error = PeerError("the gateway deleted the last Child SA", code="peer.closed")
        return upkeep.end(state, error, "peer", now, dice)
    if state.ike.task is not None:
        return state, ()
    doomed = next((one for one in state.children if one.phase is Phase.DOOMED), None)
    if doomed is not None:
        return upkeep.delete_child(state, doomed, now, dice)
    if state.probe_at <= now.boot:
        return upkeep.probe(replace(state, probe_at=now.boot + state.terms.timers.liveness), now, dice)
    newest = state.newest
    if newest is not None and newest.outbound and newest.rekey_at <= now.boot:
        return child.rekey(state, newest, now, dice)
    if state.ike_rekey_at <= now.boot:
        return succession.rekey(state, now, dice)
    return state, ()


def _tick(state: Established, now: Instant, dice: Dice) -> tuple[State, Effects]:
    state, effects = upkeep.forget(state, now)
    if now.boot >= min([state.ike_stop_at, *(one.stop_at for one in state.children if one.until is None)]):
        error = PeerError("the keys are too old and could not be renewed", code="limit.reached")
        ended, told = upkeep.end(state, error, "us", now, dice)
        return ended, (*effects, *told)
    for sa in (state.ike, *state.others):
        resent = resend(sa, now)
        if resent is None and sa.name == state.ike.name:
            return _on_silence(state, sa, effects, now)
        if resent is None:
            state = replace(state, others=tuple(other for other in state.others if other.name != sa.name))
            continue
        sa, told = resent
        state, effects = state.having(sa), (*effects, *told)
    return state, effects


def _on_silence(state: Established, sa: IkeSa, effects: Effects, now: Instant) -> tuple[State, Effects]:
    """Ask once more if the data plane heard the peer meanwhile, else give it up."""
    pending = sa.window.pending
    if isinstance(sa.task, Probing) and pending is not None and state.heard_at > pending.since:
        again = replace(pending, since=now.boot, sent=0, due=now.boot)
        sa = replace(sa, window=replace(sa.window, pending=again))
        return state.having(sa), effects
    ended, told = upkeep.lost(state)
    return ended, (*effects, *told)


# Fixed by RFC 7296 §3.14, RFC 7383 §2.5
PROTECTED = (PayloadType.SK, PayloadType.SKF)

# Our choice, in seconds
POKE_PAUSE = 10.0
