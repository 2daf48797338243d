"""When a session wants its next tick, and what for; it changes nothing."""

from collections.abc import Iterator

from ike.effects import Deadline
from ike.initial import opening, proving
from ike.state import (
    AnswerSigning,
    AuthSent,
    AuthSigning,
    Closing,
    Established,
    IkeSa,
    InitAnswered,
    InitSent,
    State,
)


def deadlines(state: State) -> Iterator[Deadline]:
    """List what is waited for."""
    match state:
        case InitSent():
            yield Deadline(state.pending.due, "IKE_SA_INIT is sent again")
            if state.noted is not None and state.noted.times >= opening.ENOUGH_ERRORS:
                yield Deadline(state.noted.until, "an error has waited long enough for a better answer")
        case AuthSigning():
            yield Deadline(proving.give_up_at(state), "a signature is given up")
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
