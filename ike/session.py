"""One IKE session as a whole: which event in which state leads where, and what it waits for next; it does no IO."""

from dataclasses import dataclass, replace
from typing import Self

from ike import closing, established, upkeep
from ike.chain import NO_SPI
from ike.config import Config, Dice, Endpoint, Instant, ResponderConfig
from ike.crypto import IntegrityError
from ike.deadlines import deadlines
from ike.effects import (
    Close,
    Datagram,
    Deadline,
    Down,
    Effects,
    Event,
    Note,
    Signed,
    SignRefused,
    Tick,
    Transmit,
)
from ike.errors import ConfigError, PeerError
from ike.exchange import hear
from ike.initial import answering, opening, proving
from ike.message import Message, decode_header
from ike.registry import ExchangeType
from ike.state import (
    AnswerSigning,
    AuthSent,
    AuthSigning,
    Closed,
    Closing,
    Established,
    InitAnswered,
    InitSent,
    Listening,
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
        try:
            state, effects = opening.connect(config, now, dice)
        except ConfigError as error:
            return cls(Closed()), (Down(error, "us"),)
        return cls(state), effects

    @classmethod
    def listen(cls, config: ResponderConfig) -> Self:
        """Wait for one client as the gateway."""
        return cls(Listening(config))

    def step(self, event: Event, now: Instant, dice: Dice) -> tuple[Self, Effects]:
        """Take in what happened; garbage from outside changes nothing and is noted."""
        try:
            state, effects = _step(self.state, event, now, dice)
            more: Effects = ()
            if isinstance(state, Established):
                state, more = established.pursue(state, now, dice)
        except PeerError as error:
            return self, (Note(error.code, error.detail),)
        except ConfigError as error:
            return type(self)(Closed()), (*_removals(self.state), Down(error, "us"))
        return type(self)(state), (*effects, *more)

    @property
    def deadline(self) -> Deadline | None:
        """Say when the next `Tick` is wanted, and what for."""
        return min(deadlines(self.state), key=lambda deadline: deadline.at, default=None)


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
        case AuthSigning(), Tick() if now.boot >= proving.give_up_at(state):
            return _unsigned("the key holder did not sign in time")
        case ((AuthSigning(ticket=ticket) | AnswerSigning(ticket=ticket)), SignRefused()) if event.ticket == ticket:
            return _unsigned(event.why)
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
        case Established(), _:
            return established.on_event(state, event, now, dice)
        case Closing(), Datagram(datagram):
            return closing.on_datagram(state, datagram, now, dice)
        case Closing(), Tick():
            return closing.on_tick(state, now)
        case ((InitSent() | AuthSigning() | AuthSent() | Listening() | InitAnswered() | AnswerSigning()), Close()):
            return Closed(), (Down(None, "us"),)
        case _:
            return state, ()  # without a rule, stay


# Before authentication.


def _unsigned(why: str) -> tuple[State, Effects]:
    return Closed(), (Down(ConfigError(why, code="sign.refused"), "us"),)


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
    try:
        sa, place, message = hear(state.sa, header, datagram)
    except IntegrityError:
        raise
    except PeerError as error:
        return proving.on_nonsense(state, error, now, dice)
    if place is not Place.ANSWER:
        return state, ()
    state = replace(state, sa=sa)
    return (state, ()) if message is None else proving.on_answer(state, message, now, dice)


def _on_init_request(
    state: Listening, datagram: bytes, source: Endpoint, now: Instant, dice: Dice
) -> tuple[State, Effects]:
    header = decode_header(datagram)
    fresh = header.initiator and not header.response and header.spi_r == NO_SPI and not header.message_id
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


def _removals(state: State) -> Effects:
    return upkeep.removals(state) if isinstance(state, Established) else ()
