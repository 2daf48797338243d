"""One IKE session as a whole: which event in which state leads where, and what it waits for next; it does no IO."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

from ike import child, succession, upkeep
from ike.config import Config, Dice, Endpoint, Instant, ResponderConfig
from ike.crypto import IntegrityError
from ike.effects import (
    Close,
    Datagram,
    Deadline,
    Down,
    Effects,
    Event,
    Heard,
    Note,
    Probe,
    RekeyChild,
    RekeyIke,
    Signed,
    SignRefused,
    Tick,
    Transmit,
)
from ike.errors import ConfigError, PeerError
from ike.exchange import hear, refuse, repeat, resend, settle
from ike.grammar import maybe
from ike.initial import answering, opening, proving
from ike.message import Header, Message, decode_header
from ike.payloads import SecurityAssociation
from ike.registry import ExchangeType, NotifyType, PayloadType, ProtocolId
from ike.state import (
    AnswerSigning,
    AuthSent,
    AuthSigning,
    Closed,
    Closing,
    DeletingChild,
    Established,
    IkeSa,
    InitAnswered,
    InitSent,
    Leaving,
    Listening,
    Phase,
    Probing,
    RekeyingChild,
    RekeyingIke,
    State,
)
from ike.window import Place


@dataclass(frozen=True, slots=True)
class Session:
    """A session at one moment; every step gives a new one and what to do outside."""

    state: State

    @classmethod
    def connect(cls, config: Config, now: Instant, dice: Dice) -> tuple[Self, Effects]:
        """Begin as the client."""
        state, effects = opening.connect(config, now, dice)
        return cls(state), effects

    @classmethod
    def listen(cls, config: ResponderConfig) -> Self:
        """Wait for one client as the gateway."""
        return cls(Listening(config))

    def step(self, event: Event, now: Instant, dice: Dice) -> tuple[Self, Effects]:
        """Take in what happened; garbage from outside changes nothing and is noted."""
        try:
            state, effects = _step(self.state, event, now, dice)
            state, more = _pursue(state, now, dice)
        except PeerError as error:
            return self, (Note(error.code, error.detail),)
        except ConfigError as error:
            return type(self)(Closed()), (*_removals(self.state), Down(error, "us"))
        return type(self)(state), (*effects, *more)

    @property
    def deadline(self) -> Deadline | None:
        """Say when the next `Tick` is wanted, and what for."""
        return min(_deadlines(self.state), key=lambda deadline: deadline.at, default=None)


def _step(state: State, event: Event, now: Instant, dice: Dice) -> tuple[State, Effects]:  # noqa: C901 - the whole table
    match state, event:
        case Closed(), _:
            return state, ()
        case InitSent(), Datagram(datagram):
            return _on_init_answer(state, datagram, now, dice)
        case InitSent(), Tick():
            return opening.on_tick(state, now)
        case AuthSigning(ticket=ticket), Signed() if event.ticket == ticket:
            return proving.on_signed(state, event, now, dice)
        case AuthSigning(ticket=ticket), SignRefused() if event.ticket == ticket:
            return proving.on_sign_refused(event)
        case AuthSent(), Datagram(datagram):
            return _on_auth_answer(state, datagram, now, dice)
        case AuthSent(), Tick():
            return proving.on_tick(state, now, dice)
        case Listening(), Datagram(datagram, source):
            return _on_init_request(state, datagram, source, now, dice)
        case InitAnswered(), Datagram(datagram, source):
            return _on_auth_request(state, datagram, source, now, dice)
        case ((InitAnswered() | AnswerSigning()), Tick()) if now.boot >= state.until:
            return Closed(), (Down(PeerError("the client fell silent", code="peer.lost"), "us"),)
        case AnswerSigning(ticket=ticket), Signed() if event.ticket == ticket:
            return answering.on_signed(state, event, now, dice)
        case AnswerSigning(ticket=ticket), SignRefused() if event.ticket == ticket:
            return answering.on_sign_refused(event)
        case Established(), _:
            return _on_established(state, event, now, dice)
        case Closing(), Datagram(datagram):
            return _on_closing(state, datagram, now, dice)
        case Closing(), Tick():
            return _closing_tick(state, now)
        case ((InitSent() | AuthSigning() | AuthSent() | Listening() | InitAnswered() | AnswerSigning()), Close()):
            return Closed(), (Down(None, "us"),)
        case _:
            return state, ()  # without a rule, stay


def _on_established(state: Established, event: Event, now: Instant, dice: Dice) -> tuple[State, Effects]:
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


# Before authentication.


def _on_init_answer(state: InitSent, datagram: bytes, now: Instant, dice: Dice) -> tuple[State, Effects]:
    header = decode_header(datagram)
    ours = header.response and not header.initiator and header.spi_i == state.spi
    if not ours or header.exchange != ExchangeType.IKE_SA_INIT or header.message_id:
        return state, ()
    accepted = opening.accept(state, datagram)
    if isinstance(accepted, Message):
        return opening.on_refusal(state, accepted, now, dice)
    return proving.begin(state, *accepted)


def _on_auth_answer(state: AuthSent, datagram: bytes, now: Instant, dice: Dice) -> tuple[State, Effects]:
    """Take only the answer to our IKE_AUTH: no request is heard before it (CVE-2014-2338)."""
    header = decode_header(datagram)
    if not header.response:
        return state, ()
    sa, place, message = hear(state.sa, header, datagram)
    if place is not Place.ANSWER:
        return state, ()
    state = replace(state, sa=sa)
    return (state, ()) if message is None else proving.on_answer(state, message, now, dice)


def _on_init_request(
    state: Listening, datagram: bytes, source: Endpoint, now: Instant, dice: Dice
) -> tuple[State, Effects]:
    header = decode_header(datagram)
    fresh = header.initiator and not header.response and header.spi_r == opening.NO_SPI and not header.message_id
    if not fresh or header.exchange != ExchangeType.IKE_SA_INIT:
        return state, ()
    return answering.on_init(state, datagram, source, now, dice)


def _on_auth_request(
    state: InitAnswered, datagram: bytes, source: Endpoint, now: Instant, dice: Dice
) -> tuple[State, Effects]:
    if datagram == state.opening.request:
        return state, (Transmit(state.opening.response, source),)
    header = decode_header(datagram)
    if header.exchange != ExchangeType.IKE_AUTH:
        return state, ()
    sa, place, message = hear(state.sa, header, datagram)
    if place is not Place.FRESH:
        return state, ()
    state = replace(state, sa=replace(sa, peer=source))
    return (state, ()) if message is None else answering.on_auth(state, message, now, dice)


# With an IKE SA in place.


def _on_datagram(
    state: Established, datagram: bytes, source: Endpoint, now: Instant, dice: Dice
) -> tuple[State, Effects]:
    header = decode_header(datagram)
    sa = state.by_name(header.spi_r if header.initiator else header.spi_i)
    if sa is None:
        return state, ()
    if header.next_payload not in PROTECTED:
        return _poked(state, now), (Note("peer.unprotected", "an unprotected message is ignored"),)
    try:
        sa, place, message = hear(sa, header, datagram)
    except IntegrityError:
        raise
    except PeerError as error:
        return _on_bad_content(state, sa, header, error, now, dice)
    if place is Place.STRANGE:
        return state, ()
    if message is None:
        return state.having(sa), ()
    if isinstance(state.terms, ResponderConfig):
        sa = replace(sa, peer=source)  # a NAT may have given the client another port (RFC 7296 §2.23)
    state = _heard(state.having(sa), now)
    match place:
        case Place.REPEATED:
            return state, repeat(sa)
        case Place.FRESH:
            return _on_request(state, sa, message, now, dice)
        case _:
            return _on_answer(state, sa, message, now, dice)


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


def _poked(state: Established, now: Instant) -> Established:
    """Let an unprotected message do no more than make us ask, and not too often (RFC 7296 §2.4)."""
    if now.boot < state.poked_at + POKE_PAUSE:
        return state
    return replace(state, poked_at=now.boot, probe_at=now.boot)


def _pursue(state: State, now: Instant, dice: Dice) -> tuple[State, Effects]:
    """Begin the most urgent thing that is due, if no request of ours is under way."""
    if not isinstance(state, Established):
        return state, ()
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
    if now.boot >= min([state.ike_stop_at, *(one.stop_at for one in state.children if one.phase is not Phase.RETIRED)]):
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


# At the end.


def _on_closing(state: Closing, datagram: bytes, now: Instant, dice: Dice) -> tuple[State, Effects]:
    sa, place, message = hear(state.sa, decode_header(datagram), datagram)
    if place is Place.STRANGE:
        return state, ()
    state = replace(state, sa=sa)
    match message, place:
        case None, _:
            return state, ()
        case Message(), Place.REPEATED:
            return state, repeat(sa)
        case Message(), Place.FRESH:
            return upkeep.on_closing_request(state, message, dice)
        case _:
            return upkeep.on_closing_answer(state, now, dice)


def _closing_tick(state: Closing, now: Instant) -> tuple[State, Effects]:
    if now.boot >= state.until:
        return upkeep.over(state)
    resent = resend(state.sa, now)
    if resent is None:
        return upkeep.over(state)
    sa, effects = resent
    return replace(state, sa=sa), effects


def _removals(state: State) -> Effects:
    return upkeep.removals(state) if isinstance(state, Established) else ()


# What is waited for.


def _deadlines(state: State) -> Iterator[Deadline]:
    match state:
        case InitSent():
            yield Deadline(state.pending.due, "IKE_SA_INIT is sent again")
            if state.noted is not None and state.noted.times >= opening.ENOUGH_ERRORS:
                yield Deadline(state.noted.until, "an error has waited long enough for a better answer")
        case AuthSent():
            yield from _resends(state.sa)
        case InitAnswered() | AnswerSigning():
            yield Deadline(state.until, "a half-open session is given up")
        case Established():
            yield from _established_deadlines(state)
        case Closing():
            yield Deadline(state.until, "the session ends, answered or not")
            yield from _resends(state.sa)


def _established_deadlines(state: Established) -> Iterator[Deadline]:
    for sa in (state.ike, *state.others):
        yield from _resends(sa)
        if sa.until is not None:
            yield Deadline(sa.until, "a replaced IKE SA is forgotten")
    for one in state.children:
        if one.until is not None:
            yield Deadline(one.until, "a replaced Child SA is forgotten")
        else:
            yield Deadline(one.stop_at, "a Child SA is too old")
    yield Deadline(state.ike_stop_at, "the IKE SA is too old")
    if state.ike.task is None:
        yield Deadline(state.probe_at, "the peer is asked whether it lives")
        yield Deadline(state.ike_rekey_at, "the IKE SA is replaced")
        if state.newest is not None and state.newest.outbound:
            yield Deadline(state.newest.rekey_at, "the Child SA is replaced")


def _resends(sa: IkeSa) -> Iterator[Deadline]:
    if sa.window.pending is not None:
        yield Deadline(sa.window.pending.due, "a request is sent again")


# Fixed by RFC 7296 §3.14, RFC 7383 §2.5
PROTECTED = (PayloadType.SK, PayloadType.SKF)

# Our choice, in seconds
POKE_PAUSE = 10.0
